//! From a Job's manifest to a command line: what runs, with which environment (no process yet).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::LocalOptions;
use crate::hook::HookError;
use crate::release::Hook;

/// Images whose names end so are our own gate.
const OWN_GATE: &str = "validator";
/// Variables of the caller that a hook sees, besides those that begin with `AWS_` or `VALIDATOR_`.
const PASSED_ON: [&str; 13] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "RUST_LOG",
];

/// A process to be run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CommandPlan {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) environment: BTreeMap<String, OsString>,
    /// The Job's own limit, if it has one.
    pub(super) deadline: Option<Duration>,
}

/// Plans the process of a Job or Pod.
///
/// # Errors
/// [`HookError::Unsupported`] says what needs a cluster, and which flag gives it instead.
pub(super) fn plan(
    hook: &Hook,
    object: &Value,
    options: &LocalOptions,
) -> Result<CommandPlan, HookError> {
    let pod = object
        .pointer("/spec/template/spec")
        .or_else(|| object.get("spec"))
        .unwrap_or(&Value::Null);
    let deadline = object
        .pointer("/spec/activeDeadlineSeconds")
        .or_else(|| pod.get("activeDeadlineSeconds"))
        .and_then(Value::as_u64)
        .map(Duration::from_secs);
    let container = only_container(hook, pod)?;
    let mounts = mounts(hook, pod, container, options)?;
    let variables = variables(hook, container, options, &mounts)?;
    let (program, arguments) = command_line(hook, container, options, &variables, &mounts)?;
    let mut environment = inherited();
    environment.extend(
        variables
            .into_iter()
            .map(|(name, value)| (name, value.into())),
    );
    Ok(CommandPlan {
        program,
        arguments,
        environment,
        deadline,
    })
}

fn unsupported(hook: &Hook, reason: impl Into<String>, hint: impl Into<String>) -> HookError {
    HookError::Unsupported {
        hook: hook.name.clone(),
        reason: reason.into(),
        hint: hint.into(),
    }
}

fn only_container<'a>(hook: &Hook, pod: &'a Value) -> Result<&'a Value, HookError> {
    let list = |field: &str| {
        pod.get(field)
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice)
    };
    match (list("initContainers"), list("containers")) {
        ([], [container]) => Ok(container),
        ([], []) => Err(unsupported(
            hook,
            "it has no container",
            "see `deployer template`",
        )),
        _ => Err(unsupported(
            hook,
            "it has more than one container, and a local process is one",
            "run it in a cluster with `--hooks cluster`, or leave hooks out with `--hooks skip`",
        )),
    }
}

fn inherited() -> BTreeMap<String, OsString> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| {
            PASSED_ON.contains(&name.as_str())
                || name.starts_with("AWS_")
                || name.starts_with("VALIDATOR_")
        })
        .collect()
}

