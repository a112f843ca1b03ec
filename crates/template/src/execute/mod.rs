//! Walks the trees of templates and writes their output, with the texts of Go's execution errors.
//!
//! Source: `text/template/exec.go` of Go 1.26. An error names the node that was visited last, so
//! the places where the walker notes a node are the same as there.

mod budget;
mod call;
mod evaluate;
mod walk;

use std::{cell::RefCell, fmt, rc::Rc};

pub(crate) use budget::Budget;

use crate::{
    hash::HashMap,
    quote::quoted,
    stack,
    syntax::node::{Action, Command, Node, Operand, Pipe, TemplateCall, Tree},
    templates::{Scope, Templates},
    value::Value,
};

/// An execution error: Go's text.
pub(crate) type Failure = String;

/// What all templates of one execution share.
pub(crate) struct Runtime<'t> {
    pub(crate) templates: &'t Templates,
    pub(crate) budget: Budget,
    /// How often each name is being included at the moment.
    pub(crate) included: RefCell<HashMap<Rc<str>, usize>>,
}

/// A value with what Go's reflection knows of where it came from.
#[derive(Clone, Default)]
pub(crate) struct Slot {
    pub(crate) value: Value,
    /// It is held by an `interface{}`: an element of a map or list, not a result or literal.
    pub(crate) boxed: bool,
}

impl Slot {
    fn of(value: Value) -> Self {
        Self {
            value,
            boxed: false,
        }
    }

    fn boxed(value: Value) -> Self {
        Self { value, boxed: true }
    }

    /// The static type that error texts name.
    fn type_name(&self) -> &str {
        if self.boxed {
            "interface {}"
        } else {
            self.value.type_name()
        }
    }
}

/// The node that an error is about.
#[derive(Clone, Copy)]
enum At<'n> {
    Nothing,
    Node(&'n Node),
    Action(&'n Action),
    Template(&'n TemplateCall),
    Pipe(&'n Pipe),
    Command(&'n Command),
    Operand(&'n Operand),
}

impl At<'_> {
    fn position(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Node(node) => match node {
                Node::Text { .. } => 0,
                Node::Action(action) => action.position,
                Node::If(branch) | Node::With(branch) | Node::Range(branch) => branch.position,
                Node::Template(call) => call.position,
                Node::Break(position) | Node::Continue(position) => *position,
            },
            Self::Action(action) => action.position,
            Self::Template(call) => call.position,
            Self::Pipe(pipe) => pipe.position,
            Self::Command(command) => command.position,
            Self::Operand(operand) => operand.position,
        }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Node(node) => write!(formatter, "{node}"),
            Self::Action(action) => write!(formatter, "{action}"),
            Self::Template(call) => write!(formatter, "{call}"),
            Self::Pipe(pipe) => write!(formatter, "{pipe}"),
            Self::Command(command) => write!(formatter, "{command}"),
            Self::Operand(operand) => write!(formatter, "{operand}"),
        }
    }
}

/// The execution of one template.
struct State<'r, 'n> {
    runtime: &'r Runtime<'r>,
    scope: &'r Rc<Scope>,
    tree: &'n Tree,
    at: At<'n>,
    variables: Vec<(Rc<str>, Slot)>,
    out: &'r mut String,
}

impl<'n> State<'_, 'n> {
    /// Go's text for what went wrong at the current node.
    fn failure(&self, message: impl AsRef<str>) -> Failure {
        let message = message.as_ref();
        let name = &self.tree.name;
        if matches!(self.at, At::Nothing) {
            return format!("template: {name}: {message}");
        }
        let location = self.tree.location(self.at.position());
        format!(
            "template: {location}: executing {} at <{}>: {message}",
            quoted(name),
            self.at
        )
    }

    fn fail<T>(&self, message: impl AsRef<str>) -> Result<T, Failure> {
        Err(self.failure(message))
    }

    /// Counts one step of the execution.
    fn step(&self) -> Result<(), Failure> {
        self.runtime
            .budget
            .step()
            .map_err(|message| self.failure(message))
    }
}

/// Executes a template of a set.
pub(crate) fn run(
    templates: &Templates,
    scope: &Rc<Scope>,
    tree: &Rc<Tree>,
    data: &Value,
) -> Result<String, Failure> {
    let runtime = Runtime {
        templates,
        budget: Budget::new(&templates.options().limits),
        included: RefCell::default(),
    };
    runtime.execute(scope, tree, data)
}

impl Runtime<'_> {
    /// Executes a template on `data` and returns its output.
    pub(crate) fn execute(
        &self,
        scope: &Rc<Scope>,
        tree: &Rc<Tree>,
        data: &Value,
    ) -> Result<String, Failure> {
        let mut out = String::new();
        let dot = Slot::of(data.clone());
        stack::grown(|| self.execute_into(scope, tree, dot, &mut out))?;
        Ok(out)
    }

    fn execute_into(
        &self,
        scope: &Rc<Scope>,
        tree: &Tree,
        dot: Slot,
        out: &mut String,
    ) -> Result<(), Failure> {
        let mut state = State {
            runtime: self,
            scope,
            tree,
            at: At::Nothing,
            variables: vec![(Rc::from("$"), dot.clone())],
            out,
        };
        let level = self
            .budget
            .enter()
            .map_err(|message| state.failure(message))?;
        let walked = state.list(&dot, &tree.root);
        drop(level);
        walked.map(|_| ())
    }
}
