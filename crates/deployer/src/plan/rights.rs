//! What somebody must be allowed to do so that a command succeeds on a chart (pure).
//!
//! Source: the requests that `cluster/kube`, `storage/kube` and `hook/cluster` make. The test on the
//! real cluster deploys with nothing but what is named here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};

use super::ManifestObject;
use crate::action::Operation;
use crate::cluster::{CRD_KIND, ObjectId};
use crate::release::{Namespace, ReleaseName};

/// Where records are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordStorage {
    /// In Secrets.
    Secrets,
    /// In ConfigMaps.
    ConfigMaps,
    /// Not in the cluster.
    Elsewhere,
}

/// Everything that the rights depend on.
#[derive(Debug, Clone)]
pub struct RightsInput<'a> {
    /// What is done.
    pub operation: Operation,
    /// The namespace of the release.
    pub namespace: &'a Namespace,
    /// The objects of the chart; of the revision before it too, where it is known.
    pub objects: &'a [ManifestObject],
    /// The objects of its hooks.
    pub hooks: &'a [ManifestObject],
    /// Jobs and Pods of hooks that do not run but whose remains are cleared away.
    pub remains: &'a [ManifestObject],
    /// Where records are kept.
    pub storage: RecordStorage,
    /// Whether readiness is awaited, as with `--wait` and `--atomic`.
    pub waits: bool,
    /// Whether objects are replaced whole, as with `--force-replace`.
    pub replaces: bool,
    /// Whether the namespace may have to be created.
    pub creates_namespace: bool,
    /// Plural names and scopes of kinds, where the cluster told; else they are known or guessed.
    pub kinds: &'a KindTable,
}

/// Names of kinds by group and kind.
pub type KindTable = BTreeMap<(String, String), KindNames>;

/// How a kind stands in paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindNames {
    /// Such as `deployments`.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub is_namespaced: bool,
}

/// One thing that must be allowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// The namespace; none for what has none.
    pub namespace: Option<String>,
    /// The API group, empty for the core.
    pub group: String,
    /// Such as `pods` or `pods/log`.
    pub resource: String,
    /// Such as `get`.
    pub verb: &'static str,
    /// The only object that it is about, where one name is enough.
    pub name: Option<String>,
}

/// The rights of a command, and what is odd about them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rights {
    /// Sorted and distinct.
    pub all: BTreeSet<Right>,
    /// Kinds whose plural was guessed.
    pub guessed: Vec<String>,
}

/// Kinds without namespaces.
const CLUSTER_KINDS: [&str; 22] = [
    "APIService",
    "CSIDriver",
    "CSINode",
    "CertificateSigningRequest",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "FlowSchema",
    "IngressClass",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "RuntimeClass",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
];
/// Workloads whose pods are looked at while they are awaited.
const WORKLOADS: [&str; 7] = [
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "ReplicaSet",
    "ReplicationController",
    "Job",
    "Pod",
];
/// The group of roles and their bindings.
pub(crate) const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

/// Returns what must be allowed.
pub fn rights(input: &RightsInput<'_>) -> Rights {
    let mut rights = Rights::default();
    let home = Some(input.namespace.to_string());
    let is_test = input.operation == Operation::Test;
    records(input, &home, &mut rights);
    if input.creates_namespace {
        let name = input.namespace.to_string();
        rights.add(&None, "", "namespaces", &["get"], Some(&name));
        // A right to create cannot be narrowed to a name.
        rights.add(&None, "", "namespaces", &["create"], None);
    }
    let mut looks_at_pods = false;
    for object in input.objects.iter().filter(|_| !is_test) {
        let place = place(input, &object.id, &mut rights);
        rights.add(
            &place.0,
            object.id.group(),
            &place.1,
            verbs(input.operation),
            None,
        );
        if input.replaces && changes(input.operation) {
            rights.add(&place.0, object.id.group(), &place.1, &["update"], None);
        }
        if input.waits && input.operation != Operation::Uninstall {
            rights.add(
                &place.0,
                object.id.group(),
                &place.1,
                &["list", "watch"],
                None,
            );
            looks_at_pods |= WORKLOADS.contains(&object.id.kind.as_str());
            if object.id.kind == "Deployment" {
                rights.add(&place.0, "apps", "replicasets", &["list", "watch"], None);
            }
        }
        if object.id.group() == RBAC_GROUP {
            grants(&object.value, &place, &mut rights);
        }
    }
    for hook in input.hooks {
        let place = place(input, &hook.id, &mut rights);
        let verbs = &["create", "delete", "get", "list", "watch"];
        rights.add(&place.0, hook.id.group(), &place.1, verbs, None);
        looks_at_pods |= WORKLOADS.contains(&hook.id.kind.as_str());
    }
    for hook in input.remains {
        let place = place(input, &hook.id, &mut rights);
        let verbs = &["delete", "get"];
        rights.add(&place.0, hook.id.group(), &place.1, verbs, None);
    }
    if looks_at_pods {
        rights.add(&home, "", "pods", &["get", "list", "watch"], None);
        rights.add(&home, "", "pods/log", &["get"], None);
        rights.add(&home, "", "events", &["list", "watch"], None);
    }
    rights
}

