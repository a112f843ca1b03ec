//! What is under way, as a block of lines at the end of a terminal (pure: events and a moment in,
//! lines out).
//!
//! A stage that has ended leaves its result behind as ordinary lines; the block shows only the
//! present one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::line::{Line, wrap};
use super::printer::Style;
use crate::cluster::ObjectId;
use crate::progress::{AppliedChange, ProgressEvent, Work};

/// Objects that a stage of changes names when it has ended; more are counted.
const CHANGES_NAMED: usize = 20;
/// Objects that a wait names when it has ended; more are counted.
const WAITS_NAMED: usize = 12;
/// Lines that the reason of one object takes at most.
const REASON_LINES: usize = 3;

/// The present stage.
#[derive(Debug, Default)]
pub(super) struct Live {
    stage: Option<Stage>,
}

#[derive(Debug)]
struct Stage {
    begun: Instant,
    work: Doing,
}

#[derive(Debug)]
enum Doing {
    Something,
    Changes {
        objects: usize,
        under_way: Vec<ObjectId>,
        changed: Vec<(ObjectId, &'static str)>,
        unchanged: usize,
    },
    Wait {
        objects: usize,
        timeout: Duration,
        seen: BTreeMap<ObjectId, Seen>,
    },
    Hook {
        timeout: Duration,
        held_up_by: String,
    },
}

/// What is known of an object that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Pending { message: String },
    Ready { after: Duration },
}

impl Live {
    /// Tells whether there is anything that goes on.
    pub(super) fn is_active(&self) -> bool {
        self.stage.is_some()
    }

    /// Takes an event into account; returns what the stage that it ends leaves behind.
    pub(super) fn take(&mut self, event: &ProgressEvent, now: Instant) -> Vec<Line> {
        let begin = |work| Some(Stage { begun: now, work });
        match event {
            ProgressEvent::Stage { work, .. } => {
                let left = self.end(now);
                self.stage = begin(match work {
                    Work::Other => Doing::Something,
                    Work::Changes { objects } => Doing::Changes {
                        objects: *objects,
                        under_way: Vec::new(),
                        changed: Vec::new(),
                        unchanged: 0,
                    },
                    Work::Wait { objects, timeout } => Doing::Wait {
                        objects: *objects,
                        timeout: *timeout,
                        seen: BTreeMap::new(),
                    },
                });
                left
            }
            ProgressEvent::HookStarted { timeout, .. } => {
                let left = self.end(now);
                self.stage = begin(Doing::Hook {
                    timeout: *timeout,
                    held_up_by: String::new(),
                });
                left
            }
            ProgressEvent::HookFinished { .. } | ProgressEvent::Recorded { .. } => self.end(now),
            other => {
                if let Some(stage) = &mut self.stage {
                    stage.note(other, now);
                }
                Vec::new()
            }
        }
    }

    /// Ends the present stage; returns what it leaves behind.
    pub(super) fn end(&mut self, now: Instant) -> Vec<Line> {
        self.stage
            .take()
            .map(|stage| stage.result(now))
            .unwrap_or_default()
    }

    /// Draws the present stage in at most `rows` lines of at most `columns`.
    pub(super) fn draw(&self, now: Instant, columns: usize, rows: usize) -> Vec<Line> {
        let Some(stage) = &self.stage else {
            return Vec::new();
        };
        let elapsed = now.saturating_duration_since(stage.begun);
        match &stage.work {
            Doing::Something => vec![dim(&format!("    {}", span(elapsed)))],
            Doing::Changes {
                objects,
                under_way,
                changed,
                unchanged,
            } => draw_changes(*objects, under_way, changed, *unchanged, elapsed),
            Doing::Wait {
                objects,
                timeout,
                seen,
            } => draw_wait(*objects, *timeout, seen, elapsed, columns, rows),
            Doing::Hook {
                timeout,
                held_up_by,
            } => {
                let state = match held_up_by.as_str() {
                    "" => "running".to_owned(),
                    other => other.to_owned(),
                };
                let mut lines = paragraph(&state, columns);
                lines.push(clock(elapsed, *timeout));
                lines
            }
        }
    }
}

