//! Splitting a stream of YAML documents without parsing it, as Helm does.

use template::Compat;

/// Returns the documents of a rendered file; empty ones are left out. Helm v3 trims each of them,
/// Helm v4 keeps the blanks at their ends.
///
/// A separator is `---` at the start of the text or of a line, with all white space around it; it
/// also splits in the middle of a block scalar, which is Helm's behaviour.
/// Source: Helm v3 pkg/releaseutil/manifest.go, Helm v4 pkg/release/v1/util/manifest.go.
pub fn split_manifests(text: &str, compat: Compat) -> Vec<String> {
    match compat {
        Compat::Helm3 => split_trimmed(text),
        Compat::Helm4 => split_kept(text),
    }
}

/// Helm v4: a separator is a line's `---` with the blanks of that line behind it, and no more.
fn split_kept(text: &str) -> Vec<String> {
    let text = text.trim_start();
    let mut documents = Vec::new();
    let mut start = 0;
    let mut position = 0;
    let mut add = |document: &str| {
        if !document.trim().is_empty() {
            documents.push(document.trim_start().to_owned());
        }
    };
    while let Some(found) = text[position..].find("---").map(|found| position + found) {
        let at_line_start = found == 0 || text.as_bytes()[found - 1] == b'\n';
        if !at_line_start {
            position = found + 1;
            continue;
        }
        add(&text[start..found]);
        let after = found + "---".len();
        let blanks = text[after..]
            .bytes()
            .take_while(|b| matches!(b, b' ' | b'\t'))
            .count();
        start = after + blanks;
        position = start;
    }
    add(&text[start..]);
    documents
}

fn split_trimmed(text: &str) -> Vec<String> {
    let text = text.trim();
    let mut documents = Vec::new();
    let mut start = 0;
    let mut position = 0;
    while let Some(found) = text[position..].find("---").map(|found| position + found) {
        let before = &text[start..found];
        let at_line_start = found == 0 || before.ends_with('\n') && found > start;
        if !at_line_start {
            position = found + 1;
            continue;
        }
        push(&mut documents, before);
        let after = found + "---".len();
        let blanks = text[after..].bytes().take_while(|b| is_blank(*b)).count();
        start = after + blanks;
        // The line break that a separator consumed cannot start the next one, unless the blanks
        // behind the separator were none.
        position = start;
    }
    push(&mut documents, &text[start..]);
    documents
}

/// The white space of Go's regular expressions.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')
}

fn push(documents: &mut Vec<String>, text: &str) {
    // A text of blanks only cannot occur: the separators take the blanks around them.
    let trimmed = text.trim();
    if !trimmed.is_empty() {
        documents.push(trimmed.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_stand_at_the_start_of_lines() {
        let table: [(&str, &[&str]); 6] = [
            ("---\na: 1\n---\nb: 2\n", &["a: 1", "b: 2"]),
            ("a: 1 --- b", &["a: 1 --- b"]),
            ("a: 1\n  ---\nb", &["a: 1\n  ---\nb"]),
            ("a\n---\n---\nb", &["a", "---\nb"]),
            ("--- a: 1\n---b: 2", &["a: 1", "b: 2"]),
            ("\n\n", &[]),
        ];
        for (text, expected) in table {
            assert_eq!(split_manifests(text, Compat::Helm3), expected, "{text:?}");
        }
    }

    #[test]
    fn helm_4_keeps_the_ends_of_documents() {
        let table: [(&str, &[&str]); 4] = [
            ("---\na: 1\n---\nb: 2\n\n", &["a: 1\n", "b: 2\n\n"]),
            ("a: 1 --- b", &["a: 1 --- b"]),
            ("a\n---\n---\nb", &["a\n", "b"]),
            ("--- a: 1\n---b: 2", &["a: 1\n", "b: 2"]),
        ];
        for (text, expected) in table {
            assert_eq!(split_manifests(text, Compat::Helm4), expected, "{text:?}");
        }
    }
}