/// Release records, their evidence and the lease.
fn records(input: &RightsInput<'_>, home: &Option<String>, rights: &mut Rights) {
    let resource = match input.storage {
        RecordStorage::Secrets => "secrets",
        RecordStorage::ConfigMaps => "configmaps",
        RecordStorage::Elsewhere => return,
    };
    let verbs = &["create", "delete", "get", "list", "patch", "update"];
    rights.add(home, "", resource, verbs, None);
    let verbs = &["create", "delete", "get", "update"];
    rights.add(home, "coordination.k8s.io", "leases", verbs, None);
}

/// Tells whether an operation writes objects.
fn changes(operation: Operation) -> bool {
    match operation {
        Operation::Install | Operation::Upgrade | Operation::Rollback => true,
        Operation::Uninstall | Operation::Test => false,
    }
}

fn verbs(operation: Operation) -> &'static [&'static str] {
    match operation {
        Operation::Uninstall => &["delete", "get"],
        Operation::Test => &["get"],
        // Applying by the server is a patch, and asks for `create` too where the object is new.
        // What leaves the chart, or is undone, is deleted.
        Operation::Install | Operation::Upgrade | Operation::Rollback => {
            &["create", "delete", "get", "patch"]
        }
    }
}

/// Whoever hands out rights must have them, or be allowed to hand out any.
fn grants(object: &Value, place: &(Option<String>, String), rights: &mut Rights) {
    let name = object["metadata"]["name"].as_str();
    match object["kind"].as_str() {
        Some("Role" | "ClusterRole") => {
            rights.add(&place.0, RBAC_GROUP, &place.1, &["escalate"], name);
        }
        Some("RoleBinding" | "ClusterRoleBinding") => {
            let role = &object["roleRef"];
            let (scope, plural) = match role["kind"].as_str() {
                Some("Role") => (place.0.clone(), "roles"),
                _ => (None, "clusterroles"),
            };
            rights.add(&scope, RBAC_GROUP, plural, &["bind"], role["name"].as_str());
        }
        _ => {}
    }
}

/// Returns namespace and resource of an object.
fn place(input: &RightsInput<'_>, id: &ObjectId, rights: &mut Rights) -> (Option<String>, String) {
    let key = (id.group().to_owned(), id.kind.clone());
    let names = match input.kinds.get(&key) {
        Some(names) => names.clone(),
        None => {
            let is_known = id.group().is_empty()
                || !id.group().contains('.')
                || id.group().ends_with(".k8s.io");
            let said = format!("{} ({})", id.kind, id.api_version);
            if !is_known && !rights.guessed.contains(&said) {
                rights.guessed.push(said);
            }
            KindNames {
                plural: plural(&id.kind),
                is_namespaced: !CLUSTER_KINDS.contains(&id.kind.as_str()),
            }
        }
    };
    let namespace = names.is_namespaced.then(|| {
        id.namespace
            .clone()
            .unwrap_or_else(|| input.namespace.to_string())
    });
    (namespace, names.plural)
}

/// Forms the plural as API conventions have it.
fn plural(kind: &str) -> String {
    let kind = kind.to_lowercase();
    if kind == "endpoints" {
        return kind;
    }
    let vowel = |text: &str| text.ends_with(['a', 'e', 'i', 'o', 'u']);
    match kind.strip_suffix('y') {
        Some(stem) if !vowel(stem) => format!("{stem}ies"),
        _ if kind.ends_with('s') || kind.ends_with('x') || kind.ends_with("ch") => {
            format!("{kind}es")
        }
        _ => format!("{kind}s"),
    }
}

