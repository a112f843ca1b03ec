//! The Go program that answers with the real Helm: built once, its answers kept.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    rc::Rc,
    sync::Mutex,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use template::{Compat, Options, Templates, Value};

use crate::values::{bytes, encoded, typed};

const MAIN: &str = include_str!("go/main.go");
const HELM3: [&str; 3] = [
    include_str!("go/helm3/engine.go"),
    include_str!("go/helm3/go.mod"),
    include_str!("go/helm3/go.sum"),
];
const HELM4: [&str; 3] = [
    include_str!("go/helm4/engine.go"),
    include_str!("go/helm4/go.mod"),
    include_str!("go/helm4/go.sum"),
];

/// The template that is rendered: it runs the request's text on plain values, since the data that
/// a chart's template begins with belong to the crate `chart`.
const START: &str = "{{ template \"c/templates/_p.tpl\" .Values }}";

/// One at a time: the tests of this program run side by side.
static BUILDING: Mutex<()> = Mutex::new(());

/// The project's cache folder.
pub(crate) fn cache_folder() -> Option<PathBuf> {
    let cache = match std::env::var_os("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".cache"),
    };
    Some(cache.join("ml-deployer"))
}

/// The version of the installed Go, or nothing where there is none.
pub(crate) fn go_version() -> Option<String> {
    let output = Command::new("go").args(["env", "GOVERSION"]).output();
    let text = String::from_utf8(output.ok()?.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

pub(crate) fn hash(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part);
    }
    let mut text = String::new();
    for byte in &hasher.finalize()[..12] {
        write!(text, "{byte:02x}").expect("text can be written");
    }
    text
}

/// A built oracle.
pub(crate) struct Oracle {
    folder: PathBuf,
    compat: Compat,
}

/// One template with helpers beside it, and the values that it sees.
pub(crate) struct Request {
    pub(crate) text: String,
    pub(crate) helpers: &'static str,
    pub(crate) values: Value,
    pub(crate) strict: bool,
    pub(crate) lint: bool,
}

impl Request {
    pub(crate) fn new(text: impl Into<String>, values: &Value) -> Self {
        Self {
            text: text.into(),
            helpers: "",
            values: Value::map([(Rc::from("Values"), values.clone())].into()),
            strict: false,
            lint: false,
        }
    }
}

/// The output or the error, as bytes.
pub(crate) type Answer = Result<Vec<u8>, Vec<u8>>;

pub(crate) fn shown(answer: &Answer) -> String {
    match answer {
        Ok(content) => format!("gives {:?}", String::from_utf8_lossy(content)),
        Err(content) => format!("fails {:?}", String::from_utf8_lossy(content)),
    }
}

impl Oracle {
    /// Finds or builds the program; says why where there is none.
    pub(crate) fn find(compat: Compat) -> Option<Self> {
        let built = Self::build(compat);
        if let Err(reason) = &built {
            println!("NOT RUN: no Go program to compare with: {reason}");
        }
        built.ok()
    }

    fn build(compat: Compat) -> Result<Self, String> {
        let _alone = BUILDING
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let version = go_version().ok_or("Go is not installed")?;
        let (name, sources) = match compat {
            Compat::Helm3 => ("helm3", HELM3),
            Compat::Helm4 => ("helm4", HELM4),
        };
        let parts = [version.as_str(), MAIN, sources[0], sources[1], sources[2]];
        let key = hash(&parts.map(str::as_bytes));
        let root = cache_folder().ok_or("there is no home folder")?;
        let folder = root.join("oracle").join(format!("{name}-{key}"));
        let oracle = Self { folder, compat };
        if oracle.program().exists() {
            return Ok(oracle);
        }
        println!("building the oracle with {name} and {version} …");
        let failed = |error: std::io::Error| error.to_string();
        std::fs::create_dir_all(&oracle.folder).map_err(failed)?;
        let names = ["main.go", "engine.go", "go.mod", "go.sum"];
        for (name, text) in names.iter().zip(&parts[1..]) {
            std::fs::write(oracle.folder.join(name), text).map_err(failed)?;
        }
        let part = format!("oracle.{}", std::process::id());
        let output = Command::new("go")
            .args(["build", "-buildvcs=false", "-o", &part, "."])
            .current_dir(&oracle.folder)
            .output()
            .map_err(failed)?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        std::fs::rename(oracle.folder.join(part), oracle.program()).map_err(failed)?;
        Ok(oracle)
    }

    fn program(&self) -> PathBuf {
        self.folder.join("oracle")
    }