impl Stage {
    fn note(&mut self, event: &ProgressEvent, now: Instant) {
        match (&mut self.work, event) {
            (Doing::Changes { under_way, .. }, ProgressEvent::Sent { object }) => {
                under_way.push(object.clone());
            }
            (
                Doing::Changes {
                    under_way,
                    changed,
                    unchanged,
                    ..
                },
                ProgressEvent::Applied { object, change },
            ) => {
                under_way.retain(|sent| sent != object);
                match change {
                    AppliedChange::Created => changed.push((object.clone(), "created")),
                    AppliedChange::Changed => changed.push((object.clone(), "changed")),
                    AppliedChange::Recreated => changed.push((object.clone(), "created anew")),
                    AppliedChange::Unchanged => *unchanged += 1,
                }
            }
            (
                Doing::Changes {
                    under_way, changed, ..
                },
                ProgressEvent::Deleted { object },
            ) => {
                under_way.retain(|sent| sent != object);
                changed.push((object.clone(), "deleted"));
            }
            (
                Doing::Wait { seen, .. },
                ProgressEvent::Readiness {
                    object,
                    ready,
                    message,
                },
            ) => {
                let state = if *ready {
                    let after = now.saturating_duration_since(self.begun);
                    Seen::Ready { after }
                } else {
                    let message = message.clone();
                    Seen::Pending { message }
                };
                seen.insert(object.clone(), state);
            }
            (Doing::Hook { held_up_by, .. }, ProgressEvent::HookState { message, .. }) => {
                held_up_by.clone_from(message);
            }
            _ => {}
        }
    }

    fn result(self, now: Instant) -> Vec<Line> {
        let elapsed = now.saturating_duration_since(self.begun);
        match self.work {
            Doing::Something | Doing::Hook { .. } => Vec::new(),
            Doing::Changes {
                changed, unchanged, ..
            } => {
                let mut lines: Vec<Line> = changed
                    .iter()
                    .take(CHANGES_NAMED)
                    .map(|(object, word)| Line::plain(&format!("    {object} {word}")))
                    .collect();
                let more = changed.len().saturating_sub(CHANGES_NAMED);
                if more > 0 {
                    lines.push(dim(&format!("    … and {more} more")));
                }
                let sum = sum(&changed, unchanged);
                if !sum.is_empty() {
                    lines.push(dim(&format!("    {sum} in {}", span(elapsed))));
                }
                lines
            }
            Doing::Wait { seen, .. } => wait_result(&seen),
        }
    }
}

