//! The JSON Schema of a gate file, for editors and for review.

use schemars::generate::SchemaSettings;

use super::GateFile;

/// Returns the schema that `docs/gate.schema.json` publishes.
#[must_use]
pub fn schema() -> serde_json::Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let schema = generator.root_schema_for::<GateFile>();
    schema.to_value()
}
