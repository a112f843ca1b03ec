//! Why values do not fit a schema, as a tree of mistakes in the order and the words of Helm's library.
//!
//! Knows the drafts 4, 6, 7, 2019-09 and 2020-12 but for `unevaluated*`, dynamic references and
//! references into other documents; what it cannot explain it leaves to the caller.

use serde_json::{Map as JsonMap, Value as Json};

use super::compare::{duplicates, equal, find_anchor, has_type, matches, missing};
use super::words::{count, display, join_quoted, kind_of, number, pointer, quote};

/// Schemas that refer to themselves end here.
const DEPTH_MAX: usize = 100;

/// Returns one line for each mistake, or `None` when no mistake is found.
pub(super) fn explain(schema: &Json, values: &Json) -> Option<String> {
    let explainer = Explainer {
        root: schema,
        draft: draft_of(schema),
    };
    let mistake = explainer.check(schema, values, &[], 0)?;
    let mut lines = Vec::new();
    let mistakes = match mistake {
        Mistake {
            kind: Kind::Group,
            causes,
            ..
        } => causes,
        mistake => vec![mistake],
    };
    for mistake in &mistakes {
        mistake.write(0, &mut lines);
    }
    Some(lines.join("\n"))
}

fn draft_of(schema: &Json) -> u32 {
    let uri = schema.get("$schema").and_then(Json::as_str).unwrap_or("");
    match uri {
        uri if uri.contains("draft-04") => 4,
        uri if uri.contains("draft-06") => 6,
        uri if uri.contains("draft-07") => 7,
        uri if uri.contains("2019-09") => 2019,
        _ => 2020,
    }
}

enum Kind {
    /// Several mistakes of one place; not shown at the top.
    Group,
    /// A `$ref` whose target does not fit; not shown when there is one cause.
    Reference,
    Words(String),
}

struct Mistake {
    place: Vec<String>,
    kind: Kind,
    causes: Vec<Mistake>,
}

impl Mistake {
    fn write(&self, indent: usize, lines: &mut Vec<String>) {
        let hidden = matches!(self.kind, Kind::Reference) && self.causes.len() == 1;
        let mut inner = indent;
        if !hidden {
            let words = match &self.kind {
                Kind::Words(words) => words,
                Kind::Group | Kind::Reference => "validation failed",
            };
            let blanks = "  ".repeat(indent);
            lines.push(format!("{blanks}- at {}: {words}", pointer(&self.place)));
            inner += 1;
        }
        for cause in &self.causes {
            cause.write(inner, lines);
        }
    }
}

struct Explainer<'schema> {
    root: &'schema Json,
    draft: u32,
}

/// What was found wrong with one value.
struct Found<'place> {
    place: &'place [String],
    mistakes: Vec<Mistake>,
}

impl Found<'_> {
    fn words(&mut self, words: String) {
        self.with_causes(words, Vec::new());
    }

    fn with_causes(&mut self, words: String, causes: Vec<Mistake>) {
        self.mistakes.push(Mistake {
            place: self.place.to_vec(),
            kind: Kind::Words(words),
            causes,
        });
    }

    /// One mistake stands for itself, several become a group.
    fn finish(mut self) -> Option<Mistake> {
        match self.mistakes.len() {
            0 => None,
            1 => self.mistakes.pop(),
            _ => Some(Mistake {
                place: self.place.to_vec(),
                kind: Kind::Group,
                causes: self.mistakes,
            }),
        }
    }
}

fn child_place(place: &[String], part: &str) -> Vec<String> {
    let mut child = place.to_vec();
    child.push(part.to_owned());
    child
}

