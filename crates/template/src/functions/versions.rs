//! `semver` and `semverCompare`.

use std::{any::Any as StdAny, rc::Rc};

use super::{Context, Function, Returned, Type::Str, arguments::string};
use crate::{
    semver::{Constraint, Version},
    value::{Kind, Object, Value},
};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("semver", &[Str], semver),
    Function::new("semverCompare", &[Str, Str], compare),
];

fn compare(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let constraint = Constraint::parse(string(arguments, 0)).map_err(|error| error.to_string())?;
    let version = Version::parse(string(arguments, 1)).map_err(|error| error.to_string())?;
    Ok(Value::Bool(constraint.check(&version)))
}

fn semver(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let version = Version::parse(string(arguments, 0)).map_err(|error| error.to_string())?;
    Ok(Value::Object(Rc::new(VersionObject { version })))
}

/// Go's `*semver.Version`.
#[derive(Debug)]
struct VersionObject {
    version: Version,
}

impl VersionObject {
    fn bumped(&self, method: &str) -> Option<Value> {
        let Version {
            major,
            minor,
            patch,
            ..
        } = self.version;
        let (major, minor, patch) = match method {
            "IncMajor" => (major + 1, 0, 0),
            "IncMinor" => (major, minor + 1, 0),
            // The release itself comes after its prerelease.
            "IncPatch" if !self.version.prerelease.is_empty() => (major, minor, patch),
            "IncPatch" => (major, minor, patch + 1),
            _ => return None,
        };
        let prefix = if self.version.original.starts_with('v') {
            "v"
        } else {
            ""
        };
        let original = format!("{prefix}{major}.{minor}.{patch}");
        let version = Version {
            major,
            minor,
            patch,
            prerelease: String::new(),
            metadata: String::new(),
            original,
        };
        Some(Value::Object(Rc::new(Self { version })))
    }

    fn compared(&self, method: &str, argument: &Value) -> Option<Result<Value, String>> {
        if !matches!(
            method,
            "Compare" | "Equal" | "LessThan" | "GreaterThan" | "LessThanEqual" | "GreaterThanEqual"
        ) {
            return None;
        }
        let Value::Object(object) = argument else {
            let got = argument.type_name();
            return Some(Err(format!(
                "wrong type for value; expected *semver.Version; got {got}"
            )));
        };
        let other = object.as_any().downcast_ref::<Self>()?;
        let order = self.version.compare(&other.version);
        Some(Ok(match method {
            "Compare" => Value::Int(order as i64),
            "Equal" => Value::Bool(order.is_eq()),
            "LessThan" => Value::Bool(order.is_lt()),
            "GreaterThan" => Value::Bool(order.is_gt()),
            "LessThanEqual" => Value::Bool(order.is_le()),
            _ => Value::Bool(order.is_ge()),
        }))
    }
}

impl Object for VersionObject {
    fn type_name(&self) -> &'static str {
        "*semver.Version"
    }
    fn call(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        if let [argument] = arguments {
            return self.compared(name, argument);
        }
        let version = &self.version;
        Some(Ok(match name {
            "Major" => Value::Uint(version.major),
            "Minor" => Value::Uint(version.minor),
            "Patch" => Value::Uint(version.patch),
            "Prerelease" => Value::string(version.prerelease.as_str()),
            "Metadata" => Value::string(version.metadata.as_str()),
            "Original" => Value::string(version.original.as_str()),
            "String" => Value::string(version.to_string()),
            _ => self.bumped(name)?,
        }))
    }
    fn as_any(&self) -> &dyn StdAny {
        self
    }
    fn kind(&self) -> Kind {
        Kind::Pointer
    }
    fn text(&self) -> Option<String> {
        Some(self.version.to_string())
    }
    fn serialized(&self) -> Value {
        Value::string(self.version.to_string())
    }
}