/// Returns the folders that stand for mount paths, longest path first.
fn mounts(
    hook: &Hook,
    pod: &Value,
    container: &Value,
    options: &LocalOptions,
) -> Result<Vec<(String, PathBuf)>, HookError> {
    let array = |value: &Value, field: &str| {
        value
            .get(field)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let volumes = array(pod, "volumes");
    let mut found = Vec::new();
    for mount in array(container, "volumeMounts") {
        let text = |field: &str| {
            mount
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (name, path) = (text("name"), text("mountPath"));
        if let Some((_, folder)) = options.mounts.iter().find(|(given, _)| *given == name) {
            let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
            let inside = text("subPath");
            found.push((
                path,
                if inside.is_empty() {
                    folder
                } else {
                    folder.join(inside)
                },
            ));
            continue;
        }
        let volume = volumes
            .iter()
            .find(|volume| volume.get("name").and_then(Value::as_str) == Some(&name));
        let is_scratch = volume.is_some_and(|volume| volume.get("emptyDir").is_some());
        // An empty scratch folder at /tmp is what a process has anyway.
        if !(is_scratch && path == "/tmp") {
            return Err(unsupported(
                hook,
                format!("it mounts volume `{name}` at `{path}`"),
                format!("give a folder for it with `--hook-mount {name}=DIR`"),
            ));
        }
    }
    found.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
    Ok(found)
}

/// Puts the folder in the place of a mount path, also behind `--flag=` and `file://`.
fn mapped(text: &str, mounts: &[(String, PathBuf)]) -> String {
    let (before, path) = match text.split_once('=') {
        Some((flag, path)) if flag.starts_with('-') => (format!("{flag}="), path),
        _ => (String::new(), text),
    };
    let (scheme, path) = path
        .strip_prefix("file://")
        .map_or(("", path), |path| ("file://", path));
    for (mount, folder) in mounts {
        if let Some(rest) = path.strip_prefix(mount.trim_end_matches('/'))
            && (rest.is_empty() || rest.starts_with('/'))
        {
            return format!("{before}{scheme}{}{rest}", folder.display());
        }
    }
    text.to_owned()
}

fn variables(
    hook: &Hook,
    container: &Value,
    options: &LocalOptions,
    mounts: &[(String, PathBuf)],
) -> Result<BTreeMap<String, String>, HookError> {
    let given: BTreeMap<&str, &str> = options
        .environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let sources = container
        .get("envFrom")
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    if sources > 0 && given.is_empty() {
        return Err(unsupported(
            hook,
            "it takes variables from a ConfigMap or Secret (`envFrom`)",
            "give them with `--hook-env NAME=VALUE`",
        ));
    }
    let mut variables = BTreeMap::new();
    for entry in container
        .get("env")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let Some(name) = entry.get("name").and_then(Value::as_str) else {
            continue;
        };
        if given.contains_key(name) {
            continue;
        }
        if let Some(source) = entry.get("valueFrom") {
            let optional = source
                .as_object()
                .into_iter()
                .flatten()
                .any(|(_, source)| source["optional"] == true);
            if optional {
                continue;
            }
            return Err(unsupported(
                hook,
                format!("its variable `{name}` takes its value from the cluster (`valueFrom`)"),
                format!("give it with `--hook-env {name}=VALUE`"),
            ));
        }
        let value = entry
            .get("value")
            .and_then(Value::as_str)
            .unwrap_or_default();
        variables.insert(
            name.to_owned(),
            mapped(&expanded(value, &variables), mounts),
        );
    }
    variables.extend(
        given
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    Ok(variables)
}

/// Expands `$(NAME)` as Kubernetes does: unknown names stay, `$$` is `$`.
fn expanded(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        if let Some(after) = tail.strip_prefix('$') {
            result.push('$');
            rest = after;
        } else if let Some((name, after)) =
            tail.strip_prefix('(').and_then(|tail| tail.split_once(')'))
        {
            match variables.get(name) {
                Some(value) => result.push_str(value),
                None => result.push_str(&format!("$({name})")),
            }
            rest = after;
        } else {
            result.push('$');
            rest = tail;
        }
    }
    result.push_str(rest);
    result
}

fn command_line(
    hook: &Hook,
    container: &Value,
    options: &LocalOptions,
    variables: &BTreeMap<String, String>,
    mounts: &[(String, PathBuf)],
) -> Result<(PathBuf, Vec<String>), HookError> {
    let image = container
        .get("image")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let words = |field: &str| -> Vec<String> {
        let words = container.get(field).and_then(Value::as_array);
        let words = words.into_iter().flatten().filter_map(Value::as_str);
        words
            .map(|word| mapped(&expanded(word, variables), mounts))
            .collect()
    };
    let mut command = words("command").into_iter();
    let first = command.next();
    let arguments: Vec<String> = command.chain(words("args")).collect();
    let given = options
        .commands
        .iter()
        .find(|(name, _)| is_image(image, name));
    if let Some((_, program)) = given {
        return Ok((program.clone(), arguments));
    }
    if repository(image).ends_with(OWN_GATE)
        && first
            .as_deref()
            .is_none_or(|first| first.ends_with(OWN_GATE))
    {
        return match own_program(OWN_GATE) {
            Some(program) => Ok((program, arguments)),
            None => Err(unsupported(
                hook,
                format!("`{OWN_GATE}` is neither beside this program nor on PATH"),
                format!("name it with `--hook-command {}=PATH`", repository(image)),
            )),
        };
    }
    let program = first.as_deref().and_then(on_path);
    let program = program.ok_or_else(|| match &first {
        Some(first) => unsupported(
            hook,
            format!("its command `{first}` is not on PATH"),
            format!(
                "name a program with `--hook-command {}=PATH`",
                repository(image)
            ),
        ),
        None => unsupported(
            hook,
            format!("it runs what image `{image}` begins with, which is not known here"),
            format!(
                "name a program with `--hook-command {}=PATH`",
                repository(image)
            ),
        ),
    })?;
    Ok((program, arguments))
}

/// Tells whether a flag means this image: in full, without its tag, or by its last word.
fn is_image(image: &str, name: &str) -> bool {
    let repository = repository(image);
    image == name || repository == name || repository.rsplit('/').next() == Some(name)
}

/// Returns an image's name without tag and digest.
fn repository(image: &str) -> &str {
    let image = image.split_once('@').map_or(image, |(name, _)| name);
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    }
}

