//! Why a template could not be parsed or executed, in the words that Helm's users know.

/// A failure of a template.
///
/// `Display` is what Helm v3 shows; [`Error::raw`] is the text of Go's `text/template`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is no template. `file` is the name under which it was parsed.
    #[error("{}", shown_parse_error(.file, .text))]
    Parse { file: String, text: String },
    /// Execution failed; the text names template, line, column and action.
    #[error("{}", shown_execution_error(.file, .text))]
    Execute { file: String, text: String },
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

/// Source: `cleanupExecError` in Helm's `pkg/engine/engine.go`, v3.22.
fn shown_execution_error(file: &str, text: &str) -> String {
    let mut parts = text.splitn(3, ": ");
    let (Some(_), Some(location), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return format!("execution error in ({file}): {text}");
    };
    let warning = rest
        .find(WARNING_START)
        .map(|start| start + WARNING_START.len())
        .and_then(|start| rest.rfind(WARNING_END).and_then(|end| rest.get(start..end)));
    match warning {
        Some(warning) => format!("execution error at ({location}): {warning}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::Error;

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
        };
        assert_eq!(
            required.to_string(),
            "execution error at (c/templates/a.yaml:1:3): needs: this\n"
        );
    }
}
