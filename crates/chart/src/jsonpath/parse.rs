//! The text of a JSONPath template to its nodes.

use serde_json::Value as Json;

/// How deep unions and filters may nest.
const DEPTH_MAX: usize = 32;

/// One step of a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Text(String),
    Number(Json),
    Bool(bool),
    Field(String),
    Wildcard,
    Recursive,
    Slice(Slice),
    Union(Vec<Vec<Node>>),
    Filter {
        left: Vec<Node>,
        operator: String,
        right: Vec<Node>,
    },
    /// `range`, `end`, or what is neither.
    Identifier(String),
}

/// `[start:end:step]`, or one index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) start: Option<i64>,
    pub(super) end: Option<i64>,
    pub(super) step: Option<i64>,
    /// `[start]` alone; the end is the next index.
    pub(super) is_index: bool,
}

/// Returns the blocks of a template: text, or the nodes between braces.
pub(super) fn parse(template: &str) -> Result<Vec<Vec<Node>>, String> {
    let mut blocks = Vec::new();
    let mut rest = template;
    while let Some((text, after)) = rest.split_once('{') {
        if !text.is_empty() {
            blocks.push(vec![Node::Text(text.to_owned())]);
        }
        let mut action = Action {
            rest: after,
            depth: 0,
        };
        blocks.push(action.nodes(true)?);
        rest = action.rest;
    }
    if !rest.is_empty() {
        blocks.push(vec![Node::Text(rest.to_owned())]);
    }
    Ok(blocks)
}

struct Action<'text> {
    rest: &'text str,
    depth: usize,
}

impl<'text> Action<'text> {
    /// Parses up to the closing brace, or up to the end of a part of an action.
    fn nodes(&mut self, is_braced: bool) -> Result<Vec<Node>, String> {
        let mut nodes = Vec::new();
        loop {
            let Some(first) = self.rest.chars().next() else {
                return if is_braced {
                    Err("unclosed action".to_owned())
                } else {
                    Ok(nodes)
                };
            };
            if first == '}' && is_braced {
                self.rest = &self.rest[1..];
                return Ok(nodes);
            }
            if self.rest.starts_with("[?(") {
                nodes.push(self.filter()?);
                continue;
            }
            if self.rest.starts_with("..") {
                if nodes.last() == Some(&Node::Recursive) {
                    return Err("invalid multiple recursive descent".to_owned());
                }
                nodes.push(Node::Recursive);
                self.rest = &self.rest[2..];
                if self.rest.starts_with(is_name) {
                    nodes.push(self.field());
                }
                continue;
            }
            match first {
                '\r' | '\n' => return Err("unclosed action".to_owned()),
                ' ' | '@' | '$' => self.rest = &self.rest[1..],
                '[' => self.array(&mut nodes)?,
                '"' | '\'' => nodes.push(self.quote(first)?),
                '.' => {
                    self.rest = &self.rest[1..];
                    nodes.push(self.field());
                }
                '+' | '-' | '0'..='9' => nodes.push(self.number()?),
                name if is_name(name) => nodes.push(self.identifier()),
                other => return Err(format!("unrecognized character in action: {other:?}")),
            }
        }
    }

    fn part(&self, text: &str) -> Result<Vec<Node>, String> {
        if self.depth >= DEPTH_MAX {
            return Err(format!("brackets nest deeper than {DEPTH_MAX}"));
        }
        let mut action = Action {
            rest: text,
            depth: self.depth + 1,
        };
        action.nodes(false)
    }

    /// Takes text as long as a test holds; a backslash takes the next character with it.
    fn take(&mut self, is_part: impl Fn(char) -> bool, has_escapes: bool) -> &'text str {
        let mut characters = self.rest.char_indices();
        let mut end = self.rest.len();
        while let Some((at, character)) = characters.next() {
            if character == '\\' && has_escapes {
                characters.next();
            } else if !is_part(character) {
                end = at;
                break;
            }
        }
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn field(&mut self) -> Node {
        match self.take(|character| !ends_name(character), true) {
            "*" => Node::Wildcard,
            name => Node::Field(name.replace('\\', "")),
        }
    }

    fn identifier(&mut self) -> Node {
        match self.take(|character| !ends_name(character), false) {
            "true" => Node::Bool(true),
            "false" => Node::Bool(false),
            name => Node::Identifier(name.to_owned()),
        }
    }