impl Explainer<'_> {
    fn check(
        &self,
        schema: &Json,
        value: &Json,
        place: &[String],
        depth: usize,
    ) -> Option<Mistake> {
        let mut found = Found {
            place,
            mistakes: Vec::new(),
        };
        let schema = match schema {
            Json::Bool(false) => {
                found.words("false schema".to_owned());
                return found.finish();
            }
            Json::Object(schema) if depth < DEPTH_MAX => schema,
            _ => return None,
        };
        // Up to draft 7 a reference stands alone.
        let reference = schema.get("$ref").and_then(Json::as_str);
        if let (Some(reference), true) = (reference, self.draft < 2019) {
            return self.reference(reference, value, place, depth);
        }
        if let Some(words) = self.first_of_basics(schema, value) {
            found.words(words);
            return found.finish();
        }
        if let Some(reference) = reference {
            found
                .mistakes
                .extend(self.reference(reference, value, place, depth));
        }
        match value {
            Json::Object(object) => self.object(schema, object, &mut found, depth),
            Json::Array(items) => self.array(schema, items, &mut found, depth),
            Json::String(text) => string(schema, text, &mut found),
            Json::Number(_) => self.number(schema, value, &mut found),
            Json::Null | Json::Bool(_) => {}
        }
        self.combinations(schema, value, &mut found, depth);
        found.finish()
    }

    /// Type, const, enum and format: the first that does not fit ends the check.
    fn first_of_basics(&self, schema: &JsonMap<String, Json>, value: &Json) -> Option<String> {
        if let Some(types) = schema.get("type") {
            let wanted: Vec<&str> = match types {
                Json::String(one) => vec![one],
                Json::Array(several) => several.iter().filter_map(Json::as_str).collect(),
                _ => Vec::new(),
            };
            if !wanted.is_empty() && !wanted.iter().any(|wanted| has_type(value, wanted)) {
                // The library keeps types as a set with an order of its own.
                let order = [
                    "null", "boolean", "number", "integer", "string", "array", "object",
                ];
                let wanted: Vec<&str> = order
                    .into_iter()
                    .filter(|known| wanted.contains(known))
                    .collect();
                return Some(format!(
                    "got {}, want {}",
                    kind_of(value),
                    wanted.join(" or ")
                ));
            }
        }
        if let Some(wanted) = schema.get("const").filter(|wanted| !equal(wanted, value)) {
            return Some(match wanted {
                Json::Array(_) | Json::Object(_) => "'const' failed".to_owned(),
                wanted => format!("value must be {}", display(wanted)),
            });
        }
        if let Some(Json::Array(wanted)) = schema.get("enum")
            && !wanted.iter().any(|wanted| equal(wanted, value))
        {
            let shown: Vec<String> = wanted.iter().map(display).collect();
            return Some(
                if wanted.iter().any(|one| one.is_array() || one.is_object()) {
                    "'enum' failed".to_owned()
                } else if let [one] = shown.as_slice() {
                    format!("value must be {one}")
                } else {
                    format!("value must be one of {}", shown.join(", "))
                },
            );
        }
        let format = schema.get("format").and_then(Json::as_str)?;
        let alone = serde_json::json!({ "format": format });
        let fits = jsonschema::options()
            .should_validate_formats(self.draft < 2019)
            .build(&alone)
            .is_ok_and(|validator| validator.is_valid(value));
        (!fits).then(|| format!("{} is not valid {format}: invalid", display(value)))
    }

    fn reference(
        &self,
        reference: &str,
        value: &Json,
        place: &[String],
        depth: usize,
    ) -> Option<Mistake> {
        let target = self.resolve(reference)?;
        let mistake = self.check(target, value, place, depth + 1)?;
        let causes = match mistake {
            Mistake {
                kind: Kind::Group,
                causes,
                ..
            } => causes,
            mistake => vec![mistake],
        };
        Some(Mistake {
            place: place.to_vec(),
            kind: Kind::Reference,
            causes,
        })
    }

    /// Finds the target of a reference into the same document.
    fn resolve(&self, reference: &str) -> Option<&Json> {
        let fragment = reference.strip_prefix('#')?;
        if fragment.is_empty() {
            return Some(self.root);
        }
        if fragment.starts_with('/') {
            return self.root.pointer(&fragment.replace("%25", "%"));
        }
        find_anchor(self.root, fragment, 0)
    }

    fn object(
        &self,
        schema: &JsonMap<String, Json>,
        object: &JsonMap<String, Json>,
        found: &mut Found<'_>,
        depth: usize,
    ) {
        bounds(
            schema,
            "minProperties",
            "maxProperties",
            object.len(),
            found,
        );
        if let Some(Json::Array(required)) = schema.get("required") {
            match missing(required, object).as_slice() {
                [] => {}
                [one] => found.words(format!("missing property {}", quote(one))),
                several => found.words(format!("missing properties {}", join_quoted(several))),
            }
        }
        self.dependent(schema, object, found, depth);
        self.properties(schema, object, found, depth);
        if let Some(names) = schema.get("propertyNames") {
            for name in object.keys() {
                let value = Json::String(name.clone());
                if let Some(mistake) = self.check(names, &value, &[], depth + 1) {
                    let causes = match mistake {
                        Mistake {
                            kind: Kind::Group,
                            causes,
                            ..
                        } => causes,
                        mistake => vec![mistake],
                    };
                    found.with_causes(format!("invalid propertyName {}", quote(name)), causes);
                }
            }
        }
    }

    fn dependent(
        &self,
        schema: &JsonMap<String, Json>,
        object: &JsonMap<String, Json>,
        found: &mut Found<'_>,
        depth: usize,
    ) {
        for keyword in ["dependencies", "dependentSchemas", "dependentRequired"] {
            let Some(Json::Object(entries)) = schema.get(keyword) else {
                continue;
            };
            for (name, dependency) in entries
                .iter()
                .filter(|(name, _)| object.contains_key(*name))
            {
                if let Json::Array(required) = dependency {
                    let missing = missing(required, object);
                    if !missing.is_empty() {
                        found.words(format!(
                            "properties {} required, if {} exists",
                            join_quoted(&missing),
                            quote(name)
                        ));
                    }
                } else {
                    let value = Json::Object(object.clone());
                    let mistake = self.check(dependency, &value, found.place, depth + 1);
                    found.mistakes.extend(mistake);
                }
            }
        }
    }

    fn properties(
        &self,
        schema: &JsonMap<String, Json>,
        object: &JsonMap<String, Json>,
        found: &mut Found<'_>,
        depth: usize,
    ) {
        let empty = JsonMap::new();
        let section = |name: &str| schema.get(name).and_then(Json::as_object).unwrap_or(&empty);
        let (properties, patterns) = (section("properties"), section("patternProperties"));
        let mut not_allowed = Vec::new();
        for (name, value) in object {
            let place = child_place(found.place, name);
            let mut known = false;
            let own = properties.get(name).into_iter();
            let by_pattern = patterns
                .iter()
                .filter(|(pattern, _)| matches(pattern, name))
                .map(|(_, schema)| schema);
            for schema in own.chain(by_pattern) {
                known = true;
                found
                    .mistakes
                    .extend(self.check(schema, value, &place, depth + 1));
            }
            match schema.get("additionalProperties") {
                Some(Json::Bool(false)) if !known => not_allowed.push(name.clone()),
                Some(additional @ Json::Object(_)) if !known => {
                    found
                        .mistakes
                        .extend(self.check(additional, value, &place, depth + 1))
                }
                _ => {}
            }
        }
        if !not_allowed.is_empty() {
            let names = join_quoted(&not_allowed);
            found.words(format!("additional properties {names} not allowed"));
        }
    }

    fn array(
        &self,
        schema: &JsonMap<String, Json>,
        items: &[Json],
        found: &mut Found<'_>,
        depth: usize,
    ) {
        bounds(schema, "minItems", "maxItems", items.len(), found);
        if schema.get("uniqueItems") == Some(&Json::Bool(true))
            && let Some((first, second)) = duplicates(items)
        {
            found.words(format!("items at {first} and {second} are equal"));
        }
        let (prefix, rest) = if self.draft < 2020 {
            match schema.get("items") {
                Some(Json::Array(prefix)) => (prefix.as_slice(), schema.get("additionalItems")),
                other => (&[][..], other),
            }
        } else {
            let prefix = schema.get("prefixItems").and_then(Json::as_array);
            (prefix.map_or(&[][..], Vec::as_slice), schema.get("items"))
        };
        if self.draft < 2020
            && !prefix.is_empty()
            && rest == Some(&Json::Bool(false))
            && items.len() > prefix.len()
        {
            let number = count(items.len() - prefix.len());
            found.words(format!("last {number} additionalItem(s) not allowed"));
        }
        for (index, item) in items.iter().enumerate() {
            let schema = match prefix.get(index) {
                Some(schema) => schema,
                None => match rest {
                    Some(Json::Bool(false)) if self.draft < 2020 && !prefix.is_empty() => continue,
                    Some(schema) => schema,
                    None => continue,
                },
            };
            let place = child_place(found.place, &index.to_string());
            found
                .mistakes
                .extend(self.check(schema, item, &place, depth + 1));
        }
        if let Some(contains) = schema.get("contains") {
            self.contains(schema, contains, items, found, depth);
        }
    }

    fn contains(
        &self,
        schema: &JsonMap<String, Json>,
        contains: &Json,
        items: &[Json],
        found: &mut Found<'_>,
        depth: usize,
    ) {
        let (mut matched, mut causes) = (Vec::new(), Vec::new());
        for (index, item) in items.iter().enumerate() {
            let place = child_place(found.place, &index.to_string());
            match self.check(contains, item, &place, depth + 1) {
                None => matched.push(index.to_string()),
                Some(mistake) => causes.push(mistake),
            }
        }
        let limit = |name: &str| schema.get(name).and_then(Json::as_u64).map(to_count);
        let (number, at) = (count(matched.len()), matched.join(" "));
        match limit("minContains") {
            None if matched.is_empty() => {
                found.with_causes("no items match contains schema".to_owned(), causes);
            }
            Some(wanted) if matched.len() < wanted => {
                let wanted = count(wanted);
                let got = if matched.is_empty() {
                    "none matched".to_owned()
                } else {
                    format!("matched {number} items at {at}")
                };
                found.with_causes(
                    format!("min {wanted} items required to match contains schema, but {got}"),
                    causes,
                );
            }
            _ => {}
        }
        if let Some(wanted) = limit("maxContains").filter(|wanted| matched.len() > *wanted) {
            let wanted = count(wanted);
            found.words(format!(
                "max {wanted} items required to match contains schema, but matched {number} items at {at}"
            ));
        }
    }

    fn number(&self, schema: &JsonMap<String, Json>, value: &Json, found: &mut Found<'_>) {
        let Json::Number(got) = value else { return };
        let got_value = got.as_f64().unwrap_or(f64::NAN);
        let mut compare = |keyword: &str, limit: &Json, fails: &dyn Fn(f64) -> bool| {
            if let Json::Number(limit) = limit
                && fails(limit.as_f64().unwrap_or(f64::NAN))
            {
                found.words(format!(
                    "{keyword}: got {}, want {}",
                    number(got),
                    number(limit)
                ));
            }
        };
        // In draft 4 the exclusive bounds are flags of the others.
        let flag = |name: &str| schema.get(name) == Some(&Json::Bool(true));
        for (keyword, exclusive, lower) in [
            ("minimum", "exclusiveMinimum", true),
            ("maximum", "exclusiveMaximum", false),
        ] {
            let beyond = |limit: f64| {
                if lower {
                    got_value < limit
                } else {
                    got_value > limit
                }
            };
            let reached = |limit: f64| beyond(limit) || got_value == limit;
            if let Some(limit) = schema.get(keyword) {
                if self.draft == 4 && flag(exclusive) {
                    compare(exclusive, limit, &reached);
                } else {
                    compare(keyword, limit, &beyond);
                }
            }
            if let Some(limit) = schema.get(exclusive) {
                compare(exclusive, limit, &reached);
            }
        }
        if let Some(divisor) = schema.get("multipleOf") {
            let alone = serde_json::json!({ "multipleOf": divisor });
            let fits = jsonschema::is_valid(&alone, value);
            compare("multipleOf", divisor, &|_| !fits);
        }
    }

    /// not, allOf, anyOf, oneOf and if.
    fn combinations(
        &self,
        schema: &JsonMap<String, Json>,
        value: &Json,
        found: &mut Found<'_>,
        depth: usize,
    ) {
        let place = found.place;
        let check = |schema: &Json| self.check(schema, value, place, depth + 1);
        let list = |name: &str| schema.get(name).and_then(Json::as_array);
        if schema.get("not").is_some_and(|not| check(not).is_none()) {
            found.words("'not' failed".to_owned());
        }
        if let Some(all) = list("allOf") {
            let causes: Vec<Mistake> = all.iter().filter_map(check).collect();
            if !causes.is_empty() {
                found.with_causes("'allOf' failed".to_owned(), causes);
            }
        }
        if let Some(any) = list("anyOf") {
            let causes: Vec<Mistake> = any.iter().filter_map(check).collect();
            if causes.len() == any.len() {
                found.with_causes("'anyOf' failed".to_owned(), causes);
            }
        }
        if let Some(one) = list("oneOf") {
            let (mut matched, mut causes) = (Vec::new(), Vec::new());
            for (index, schema) in one.iter().enumerate() {
                match check(schema) {
                    None => matched.push(index),
                    Some(mistake) => causes.push(mistake),
                }
            }
            match matched.as_slice() {
                [] => found.with_causes("'oneOf' failed, none matched".to_owned(), causes),
                [_] => {}
                [first, second, ..] => found.words(format!(
                    "'oneOf' failed, subschemas {first}, {second} matched"
                )),
            }
        }
        if let Some(condition) = schema.get("if").filter(|_| self.draft >= 7) {
            let branch = if check(condition).is_none() {
                "then"
            } else {
                "else"
            };
            let mistake = schema.get(branch).and_then(check);
            found.mistakes.extend(mistake);
        }
    }
}

