//! Errors as a person can act on them: what failed, why, the evidence, the state left behind, and
//! what to do next, on one screen.

use std::error::Error;

use super::printer::{Printer, Style};
use super::verdict::verdict_lines;
use crate::action::{ActionError, Cause, OperationFailure};
use crate::cluster::kube::KubeError;
use crate::release::{EvidenceLog, HookPhase};

/// Lines of each captured log that are printed; all of them are kept with the revision.
const LOG_LINES_SHOWN: usize = 25;

/// Prints an error, its causes and its hints.
pub fn report_error(printer: &Printer, error: &(dyn Error + 'static), hints: &[String]) {
    printer.say(&format!(
        "{} {error}",
        printer.paint_error(Style::Bad, "error:")
    ));
    report_causes(printer, error);
    report_hints(printer, &with_server_hints(error, hints));
}

/// Adds what can be done about the API server's own error, wherever in the chain it stands.
fn with_server_hints(error: &(dyn Error + 'static), hints: &[String]) -> Vec<String> {
    let mut all = hints.to_vec();
    let mut current = Some(error);
    while let Some(cause) = current {
        let server = cause.downcast_ref::<KubeError>();
        for hint in server.map(KubeError::hints).unwrap_or_default() {
            if !all.contains(&hint) {
                all.push(hint);
            }
        }
        current = cause.source();
    }
    all
}

/// Prints why an action failed, with the evidence that it left.
pub fn report_action(printer: &Printer, error: &ActionError, logs_were_shown: bool) {
    if let ActionError::Operation(failure) = error {
        printer.say(&format!(
            "{} {failure}",
            printer.paint_error(Style::Bad, "error:")
        ));
        report_causes(printer, failure.as_ref());
        report_evidence(printer, failure, logs_were_shown);
        report_hints(
            printer,
            &with_server_hints(failure.as_ref(), &error.hints()),
        );
    } else {
        report_error(printer, error, &error.hints());
    }
}

fn report_causes(printer: &Printer, error: &(dyn Error + 'static)) {
    let mut last = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        // A transparent wrapper says what its source says, and some foreign errors end with it;
        // once is enough.
        if !already_said(&last, &text) {
            let mut lines = text.lines();
            printer.say(&format!(
                "  caused by: {}",
                lines.next().unwrap_or_default()
            ));
            lines.for_each(|line| printer.say(&format!("    {line}")));
        }
        last = text;
        source = cause.source();
    }
}

fn already_said(before: &str, cause: &str) -> bool {
    before == cause || before.ends_with(&format!(": {cause}"))
}

fn report_evidence(printer: &Printer, failure: &OperationFailure, logs_were_shown: bool) {
    if let Cause::Hook {
        verdict: Some(verdict),
        ..
    } = &failure.cause
    {
        printer.say("");
        verdict_lines(printer, verdict)
            .iter()
            .for_each(|line| printer.say(line));
    }
    for log in &failure.evidence.logs {
        let is_hook = log.phase != HookPhase::Unset;
        if log.text.trim().is_empty()
            || log.phase == HookPhase::Succeeded
            || (is_hook && logs_were_shown)
        {
            continue;
        }
        report_log(printer, log);
    }
}

fn report_log(printer: &Printer, log: &EvidenceLog) {
    let lines: Vec<&str> = log.text.lines().collect();
    let hidden = lines.len().saturating_sub(LOG_LINES_SHOWN);
    printer.say("");
    let mut heading = format!("{}:", log.source);
    if hidden > 0 || log.truncated {
        heading.push_str(&format!(" (last {} lines)", lines.len() - hidden));
    }
    printer.say(&printer.paint_error(Style::Bold, &heading));
    for line in &lines[hidden..] {
        printer.say(&format!("  {line}"));
    }
}

fn report_hints(printer: &Printer, hints: &[String]) {
    if hints.is_empty() {
        return;
    }
    printer.say("");
    for hint in hints {
        printer.say(&format!(
            "{} {}",
            printer.paint_error(Style::Hint, "hint:"),
            at_place(hint, printer.place_flags())
        ));
    }
}

/// Completes the commands in a hint with the flags that name the place, so that a copied command
/// looks where this one did.
fn at_place(hint: &str, flags: &str) -> String {
    if flags.is_empty() {
        return hint.to_owned();
    }
    hint.split('`')
        .map(|part| {
            if part.starts_with("deployer ") {
                format!("{part} {flags}")
            } else {
                part.to_owned()
            }
        })
        .collect::<Vec<_>>()
        .join("`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_the_line_before_ends_with_is_not_repeated() {
        assert!(already_said("no value", "no value"));
        assert!(already_said("failed parsing: no value", "no value"));
        assert!(!already_said("failed parsing no value", "no value"));
        assert!(!already_said("cannot be rendered", "no value"));
    }

    #[test]
    fn commands_in_hints_look_where_the_failed_command_did() {
        let hint = "kept: `deployer history web -n prod`, or `deployer list -A`; see `kubectl get`";
        assert_eq!(at_place(hint, ""), hint);
        assert_eq!(
            at_place(hint, "--target dir:./out"),
            "kept: `deployer history web -n prod --target dir:./out`, or `deployer list -A --target dir:./out`; see `kubectl get`"
        );
    }
}