/// Returns the names of the kinds that the definitions among the objects define.
pub fn defined_kinds<'a>(objects: impl IntoIterator<Item = &'a Value>) -> KindTable {
    let definitions = objects
        .into_iter()
        .filter(|object| object["kind"] == CRD_KIND);
    definitions
        .filter_map(|definition| {
            let spec = &definition["spec"];
            let key = (
                spec["group"].as_str()?.to_owned(),
                spec["names"]["kind"].as_str()?.to_owned(),
            );
            let names = KindNames {
                plural: spec["names"]["plural"].as_str()?.to_owned(),
                is_namespaced: spec["scope"] != "Cluster",
            };
            Some((key, names))
        })
        .collect()
}

/// Words rights, one line for each resource with all its verbs.
pub fn told(rights: &[Right]) -> Vec<String> {
    let mut verbs: BTreeMap<Right, Vec<&str>> = BTreeMap::new();
    for right in rights {
        let resource = Right {
            verb: "",
            ..right.clone()
        };
        verbs.entry(resource).or_default().push(right.verb);
    }
    verbs
        .into_iter()
        .map(|(right, verbs)| format!("{} {right}", verbs.join(", ")))
        .collect()
}

/// The resource, without the verb.
impl fmt::Display for Right {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.resource)?;
        if !self.group.is_empty() {
            write!(formatter, ".{}", self.group)?;
        }
        if let Some(name) = &self.name {
            write!(formatter, " `{name}`")?;
        }
        match &self.namespace {
            Some(namespace) => write!(formatter, " in namespace `{namespace}`"),
            None => formatter.write_str(" in the whole cluster"),
        }
    }
}

impl Right {
    /// Tells whether the command fails without it; what is only looked at to explain or to watch is
    /// done without.
    pub fn is_needed(&self) -> bool {
        self.verb != "watch"
            && self.resource != "pods/log"
            && self.resource != "events"
            && !(self.verb == "list" && self.resource == "replicasets")
    }
}

