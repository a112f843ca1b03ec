//! Builds the trees of a template text and of the templates that it defines.
//!
//! Source of the grammar and of the error texts: `text/template/parse/parse.go` of Go 1.26.

use std::rc::Rc;

use super::{
    lexer::{self, Token, TokenKind},
    node::{Action, Branch, Command, Node, Operand, OperandKind, Pipe, TemplateCall, Tree},
    number,
};
use crate::{functions::Vocabulary, hash::HashMap, quote};

/// What a text may nest; Go's own limit on parentheses is 10,000, it has none on blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParseLimits {
    pub(crate) parens: usize,
    pub(crate) blocks: usize,
}

impl Default for ParseLimits {
    fn default() -> Self {
        Self {
            parens: 2_000,
            blocks: 2_000,
        }
    }
}

/// Parses `text` and returns its trees, the text's own among them, by name.
///
/// # Errors
/// Go's text: `template: NAME:LINE: what is wrong`.
pub(crate) fn parse(
    name: &str,
    text: &str,
    functions: Vocabulary,
    limits: ParseLimits,
) -> Result<HashMap<Rc<str>, Tree>, String> {
    let mut parser = Parser {
        name: Rc::from(name),
        text: Rc::from(text),
        tokens: lexer::tokens(text),
        index: 0,
        furthest: 0,
        functions,
        limits,
        trees: HashMap::default(),
        scope: Scope::new(),
        paren_depth: 0,
        block_depth: 0,
    };
    let root = parser.root()?;
    let name = Rc::clone(&parser.name);
    parser.add(name, root)?;
    Ok(parser.trees)
}

/// What is known within one template while it is parsed.
struct Scope {
    variables: Vec<Rc<str>>,
    range_depth: usize,
    action_line: usize,
}

impl Scope {
    fn new() -> Self {
        Self {
            variables: vec![Rc::from("$")],
            range_depth: 0,
            action_line: 0,
        }
    }
}

struct Parser<'t> {
    name: Rc<str>,
    text: Rc<str>,
    tokens: Vec<Token<'t>>,
    /// The next token.
    index: usize,
    /// The last token that was looked at: errors name its line.
    furthest: usize,
    functions: Vocabulary,
    limits: ParseLimits,
    trees: HashMap<Rc<str>, Tree>,
    scope: Scope,
    paren_depth: usize,
    block_depth: usize,
}

type Parsed<T> = Result<T, String>;

/// What ended a list of nodes.
enum ListEnd {
    End,
    /// `{{else}}`, or `{{else if}}` and `{{else with}}` whose keyword is the next token.
    Else,
}

enum Item {
    Node(Node),
    End(ListEnd),
}

impl ListEnd {
    fn described(&self) -> &'static str {
        match self {
            Self::End => "{{end}}",
            Self::Else => "{{else}}",
        }
    }
}

