//! values.schema.json in every draft that Helm accepts: one for each of several subcharts.

use serde_json::{Map, Value as Json, json};

use crate::{case::Case, random::Random};

pub(crate) const SUBCHARTS: usize = 4;
const PROPERTIES: &[&str] = &["a", "b", "c", "d-e", "f/g", "h~i"];

pub(crate) fn generate(random: &mut Random) -> Case {
    let mut case = Case::new();
    let mut declared = String::new();
    let mut values = Map::new();
    for number in 0..SUBCHARTS {
        let name = format!("sub{number}");
        declared.push_str(&format!("- {{name: {name}, version: \"*\"}}\n"));
        let folder = format!("chart/charts/{name}");
        case.file(
            format!("{folder}/Chart.yaml"),
            format!("name: {name}\nversion: 1.0.0\napiVersion: v2\n"),
        );
        let draft = random.below(6);
        let mut schema = Generator { random, draft }.root();
        if let Some(uri) = DRAFTS[draft] {
            schema.insert("$schema".to_owned(), json!(uri));
        }
        let text = serde_json::to_string_pretty(&schema).unwrap();
        case.file(format!("{folder}/values.schema.json"), text);
        values.insert(name, object(random, 3));
    }
    case.file(
        "chart/Chart.yaml",
        format!("name: root\nversion: 1.0.0\napiVersion: v2\ndependencies:\n{declared}"),
    );
    case.file("chart/values.yaml", Json::Object(values).to_string());
    case
}

const DRAFTS: [Option<&str>; 6] = [
    Some("http://json-schema.org/draft-07/schema#"),
    Some("http://json-schema.org/draft-04/schema#"),
    Some("http://json-schema.org/draft-06/schema#"),
    Some("https://json-schema.org/draft/2019-09/schema"),
    Some("https://json-schema.org/draft/2020-12/schema"),
    None,
];

fn object(random: &mut Random, depth: usize) -> Json {
    let mut entries = Map::new();
    for name in PROPERTIES {
        if random.chance(55) {
            entries.insert((*name).to_owned(), value(random, depth));
        }
    }
    Json::Object(entries)
}

fn value(random: &mut Random, depth: usize) -> Json {
    match random.below(if depth == 0 { 9 } else { 13 }) {
        0 => json!(null),
        1 => json!(true),
        2 => json!(random.below(8)),
        3 => json!(-3),
        4 => json!(1.5),
        5 => json!(random.pick(&[
            "",
            "a",
            "abc",
            "é",
            "2020-01-01",
            "it's",
            "a\"b",
            "10.0.0.1",
            "x@y.z"
        ])),
        6 => json!(1e21),
        7 => json!(2.0),
        8 => json!("b"),
        9 | 10 => object(random, depth - 1),
        _ => (0..random.below(4))
            .map(|_| value(random, depth - 1))
            .collect(),
    }
}

struct Generator<'random> {
    random: &'random mut Random,
    draft: usize,
}

