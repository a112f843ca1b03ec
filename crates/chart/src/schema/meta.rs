//! The metaschemas of the drafts that Helm accepts.

use std::sync::LazyLock;

use referencing::meta as bundled;
use serde_json::{Value as Json, json};

/// The draft that `$schema` names; the newest where it names none.
pub(super) fn draft_of(schema: &Json) -> u32 {
    let uri = schema.get("$schema").and_then(Json::as_str).unwrap_or("");
    match uri {
        uri if uri.contains("draft-04") => 4,
        uri if uri.contains("draft-06") => 6,
        uri if uri.contains("draft-07") => 7,
        uri if uri.contains("2019-09") => 2019,
        _ => 2020,
    }
}

/// Says what is wrong with the `$schema` of a text: Helm's library fetches what it does not know.
///
/// Source: github.com/santhosh-tekuri/jsonschema v6.0.3 draft.go (`draftFromURL`).
pub(super) fn unknown(schema: &Json) -> Option<String> {
    let uri = schema.get("$schema").and_then(Json::as_str)?;
    let address = uri.strip_suffix('#').unwrap_or(uri);
    let named = ["http://", "https://"]
        .iter()
        .find_map(|scheme| address.strip_prefix(scheme));
    let is_known = matches!(
        named,
        Some(
            "json-schema.org/schema"
                | "json-schema.org/draft/2020-12/schema"
                | "json-schema.org/draft/2019-09/schema"
                | "json-schema.org/draft-07/schema"
                | "json-schema.org/draft-06/schema"
                | "json-schema.org/draft-04/schema"
        )
    );
    let why = match address.split_once(':') {
        Some((scheme, _)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            "not fetched".to_owned()
        }
        _ => "no URLLoader registered for \"\"".to_owned(),
    };
    (!is_known).then(|| format!("failing loading {address:?}: {why}"))
}

/// The address of a draft's metaschema.
pub(super) fn url(draft: u32) -> &'static str {
    match draft {
        4 => "http://json-schema.org/draft-04/schema#",
        6 => "http://json-schema.org/draft-06/schema#",
        7 => "http://json-schema.org/draft-07/schema#",
        2019 => "https://json-schema.org/draft/2019-09/schema#",
        _ => "https://json-schema.org/draft/2020-12/schema#",
    }
}

/// Helm's library keeps the older drafts' rule that an enum names at least one value, and each once.
fn with_strict_enum(schema: &Json) -> Json {
    let mut schema = schema.clone();
    if let Some(Json::Object(rule)) = schema.pointer_mut("/properties/enum") {
        rule.insert("minItems".to_owned(), json!(1));
        rule.insert("uniqueItems".to_owned(), json!(true));
    }
    schema
}

static DRAFT_4: LazyLock<Json> = LazyLock::new(|| with_strict_enum(&bundled::DRAFT4));
static DRAFT_6: LazyLock<Json> = LazyLock::new(|| with_strict_enum(&bundled::DRAFT6));
static DRAFT_7: LazyLock<Json> = LazyLock::new(|| with_strict_enum(&bundled::DRAFT7));

/// The metaschema of a draft.
pub(super) fn root(draft: u32) -> &'static Json {
    match draft {
        4 => &DRAFT_4,
        6 => &DRAFT_6,
        7 => &DRAFT_7,
        2019 => &bundled::DRAFT201909,
        _ => &bundled::DRAFT202012,
    }
}

/// A vocabulary of a metaschema, as `meta/core`.
pub(super) fn named(draft: u32, address: &str) -> Option<&'static Json> {
    let name = address.rsplit('/').next()?;
    Some(match (draft, name) {
        (2019, "core") => &bundled::DRAFT201909_CORE,
        (2019, "applicator") => &bundled::DRAFT201909_APPLICATOR,
        (2019, "validation") => &bundled::DRAFT201909_VALIDATION,
        (2019, "meta-data") => &bundled::DRAFT201909_META_DATA,
        (2019, "format") => &bundled::DRAFT201909_FORMAT,
        (2019, "content") => &bundled::DRAFT201909_CONTENT,
        (2020, "core") => &bundled::DRAFT202012_CORE,
        (2020, "applicator") => &bundled::DRAFT202012_APPLICATOR,
        (2020, "unevaluated") => &bundled::DRAFT202012_UNEVALUATED,
        (2020, "validation") => &bundled::DRAFT202012_VALIDATION,
        (2020, "meta-data") => &bundled::DRAFT202012_META_DATA,
        (2020, "format-annotation") => &bundled::DRAFT202012_FORMAT_ANNOTATION,
        (2020, "content") => &bundled::DRAFT202012_CONTENT,
        _ => return None,
    })
}