impl<'t> Parser<'t> {
    fn next(&mut self) -> Token<'t> {
        let index = self.index.min(self.tokens.len() - 1);
        self.furthest = self.furthest.max(index);
        self.index = index + 1;
        self.tokens[index].clone()
    }

    fn peek_kind(&mut self) -> TokenKind {
        let index = self.index.min(self.tokens.len() - 1);
        self.furthest = self.furthest.max(index);
        self.tokens[index].kind
    }

    fn backup(&mut self) {
        self.index -= 1;
    }

    fn skip_spaces(&mut self) {
        while self.peek_kind() == TokenKind::Space {
            self.index += 1;
        }
    }

    fn next_non_space(&mut self) -> Token<'t> {
        self.skip_spaces();
        self.next()
    }

    fn peek_non_space(&mut self) -> TokenKind {
        self.skip_spaces();
        self.peek_kind()
    }

    /// Where the next token is, spaces skipped.
    fn peek_position(&mut self) -> usize {
        self.skip_spaces();
        self.tokens[self.index.min(self.tokens.len() - 1)].position
    }

    fn fail<T>(&self, message: impl AsRef<str>) -> Parsed<T> {
        let line = self.tokens[self.furthest].line;
        Err(format!(
            "template: {}:{line}: {}",
            self.name,
            message.as_ref()
        ))
    }

    fn unexpected<T>(&self, token: &Token<'_>, context: &str) -> Parsed<T> {
        if token.kind != TokenKind::Error {
            return self.fail(format!("unexpected {} in {context}", token.described()));
        }
        let mut extra = String::new();
        let line = self.scope.action_line;
        if line != 0 && line != token.line {
            let lead = if token.text.ends_with(" action") {
                ""
            } else {
                " in action"
            };
            extra = format!("{lead} started at {}:{line}", self.name);
        }
        self.fail(format!("{}{extra}", token.text))
    }

    fn expect(&mut self, kind: TokenKind, context: &str) -> Parsed<Token<'t>> {
        let token = self.next_non_space();
        if token.kind == kind {
            Ok(token)
        } else {
            self.unexpected(&token, context)
        }
    }

    fn add(&mut self, name: Rc<str>, root: Vec<Node>) -> Parsed<()> {
        let tree = Tree {
            name: Rc::clone(&name),
            parse_name: Rc::clone(&self.name),
            text: Rc::clone(&self.text),
            root,
        };
        match self.trees.get(&name) {
            Some(existing) if !existing.is_empty() => {
                if tree.is_empty() {
                    return Ok(());
                }
                let name = quote::quoted(&name);
                self.fail(format!("template: multiple definition of template {name}"))
            }
            _ => {
                self.trees.insert(name, tree);
                Ok(())
            }
        }
    }

    fn root(&mut self) -> Parsed<Vec<Node>> {
        let mut nodes = Vec::new();
        while self.peek_kind() != TokenKind::Eof {
            if self.peek_kind() == TokenKind::LeftDelimiter {
                let delimiter = self.index;
                self.index += 1;
                if self.next_non_space().kind == TokenKind::Define {
                    self.definition()?;
                    continue;
                }
                self.index = delimiter;
            }
            match self.text_or_action()? {
                Item::Node(node) => nodes.push(node),
                Item::End(end) => return self.fail(format!("unexpected {}", end.described())),
            }
        }
        Ok(nodes)
    }

    /// Runs `parse` with a fresh scope, as a template's definition has.
    fn in_new_scope<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let outer = std::mem::replace(&mut self.scope, Scope::new());
        let depth = std::mem::take(&mut self.paren_depth);
        let parsed = parse(self)?;
        self.scope = outer;
        self.paren_depth = depth;
        Ok(parsed)
    }

    fn definition(&mut self) -> Parsed<()> {
        const CONTEXT: &str = "define clause";
        self.in_new_scope(|parser| {
            let token = parser.next_non_space();
            let name = parser.template_name(&token, CONTEXT)?;
            parser.expect(TokenKind::RightDelimiter, CONTEXT)?;
            let root = parser.list_until_end(CONTEXT)?;
            parser.add(name, root)
        })
    }

    fn list_until_end(&mut self, context: &str) -> Parsed<Vec<Node>> {
        match self.list()? {
            (nodes, ListEnd::End) => Ok(nodes),
            (_, ListEnd::Else) => self.fail(format!("unexpected {{{{else}}}} in {context}")),
        }
    }

    fn list(&mut self) -> Parsed<(Vec<Node>, ListEnd)> {
        if self.block_depth >= self.limits.blocks {
            return self.fail("max block depth exceeded");
        }
        self.block_depth += 1;
        let parsed = crate::stack::grown(|| self.list_items());
        self.block_depth -= 1;
        parsed
    }

    fn list_items(&mut self) -> Parsed<(Vec<Node>, ListEnd)> {
        let mut nodes = Vec::new();
        while self.peek_non_space() != TokenKind::Eof {
            match self.text_or_action()? {
                Item::Node(node) => nodes.push(node),
                Item::End(end) => return Ok((nodes, end)),
            }
        }
        self.fail("unexpected EOF")
    }

    fn text_or_action(&mut self) -> Parsed<Item> {
        let token = self.next_non_space();
        match token.kind {
            TokenKind::Text => Ok(Item::Node(Node::Text {
                text: Rc::from(token.text),
            })),
            TokenKind::LeftDelimiter => {
                self.scope.action_line = token.line;
                let item = self.action()?;
                self.scope.action_line = 0;
                Ok(item)
            }
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Parsed<Item> {
        let token = self.next_non_space();
        let node = match token.kind {
            TokenKind::Block => self.block()?,
            TokenKind::Break => {
                self.loop_control("{{break}}")?;
                Node::Break(token.position)
            }
            TokenKind::Continue => {
                self.loop_control("{{continue}}")?;
                Node::Continue(token.position)
            }
            TokenKind::Else => return self.else_control(),
            TokenKind::End => {
                self.expect(TokenKind::RightDelimiter, "end")?;
                return Ok(Item::End(ListEnd::End));
            }
            TokenKind::If => Node::If(self.branch("if")?),
            TokenKind::Range => Node::Range(self.branch("range")?),
            TokenKind::With => Node::With(self.branch("with")?),
            TokenKind::Template => self.template_call()?,
            _ => {
                self.backup();
                let pipe = self.pipeline("command", TokenKind::RightDelimiter)?;
                Node::Action(Action {
                    position: token.position,
                    pipe,
                })
            }
        };
        Ok(Item::Node(node))
    }

    fn loop_control(&mut self, name: &str) -> Parsed<()> {
        let token = self.next_non_space();
        if token.kind != TokenKind::RightDelimiter {
            return self.unexpected(&token, name);
        }
        if self.scope.range_depth == 0 {
            return self.fail(format!("{name} outside {{{{range}}}}"));
        }
        Ok(())
    }

    fn else_control(&mut self) -> Parsed<Item> {
        if !matches!(self.peek_non_space(), TokenKind::If | TokenKind::With) {
            self.expect(TokenKind::RightDelimiter, "else")?;
        }
        Ok(Item::End(ListEnd::Else))
    }

    fn branch(&mut self, context: &str) -> Parsed<Branch> {
        let variables = self.scope.variables.len();
        let branch = self.branch_parts(context);
        self.scope.variables.truncate(variables);
        branch
    }

    fn branch_parts(&mut self, context: &str) -> Parsed<Branch> {
        let pipe = self.pipeline(context, TokenKind::RightDelimiter)?;
        let is_range = context == "range";
        self.scope.range_depth += usize::from(is_range);
        let (list, end) = self.list()?;
        self.scope.range_depth -= usize::from(is_range);
        let else_list = match end {
            ListEnd::End => None,
            ListEnd::Else => Some(self.else_list(context)?),
        };
        Ok(Branch {
            position: pipe.position,
            pipe,
            list,
            else_list,
        })
    }

    fn else_list(&mut self, context: &str) -> Parsed<Vec<Node>> {
        let chained = match (context, self.peek_kind()) {
            ("if", TokenKind::If) => Node::If,
            ("with", TokenKind::With) => Node::With,
            _ => {
                let (nodes, end) = self.list()?;
                return match end {
                    ListEnd::End => Ok(nodes),
                    ListEnd::Else => self.fail("expected end; found {{else}}"),
                };
            }
        };
        self.next();
        if self.block_depth >= self.limits.blocks {
            return self.fail("max block depth exceeded");
        }
        self.block_depth += 1;
        let branch = crate::stack::grown(|| self.branch(context));
        self.block_depth -= 1;
        Ok(vec![chained(branch?)])
    }

    fn block(&mut self) -> Parsed<Node> {
        const CONTEXT: &str = "block clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, TokenKind::RightDelimiter)?;
        // Go reads the body with another parser: this one's place stays before the body.
        let place = self.furthest;
        self.in_new_scope(|parser| {
            let (root, end) = parser.list()?;
            if let ListEnd::Else = end {
                parser.furthest = place;
                return parser.fail(format!("unexpected {} in {CONTEXT}", end.described()));
            }
            parser.add(Rc::clone(&name), root)
        })?;
        Ok(Node::Template(TemplateCall {
            position: token.position,
            name,
            pipe: Some(pipe),
        }))
    }

    fn template_call(&mut self) -> Parsed<Node> {
        const CONTEXT: &str = "template clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, CONTEXT)?;
        let mut pipe = None;
        if self.next_non_space().kind != TokenKind::RightDelimiter {
            self.backup();
            pipe = Some(self.pipeline(CONTEXT, TokenKind::RightDelimiter)?);
        }
        Ok(Node::Template(TemplateCall {
            position: token.position,
            name,
            pipe,
        }))
    }

    fn template_name(&self, token: &Token<'_>, context: &str) -> Parsed<Rc<str>> {
        match token.kind {
            TokenKind::String | TokenKind::RawString => self.unquoted(token),
            _ => self.unexpected(token, context),
        }
    }

    fn unquoted(&self, token: &Token<'_>) -> Parsed<Rc<str>> {
        match quote::unquoted(&token.text) {
            Some(text) => Ok(Rc::from(text)),
            None => self.fail("invalid syntax"),
        }
    }

    fn pipeline(&mut self, context: &str, end: TokenKind) -> Parsed<Pipe> {
        let position = self.peek_position();
        let mut pipe = Pipe {
            position,
            is_assign: false,
            variables: Vec::new(),
            commands: Vec::new(),
        };
        self.declarations(&mut pipe, context)?;
        loop {
            let token = self.next_non_space();
            match token.kind {
                kind if kind == end => {
                    self.check_pipeline(&pipe, context)?;
                    return Ok(pipe);
                }
                TokenKind::Bool
                | TokenKind::CharConstant
                | TokenKind::Complex
                | TokenKind::Dot
                | TokenKind::Field
                | TokenKind::Identifier
                | TokenKind::Number
                | TokenKind::Nil
                | TokenKind::RawString
                | TokenKind::String
                | TokenKind::Variable
                | TokenKind::LeftParen => {
                    self.backup();
                    let command = self.command()?;
                    pipe.commands.push(command);
                }
                _ => return self.unexpected(&token, context),
            }
        }
    }

    /// Parses `$x :=`, `$x =` and, for `range`, `$i, $x :=`.
    fn declarations(&mut self, pipe: &mut Pipe, context: &str) -> Parsed<()> {
        while self.peek_non_space() == TokenKind::Variable {
            let start = self.index;
            let variable: Rc<str> = Rc::from(self.next().text);
            self.skip_spaces();
            let next = self.tokens[self.index].clone();
            self.furthest = self.furthest.max(self.index);
            let is_comma = next.kind == TokenKind::Char && next.text == ",";
            if !is_comma && !matches!(next.kind, TokenKind::Assign | TokenKind::Declare) {
                self.index = start;
                return Ok(());
            }
            self.index += 1;
            pipe.variables.push(Rc::clone(&variable));
            self.scope.variables.push(variable);
            if !is_comma {
                pipe.is_assign = next.kind == TokenKind::Assign;
                return Ok(());
            }
            if context != "range" || pipe.variables.len() >= 2 {
                return self.fail(format!("too many declarations in {context}"));
            }
            match self.peek_non_space() {
                TokenKind::Variable | TokenKind::RightDelimiter | TokenKind::RightParen => {}
                _ => return self.fail("range can only initialize variables"),
            }
        }
        Ok(())
    }

    fn check_pipeline(&self, pipe: &Pipe, context: &str) -> Parsed<()> {
        if pipe.commands.is_empty() {
            return self.fail(format!("missing value for {context}"));
        }
        for (index, command) in pipe.commands.iter().enumerate().skip(1) {
            if matches!(
                command.arguments[0].kind,
                OperandKind::Bool(_)
                    | OperandKind::Dot
                    | OperandKind::Nil
                    | OperandKind::Number(_)
                    | OperandKind::Str { .. }
            ) {
                return self.fail(format!(
                    "non executable command in pipeline stage {}",
                    index + 1
                ));
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Parsed<Command> {
        let position = self.peek_position();
        let mut arguments = Vec::new();
        loop {
            self.skip_spaces();
            if let Some(operand) = self.operand()? {
                arguments.push(operand);
            }
            let token = self.next();
            match token.kind {
                TokenKind::Space => continue,
                TokenKind::RightDelimiter | TokenKind::RightParen => self.backup(),
                TokenKind::Pipe => {}
                _ => return self.unexpected(&token, "operand"),
            }
            break;
        }
        if arguments.is_empty() {
            return self.fail("empty command");
        }
        Ok(Command {
            position,
            arguments,
        })
    }

    fn operand(&mut self) -> Parsed<Option<Operand>> {
        let Some(node) = self.term()? else {
            return Ok(None);
        };
        if self.peek_kind() != TokenKind::Field {
            return Ok(Some(node));
        }
        let position = self.tokens[self.index].position;
        let mut fields: Vec<Rc<str>> = Vec::new();
        while self.peek_kind() == TokenKind::Field {
            fields.push(Rc::from(&self.next().text[1..]));
        }
        let kind = match node.kind {
            OperandKind::Field(mut names) => {
                names.append(&mut fields);
                OperandKind::Field(names)
            }
            OperandKind::Variable(mut names) => {
                names.append(&mut fields);
                OperandKind::Variable(names)
            }
            OperandKind::Bool(_)
            | OperandKind::Str { .. }
            | OperandKind::Number(_)
            | OperandKind::Nil
            | OperandKind::Dot => {
                let term = quote::quoted(&node.to_string());
                return self.fail(format!("unexpected . after term {term}"));
            }
            _ => OperandKind::Chain {
                node: Box::new(node),
                fields,
            },
        };
        Ok(Some(Operand { position, kind }))
    }

    fn term(&mut self) -> Parsed<Option<Operand>> {
        let token = self.next_non_space();
        let kind = match token.kind {
            TokenKind::Identifier => match self.functions.find(&token.text) {
                Some(function) => OperandKind::Identifier(function),
                None => {
                    let name = quote::quoted(&token.text);
                    return self.fail(format!("function {name} not defined"));
                }
            },
            TokenKind::Dot => OperandKind::Dot,
            TokenKind::Nil => OperandKind::Nil,
            TokenKind::Variable => {
                let known = self
                    .scope
                    .variables
                    .iter()
                    .any(|name| **name == *token.text);
                if !known {
                    let name = quote::quoted(&token.text);
                    return self.fail(format!("undefined variable {name}"));
                }
                OperandKind::Variable(vec![Rc::from(&*token.text)])
            }
            TokenKind::Field => OperandKind::Field(vec![Rc::from(&token.text[1..])]),
            TokenKind::Bool => OperandKind::Bool(token.text == "true"),
            TokenKind::CharConstant | TokenKind::Complex | TokenKind::Number => {
                match number::parse(&token.text, token.kind) {
                    Ok(number) => OperandKind::Number(Box::new(number)),
                    Err(message) => return self.fail(message),
                }
            }
            TokenKind::LeftParen => OperandKind::Pipe(Box::new(self.parenthesized()?)),
            TokenKind::String | TokenKind::RawString => OperandKind::Str {
                quoted: Rc::from(&*token.text),
                text: self.unquoted(&token)?,
            },
            _ => {
                self.backup();
                return Ok(None);
            }
        };
        let position = match &kind {
            OperandKind::Pipe(pipe) => pipe.position,
            _ => token.position,
        };
        Ok(Some(Operand { position, kind }))
    }

    fn parenthesized(&mut self) -> Parsed<Pipe> {
        if self.paren_depth >= self.limits.parens {
            return self.fail("max expression depth exceeded");
        }
        self.paren_depth += 1;
        let pipe =
            crate::stack::grown(|| self.pipeline("parenthesized pipeline", TokenKind::RightParen))?;
        self.paren_depth -= 1;
        Ok(pipe)
    }
}
