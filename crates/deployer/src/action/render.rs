//! The one place where charts come in: a chart with the user's values, rendered for a release.

use std::sync::Arc;

use serde_json::{Map, Value};
use thiserror::Error;

use super::ValuesReuse;
use crate::cluster::Capabilities;
use crate::release::{Hook, Namespace, Release, ReleaseName, Revision};
use crate::storage::BoxedError;

/// A chart with the user's values, ready to be rendered.
///
/// The living implementations are a loaded chart, and a chart that was rendered before (a saved
/// plan, a test).
pub trait ChartSource: Send + Sync {
    /// Renders for one revision; pure.
    ///
    /// # Errors
    /// [`RenderError`] says which template or value is wrong.
    fn render(&self, request: &RenderRequest<'_>) -> Result<RenderedChart, RenderError>;

    /// Returns the same with another clock: what its rendering has otherwise is random or of the
    /// moment. None for what always renders alike.
    fn at_another_time(&self) -> Option<Arc<dyn ChartSource>> {
        None
    }
}

/// For what is rendered.
#[derive(Debug, Clone)]
pub struct RenderRequest<'a> {
    /// `.Release.Name`.
    pub release: &'a ReleaseName,
    /// `.Release.Namespace`.
    pub namespace: &'a Namespace,
    /// `.Release.Revision`.
    pub revision: Revision,
    /// `.Release.IsUpgrade`; the opposite of `.Release.IsInstall`.
    pub is_upgrade: bool,
    /// `.Capabilities`; none means the defaults.
    pub capabilities: Option<&'a Capabilities>,
    /// The revision whose values may be reused.
    pub previous: Option<&'a Release>,
    /// How they are reused.
    pub reuse: ValuesReuse,
}

/// A chart as rendered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RenderedChart {
    /// The chart as a record stores it.
    pub chart: Value,
    /// The user's values, previous ones merged in where they are reused.
    pub config: Map<String, Value>,
    /// The objects as one YAML stream.
    pub manifest: String,
    /// The hooks.
    pub hooks: Vec<Hook>,
    /// The notes.
    pub notes: String,
    /// The files of `crds/` as YAML.
    pub crds: Vec<String>,
}

/// Why a chart cannot be rendered.
#[derive(Debug, Error)]
pub enum RenderError {
    /// The chart, its values or a template is wrong.
    #[error("chart `{chart}` cannot be rendered")]
    Chart {
        chart: String,
        #[source]
        source: BoxedError,
    },
}
