//! Tokens to a tree of nodes, one document at a time; aliases point to the nodes of their anchors.

use std::rc::Rc;

use super::{
    error::YamlError,
    scanner::Scanner,
    token::{Kind, Token},
};
use crate::hash::HashMap;

/// Deeper documents are refused, so that recursion over them cannot exhaust a stack.
pub(super) const DEPTH_MAX: usize = 500;

/// A node before aliases are followed.
pub(super) enum Node {
    Scalar {
        text: String,
        /// In its long form.
        tag: Option<String>,
        /// Plain, so that its meaning is resolved.
        implicit: bool,
    },
    Sequence(Vec<Rc<Node>>),
    Mapping(Vec<(Rc<Node>, Rc<Node>)>),
    Alias {
        target: Rc<Node>,
    },
}

/// A stream of documents.
pub(super) struct Stream<'text> {
    scanner: Scanner<'text>,
    is_first: bool,
    /// Prefixes by handle, of the current document.
    tag_prefixes: HashMap<String, String>,
    anchors: HashMap<String, Rc<Node>>,
    /// Anchors whose nodes are still open: an alias to one would contain itself.
    open_anchors: Vec<String>,
    /// The first anchor of the document whose value contains itself.
    contains_itself: Option<YamlError>,
}

/// What stands before a node.
#[derive(Default)]
struct Properties {
    anchor: Option<String>,
    tag: Option<String>,
    /// The line of the first of them.
    line: Option<u64>,
}

