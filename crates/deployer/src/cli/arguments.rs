//! Groups of flags that several commands share: chart, values, waiting, applying, hooks.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::duration::parse_timeout;
use super::error::CliError;
use crate::registry::{Access, Secret, TlsFiles};

/// Where the chart comes from, for what uses it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Chart options")]
pub(crate) struct ChartArgs {
    /// Fetch missing dependencies into the chart's folder before it is used
    #[arg(long)]
    pub(crate) dependency_update: bool,
    #[command(flatten)]
    pub(crate) origin: OriginArgs,
}

/// Where the chart comes from.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Chart options")]
pub(crate) struct OriginArgs {
    /// Version of the chart, or a range of which the newest is taken
    #[arg(long, value_name = "RANGE")]
    pub(crate) version: Option<String>,
    /// Take prereleases too, as with --version '>0.0.0-0'
    #[arg(long)]
    pub(crate) devel: bool,
    /// Chart repository in which to find the chart
    #[arg(long, value_name = "URL")]
    pub(crate) repo: Option<String>,
    /// Check the signature of the chart before it is used
    #[arg(long)]
    pub(crate) verify: bool,
    /// File of public keys (default: $GNUPGHOME/pubring.gpg, then ~/.gnupg/pubring.gpg)
    #[arg(long, value_name = "FILE")]
    pub(crate) keyring: Option<PathBuf>,
    /// Send user and password to every host, not to the repository's alone
    #[arg(long)]
    pub(crate) pass_credentials: bool,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
}

impl OriginArgs {
    /// The range of versions; empty for the newest that is no prerelease.
    pub(crate) fn range(&self) -> &str {
        match self.version.as_deref() {
            None | Some("") if self.devel => ">0.0.0-0",
            range => range.unwrap_or_default(),
        }
    }

    pub(crate) fn access(&self) -> Access {
        Access {
            pass_credentials: self.pass_credentials,
            ..self.access.access()
        }
    }
}

/// How a repository or registry is reached.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Repositories and registries")]
pub(crate) struct AccessArgs {
    /// User of the repository or registry
    #[arg(long, value_name = "USER")]
    pub(crate) username: Option<String>,
    /// Password of that user
    #[arg(long, value_name = "PASSWORD", value_parser = parse_secret)]
    pub(crate) password: Option<Secret>,
    /// Certificate authorities of the server, in place of the system's
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Certificate to show to the server
    #[arg(long, value_name = "FILE")]
    pub(crate) cert_file: Option<PathBuf>,
    /// Key of that certificate
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Do not check the server's certificate; the connection is then open to interception
    #[arg(long)]
    pub(crate) insecure_skip_tls_verify: bool,
    /// Speak HTTP without TLS to registries (on loopback it is found out)
    #[arg(long)]
    pub(crate) plain_http: bool,
}

impl AccessArgs {
    pub(crate) fn access(&self) -> Access {
        let file = |path: &Option<PathBuf>| path.clone().filter(|path| path != Path::new(""));
        Access {
            username: self.username.clone().unwrap_or_default(),
            password: self.password.clone().unwrap_or_default(),
            pass_credentials: false,
            tls: TlsFiles {
                ca: file(&self.ca_file),
                certificate: file(&self.cert_file),
                key: file(&self.key_file),
                accept_any: self.insecure_skip_tls_verify,
            },
            plain_http: self.plain_http,
            timeout: None,
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "clap wants a result")]
pub(crate) fn parse_secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::from(text.to_owned()))
}

/// Where the values come from, in Helm's order of precedence.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Values options")]
pub(crate) struct ValueArgs {
    /// Names and texts below all files: what an environment's file says.
    #[arg(skip)]
    pub(crate) below: Vec<(String, String)>,
    /// Values file (`-` reads stdin); can be repeated, the last wins
    #[arg(
        short = 'f',
        long = "values",
        value_delimiter = ',',
        value_name = "FILE"
    )]
    pub(crate) values: Vec<String>,
    /// Values as key1=value1,key2=value2
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Values that stay strings, as key=value
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set_string: Vec<String>,
    /// Values read from files, as key=path
    #[arg(long, value_name = "KEY=PATH")]
    pub(crate) set_file: Vec<String>,
    /// Values written in JSON, as key=json or a JSON object
    #[arg(long, value_name = "KEY=JSON")]
    pub(crate) set_json: Vec<String>,
    /// One string value taken as it stands, as key=value
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set_literal: Vec<String>,
    /// What a change does about values that look secret: the release record keeps them readable
    #[arg(
        long,
        value_enum,
        default_value = "warn",
        env = "DEPLOYER_SENSITIVE_VALUES",
        hide_env_values = true,
        value_name = "WHAT"
    )]
    pub(crate) sensitive_values: SensitiveChoice,
}

