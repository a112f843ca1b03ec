//! Calls of functions and methods.

use super::{At, Failure, Slot, State};
use crate::{
    functions::{Context, Function, Special, Type},
    syntax::node::Operand,
    value::Value,
};

impl<'n> State<'_, 'n> {
    /// Calls a function with the operands after the first and the value of the pipeline.
    pub(super) fn call(
        &mut self,
        dot: &Slot,
        function: &'static Function,
        node: At<'n>,
        arguments: &'n [Operand],
        last: Option<Slot>,
    ) -> Result<Slot, Failure> {
        let arguments = arguments.get(1..).unwrap_or_default();
        self.check_count(function, arguments.len(), last.is_some())?;
        if let Special::And | Special::Or = function.special {
            return self.short_circuit(dot, function.special == Special::Or, arguments, last);
        }
        let mut values = Vec::with_capacity(arguments.len() + 1);
        let mut first_is_invalid = false;
        for (index, operand) in arguments.iter().enumerate() {
            let slot = self.argument(dot, Some(function.parameter(index)), operand)?;
            first_is_invalid |= index == 0 && slot.value.is_nil() && !slot.boxed;
            values.push(slot.value);
        }
        if let Some(slot) = last {
            let parameter = function.parameter(values.len());
            let slot = self.validated(slot, Some(parameter))?;
            first_is_invalid |= values.is_empty() && slot.value.is_nil() && !slot.boxed;
            values.push(slot.value);
        }
        if values.iter().any(is_large) {
            // Few such calls take long, and the clock is read only once in many steps.
            let budget = &self.runtime.budget;
            budget
                .check_time()
                .map_err(|message| self.failure(message))?;
        }
        if function.walks_values() {
            self.check_weight(&values)?;
        }
        let result = match function.special {
            Special::Len if first_is_invalid => {
                Err("reflect: call of reflect.Value.Type on zero Value".to_owned())
            }
            Special::Call => Err(not_callable(arguments, values.first())),
            _ => {
                let mut context = Context {
                    runtime: self.runtime,
                    scope: self.scope,
                };
                (function.run)(&mut context, &values)
            }
        };
        match result {
            Ok(value) => Ok(Slot::of(value)),
            Err(message) => {
                self.at = node;
                self.fail(format!("error calling {}: {message}", function.name))
            }
        }
    }

    /// Bounds values before something goes through all their parts.
    pub(super) fn check_weight(&self, values: &[Value]) -> Result<(), Failure> {
        // So few containers within others cannot have made anything heavy.
        const NESTINGS: usize = 20;
        if self.runtime.templates.nestings.get() < NESTINGS {
            return Ok(());
        }
        let mut containers = values
            .iter()
            .filter(|value| matches!(value, Value::List(_) | Value::Map(_)));
        containers
            .try_for_each(|value| self.runtime.budget.check_weight(value))
            .map_err(|message| self.failure(message))
    }

    fn check_count(
        &self,
        function: &Function,
        given: usize,
        has_last: bool,
    ) -> Result<(), Failure> {
        let count = given + usize::from(has_last);
        let name = function.name;
        if function.variadic {
            let fixed = function.parameters.len() - 1;
            if count < fixed {
                return self.fail(format!(
                    "wrong number of args for {name}: want at least {fixed} got {given}"
                ));
            }
        } else if count != function.parameters.len() {
            let wanted = function.parameters.len();
            return self.fail(format!(
                "wrong number of args for {name}: want {wanted} got {count}"
            ));
        }
        Ok(())
    }

    /// `and` and `or` evaluate no more arguments than they need.
    fn short_circuit(
        &mut self,
        dot: &Slot,
        is_or: bool,
        arguments: &'n [Operand],
        last: Option<Slot>,
    ) -> Result<Slot, Failure> {
        let mut slot = Slot::default();
        for operand in arguments {
            slot = self.argument(dot, Some(Type::Reflect), operand)?;
            if slot.value.is_true() == is_or {
                return Ok(slot);
            }
        }
        Ok(last.unwrap_or(slot))
    }

    /// The arguments of a method; their types are the method's own affair.
    pub(super) fn method_arguments(
        &mut self,
        dot: &Slot,
        arguments: &'n [Operand],
        last: Option<Slot>,
    ) -> Result<Vec<Value>, Failure> {
        let mut values = Vec::new();
        for operand in arguments.get(1..).unwrap_or_default() {
            values.push(self.argument(dot, Some(Type::Any), operand)?.value);
        }
        values.extend(last.map(|slot| slot.value));
        Ok(values)
    }
}

/// Whether a function may need long for the value.
fn is_large(value: &Value) -> bool {
    const BYTES: usize = 1 << 16;
    const ITEMS: usize = 1 << 10;
    match value {
        Value::Str(text) => text.len() > BYTES,
        Value::List(list) => list.borrow().len() > ITEMS,
        Value::Map(map) => map.borrow().len() > ITEMS,
        _ => false,
    }
}

/// No value of a chart is a function, so `call` always fails.
fn not_callable(arguments: &[Operand], callee: Option<&Value>) -> String {
    match callee {
        None | Some(Value::Nil) => "call of nil".to_owned(),
        Some(value) => {
            let name = match (arguments.first(), value) {
                (Some(operand), _) => operand.to_string(),
                (None, Value::Str(text)) => text.to_string(),
                (None, _) => format!("<{} Value>", value.type_name()),
            };
            format!("non-function {name} of type {}", value.type_name())
        }
    }
}
