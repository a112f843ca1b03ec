//! Progress as it happens, one plain line per change on stderr.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::printer::{Printer, Style};
use crate::progress::{AppliedChange, ProgressEvent, ProgressSink};
use crate::release::HookPhase;

/// Tells a person what happens.
#[derive(Debug)]
pub struct ConsoleProgress {
    printer: Arc<Printer>,
    hook_logs: bool,
    hook_logs_shown: AtomicBool,
}

impl ConsoleProgress {
    /// Makes a sink; `hook_logs` says whether the lines of hooks are shown as they come.
    pub fn new(printer: Arc<Printer>, hook_logs: bool) -> Self {
        Self {
            printer,
            hook_logs,
            hook_logs_shown: AtomicBool::new(false),
        }
    }

    /// Tells whether lines of hooks were shown, and need not be shown again after a failure.
    pub fn hook_logs_were_shown(&self) -> bool {
        self.hook_logs_shown.load(Ordering::Relaxed)
    }

    fn line(&self, event: &ProgressEvent) -> Option<String> {
        let printer = &self.printer;
        let dim = |text: &str| printer.paint_error(Style::Dim, text);
        Some(match event {
            ProgressEvent::Stage { text } => {
                format!("{} {text}", printer.paint_error(Style::Bold, "==>"))
            }
            ProgressEvent::Applied { object, change } => match change {
                AppliedChange::Created => format!("    {object} created"),
                AppliedChange::Changed => format!("    {object} changed"),
                AppliedChange::Unchanged => dim(&format!("    {object} unchanged")),
            },
            ProgressEvent::Deleted { object } => format!("    {object} deleted"),
            ProgressEvent::Readiness {
                object,
                ready: true,
                ..
            } => {
                format!("    {object} {}", printer.paint_error(Style::Good, "ready"))
            }
            ProgressEvent::Readiness {
                object, message, ..
            } => {
                format!("    {object} not ready: {message}")
            }
            ProgressEvent::HookStarted { event, hook, kind } => {
                format!(
                    "{} {event} hook: {kind} `{hook}`",
                    printer.paint_error(Style::Bold, "==>")
                )
            }
            ProgressEvent::HookLog { hook, line } => {
                if !self.hook_logs {
                    return None;
                }
                self.hook_logs_shown.store(true, Ordering::Relaxed);
                let line = format!("{} {line}", dim(&format!("[{hook}]")));
                line.trim_end().to_owned()
            }
            ProgressEvent::HookFinished {
                hook,
                phase,
                elapsed,
            } => {
                let (word, style) = match phase {
                    HookPhase::Succeeded => ("succeeded", Style::Good),
                    HookPhase::Failed => ("failed", Style::Bad),
                    HookPhase::Running | HookPhase::Unknown => ("stopped", Style::Warning),
                    HookPhase::Unset => ("skipped", Style::Dim),
                };
                format!(
                    "    hook `{hook}` {} after {:.1} s",
                    printer.paint_error(style, word),
                    elapsed.as_secs_f64()
                )
            }
            ProgressEvent::Sensitive { values } => {
                printer.hide(values);
                return None;
            }
            ProgressEvent::Recorded { .. } => return None,
            ProgressEvent::Warning { text } => {
                format!("{} {text}", printer.paint_error(Style::Warning, "warning:"))
            }
            ProgressEvent::Note { text } => format!("    {text}"),
        })
    }
}

impl ProgressSink for ConsoleProgress {
    fn event(&self, event: ProgressEvent) {
        tracing::debug!(?event, "progress");
        if let Some(line) = self.line(&event) {
            self.printer.say(&line);
        }
    }
}