/// What is done about values that look secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum SensitiveChoice {
    /// Say so, and go on.
    #[default]
    Warn,
    /// Change nothing.
    Refuse,
    /// Say nothing.
    Allow,
}

/// How long and for what to wait.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Waiting")]
pub(crate) struct WaitArgs {
    /// Wait until resources are ready: `watcher` when given alone, else watcher, legacy or hookOnly
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "watcher", value_parser = parse_wait, value_name = "STRATEGY")]
    pub(crate) wait: Option<WaitChoice>,
    /// With --wait, also wait until all Jobs have completed
    #[arg(long)]
    pub(crate) wait_for_jobs: bool,
    /// Time for any single hook or wait, as in 5m0s
    #[arg(long, default_value = "5m0s", value_parser = parse_timeout, value_name = "DURATION")]
    pub(crate) timeout: Duration,
    /// Time for the whole operation, as in 15m0s; rolling back is not cut short
    #[arg(long, value_parser = parse_timeout, value_name = "DURATION")]
    pub(crate) deadline: Option<Duration>,
}

/// What a command waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitChoice {
    /// Every resource, by watches.
    Watcher,
    /// Every resource that Helm 3 knew of.
    Legacy,
    /// Hooks only.
    HookOnly,
}

pub(crate) fn parse_wait(text: &str) -> Result<WaitChoice, String> {
    match text {
        "watcher" | "true" => Ok(WaitChoice::Watcher),
        "legacy" => Ok(WaitChoice::Legacy),
        "hookOnly" | "false" => Ok(WaitChoice::HookOnly),
        _ => Err("expected `watcher`, `legacy` or `hookOnly`".to_owned()),
    }
}

/// How objects are written and owned.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Applying")]
pub(crate) struct ApplyArgs {
    /// Roll back when something fails (a failed first install is uninstalled); implies --wait
    #[arg(long, alias = "rollback-on-failure")]
    pub(crate) atomic: bool,
    /// Take fields over that another manager owns
    #[arg(long)]
    pub(crate) force_conflicts: bool,
    /// Replace objects whole instead of patching them, and recreate those that cannot be changed: what others have set is lost
    #[arg(long, alias = "force", conflicts_with = "force_conflicts")]
    pub(crate) force_replace: bool,
    /// Write objects by server-side apply: true, false or auto (as the release was made)
    #[arg(long, default_value = "auto", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_enum, value_name = "WHEN")]
    pub(crate) server_side: ServerSideChoice,
    /// Adopt existing objects that belong to no release or to another
    #[arg(long)]
    pub(crate) take_ownership: bool,
    /// Do not run hooks
    #[arg(long)]
    pub(crate) no_hooks: bool,
    /// Do not check manifests against the cluster's schema
    #[arg(long)]
    pub(crate) disable_openapi_validation: bool,
}

/// Whether server-side apply is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ServerSideChoice {
    /// As the last release did; server-side for new ones.
    Auto,
    /// Always.
    True,
    /// Never.
    False,
}

/// Helm 3's flag to delete all pods of a release, which is refused.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RecreatePodsArgs {
    /// Delete the pods of every workload at once (refused; Helm 4 has it no longer)
    #[arg(long, hide = true)]
    recreate_pods: bool,
}

impl RecreatePodsArgs {
    /// Refuses the flag rather than ignoring it: whoever gives it wants pods to start anew.
    ///
    /// Source of what it does in Helm: `recreate` in `pkg/action/upgrade.go` of Helm 3.22.
    pub(crate) fn check(&self) -> Result<(), CliError> {
        if !self.recreate_pods {
            return Ok(());
        }
        Err(CliError::usage(
            "`--recreate-pods` is not supported: it deletes all pods of all workloads at once, whether they changed or not",
        )
        .with_hint("leave it out: pods whose template changed are replaced by their workload, as many at a time as it allows")
        .with_hint("for pods that read a changed ConfigMap or Secret, put its checksum into the annotations of their template, or run `kubectl rollout restart` afterwards"))
    }
}

