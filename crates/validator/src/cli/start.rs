//! One process: parse, judge, tell, end.

use std::any::Any;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use anstream::ColorChoice;
use attest::Required;
use tokio::signal::unix::{SignalKind, signal};
use verdict::exit::ExitCode;
use verdict::report::{ConfigurationEntry, Report};

use super::arguments::{Asked, Color, Command, OutputForm, destinations_regardless, parse};
use super::attestation::{Attestation, prepare};
use super::check::{check, print, print_plan, print_schema, with_places};
use super::logging;
use super::verify::{VerifyRequest, sign, verify};
use crate::dataset::{Location, Share};
use crate::error::GateError;
use crate::findings::{Findings, Frame, report};
use crate::gate;
use crate::judge::Expected;
use crate::output::progress::Progress;
use crate::output::{
    Destinations, Printer, Talk, render_error, render_report, render_shard, render_shard_json,
};
use crate::reuse::{self, Store};
use crate::run::{ShardWritten, judge_model, judge_shards, score_shard};
use crate::settings::{Settings, SettingsError};

/// Runs the program with these arguments and returns how the process ends.
#[must_use]
pub fn start(arguments: Vec<OsString>) -> ExitCode {
    quiet_panics();
    match parse(arguments.clone()) {
        Ok(asked) => match &asked.arguments.command {
            None => run(&asked, &Task::Judge),
            Some(Command::Shard {
                index,
                of,
                summaries,
            }) => {
                let share = Share {
                    index: *index,
                    of: *of,
                };
                run(&asked, &Task::Shard { share, summaries })
            }
            Some(Command::Merge { summaries }) => run(&asked, &Task::Merge { summaries }),
            Some(Command::Check { file }) => check(&asked, file.as_deref()),
            Some(Command::Plan {
                file,
                prevalence,
                surplus,
                power,
                area,
                correlation,
                exceeding,
            }) => {
                let expected = Expected {
                    prevalence: *prevalence,
                    surplus: *surplus,
                    power: *power,
                    area: *area,
                    correlation: *correlation,
                    exceeding: *exceeding,
                };
                print_plan(&asked, file.as_deref(), expected)
            }
            Some(Command::Schema { document }) => {
                print_schema(&printer(&asked), (*document).into())
            }
            Some(Command::Sign { report, key }) => sign(&asked, report, key),
            Some(Command::Verify {
                file,
                key,
                max_age,
                model_sha256,
                dataset_digest,
                gate_digest,
                any_outcome,
            }) => {
                let request = VerifyRequest {
                    file,
                    keys: key,
                    max_age: max_age.as_deref(),
                    model_sha256: model_sha256.as_deref(),
                    dataset_digest: dataset_digest.as_deref(),
                    gate_digest: gate_digest.as_deref(),
                    outcome: if *any_outcome {
                        Required::Any
                    } else {
                        Required::Pass
                    },
                };
                verify(&asked, &request)
            }
        },
        Err(error) if !error.use_stderr() => {
            // --help and --version: a reader that has gone is a quiet end.
            let _ = error.print();
            ExitCode::Pass
        }
        Err(error) => refuse_command_line(&arguments, &error),
    }
}

/// Sends the report of a panic to the log. Decoding foreign bytes may panic in a library; the
/// task around it turns that into an error with a name, and the trace is for operators.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let what = panic.payload_as_str().unwrap_or("no message");
        tracing::debug!(place, what, "panic contained");
    }));
}

fn refuse_command_line(arguments: &[OsString], error: &clap::Error) -> ExitCode {
    let _ = error.print();
    let text = error.render().to_string();
    let message = text
        .lines()
        .next()
        .unwrap_or_default()
        .trim_start_matches("error: ")
        .to_owned();
    let error = GateError::Settings(SettingsError::CommandLine { message });
    let ended = Ended {
        findings: Findings::default(),
        configuration: BTreeMap::new(),
        outcome: Err(error),
        started: Started::now(),
    };
    let (report, _) = ended.into_report();
    let printer = Printer::new(ColorChoice::Auto);
    tell_files(
        &printer,
        &destinations_regardless(arguments),
        &report,
        ExitCode::Usage,
    )
}

/// When a run started, on both clocks.
struct Started {
    at: chrono::DateTime<chrono::Utc>,
    instant: Instant,
}

impl Started {
    fn now() -> Self {
        Self {
            at: chrono::Utc::now(),
            instant: Instant::now(),
        }
    }
}

