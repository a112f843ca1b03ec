//! Attacks that no TorchScript can make by itself, through the isolation that every model runs in.
//!
//! TorchScript has no operator that forks, opens a socket or sends a signal; a model that does has
//! broken out of libtorch by way of a bug there. This program therefore plays such a scorer
//! itself: under a name such as `attack-forks` it speaks the scorer's protocol, gives up what the
//! real one gives up (`sandbox::restrict`, the same code), and then attacks. What TorchScript can
//! do by itself (crash, hang, take memory, map files) is tested with real models in `scorer.rs`.
//!
//! There is no libtest harness, for the program must know its name before anything else runs; it
//! prints what libtest prints.

#![expect(
    clippy::exit,
    clippy::print_stdout,
    reason = "an attacker leaves as it likes, and a harness prints"
)]

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use validator::scorer::protocol::{
    self, Failure, Loaded, Reply, Request, read_message, write_message,
};
use validator::scorer::{
    ElementType, OutputKind, Protection, SandboxReport, ScorerError, ScorerProcess, SpawnOptions,
    sandbox, transport,
};
use verdict::report::{Brief, Outcome, Report};

#[path = "common/command.rs"]
mod command;

const PREFIX: &str = "attack-";
/// Where an attack that writes would leave its mark.
const WRITTEN: &str = "/tmp/written-by-an-attack";
/// What must not come out of the gate's own environment.
const SECRET: &str = "secret-of-the-gate";