/// How hooks run.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Hooks")]
pub(crate) struct HookArgs {
    /// Where hooks run: in the cluster, as local processes, or not at all
    ///
    /// Without it: in the cluster on a kube target, locally on a dir target.
    #[arg(
        long,
        value_enum,
        value_name = "WHERE",
        env = "DEPLOYER_HOOKS",
        hide_env_values = true
    )]
    pub(crate) hooks: Option<HooksChoice>,
    /// Value of an environment variable that a local hook would get from the cluster; can be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair)]
    pub(crate) hook_env: Vec<(String, String)>,
    /// Program that stands for an image in local hooks; can be repeated
    #[arg(long, value_name = "IMAGE=PATH", value_parser = parse_pair)]
    pub(crate) hook_command: Vec<(String, String)>,
    /// Folder that stands for a volume in local hooks; can be repeated
    #[arg(long, value_name = "NAME=DIR", value_parser = parse_pair)]
    pub(crate) hook_mount: Vec<(String, String)>,
}

/// Where hooks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HooksChoice {
    /// As Jobs and Pods of the cluster.
    Cluster,
    /// As processes on this machine.
    Local,
    /// Nowhere.
    Skip,
}

/// Whether a run changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DryRunChoice {
    /// Change things.
    None,
    /// Render only, without a cluster.
    Client,
    /// Ask the API server what would happen.
    Server,
    /// The flag stood alone: server on a cluster, client elsewhere.
    Bare,
}

/// The `--dry-run` flag.
#[derive(Debug, Clone, Args)]
pub(crate) struct DryRunArgs {
    /// Show what would happen: `server` (alone on a cluster), `client` or `none`
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "none", default_missing_value = "bare", hide_default_value = true, value_parser = parse_dry_run, value_name = "none|client|server")]
    pub(crate) dry_run: DryRunChoice,
    /// Leave Secrets out of what --dry-run shows
    #[arg(long)]
    pub(crate) hide_secret: bool,
    /// Show secrets readable in what --dry-run shows; without it they are masked
    #[arg(long, conflicts_with = "hide_secret")]
    pub(crate) show_secrets: bool,
}

fn parse_dry_run(text: &str) -> Result<DryRunChoice, String> {
    match text {
        "none" | "false" => Ok(DryRunChoice::None),
        "client" => Ok(DryRunChoice::Client),
        "server" => Ok(DryRunChoice::Server),
        "bare" | "true" => Ok(DryRunChoice::Bare),
        _ => Err("expected `none`, `client` or `server`".to_owned()),
    }
}

/// What is written down about a revision.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Release record")]
pub(crate) struct RecordArgs {
    /// Description to keep with the revision
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// Labels of the release record, as key=value,key2=value2 (`key=null` removes one on upgrade)
    #[arg(short = 'l', long, value_delimiter = ',', value_parser = parse_pair, value_name = "KEY=VALUE")]
    pub(crate) labels: Vec<(String, String)>,
}

/// What of the chart is rendered, and checked.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Rendering")]
pub(crate) struct RenderArgs {
    /// Do not check values against the chart's schema
    #[arg(long)]
    pub(crate) skip_schema_validation: bool,
    /// Render the notes of subcharts too
    #[arg(long)]
    pub(crate) render_subchart_notes: bool,
    /// Do not print the notes
    #[arg(long)]
    pub(crate) hide_notes: bool,
    /// Allow templates to look names up in the DNS
    #[arg(long)]
    pub(crate) enable_dns: bool,
    /// Do not install the chart's CRDs
    #[arg(long)]
    pub(crate) skip_crds: bool,
    /// Bring the chart's CRDs up to date; Helm only creates those that are missing
    #[arg(long, conflicts_with = "skip_crds")]
    pub(crate) upgrade_crds: bool,
    /// Program through which the rendered manifests are passed
    #[arg(long, value_name = "PATH")]
    pub(crate) post_renderer: Option<PathBuf>,
    /// Argument of the post-renderer; can be repeated
    #[arg(long, value_name = "ARGUMENT")]
    pub(crate) post_renderer_args: Vec<String>,
    #[command(flatten)]
    pub(crate) compat: CompatArgs,
}

/// Which Helm a chart is loaded, rendered and judged as.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct CompatArgs {
    /// Version of Helm whose ways are kept where they differ
    #[arg(
        long,
        value_enum,
        default_value = "helm3",
        env = "DEPLOYER_COMPAT",
        value_name = "HELM"
    )]
    compat: CompatChoice,
}

impl CompatArgs {
    pub(crate) fn get(&self) -> chart::Compat {
        match self.compat {
            CompatChoice::Helm3 => chart::Compat::Helm3,
            CompatChoice::Helm4 => chart::Compat::Helm4,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum CompatChoice {
    #[default]
    Helm3,
    Helm4,
}

/// Splits `NAME=VALUE` at its first equals sign.
pub(crate) fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}