impl Generator<'_> {
    fn modern(&self) -> bool {
        self.draft >= 3
    }

    fn root(&mut self) -> Map<String, Json> {
        let mut schema = self.schema(3);
        if self.random.chance(60) {
            let definitions: Map<String, Json> = ["x", "y", "z w"]
                .iter()
                .map(|name| ((*name).to_owned(), Json::Object(self.schema(1))))
                .collect();
            let name = if self.modern() {
                "$defs"
            } else {
                "definitions"
            };
            schema.insert(name.to_owned(), Json::Object(definitions));
        }
        schema
    }

    fn sub(&mut self, depth: usize) -> Json {
        if self.draft != 1 && self.random.chance(7) {
            return json!(self.random.chance(50));
        }
        Json::Object(self.schema(depth.saturating_sub(1)))
    }

    fn subs(&mut self, depth: usize) -> Json {
        (0..=self.random.below(3))
            .map(|_| self.sub(depth))
            .collect()
    }

    fn schema(&mut self, depth: usize) -> Map<String, Json> {
        let mut schema = Map::new();
        for _ in 0..=self.random.below(3) {
            let (name, value) = if depth > 0 && self.random.chance(60) {
                self.applicator(depth)
            } else {
                self.assertion()
            };
            schema.insert(name.to_owned(), value);
        }
        if self.random.chance(1) {
            let (name, wrong) = [
                ("type", json!("strin")),
                ("minimum", json!("1")),
                ("required", json!("a")),
                ("pattern", json!("(")),
                ("properties", json!([])),
                ("enum", json!([])),
                ("$ref", json!("#/nowhere")),
                ("multipleOf", json!(0)),
                ("minLength", json!(-1)),
                ("additionalProperties", json!(5)),
            ][self.random.below(10)]
            .clone();
            schema.insert(name.to_owned(), wrong);
        }
        schema
    }

    fn applicator(&mut self, depth: usize) -> (&'static str, Json) {
        match self.random.below(22) {
            0..=5 => {
                let mut entries = Map::new();
                for name in PROPERTIES {
                    if self.random.chance(45) {
                        entries.insert((*name).to_owned(), self.sub(depth));
                    }
                }
                ("properties", Json::Object(entries))
            }
            6 => {
                let mut entries = Map::new();
                for pattern in ["^[a-c]$", "-", "^.$", "é"] {
                    if self.random.chance(40) {
                        entries.insert(pattern.to_owned(), self.sub(depth));
                    }
                }
                ("patternProperties", Json::Object(entries))
            }
            7 => (
                "additionalProperties",
                if self.random.chance(50) {
                    json!(false)
                } else {
                    self.sub(depth)
                },
            ),
            8 => (
                "items",
                if self.random.chance(30) && self.draft < 4 {
                    self.subs(depth)
                } else {
                    self.sub(depth)
                },
            ),
            9 => (
                "additionalItems",
                if self.random.chance(50) {
                    json!(false)
                } else {
                    self.sub(depth)
                },
            ),
            10 => ("prefixItems", self.subs(depth)),
            11 => ("contains", self.sub(depth)),
            12 => ("allOf", self.subs(depth)),
            13 => ("anyOf", self.subs(depth)),
            14 => ("oneOf", self.subs(depth)),
            15 => ("not", self.sub(depth)),
            16 => (self.random.pick(&["if", "then", "else"]), self.sub(depth)),
            17 => ("propertyNames", self.sub(depth)),
            18 => {
                let name = self.random.pick(&["dependencies", "dependentSchemas"]);
                let mut entries = Map::new();
                for property in ["a", "b"] {
                    let dependency = if name == "dependencies" && self.random.chance(50) {
                        json!(["c", "f/g"])
                    } else {
                        self.sub(depth)
                    };
                    entries.insert(property.to_owned(), dependency);
                }
                (name, Json::Object(entries))
            }
            19 => (
                "unevaluatedProperties",
                if self.random.chance(60) {
                    json!(false)
                } else {
                    self.sub(depth)
                },
            ),
            20 => (
                "unevaluatedItems",
                if self.random.chance(60) {
                    json!(false)
                } else {
                    self.sub(depth)
                },
            ),
            _ => ("$ref", json!(self.reference())),
        }
    }

    fn reference(&mut self) -> String {
        let folder = if self.modern() {
            "$defs"
        } else {
            "definitions"
        };
        let name = self.random.pick(&["x", "y", "z%20w"]);
        format!("#/{folder}/{name}")
    }

    fn assertion(&mut self) -> (&'static str, Json) {
        let number = self.random.below(4);
        match self.random.below(24) {
            0..=2 => {
                let one = self.random.pick(&[
                    "string", "number", "integer", "object", "array", "boolean", "null",
                ]);
                let types = if self.random.chance(30) {
                    json!([one, if one == "string" { "null" } else { "string" }])
                } else {
                    json!(one)
                };
                ("type", types)
            }
            3 => (
                "enum",
                (0..=number).map(|_| value(self.random, 1)).collect(),
            ),
            4 => ("const", value(self.random, 1)),
            5 => ("minimum", json!(number)),
            6 => ("maximum", json!(1.5)),
            7 if self.draft == 1 => ("exclusiveMinimum", json!(true)),
            7 => ("exclusiveMinimum", json!(number)),
            8 if self.draft == 1 => ("exclusiveMaximum", json!(true)),
            8 => ("exclusiveMaximum", json!(2)),
            9 => ("multipleOf", json!(([0.5, 2.0, 3.0, 0.1])[number])),
            10 => ("minLength", json!(number)),
            11 => ("maxLength", json!(number)),
            12 => (
                "pattern",
                json!(
                    self.random
                        .pick(&["^a", "[0-9]+", "^\\d{4}-", "\\w", "é$", "'"])
                ),
            ),
            13 => (
                "format",
                json!(self.random.pick(&[
                    "date",
                    "email",
                    "ipv4",
                    "uri",
                    "regex",
                    "hostname",
                    "date-time",
                    "uuid",
                    "unknown",
                    "duration",
                    "ipv6",
                    "json-pointer"
                ])),
            ),
            14 => ("minItems", json!(number)),
            15 => ("maxItems", json!(number)),
            16 => ("uniqueItems", json!(true)),
            17 => ("minProperties", json!(number)),
            18 => ("maxProperties", json!(number)),
            19 | 20 => {
                let names: Vec<&str> = PROPERTIES
                    .iter()
                    .filter(|_| self.random.chance(30))
                    .copied()
                    .collect();
                (
                    "required",
                    if names.is_empty() {
                        json!(["a"])
                    } else {
                        json!(names)
                    },
                )
            }
            21 => ("dependentRequired", json!({"a": ["b", "c"], "b": ["d-e"]})),
            22 => ("minContains", json!(number)),
            _ => ("maxContains", json!(number)),
        }
    }
}