fn main() -> ExitCode {
    let name = std::env::args().next().unwrap_or_default();
    let name = Path::new(&name).file_name().unwrap_or_default();
    if let Some(attack) = name.to_string_lossy().strip_prefix(PREFIX) {
        return match play(attack) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    run_tests()
}

// --- the attacker ------------------------------------------------------------------------------

fn play(attack: &str) -> io::Result<()> {
    if attack == "never_greets" {
        std::thread::sleep(Duration::from_secs(3600));
    }
    sandbox::die_with_parent()?;
    let mut socket = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let hello = Reply::Hello {
        version: protocol::VERSION,
        runtime: "attacker".into(),
    };
    write_message(&mut socket, &hello, &[])?;
    let [_memory, model] = transport::receive_files(&socket)?;
    let (Request::Load(request), _) = read_message(&mut socket, 0)? else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    if attack == "hangs_while_loading" {
        std::thread::sleep(Duration::from_secs(3600));
    }
    let mut report = sandbox::restrict(model.as_fd(), request.memory_limit_bytes, request.device);
    if attack == "lacks_landlock" {
        report.protections.push(Protection {
            name: "landlock".into(),
            active: false,
            detail: "the kernel has no landlock".into(),
        });
    }
    write_message(&mut socket, &loaded(report), &[])?;
    loop {
        let rows = match read_message(&mut socket, 0)?.0 {
            Request::Score(rows) => rows,
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        if attack == "lacks_landlock" {
            let scores: Vec<u8> = (0..rows.rows)
                .flat_map(|row| ((row * 7919 % 1013) as f64).to_le_bytes())
                .collect();
            write_message(&mut socket, &scored(1), &scores)?;
            continue;
        }
        let refused = strike(attack, &mut socket)?;
        write_message(
            &mut socket,
            &Reply::Failed(Failure::Raised { message: refused }),
            &[],
        )?;
    }
}

fn loaded(sandbox: SandboxReport) -> Reply {
    Reply::Loaded(Loaded {
        element_type: ElementType::F32,
        parameters: 0,
        load_ns: 1,
        sandbox,
    })
}

fn scored(columns: usize) -> Reply {
    Reply::Scored {
        columns,
        element_type: ElementType::F32,
        kind: OutputKind::Single,
    }
}

#[expect(unsafe_code, reason = "system calls that only an attacker makes")]
/// Attacks; returns how the attempt ended where the attacker is still alive.
fn strike(attack: &str, socket: &mut File) -> io::Result<String> {
    let told = |attempt: io::Result<String>| match attempt {
        Ok(done) => format!("{attack}: succeeded: {done}"),
        Err(error) => format!("{attack}: refused: {error}"),
    };
    let parent = std::os::unix::process::parent_id().cast_signed();
    Ok(match attack {
        "forks" => told(call(unsafe { libc::fork() }.into())),
        "forks_by_vfork_number" => told(call(unsafe {
            libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0)
        })),
        "executes" => told(
            Command::new("/bin/true")
                .status()
                .map(|status| status.to_string()),
        ),
        "opens_tcp" => told(
            std::net::TcpStream::connect_timeout(
                &([127, 0, 0, 1], 9).into(),
                Duration::from_secs(1),
            )
            .map(|_| "connected".into())
            .or_else(|error| match error.kind() {
                // A socket was made, and only nobody listened.
                io::ErrorKind::ConnectionRefused => Ok("a socket".into()),
                _ => Err(error),
            }),
        ),
        "opens_udp" => told(std::net::UdpSocket::bind("127.0.0.1:0").map(|_| "a socket".into())),
        "opens_unix" => {
            told(std::os::unix::net::UnixDatagram::unbound().map(|_| "a socket".into()))
        }
        "writes_file" => told(std::fs::write(WRITTEN, "x").map(|()| WRITTEN.into())),
        "reads_passwd" => told(std::fs::read_to_string("/etc/passwd")),
        "reads_gates_environment" => {
            told(std::fs::read_to_string(format!("/proc/{parent}/environ")))
        }
        "reads_gates_memory" => {
            told(File::open(format!("/proc/{parent}/mem")).map(|_| "opened".into()))
        }
        "lists_folders" => told(std::fs::read_dir("/").map(|_| "listed".into())),
        "traces_gate" => told(call(unsafe {
            libc::ptrace(libc::PTRACE_ATTACH, parent, 0, 0)
        })),
        "kills_gate" => told(call(unsafe { libc::kill(parent, libc::SIGKILL) }.into())),
        "kills_gate_by_thread" => told(call(unsafe {
            libc::syscall(libc::SYS_tkill, parent, libc::SIGKILL)
        })),
        "finds_credentials" => {
            let found: Vec<String> = std::env::vars()
                .filter(|(name, value)| name.starts_with("AWS") || value.contains(SECRET))
                .map(|(name, _)| name)
                .collect();
            if found.is_empty() {
                format!("{attack}: refused: the environment has none")
            } else {
                format!("{attack}: succeeded: {}", found.join(","))
            }
        }
        "takes_memory" => {
            let mut kept: Vec<Vec<u8>> = Vec::new();
            loop {
                kept.push(vec![1; 64 << 20]);
            }
        }
        "crashes" => {
            // The first only takes Rust's own handler away.
            for _ in 0..2 {
                unsafe { libc::raise(libc::SIGSEGV) };
            }
            "still alive".into()
        }
        "kills_itself" => {
            unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
            // Where the filter refuses that, by the thread.
            unsafe { libc::raise(libc::SIGKILL) };
            "still alive".into()
        }
        "leaves" => std::process::exit(0),
        "hangs" => loop {
            std::hint::spin_loop();
        },
        "floods_the_socket" => loop {
            socket.write_all(&[0xff; 65_536])?;
        },
        "floods_the_log" => {
            let line = [b'x'; 65_536];
            for _ in 0..1_000 {
                io::stderr().write_all(&line)?;
            }
            std::process::exit(7);
        }
        "answers_too_much" => {
            write_message(socket, &scored(3), &[0; 8])?;
            "still alive".into()
        }
        "promises_a_terabyte" => {
            let mut frame = protocol::encode(&scored(1), 0)?;
            frame[4..12].copy_from_slice(&(1_u64 << 40).to_le_bytes());
            socket.write_all(&frame)?;
            "still alive".into()
        }
        other => format!("there is no attack `{other}`"),
    })
}

fn call(returned: libc::c_long) -> io::Result<String> {
    if returned < 0 {
        return Err(io::Error::last_os_error());
    }
    if returned == 0 {
        // A child of a fork that should not have come about.
        std::process::exit(0);
    }
    Ok(returned.to_string())
}

// --- the tests ---------------------------------------------------------------------------------

type Test = (&'static str, fn());

const TESTS: [Test; 6] = [
    (
        "what_the_kernel_denies_is_refused_and_ends_in_exit_code_4",
        denied,
    ),
    (
        "an_attacker_that_dies_or_babbles_ends_in_exit_code_4_with_the_reason",
        dies,
    ),
    (
        "an_attacker_that_takes_memory_without_end_is_stopped",
        takes_memory,
    ),
    ("an_attacker_that_hangs_is_killed_at_its_timeout", hangs),
    (
        "a_protection_that_the_kernel_lacks_is_in_the_report_and_a_warning",
        lacks,
    ),
    ("the_gate_outlives_what_the_attacker_prints", prints),
];

fn run_tests() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filters: Vec<&String> = arguments
        .iter()
        .filter(|text| !text.starts_with('-'))
        .collect();
    let wanted =
        |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(*filter));
    let chosen: Vec<&Test> = TESTS.iter().filter(|(name, _)| wanted(name)).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        for (name, _) in chosen {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", chosen.len());
    let started = Instant::now();
    let mut failed = 0;
    for (name, test) in &chosen {
        let passed = catch_unwind(AssertUnwindSafe(test)).is_ok();
        failed += usize::from(!passed);
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
    }
    println!(
        "\ntest result: {}. {} passed; {failed} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        if failed == 0 { "ok" } else { "FAILED" },
        chosen.len() - failed,
        TESTS.len() - chosen.len(),
        started.elapsed().as_secs_f64()
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(101)
    }
}

fn datasets() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../datasets")
}

