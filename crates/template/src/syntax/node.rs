//! The nodes of a parsed template; their `Display` is Go's, which error texts quote.

use std::{fmt, rc::Rc};

use crate::{functions::Function, quote::quoted, value::Value};

/// A named template: the root of its nodes and what error texts need to locate one of them.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The name by which the template is executed.
    pub(crate) name: Rc<str>,
    /// The name of the text in which it was defined.
    pub(crate) parse_name: Rc<str>,
    /// That text.
    pub(crate) text: Rc<str>,
    pub(crate) root: Vec<Node>,
}

impl Tree {
    /// `name:line:column` of a byte offset; the column counts bytes from 0, as Go's does.
    pub(crate) fn location(&self, position: usize) -> String {
        let before = &self.text.as_bytes()[..position.min(self.text.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let column = before
            .iter()
            .rev()
            .take_while(|byte| **byte != b'\n')
            .count();
        format!("{}:{line}:{column}", self.parse_name)
    }

    /// Whether the template is only white space, comments and definitions.
    pub(crate) fn is_empty(&self) -> bool {
        self.root.iter().all(|node| match node {
            Node::Text { text, .. } => text.trim().is_empty(),
            _ => false,
        })
    }
}

/// One step of a template.
#[derive(Debug)]
pub(crate) enum Node {
    Text { text: Rc<str> },
    Action(Action),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template(TemplateCall),
    Break(usize),
    Continue(usize),
}

#[derive(Debug)]
pub(crate) struct Action {
    pub(crate) position: usize,
    pub(crate) pipe: Pipe,
}

/// `if`, `with` or `range`.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) position: usize,
    pub(crate) pipe: Pipe,
    pub(crate) list: Vec<Node>,
    pub(crate) else_list: Option<Vec<Node>>,
}

/// `{{template "name" pipe}}`.
#[derive(Debug)]
pub(crate) struct TemplateCall {
    pub(crate) position: usize,
    pub(crate) name: Rc<str>,
    pub(crate) pipe: Option<Pipe>,
}

/// A pipeline with the variables that it declares or assigns.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) position: usize,
    pub(crate) is_assign: bool,
    pub(crate) variables: Vec<Rc<str>>,
    pub(crate) commands: Vec<Command>,
}

/// A command of a pipeline: an operand with its arguments.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) position: usize,
    pub(crate) arguments: Vec<Operand>,
}

/// An operand or argument.
#[derive(Debug)]
pub(crate) struct Operand {
    pub(crate) position: usize,
    pub(crate) kind: OperandKind,
}

#[derive(Debug)]
pub(crate) enum OperandKind {
    Dot,
    Nil,
    Bool(bool),
    Number(Box<Number>),
    Str {
        quoted: Rc<str>,
        text: Rc<str>,
    },
    Field(Vec<Rc<str>>),
    Variable(Vec<Rc<str>>),
    Identifier(&'static Function),
    Chain {
        node: Box<Operand>,
        fields: Vec<Rc<str>>,
    },
    Pipe(Box<Pipe>),
}

/// A numeric literal, with every kind of number that it can stand for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Number {
    pub(crate) text: String,
    pub(crate) int: Option<i64>,
    pub(crate) uint: Option<u64>,
    pub(crate) float: Option<f64>,
    pub(crate) complex: Option<(f64, f64)>,
}

impl Number {
    /// The value that the literal has where no type is asked for.
    ///
    /// # Errors
    /// Go's text where the literal does not fit an `int`.
    pub(crate) fn ideal(&self) -> Result<Value, String> {
        if let Some((real, imaginary)) = self.complex {
            return Ok(crate::format::complex(real, imaginary));
        }
        let text = self.text.as_bytes();
        let is_rune = text.first() == Some(&b'\'');
        let is_hex_int = text.len() > 2
            && text[0] == b'0'
            && matches!(text[1], b'x' | b'X')
            && !self.text.contains(['p', 'P']);
        match (self.float, self.int) {
            (Some(float), _)
                if !is_hex_int && !is_rune && self.text.contains(['.', 'e', 'E', 'p', 'P']) =>
            {
                Ok(Value::Float(float))
            }
            (_, Some(int)) => Ok(Value::Int(int)),
            _ => Err(format!("{} overflows int", self.text)),
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { text } => formatter.write_str(text),
            Self::Action(action) => write!(formatter, "{action}"),
            Self::If(branch) => branch.write("if", formatter),
            Self::With(branch) => branch.write("with", formatter),
            Self::Range(branch) => branch.write("range", formatter),
            Self::Template(call) => write!(formatter, "{call}"),
            Self::Break(_) => formatter.write_str("{{break}}"),
            Self::Continue(_) => formatter.write_str("{{continue}}"),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{{{{{}}}}}", self.pipe)
    }
}

impl Branch {
    fn write(&self, name: &str, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{{{{{name} {}}}}}", self.pipe)?;
        self.list
            .iter()
            .try_for_each(|node| write!(formatter, "{node}"))?;
        if let Some(else_list) = &self.else_list {
            formatter.write_str("{{else}}")?;
            else_list
                .iter()
                .try_for_each(|node| write!(formatter, "{node}"))?;
        }
        formatter.write_str("{{end}}")
    }
}

impl fmt::Display for TemplateCall {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{{{{template {}", quoted(&self.name))?;
        if let Some(pipe) = &self.pipe {
            write!(formatter, " {pipe}")?;
        }
        formatter.write_str("}}")
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            let operator = if self.is_assign { "=" } else { ":=" };
            write!(formatter, "{} {operator} ", self.variables.join(", "))?;
        }
        for (index, command) in self.commands.iter().enumerate() {
            if index > 0 {
                formatter.write_str(" | ")?;
            }
            write!(formatter, "{command}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, argument) in self.arguments.iter().enumerate() {
            if index > 0 {
                formatter.write_str(" ")?;
            }
            match &argument.kind {
                OperandKind::Pipe(pipe) => write!(formatter, "({pipe})")?,
                _ => write!(formatter, "{argument}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            OperandKind::Dot => formatter.write_str("."),
            OperandKind::Nil => formatter.write_str("nil"),
            OperandKind::Bool(truth) => write!(formatter, "{truth}"),
            OperandKind::Number(number) => formatter.write_str(&number.text),
            OperandKind::Str { quoted, .. } => formatter.write_str(quoted),
            OperandKind::Field(names) => names
                .iter()
                .try_for_each(|name| write!(formatter, ".{name}")),
            OperandKind::Variable(names) => formatter.write_str(&names.join(".")),
            OperandKind::Identifier(function) => formatter.write_str(function.name),
            OperandKind::Chain { node, fields } => {
                match &node.kind {
                    OperandKind::Pipe(pipe) => write!(formatter, "({pipe})")?,
                    _ => write!(formatter, "{node}")?,
                }
                fields
                    .iter()
                    .try_for_each(|name| write!(formatter, ".{name}"))
            }
            OperandKind::Pipe(pipe) => write!(formatter, "{pipe}"),
        }
    }
}