fn draw_changes(
    objects: usize,
    under_way: &[ObjectId],
    changed: &[(ObjectId, &'static str)],
    unchanged: usize,
    elapsed: Duration,
) -> Vec<Line> {
    let mut lines = Vec::new();
    if !under_way.is_empty() {
        let kinds: BTreeSet<&str> = under_way.iter().map(|id| id.kind.as_str()).collect();
        let kinds = kinds.into_iter().collect::<Vec<_>>().join(", ");
        let what = match under_way {
            [one] => one.to_string(),
            many => format!("{} under way: {kinds}", many.len()),
        };
        lines.push(Line::plain(&format!("    {what}")));
    }
    let done = changed.len() + unchanged;
    let mut text = format!("    {done} of {objects}");
    let sum = sum(changed, unchanged);
    if !sum.is_empty() {
        text.push_str(&format!(": {sum}"));
    }
    lines.push(dim(&format!("{text}; {}", span(elapsed))));
    lines
}

/// Counts what became of objects: `3 created, 1 changed, 30 unchanged`.
fn sum(changed: &[(ObjectId, &'static str)], unchanged: usize) -> String {
    let mut parts = Vec::new();
    for word in ["created", "created anew", "changed", "deleted"] {
        match changed.iter().filter(|(_, what)| *what == word).count() {
            0 => {}
            count => parts.push(format!("{count} {word}")),
        }
    }
    if unchanged > 0 {
        parts.push(format!("{unchanged} unchanged"));
    }
    parts.join(", ")
}

fn draw_wait(
    objects: usize,
    timeout: Duration,
    seen: &BTreeMap<ObjectId, Seen>,
    elapsed: Duration,
    columns: usize,
    rows: usize,
) -> Vec<Line> {
    let names = Names::of(seen.keys());
    let mut lines = Vec::new();
    let rows = rows.saturating_sub(2).max(1);
    let mut left_out = 0;
    let mut ready = 0;
    for (object, state) in seen {
        let Seen::Pending { message } = state else {
            ready += 1;
            continue;
        };
        let row = row(&names.name(object), message, columns);
        if lines.len() + row.len() > rows && !lines.is_empty() {
            left_out += 1;
        } else {
            lines.extend(row);
        }
    }
    lines.truncate(rows);
    if left_out > 0 {
        lines.push(dim(&format!("    … and {left_out} more")));
    }
    let pending = seen.len() - ready;
    let mut status = clock(elapsed, timeout);
    if pending > 0 {
        status = status.with(
            Some(Style::Dim),
            &format!("; {} of {objects} ready", objects.saturating_sub(pending)),
        );
    }
    lines.push(status);
    lines
}

/// An object and why it is not ready: on one line where that fits, else the reason below.
fn row(name: &str, message: &str, columns: usize) -> Vec<Line> {
    let one = Line::plain("    ")
        .with(Some(Style::Bold), name)
        .with(None, &format!(": {message}"));
    if one.width() <= columns {
        return vec![one];
    }
    let mut lines = vec![
        Line::plain("    ")
            .with(Some(Style::Bold), name)
            .with(None, ":"),
    ];
    let wrapped = wrap(&format!("      {message}"), columns, 6);
    let is_cut = wrapped.len() > REASON_LINES;
    for (index, text) in wrapped.into_iter().take(REASON_LINES).enumerate() {
        let more = is_cut && index + 1 == REASON_LINES;
        // One column more than there is: the line shows that it was cut.
        let text = if more {
            format!("{text:<columns$} …")
        } else {
            text
        };
        lines.push(Line::plain(&text));
    }
    lines
}

fn paragraph(text: &str, columns: usize) -> Vec<Line> {
    wrap(&format!("    {text}"), columns, 6)
        .iter()
        .take(REASON_LINES)
        .map(|line| Line::plain(line))
        .collect()
}

fn wait_result(seen: &BTreeMap<ObjectId, Seen>) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut unnamed = 0;
    for (object, state) in seen {
        if lines.len() >= WAITS_NAMED {
            unnamed += 1;
            continue;
        }
        let line = Line::plain(&format!("    {object} "));
        lines.push(match state {
            Seen::Ready { after } => line
                .with(Some(Style::Good), "ready")
                .with(Some(Style::Dim), &format!(" after {}", span(*after))),
            // The whole reason stands in the error that follows.
            Seen::Pending { .. } => line.with(Some(Style::Bad), "not ready"),
        });
    }
    if unnamed > 0 {
        lines.push(dim(&format!("    … and {unnamed} more")));
    }
    lines
}

fn dim(text: &str) -> Line {
    Line::default().with(Some(Style::Dim), text)
}

/// How long something has taken, of how long it may.
fn clock(elapsed: Duration, timeout: Duration) -> Line {
    let seconds = |duration: Duration| match duration.as_secs() {
        seconds @ 0..10 => format!("{seconds} s"),
        _ => span(duration),
    };
    let (elapsed, timeout) = (seconds(elapsed), seconds(timeout));
    dim(&format!("    {elapsed} of {timeout}"))
}

/// Writes a duration for a person: `0.4 s`, `12 s`, `2 min 5 s`.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..100 => format!("{seconds} s"),
        _ if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        _ => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// Names objects without the namespace that all have.
struct Names {
    with_namespace: bool,
}

impl Names {
    fn of<'a>(objects: impl Iterator<Item = &'a ObjectId>) -> Self {
        let namespaces: BTreeSet<_> = objects.map(|object| &object.namespace).collect();
        Self {
            with_namespace: namespaces.len() > 1,
        }
    }

    fn name(&self, object: &ObjectId) -> String {
        if self.with_namespace {
            object.to_string()
        } else {
            format!("{} `{}`", object.kind, object.name)
        }
    }
}

#[cfg(test)]
mod tests;
