//! A set of named templates with its options: what a host parses into and executes from.

use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
    time::Duration,
};

use crate::{
    error::Error,
    execute,
    functions::{FunctionSet, Vocabulary},
    hash::HashMap,
    syntax::{self, ParseLimits, node::Tree},
    value::Value,
};

/// Finds an object of the cluster: API version, kind, namespace and name (empty: all of them).
pub type Lookup = Rc<dyn Fn(&str, &str, &str, &str) -> Result<Value, String>>;

/// What a field of a map yields when the map has no such key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingKey {
    /// The zero value of the element, as Helm configures it.
    #[default]
    Zero,
    /// Nothing, of which every field is nothing again: Go's own default.
    Invalid,
}

/// The major version of Helm whose ways are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compat {
    #[default]
    Helm3,
    /// With thirteen more functions, and execution errors that show the chain of templates.
    Helm4,
}

/// How templates are parsed and executed.
#[derive(Clone, Default)]
pub struct Options {
    /// A missing key is an error.
    pub strict: bool,
    /// `required` and `fail` do not fail, and `lookup` finds nothing.
    pub lint: bool,
    pub limits: Limits,
    /// Answers `lookup`; without it nothing is found.
    pub lookup: Option<Lookup>,
    /// Whether `getHostByName` may ask the name server.
    pub enable_dns: bool,
    /// How far the clock of `now` is ahead: what a template renders at another time.
    pub clock_ahead: Duration,
    pub missing_key: MissingKey,
    pub functions: FunctionSet,
    pub compat: Compat,
}

impl fmt::Debug for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Options")
            .field("strict", &self.strict)
            .field("lint", &self.lint)
            .field("limits", &self.limits)
            .field("lookup", &self.lookup.is_some())
            .field("enable_dns", &self.enable_dns)
            .field("clock_ahead", &self.clock_ahead)
            .field("missing_key", &self.missing_key)
            .field("functions", &self.functions)
            .field("compat", &self.compat)
            .finish()
    }
}

/// What one execution may use; past any of these it fails with an error that names the limit.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Nested templates, those of `include` and `tpl` among them.
    pub depth: usize,
    /// Bytes of one output: of the template or of one `include`.
    pub output_bytes: usize,
    /// Bytes that functions may produce in all.
    pub memory_bytes: usize,
    /// Actions and commands.
    pub steps: u64,
    /// Wall time.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 10_000,
            output_bytes: 256 << 20,
            memory_bytes: 2 << 30,
            steps: 100_000_000,
            time: Duration::from_secs(120),
        }
    }
}

pub(crate) type Trees = HashMap<Rc<str>, Rc<Tree>>;

/// The templates that an execution can name: those of `tpl` lie over those of the set.
pub(crate) struct Scope {
    pub(crate) parent: Option<Rc<Scope>>,
    pub(crate) trees: Trees,
}

impl Scope {
    pub(crate) fn find(&self, name: &str) -> Option<&Rc<Tree>> {
        self.trees
            .get(name)
            .or_else(|| self.parent.as_ref()?.find(name))
    }

    /// Adds parsed trees; one that is empty does not replace another, as in Go.
    fn add(&mut self, trees: &Trees) {
        for (name, tree) in trees {
            if !tree.is_empty() || self.find(name).is_none() {
                self.trees.insert(Rc::clone(name), Rc::clone(tree));
            }
        }
    }
}

/// How much text of `tpl` is remembered in parsed form, in bytes.
const TPL_CACHE_BYTES: usize = 32 << 20;

/// A set of named templates.
pub struct Templates {
    options: Options,
    scope: Rc<Scope>,
    tpl_cache: RefCell<HashMap<Rc<str>, Rc<Trees>>>,
    tpl_cache_bytes: Cell<usize>,
    /// How often a function has put a container into another, which bounds how deep they nest.
    pub(crate) nestings: Cell<usize>,
}