    /// Answers requests, from the kept answers where the same were asked before.
    pub(crate) fn ask(&self, requests: &[Request]) -> Vec<Answer> {
        let all = lines(requests);
        let kept = self
            .folder
            .join(format!("answers-{}", hash(&[all.as_bytes()])));
        let text = std::fs::read_to_string(&kept).unwrap_or_else(|_| {
            let text = run(&self.program(), all, requests);
            let part = kept.with_extension(std::process::id().to_string());
            std::fs::write(&part, &text).expect("the cache folder can be written");
            std::fs::rename(&part, &kept).expect("the cache folder can be written");
            text
        });
        text.lines().map(answer).collect()
    }

    /// Answers requests that are other ones each time.
    pub(crate) fn ask_anew(&self, requests: &[Request]) -> Vec<Answer> {
        let text = run(&self.program(), lines(requests), requests);
        text.lines().map(answer).collect()
    }

    /// What this crate answers.
    pub(crate) fn here(&self, request: &Request) -> Answer {
        let mut templates = Templates::new(Options {
            strict: request.strict,
            lint: request.lint,
            compat: self.compat,
            ..Options::default()
        });
        let name = "c/templates/x.yaml";
        let shown = |error: template::Error| bytes(&error.to_string());
        templates.parse(name, START).map_err(shown)?;
        templates
            .parse("c/templates/_p.tpl", &request.text)
            .map_err(shown)?;
        templates
            .parse("c/templates/_helpers.tpl", request.helpers)
            .map_err(shown)?;
        let data = Value::map([(Rc::from("Values"), request.values.clone())].into());
        let output = templates.execute(name, &data).map_err(shown)?;
        Ok(bytes(&output.replace("<no value>", "")))
    }
}

/// The requests in the oracle's notation, one a line.
fn lines(requests: &[Request]) -> String {
    let line = |request: &Request| {
        let templates = json!({
            "templates/x.yaml": encoded(START),
            "templates/_p.tpl": encoded(&request.text),
            "templates/_helpers.tpl": encoded(request.helpers),
        });
        let line = json!({
            "templates": templates,
            "values": typed(&request.values),
            "strict": request.strict,
            "lint": request.lint,
        });
        format!("{line}\n")
    };
    requests.iter().map(line).collect()
}

fn answer(line: &str) -> Answer {
    let json: Json = serde_json::from_str(line).expect("the oracle answers in JSON");
    let decoded = |text: &str| STANDARD.decode(text).expect("texts are in base64");
    match (json["out"].as_str(), json["err"].as_str()) {
        (_, Some(text)) => Err(decoded(text)),
        (text, None) => Ok(decoded(text.unwrap_or_default())),
    }
}

fn run(program: &Path, input: String, requests: &[Request]) -> String {
    let mut child = Command::new(program)
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the oracle starts");
    let mut stdin = child.stdin.take().expect("it has an input");
    let writer = std::thread::spawn(move || {
        // An oracle that dies early is reported by the count below.
        let _ = stdin.write_all(input.as_bytes());
    });
    let stdout = BufReader::new(child.stdout.take().expect("it has an output"));
    let mut text = String::new();
    let mut count = 0;
    for line in stdout.lines() {
        text.push_str(&line.expect("the oracle writes text"));
        text.push('\n');
        count += 1;
    }
    writer.join().expect("the input is written");
    child.wait().expect("the oracle ends");
    assert!(
        count == requests.len(),
        "the oracle died at {:?}",
        requests[count].text
    );
    text
}

/// Compares all requests and fails with the differences; those that `excepted` explains are printed.
pub(crate) fn compare(
    name: &str,
    oracle: &Oracle,
    requests: &[Request],
    excepted: impl Fn(&Request, &Answer, &Answer) -> Option<&'static str>,
) {
    let theirs = oracle.ask(requests);
    let mut differences = Vec::new();
    let mut exceptions: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut failing = 0;
    for (request, theirs) in requests.iter().zip(&theirs) {
        failing += usize::from(theirs.is_err());
        let ours = oracle.here(request);
        if ours == *theirs {
            continue;
        }
        if let Some(reason) = excepted(request, theirs, &ours) {
            *exceptions.entry(reason).or_default() += 1;
            continue;
        }
        differences.push(format!(
            "{}\n  helm {}\n  here {}",
            request.text,
            shown(theirs),
            shown(&ours)
        ));
    }
    for (reason, count) in &exceptions {
        println!("excepted {count}: {reason}");
    }
    let excepted: usize = exceptions.values().sum();
    let total = requests.len();
    println!(
        "{name}: {} of {total} alike ({failing} of them failures), {excepted} excepted",
        total - differences.len() - excepted
    );
    assert!(
        differences.is_empty(),
        "{} differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}
