//! To which component an object belongs.

use crate::plan::ManifestObject;

const COMPONENT_LABEL: &str = "app.kubernetes.io/component";

/// Returns the component of an object: the subchart that it comes from, else its component label,
/// else nothing, which is the release as a whole.
pub(super) fn component(object: &ManifestObject) -> Option<String> {
    let source = object.source.as_deref().unwrap_or_default();
    // `stack/charts/exporter/templates/deployment.yaml`; the innermost subchart counts.
    let subchart = source
        .rsplit_once("/charts/")
        .and_then(|(_, below)| below.split('/').next());
    let label = object.value.get("metadata")?.get("labels");
    let label = label.and_then(|labels| labels.get(COMPONENT_LABEL)?.as_str());
    subchart.or(label).map(str::to_owned)
}
