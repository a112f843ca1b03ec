//! The versioned JSON that `validator` writes and other programs read.
//!
//! [`Brief`] is the verdict in at most 4,096 bytes, as it goes into a Kubernetes termination
//! message; [`Report`] embeds it and adds the evidence. Fields may be added within a schema
//! version; a field that changes meaning or goes away raises it.

mod brief;
mod full;

pub use brief::{
    BRIEF_KIND, BRIEF_SCHEMA_VERSION, Brief, BriefError, Check, DatasetSummary, GateSummary,
    ModelSummary, Outcome, Reused, TERMINATION_MESSAGE_BYTES_MAX,
};
pub use full::{
    AucSection, ConfigurationEntry, ConfigurationSource, CurvesSection, DatasetFile,
    DatasetSection, Environment, ErrorSection, LatencyQuantile, LatencySection, MetricsSection,
    ModelSection, MulticlassSection, NullColumn, NullsSection, REPORT_KIND, Report, S3Identity,
    SCHEMA_VERSION, Throttling, Timings,
};
