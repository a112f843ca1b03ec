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
    /// Go's `int`: integer literals, `len`, `int`.
    Int(i64),
    /// Go's `int64`: whole numbers of `--set`, results of most of Sprig's arithmetic.
    Int64(i64),
    /// Go's `uint64` and smaller unsigned kinds.
    Uint(u64),
    /// Go's `float64`: every number that comes from YAML or JSON.
    Float(f64),
    /// Go's `string`. Text that is not UTF-8 is carried as `crate::bytes` describes.
    Str(Rc<str>),
    /// Go's `[]byte`, where a function returns it.
    Bytes(Rc<[u8]>),
    List(List),
    Map(Map),
    /// A host object with fields and methods, such as `.Files` or `.Capabilities`.
    Object(Rc<dyn Object>),
}

/// Go's `reflect.Kind`, as far as templates meet it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Invalid,
    Bool,
    Int,
    Int64,
    Uint64,
    Float64,
    Complex128,
    String,
    Slice,
    Map,
    Struct,
    Pointer,
}

impl Kind {
    /// The name that Go's `Kind.String` gives.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Int64 => "int64",
            Self::Uint64 => "uint64",
            Self::Float64 => "float64",
            Self::Complex128 => "complex128",
            Self::String => "string",
            Self::Slice => "slice",
            Self::Map => "map",
            Self::Struct => "struct",
            Self::Pointer => "ptr",
        }
    }
}

/// A host object: what Go's reflection offers a template of a struct, or of a typed list or map.
pub trait Object: fmt::Debug {
    /// The Go type as error texts name it, such as `chartutil.Capabilities` or `engine.files`.
    fn type_name(&self) -> &str;
    /// A field, or `None` when the type has no such field.
    fn field(&self, _name: &str) -> Option<Value> {
        None
    }
    /// Calls a method; `None` when the type has no such method, `Err` with Go's text when it fails.
    fn call(&self, _name: &str, _arguments: &[Value]) -> Option<Result<Value, String>> {
        None
    }
    /// The map behind the object where it is one (`.Files` can be ranged over and indexed).
    fn as_map(&self) -> Option<Map> {
        None
    }
    /// The list behind the object where it is one (`.Capabilities.APIVersions`, `[]string`).
    fn as_list(&self) -> Option<List> {
        None
    }
    fn as_any(&self) -> &dyn Any;
    /// Go's kind; a struct unless the object is a list or a map.
    fn kind(&self) -> Kind {
        if self.as_list().is_some() {
            Kind::Slice
        } else if self.as_map().is_some() {
            Kind::Map
        } else {
            Kind::Struct
        }
    }
    /// The text of Go's `String` or `Error` method, where the type has one.
    fn text(&self) -> Option<String> {
        None
    }
    /// The fields in the order in which Go prints a struct.
    fn printed_fields(&self) -> Vec<(String, Value)> {
        Vec::new()
    }
    /// The plain value that Go's JSON encoder would write for the object.
    fn serialized(&self) -> Value {
        match (self.as_map(), self.as_list()) {
            (Some(map), _) => Value::Map(map),
            (None, Some(list)) => Value::List(list),
            (None, None) => Value::Nil,
        }
    }
    /// The fields that Go's JSON encoder writes for a struct, in its order. Empty where
    /// [`Self::serialized`] says it all.
    fn json_fields(&self) -> Vec<(String, Value)> {
        Vec::new()
    }
    /// Whether the elements of a typed list or map are themselves typed, as in `[]string`.
    fn has_typed_elements(&self) -> bool {
        false
    }
    /// What a typed map yields for a missing key under `missingkey=zero`.
    fn zero_element(&self) -> Value {
        Value::Nil
    }
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

    /// Returns a list whose Go type is `[]string`.
    pub fn strings<T: Into<Rc<str>>>(items: impl IntoIterator<Item = T>) -> Self {
        TypedList::value("[]string", items.into_iter().map(Self::string).collect())
    }

    /// Whether the value is nil.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    /// The text of a string value.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The map of a map value, or the one behind an object.
    #[must_use]
    pub fn as_map(&self) -> Option<Map> {
        match self {
            Self::Map(map) => Some(Rc::clone(map)),
            Self::Object(object) => object.as_map(),
            _ => None,
        }
    }

    /// The list of a list value, or the one behind an object; bytes become a list of numbers.
    #[must_use]
    pub fn as_list(&self) -> Option<List> {
        match self {
            Self::List(list) => Some(Rc::clone(list)),
            Self::Object(object) => object.as_list(),
            Self::Bytes(bytes) => Some(Rc::new(RefCell::new(
                bytes
                    .iter()
                    .map(|byte| Self::Uint(u64::from(*byte)))
                    .collect(),
            ))),
            _ => None,
        }
    }

