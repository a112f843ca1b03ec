//! Errors as a person can act on them: what failed, why, the evidence, the state left behind, and
//! what to do next, on one screen; and the same for programs.

use std::error::Error;

use serde::Serialize;

use super::contract::{Format, SCHEMA_VERSION};
use super::line::{paint_word, wrap};
use super::printer::{PrintError, Printer, Style, painted};
use super::verdict::{verdict_block, verdict_lines};
use crate::action::{ActionError, Cause, ExitCode, OperationFailure};
use crate::cluster::kube::KubeError;
use crate::release::{EvidenceLog, GateVerdict, HookPhase};

/// The lines of the explanation of a failed operation: those of a terminal as it is by default.
const SCREEN_LINES: usize = 24;
/// The width by which lines are counted where there is no terminal to measure.
const SCREEN_COLUMNS: usize = 80;
/// What stands before the later lines of a text.
const MARGIN: &str = "    ";
/// Lines that the causes of a failure take at most.
const CAUSE_LINES: usize = 6;
/// Lines that evidence gets however much else there is to say.
const EVIDENCE_LINES_MIN: usize = 5;

/// Prints an error, its causes and its hints.
pub fn report_error(printer: &Printer, error: &(dyn Error + 'static), hints: &[String]) {
    let screen = Screen::of(printer, false);
    let mut lines = screen.begun_by("error:", Style::Bad, &error.to_string(), "");
    let causes = causes(error);
    let causes = causes.iter().flat_map(|cause| cause_lines(cause));
    lines.extend(causes.flat_map(|line| screen.folded(&line, 4)));
    let hints = with_server_hints(error, hints);
    if !hints.is_empty() {
        lines.push(String::new());
    }
    for hint in &hints {
        let hint = at_place(hint, printer.place_flags());
        lines.extend(screen.begun_by("hint:", Style::Hint, &hint, ""));
    }
    for line in lines {
        printer.say(&line);
    }
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
    let ActionError::Operation(failure) = error else {
        report_error(printer, error, &error.hints());
        return;
    };
    for line in Screen::of(printer, logs_were_shown).lines(failure) {
        printer.say(&line);
    }
}

/// How a failure is laid out.
#[derive(Debug, Clone)]
struct Screen {
    /// The width of the terminal; none where lines are left as long as they are.
    columns: Option<usize>,
    colour: bool,
    /// Whether the logs of hooks stand above already.
    logs_were_shown: bool,
    place_flags: String,
}

impl Screen {
    fn of(printer: &Printer, logs_were_shown: bool) -> Self {
        Self {
            columns: printer.redraws().then(|| printer.error_size().0),
            colour: printer.paints_errors(),
            logs_were_shown,
            place_flags: printer.place_flags().to_owned(),
        }
    }

    /// Lays out a failed operation on one screen: what, why, evidence, state, next steps.
    fn lines(&self, failure: &OperationFailure) -> Vec<String> {
        let mut head = self.begun_by("error:", Style::Bad, &failure.to_string(), MARGIN);
        let causes = causes(failure);
        let mut why: Vec<String> = causes
            .iter()
            .flat_map(|cause| cause_lines(cause))
            .flat_map(|line| self.folded(&line, 4))
            .collect();
        self.shorten(&mut why, CAUSE_LINES);
        head.extend(why);
        let mut tail: Vec<String> = failure
            .state()
            .iter()
            .flat_map(|state| self.begun_by("state:", Style::Bold, state, MARGIN))
            .collect();
        for hint in with_server_hints(failure, &failure.next_steps()) {
            let hint = at_place(&hint, &self.place_flags);
            tail.extend(self.begun_by("hint:", Style::Hint, &hint, MARGIN));
        }
        let taken = self.rows(&head) + self.rows(&tail) + 2;
        let left = SCREEN_LINES.saturating_sub(taken).max(EVIDENCE_LINES_MIN);
        let evidence = self.evidence(failure, &causes.join("\n"), left);
        let mut lines = head;
        if !evidence.is_empty() {
            lines.push(String::new());
            lines.extend(evidence);
        }
        lines.push(String::new());
        lines.extend(tail);
        lines
    }

    fn evidence(&self, failure: &OperationFailure, why: &str, rows: usize) -> Vec<String> {
        if let Cause::Hook {
            verdict: Some(verdict),
            ..
        } = &failure.cause
        {
            return self.verdict(verdict, rows);
        }
        let items: Vec<Item<'_>> = failure
            .evidence
            .logs
            .iter()
            .filter(|log| self.is_shown(log))
            .filter_map(|log| Item::of(log, why))
            .collect();
        self.items(&items, rows)
    }

    /// Hooks that ended well explain nothing, and what stands above need not be said again.
    fn is_shown(&self, log: &EvidenceLog) -> bool {
        let is_hook = log.source.starts_with("hook ");
        !log.text.trim().is_empty()
            && log.phase != HookPhase::Succeeded
            && !(is_hook && self.logs_were_shown)
    }

    fn verdict(&self, verdict: &GateVerdict, rows: usize) -> Vec<String> {
        let paint = |style, text: &str| painted(self.colour, style, text);
        let all = verdict_lines(&paint, verdict);
        let fixed = all.len() - verdict.checks().len();
        let mut lines = all;
        let mut checks = rows.saturating_sub(fixed + 1);
        // Long lines are folded: fewer checks fit than there are rows.
        loop {
            let folded: Vec<String> = lines.iter().flat_map(|line| self.folded(line, 4)).collect();
            if self.rows(&folded) <= rows || checks == 0 {
                return folded;
            }
            lines = verdict_block(&paint, verdict, checks);
            checks -= 1;
        }
    }

    /// Shares the rows among the pieces of evidence, the most telling first: each that is named says
    /// something, then the last words of containers come first, the newest events next, conditions last.
    fn items(&self, items: &[Item<'_>], rows: usize) -> Vec<String> {
        let mut by_weight: Vec<usize> = (0..items.len()).collect();
        by_weight.sort_by_key(|index| items[*index].kind);
        // The row of the count, where something is left out.
        let mut left = rows.saturating_sub(1);
        let mut shown: Vec<Option<Piece>> = vec![None; items.len()];
        let mut left_out = 0;
        for index in &by_weight {
            let item = &items[*index];
            let mut piece = self.piece(item);
            let first = self.last_line(item, 0).unwrap_or_default();
            let taken = self.rows(&piece.title);
            if taken + self.rows(&first) > left {
                left_out += 1;
                continue;
            }
            left -= taken;
            self.fill(item, &mut piece, item.kind.lines_first(), &mut left);
            shown[*index] = Some(piece);
        }
        left += usize::from(left_out == 0);
        for is_rest in [false, true] {
            for index in &by_weight {
                if let Some(piece) = &mut shown[*index] {
                    let item = &items[*index];
                    self.fill(item, piece, item.kind.lines_max(is_rest), &mut left);
                }
            }
        }
        let mut lines: Vec<String> = Vec::new();
        for (item, piece) in items.iter().zip(shown) {
            // A name alone explains nothing.
            if let Some(piece) = piece
                && (item.summary.is_some() || !piece.body.is_empty())
            {
                lines.extend(piece.title);
                lines.extend(piece.body);
            }
        }
        if left_out > 0 {
            lines.push(format!("… and {left_out} more"));
        }
        lines
    }

    fn piece(&self, item: &Item<'_>) -> Piece {
        let mut title = self.folded(&item.title(), 4);
        self.shorten(&mut title, 2);
        let style = |line: &String| painted(self.colour, Style::Bold, line);
        Piece {
            title: title.iter().map(style).collect(),
            ..Piece::default()
        }
    }

    /// Returns the last line of an item but `taken`, folded.
    fn last_line(&self, item: &Item<'_>, taken: usize) -> Option<Vec<String>> {
        let line = item.body.iter().rev().nth(taken)?;
        let mut rows = self.folded(&format!("  {line}"), 4);
        self.shorten(&mut rows, 2);
        Some(rows)
    }

    /// Adds lines of an item, the last ones first, up to so many and as far as there are rows.
    fn fill(&self, item: &Item<'_>, piece: &mut Piece, lines_max: usize, left: &mut usize) {
        while piece.lines < lines_max
            && let Some(rows) = self.last_line(item, piece.lines)
        {
            let taken = self.rows(&rows);
            if taken > *left {
                break;
            }
            *left -= taken;
            piece.lines += 1;
            piece.body.splice(0..0, rows);
        }
    }

    /// A text that begins with a painted word; its later lines begin with `margin`.
    fn begun_by(&self, word: &str, style: Style, text: &str, margin: &str) -> Vec<String> {
        let mut lines: Vec<String> = text
            .lines()
            .enumerate()
            .flat_map(|(index, line)| match index {
                0 => self.folded(&format!("{word} {line}"), 4),
                _ => self.folded(&format!("{margin}{line}"), 4),
            })
            .collect();
        paint_word(&mut lines, word, |word| painted(self.colour, style, word));
        lines
    }

    fn folded(&self, line: &str, indent: usize) -> Vec<String> {
        match self.columns {
            // The last column stays free: a full line would wrap on some terminals.
            Some(columns) => wrap(line, columns.saturating_sub(1).max(20), indent),
            None => vec![line.to_owned()],
        }
    }

    /// Counts the rows that lines take; without a terminal as on one of the usual width.
    fn rows(&self, lines: &[String]) -> usize {
        match self.columns {
            Some(_) => lines.len(),
            None => lines
                .iter()
                .map(|line| wrap(line, SCREEN_COLUMNS, 4).len())
                .sum(),
        }
    }

    /// Cuts what takes more rows than it may, and shows that it is cut.
    fn shorten(&self, lines: &mut Vec<String>, rows: usize) {
        if self.columns.is_some() && lines.len() > rows {
            lines.truncate(rows);
            if let Some(last) = lines.last_mut() {
                last.pop();
                last.push('…');
            }
        }
    }
}

/// What a piece of evidence is, the most telling first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ItemKind {
    /// The last words of a container, or of a hook.
    Log,
    /// What happened to a pod.
    Pod,
    /// The conditions of an object.
    Object,
}

/// What is shown of an item.
#[derive(Debug, Clone, Default)]
struct Piece {
    title: Vec<String>,
    body: Vec<String>,
    /// How many lines of the item the body holds, each folded.
    lines: usize,
}

impl ItemKind {
    /// Lines that one piece gets before another is named.
    fn lines_first(self) -> usize {
        match self {
            Self::Log => 3,
            Self::Pod | Self::Object => 1,
        }
    }

    /// Lines that one piece gets at most, of what there is at first and of what is left then.
    fn lines_max(self, is_rest: bool) -> usize {
        match (self, is_rest) {
            (Self::Log, false) => 6,
            (Self::Log, true) => 12,
            (Self::Pod | Self::Object, _) => 2,
        }
    }
}

/// A piece of evidence, without what the causes have said.
#[derive(Debug)]
struct Item<'a> {
    kind: ItemKind,
    source: &'a str,
    summary: Option<&'a str>,
    body: Vec<&'a str>,
}