fn string(schema: &JsonMap<String, Json>, text: &str, found: &mut Found<'_>) {
    bounds(
        schema,
        "minLength",
        "maxLength",
        text.chars().count(),
        found,
    );
    if let Some(Json::String(pattern)) = schema.get("pattern")
        && !matches(pattern, text)
    {
        found.words(format!(
            "{} does not match pattern {}",
            quote(text),
            quote(pattern)
        ));
    }
}

fn to_count(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

fn bounds(
    schema: &JsonMap<String, Json>,
    lower: &str,
    upper: &str,
    got: usize,
    found: &mut Found<'_>,
) {
    // A whole number may be written as a float.
    let limit = |name: &str| schema.get(name).and_then(Json::as_f64);
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
    let size = got as f64;
    let shown = |limit: f64| {
        let number = serde_json::Number::from_f64(limit);
        number.map(|limit| number_text(&limit)).unwrap_or_default()
    };
    if let Some(limit) = limit(lower).filter(|limit| size < *limit) {
        found.words(format!(
            "{lower}: got {}, want {}",
            count(got),
            shown(limit)
        ));
    }
    if let Some(limit) = limit(upper).filter(|limit| size > *limit) {
        found.words(format!(
            "{upper}: got {}, want {}",
            count(got),
            shown(limit)
        ));
    }
}

fn number_text(limit: &serde_json::Number) -> String {
    number(limit)
}
