//! The keywords that look at one kind of value.

use serde_json::{Map as JsonMap, Value as Json};

use super::{
    compare::{duplicates, equal, has_type, lookup, matches, missing},
    formats,
    mistake::Mistake,
    validate::{Visit, validate},
    words::{count, display, join_quoted, kind_of, number, quote},
};

impl<'schema> Visit<'_, 'schema> {
    /// Type, const, enum and format: the first that does not fit ends the check.
    pub(super) fn first_of_basics(&self) -> Option<String> {
        let (value, draft) = (self.value, self.document.draft);
        if let Some(types) = self.get("type") {
            let wanted = match types {
                Json::String(_) => std::slice::from_ref(types),
                Json::Array(several) => several,
                _ => &[],
            };
            let names = || wanted.iter().filter_map(Json::as_str);
            if names().next().is_some() && !names().any(|wanted| has_type(value, wanted)) {
                let wanted: Vec<&str> = names().collect();
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
        if let Some(words) = self.unlike_constant() {
            return Some(words);
        }
        if let Some(Json::Array(wanted)) = self.get("enum")
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
        let format = self.text("format")?;
        let asserted = draft < 2019 || self.document.is_meta;
        if !asserted {
            return None;
        }
        let known = value
            .as_str()
            .and_then(|text| formats::problem(format, text));
        let problem = match known {
            Some(outcome) => outcome.err()?,
            None => {
                let alone = serde_json::json!({ "format": format });
                let fits = jsonschema::options()
                    .should_validate_formats(true)
                    .build(&alone)
                    .is_ok_and(|validator| validator.is_valid(value));
                if fits {
                    return None;
                }
                "invalid".to_owned()
            }
        };
        Some(format!(
            "{} is not valid {format}: {problem}",
            display(value)
        ))
    }

    pub(super) fn unlike_constant(&self) -> Option<String> {
        let constant = self.get("const");
        let wanted = constant.filter(|_| self.document.draft >= 6)?;
        if equal(wanted, self.value) {
            return None;
        }
        Some(match wanted {
            Json::Array(_) | Json::Object(_) => "'const' failed".to_owned(),
            wanted => format!("value must be {}", display(wanted)),
        })
    }

    pub(super) fn by_kind(&mut self) {
        match self.value {
            Json::Object(object) => self.object(object),
            Json::Array(items) => self.array(items),
            Json::String(text) => self.string(text),
            Json::Number(got) => self.number(got),
            Json::Null | Json::Bool(_) => {}
        }
    }

    fn object(&mut self, object: &JsonMap<String, Json>) {
        self.bounds("minProperties", "maxProperties", object.len());
        if let Some(Json::Array(required)) = self.get("required") {
            match missing(required, object).as_slice() {
                [] => {}
                [one] => self.fail(format!("missing property {}", quote(one))),
                several => self.fail(format!("missing properties {}", join_quoted(several))),
            }
        }
        self.dependent("dependencies", object);
        self.properties(object);
        if self.document.draft >= 6
            && let Some(names) = self.schema.keyword("propertyNames")
        {
            for name in object.keys() {
                let value = Json::String(name.clone());
                if let Err(mistake) = validate(self.document, names.clone(), &value) {
                    self.fail_because(
                        format!("invalid propertyName {}", quote(name)),
                        mistake.into_causes(),
                    );
                }
            }
        }
        if self.document.draft >= 2019 {
            self.dependent("dependentSchemas", object);
            self.dependent("dependentRequired", object);
        }
    }

    fn dependent(&mut self, keyword: &'static str, object: &JsonMap<String, Json>) {
        for (name, dependency) in self.schema.map(keyword) {
            if !object.contains_key(name) {
                continue;
            }
            if let Json::Array(required) = dependency.json {
                let missing = missing(required, object);
                if !missing.is_empty() {
                    self.fail(format!(
                        "properties {} required, if {} exists",
                        join_quoted(&missing),
                        quote(name)
                    ));
                }
            } else {
                let mistake = self.same(&dependency, None);
                self.mistakes.extend(mistake);
            }
        }
    }

    fn properties(&mut self, object: &JsonMap<String, Json>) {
        let patterns = self.schema.map("patternProperties");
        let additional = self.schema.keyword("additionalProperties");
        let mut not_allowed = Vec::new();
        for (name, value) in object {
            let own = self.schema.entry("properties", name);
            let by_pattern = patterns
                .iter()
                .filter(|(pattern, _)| matches(pattern, name));
            let mut known = false;
            for schema in own.iter().chain(by_pattern.map(|(_, schema)| schema)) {
                known = true;
                let mistake = self.inner(schema, value, name);
                self.mistakes.extend(mistake);
            }
            if let (false, Some(additional)) = (known, &additional) {
                known = true;
                if additional.json == &Json::Bool(false) {
                    not_allowed.push(name.clone());
                } else {
                    let mistake = self.inner(additional, value, name);
                    self.mistakes.extend(mistake);
                }
            }
            if known {
                self.unevaluated.properties.remove(name);
            }
        }
        if !not_allowed.is_empty() {
            let names = join_quoted(&not_allowed);
            self.fail(format!("additional properties {names} not allowed"));
        }
    }

    fn array(&mut self, items: &[Json]) {
        self.bounds("minItems", "maxItems", items.len());
        if self.get("uniqueItems") == Some(&Json::Bool(true))
            && let Some((first, second)) = duplicates(items)
        {
            self.fail(format!("items at {first} and {second} are equal"));
        }
        let (prefix, rest) = if self.document.draft >= 2020 {
            (
                self.schema.list("prefixItems"),
                self.schema.keyword("items"),
            )
        } else if self.get("items").is_some_and(Json::is_array) {
            (
                self.schema.list("items"),
                self.schema.keyword("additionalItems"),
            )
        } else {
            (Vec::new(), self.schema.keyword("items"))
        };
        for (index, (item, schema)) in items.iter().zip(&prefix).enumerate() {
            let mistake = self.inner(schema, item, &index.to_string());
            self.mistakes.extend(mistake);
        }
        let is_additional = self.document.draft < 2020 && !prefix.is_empty();
        match rest {
            Some(rest)
                if is_additional
                    && rest.json == &Json::Bool(false)
                    && items.len() > prefix.len() =>
            {
                let number = count(items.len() - prefix.len());
                self.fail(format!("last {number} additionalItem(s) not allowed"));
            }
            Some(rest) => {
                for (index, item) in items.iter().enumerate().skip(prefix.len()) {
                    let mistake = self.inner(&rest, item, &index.to_string());
                    self.mistakes.extend(mistake);
                }
            }
            None => {}
        }
        if self.document.draft >= 6
            && let Some(contains) = self.schema.keyword("contains")
        {
            self.contains(&contains, items);
        }
    }

    fn contains(&mut self, contains: &super::document::Schema<'schema>, items: &[Json]) {
        let (mut matched, mut causes): (Vec<usize>, Vec<Mistake>) = (Vec::new(), Vec::new());
        for (index, item) in items.iter().enumerate() {
            match self.inner(contains, item, &index.to_string()) {
                None => {
                    matched.push(index);
                    if self.document.draft >= 2020 {
                        self.unevaluated.items.remove(&index);
                    }
                }
                Some(mistake) => causes.push(mistake),
            }
        }
        let limit = |name: &str| {
            let limit = self
                .keywords
                .get(name)
                .filter(|_| self.document.draft >= 2019);
            limit.and_then(Json::as_u64).map(to_count)
        };
        let (least, most) = (limit("minContains"), limit("maxContains"));
        let at: Vec<String> = matched.iter().map(usize::to_string).collect();
        let (number, at) = (count(matched.len()), at.join(" "));
        match least {
            None if matched.is_empty() => {
                self.fail_because("no items match contains schema", causes);
            }
            Some(wanted) if matched.len() < wanted => {
                let wanted = count(wanted);
                let got = if matched.is_empty() {
                    "none matched".to_owned()
                } else {
                    format!("matched {number} items at {at}")
                };
                self.fail_because(
                    format!("min {wanted} items required to match contains schema, but {got}"),
                    causes,
                );
            }
            _ => {}
        }
        if let Some(wanted) = most.filter(|wanted| matched.len() > *wanted) {
            let wanted = count(wanted);
            self.fail(format!(
                "max {wanted} items required to match contains schema, but matched {number} items at {at}"
            ));
        }
    }

    fn string(&mut self, text: &str) {
        self.bounds("minLength", "maxLength", text.chars().count());
        if let Some(pattern) = self
            .text("pattern")
            .filter(|pattern| !matches(pattern, text))
        {
            self.fail(format!(
                "{} does not match pattern {}",
                quote(text),
                quote(pattern)
            ));
        }
    }

    fn number(&mut self, got: &serde_json::Number) {
        let got_value = got.as_f64().unwrap_or(f64::NAN);
        let (keywords, value) = (self.keywords, self.value);
        let mut compare = |keyword: &str, limit: &Json, fails: &dyn Fn(f64) -> bool| {
            if let Json::Number(limit) = limit
                && fails(limit.as_f64().unwrap_or(f64::NAN))
            {
                self.fail(format!(
                    "{keyword}: got {}, want {}",
                    number(got),
                    number(limit)
                ));
            }
        };
        // In draft 4 the exclusive bounds are flags of the others.
        let flag = |name: &str| lookup(keywords, name) == Some(&Json::Bool(true));
        let bounds = [
            ("minimum", "exclusiveMinimum", true),
            ("maximum", "exclusiveMaximum", false),
        ];
        let beyond = |limit: f64, lower: bool| {
            if lower {
                got_value < limit
            } else {
                got_value > limit
            }
        };
        let reached = |limit: f64, lower: bool| beyond(limit, lower) || got_value == limit;
        for (keyword, exclusive, lower) in bounds {
            if let Some(limit) = lookup(keywords, keyword).filter(|_| !flag(exclusive)) {
                compare(keyword, limit, &|limit| beyond(limit, lower));
            }
        }
        for (keyword, exclusive, lower) in bounds {
            let name = if flag(exclusive) { keyword } else { exclusive };
            if let Some(limit) = lookup(keywords, name) {
                compare(exclusive, limit, &|limit| reached(limit, lower));
            }
        }
        if let Some(divisor) = lookup(keywords, "multipleOf") {
            let alone = serde_json::json!({ "multipleOf": divisor });
            let fits = jsonschema::is_valid(&alone, value);
            compare("multipleOf", divisor, &|_| !fits);
        }
    }

    fn bounds(&mut self, lower: &str, upper: &str, got: usize) {
        // A whole number may be written as a float.
        let keywords = self.keywords;
        let limit = |name: &str| lookup(keywords, name).and_then(Json::as_f64);
        #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
        let size = got as f64;
        let shown = |limit: f64| {
            let limit = serde_json::Number::from_f64(limit);
            limit.map(|limit| number(&limit)).unwrap_or_default()
        };
        if let Some(limit) = limit(lower).filter(|limit| size < *limit) {
            self.fail(format!(
                "{lower}: got {}, want {}",
                count(got),
                shown(limit)
            ));
        }
        if let Some(limit) = limit(upper).filter(|limit| size > *limit) {
            self.fail(format!(
                "{upper}: got {}, want {}",
                count(got),
                shown(limit)
            ));
        }
    }
}

fn to_count(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
