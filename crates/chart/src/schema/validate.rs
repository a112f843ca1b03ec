//! Whether a value fits a schema, and why not: a tree of mistakes in the order and the words of
//! Helm's library.
//!
//! Source: github.com/santhosh-tekuri/jsonschema v6.0.3 validator.go. One draft holds for the whole
//! document. Go walks its maps in random order; here names are walked as the document has them.

use std::collections::BTreeSet;

use serde_json::{Map as JsonMap, Value as Json};

use super::{
    compare::lookup,
    document::{Document, Schema},
    mistake::{Kind, Mistake},
    place::Place,
};

/// Values and schemas that nest deeper are taken to fit.
const DEPTH_MAX: usize = 200;

/// What no keyword has looked at yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Unevaluated {
    pub(super) properties: BTreeSet<String>,
    pub(super) items: BTreeSet<usize>,
}

impl Unevaluated {
    fn of(value: &Json, schema: &Schema<'_>, draft: u32, is_asked: bool) -> Self {
        let mut own = Self::default();
        let Json::Object(keywords) = schema.json else {
            return own;
        };
        let has = |name: &str| lookup(keywords, name).is_some();
        match value {
            Json::Object(object) => {
                let wanted = is_asked || draft >= 2019 && has("unevaluatedProperties");
                if wanted && !has("additionalProperties") {
                    own.properties = object.keys().cloned().collect();
                }
            }
            Json::Array(items) => {
                let wanted = is_asked || draft >= 2019 && has("unevaluatedItems");
                let (all, first) = evaluated_items(keywords, draft);
                if wanted && !all {
                    own.items = (first..items.len()).collect();
                }
            }
            _ => {}
        }
        own
    }

    fn is_empty(&self) -> bool {
        self.properties.is_empty() && self.items.is_empty()
    }

    fn merge(&mut self, other: &Self) {
        self.properties
            .retain(|name| other.properties.contains(name));
        self.items.retain(|index| other.items.contains(index));
    }
}

/// Whether a schema looks at every item, and else at how many.
fn evaluated_items(keywords: &JsonMap<String, Json>, draft: u32) -> (bool, usize) {
    let count = |name: &str| {
        keywords
            .get(name)
            .and_then(Json::as_array)
            .map_or(0, Vec::len)
    };
    if draft >= 2020 {
        return (keywords.contains_key("items"), count("prefixItems"));
    }
    match keywords.get("items") {
        Some(Json::Array(_)) => (keywords.contains_key("additionalItems"), count("items")),
        other => (other.is_some(), 0),
    }
}

/// The schemas that led here, innermost first.
pub(super) struct Scope<'scope> {
    schema: &'scope Schema<'scope>,
    /// The keyword of a reference that was followed.
    reference: Option<&'static str>,
    /// Two scopes with one number look at the same value.
    value: usize,
    parent: Option<&'scope Self>,
}

impl Scope<'_> {
    fn cycle(&self) -> Option<&Self> {
        let mut scope = self.parent;
        while let Some(found) = scope.filter(|scope| scope.value == self.value) {
            if std::ptr::eq(found.schema.json, self.schema.json) {
                return Some(found);
            }
            scope = found.parent;
        }
        None
    }

    fn keyword_location(&self) -> String {
        let mut location = String::new();
        let mut scope = self;
        while let Some(parent) = scope.parent {
            location = match scope.reference {
                Some(keyword) => format!("/{keyword}{location}"),
                None => {
                    let (own, above) =
                        (scope.schema.location.text(), parent.schema.location.text());
                    format!("{}{location}", own.get(above.len()..).unwrap_or_default())
                }
            };
            scope = parent;
        }
        location
    }
}

/// Validates a value against a schema of a document.
///
/// # Errors
/// The tree of mistakes.
pub(super) fn validate(
    document: &Document<'_>,
    schema: Schema<'_>,
    value: &Json,
) -> Result<(), Mistake> {
    let scope = Scope {
        schema: &schema,
        reference: None,
        value: 0,
        parent: None,
    };
    let unevaluated = Unevaluated::of(value, &schema, document.draft, false);
    check(document, &schema, value, &Place::TOP, &scope, unevaluated).map(|_| ())
}