struct Attacker {
    folder: tempfile::TempDir,
    scorer: PathBuf,
}

impl Attacker {
    /// Puts this program under the attack's name.
    fn named(attack: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let scorer = folder.path().join(format!("{PREFIX}{attack}"));
        let program = std::env::current_exe().expect("this program");
        std::os::unix::fs::symlink(program, &scorer).expect("a link");
        Self { folder, scorer }
    }

    /// Lets the gate run with it and demands the exit code; returns brief and report.
    fn judged(&self, code: i32) -> (Brief, Report) {
        let report = self.folder.path().join("report.json");
        let gate = self.folder.path().join("gate.yaml");
        let text = "apiVersion: validator/v1\nkind: ModelGate\nlatency: []\n";
        std::fs::write(&gate, text).expect("written");
        let output = command::validator()
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .env("MODEL_PATH", datasets().join("champion.pt"))
            .env("VALIDATION_DATASET", datasets().join("validation"))
            .env("VALIDATOR_SCORER", &self.scorer)
            .env(
                "VALIDATOR_TERMINATION_MESSAGE",
                self.folder.path().join("message"),
            )
            .env("VALIDATOR_REPORT", &report)
            .env("VALIDATOR_GATE", &gate)
            .output()
            .expect("the gate starts");
        let talk = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{:?}: {talk}",
            self.scorer
        );
        assert!(!talk.contains("panicked"), "{talk}");
        assert!(!talk.contains(SECRET), "{talk}");
        let text = std::fs::read_to_string(self.folder.path().join("message"));
        let brief = Brief::parse(&text.expect("a termination message")).expect("a brief");
        let report = std::fs::read_to_string(report).expect("a report");
        let report = serde_json::from_str(&report).expect("JSON");
        self.leaves_nothing_behind();
        (brief, report)
    }

    fn leaves_nothing_behind(&self) {
        let mine = self.scorer.to_string_lossy().into_owned();
        for entry in std::fs::read_dir("/proc").expect("proc").flatten() {
            let Ok(line) = std::fs::read(entry.path().join("cmdline")) else {
                continue;
            };
            let line = String::from_utf8_lossy(&line).into_owned();
            assert!(!line.contains(&mine), "{:?} lives on", entry.path());
        }
        assert!(!Path::new(WRITTEN).exists(), "an attack has written a file");
    }
}