    /// Go's kind of the value.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Nil => Kind::Invalid,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) => Kind::Int,
            Self::Int64(_) => Kind::Int64,
            Self::Uint(_) => Kind::Uint64,
            Self::Float(_) => Kind::Float64,
            Self::Str(_) => Kind::String,
            Self::Bytes(_) | Self::List(_) => Kind::Slice,
            Self::Map(_) => Kind::Map,
            Self::Object(object) => object.kind(),
        }
    }

    /// Go's name of the value's type, as `%T` prints it.
    #[must_use]
    pub fn type_name(&self) -> &str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Int64(_) => "int64",
            Self::Uint(_) => "uint64",
            Self::Float(_) => "float64",
            Self::Str(_) => "string",
            Self::Bytes(_) => "[]uint8",
            Self::List(_) => "[]interface {}",
            Self::Map(_) => "map[string]interface {}",
            Self::Object(object) => object.type_name(),
        }
    }

    /// Whether Go's templates hold the value to be true: not zero, not nil and not empty.
    #[must_use]
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(truth) => *truth,
            Self::Int(number) | Self::Int64(number) => *number != 0,
            Self::Uint(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Str(text) => !text.is_empty(),
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::List(list) => !list.borrow().is_empty(),
            Self::Map(map) => !map.borrow().is_empty(),
            Self::Object(object) => match object.kind() {
                Kind::Slice => object
                    .as_list()
                    .is_some_and(|list| !list.borrow().is_empty()),
                Kind::Map => object.as_map().is_some_and(|map| !map.borrow().is_empty()),
                _ => true,
            },
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => formatter.write_str("nil"),
            Self::Bool(truth) => write!(formatter, "{truth}"),
            Self::Int(number) | Self::Int64(number) => write!(formatter, "{number}"),
            Self::Uint(number) => write!(formatter, "{number}"),
            Self::Float(number) => write!(formatter, "{number:?}"),
            Self::Str(text) => write!(formatter, "{text:?}"),
            Self::Bytes(bytes) => write!(formatter, "bytes[{}]", bytes.len()),
            Self::List(list) => write!(formatter, "list[{}]", list.borrow().len()),
            Self::Map(map) => write!(formatter, "map[{}]", map.borrow().len()),
            Self::Object(object) => formatter.write_str(object.type_name()),
        }
    }
}

/// A list whose Go type is not `[]interface {}`: `[]string`, `[]int`, `[][]interface {}`.
#[derive(Debug)]
pub struct TypedList {
    type_name: &'static str,
    items: List,
    /// Go's nil slice: empty, and `null` in JSON and YAML.
    is_nil: bool,
}

impl TypedList {
    /// Returns a list value of the Go type `type_name`.
    #[must_use]
    pub fn value(type_name: &'static str, items: Vec<Value>) -> Value {
        Value::Object(Rc::new(Self {
            type_name,
            items: Rc::new(RefCell::new(items)),
            is_nil: false,
        }))
    }

    /// Returns Go's nil slice of the type `type_name`.
    pub(crate) fn nil(type_name: &'static str) -> Value {
        Value::Object(Rc::new(Self {
            type_name,
            items: List::default(),
            is_nil: true,
        }))
    }

    /// Returns a list of the same type with other items.
    pub(crate) fn with(&self, items: Vec<Value>) -> Value {
        Self::value(self.type_name, items)
    }
}

impl Object for TypedList {
    fn type_name(&self) -> &str {
        self.type_name
    }
    fn as_list(&self) -> Option<List> {
        Some(Rc::clone(&self.items))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn has_typed_elements(&self) -> bool {
        self.type_name != "[]interface {}"
    }
    fn serialized(&self) -> Value {
        if self.is_nil {
            Value::Nil
        } else {
            Value::List(Rc::clone(&self.items))
        }
    }
}

/// Go's `map[string]string`, which `split` returns.
#[derive(Debug)]
pub struct StringMap {
    entries: Map,
    /// Go's nil map: empty, and `null` in JSON and YAML.
    is_nil: bool,
}

impl StringMap {
    /// Returns a map value of the Go type `map[string]string`.
    #[must_use]
    pub fn value(entries: BTreeMap<Rc<str>, Value>) -> Value {
        Value::Object(Rc::new(Self {
            entries: Rc::new(RefCell::new(entries)),
            is_nil: false,
        }))
    }

    /// Returns Go's nil map of that type.
    #[must_use]
    pub fn nil() -> Value {
        Value::Object(Rc::new(Self {
            entries: Map::default(),
            is_nil: true,
        }))
    }
}

impl Object for StringMap {
    fn type_name(&self) -> &'static str {
        "map[string]string"
    }
    fn as_map(&self) -> Option<Map> {
        Some(Rc::clone(&self.entries))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn has_typed_elements(&self) -> bool {
        true
    }
    fn zero_element(&self) -> Value {
        Value::string("")
    }
    fn serialized(&self) -> Value {
        if self.is_nil {
            Value::Nil
        } else {
            Value::Map(Rc::clone(&self.entries))
        }
    }
}
