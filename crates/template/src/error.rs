//! Why a template could not be parsed or executed, in the words that Helm's users know.

use std::fmt;

use crate::templates::Compat;

/// A failure of a template.
///
/// `Display` is what Helm shows in the version that was asked for; [`Error::raw`] is the text of Go's `text/template`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is no template. `file` is the name under which it was parsed.
    #[error("{}", shown_parse_error(.file, .text))]
    Parse { file: String, text: String },
    /// Execution failed; the text names template, line, column and action.
    #[error("{}", shown_execution_error(.file, .text, *.compat))]
    Execute {
        file: String,
        text: String,
        compat: Compat,
    },
    /// There is no template of that name.
    #[error("template: no template {} associated with template \"gotpl\"", crate::quote::quoted(.name))]
    Missing { name: String },
}

/// The marks around the text of `required` and `fail`, which is shown without its surroundings.
pub(crate) const WARNING_START: &str = "HELM_ERR_START";
pub(crate) const WARNING_END: &str = "HELM_ERR_END";

impl Error {
    /// The text as Go's `text/template` gives it.
    #[must_use]
    pub fn raw(&self) -> String {
        match self {
            Self::Parse { text, .. } | Self::Execute { text, .. } => text.clone(),
            Self::Missing { .. } => self.to_string(),
        }
    }
}

/// Source: `cleanupParseError` in Helm's `pkg/engine/engine.go`, v3.22.
fn shown_parse_error(file: &str, text: &str) -> String {
    let parts: Vec<&str> = text.split(": ").collect();
    match parts.as_slice() {
        [_, location, .., last] => format!("parse error at ({location}): {last}"),
        [_, location] => format!("parse error at ({location}): {location}"),
        _ => format!("parse error in ({file}): {text}"),
    }
}

/// Source: `cleanupExecError` in Helm's `pkg/engine/engine.go`, v3.22, and `reformatExecErrorMsg`
/// in that of v4.3.
fn shown_execution_error(file: &str, text: &str, compat: Compat) -> String {
    let mut parts = text.splitn(3, ": ");
    let (Some(_), Some(location), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return format!("execution error in ({file}): {text}");
    };
    let warning = rest
        .find(WARNING_START)
        .map(|start| start + WARNING_START.len())
        .and_then(|start| rest.rfind(WARNING_END).and_then(|end| rest.get(start..end)));
    match (warning, compat) {
        (Some(warning), _) => format!("execution error at ({location}): {warning}"),
        (None, Compat::Helm3) => text.to_owned(),
        (None, Compat::Helm4) => chain(text).unwrap_or_else(|| text.to_owned()),
    }
}

/// The templates of an error, one below the other, or nothing where a function's own text ends it.
fn chain(text: &str) -> Option<String> {
    let mut shown = String::new();
    let mut current = Some(text);
    let mut previous = None;
    while let Some(text) = current {
        let level = Level::parse(text)?;
        if previous.as_ref() != Some(&level) {
            shown.push_str(&level.to_string());
        }
        current = level.cause;
        previous = Some(level);
    }
    Some(shown.trim().to_owned())
}

/// One template of the chain: where it was, what it executed, and what went wrong.
#[derive(PartialEq, Eq)]
struct Level<'t> {
    location: &'t str,
    executed: Option<(&'t str, &'t str)>,
    message: &'t str,
    /// The error of the function that was called, where it was one's.
    cause: Option<&'t str>,
}

impl<'t> Level<'t> {
    fn parse(text: &'t str) -> Option<Self> {
        let rest = text.strip_prefix("template: ")?;
        if rest.starts_with("no template ") {
            return Some(Self {
                location: "",
                executed: None,
                message: text,
                cause: None,
            });
        }
        let Some((location, executing)) = rest.split_once(": executing ") else {
            let (location, message) = rest.rsplit_once(": ")?;
            return Some(Self {
                location,
                executed: None,
                message: without_next(message),
                cause: None,
            });
        };
        let (name, at) = executing.strip_prefix('"')?.split_once('"')?;
        let (place, message) = at.strip_prefix(" at <")?.split_once(">: ")?;
        let cause = message
            .strip_prefix("error calling ")
            .and_then(|called| Some(called.split_once(": ")?.1));
        Some(Self {
            location,
            executed: Some((name, place)),
            message: without_next(message),
            cause,
        })
    }
}

/// A message without the error of the next template in it.
fn without_next(message: &str) -> &str {
    message
        .find(" template:")
        .map_or(message, |end| &message[..end])
}

impl fmt::Display for Level<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.location.is_empty() {
            write!(formatter, "{}\n  ", self.location)?;
        }
        if let Some((name, place)) = self.executed {
            write!(formatter, "executing \"{name}\" at <{place}>:\n    ")?;
        }
        if self.message.is_empty() {
            return Ok(());
        }
        writeln!(formatter, "{}", self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::Error;
    use crate::templates::Compat;

    #[test]
    fn errors_read_as_in_helm() {
        let parse = Error::Parse {
            file: "c/templates/a.yaml".to_owned(),
            text: "template: c/templates/a.yaml:3: function \"x\" not defined".to_owned(),
        };
        assert_eq!(
            parse.to_string(),
            "parse error at (c/templates/a.yaml:3): function \"x\" not defined"
        );
        let required = Error::Execute {
            file: "c/templates/a.yaml".to_owned(),
            text:
                "template: c/templates/a.yaml:1:3: executing \"c/templates/a.yaml\" at <required>: \
                   error calling required: HELM_ERR_STARTneeds: this\nHELM_ERR_END"
                    .to_owned(),
            compat: Compat::Helm3,
        };
        assert_eq!(
            required.to_string(),
            "execution error at (c/templates/a.yaml:1:3): needs: this\n"
        );
    }

    #[test]
    fn helm_4_shows_the_chain_of_templates() {
        let shown = |text: &str| {
            Error::Execute {
                file: "c/templates/a.yaml".to_owned(),
                text: text.to_owned(),
                compat: Compat::Helm4,
            }
            .to_string()
        };
        let inner = "template: c/templates/_h.tpl:2:4: executing \"h\" at <.a.b>: nil pointer \
                     evaluating interface {}.b";
        let outer = "template: c/templates/a.yaml:1:3: executing \"c/templates/a.yaml\" at <include \
                     \"h\" .>: error calling include: ";
        assert_eq!(
            shown(&format!("{outer}{inner}")),
            "c/templates/a.yaml:1:3\n  executing \"c/templates/a.yaml\" at <include \"h\" .>:\n    \
             error calling include:\nc/templates/_h.tpl:2:4\n  executing \"h\" at <.a.b>:\n    \
             nil pointer evaluating interface {}.b"
        );
        let by_function = format!("{outer}error parsing regexp");
        assert_eq!(shown(&by_function), by_function);
    }
}
