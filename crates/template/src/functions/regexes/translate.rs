//! Turns RE2 syntax as Go reads it into that of the `regex` crate.
//!
//! The two differ in what is ASCII in Go (`\d`, `\w`, `\s`, `\b`), in braces and brackets that Go
//! takes for themselves, in octal escapes and `\Q…\E`, and in the words of errors.

/// How often something may be repeated by a count.
const REPEAT_MAX: u32 = 1000;

/// Translates an expression.
///
/// # Errors
/// Go's text without its lead, such as ``missing closing ]: `[a` ``.
pub(super) fn translate(expression: &str) -> Result<String, String> {
    let mut translator = Translator {
        text: expression,
        position: 0,
        out: String::new(),
        open: 0,
        repeat: None,
    };
    translator.run()?;
    Ok(translator.out)
}

struct Translator<'t> {
    text: &'t str,
    position: usize,
    out: String,
    /// Groups that are not closed.
    open: usize,
    /// Where the repetition operators after the last item began.
    repeat: Option<usize>,
}

/// What the last item was, as far as a repetition may follow.
#[derive(PartialEq, Eq)]
enum Previous {
    Nothing,
    Item,
    Repeated,
}

impl<'t> Translator<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.position..]
    }

    fn run(&mut self) -> Result<(), String> {
        let mut previous = Previous::Nothing;
        while let Some(next) = self.rest().chars().next() {
            previous = match next {
                '(' => {
                    self.group()?;
                    Previous::Nothing
                }
                ')' => {
                    if self.open == 0 {
                        return Err(format!("unexpected ): `{}`", self.text));
                    }
                    self.open -= 1;
                    self.take(1);
                    Previous::Item
                }
                '|' => {
                    self.take(1);
                    Previous::Nothing
                }
                '^' => {
                    self.take(1);
                    Previous::Item
                }
                '*' | '+' | '?' => {
                    self.repetition(1, &previous)?;
                    Previous::Repeated
                }
                '{' => match self.count()? {
                    Some(length) => {
                        self.repetition(length, &previous)?;
                        Previous::Repeated
                    }
                    None => {
                        self.out.push_str("\\{");
                        self.position += 1;
                        Previous::Item
                    }
                },
                '[' => {
                    self.class()?;
                    Previous::Item
                }
                '\\' => {
                    self.escape()?;
                    Previous::Item
                }
                // Braces and brackets that close nothing stand for themselves.
                ']' | '}' => {
                    self.out.push('\\');
                    self.take(1);
                    Previous::Item
                }
                other => {
                    self.take(other.len_utf8());
                    Previous::Item
                }
            };
            if previous != Previous::Repeated {
                self.repeat = None;
            }
        }
        if self.open > 0 {
            return Err(format!("missing closing ): `{}`", self.text));
        }
        Ok(())
    }

    fn take(&mut self, length: usize) {
        self.out
            .push_str(&self.text[self.position..self.position + length]);
        self.position += length;
    }

    fn repetition(&mut self, length: usize, previous: &Previous) -> Result<(), String> {
        let operator = &self.rest()[..length];
        match previous {
            Previous::Nothing => {
                return Err(format!(
                    "missing argument to repetition operator: `{operator}`"
                ));
            }
            Previous::Repeated => {
                let start = self.repeat.unwrap_or(self.position);
                let both = &self.text[start..self.position + length];
                return Err(format!("invalid nested repetition operator: `{both}`"));
            }
            Previous::Item => {}
        }
        self.repeat = Some(self.position);
        self.take(length);
        if self.rest().starts_with('?') {
            self.take(1);
        }
        Ok(())
    }

    /// The length of a count such as `{2,3}`, if it is one.
    fn count(&self) -> Result<Option<usize>, String> {
        let rest = self.rest();
        let Some(end) = rest.find('}') else {
            return Ok(None);
        };
        let body = &rest[1..end];
        let (least, most) = body.split_once(',').unwrap_or((body, body));
        let is_number =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(least) || !(is_number(most) || most.is_empty()) {
            return Ok(None);
        }
        let number = |text: &str| text.parse().unwrap_or(u32::MAX);
        let too_many = number(least) > REPEAT_MAX || !most.is_empty() && number(most) > REPEAT_MAX;
        if too_many || !most.is_empty() && number(most) < number(least) {
            return Err(format!("invalid repeat count: `{}`", &rest[..=end]));
        }
        Ok(Some(end + 1))
    }

    fn group(&mut self) -> Result<(), String> {
        self.open += 1;
        let rest = self.rest();
        let Some(flags) = rest.strip_prefix("(?") else {
            self.take(1);
            return Ok(());
        };
        if flags.starts_with("P<")
            || flags.starts_with('<') && !flags.starts_with("<=") && !flags.starts_with("<!")
        {
            let Some(end) = rest.find('>') else {
                return Err(format!("invalid named capture: `{rest}`"));
            };
            let name = rest[..end].rsplit('<').next().unwrap_or_default();
            if name.is_empty()
                || !name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            {
                return Err(format!("invalid named capture: `{}`", &rest[..=end]));
            }
            self.take(end + 1);
            return Ok(());
        }
        let length = flags
            .find(|next| !"imsU-".contains(next))
            .unwrap_or(flags.len());
        match flags[length..].chars().next() {
            Some(':') => self.take(2 + length + 1),
            Some(')') if length > 0 => {
                self.open -= 1;
                self.take(2 + length + 1);
            }
            Some(other) => {
                let end = 2 + length + other.len_utf8();
                return Err(format!(
                    "invalid or unsupported Perl syntax: `{}`",
                    &rest[..end]
                ));
            }
            None => {
                return Err(format!(
                    "missing argument to repetition operator: `{}`",
                    "?"
                ));
            }
        }
        Ok(())
    }

    fn escape(&mut self) -> Result<(), String> {
        let rest = self.rest();
        let Some(letter) = rest[1..].chars().next() else {
            return Err("trailing backslash at end of expression: ``".to_owned());
        };
        let translated = match letter {
            'd' => "[0-9]",
            'D' => "[^0-9]",
            'w' => "[0-9A-Za-z_]",
            'W' => "[^0-9A-Za-z_]",
            's' => r"[\t\n\f\r ]",
            'S' => r"[^\t\n\f\r ]",
            'b' => r"(?-u:\b)",
            'B' => r"(?-u:\B)",
            'Q' => {
                let quoted = &rest[2..];
                let end = quoted.find(r"\E").unwrap_or(quoted.len());
                self.out.push_str(&regex::escape(&quoted[..end]));
                self.position += (2 + end + 2).min(rest.len());
                return Ok(());
            }
            _ => return self.character_escape(letter),
        };
        self.out.push_str(translated);
        self.position += 2;
        Ok(())
    }

    /// An escape that stands for one character or for a Unicode class, in a class or not.
    fn character_escape(&mut self, letter: char) -> Result<(), String> {
        let rest = self.rest();
        match letter {
            'A' | 'z' | 'a' | 'f' | 'n' | 'r' | 't' | 'v' => self.take(2),
            'p' | 'P' => {
                let length = if rest[2..].starts_with('{') {
                    rest.find('}').map(|end| end + 1)
                } else {
                    rest[2..].chars().next().map(|next| 2 + next.len_utf8())
                };
                let Some(length) = length else {
                    return Err(format!("invalid character class range: `{rest}`"));
                };
                self.take(length);
            }
            'x' => {
                let length = if rest[2..].starts_with('{') {
                    rest.find('}').map(|end| end + 1)
                } else {
                    Some(4)
                };
                match length
                    .filter(|length| rest.is_char_boundary(*length) && *length <= rest.len())
                {
                    Some(length) => self.take(length),
                    None => return Err(format!("invalid escape sequence: `{rest}`")),
                }
            }
            '0'..='7' => {
                let digits = rest[1..]
                    .bytes()
                    .take(3)
                    .take_while(|byte| (b'0'..=b'7').contains(byte))
                    .count();
                if letter != '0' && digits < 2 {
                    return Err(format!("invalid escape sequence: `\\{letter}`"));
                }
                let code = u32::from_str_radix(&rest[1..=digits], 8).unwrap_or(0);
                self.out.push_str(&format!("\\x{{{code:x}}}"));
                self.position += 1 + digits;
            }
            '_' => {
                self.out.push('_');
                self.position += 2;
            }
            _ if letter.is_ascii_punctuation() => {
                if !matches!(letter, '<' | '>') {
                    self.out.push('\\');
                }
                self.out.push(letter);
                self.position += 2;
            }
            _ => return Err(format!("invalid escape sequence: `\\{letter}`")),
        }
        Ok(())
    }

    fn class(&mut self) -> Result<(), String> {
        let whole = self.rest();
        self.take(1);
        if self.rest().starts_with('^') {
            self.take(1);
        }
        let mut is_first = true;
        loop {
            let rest = self.rest();
            let Some(next) = rest.chars().next() else {
                return Err(format!("missing closing ]: `{whole}`"));
            };
            match next {
                ']' if !is_first => {
                    self.take(1);
                    return Ok(());
                }
                '[' if rest.starts_with("[:") && rest.contains(":]") => {
                    let end = rest.find(":]").unwrap_or(0) + 2;
                    self.take(end);
                }
                '\\' if is_class_letter(rest) => self.class_escape()?,
                _ => self.class_range()?,
            }
            is_first = false;
        }
    }

    /// One character, or a range of two. A hyphen that stands where a range cannot begin, such as
    /// behind `\w`, is a character like any other.
    ///
    /// Source: Go regexp/syntax/parse.go (`parseClassRange`).
    fn class_range(&mut self) -> Result<(), String> {
        self.check_range(self.rest())?;
        self.class_character()?;
        let rest = self.rest();
        if rest.starts_with('-') && rest.len() > 1 && !rest[1..].starts_with(']') {
            self.take(1);
            self.class_character()?;
        }
        Ok(())
    }

    fn class_character(&mut self) -> Result<(), String> {
        let rest = self.rest();
        match rest.chars().next() {
            Some('\\') if is_class_letter(rest) => {
                let letters: String = rest.chars().take(2).collect();
                return Err(format!("invalid escape sequence: `{letters}`"));
            }
            Some('\\') => self.class_escape()?,
            Some('[' | ']' | '&' | '~' | '-' | '^') => {
                self.out.push('\\');
                self.take(1);
            }
            Some(other) => self.take(other.len_utf8()),
            None => {}
        }
        Ok(())
    }

    fn check_range(&self, rest: &str) -> Result<(), String> {
        let mut characters = rest.chars();
        let (low, dash, high) = (characters.next(), characters.next(), characters.next());
        if let (Some(low), Some('-'), Some(high)) = (low, dash, high)
            && !matches!(high, ']' | '\\')
            && high < low
        {
            return Err(format!("invalid character class range: `{low}-{high}`"));
        }
        Ok(())
    }

    fn class_escape(&mut self) -> Result<(), String> {
        let rest = self.rest();
        let Some(letter) = rest[1..].chars().next() else {
            return Err("trailing backslash at end of expression: ``".to_owned());
        };
        let translated = match letter {
            'd' => "0-9",
            'D' => "[^0-9]",
            'w' => "0-9A-Za-z_",
            'W' => "[^0-9A-Za-z_]",
            's' => r"\t\n\f\r ",
            'S' => r"[^\t\n\f\r ]",
            _ => return self.character_escape(letter),
        };
        self.out.push_str(translated);
        self.position += 2;
        Ok(())
    }
}

