//! The rules for `crds/`, which only Helm v4 has.
//!
//! Source: Helm v4.3 pkg/chart/v2/lint/rules/crds.go.

use super::{Entry, Findings, Severity, Sources, documents::Documents, templates::unparsable};

const FOLDER: &str = "crds/";

pub(super) fn check(sources: &Sources, findings: &mut Findings) {
    match sources.crds {
        Entry::Missing => return,
        Entry::File => {
            findings.add(Severity::Error, FOLDER, "not a directory");
            return;
        }
        Entry::Folder => {}
    }
    let chart = match &sources.chart {
        Ok(chart) => chart,
        Err(problem) => {
            findings.add(Severity::Error, FOLDER, problem.as_str());
            return;
        }
    };
    for resource in chart.custom_resources() {
        let path = resource.name.as_str();
        for document in Documents::of(&resource.text) {
            let head = match document {
                Ok(Some(head)) => head,
                Ok(None) => continue,
                Err(problem) => {
                    // Helm ends here: what follows is not looked at before this is mended.
                    findings.add(Severity::Error, path, unparsable(&problem));
                    return;
                }
            };
            if !head.api_version.starts_with("apiextensions.k8s.io") {
                let text = "apiVersion is not in 'apiextensions.k8s.io'";
                findings.add(Severity::Error, path, text);
            }
            if head.kind != "CustomResourceDefinition" {
                let text = "object kind is not 'CustomResourceDefinition'";
                findings.add(Severity::Error, path, text);
            }
        }
    }
}