/// A run that is over.
struct Ended {
    findings: Findings,
    configuration: BTreeMap<String, ConfigurationEntry>,
    outcome: Result<ExitCode, GateError>,
    started: Started,
}

impl Ended {
    fn into_report(self) -> (Report, Result<ExitCode, GateError>) {
        let frame = Frame {
            configuration: self.configuration,
            started_at: self.started.at,
            duration: self.started.instant.elapsed(),
            outcome: self.outcome.as_ref().copied(),
        };
        (report(self.findings, frame), self.outcome)
    }
}

/// Returns the printer with the colour that was asked for.
pub(super) fn printer(asked: &Asked) -> Printer {
    Printer::new(match asked.arguments.color {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    })
}

/// What a run does.
enum Task<'a> {
    /// Judges a model.
    Judge,
    /// Scores one shard.
    Shard { share: Share, summaries: &'a str },
    /// Judges what all shards have found.
    Merge { summaries: &'a str },
}

/// What a run came to.
enum Done {
    Verdict(ExitCode),
    Shard(ShardWritten),
}

fn run(asked: &Asked, task: &Task<'_>) -> ExitCode {
    let arguments = &asked.arguments;
    logging::install(arguments.verbose, arguments.log_format);
    let printer = printer(asked);
    let started = Started::now();
    let progress = Arc::new(Progress::new(logging::is_talkative(arguments.verbose)));
    let mut findings = Findings::default();
    let mut configuration = BTreeMap::new();
    let gate = asked.arguments.gate.as_deref().map(gate::read).transpose();
    let mut destinations = asked.destinations.clone();
    if let Ok(Some(gate)) = &gate {
        destinations.fill_from(gate.report.as_ref());
    }
    let destinations = destinations.with_defaults();
    destinations.clear();
    let settings = gate.map_err(SettingsError::from).and_then(|gate| {
        let gate = gate.as_ref();
        match task {
            Task::Merge { .. } => Settings::resolve(&with_places(&asked.request, gate), gate),
            _ => Settings::resolve(&asked.request, gate),
        }
    });
    let prepared = settings.map_err(GateError::from).and_then(|settings| {
        // A shard has no verdict to sign, whatever the others of its Job do.
        let wants_attestation = destinations.attestation.is_some();
        let attestation = match task {
            Task::Shard { .. } => Attestation::default(),
            _ => prepare(arguments, wants_attestation)?,
        };
        Ok((settings, attestation))
    });
    let mut attestation = Attestation::default();
    let outcome = match prepared {
        Ok((settings, prepared)) => {
            attestation = prepared;
            let store = attestation.store.as_ref();
            configuration.clone_from(&settings.effective);
            // Whatever happens, the verdict's files must say so.
            catch_unwind(AssertUnwindSafe(|| {
                do_in_runtime(task, &settings, store, &progress, &mut findings)
            }))
            .unwrap_or_else(|payload| Err(panicked(payload.as_ref())))
        }
        Err(error) => Err(error),
    };
    progress.finish();
    let outcome = match outcome {
        Ok(Done::Shard(written)) => return tell_shard(&printer, arguments.output, task, &written),
        Ok(Done::Verdict(exit)) => Ok(exit),
        Err(error) => Err(error),
    };
    let ended = Ended {
        findings,
        configuration,
        outcome,
        started,
    };
    let (mut report, outcome) = ended.into_report();
    let signed = attestation.sign(&mut report);
    if let Err(warning) = keep(attestation.store.as_ref(), &report) {
        report.warnings.push(warning);
    }
    let exit = tell(&printer, arguments.output, &report, outcome);
    let exit = tell_files(&printer, &destinations, &report, exit);
    match signed {
        Ok(()) => exit,
        Err(error) => {
            printer.talk(Talk::Plain, &render_error(&error.chain(), &error.hints()));
            undelivered(exit, error.exit_code())
        }
    }
}

/// Says where a shard's summary lies. A shard has no verdict, and writes none of the files of one.
fn tell_shard(
    printer: &Printer,
    form: OutputForm,
    task: &Task<'_>,
    written: &ShardWritten,
) -> ExitCode {
    let Task::Shard { share, .. } = task else {
        return ExitCode::Pass;
    };
    let text = match form {
        OutputForm::Text => render_shard(*share, written),
        OutputForm::Json => render_shard_json(*share, written),
    };
    print(printer, &text)
}

/// Keeps the verdict for later runs; a failure is told and changes nothing.
fn keep(store: Option<&Store>, report: &Report) -> Result<(), String> {
    let Some(store) = store else { return Ok(()) };
    let kept = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
        .and_then(|runtime| {
            let kept = runtime.block_on(reuse::keep(store, report, &mut None));
            kept.map_err(|error| error.to_string())
        });
    match kept {
        Ok(_) => Ok(()),
        Err(why) => Err(format!(
            "the verdict is not kept for later runs in `{}`: {why}",
            store.place
        )),
    }
}

fn panicked(payload: &(dyn Any + Send)) -> GateError {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let what = text.or_else(|| payload.downcast_ref::<&str>().copied());
    GateError::Internal {
        what: what.unwrap_or("a panic without a message").to_owned(),
    }
}

async fn do_task(
    task: &Task<'_>,
    settings: &Settings,
    store: Option<&Store>,
    progress: &Arc<Progress>,
    findings: &mut Findings,
) -> Result<Done, GateError> {
    let place = |text: &str| {
        Location::parse(text).map_err(|source| GateError::SummariesPlace {
            name: "--summaries",
            source,
        })
    };
    match task {
        Task::Judge => judge_model(settings, store, progress, findings)
            .await
            .map(Done::Verdict),
        Task::Shard { share, summaries } => {
            let Share { index, of } = *share;
            if index >= of {
                return Err(GateError::NoSuchShard { index, of });
            }
            let place = place(summaries)?;
            score_shard(settings, *share, &place, progress, findings)
                .await
                .map(Done::Shard)
        }
        Task::Merge { summaries } => judge_shards(settings, &place(summaries)?, progress, findings)
            .await
            .map(Done::Verdict),
    }
}

fn do_in_runtime(
    task: &Task<'_>,
    settings: &Settings,
    store: Option<&Store>,
    progress: &Arc<Progress>,
    findings: &mut Findings,
) -> Result<Done, GateError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| GateError::Internal {
            what: format!("the runtime does not start: {error}"),
        })?;
    let outcome = runtime.block_on(async {
        let mut terminated = signal(SignalKind::terminate()).map_err(no_signals)?;
        let mut interrupted = signal(SignalKind::interrupt()).map_err(no_signals)?;
        tokio::select! {
            outcome = do_task(task, settings, store, progress, findings) => outcome,
            _ = terminated.recv() => Err(GateError::Interrupted { signal: "SIGTERM" }),
            _ = interrupted.recv() => Err(GateError::Interrupted { signal: "SIGINT" }),
        }
    });
    // After a signal a blocking call of the model may still run; its process dies with ours.
    runtime.shutdown_background();
    outcome
}