impl<'a> Item<'a> {
    fn of(log: &'a EvidenceLog, why: &str) -> Option<Self> {
        let is_hook = log.source.starts_with("hook ");
        let kind = match &log.source {
            source if is_hook || source.contains("(container ") => ItemKind::Log,
            source if source.starts_with("pod ") => ItemKind::Pod,
            _ => ItemKind::Object,
        };
        let mut lines = log.text.lines().filter(|line| !line.trim().is_empty());
        // A hook's log is a log from its first line on; the others begin with their summary.
        let first = if is_hook { None } else { lines.next() };
        let body: Vec<&str> = lines.filter(|line| !why.contains(line.trim())).collect();
        let summary = first.filter(|first| !why.contains(first.trim()));
        (summary.is_some() || !body.is_empty()).then_some(Self {
            kind,
            source: &log.source,
            summary,
            body,
        })
    }

    fn title(&self) -> String {
        match self.summary {
            Some(summary) => format!("{}: {summary}", self.source),
            None => format!("{}:", self.source),
        }
    }
}

/// Returns what lies behind an error, the nearest first, without what the line before said.
fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut causes = Vec::new();
    let mut last = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        // A transparent wrapper says what its source says, and some foreign errors end with it;
        // once is enough.
        if !already_said(&last, &text) {
            causes.push(text.clone());
        }
        last = text;
        source = cause.source();
    }
    causes
}

