//! Groups of flags that several commands share: chart, values, waiting, applying, hooks.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::duration::parse_timeout;

/// Where the chart comes from.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Chart options")]
pub(crate) struct ChartArgs {
    /// Accepted for Helm's sake: a folder or archive has one version
    #[arg(long, value_name = "RANGE")]
    pub(crate) version: Option<String>,
    /// Accepted for Helm's sake: a folder or archive has one version
    #[arg(long, hide = true)]
    pub(crate) devel: bool,
    /// Refused: charts come from folders and archives
    #[arg(long, value_name = "URL", hide = true)]
    pub(crate) repo: Option<String>,
    /// Update missing dependencies before the chart is used
    #[arg(long, hide = true)]
    pub(crate) dependency_update: bool,
}

/// Where the values come from, in Helm's order of precedence.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Values options")]
pub(crate) struct ValueArgs {
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
    /// Known from Helm and refused: objects are never deleted to be changed
    #[arg(long, alias = "force", conflicts_with = "force_conflicts", hide = true)]
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
#[derive(Debug, Clone, Args)]
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
    /// Program through which the rendered manifests are passed
    #[arg(long, value_name = "PATH")]
    pub(crate) post_renderer: Option<PathBuf>,
    /// Argument of the post-renderer; can be repeated
    #[arg(long, value_name = "ARGUMENT")]
    pub(crate) post_renderer_args: Vec<String>,
}

/// Splits `NAME=VALUE` at its first equals sign.
pub(crate) fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}