impl<'text> Stream<'text> {
    /// # Errors
    /// A character that YAML does not allow.
    pub(super) fn open(text: &'text str) -> Result<Self, YamlError> {
        let refused = |c: char| {
            matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}'
                | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}')
        };
        if text.contains(refused) {
            return Err(YamlError::syntax(
                None,
                "control characters are not allowed",
            ));
        }
        // go-yaml drops the mark once with the encoding and once more before the first token.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Ok(Self {
            scanner: Scanner::new(text),
            is_first: true,
            tag_prefixes: HashMap::default(),
            anchors: HashMap::default(),
            open_anchors: Vec::new(),
            contains_itself: None,
        })
    }

    /// Returns the root of the next document, or `None` at the end.
    pub(super) fn next_document(&mut self) -> Result<Option<Rc<Node>>, YamlError> {
        let may_be_implicit = std::mem::replace(&mut self.is_first, false);
        if !may_be_implicit {
            while self.peek()?.kind == Kind::DocumentEnd {
                self.scanner.take();
            }
        }
        self.anchors.clear();
        self.open_anchors.clear();
        let is_explicit = matches!(
            self.peek()?.kind,
            Kind::VersionDirective { .. } | Kind::TagDirective { .. } | Kind::DocumentStart
        );
        if self.peek()?.kind == Kind::StreamEnd {
            return Ok(None);
        }
        self.directives()?;
        if !is_explicit && may_be_implicit {
            let root = self.node(true, false, 0)?;
            self.end_document()?;
            return Ok(Some(root));
        }
        if self.peek()?.kind != Kind::DocumentStart {
            let line = self.peek()?.line;
            return parser_error(line, None, "did not find expected <document start>");
        }
        self.scanner.take();
        let is_empty = matches!(
            self.peek()?.kind,
            Kind::VersionDirective { .. }
                | Kind::TagDirective { .. }
                | Kind::DocumentStart
                | Kind::DocumentEnd
                | Kind::StreamEnd
        );
        let root = if is_empty {
            empty_scalar()
        } else {
            self.node(true, false, 0)?
        };
        self.end_document()?;
        Ok(Some(root))
    }

    fn end_document(&mut self) -> Result<(), YamlError> {
        if self.peek()?.kind == Kind::DocumentEnd {
            self.scanner.take();
        }
        self.contains_itself.take().map_or(Ok(()), Err)
    }

    fn peek(&mut self) -> Result<&Token, YamlError> {
        self.scanner.peek()
    }

    /// Tells whether the next token is one of `kinds`.
    fn next_is(&mut self, kinds: &[Kind]) -> Result<bool, YamlError> {
        Ok(kinds.contains(&self.peek()?.kind))
    }

    /// Takes the next token if it is of that kind.
    fn take_if(&mut self, kind: &Kind) -> Result<bool, YamlError> {
        let found = self.peek()?.kind == *kind;
        if found {
            self.scanner.take();
        }
        Ok(found)
    }

    fn directives(&mut self) -> Result<(), YamlError> {
        self.tag_prefixes.clear();
        let mut has_version = false;
        loop {
            let line = self.peek()?.line;
            match self.peek()?.kind.clone() {
                Kind::VersionDirective { major, minor } => {
                    if has_version {
                        return parser_error(line, None, "found duplicate %YAML directive");
                    }
                    if (major, minor) != (1, 1) {
                        return parser_error(line, None, "found incompatible YAML document");
                    }
                    has_version = true;
                }
                Kind::TagDirective { handle, prefix } => {
                    if self.tag_prefixes.insert(handle, prefix).is_some() {
                        return parser_error(line, None, "found duplicate %TAG directive");
                    }
                }
                _ => break,
            }
            self.scanner.take();
        }
        for (handle, prefix) in [("!", "!"), ("!!", super::resolve::LONG_TAG)] {
            self.tag_prefixes
                .entry(handle.to_owned())
                .or_insert_with(|| prefix.to_owned());
        }
        Ok(())
    }

    /// Reads a node. `block`: block collections may start here; `indentless`: a sequence may stand at
    /// the indent of its key.
    fn node(&mut self, block: bool, indentless: bool, depth: usize) -> Result<Rc<Node>, YamlError> {
        if depth > DEPTH_MAX {
            return Err(too_deep());
        }
        if let Kind::Alias(name) = &self.peek()?.kind {
            let name = name.clone();
            self.scanner.take();
            return self.alias(&name);
        }
        let properties = self.properties()?;
        self.open_anchors.extend(properties.anchor.clone());
        let node = Rc::new(self.content(block, indentless, depth, &properties)?);
        if let Some(anchor) = properties.anchor {
            self.open_anchors.pop();
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        Ok(node)
    }

    fn content(
        &mut self,
        block: bool,
        indentless: bool,
        depth: usize,
        properties: &Properties,
    ) -> Result<Node, YamlError> {
        let line = self.peek()?.line;
        match &self.peek()?.kind {
            Kind::BlockEntry if indentless => self.indentless_sequence(depth),
            Kind::Scalar { .. } => {
                let Some(Token {
                    kind: Kind::Scalar { text, plain },
                    ..
                }) = self.scanner.take()
                else {
                    return Err(YamlError::syntax(
                        None,
                        "did not find expected node content",
                    ));
                };
                let tag = properties.tag.clone().filter(|tag| tag != "!");
                // The tag `!` makes a text of any scalar.
                let implicit = plain && properties.tag.is_none();
                Ok(Node::Scalar {
                    text,
                    tag,
                    implicit,
                })
            }
            Kind::FlowSequenceStart => self.flow_sequence(depth),
            Kind::FlowMappingStart => self.flow_mapping(depth),
            Kind::BlockSequenceStart if block => self.block_sequence(depth),
            Kind::BlockMappingStart if block => self.block_mapping(depth),
            _ if properties.anchor.is_some() || properties.tag.is_some() => Ok(Node::Scalar {
                text: String::new(),
                tag: properties.tag.clone(),
                implicit: properties.tag.is_none(),
            }),
            _ => parser_error(line, properties.line, "did not find expected node content"),
        }
    }

    /// Reads an anchor and a tag, in either order.
    fn properties(&mut self) -> Result<Properties, YamlError> {
        let mut properties = Properties::default();
        loop {
            if !matches!(self.peek()?.kind, Kind::Anchor(_) | Kind::Tag { .. }) {
                return Ok(properties);
            }
            let token = self.peek()?.clone();
            match token.kind {
                Kind::Anchor(name) if properties.anchor.is_none() => {
                    properties.anchor = Some(name);
                }
                Kind::Tag { handle, suffix } if properties.tag.is_none() => {
                    let tag = if handle.is_empty() {
                        suffix
                    } else {
                        let Some(prefix) = self.tag_prefixes.get(&handle) else {
                            let problem = "found undefined tag handle";
                            return parser_error(token.line, properties.line, problem);
                        };
                        format!("{prefix}{suffix}")
                    };
                    properties.tag = Some(tag);
                }
                _ => return Ok(properties),
            }
            properties.line.get_or_insert(token.line);
            self.scanner.take();
        }
    }

    fn alias(&mut self, name: &str) -> Result<Rc<Node>, YamlError> {
        if self.open_anchors.iter().any(|open| open == name) {
            // Go meets it when it decodes the document, after all errors of the text itself.
            let problem = format!("anchor '{name}' value contains itself");
            self.contains_itself
                .get_or_insert(YamlError::syntax(None, &problem));
            return Ok(empty_scalar());
        }
        match self.anchors.get(name) {
            Some(target) => Ok(Rc::new(Node::Alias {
                target: Rc::clone(target),
            })),
            None => {
                let problem = format!("unknown anchor '{name}' referenced");
                Err(YamlError::syntax(None, &problem))
            }
        }
    }

    /// Reads a node, or nothing where one of `ends` follows.
    fn node_unless(
        &mut self,
        ends: &[Kind],
        block: bool,
        indentless: bool,
        depth: usize,
    ) -> Result<Rc<Node>, YamlError> {
        if self.next_is(ends)? {
            Ok(empty_scalar())
        } else {
            self.node(block, indentless, depth + 1)
        }
    }

    fn block_sequence(&mut self, depth: usize) -> Result<Node, YamlError> {
        let start = self.scanner.take().map(|token| token.line);
        let mut items = Vec::new();
        while self.take_if(&Kind::BlockEntry)? {
            let ends = [Kind::BlockEntry, Kind::BlockEnd];
            items.push(self.node_unless(&ends, true, false, depth)?);
        }
        if self.take_if(&Kind::BlockEnd)? {
            return Ok(Node::Sequence(items));
        }
        let line = self.peek()?.line;
        parser_error(line, start, "did not find expected '-' indicator")
    }

    fn indentless_sequence(&mut self, depth: usize) -> Result<Node, YamlError> {
        let mut items = Vec::new();
        while self.take_if(&Kind::BlockEntry)? {
            let ends = [Kind::BlockEntry, Kind::Key, Kind::Value, Kind::BlockEnd];
            items.push(self.node_unless(&ends, true, false, depth)?);
        }
        Ok(Node::Sequence(items))
    }

    fn block_mapping(&mut self, depth: usize) -> Result<Node, YamlError> {
        let start = self.scanner.take().map(|token| token.line);
        let ends = [Kind::Key, Kind::Value, Kind::BlockEnd];
        let mut entries = Vec::new();
        while self.take_if(&Kind::Key)? {
            let key = self.node_unless(&ends, true, true, depth)?;
            let value = if self.take_if(&Kind::Value)? {
                self.node_unless(&ends, true, true, depth)?
            } else {
                empty_scalar()
            };
            entries.push((key, value));
        }
        if self.take_if(&Kind::BlockEnd)? {
            return Ok(Node::Mapping(entries));
        }
        let line = self.peek()?.line;
        parser_error(line, start, "did not find expected key")
    }

    fn flow_sequence(&mut self, depth: usize) -> Result<Node, YamlError> {
        let start = self.scanner.take().map(|token| token.line);
        let mut items = Vec::new();
        while self.peek()?.kind != Kind::FlowSequenceEnd {
            if !items.is_empty() {
                self.flow_separator(start, "did not find expected ',' or ']'")?;
            }
            if self.take_if(&Kind::Key)? {
                items.push(self.single_pair(depth)?);
            } else if self.peek()?.kind != Kind::FlowSequenceEnd {
                items.push(self.node(false, false, depth + 1)?);
            }
        }
        self.scanner.take();
        Ok(Node::Sequence(items))
    }

    /// Reads `key: value` in a flow sequence, which is a mapping of one entry.
    fn single_pair(&mut self, depth: usize) -> Result<Rc<Node>, YamlError> {
        let ends = [Kind::Value, Kind::FlowEntry, Kind::FlowSequenceEnd];
        let key = if self.next_is(&ends)? {
            // libyaml drops the token here, so an empty key loses what follows it.
            self.scanner.take();
            empty_scalar()
        } else {
            self.node(false, false, depth + 1)?
        };
        let value = if self.take_if(&Kind::Value)? {
            self.node_unless(&ends[1..], false, false, depth)?
        } else {
            empty_scalar()
        };
        Ok(Rc::new(Node::Mapping(vec![(key, value)])))
    }

    fn flow_mapping(&mut self, depth: usize) -> Result<Node, YamlError> {
        let start = self.scanner.take().map(|token| token.line);
        let ends = [Kind::Value, Kind::FlowEntry, Kind::FlowMappingEnd];
        let mut entries = Vec::new();
        while self.peek()?.kind != Kind::FlowMappingEnd {
            if !entries.is_empty() {
                self.flow_separator(start, "did not find expected ',' or '}'")?;
            }
            if self.take_if(&Kind::Key)? {
                let key = self.node_unless(&ends, false, false, depth)?;
                let value = if self.take_if(&Kind::Value)? {
                    self.node_unless(&ends[1..], false, false, depth)?
                } else {
                    empty_scalar()
                };
                entries.push((key, value));
            } else if self.peek()?.kind != Kind::FlowMappingEnd {
                let key = self.node(false, false, depth + 1)?;
                entries.push((key, empty_scalar()));
            }
        }
        self.scanner.take();
        Ok(Node::Mapping(entries))
    }

    fn flow_separator(&mut self, start: Option<u64>, problem: &str) -> Result<(), YamlError> {
        if self.take_if(&Kind::FlowEntry)? {
            return Ok(());
        }
        let line = self.peek()?.line;
        parser_error(line, start, problem)
    }
}

fn empty_scalar() -> Rc<Node> {
    Rc::new(Node::Scalar {
        text: String::new(),
        tag: None,
        implicit: true,
    })
}

pub(super) fn too_deep() -> YamlError {
    YamlError::syntax(None, &format!("exceeded max depth of {DEPTH_MAX}"))
}

/// An error of the grammar. Its line counts from zero, and that of the context stands in for the
/// first line: the texts that users know say it so.
fn parser_error<T>(line: u64, context: Option<u64>, problem: &str) -> Result<T, YamlError> {
    let line = if line == 0 {
        context.unwrap_or(0)
    } else {
        line
    };
    Err(YamlError::syntax((line != 0).then_some(line), problem))
}
