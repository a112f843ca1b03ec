//! Flags that every command takes: where to deploy, as whom, and how to talk about it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// The heading under which `--help` lists the flags of every command.
pub(crate) const GLOBAL_HEADING: &str = "Global options";

/// Flags of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = GLOBAL_HEADING)]
pub(crate) struct GlobalArgs {
    /// Namespace of the release
    #[arg(
        short,
        long,
        global = true,
        env = "HELM_NAMESPACE",
        hide_env_values = true
    )]
    pub(crate) namespace: Option<String>,
    /// Environment of deployer.yaml to work in: its place, charts, values and demands
    #[arg(
        long = "env",
        global = true,
        env = "DEPLOYER_ENV",
        hide_env_values = true,
        value_name = "NAME"
    )]
    pub(crate) env: Option<String>,
    /// File of the environments (default: deployer.yaml in this folder or one above)
    #[arg(
        long,
        global = true,
        env = "DEPLOYER_CONFIG",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) config: Option<PathBuf>,
    /// Where to deploy: `kube` (a cluster) or `dir:PATH` (manifests and records in a folder)
    ///
    /// Without it the cluster is taken.
    #[arg(long, global = true, env = "DEPLOYER_TARGET", hide_env_values = true, value_name = "kube|dir:PATH", value_parser = parse_target)]
    pub(crate) target: Option<TargetChoice>,
    /// Path of the kubeconfig file (default: $KUBECONFIG, then ~/.kube/config, then the pod's account)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Name of the kubeconfig context to use
    #[arg(
        long,
        global = true,
        env = "HELM_KUBECONTEXT",
        hide_env_values = true,
        value_name = "NAME"
    )]
    pub(crate) kube_context: Option<String>,
    /// Address of the Kubernetes API server
    #[arg(
        long,
        global = true,
        env = "HELM_KUBEAPISERVER",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub(crate) kube_apiserver: Option<String>,
    /// Bearer token used for authentication
    #[arg(
        long,
        global = true,
        env = "HELM_KUBETOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    pub(crate) kube_token: Option<String>,
    /// User to impersonate
    #[arg(
        long,
        global = true,
        env = "HELM_KUBEASUSER",
        hide_env_values = true,
        value_name = "USER"
    )]
    pub(crate) kube_as_user: Option<String>,
    /// Group to impersonate; can be repeated
    #[arg(
        long,
        global = true,
        env = "HELM_KUBEASGROUPS",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "GROUP"
    )]
    pub(crate) kube_as_group: Vec<String>,
    /// Certificate authority file for the API server
    #[arg(
        long,
        global = true,
        env = "HELM_KUBECAFILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) kube_ca_file: Option<PathBuf>,
    /// Name to expect in the API server's certificate
    #[arg(
        long,
        global = true,
        env = "HELM_KUBETLS_SERVER_NAME",
        hide_env_values = true,
        value_name = "NAME"
    )]
    pub(crate) kube_tls_server_name: Option<String>,
    /// Do not check the API server's certificate; the connection is then open to interception
    #[arg(long, global = true, env = "HELM_KUBEINSECURE_SKIP_TLS_VERIFY", hide_env_values = true, value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    pub(crate) kube_insecure_skip_tls_verify: bool,
    /// Where release records live: secret, configmap or memory
    #[arg(long = "driver", global = true, env = "HELM_DRIVER", hide_env_values = true, value_name = "DRIVER", hide = true, value_parser = parse_driver, default_value = "secret")]
    pub(crate) driver: DriverChoice,
    /// Most requests a second to the API server (accepted for Helm's sake; the server's own answers set the pace)
    #[arg(long, global = true, env = "HELM_QPS", hide = true)]
    pub(crate) qps: Option<f32>,
    /// Burst of requests to the API server (accepted for Helm's sake)
    #[arg(long, global = true, env = "HELM_BURST_LIMIT", hide = true)]
    pub(crate) burst_limit: Option<i64>,
    /// File of the chart repositories (default: repositories.yaml in Helm's folder)
    #[arg(
        long,
        global = true,
        env = "HELM_REPOSITORY_CONFIG",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) repository_config: Option<PathBuf>,
    /// Folder of the repositories' indexes and of fetched charts
    #[arg(
        long,
        global = true,
        env = "HELM_REPOSITORY_CACHE",
        hide_env_values = true,
        value_name = "DIR"
    )]
    pub(crate) repository_cache: Option<PathBuf>,
    /// Folder of fetched content (accepted for Helm 4's sake; charts are kept in the repositories' cache)
    #[arg(long, global = true, env = "HELM_CONTENT_CACHE", hide = true)]
    pub(crate) content_cache: Option<PathBuf>,
    /// File of the registries' credentials
    #[arg(
        long,
        global = true,
        env = "HELM_REGISTRY_CONFIG",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) registry_config: Option<PathBuf>,
    /// When to use colour
    #[arg(long, global = true, alias = "colour", env = "HELM_COLOR", hide_env_values = true, value_enum, ignore_case = true, default_value_t = ColorChoice::Auto)]
    pub(crate) color: ColorChoice,
    /// Log more: -v for debug, -vv for trace (RUST_LOG is honoured)
    #[arg(short = 'v', long = "verbose", global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Log at debug level, as Helm's flag does
    #[arg(long, global = true, env = "HELM_DEBUG", hide = true, value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub(crate) debug: bool,
    /// Form of the log lines on stderr
    #[arg(long, global = true, env = "DEPLOYER_LOG_FORMAT", hide_env_values = true, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