/// One schema at one value.
pub(super) struct Visit<'visit, 'schema> {
    pub(super) document: &'visit Document<'schema>,
    pub(super) schema: &'visit Schema<'schema>,
    pub(super) keywords: &'schema JsonMap<String, Json>,
    pub(super) value: &'visit Json,
    pub(super) place: &'visit Place<'visit>,
    scope: &'visit Scope<'visit>,
    pub(super) unevaluated: Unevaluated,
    pub(super) mistakes: Vec<Mistake>,
}

fn check<'schema>(
    document: &Document<'schema>,
    schema: &Schema<'schema>,
    value: &Json,
    place: &Place<'_>,
    scope: &Scope<'_>,
    unevaluated: Unevaluated,
) -> Result<Unevaluated, Mistake> {
    let keywords = match schema.json {
        Json::Bool(false) => return Err(Mistake::words(place, "false schema")),
        Json::Object(keywords) if !keywords.is_empty() => keywords,
        _ => return Ok(unevaluated),
    };
    if let Some(other) = scope.cycle() {
        return Err(Mistake::words(
            place,
            format!(
                "both {} and {} resolve to {:?} causing reference cycle",
                scope.keyword_location(),
                other.keyword_location(),
                document.url(&schema.location),
            ),
        ));
    }
    if scope.value > DEPTH_MAX {
        return Ok(unevaluated);
    }
    let mut visit = Visit {
        document,
        schema,
        keywords,
        value,
        place,
        scope,
        unevaluated,
        mistakes: Vec::new(),
    };
    let stands_alone = document.draft < 2019 && visit.text("$ref").is_some();
    // Beside a reference that stands alone the library still compares `const`.
    let words = if stands_alone {
        visit.unlike_constant()
    } else {
        visit.first_of_basics()
    };
    if let Some(words) = words {
        return Err(Mistake::words(place, words));
    }
    if let Some(target) = visit
        .text("$ref")
        .and_then(|to| document.resolve(schema, to))
    {
        let outcome = visit.reference(&target, "$ref");
        if stands_alone {
            return outcome.map_or(Ok(visit.unevaluated), Err);
        }
        visit.mistakes.extend(outcome);
    }
    visit.by_kind();
    if document.draft >= 2019 {
        visit.dynamic_references();
    }
    visit.combinations();
    if document.draft >= 2019 {
        visit.unevaluated_rest();
    }
    Mistake::of_several(place, visit.mistakes).map_or(Ok(visit.unevaluated), Err)
}

