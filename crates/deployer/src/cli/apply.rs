//! `apply`

use clap::Args;

use super::arguments::RecreatePodsArgs;
use super::change::ChangeArgs;
use super::error::CliError;
use super::global::OutputArgs;
use super::session::Session;
use super::upgrade::UpgradeCommand;

/// Bring the releases of an environment to what deployer.yaml says
///
/// Does for each release what `upgrade --install` does with the chart, values, place and rules that
/// the file names. What was promoted into the environment stays. The first release that fails ends
/// the run; those before it stay as they are now.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  deployer apply --env staging\n  deployer apply fraud-model --env staging --dry-run=server\n  deployer apply fraud-model --env dev --set model.path=s3://models/candidate.pt"
)]
pub(crate) struct ApplyCommand {
    /// Names of the releases; every release of the environment where unset
    #[arg(value_name = "RELEASE")]
    releases: Vec<String>,
    /// Revisions to keep; 0 keeps all
    #[arg(
        long,
        env = "HELM_MAX_HISTORY",
        hide_env_values = true,
        default_value_t = 10,
        value_name = "COUNT"
    )]
    history_max: u32,
    /// Delete what a failed upgrade created
    #[arg(long)]
    cleanup_on_fail: bool,
    #[command(flatten)]
    args: ChangeArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

impl ApplyCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        let Some(chosen) = &session.chosen else {
            return Err(CliError::usage("an environment is missing")
                .with_hint("name it: `deployer apply --env NAME`"));
        };
        let environment = chosen.place.environment.clone();
        let releases = if self.releases.is_empty() {
            let mut all = Vec::new();
            for name in chosen.environments.file.releases.keys() {
                if chosen.environments.resolve(name, &environment)?.is_some() {
                    all.push(name.clone());
                }
            }
            all
        } else {
            self.releases.clone()
        };
        for release in &releases {
            // A name that is not there is told before anything is changed.
            chosen.environments.resolve(release, &environment)?;
        }
        for release in releases {
            session.printer.say(&format!(
                "==> release `{release}` in environment `{environment}`"
            ));
            self.upgrade(release).run(session).await?;
        }
        Ok(())
    }

    fn upgrade(&self, release: String) -> UpgradeCommand {
        UpgradeCommand {
            release,
            chart_reference: None,
            install: true,
            create_namespace: false,
            // The files say everything: what an earlier command line gave is not kept.
            reset_values: true,
            reuse_values: false,
            reset_then_reuse_values: false,
            history_max: self.history_max,
            cleanup_on_fail: self.cleanup_on_fail,
            recreate_pods: RecreatePodsArgs::default(),
            recover: false,
            args: self.args.clone(),
            use_plan: None,
            output: self.output,
        }
    }
}
