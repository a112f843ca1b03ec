//! A chart of any number of objects, of five kinds that no controller works on: what is measured is the deployer.

use crate::bench::charts::{self, File};
use anyhow::Result;
use std::path::Path;

/// The kinds, as kubectl names them.
pub(super) const KINDS: [&str; 5] = [
    "configmaps",
    "secrets",
    "serviceaccounts",
    "roles",
    "rolebindings",
];

/// Writes a chart whose release has `objects` objects.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn write(folder: &Path, objects: usize) -> Result<()> {
    charts::write(folder, &files(objects))
}

/// Half of the objects are ConfigMaps, a fifth Secrets; the rest is shared by accounts, roles and bindings.
fn files(objects: usize) -> Vec<File> {
    let (secrets, tenth) = (objects / 5, objects / 10);
    let configs = objects - secrets - 3 * tenth;
    let metadata = "metadata:\n  name: {{ $.Release.Name }}-NAME-{{ printf \"%04d\" $number }}\n  labels: {app: bench, tier: t{{ mod $number 5 }}}\n  annotations: {stamp: {{ $.Values.stamp }}}\n";
    let template = |name: &str, count: usize, head: &str, body: &str| {
        let text = format!(
            "{{{{- range $number := until {count} }}}}\n---\n{head}{}{body}{{{{- end }}}}\n",
            metadata.replace("NAME", name)
        );
        (format!("templates/{name}.yaml"), text)
    };
    vec![
        (
            "Chart.yaml".to_owned(),
            "apiVersion: v2\nname: bench\nversion: 1.0.0\n".to_owned(),
        ),
        ("values.yaml".to_owned(), "stamp: one\n".to_owned()),
        template(
            "config",
            configs,
            "apiVersion: v1\nkind: ConfigMap\n",
            "data:\n  number: {{ $number | quote }}\n  settings.yaml: |\n    stamp: {{ $.Values.stamp }}\n    threads: {{ add 1 $number }}\n    endpoint: http://service-{{ $number }}.example:8080/v1/predict\n    features: [amount, hour, country, merchant, device, age, channel]\n",
        ),
        template(
            "secret",
            secrets,
            "apiVersion: v1\nkind: Secret\n",
            "type: Opaque\nstringData:\n  token: token-{{ $number }}-{{ $.Values.stamp }}\n",
        ),
        template(
            "account",
            tenth,
            "apiVersion: v1\nkind: ServiceAccount\n",
            "",
        ),
        template(
            "role",
            tenth,
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n",
            "rules:\n- apiGroups: ['']\n  resources: [configmaps]\n  verbs: [get, list]\n",
        ),
        template(
            "binding",
            tenth,
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\n",
            "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: \"{{ $.Release.Name }}-role-{{ printf \"%04d\" $number }}\"}\nsubjects:\n- {kind: ServiceAccount, name: \"{{ $.Release.Name }}-account-{{ printf \"%04d\" $number }}\", namespace: \"{{ $.Release.Namespace }}\"}\n",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_add_up_to_the_number_of_objects() {
        for objects in [10, 200, 333, 1000] {
            let total: usize = files(objects)
                .iter()
                .filter_map(|(_, text)| text.split("until ").nth(1)?.split(' ').next())
                .map(|count| count.parse::<usize>().unwrap())
                .sum();
            assert_eq!(total, objects);
        }
    }
}
