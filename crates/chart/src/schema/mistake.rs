//! The tree of what is wrong with a value, and its text.

use super::{place::Place, words::pointer};

/// What a mistake says of its place.
#[derive(Debug)]
pub(super) enum Kind {
    /// Several mistakes of one place; not shown at the top.
    Group,
    /// A `$ref` whose target does not fit; not shown when there is one cause.
    Reference,
    Words(String),
}

/// One mistake with its causes.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) place: Vec<String>,
    pub(super) kind: Kind,
    pub(super) causes: Vec<Self>,
}

impl Mistake {
    pub(super) fn words(place: &Place<'_>, words: impl Into<String>) -> Self {
        Self {
            place: place.parts(),
            kind: Kind::Words(words.into()),
            causes: Vec::new(),
        }
    }

    /// One mistake stands for itself, several become a group.
    pub(super) fn of_several(place: &Place<'_>, mut mistakes: Vec<Self>) -> Option<Self> {
        match mistakes.len() {
            0 | 1 => mistakes.pop(),
            _ => Some(Self {
                place: place.parts(),
                kind: Kind::Group,
                causes: mistakes,
            }),
        }
    }

    pub(super) fn into_causes(self) -> Vec<Self> {
        match self.kind {
            Kind::Group => self.causes,
            _ => vec![self],
        }
    }

    /// Returns the text, one line for each mistake that is shown.
    pub(super) fn report(self) -> String {
        let mut lines = Vec::new();
        for mistake in &self.into_causes() {
            mistake.write(0, &mut lines);
        }
        lines.join("\n")
    }

    fn write(&self, indent: usize, lines: &mut Vec<String>) {
        let hidden = matches!(self.kind, Kind::Reference) && self.causes.len() == 1;
        let mut inner = indent;
        if !hidden {
            let words = match &self.kind {
                Kind::Words(words) => words,
                Kind::Group | Kind::Reference => "validation failed",
            };
            let blanks = "  ".repeat(indent);
            lines.push(format!("{blanks}- at {}: {words}", pointer(&self.place)));
            inner += 1;
        }
        for cause in &self.causes {
            cause.write(inner, lines);
        }
    }
}
