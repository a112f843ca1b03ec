//! Runs the program that keeps a key: one request, one answer, within a time.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

/// The longest time that a key store may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How often a program that has closed its output is looked after.
const POLL: Duration = Duration::from_millis(5);
/// The most bytes of an answer, and of what is kept of stderr.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// Why a program gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It cannot be started, or its pipes fail.
    #[error("`{program}` cannot be run")]
    Start {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It ended with a failure.
    #[error("`{program} {request}` ended with {status}{}", said(stderr))]
    Failed {
        /// The program.
        program: String,
        /// What it was asked for.
        request: &'static str,
        /// How it ended.
        status: String,
        /// The last line that it wrote to stderr.
        stderr: String,
    },
    /// It takes too long.
    #[error("`{program} {request}` gave no answer within {} seconds", TIMEOUT.as_secs())]
    Timeout {
        /// The program.
        program: String,
        /// What it was asked for.
        request: &'static str,
    },
    /// The answer is no text.
    #[error("`{program} {request}` answered with bytes that are no text")]
    NotText {
        /// The program.
        program: String,
        /// What it was asked for.
        request: &'static str,
    },
    /// The signature is no base64.
    #[error("`{program}` answered with a signature that is no base64")]
    NotBase64 {
        /// The program.
        program: String,
    },
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() {
        String::new()
    } else {
        format!(": {stderr}")
    }
}

/// Runs `words request` with `input` on stdin and returns its stdout.
///
/// # Errors
/// [`ProgramError`]; the program has ended.
pub(crate) fn run(
    words: &[String],
    request: &'static str,
    input: &[u8],
) -> Result<Zeroizing<String>, ProgramError> {
    let (program, arguments) = words
        .split_first()
        .expect("`KeyPlace::parse` demands a word");
    let start = |source| ProgramError::Start {
        program: program.clone(),
        source,
    };
    let mut child = Command::new(program)
        .args(arguments)
        .arg(request)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(start)?;
    let answer = converse(&mut child, input.to_vec());
    let deadline = Instant::now() + TIMEOUT;
    let answered = answer.recv_timeout(TIMEOUT).ok();
    let status = loop {
        match child.try_wait().map_err(start)? {
            Some(status) if answered.is_some() => break Some(status),
            None if answered.is_some() && Instant::now() < deadline => std::thread::sleep(POLL),
            _ => break None,
        }
    };
    let Some((status, (stdout, stderr))) = status.zip(answered) else {
        // It may have ended by itself in the meantime.
        let _ = child.kill();
        let _ = child.wait();
        return Err(ProgramError::Timeout {
            program: program.clone(),
            request,
        });
    };
    if !status.success() {
        let stderr = String::from_utf8_lossy(&stderr);
        return Err(ProgramError::Failed {
            program: program.clone(),
            request,
            status: status.to_string(),
            stderr: stderr.lines().last().unwrap_or_default().to_owned(),
        });
    }
    match std::str::from_utf8(&stdout) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(ProgramError::NotText {
            program: program.clone(),
            request,
        }),
    }
}

/// Stdout and stderr of a program.
type Answer = (Zeroizing<Vec<u8>>, Vec<u8>);

/// Feeds the program and reads both its outputs, each in a thread, for any of them may block.
fn converse(child: &mut Child, input: Vec<u8>) -> mpsc::Receiver<Answer> {
    let (sender, receiver) = mpsc::channel();
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    std::thread::spawn(move || {
        // A program that needs no input closes it; its answer says whether it is content.
        let _ = stdin.map(|mut stdin| stdin.write_all(&input));
    });
    std::thread::spawn(move || {
        let errors = std::thread::spawn(move || read(stderr));
        let stdout = Zeroizing::new(read(stdout));
        // Nobody waits any more once the time is over.
        let _ = sender.send((stdout, errors.join().unwrap_or_default()));
    });
    receiver
}

fn read(stream: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        // What was read until a pipe broke is the answer.
        let _ = stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes);
    }
    bytes
}