impl GlobalArgs {
    /// Returns the flags that say where this command works, as a later command has to repeat them.
    ///
    /// What the environment says holds for the later command too and is left out.
    pub(crate) fn place_flags(&self) -> String {
        let in_environment =
            |name: &str, value: &str| std::env::var(name).is_ok_and(|set| set == value);
        let mut flags = Vec::new();
        if let Some(name) = self.env.as_deref().filter(|name| !name.is_empty()) {
            if !in_environment("DEPLOYER_ENV", name) {
                flags.push(format!("--env {}", quoted(name)));
            }
            if let Some(path) = &self.config
                && !in_environment("DEPLOYER_CONFIG", &path.to_string_lossy())
            {
                flags.push(format!("--config {}", quoted(&path.to_string_lossy())));
            }
            return flags.join(" ");
        }
        if let Some(TargetChoice::Directory(path)) = &self.target {
            let target = format!("dir:{}", path.display());
            if !in_environment("DEPLOYER_TARGET", &target) {
                flags.push(format!("--target {}", quoted(&target)));
            }
        }
        if let Some(path) = &self.kubeconfig {
            flags.push(format!("--kubeconfig {}", quoted(&path.to_string_lossy())));
        }
        if let Some(context) = &self.kube_context
            && !context.is_empty()
            && !in_environment("HELM_KUBECONTEXT", context)
        {
            flags.push(format!("--kube-context {}", quoted(context)));
        }
        flags.join(" ")
    }
}

/// Quotes a word for a shell where it needs it.
fn quoted(word: &str) -> String {
    let plain = |character: char| {
        character.is_alphanumeric() || matches!(character, '/' | '.' | '_' | '-' | ':' | '@' | '=')
    };
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Where a release is deployed to, as the command line names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TargetChoice {
    /// A Kubernetes cluster.
    Kube,
    /// A folder of rendered manifests and release records.
    Directory(PathBuf),
}

fn parse_target(text: &str) -> Result<TargetChoice, String> {
    match text.split_once(':') {
        None if text == "kube" => Ok(TargetChoice::Kube),
        Some(("dir", "")) => Err("`dir:` needs a path, as in `dir:./deployed`".to_owned()),
        Some(("dir", path)) => Ok(TargetChoice::Directory(PathBuf::from(path))),
        _ => Err("expected `kube` or `dir:PATH`".to_owned()),
    }
}

/// The kinds of storage for release records on a cluster, by Helm's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DriverChoice {
    /// Secrets, Helm's default.
    Secret,
    /// ConfigMaps.
    ConfigMap,
    /// The process's memory, gone at its end.
    Memory,
}

fn parse_driver(text: &str) -> Result<DriverChoice, String> {
    match text {
        "" | "secret" | "secrets" => Ok(DriverChoice::Secret),
        "configmap" | "configmaps" => Ok(DriverChoice::ConfigMap),
        "memory" => Ok(DriverChoice::Memory),
        "sql" => Err("the `sql` driver is not supported: use secret or configmap".to_owned()),
        _ => Err("expected `secret`, `configmap` or `memory`".to_owned()),
    }
}

/// When output is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Form of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// One readable line each.
    Text,
    /// One JSON object each.
    Json,
}

/// Form of what a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// Columns and sentences for people.
    Table,
    /// JSON with Helm's field names.
    Json,
    /// YAML with Helm's field names.
    Yaml,
}

/// The `--output` flag of every command that prints data.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct OutputArgs {
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Table, value_name = "FORMAT")]
    pub(crate) output: OutputFormat,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_only_where_a_shell_would_split_it() {
        assert_eq!(quoted("dir:./out"), "dir:./out");
        assert_eq!(quoted("dir:my out"), "'dir:my out'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }

    #[test]
    fn targets_are_kube_or_a_folder() {
        assert_eq!(parse_target("kube"), Ok(TargetChoice::Kube));
        assert_eq!(
            parse_target("dir:/tmp/x:y"),
            Ok(TargetChoice::Directory(PathBuf::from("/tmp/x:y")))
        );
        assert!(parse_target("dir:").is_err());
        assert!(parse_target("cluster").is_err());
    }
}