    fn number(&mut self) -> Result<Node, String> {
        let sign = if self.rest.starts_with(['+', '-']) {
            let (sign, rest) = self.rest.split_at(1);
            self.rest = rest;
            sign
        } else {
            ""
        };
        let digits = self.take(
            |character| character == '.' || character.is_ascii_digit(),
            false,
        );
        let text = format!("{}{digits}", sign.trim_start_matches('+'));
        let number = match text.parse::<i64>() {
            Ok(whole) => Some(serde_json::Number::from(whole)),
            Err(_) => text.parse().ok().and_then(serde_json::Number::from_f64),
        };
        number
            .map(|number| Node::Number(Json::Number(number)))
            .ok_or_else(|| format!("cannot parse number {sign}{digits}"))
    }

    fn quote(&mut self, end: char) -> Result<Node, String> {
        let inner = &self.rest[1..];
        let mut text = String::new();
        let mut characters = inner.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '\n' => break,
                '\\' => text.push(match characters.next().map(|(_, escaped)| escaped) {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    Some('r') => '\r',
                    Some(other @ ('\\' | '"' | '\'')) => other,
                    other => {
                        return Err(format!(
                            "unquote string {:?} error invalid syntax",
                            other.map_or_else(String::new, String::from)
                        ));
                    }
                }),
                character if character == end => {
                    self.rest = &inner[at + character.len_utf8()..];
                    return Ok(Node::Text(text));
                }
                other => text.push(other),
            }
        }
        Err("unterminated quoted string".to_owned())
    }

    fn array(&mut self, nodes: &mut Vec<Node>) -> Result<(), String> {
        let end = self
            .rest
            .find([']', '\n'])
            .filter(|end| self.rest[*end..].starts_with(']'))
            .ok_or("unterminated array")?;
        let text = &self.rest[1..end];
        self.rest = &self.rest[end + 1..];
        let parts: Vec<&str> = text.split(',').collect();
        if parts.len() > 1 {
            let parts = parts
                .iter()
                .map(|part| self.part(&format!("[{}]", part.trim_matches(' '))))
                .collect::<Result<_, _>>()?;
            nodes.push(Node::Union(parts));
            return Ok(());
        }
        let key = text
            .strip_prefix('\'')
            .and_then(|text| text.strip_suffix('\''))
            .filter(|key| !key.is_empty() && !key.contains('\''));
        match key {
            Some(key) => nodes.extend(self.part(&format!(".{key}"))?),
            None => nodes.push(Node::Slice(slice(text)?)),
        }
        Ok(())
    }

    fn filter(&mut self) -> Result<Node, String> {
        let inner = &self.rest["[?(".len()..];
        let mut quote = None;
        let mut before = ' ';
        let mut end = None;
        for (at, character) in inner.char_indices() {
            match (character, quote) {
                ('\n', _) => break,
                ('"' | '\'', None) => quote = Some(character),
                (character, Some(open)) if character == open && before != '\\' => quote = None,
                (')', None) => {
                    end = Some(at);
                    break;
                }
                _ => {}
            }
            before = character;
        }
        let end = end.ok_or("unterminated filter")?;
        if !inner[end + 1..].starts_with(']') {
            return Err("unclosed array expect ]".to_owned());
        }
        self.rest = &inner[end + 2..];
        let text = &inner[..end];
        let is_operator = |character: char| matches!(character, '!' | '<' | '>' | '=');
        let compared = text.find(is_operator).filter(|at| *at > 0).and_then(|at| {
            let after = text[at..].trim_start_matches(is_operator);
            let operator = &text[at..text.len() - after.len()];
            (!after.is_empty()).then_some((&text[..at], operator, after))
        });
        let (left, operator, right) = compared.unwrap_or((text, "exists", ""));
        Ok(Node::Filter {
            left: self.part(left)?,
            operator: operator.to_owned(),
            right: self.part(right)?,
        })
    }
}

fn slice(text: &str) -> Result<Slice, String> {
    let text = if text == "*" { ":" } else { text };
    let invalid = || format!("invalid array index {text}");
    let parts: Vec<&str> = text.split(':').collect();
    let number = |part: &str| match part {
        "" => Ok(None),
        digits => digits.parse::<i64>().map(Some).map_err(|_| invalid()),
    };
    match parts.as_slice() {
        [""] => Err(invalid()),
        [index] => {
            let start = number(index)?;
            Ok(Slice {
                start,
                end: start.and_then(|start| start.checked_add(1)),
                step: None,
                is_index: true,
            })
        }
        [start, end] | [start, end, ""] => Ok(Slice {
            start: number(start)?,
            end: number(end)?,
            step: None,
            is_index: false,
        }),
        [start, end, step] => Ok(Slice {
            start: number(start)?,
            end: number(end)?,
            step: number(step)?,
            is_index: false,
        }),
        _ => Err(invalid()),
    }
}

fn is_name(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

fn ends_name(character: char) -> bool {
    matches!(
        character,
        ' ' | '\t' | '\r' | '\n' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}'
    )
}
