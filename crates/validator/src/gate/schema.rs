//! JSON Schemas: of a gate file, for editors and for review, and of what the gate writes.

use schemars::generate::SchemaSettings;
use verdict::report::{Brief, Report};

use super::GateFile;

/// What has a published schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Document {
    /// What people write.
    #[default]
    GateFile,
    /// The full report.
    Report,
    /// The brief verdict.
    Brief,
}

/// Returns the schema that `docs` publishes under the document's name.
#[must_use]
pub fn schema(document: Document) -> serde_json::Value {
    let settings = SchemaSettings::draft2020_12();
    let schema = match document {
        Document::GateFile => settings.into_generator().into_root_schema_for::<GateFile>(),
        // Of what is written, so that what is always there is demanded.
        Document::Report => {
            let mut generator = settings.for_serialize().into_generator();
            generator.root_schema_for::<Report>()
        }
        Document::Brief => {
            let mut generator = settings.for_serialize().into_generator();
            generator.root_schema_for::<Brief>()
        }
    };
    schema.to_value()
}