impl Rights {
    pub(crate) fn add(
        &mut self,
        namespace: &Option<String>,
        group: &str,
        resource: &str,
        verbs: &[&'static str],
        name: Option<&str>,
    ) {
        self.all.extend(verbs.iter().map(|verb| Right {
            namespace: namespace.clone(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            verb,
            name: name.map(str::to_owned),
        }));
    }

    /// Returns the Roles, ClusterRoles and bindings that give these rights to a ServiceAccount of the
    /// release's namespace.
    pub fn manifests(
        &self,
        operation: Operation,
        release: &ReleaseName,
        namespace: &Namespace,
        account: &str,
    ) -> Vec<Value> {
        let mut by_namespace: BTreeMap<&Option<String>, Vec<&Right>> = BTreeMap::new();
        for right in &self.all {
            by_namespace
                .entry(&right.namespace)
                .or_default()
                .push(right);
        }
        let mut objects = Vec::new();
        for (place, rights) in by_namespace {
            let rules = rules(&rights);
            let (kind, name) = match place {
                Some(_) => ("Role", format!("deployer-{release}-{operation}")),
                None => (
                    "ClusterRole",
                    format!("deployer-{namespace}-{release}-{operation}"),
                ),
            };
            let mut metadata = json!({"name": name});
            if let Some(place) = place {
                metadata["namespace"] = json!(place);
            }
            let version = format!("{RBAC_GROUP}/v1");
            objects.push(json!({
                "apiVersion": version, "kind": kind, "metadata": metadata, "rules": rules
            }));
            objects.push(json!({
                "apiVersion": version, "kind": format!("{kind}Binding"), "metadata": metadata,
                "roleRef": {"apiGroup": RBAC_GROUP, "kind": kind, "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace.as_str()}]
            }));
        }
        objects
    }
}

/// Gathers rights into rules: resources of a group with the same verbs and name stand together.
fn rules(rights: &[&Right]) -> Vec<Value> {
    type Alike<'a> = (&'a str, Option<&'a str>, BTreeSet<&'a str>);
    let mut verbs: BTreeMap<(&str, Option<&str>, &str), BTreeSet<&str>> = BTreeMap::new();
    for right in rights {
        let key = (
            right.group.as_str(),
            right.name.as_deref(),
            right.resource.as_str(),
        );
        verbs.entry(key).or_default().insert(right.verb);
    }
    let mut grouped: BTreeMap<Alike<'_>, Vec<&str>> = BTreeMap::new();
    for ((group, name, resource), verbs) in verbs {
        grouped
            .entry((group, name, verbs))
            .or_default()
            .push(resource);
    }
    grouped
        .into_iter()
        .map(|((group, name, verbs), resources)| {
            let mut rule = json!({"apiGroups": [group], "resources": resources});
            if let Some(name) = name {
                rule["resourceNames"] = json!([name]);
            }
            rule["verbs"] = json!(verbs);
            rule
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::read_manifest;

    const CHART: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web, namespace: other}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: reader}\nrules: []\n---\napiVersion: x.example.com/v1\nkind: Proxy\nmetadata: {name: web}\n";

    fn of(operation: Operation, waits: bool) -> Rights {
        with(operation, waits, false)
    }

    fn with(operation: Operation, waits: bool, replaces: bool) -> Rights {
        let objects = read_manifest(CHART).expect("valid");
        let namespace = Namespace::new("prod").expect("valid");
        rights(&RightsInput {
            operation,
            namespace: &namespace,
            objects: &objects,
            hooks: &[],
            remains: &[],
            storage: RecordStorage::Secrets,
            waits,
            replaces,
            creates_namespace: false,
            kinds: &KindTable::new(),
        })
    }

    fn has(rights: &Rights, namespace: Option<&str>, resource: &str, verb: &str) -> bool {
        rights.all.iter().any(|right| {
            right.namespace.as_deref() == namespace
                && right.resource == resource
                && right.verb == verb
        })
    }

    #[test]
    fn a_command_needs_its_verbs_on_the_kinds_of_the_chart_and_no_others() {
        let upgrade = of(Operation::Upgrade, false);
        assert!(has(&upgrade, Some("prod"), "deployments", "patch"));
        assert!(has(&upgrade, Some("prod"), "secrets", "update"));
        assert!(has(&upgrade, Some("other"), "networkpolicies", "create"));
        assert!(has(&upgrade, None, "clusterroles", "escalate"));
        assert!(!has(&upgrade, Some("prod"), "pods", "list"));
        assert!(!has(&upgrade, Some("prod"), "deployments", "watch"));
        assert_eq!(upgrade.guessed, ["Proxy (x.example.com/v1)"]);
        assert!(has(&upgrade, Some("prod"), "proxies", "patch"));
        let awaited = of(Operation::Upgrade, true);
        assert!(has(&awaited, Some("prod"), "pods/log", "get"));
        assert!(has(&awaited, Some("prod"), "deployments", "watch"));
        let removal = of(Operation::Uninstall, true);
        assert!(has(&removal, Some("prod"), "configmaps", "delete"));
        assert!(!has(&removal, Some("prod"), "configmaps", "create"));
    }

    #[test]
    fn replacing_objects_whole_needs_updates_too_and_the_way_back_patches() {
        for operation in [Operation::Install, Operation::Upgrade, Operation::Rollback] {
            let patched = of(operation, false);
            assert!(!has(&patched, Some("prod"), "deployments", "update"));
            let replaced = with(operation, false, true);
            assert!(has(&replaced, Some("prod"), "deployments", "update"));
            assert!(has(&replaced, Some("prod"), "deployments", "patch"));
        }
        for operation in [Operation::Uninstall, Operation::Test] {
            assert_eq!(with(operation, false, true), of(operation, false));
        }
    }

    #[test]
    fn rights_become_a_role_for_each_namespace_and_a_cluster_role() {
        let objects = of(Operation::Upgrade, false).manifests(
            Operation::Upgrade,
            &ReleaseName::new("web").expect("valid"),
            &Namespace::new("prod").expect("valid"),
            "ci",
        );
        let kinds: Vec<String> = objects
            .iter()
            .map(|object| {
                format!(
                    "{}/{}",
                    object["kind"].as_str().unwrap_or_default(),
                    object["metadata"]["namespace"].as_str().unwrap_or_default()
                )
            })
            .collect();
        assert_eq!(
            kinds,
            [
                "ClusterRole/",
                "ClusterRoleBinding/",
                "Role/other",
                "RoleBinding/other",
                "Role/prod",
                "RoleBinding/prod"
            ]
        );
        assert_eq!(objects[5]["subjects"][0]["name"], "ci");
    }
}
