//! Pipelines, commands and operands.

use std::rc::Rc;

use super::{At, Failure, Slot, State, walk::has_typed_elements};
use crate::{
    functions::Type,
    quote::quoted,
    stack,
    syntax::node::{Command, Operand, OperandKind, Pipe},
    templates::MissingKey,
    value::Value,
};

impl<'n> State<'_, 'n> {
    pub(super) fn pipeline(&mut self, dot: &Slot, pipe: &'n Pipe) -> Result<Slot, Failure> {
        self.at = At::Pipe(pipe);
        let mut last: Option<Slot> = None;
        for command in &pipe.commands {
            self.step()?;
            let mut slot = self.command(dot, command, last.take())?;
            slot.boxed = false;
            last = Some(slot);
        }
        let slot = last.unwrap_or_default();
        for variable in &pipe.variables {
            if pipe.is_assign {
                self.assign(variable, slot.clone())?;
            } else {
                self.variables.push((Rc::clone(variable), slot.clone()));
            }
        }
        Ok(slot)
    }

    pub(super) fn assign(&mut self, name: &str, slot: Slot) -> Result<(), Failure> {
        match self
            .variables
            .iter_mut()
            .rev()
            .find(|(known, _)| **known == *name)
        {
            Some((_, held)) => {
                *held = slot;
                Ok(())
            }
            None => self.fail(format!("undefined variable: {name}")),
        }
    }

    fn variable(&self, name: &str) -> Result<Slot, Failure> {
        match self
            .variables
            .iter()
            .rev()
            .find(|(known, _)| **known == *name)
        {
            Some((_, slot)) => Ok(slot.clone()),
            None => self.fail(format!("undefined variable: {name}")),
        }
    }

    /// Evaluates a command; `last` is the value that the pipeline hands on as its last argument.
    fn command(
        &mut self,
        dot: &Slot,
        command: &'n Command,
        last: Option<Slot>,
    ) -> Result<Slot, Failure> {
        let first = &command.arguments[0];
        let arguments = command.arguments.as_slice();
        match &first.kind {
            OperandKind::Field(names) => {
                self.at = At::Operand(first);
                return self.field_chain(dot, dot.clone(), first, names, arguments, last);
            }
            OperandKind::Chain { .. } => return self.chain(dot, first, arguments, last),
            OperandKind::Identifier(function) => {
                self.at = At::Operand(first);
                return self.call(dot, function, At::Command(command), arguments, last);
            }
            OperandKind::Pipe(pipe) => {
                self.not_a_function(arguments, last.as_ref())?;
                return stack::grown(|| self.pipeline(dot, pipe));
            }
            OperandKind::Variable(_) => return self.variable_chain(dot, first, arguments, last),
            _ => {}
        }
        self.at = At::Operand(first);
        self.not_a_function(arguments, last.as_ref())?;
        match &first.kind {
            OperandKind::Dot => Ok(dot.clone()),
            OperandKind::Nil => self.fail("nil is not a command"),
            _ => self.literal(first),
        }
    }

    /// The value of a literal where no type is asked for.
    fn literal(&mut self, operand: &'n Operand) -> Result<Slot, Failure> {
        self.at = At::Operand(operand);
        match &operand.kind {
            OperandKind::Bool(truth) => Ok(Slot::of(Value::Bool(*truth))),
            OperandKind::Str { text, .. } => Ok(Slot::of(Value::Str(Rc::clone(text)))),
            OperandKind::Number(number) => match number.ideal() {
                Ok(value) => Ok(Slot::of(value)),
                Err(message) => self.fail(message),
            },
            _ => self.fail(format!(
                "can't evaluate command {}",
                quoted(&operand.to_string())
            )),
        }
    }

    fn not_a_function(&self, arguments: &[Operand], last: Option<&Slot>) -> Result<(), Failure> {
        if arguments.len() > 1 || last.is_some() {
            return self.fail(format!(
                "can't give argument to non-function {}",
                arguments[0]
            ));
        }
        Ok(())
    }

    fn chain(
        &mut self,
        dot: &Slot,
        operand: &'n Operand,
        arguments: &'n [Operand],
        last: Option<Slot>,
    ) -> Result<Slot, Failure> {
        self.at = At::Operand(operand);
        let OperandKind::Chain { node, fields } = &operand.kind else {
            return self.fail("not a chain");
        };
        if matches!(node.kind, OperandKind::Nil) {
            return self.fail(format!("indirection through explicit nil in {operand}"));
        }
        let receiver = self.argument(dot, None, node)?;
        self.field_chain(dot, receiver, operand, fields, arguments, last)
    }

    fn variable_chain(
        &mut self,
        dot: &Slot,
        operand: &'n Operand,
        arguments: &'n [Operand],
        last: Option<Slot>,
    ) -> Result<Slot, Failure> {
        self.at = At::Operand(operand);
        let OperandKind::Variable(names) = &operand.kind else {
            return self.fail("not a variable");
        };
        let slot = self.variable(&names[0])?;
        if names.len() == 1 {
            if !arguments.is_empty() || last.is_some() {
                self.not_a_function(arguments, last.as_ref())?;
            }
            return Ok(slot);
        }
        self.field_chain(dot, slot, operand, &names[1..], arguments, last)
    }

    fn field_chain(
        &mut self,
        dot: &Slot,
        mut receiver: Slot,
        operand: &'n Operand,
        names: &'n [Rc<str>],
        arguments: &'n [Operand],
        last: Option<Slot>,
    ) -> Result<Slot, Failure> {
        let Some((final_name, names)) = names.split_last() else {
            return Ok(receiver);
        };
        for name in names {
            receiver = self.field(dot, name, operand, &[], None, receiver)?;
        }
        self.field(dot, final_name, operand, arguments, last, receiver)
    }

    fn field(
        &mut self,
        dot: &Slot,
        name: &Rc<str>,
        operand: &'n Operand,
        arguments: &'n [Operand],
        last: Option<Slot>,
        receiver: Slot,
    ) -> Result<Slot, Failure> {
        let strict = self.runtime.templates.options().strict;
        if receiver.value.is_nil() {
            if receiver.boxed {
                return self.fail(format!("nil pointer evaluating interface {{}}.{name}"));
            }
            if strict {
                return self.fail(format!("nil data; no entry for key {}", quoted(name)));
            }
            return Ok(Slot::default());
        }
        let has_arguments = arguments.len() > 1 || last.is_some();
        if let Value::Object(object) = &receiver.value {
            let object = Rc::clone(object);
            let before = self.at;
            let values = self.method_arguments(dot, arguments, last)?;
            match object.call(name, &values) {
                Some(Ok(value)) => return Ok(Slot::of(value)),
                Some(Err(message)) => {
                    self.at = At::Operand(operand);
                    return self.fail(format!("error calling {name}: {message}"));
                }
                None => self.at = before,
            }
            if let Some(value) = object.field(name) {
                if has_arguments {
                    return self.fail(format!(
                        "{name} has arguments but cannot be invoked as function"
                    ));
                }
                let boxed = value.is_nil();
                return Ok(Slot { value, boxed });
            }
        }
        let Some(map) = receiver.value.as_map() else {
            let type_name = receiver.type_name();
            return self.fail(format!("can't evaluate field {name} in type {type_name}"));
        };
        if has_arguments {
            return self.fail(format!("{name} is not a method but has arguments"));
        }
        if let Some(value) = map.borrow().get(name.as_ref()) {
            return Ok(Slot {
                value: value.clone(),
                boxed: !has_typed_elements(&receiver.value),
            });
        }
        if strict {
            return self.fail(format!("map has no entry for key {}", quoted(name)));
        }
        Ok(
            match (
                self.runtime.templates.options().missing_key,
                &receiver.value,
            ) {
                (MissingKey::Invalid, _) => Slot::default(),
                (MissingKey::Zero, Value::Object(object)) if object.has_typed_elements() => {
                    Slot::of(object.zero_element())
                }
                (MissingKey::Zero, _) => Slot::boxed(Value::Nil),
            },
        )
    }

    /// Evaluates an operand for a parameter; no type means that any value will do.
    pub(super) fn argument(
        &mut self,
        dot: &Slot,
        wanted: Option<Type>,
        operand: &'n Operand,
    ) -> Result<Slot, Failure> {
        self.at = At::Operand(operand);
        let slot = match &operand.kind {
            OperandKind::Dot => dot.clone(),
            OperandKind::Nil => {
                let wanted = wanted.unwrap_or(Type::Any);
                if wanted.can_be_nil() {
                    return Ok(Slot::default());
                }
                return self.fail(format!("cannot assign nil to {}", wanted.name()));
            }
            OperandKind::Field(names) => {
                self.field_chain(dot, dot.clone(), operand, names, &[], None)?
            }
            OperandKind::Variable(_) => self.variable_chain(dot, operand, &[], None)?,
            OperandKind::Pipe(pipe) => stack::grown(|| self.pipeline(dot, pipe))?,
            OperandKind::Identifier(function) => {
                self.call(dot, function, At::Operand(operand), &[], None)?
            }
            OperandKind::Chain { .. } => self.chain(dot, operand, &[], None)?,
            _ => return self.literal_argument(wanted, operand),
        };
        self.validated(slot, wanted)
    }

    /// A literal for a parameter of some type.
    fn literal_argument(
        &mut self,
        wanted: Option<Type>,
        operand: &'n Operand,
    ) -> Result<Slot, Failure> {
        let expected = match (wanted.unwrap_or(Type::Any), &operand.kind) {
            (Type::Any | Type::Reflect, _) => return self.literal(operand),
            (Type::Bool, OperandKind::Bool(_)) | (Type::Str, OperandKind::Str { .. }) => {
                return self.literal(operand);
            }
            (Type::Int, OperandKind::Number(number)) if number.int.is_some() => {
                return Ok(Slot::of(Value::Int(number.int.unwrap_or_default())));
            }
            (Type::Uint32, OperandKind::Number(number)) if number.uint.is_some() => {
                return Ok(Slot::of(Value::Uint(
                    number.uint.unwrap_or_default() & 0xffff_ffff,
                )));
            }
            (Type::Float, OperandKind::Number(number)) if number.float.is_some() => {
                return Ok(Slot::of(Value::Float(number.float.unwrap_or_default())));
            }
            (Type::Bool, _) => "bool",
            (Type::Str, _) => "string",
            (Type::Int, _) => "integer",
            (Type::Uint32, _) => "unsigned integer",
            (Type::Float, _) => "float",
            (other, _) => {
                let name = other.name();
                return self.fail(format!("can't handle {operand} for arg of type {name}"));
            }
        };
        self.fail(format!("expected {expected}; found {operand}"))
    }

    /// Checks that a value can be handed over as the type of a parameter.
    pub(super) fn validated(&self, slot: Slot, wanted: Option<Type>) -> Result<Slot, Failure> {
        let Some(wanted) = wanted else {
            return Ok(slot);
        };
        if slot.value.is_nil() && !slot.boxed {
            if wanted.can_be_nil() {
                return Ok(slot);
            }
            return self.fail(format!("invalid value; expected {}", wanted.name()));
        }
        if wanted.accepts(&slot.value) {
            return Ok(slot);
        }
        let got = if slot.value.is_nil() {
            "interface {}"
        } else {
            slot.value.type_name()
        };
        self.fail(format!(
            "wrong type for value; expected {}; got {got}",
            wanted.name()
        ))
    }
}
