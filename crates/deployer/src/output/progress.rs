//! Progress as it happens on stderr: on a terminal a block that is drawn anew, elsewhere one plain
//! line per change.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::live::Live;
use super::printer::{Printer, Style};
use crate::progress::{AppliedChange, ProgressEvent, ProgressSink};
use crate::release::HookPhase;

/// How often the block is drawn anew, so that its clock goes.
const REDRAW: Duration = Duration::from_millis(250);
/// Lines of the terminal that the block leaves to what was said before.
const ROWS_LEFT: usize = 8;
/// Lines that the block takes at most.
const ROWS_MAX: usize = 16;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressStyle {
    /// One line per change.
    Lines,
    /// A block at the end of the terminal, where stderr is one that can be drawn on.
    Block,
}

/// Tells a person what happens.
#[derive(Debug)]
pub struct ConsoleProgress {
    printer: Arc<Printer>,
    hook_logs: bool,
    hook_logs_shown: AtomicBool,
    block: Option<Arc<Block>>,
}

/// What is under way, and where it is drawn.
#[derive(Debug)]
struct Block {
    printer: Arc<Printer>,
    live: Mutex<Live>,
    has_clock: AtomicBool,
}

impl ConsoleProgress {
    /// Makes a sink; `hook_logs` says whether the lines of hooks are shown as they come.
    pub fn new(printer: Arc<Printer>, hook_logs: bool, style: ProgressStyle) -> Self {
        let block = (style == ProgressStyle::Block && printer.redraws()).then(|| {
            Arc::new(Block {
                printer: Arc::clone(&printer),
                live: Mutex::default(),
                has_clock: AtomicBool::new(false),
            })
        });
        Self {
            printer,
            hook_logs,
            hook_logs_shown: AtomicBool::new(false),
            block,
        }
    }

    /// Tells whether lines of hooks were shown, and need not be shown again after a failure.
    pub fn hook_logs_were_shown(&self) -> bool {
        self.hook_logs_shown.load(Ordering::Relaxed)
    }

    /// Ends what is under way: what is printed from here on is the result.
    pub fn finish(&self) {
        if let Some(block) = &self.block {
            block.end();
        }
    }

    fn line(&self, event: &ProgressEvent) -> Option<String> {
        let printer = &self.printer;
        let dim = |text: &str| printer.paint_error(Style::Dim, text);
        Some(match event {
            ProgressEvent::Stage { text, .. } => {
                format!("{} {text}", printer.paint_error(Style::Bold, "==>"))
            }
            ProgressEvent::Applied { object, change } => match change {
                AppliedChange::Created => format!("    {object} created"),
                AppliedChange::Changed => format!("    {object} changed"),
                AppliedChange::Recreated => format!("    {object} deleted and created anew"),
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
            ProgressEvent::HookStarted {
                event, hook, kind, ..
            } => {
                format!(
                    "{} {event} hook: {kind} `{hook}`",
                    printer.paint_error(Style::Bold, "==>")
                )
            }
            ProgressEvent::HookState {
                hook,
                message,
                is_trouble: true,
            } => format!("    hook `{hook}` cannot start: {message}"),
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
            ProgressEvent::Sent { .. }
            | ProgressEvent::HookState { .. }
            | ProgressEvent::Recorded { .. } => return None,
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
        // What the block shows now, and its stage leaves behind, is not said line by line.
        let is_in_block = self.block.is_some()
            && matches!(
                event,
                ProgressEvent::Applied { .. }
                    | ProgressEvent::Deleted { .. }
                    | ProgressEvent::Readiness { .. }
                    | ProgressEvent::HookState { .. }
            );
        let line = if is_in_block { None } else { self.line(&event) };
        match &self.block {
            Some(block) => block.take(&event, line),
            None => {
                if let Some(line) = line {
                    self.printer.say(&line);
                }
            }
        }
    }
}

impl Block {
    /// Shows an event and the line that tells of it, below what an ended stage leaves behind.
    fn take(self: &Arc<Self>, event: &ProgressEvent, line: Option<String>) {
        let mut live = self.live();
        if matches!(
            event,
            ProgressEvent::Stage { .. } | ProgressEvent::HookStarted { .. }
        ) {
            self.printer.open_block();
        }
        let left = live.take(event, Instant::now());
        if !live.is_active() || !left.is_empty() {
            self.printer.show_block(&[]);
        }
        self.leave(&left);
        if let Some(line) = line {
            self.printer.say(&line);
        }
        // Many events come at once; the clock draws those in between.
        if live.is_active() && !matches!(event, ProgressEvent::Sent { .. }) {
            self.draw(&live);
            self.start_clock();
        }
    }

    fn end(&self) {
        let mut live = self.live();
        let left = live.end(Instant::now());
        self.printer.show_block(&[]);
        self.leave(&left);
    }

    fn leave(&self, lines: &[super::line::Line]) {
        for line in lines {
            let text = line.write(usize::MAX, self.printer.paints_errors());
            self.printer.say(&text);
        }
    }

    fn draw(&self, live: &Live) {
        let (columns, rows) = self.printer.error_size();
        // The last column stays free: a full line would wrap on some terminals.
        let columns = columns.saturating_sub(1).max(20);
        let rows = rows.saturating_sub(ROWS_LEFT).clamp(3, ROWS_MAX);
        let colour = self.printer.paints_errors();
        let lines: Vec<String> = live
            .draw(Instant::now(), columns, rows)
            .iter()
            .map(|line| line.write(columns, colour))
            .collect();
        self.printer.show_block(&lines);
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the thread that draws anew; it ends with the progress that it belongs to.
    fn start_clock(self: &Arc<Self>) {
        if self.has_clock.swap(true, Ordering::Relaxed) {
            return;
        }
        let block: Weak<Self> = Arc::downgrade(self);
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(REDRAW);
                let Some(block) = block.upgrade() else { return };
                let live = block.live();
                if live.is_active() {
                    block.draw(&live);
                }
            }
        });
    }
}