fn cause_lines(cause: &str) -> Vec<String> {
    let mut lines = cause.lines();
    let first = format!("  caused by: {}", lines.next().unwrap_or_default());
    let rest = lines.map(|line| format!("    {line}"));
    std::iter::once(first).chain(rest).collect()
}

fn already_said(before: &str, cause: &str) -> bool {
    before == cause || before.ends_with(&format!(": {cause}"))
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

/// A failure as programs read it.
#[derive(Debug, Serialize)]
struct FailureReport<'a> {
    schema_version: u32,
    failure: FailureView<'a>,
}

#[derive(Debug, Serialize)]
struct FailureView<'a> {
    /// What failed, in a sentence.
    error: String,
    /// Why, the nearest first.
    causes: Vec<String>,
    /// With what the process ends.
    exit_code: u8,
    /// What is left behind; empty where nothing was begun.
    state: Vec<String>,
    /// What can be done, each a command or a fact.
    hints: Vec<String>,
    #[serde(flatten)]
    operation: Option<OperationView<'a>>,
}

#[derive(Debug, Serialize)]
struct OperationView<'a> {
    operation: String,
    release: &'a str,
    namespace: &'a str,
    revision: u32,
    /// The verdict of the gate that stopped it; null where none did.
    verdict: Option<&'a GateVerdict>,
    /// Logs, events and conditions, as they are kept with the revision.
    evidence: &'a [EvidenceLog],
}

/// Prints on stdout, for programs, why a command failed.
///
/// # Errors
/// [`PrintError`].
pub fn print_failure(
    printer: &Printer,
    format: Format,
    error: &(dyn Error + 'static),
    hints: &[String],
    operation: Option<&OperationFailure>,
    exit_code: ExitCode,
) -> Result<(), PrintError> {
    let (error, state, hints): (&(dyn Error + 'static), _, _) = match operation {
        Some(failure) => (failure, failure.state(), failure.next_steps()),
        None => (error, Vec::new(), hints.to_vec()),
    };
    let report = FailureReport {
        schema_version: SCHEMA_VERSION,
        failure: FailureView {
            error: error.to_string(),
            causes: causes(error),
            exit_code: exit_code.into(),
            state,
            hints: with_server_hints(error, &hints)
                .iter()
                .map(|hint| at_place(hint, printer.place_flags()))
                .collect(),
            operation: operation.map(|failure| OperationView {
                operation: failure.operation.to_string(),
                release: failure.release.as_str(),
                namespace: failure.namespace.as_str(),
                revision: failure.revision.0,
                verdict: match &failure.cause {
                    Cause::Hook { verdict, .. } => verdict.as_deref(),
                    _ => None,
                },
                evidence: &failure.evidence.logs,
            }),
        },
    };
    printer.value(format, &report)
}

#[cfg(test)]
mod tests;
