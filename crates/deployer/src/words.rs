//! Texts that every layer forms alike (pure).

/// Writes an error and its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        // Some errors end with what their source says; once is enough.
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = cause.source();
    }
    text
}

/// Words a number of objects.
pub(crate) fn counted(objects: usize) -> String {
    match objects {
        1 => "1 object".to_owned(),
        objects => format!("{objects} objects"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Said(&'static str, #[source] Option<Box<Self>>);

    #[test]
    fn a_cause_that_the_text_ends_with_is_not_repeated() {
        let cause = |text, source| Some(Box::new(Said(text, source)));
        let root = cause("refused", None);
        let error = Said("reading failed", cause("no connection: refused", root));
        assert_eq!(chain(&error), "reading failed: no connection: refused");
    }
}