/// Every attempt is made after the same restrictions as the real scorer's, and reported by the
/// attacker itself; one that succeeds says so.
fn denied() {
    for attack in [
        "forks",
        "forks_by_vfork_number",
        "executes",
        "opens_tcp",
        "opens_udp",
        "opens_unix",
        "writes_file",
        "reads_passwd",
        "reads_gates_environment",
        "reads_gates_memory",
        "lists_folders",
        "traces_gate",
        "kills_gate",
        "kills_gate_by_thread",
        "finds_credentials",
    ] {
        let (brief, report) = Attacker::named(attack).judged(4);
        let reasons = brief.reasons.join("\n");
        assert_eq!(brief.outcome, Outcome::Error);
        assert!(reasons.contains(&format!("{attack}: refused")), "{reasons}");
        let sandbox = report.model.expect("a model").sandbox;
        let sandbox: SandboxReport = serde_json::from_value(sandbox).expect("a report");
        assert!(sandbox.complete(), "{sandbox:?}");
    }
}

fn dies() {
    for (attack, part) in [
        ("crashes", "segmentation fault"),
        ("kills_itself", "signal 9"),
        ("leaves", "exit status 0"),
        ("floods_the_socket", "broke the protocol"),
        ("answers_too_much", "broke the protocol"),
        ("promises_a_terabyte", "broke the protocol"),
    ] {
        let (brief, _) = Attacker::named(attack).judged(4);
        let reasons = brief.reasons.join("\n");
        assert!(reasons.contains(part), "{attack}: {reasons}");
    }
}

fn options(attacker: &Attacker) -> SpawnOptions {
    SpawnOptions::new(&attacker.scorer, datasets().join("champion.pt"))
}

fn score(scorer: &mut ScorerProcess) -> ScorerError {
    use validator::scorer::Scorer;
    let rows = ndarray::Array2::<f32>::zeros((3, 10));
    scorer
        .score(rows.view())
        .expect_err("an attack is no score")
}

fn takes_memory() {
    let attacker = Attacker::named("takes_memory");
    let mut options = options(&attacker);
    options.memory_limit = validator::scorer::MemoryLimit::Bytes(512 << 20);
    let mut scorer = ScorerProcess::spawn(options).expect("starts");
    let error = score(&mut scorer);
    assert!(
        matches!(
            error,
            ScorerError::OutOfMemory {
                limit_bytes: Some(limit),
                ..
            } if limit == 512 << 20
        ),
        "{error}"
    );
    assert!(scorer.peak_memory_bytes().is_none_or(|peak| peak < 1 << 30));
}

fn hangs() {
    for attack in ["hangs", "hangs_while_loading", "never_greets"] {
        let attacker = Attacker::named(attack);
        let mut options = options(&attacker);
        options.load_timeout = Duration::from_millis(1_500);
        options.call_timeout = Duration::from_millis(700);
        let started = Instant::now();
        let error = match ScorerProcess::spawn(options) {
            Ok(mut scorer) => score(&mut scorer),
            Err(error) => error,
        };
        assert!(
            matches!(error, ScorerError::Hang { .. }),
            "{attack}: {error}"
        );
        assert!(started.elapsed() < Duration::from_secs(20), "{attack}");
        attacker.leaves_nothing_behind();
    }
}

fn lacks() {
    let (_, report) = Attacker::named("lacks_landlock").judged(1);
    let said = report
        .warnings
        .iter()
        .any(|warning| warning.contains("lacks the protection `landlock`"));
    assert!(said, "{:?}", report.warnings);
    let sandbox = report.model.expect("a model").sandbox;
    let sandbox: SandboxReport = serde_json::from_value(sandbox).expect("a report");
    assert_eq!(sandbox.missing().collect::<Vec<_>>(), ["landlock"]);
}

fn prints() {
    let (brief, _) = Attacker::named("floods_the_log").judged(4);
    let reasons = brief.reasons.join("\n");
    assert!(reasons.contains("exit status 7"), "{reasons}");
    assert!(reasons.len() < 8_192, "{} bytes", reasons.len());
}
