//! `validator check`, `plan` and `schema`: what a gate file means, without data or model.

use std::path::Path;

use verdict::exit::ExitCode;
use verdict::report::ConfigurationSource;

use super::arguments::{Asked, OutputForm};
use super::start::printer;
use crate::error::GateError;
use crate::gate::{self, GateFile};
use crate::judge::{Expected, plan};
use crate::output::{Printer, Talk, render_error, render_plan, render_plan_json, render_settings};
use crate::settings::{Given, LATER, Request, Settings, SettingsError};

/// Checks a gate file and prints what it asks for.
pub(super) fn check(asked: &Asked, file: Option<&Path>) -> ExitCode {
    let printer = printer(asked);
    match resolve(asked, file) {
        Ok(settings) => {
            let text = match asked.arguments.output {
                OutputForm::Text => render_settings(&settings),
                OutputForm::Json => serde_json::to_string_pretty(&settings.effective)
                    .map(|text| text + "\n")
                    .unwrap_or_default(),
            };
            print(&printer, &text)
        }
        Err(error) => refuse(&printer, error),
    }
}

/// Prints how many rows and calls the checks of a gate need.
pub(super) fn print_plan(asked: &Asked, file: Option<&Path>, expected: Expected) -> ExitCode {
    let printer = printer(asked);
    match resolve(asked, file) {
        Ok(settings) => {
            let needs = plan(&settings, expected);
            let text = match asked.arguments.output {
                OutputForm::Text => render_plan(&needs),
                OutputForm::Json => render_plan_json(&needs),
            };
            let exit = print(&printer, &text);
            if needs.iter().all(|need| need.amount.is_ok()) {
                return exit;
            }
            // What was supposed makes no sense, or no number of rows would do.
            ExitCode::Usage
        }
        Err(error) => refuse(&printer, error),
    }
}

fn refuse(printer: &Printer, error: SettingsError) -> ExitCode {
    let error = GateError::from(error);
    printer.talk(Talk::Plain, &render_error(&error.chain(), &error.hints()));
    error.exit_code()
}

fn resolve(asked: &Asked, file: Option<&Path>) -> Result<Settings, SettingsError> {
    let file = file.or(asked.arguments.gate.as_deref());
    let gate = file.map(gate::read).transpose()?;
    let request = with_places(&asked.request, gate.as_ref());
    Settings::resolve(&request, gate.as_ref())
}

/// Lets model and dataset stand for themselves where nothing names them yet.
pub(super) fn with_places(request: &Request, gate: Option<&GateFile>) -> Request {
    let mut request = request.clone();
    let later = |named: bool| {
        (!named).then(|| Given {
            text: LATER.to_owned(),
            source: ConfigurationSource::Default,
            name: "default".to_owned(),
        })
    };
    let is_some = |text: Option<&String>| text.is_some_and(|text| !text.is_empty());
    let model = gate.and_then(|gate| gate.model.as_ref());
    if request.model.is_none() {
        request.model = later(is_some(model.and_then(|part| part.path.as_ref())));
    }
    let dataset = gate.and_then(|gate| gate.dataset.as_ref());
    if request.dataset.is_none() {
        request.dataset = later(is_some(dataset.and_then(|part| part.uri.as_ref())));
    }
    request
}

/// Prints a schema.
pub(super) fn print_schema(printer: &Printer, document: gate::Document) -> ExitCode {
    let text = serde_json::to_string_pretty(&gate::schema(document)).unwrap_or_default();
    print(printer, &(text + "\n"))
}

pub(super) fn print(printer: &Printer, text: &str) -> ExitCode {
    match printer.data(text) {
        Ok(()) => ExitCode::Pass,
        Err(error) => {
            let problem = format!("the result could not be printed: {error}");
            printer.talk(Talk::Warning, &problem);
            ExitCode::Infrastructure
        }
    }
}