impl fmt::Debug for Templates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Templates")
            .field("options", &self.options)
            .field("count", &self.scope.trees.len())
            .finish_non_exhaustive()
    }
}

/// The name that Helm gives its set, and so each text of `tpl`.
pub(crate) const ROOT_NAME: &str = "gotpl";

impl Templates {
    /// Returns an empty set.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            scope: Rc::new(Scope {
                parent: None,
                trees: HashMap::default(),
            }),
            tpl_cache: RefCell::default(),
            tpl_cache_bytes: Cell::new(0),
            nestings: Cell::new(0),
        }
    }

    /// The options that the set was made with.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Whether a template of that name is defined.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.scope.find(name).is_some()
    }

    /// The parsed template as text, in Go's notation, which error texts quote.
    #[must_use]
    pub fn source(&self, name: &str) -> Option<String> {
        let tree = self.scope.find(name)?;
        Some(tree.root.iter().map(ToString::to_string).collect())
    }

    /// Parses `text` as the template `name` together with those that it defines. Of two templates
    /// of one name the later counts, unless it is empty.
    ///
    /// # Errors
    /// [`Error::Parse`]; the set stays as it was.
    pub fn parse(&mut self, name: &str, text: &str) -> Result<(), Error> {
        let trees = self.parse_trees(name, text).map_err(|text| Error::Parse {
            file: name.to_owned(),
            text,
        })?;
        match Rc::get_mut(&mut self.scope) {
            Some(scope) => scope.add(&trees),
            None => {
                let mut scope = Scope {
                    parent: None,
                    trees: self.scope.trees.clone(),
                };
                scope.add(&trees);
                self.scope = Rc::new(scope);
            }
        }
        Ok(())
    }

    fn parse_trees(&self, name: &str, text: &str) -> Result<Trees, String> {
        let functions = Vocabulary {
            set: self.options.functions,
            compat: self.options.compat,
        };
        let trees = syntax::parse(name, text, functions, ParseLimits::default())?;
        Ok(trees
            .into_iter()
            .map(|(name, tree)| (name, Rc::new(tree)))
            .collect())
    }

    /// Executes the template `name` on `data`.
    ///
    /// # Errors
    /// [`Error::Missing`] and [`Error::Execute`]. What the template changed by `set` stays changed.
    pub fn execute(&self, name: &str, data: &Value) -> Result<String, Error> {
        let Some(tree) = self.scope.find(name) else {
            return Err(Error::Missing {
                name: name.to_owned(),
            });
        };
        execute::run(self, &self.scope, tree, data).map_err(|text| Error::Execute {
            file: name.to_owned(),
            text,
            compat: self.options.compat,
        })
    }

    /// Parses a text of `tpl` and lays its templates over `scope`.
    ///
    /// # Errors
    /// Go's text of the parse error.
    pub(crate) fn overlay(
        &self,
        scope: &Rc<Scope>,
        text: &str,
    ) -> Result<(Rc<Scope>, Rc<Tree>), String> {
        let cached = self.tpl_cache.borrow().get(text).map(Rc::clone);
        let trees = match cached {
            Some(trees) => trees,
            None => {
                let trees = Rc::new(self.parse_trees(ROOT_NAME, text)?);
                let used = self.tpl_cache_bytes.get() + text.len();
                if used <= TPL_CACHE_BYTES {
                    self.tpl_cache_bytes.set(used);
                    self.tpl_cache
                        .borrow_mut()
                        .insert(Rc::from(text), Rc::clone(&trees));
                }
                trees
            }
        };
        let Some(root) = trees.get(ROOT_NAME) else {
            return Err(format!(
                "template: {ROOT_NAME} is an incomplete or empty template"
            ));
        };
        let mut overlay = Scope {
            parent: Some(Rc::clone(scope)),
            trees: HashMap::default(),
        };
        overlay.add(&trees);
        Ok((Rc::new(overlay), Rc::clone(root)))
    }
}