/// Tells whether an escape stands for a class of characters.
fn is_class_letter(rest: &str) -> bool {
    rest[1..].starts_with(['d', 'D', 'w', 'W', 's', 'S', 'p', 'P'])
}

#[cfg(test)]
mod tests {
    use super::translate;
    use regex::Regex;

    #[test]
    fn expressions_mean_what_they_mean_in_go() {
        let cases = [
            (r"^\d+$", "١", false),
            (r"^[\w.-]+$", "a-b.c", true),
            (r"a{,2}", "a{,2}", true),
            (r"^[[a]$", "[", true),
            (r"^[a&&b]+$", "a&b", true),
            (r"\Qa.b\E", "a.b", true),
            (r"\Qa.b\E", "axb", false),
            (r"^\101$", "A", true),
            (r"^[]a]$", "]", true),
            (r"\bfoo\b", "a foo b", true),
            (r"x\/y", "x/y", true),
            (r"^[a-z0-9-]+$", "a-0", true),
            (r"^[\w-\.]+$", "a-b.c", true),
            (r"^[\w--/]+$", "a-./", true),
            (r"^[^-a]+$", "b", true),
            (r"^[a^-]+$", "^a-", true),
            (r"^[[:alpha:]-9]+$", "a-9", true),
        ];
        for (expression, text, expected) in cases {
            let regex = Regex::new(&translate(expression).unwrap()).unwrap();
            assert_eq!(regex.is_match(text), expected, "{expression}");
        }
    }

    #[test]
    fn errors_are_go_s() {
        let cases = [
            ("(a", "missing closing ): `(a`"),
            ("a)", "unexpected ): `a)`"),
            ("[a", "missing closing ]: `[a`"),
            ("*a", "missing argument to repetition operator: `*`"),
            ("a**", "invalid nested repetition operator: `**`"),
            ("a{1001}", "invalid repeat count: `{1001}`"),
            ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
            (r"\8", r"invalid escape sequence: `\8`"),
            ("[z-a]", "invalid character class range: `z-a`"),
        ];
        for (expression, expected) in cases {
            assert_eq!(translate(expression).unwrap_err(), expected);
        }
    }
}