fn own_program(name: &str) -> Option<PathBuf> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|program| Some(program.parent()?.join(name)));
    beside
        .filter(|program| program.is_file())
        .or_else(|| on_path(name))
}

fn on_path(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|program| program.is_file());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder: PathBuf| folder.join(program))
        .find(|program: &PathBuf| is_program(program))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn job(container: Value, volumes: Value) -> (Hook, Value) {
        let hook = Hook {
            name: "gate".into(),
            kind: "Job".into(),
            ..Hook::default()
        };
        let object = json!({"spec": {"activeDeadlineSeconds": 9, "template": {"spec": {"containers": [container], "volumes": volumes}}}});
        (hook, object)
    }

    #[test]
    fn mount_paths_become_folders_in_environment_and_arguments() {
        let container = json!({
            "image": "registry:5000/team/tool:1", "command": ["sh", "-c"], "args": ["--model=/models/a.pt", "$(WHERE)/b", "/modelsx"],
            "env": [{"name": "WHERE", "value": "/models"}],
            "volumeMounts": [{"name": "models", "mountPath": "/models"}, {"name": "scratch", "mountPath": "/tmp"}]
        });
        let (hook, object) = job(
            container,
            json!([{"name": "scratch", "emptyDir": {}}, {"name": "models"}]),
        );
        let options = LocalOptions {
            mounts: vec![("models".into(), "/data".into())],
            ..LocalOptions::default()
        };
        let plan = plan(&hook, &object, &options).unwrap();
        assert_eq!(
            plan.arguments,
            ["-c", "--model=/data/a.pt", "/data/b", "/modelsx"]
        );
        assert_eq!(plan.environment["WHERE"], "/data");
        assert_eq!(plan.deadline, Some(Duration::from_secs(9)));
    }

    #[test]
    fn what_needs_a_cluster_is_refused_with_the_flag_that_gives_it() {
        let secret =
            json!({"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}});
        let table = [
            (
                json!({"command": ["sh"], "env": [secret]}),
                "--hook-env TOKEN=VALUE",
            ),
            (
                json!({"command": ["sh"], "volumeMounts": [{"name": "pvc", "mountPath": "/m"}]}),
                "--hook-mount pvc=DIR",
            ),
            (
                json!({"image": "x/tool:1", "command": ["no-such-tool"]}),
                "--hook-command x/tool=PATH",
            ),
            (
                json!({"image": "x/tool@sha256:12"}),
                "--hook-command x/tool=PATH",
            ),
        ];
        for (container, hint) in table {
            let (hook, object) = job(container, json!([]));
            let error = plan(&hook, &object, &LocalOptions::default()).unwrap_err();
            assert!(
                error.hints()[0].contains(hint),
                "{error}: {:?}",
                error.hints()
            );
        }
    }

    #[test]
    fn an_image_is_meant_by_its_full_name_its_repository_or_its_last_word() {
        for name in ["localhost:5000/a/tool:1", "localhost:5000/a/tool", "tool"] {
            assert!(is_image("localhost:5000/a/tool:1", name), "{name}");
        }
        assert!(!is_image("localhost:5000/a/tool:1", "a/tool"));
    }
}
