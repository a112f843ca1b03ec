//! `.helmignore`: which files of a directory do not belong to the chart.

/// The rules of a `.helmignore` file, in order.
#[derive(Debug, Clone, Default)]
pub struct IgnoreRules {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    /// A glob of Go's `filepath.Match`; one that is not well formed matches nothing.
    glob: Option<Glob>,
    /// `!` before the glob: what does not match is ignored.
    negated: bool,
    /// `/` behind the glob: only folders match.
    folders_only: bool,
    /// Whether the glob is compared with the whole path or with the last part of it.
    whole_path: bool,
}

impl IgnoreRules {
    /// Reads the rules, one a line; `#` starts a comment.
    ///
    /// # Errors
    /// A `**`, which Helm does not support, or a glob that is not well formed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rules = Self::default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for line in text.lines() {
            rules.add(line)?;
        }
        Ok(rules)
    }

    /// Adds the rule that every chart has: hidden files in `templates/`.
    #[must_use]
    pub fn with_defaults(mut self) -> Self {
        self.rules.push(Rule {
            glob: Glob::parse("templates/.?*"),
            negated: false,
            folders_only: false,
            whole_path: true,
        });
        self
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if line.contains("**") {
            return Err("double-star (**) syntax is not supported".to_owned());
        }
        if Glob::parse(line).is_none() {
            return Err("syntax error in pattern".to_owned());
        }
        let (negated, glob) = match line.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let (folders_only, glob) = match glob.strip_suffix('/') {
            Some(rest) => (true, rest),
            None => (false, glob),
        };
        self.rules.push(Rule {
            whole_path: glob.contains('/'),
            glob: Glob::parse(glob.strip_prefix('/').unwrap_or(glob)),
            negated,
            folders_only,
        });
        Ok(())
    }

    /// Tells whether a path, relative to the chart, is left out.
    pub fn ignores(&self, path: &str, is_folder: bool) -> bool {
        if matches!(path, "" | "." | "./") {
            return false;
        }
        for rule in &self.rules {
            let applies = !rule.folders_only || is_folder;
            let matched = applies && rule.matches(path);
            if matched != rule.negated {
                return true;
            }
        }
        false
    }
}

impl Rule {
    fn matches(&self, path: &str) -> bool {
        let name = if self.whole_path {
            path
        } else {
            path.trim_end_matches('/')
                .rsplit('/')
                .next()
                .unwrap_or(path)
        };
        self.glob.as_ref().is_some_and(|glob| glob.matches(name))
    }
}

/// A glob as of Go's `filepath.Match`: `*` and `?` stop at `/`, `[a-z]` and `[^a-z]` are classes, `\`
/// escapes.
#[derive(Debug, Clone)]
struct Glob(Vec<Token>);

impl Glob {
    /// Reads a glob; `None` when it is not well formed.
    fn parse(pattern: &str) -> Option<Self> {
        tokens(pattern).map(Self)
    }

    fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        // `reached[i]`: the tokens so far can match the first `i` characters.
        let mut reached = vec![false; name.len() + 1];
        reached[0] = true;
        for token in &self.0 {
            let mut next = vec![false; name.len() + 1];
            let mut goes_on = false;
            for (position, _) in reached.iter().enumerate().filter(|(_, reached)| **reached) {
                match token {
                    Token::Star => {
                        let run = name[position..].iter().take_while(|c| **c != '/').count();
                        next[position..=position + run].fill(true);
                        goes_on = true;
                    }
                    token => {
                        if name.get(position).is_some_and(|c| token.matches(*c)) {
                            next[position + 1] = true;
                            goes_on = true;
                        }
                    }
                }
            }
            if !goes_on {
                return false;
            }
            reached = next;
        }
        reached[name.len()]
    }
}

#[derive(Debug, Clone)]
enum Token {
    Star,
    Any,
    Literal(char),
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Token {
    fn matches(&self, character: char) -> bool {
        match self {
            Self::Star => false,
            Self::Any => character != '/',
            Self::Literal(literal) => *literal == character,
            Self::Class { negated, ranges } => {
                let inside = ranges
                    .iter()
                    .any(|(low, high)| (*low..=*high).contains(&character));
                inside != *negated
            }
        }
    }
}

fn tokens(pattern: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        tokens.push(match character {
            '*' => Token::Star,
            '?' => Token::Any,
            '\\' => Token::Literal(characters.next()?),
            '[' => class(&mut characters)?,
            literal => Token::Literal(literal),
        });
    }
    Some(tokens)
}

fn class(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let negated = characters.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        if characters.peek() == Some(&']') && !ranges.is_empty() {
            characters.next();
            return Some(Token::Class { negated, ranges });
        }
        let low = class_character(characters)?;
        let high = if characters.next_if_eq(&'-').is_some() {
            class_character(characters)?
        } else {
            low
        };
        ranges.push((low, high));
    }
}

fn class_character(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    match characters.next()? {
        '-' | ']' => None,
        '\\' => characters.next(),
        character => Some(character),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_in_go() {
        let table = [
            ("*.txt", "a.txt", Some(true)),
            ("*", "a/b", Some(false)),
            ("a?c", "abc", Some(true)),
            ("[a-c]x", "bx", Some(true)),
            ("[^a-c]x", "bx", Some(false)),
            ("a\\*", "a*", Some(true)),
            ("[", "a", None),
            ("[]a]", "]", None),
            ("", "", Some(true)),
        ];
        for (pattern, name, expected) in table {
            let matched = Glob::parse(pattern).map(|glob| glob.matches(name));
            assert_eq!(matched, expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_double_star_is_refused() {
        assert!(IgnoreRules::parse("a/**/b").is_err());
    }
}