impl<'schema> Visit<'_, 'schema> {
    pub(super) fn get(&self, name: &str) -> Option<&'schema Json> {
        lookup(self.keywords, name)
    }

    pub(super) fn text(&self, name: &str) -> Option<&'schema str> {
        self.get(name).and_then(Json::as_str)
    }

    pub(super) fn fail(&mut self, words: impl Into<String>) {
        self.mistakes.push(Mistake::words(self.place, words));
    }

    pub(super) fn fail_because(&mut self, words: impl Into<String>, causes: Vec<Mistake>) {
        let mut mistake = Mistake::words(self.place, words);
        mistake.causes = causes;
        self.mistakes.push(mistake);
    }

    /// Another schema at the same value; what it evaluates counts for this one too.
    pub(super) fn same(
        &mut self,
        schema: &Schema<'schema>,
        reference: Option<&'static str>,
    ) -> Option<Mistake> {
        let scope = Scope {
            schema,
            reference,
            value: self.scope.value,
            parent: Some(self.scope),
        };
        let is_asked = !self.unevaluated.is_empty();
        let own = Unevaluated::of(self.value, schema, self.document.draft, is_asked);
        match check(self.document, schema, self.value, self.place, &scope, own) {
            Ok(rest) => {
                self.unevaluated.merge(&rest);
                None
            }
            Err(mistake) => Some(mistake),
        }
    }

    /// A schema at a value inside this one.
    pub(super) fn inner(
        &self,
        schema: &Schema<'schema>,
        value: &Json,
        part: &str,
    ) -> Option<Mistake> {
        let place = self.place.below(part);
        let scope = Scope {
            schema,
            reference: None,
            value: self.scope.value + 1,
            parent: Some(self.scope),
        };
        let own = Unevaluated::of(value, schema, self.document.draft, false);
        check(self.document, schema, value, &place, &scope, own).err()
    }

    fn reference(&mut self, target: &Schema<'schema>, keyword: &'static str) -> Option<Mistake> {
        let mistake = self.same(target, Some(keyword))?;
        Some(Mistake {
            place: self.place.parts(),
            kind: Kind::Reference,
            causes: mistake.into_causes(),
        })
    }

    fn dynamic_references(&mut self) {
        for keyword in ["$recursiveRef", "$dynamicRef"] {
            let Some(to) = self.text(keyword) else {
                continue;
            };
            if (keyword == "$dynamicRef") != (self.document.draft >= 2020) {
                continue;
            }
            if let Some(target) = self.document.resolve_dynamic(self.schema, to) {
                let mistake = self.reference(&target, keyword);
                self.mistakes.extend(mistake);
            }
        }
    }

    /// not, allOf, anyOf, oneOf and if.
    fn combinations(&mut self) {
        if let Some(not) = self.schema.keyword("not")
            && self.same(&not, None).is_none()
        {
            self.fail("'not' failed");
        }
        let causes: Vec<Mistake> = self
            .schema
            .list("allOf")
            .iter()
            .filter_map(|schema| self.same(schema, None))
            .collect();
        if !causes.is_empty() {
            self.fail_because("'allOf' failed", causes);
        }
        self.any_of();
        self.one_of();
        if self.document.draft >= 7
            && let Some(condition) = self.schema.keyword("if")
        {
            let branch = if self.same(&condition, None).is_none() {
                "then"
            } else {
                "else"
            };
            if let Some(branch) = self.schema.keyword(branch) {
                let mistake = self.same(&branch, None);
                self.mistakes.extend(mistake);
            }
        }
    }

    fn any_of(&mut self) {
        let schemas = self.schema.list("anyOf");
        let (mut is_matched, mut causes) = (schemas.is_empty(), Vec::new());
        for schema in &schemas {
            match self.same(schema, None) {
                Some(mistake) => causes.push(mistake),
                None => {
                    is_matched = true;
                    if self.unevaluated.is_empty() {
                        break;
                    }
                }
            }
        }
        if !is_matched {
            self.fail_because("'anyOf' failed", causes);
        }
    }

    fn one_of(&mut self) {
        let schemas = self.schema.list("oneOf");
        let (mut matched, mut causes) = (None, Vec::new());
        for (index, schema) in schemas.iter().enumerate() {
            match (self.same(schema, None), matched) {
                (Some(mistake), None) => causes.push(mistake),
                (Some(_), Some(_)) => {}
                (None, None) => matched = Some(index),
                (None, Some(first)) => {
                    self.fail(format!(
                        "'oneOf' failed, subschemas {first}, {index} matched"
                    ));
                    break;
                }
            }
        }
        if matched.is_none() && !schemas.is_empty() {
            self.fail_because("'oneOf' failed, none matched", causes);
        }
    }

    fn unevaluated_rest(&mut self) {
        if let (Some(schema), Json::Object(object)) =
            (self.schema.keyword("unevaluatedProperties"), self.value)
        {
            for name in std::mem::take(&mut self.unevaluated.properties) {
                let mistake = object
                    .get(&name)
                    .and_then(|value| self.inner(&schema, value, &name));
                self.mistakes.extend(mistake);
            }
        }
        if let (Some(schema), Json::Array(items)) =
            (self.schema.keyword("unevaluatedItems"), self.value)
        {
            for index in std::mem::take(&mut self.unevaluated.items) {
                let mistake = self.inner(&schema, &items[index], &index.to_string());
                self.mistakes.extend(mistake);
            }
        }
    }
}
