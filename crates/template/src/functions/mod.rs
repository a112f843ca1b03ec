//! The functions that templates can call: Go's own, Sprig's and Helm's, by family.
//!
//! A function declares the Go types of its parameters; the executor checks and converts arguments
//! before it calls it, so that the error texts about types are Go's.

mod arguments;
mod builtins;
mod certificates;
mod crypto;
mod dates;
mod dicts;
mod encoding;
mod flow;
mod lists;
mod math;
mod merge;
mod paths;
mod random;
mod reflection;
mod regexes;
mod strings;
mod toml;
mod urls;
mod versions;
mod words;

pub use dates::{check_date, check_time, format_time, time_value};
pub use regexes::{expression, regex_matches};
pub use urls::{UrlParts, check_url};

use std::{fmt, rc::Rc, sync::OnceLock};

use crate::{
    execute::Runtime,
    hash::HashMap,
    templates::{Compat, Scope},
    value::{Kind, Value},
};

/// Which functions a template may call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FunctionSet {
    /// Go's, Sprig's and those of Helm in the version that [`Compat`] names.
    #[default]
    Helm,
    /// Only those of Go's `text/template`.
    Go,
}

/// The Go type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// `interface {}`
    Any,
    /// `reflect.Value`, which Go's own functions take.
    Reflect,
    Str,
    Int,
    Uint32,
    Float,
    Bool,
    /// `map[string]interface {}`
    Map,
    /// `[]interface {}`
    List,
    Time,
    Certificate,
}

impl Type {
    /// Go's name of the type.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Reflect => "reflect.Value",
            Self::Str => "string",
            Self::Int => "int",
            Self::Uint32 => "uint32",
            Self::Float => "float64",
            Self::Bool => "bool",
            Self::Map => "map[string]interface {}",
            Self::List => "[]interface {}",
            Self::Time => "time.Time",
            Self::Certificate => "sprig.certificate",
        }
    }

    pub(crate) fn can_be_nil(self) -> bool {
        matches!(self, Self::Any | Self::Reflect | Self::Map | Self::List)
    }

    /// Whether a value can be assigned to the type.
    pub(crate) fn accepts(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Any | Self::Reflect, _)
            | (Self::Str, Value::Str(_))
            | (Self::Int, Value::Int(_))
            | (Self::Float, Value::Float(_))
            | (Self::Bool, Value::Bool(_))
            | (Self::Map, Value::Map(_))
            | (Self::List, Value::List(_)) => true,
            (Self::Map, Value::Object(object)) => {
                object.kind() == Kind::Map && !object.has_typed_elements()
            }
            (Self::List, Value::Object(object)) => object.type_name() == self.name(),
            (Self::Time | Self::Certificate, Value::Object(object)) => {
                object.type_name() == self.name()
            }
            _ => false,
        }
    }
}

/// What the executor itself has to do for a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    None,
    And,
    Or,
    Len,
    Call,
}

/// What a function sees of the execution that calls it.
pub(crate) struct Context<'c> {
    pub(crate) runtime: &'c Runtime<'c>,
    pub(crate) scope: &'c Rc<Scope>,
}

impl Context<'_> {
    /// Counts bytes that are about to be produced.
    pub(crate) fn charge(&self, bytes: usize) -> Result<(), String> {
        self.runtime.budget.charge(bytes)
    }

    /// Bounds how deep containers nest, which each call that puts one into another may deepen: so
    /// that no value is too deep to be printed, compared or dropped.
    fn check_nesting(&self, items: &[Value]) -> Result<(), String> {
        if !items
            .iter()
            .any(|item| matches!(item, Value::List(_) | Value::Map(_) | Value::Object(_)))
        {
            return Ok(());
        }
        let count = self.runtime.templates.nestings.get() + 1;
        self.runtime.templates.nestings.set(count);
        // So few calls cannot have nested anything too deep.
        if count < NESTING_MAX {
            return Ok(());
        }
        let mut known = HashMap::default();
        let is_deep = |item: &Value| height(item, &mut known).is_none();
        if items.iter().any(is_deep) {
            return Err(format!(
                "a value would be nested more than {NESTING_MAX} levels deep"
            ));
        }
        Ok(())
    }
}

/// How deep containers may nest.
const NESTING_MAX: usize = 2_000;

/// How deeply a value nests; nothing where that is too deep, or where it stands within itself.
/// Shared containers are looked at once, or a list put into itself again and again would take for
/// ever.
fn height(value: &Value, known: &mut HashMap<*const (), Option<usize>>) -> Option<usize> {
    let (address, children): (*const (), Vec<Value>) = match value {
        Value::List(list) => (Rc::as_ptr(list).cast(), list.borrow().to_vec()),
        Value::Map(map) => (
            Rc::as_ptr(map).cast(),
            map.borrow().values().cloned().collect(),
        ),
        _ => return Some(0),
    };
    if let Some(height) = known.get(&address) {
        return *height;
    }
    // Until it is known, meeting it again means that it stands within itself.
    known.insert(address, None);
    let tallest = crate::stack::grown(|| {
        children
            .iter()
            .try_fold(0, |tallest, child| Some(height(child, known)?.max(tallest)))
    });
    let own = tallest
        .map(|tallest| tallest + 1)
        .filter(|height| *height <= NESTING_MAX);
    known.insert(address, own);
    own
}

