//! Nodes: text, actions, conditions, loops and calls of templates.

use std::rc::Rc;

use super::{At, Failure, Slot, State};
use crate::{
    format,
    quote::quoted,
    stack,
    syntax::node::{Branch, Node, TemplateCall},
    value::{Kind, Value},
};

/// How a list of nodes ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    Break,
    Continue,
}

impl<'n> State<'_, 'n> {
    pub(super) fn list(&mut self, dot: &Slot, nodes: &'n [Node]) -> Result<Flow, Failure> {
        for node in nodes {
            let flow = self.node(dot, node)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn node(&mut self, dot: &Slot, node: &'n Node) -> Result<Flow, Failure> {
        self.at = At::Node(node);
        self.step()?;
        match node {
            Node::Text { text } => {
                self.out.push_str(text);
                self.check_output()?;
            }
            Node::Action(action) => {
                let slot = self.pipeline(dot, &action.pipe)?;
                if action.pipe.variables.is_empty() {
                    self.at = At::Action(action);
                    self.check_weight(std::slice::from_ref(&slot.value))?;
                    format::print_value(self.out, &slot.value);
                    self.check_output()?;
                }
            }
            Node::If(branch) => return stack::grown(|| self.branch(dot, branch, false)),
            Node::With(branch) => return stack::grown(|| self.branch(dot, branch, true)),
            Node::Range(branch) => {
                let mark = self.variables.len();
                let flow = stack::grown(|| self.range(dot, branch));
                self.variables.truncate(mark);
                return flow;
            }
            Node::Template(call) => self.template(dot, call)?,
            Node::Break(_) => return Ok(Flow::Break),
            Node::Continue(_) => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn check_output(&self) -> Result<(), Failure> {
        self.runtime
            .budget
            .check_output(self.out.len())
            .map_err(|message| self.failure(message))
    }

    fn branch(&mut self, dot: &Slot, branch: &'n Branch, is_with: bool) -> Result<Flow, Failure> {
        let mark = self.variables.len();
        let slot = self.pipeline(dot, &branch.pipe)?;
        let flow = if slot.value.is_true() {
            self.list(if is_with { &slot } else { dot }, &branch.list)
        } else if let Some(else_list) = &branch.else_list {
            self.list(dot, else_list)
        } else {
            Ok(Flow::Next)
        };
        self.variables.truncate(mark);
        flow
    }

    fn range(&mut self, dot: &Slot, branch: &'n Branch) -> Result<Flow, Failure> {
        let slot = self.pipeline(dot, &branch.pipe)?;
        let ran = match slot.value.kind() {
            Kind::Int | Kind::Int64 | Kind::Uint64 => self.range_numbers(&slot.value, branch)?,
            Kind::Slice => {
                let items = slot
                    .value
                    .as_list()
                    .map(|list| list.borrow().clone())
                    .unwrap_or_default();
                let boxed = !has_typed_elements(&slot.value);
                for (index, item) in items.iter().enumerate() {
                    let index = Slot::of(Value::Int(i64::try_from(index).unwrap_or(i64::MAX)));
                    let element = Slot {
                        value: item.clone(),
                        boxed,
                    };
                    if let Some(flow) = self.iteration(branch, index, element)? {
                        return Ok(flow);
                    }
                }
                !items.is_empty()
            }
            Kind::Map => {
                let map = slot.value.as_map();
                let entries: Vec<(Rc<str>, Value)> = map
                    .map(|map| {
                        map.borrow()
                            .iter()
                            .map(|(key, value)| (key.clone(), value.clone()))
                            .collect()
                    })
                    .unwrap_or_default();
                let boxed = !has_typed_elements(&slot.value);
                for (key, value) in &entries {
                    let key = Slot::of(Value::Str(Rc::clone(key)));
                    let element = Slot {
                        value: value.clone(),
                        boxed,
                    };
                    if let Some(flow) = self.iteration(branch, key, element)? {
                        return Ok(flow);
                    }
                }
                !entries.is_empty()
            }
            Kind::Invalid => false,
            _ => {
                let shown = format::plain_text(&slot.value);
                return self.fail(format!("range can't iterate over {shown}"));
            }
        };
        match &branch.else_list {
            Some(else_list) if !ran => self.list(dot, else_list),
            _ => Ok(Flow::Next),
        }
    }

    /// Counts up to a number; whether there was anything to count.
    fn range_numbers(&mut self, number: &Value, branch: &'n Branch) -> Result<bool, Failure> {
        if branch.pipe.variables.len() > 1 {
            let shown = format::plain_text(number);
            return self.fail(format!(
                "can't use {shown} to iterate over more than one variable"
            ));
        }
        let end: u64 = match number {
            Value::Int(end) | Value::Int64(end) => u64::try_from(*end).unwrap_or(0),
            Value::Uint(end) => *end,
            _ => 0,
        };
        for index in 0..end {
            let element = match number {
                Value::Int64(_) => Value::Int64(index as i64),
                Value::Uint(_) => Value::Uint(index),
                _ => Value::Int(index as i64),
            };
            if self
                .iteration(branch, Slot::default(), Slot::of(element))?
                .is_some()
            {
                break;
            }
        }
        Ok(end > 0)
    }

    /// Runs the body once; `Some` when the loop is over.
    fn iteration(
        &mut self,
        branch: &'n Branch,
        index: Slot,
        element: Slot,
    ) -> Result<Option<Flow>, Failure> {
        self.step()?;
        let mark = self.variables.len();
        let variables = &branch.pipe.variables;
        if branch.pipe.is_assign {
            match variables.as_slice() {
                [only] => self.assign(only, element.clone())?,
                [first, second] => {
                    self.assign(first, index)?;
                    self.assign(second, element.clone())?;
                }
                _ => {}
            }
        } else if !variables.is_empty() {
            self.variables[mark - 1].1 = element.clone();
            if variables.len() > 1 {
                self.variables[mark - 2].1 = index;
            }
        }
        let flow = self.list(&element, &branch.list);
        self.variables.truncate(mark);
        Ok(match flow? {
            Flow::Break => Some(Flow::Next),
            Flow::Next | Flow::Continue => None,
        })
    }

    fn template(&mut self, dot: &Slot, call: &'n TemplateCall) -> Result<(), Failure> {
        self.at = At::Template(call);
        let Some(tree) = self.scope.find(&call.name) else {
            return self.fail(format!("template {} not defined", quoted(&call.name)));
        };
        let tree = Rc::clone(tree);
        let dot = match &call.pipe {
            Some(pipe) => self.pipeline(dot, pipe)?,
            None => Slot::default(),
        };
        let level = self
            .runtime
            .budget
            .enter()
            .map_err(|message| self.failure(message))?;
        let walked = stack::grown(|| {
            let mut state = State {
                runtime: self.runtime,
                scope: self.scope,
                tree: &tree,
                at: At::Template(call),
                variables: vec![(Rc::from("$"), dot.clone())],
                out: self.out,
            };
            state.list(&dot, &tree.root)
        });
        drop(level);
        walked.map(|_| ())
    }
}

/// Whether the elements of a container are typed, so that errors name their own type.
pub(super) fn has_typed_elements(value: &Value) -> bool {
    match value {
        Value::Object(object) => object.has_typed_elements(),
        Value::Bytes(_) => true,
        _ => false,
    }
}
