//! Lines of a bounded width: painted pieces, cut or wrapped by what a terminal shows of them (pure).

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::printer::{Style, painted};

/// A line of pieces, each with its paint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line(Vec<(Option<Style>, String)>);

impl Line {
    /// Makes a line without paint.
    pub(super) fn plain(text: &str) -> Self {
        Self::default().with(None, text)
    }

    /// Adds a piece; what would move the cursor becomes a space.
    #[must_use]
    pub(super) fn with(mut self, style: Option<Style>, text: &str) -> Self {
        self.0.push((style, printable(text)));
        self
    }

    /// Returns how many columns it takes.
    pub(super) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.width()).sum()
    }

    /// Writes it in at most `columns`, cut where it is longer.
    pub(super) fn write(&self, columns: usize, colour: bool) -> String {
        let mut left = columns;
        let is_cut = self.width() > columns;
        if is_cut {
            left = columns.saturating_sub(1);
        }
        let mut line = String::new();
        for (style, text) in &self.0 {
            let piece = cut(text, left);
            left -= piece.width();
            match style {
                Some(style) if !piece.is_empty() => line.push_str(&painted(colour, *style, piece)),
                _ => line.push_str(piece),
            }
            if piece.len() < text.len() {
                break;
            }
        }
        if is_cut && columns > 0 {
            line.push('…');
        }
        line
    }
}

fn printable(text: &str) -> String {
    let space = |character: char| {
        if character.is_control() {
            ' '
        } else {
            character
        }
    };
    text.chars().map(space).collect()
}

/// Returns the beginning of a text that fits into `columns`.
fn cut(text: &str, columns: usize) -> &str {
    let mut width = 0;
    for (position, character) in text.char_indices() {
        width += character.width().unwrap_or_default();
        if width > columns {
            return &text[..position];
        }
    }
    text
}

/// Shortens a text in the middle: what differs is mostly at the end, as a tag or a number.
pub(super) fn shortened(text: &str, characters_max: usize) -> String {
    let text: Vec<char> = text.chars().collect();
    if text.len() <= characters_max {
        return text.into_iter().collect();
    }
    let head = characters_max / 3;
    let tail = text.len() - (characters_max - head).saturating_sub(1);
    text[..head]
        .iter()
        .chain(&['…'])
        .chain(&text[tail..])
        .collect()
}

/// Breaks a text into lines of at most `columns`, between words where there are any; `indent` columns
/// are left free before all lines but the first. What stands in backticks is not broken where it fits
/// into a line: a command can be copied.
pub(super) fn wrap(text: &str, columns: usize, indent: usize) -> Vec<String> {
    let columns = columns.max(indent + 8);
    let margin = " ".repeat(indent);
    let mut lines = Vec::new();
    let mut line = String::new();
    let begins = text.len() - text.trim_start().len();
    line.push_str(&text[..begins]);
    let mut is_empty = true;
    for mut word in words(&text[begins..], columns - indent) {
        loop {
            let space = usize::from(!is_empty);
            if line.width() + space + word.width() <= columns {
                if space == 1 {
                    line.push(' ');
                }
                line.push_str(word);
                is_empty = false;
                break;
            }
            if is_empty {
                let piece = cut(word, columns - line.width());
                line.push_str(piece);
                word = &word[piece.len()..];
            }
            lines.push(std::mem::replace(&mut line, margin.clone()));
            is_empty = true;
        }
    }
    lines.push(line);
    lines
}

/// Paints the word that lines begin with, as far as the first of them holds it.
pub(super) fn paint_word(lines: &mut [String], word: &str, paint: impl FnOnce(&str) -> String) {
    if let Some(first) = lines.first_mut() {
        let rest = first.split_off(word.len().min(first.len()));
        *first = format!("{}{rest}", paint(first));
    }
}

/// Splits a text at spaces, but not within backticks when that makes a word of at most `columns`.
fn words(text: &str, columns: usize) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = word_end(text, columns);
        rest = text.get(end + 1..);
        Some(&text[..end])
    })
}

fn word_end(text: &str, columns: usize) -> usize {
    let space = text.find(' ').unwrap_or(text.len());
    let is_inside = text[..space].matches('`').count() % 2 == 1;
    let whole = || {
        let close = space + text[space..].find('`')?;
        let end = text[close..].find(' ').map_or(text.len(), |at| close + at);
        (text[..end].width() <= columns).then_some(end)
    };
    match is_inside {
        true => whole().unwrap_or(space),
        false => space,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_by_what_is_seen_of_it() {
        let line = Line::plain("ab")
            .with(Some(Style::Good), "日本")
            .with(None, "cd");
        assert_eq!(line.width(), 8);
        assert_eq!(line.write(8, false), "ab日本cd");
        assert_eq!(line.write(6, false), "ab日…");
        assert_eq!(line.write(3, false), "ab…");
        assert_eq!(line.write(5, true), "ab\u{1b}[32m日\u{1b}[0m…");
        assert_eq!(Line::plain("a\r\n\u{1b}[2Jb").write(9, false), "a   [2Jb");
    }

    #[test]
    fn long_values_keep_both_ends() {
        let value = "\"registry.example.com/ml/model-server:v2.1.0\"";
        let text = shortened(value, 20);
        assert_eq!(text, "\"regis…erver:v2.1.0\"");
        assert_eq!(text.chars().count(), 20);
        assert_eq!(shortened("12", 20), "12");
    }

    #[test]
    fn a_text_is_wrapped_between_words_and_a_long_word_within() {
        assert_eq!(wrap("one two three", 9, 2), ["one two", "  three"]);
        assert_eq!(wrap("  one two", 10, 4), ["  one two"]);
        assert_eq!(
            wrap("abcdefghijklmnop qr", 10, 2),
            ["abcdefghij", "  klmnop", "  qr"]
        );
        assert_eq!(wrap("", 10, 2), [""]);
    }

    #[test]
    fn a_command_stays_on_one_line_where_it_fits() {
        let hint = "hint: look with `deployer history web -n prod`, then";
        assert_eq!(
            wrap(hint, 40, 4),
            [
                "hint: look with",
                "    `deployer history web -n prod`, then"
            ]
        );
        assert_eq!(
            wrap("see `a long command` now", 14, 2),
            ["see `a long", "  command` now"]
        );
        assert_eq!(
            wrap("an odd ` sign here", 12, 2),
            ["an odd `", "  sign here"]
        );
    }

    #[test]
    fn no_line_is_wider_than_asked() {
        let text = "Deployment `web`: pod `web-7f`, container `app`: ImagePullBackOff: Back-off pulling image \"registry.example.com/a/very/long/path/to/an/image:v1\"";
        for columns in [20, 40, 60, 80] {
            for line in wrap(text, columns, 4) {
                assert!(line.width() <= columns, "{columns}: {line}");
            }
        }
    }
}