pub(crate) type Returned = Result<Value, String>;
type Run = fn(&mut Context<'_>, &[Value]) -> Returned;

/// A function of templates.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// The types of the parameters; the last repeats in a variadic function.
    pub(crate) parameters: &'static [Type],
    pub(crate) variadic: bool,
    pub(crate) special: Special,
    pub(crate) run: Run,
}

impl fmt::Debug for Function {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

impl Function {
    const fn new(name: &'static str, parameters: &'static [Type], run: Run) -> Self {
        Self {
            name,
            parameters,
            variadic: false,
            special: Special::None,
            run,
        }
    }

    const fn variadic(name: &'static str, parameters: &'static [Type], run: Run) -> Self {
        Self {
            name,
            parameters,
            variadic: true,
            special: Special::None,
            run,
        }
    }

    const fn special(self, special: Special) -> Self {
        Self { special, ..self }
    }

    /// Whether the function goes through all parts of its arguments.
    pub(crate) fn walks_values(&self) -> bool {
        let name = self.name.strip_prefix("must").unwrap_or(self.name);
        let name = name.strip_prefix(['t', 'T']).unwrap_or(name);
        matches!(
            name,
            "oYaml"
                | "oYamlPretty"
                | "oJson"
                | "oPrettyJson"
                | "oRawJson"
                | "oToml"
                | "oString"
                | "oStrings"
        ) || matches!(
            self.name,
            "print"
                | "printf"
                | "println"
                | "html"
                | "js"
                | "urlquery"
                | "quote"
                | "squote"
                | "cat"
                | "join"
                | "sortAlpha"
                | "deepCopy"
                | "mustDeepCopy"
                | "deepEqual"
                | "merge"
                | "mergeOverwrite"
                | "mustMerge"
                | "mustMergeOverwrite"
                | "has"
                | "mustHas"
                | "uniq"
                | "mustUniq"
                | "without"
                | "mustWithout"
                | "eq"
                | "ne"
        )
    }

    /// The type of the parameter at `index`.
    pub(crate) fn parameter(&self, index: usize) -> Type {
        let last = self.parameters.last().copied().unwrap_or(Type::Any);
        self.parameters.get(index).copied().unwrap_or(last)
    }
}

type Table = HashMap<&'static str, &'static Function>;

/// The functions that a template may name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vocabulary {
    pub(crate) set: FunctionSet,
    pub(crate) compat: Compat,
}

impl Vocabulary {
    /// Finds a function by name.
    pub(crate) fn find(self, name: &str) -> Option<&'static Function> {
        static GO: OnceLock<Table> = OnceLock::new();
        static HELM: OnceLock<Table> = OnceLock::new();
        static ONLY_HELM4: OnceLock<Table> = OnceLock::new();
        let known = match self.set {
            FunctionSet::Go => GO.get_or_init(|| table(&[builtins::FUNCTIONS])),
            FunctionSet::Helm => HELM.get_or_init(helm_table),
        };
        let only_helm4 = || {
            (self.set == FunctionSet::Helm && self.compat == Compat::Helm4)
                .then(|| ONLY_HELM4.get_or_init(helm4_table).get(name))?
        };
        known.get(name).or_else(only_helm4).copied()
    }
}

/// A later family replaces an earlier one's function of the same name, as Sprig's `slice` Go's.
fn table(families: &[&'static [Function]]) -> Table {
    families
        .iter()
        .flat_map(|family| family.iter())
        .map(|function| (function.name, function))
        .collect()
}

fn helm_table() -> Table {
    table(&[
        builtins::FUNCTIONS,
        flow::FUNCTIONS,
        strings::FUNCTIONS,
        words::FUNCTIONS,
        lists::FUNCTIONS,
        dicts::FUNCTIONS,
        math::FUNCTIONS,
        encoding::FUNCTIONS,
        reflection::FUNCTIONS,
        regexes::FUNCTIONS,
        versions::FUNCTIONS,
        paths::FUNCTIONS,
        urls::FUNCTIONS,
        random::FUNCTIONS,
        crypto::FUNCTIONS,
        certificates::FUNCTIONS,
        dates::FUNCTIONS,
        toml::FUNCTIONS,
    ])
}

fn helm4_table() -> Table {
    table(&[
        encoding::HELM4_FUNCTIONS,
        toml::HELM4_FUNCTIONS,
        dates::HELM4_FUNCTIONS,
    ])
}
