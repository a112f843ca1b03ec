//! The dynamic value that templates see, with the kinds of Go that can be told apart in a template.

use std::{any::Any, cell::RefCell, collections::BTreeMap, fmt, rc::Rc};

/// A map shared by reference, as Go's `map[string]interface{}` is: `set` is seen by every holder.
/// Keys are kept sorted, which is the order in which Go's templates range over a map.
pub type Map = Rc<RefCell<BTreeMap<Rc<str>, Value>>>;

/// A list shared by reference, as Go's `[]interface{}` is.
pub type List = Rc<RefCell<Vec<Value>>>;

/// A value of a template.
#[derive(Clone, Default)]
pub enum Value {
    /// Go's untyped nil; prints `<no value>` (`<nil>` inside a list or map).
    #[default]
    Nil,
    Bool(bool),
    /// Go's `int`: integer literals, `len`, `add`.
    Int(i64),
    /// Go's `int64`: whole numbers of `--set`, results of most of Sprig's arithmetic.
    Int64(i64),
    /// Go's `uint64` and smaller unsigned kinds.
    Uint(u64),
    /// Go's `float64`: every number that comes from YAML or JSON.
    Float(f64),
    /// Go's `string`; text is UTF-8 wherever Helm can write it to a manifest.
    Str(Rc<str>),
    /// Go's `[]byte`, where a function returns it.
    Bytes(Rc<[u8]>),
    List(List),
    Map(Map),
    /// A host object with fields and methods, such as `.Files` or `.Capabilities`.
    Object(Rc<dyn Object>),
}

/// A host object: what Go's reflection offers a template of a struct.
pub trait Object: fmt::Debug {
    /// The Go type as error texts name it, such as `chartutil.Capabilities` or `engine.files`.
    fn type_name(&self) -> &str;
    /// A field, or `None` when the type has no such field.
    fn field(&self, name: &str) -> Option<Value>;
    /// Calls a method; `None` when the type has no such method, `Err` with Go's text when it fails.
    fn call(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>>;
    /// The map behind the object where it is one (`.Files` can be ranged over and indexed).
    fn as_map(&self) -> Option<Map> {
        None
    }
    fn as_any(&self) -> &dyn Any;
}

impl Value {
    pub fn string(text: impl Into<Rc<str>>) -> Self {
        Self::Str(text.into())
    }

    pub fn list(items: Vec<Value>) -> Self {
        Self::List(Rc::new(RefCell::new(items)))
    }

    pub fn map(entries: BTreeMap<Rc<str>, Value>) -> Self {
        Self::Map(Rc::new(RefCell::new(entries)))
    }
}