fn no_signals(error: std::io::Error) -> GateError {
    GateError::Internal {
        what: format!("signals cannot be received: {error}"),
    }
}

/// Prints the result; errors go to stderr, and in JSON also to stdout as a report.
fn tell(
    printer: &Printer,
    form: OutputForm,
    report: &Report,
    outcome: Result<ExitCode, GateError>,
) -> ExitCode {
    for warning in &report.warnings {
        printer.talk(Talk::Warning, warning);
    }
    let exit = match &outcome {
        Ok(exit) => *exit,
        Err(error) => {
            let mut hints = error.hints();
            // Whoever asks S3 as somebody else than was meant sees it here.
            let identity = report.environment.s3.as_ref();
            hints.extend(identity.map(|identity| format!("S3 was asked at {identity}")));
            printer.talk(Talk::Plain, &render_error(&error.chain(), &hints));
            error.exit_code()
        }
    };
    let text = match form {
        OutputForm::Json => serde_json::to_string_pretty(report)
            .map(|text| text + "\n")
            .unwrap_or_default(),
        OutputForm::Text if outcome.is_ok() => render_report(report),
        OutputForm::Text => return exit,
    };
    if let Err(error) = printer.data(&text) {
        printer.talk(
            Talk::Warning,
            &format!("the result could not be printed: {error}"),
        );
        return undelivered(exit, ExitCode::Infrastructure);
    }
    exit
}

/// Returns how a run ends whose verdict did not reach everyone: a pass is none then.
fn undelivered(exit: ExitCode, instead: ExitCode) -> ExitCode {
    match exit {
        ExitCode::Pass => instead,
        other => other,
    }
}

/// Writes the files. A verdict that is not delivered is no pass.
fn tell_files(
    printer: &Printer,
    destinations: &Destinations,
    report: &Report,
    exit: ExitCode,
) -> ExitCode {
    match destinations.write(report) {
        Ok(()) => exit,
        Err(error) => {
            printer.talk(Talk::Plain, &render_error(&error.chain(), &error.hints()));
            undelivered(exit, error.exit_code())
        }
    }
}
