//! What templates are told of the cluster and of the tool.

use std::{any::Any, rc::Rc};

use template::{Compat, List, Object, Value};

/// The version of Helm whose behaviour is kept, as `.Capabilities.HelmVersion.Version` shows it.
pub const HELM_VERSION: &str = "v3.22";
/// The same with Helm v4's ways.
const HELM4_VERSION: &str = "v4.3";

/// The cluster's version and API versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    pub kube_version: KubeVersion,
    /// Groups with versions such as `apps/v1`; a cluster adds `apps/v1/Deployment`.
    pub api_versions: Vec<String>,
}

/// A version of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeVersion {
    /// With its `v`.
    pub version: String,
    pub major: String,
    pub minor: String,
    /// The numbers alone, where `version` has more and constraints shall not see it.
    pub without_suffix: Option<String>,
}

impl Default for Capabilities {
    /// What is assumed without a cluster: the Kubernetes whose API this workspace is built for, as
    /// in a released Helm. (A Helm built without version flags says 1.20.)
    fn default() -> Self {
        Self {
            kube_version: KubeVersion {
                version: "v1.34.0".to_owned(),
                major: "1".to_owned(),
                minor: "34".to_owned(),
                without_suffix: None,
            },
            api_versions: DEFAULT_API_VERSIONS
                .iter()
                .map(|version| (*version).to_owned())
                .collect(),
        }
    }
}

impl KubeVersion {
    /// Reads a version such as `1.33.0` or `v1.33.1-gke.100`; what follows the numbers is dropped
    /// by Helm v3, and shown to templates by Helm v4.
    ///
    /// # Errors
    /// The text of Kubernetes' own parser.
    pub fn parse(text: &str, compat: Compat) -> Result<Self, String> {
        let unreadable = || format!("could not parse {text:?} as version");
        let trimmed = text.trim_start();
        let trimmed = trimmed.strip_prefix('v').unwrap_or(trimmed);
        let length = trimmed
            .bytes()
            .take_while(|b| b.is_ascii_digit() || *b == b'.')
            .count();
        let numbers = trimmed[..length].trim_end_matches('.');
        let parts: Vec<&str> = numbers.split('.').collect();
        if numbers.is_empty() {
            return Err(unreadable());
        }
        if parts.len() < 2 {
            return Err(format!("illegal version string {text:?}"));
        }
        let mut shown = Vec::new();
        for part in &parts {
            if part.len() > 1 && part.starts_with('0') {
                return Err(format!(
                    "illegal zero-prefixed version component {part:?} in {text:?}"
                ));
            }
            shown.push(part.parse::<u32>().map_err(|_| unreadable())?.to_string());
        }
        let plain = format!("v{}", shown.join("."));
        let (version, without_suffix) = match compat {
            Compat::Helm3 => (plain, None),
            Compat::Helm4 if text.starts_with('v') => (text.to_owned(), Some(plain)),
            Compat::Helm4 => (format!("v{text}"), Some(plain)),
        };
        Ok(Self {
            version,
            major: shown[0].clone(),
            minor: shown[1].clone(),
            without_suffix,
        })
    }

    /// The version that constraints are checked against, with its `v`.
    pub fn normalized(&self) -> &str {
        self.without_suffix.as_deref().unwrap_or(&self.version)
    }
}

/// `.Capabilities` as templates see it.
#[derive(Debug)]
pub(crate) struct CapabilitiesObject {
    kube_version: Value,
    api_versions: Value,
    compat: Compat,
}

impl CapabilitiesObject {
    pub(crate) fn value(capabilities: &Capabilities, compat: Compat) -> Value {
        let versions = capabilities
            .api_versions
            .iter()
            .map(|version| Value::string(version.as_str()))
            .collect();
        Value::Object(Rc::new(Self {
            kube_version: Value::Object(Rc::new(KubeVersionObject(
                capabilities.kube_version.clone(),
            ))),
            api_versions: Value::Object(Rc::new(VersionSet {
                versions: Rc::new(std::cell::RefCell::new(versions)),
            })),
            compat,
        }))
    }
}

impl Object for CapabilitiesObject {
    fn type_name(&self) -> &'static str {
        match self.compat {
            Compat::Helm3 => "*chartutil.Capabilities",
            Compat::Helm4 => "*common.Capabilities",
        }
    }
    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "KubeVersion" => Some(self.kube_version.clone()),
            "APIVersions" => Some(self.api_versions.clone()),
            "HelmVersion" => Some(Value::Object(Rc::new(BuildInfo(self.compat)))),
            _ => None,
        }
    }
    fn call(&self, _name: &str, _arguments: &[Value]) -> Option<Result<Value, String>> {
        None
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn printed_fields(&self) -> Vec<(String, Value)> {
        printed(self, &["KubeVersion", "APIVersions", "HelmVersion"])
    }
    fn serialized(&self) -> Value {
        Value::map(
            printed(self, &["KubeVersion", "APIVersions", "HelmVersion"])
                .into_iter()
                .map(|(name, value)| (Rc::from(name.as_str()), value))
                .collect(),
        )
    }
    fn json_fields(&self) -> Vec<(String, Value)> {
        self.printed_fields()
    }
}

#[derive(Debug)]
struct KubeVersionObject(KubeVersion);

impl Object for KubeVersionObject {
    fn type_name(&self) -> &'static str {
        "chartutil.KubeVersion"
    }
    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Version" => Some(Value::string(self.0.version.as_str())),
            "Major" => Some(Value::string(self.0.major.as_str())),
            "Minor" => Some(Value::string(self.0.minor.as_str())),
            _ => None,
        }
    }
    fn call(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        match name {
            "GitVersion" | "String" => Some(match arguments {
                [] if name == "String" => Ok(Value::string(self.0.normalized())),
                [] => Ok(Value::string(self.0.version.as_str())),
                _ => Err(wrong_count(name, 0, arguments.len())),
            }),
            _ => None,
        }
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn text(&self) -> Option<String> {
        Some(self.0.normalized().to_owned())
    }
    fn printed_fields(&self) -> Vec<(String, Value)> {
        printed(self, &["Version", "Major", "Minor"])
    }
    fn serialized(&self) -> Value {
        Value::map(
            self.printed_fields()
                .into_iter()
                .map(|(name, value)| (Rc::from(name.as_str()), value))
                .collect(),
        )
    }
    fn json_fields(&self) -> Vec<(String, Value)> {
        self.printed_fields()
    }
}

/// Go's `chartutil.VersionSet`, a `[]string` with a method.
#[derive(Debug)]
struct VersionSet {
    versions: List,
}

impl Object for VersionSet {
    fn type_name(&self) -> &'static str {
        "chartutil.VersionSet"
    }
    fn field(&self, _name: &str) -> Option<Value> {
        None
    }
    fn call(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        if name != "Has" {
            return None;
        }
        Some(match arguments {
            [Value::Str(wanted)] => Ok(Value::Bool(
                self.versions
                    .borrow()
                    .iter()
                    .any(|version| version.as_str() == Some(wanted.as_ref())),
            )),
            [other] => Err(wrong_type(other)),
            _ => Err(wrong_count(name, 1, arguments.len())),
        })
    }
    fn as_list(&self) -> Option<List> {
        Some(Rc::clone(&self.versions))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn has_typed_elements(&self) -> bool {
        true
    }
}

/// The Go that built the Helm whose behaviour is kept.
const GO_VERSION: &str = "go1.26";

/// Go's `version.BuildInfo`.
#[derive(Debug)]
struct BuildInfo(Compat);

impl Object for BuildInfo {
    fn type_name(&self) -> &'static str {
        "version.BuildInfo"
    }
    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Version" => Some(Value::string(match self.0 {
                Compat::Helm3 => HELM_VERSION,
                Compat::Helm4 => HELM4_VERSION,
            })),
            // The client library that the Kubernetes of the default capabilities comes with.
            "KubeClientVersion" if self.0 == Compat::Helm4 => Some(Value::string("v1.34")),
            "GitCommit" | "GitTreeState" => Some(Value::string("")),
            "GoVersion" => Some(Value::string(GO_VERSION)),
            _ => None,
        }
    }
    fn call(&self, _name: &str, _arguments: &[Value]) -> Option<Result<Value, String>> {
        None
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn printed_fields(&self) -> Vec<(String, Value)> {
        printed(
            self,
            &[
                "Version",
                "GitCommit",
                "GitTreeState",
                "GoVersion",
                "KubeClientVersion",
            ],
        )
    }
    fn serialized(&self) -> Value {
        Value::map(
            self.json_fields()
                .into_iter()
                .map(|(name, value)| (Rc::from(name.as_str()), value))
                .collect(),
        )
    }
    fn json_fields(&self) -> Vec<(String, Value)> {
        vec![
            ("version".to_owned(), Value::string(HELM_VERSION)),
            ("go_version".to_owned(), Value::string(GO_VERSION)),
        ]
    }
}

/// The named fields of an object, in order.
pub(crate) fn printed(object: &dyn Object, names: &[&str]) -> Vec<(String, Value)> {
    names
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), object.field(name)?)))
        .collect()
}

/// Go's text for a method that is called with too many or too few arguments.
pub(crate) fn wrong_count(name: &str, wanted: usize, got: usize) -> String {
    format!("wrong number of args for {name}: want {wanted} got {got}")
}

/// Go's text for an argument that is no text.
pub(crate) fn wrong_type(value: &Value) -> String {
    match value {
        Value::Nil => "invalid value; expected string".to_owned(),
        other => format!(
            "wrong type for value; expected string; got {}",
            other.type_name()
        ),
    }
}

/// The groups and versions that Helm v3.22 knows without a cluster, in its order.
const DEFAULT_API_VERSIONS: &[&str] = &[
    "v1",
    "admissionregistration.k8s.io/v1",
    "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1",
    "internal.apiserver.k8s.io/v1alpha1",
    "apps/v1",
    "apps/v1beta1",
    "apps/v1beta2",
    "authentication.k8s.io/v1",
    "authentication.k8s.io/v1alpha1",
    "authentication.k8s.io/v1beta1",
    "authorization.k8s.io/v1",
    "authorization.k8s.io/v1beta1",
    "autoscaling/v1",
    "autoscaling/v2",
    "batch/v1",
    "batch/v1beta1",
    "certificates.k8s.io/v1",
    "certificates.k8s.io/v1beta1",
    "certificates.k8s.io/v1alpha1",
    "coordination.k8s.io/v1alpha2",
    "coordination.k8s.io/v1beta1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "discovery.k8s.io/v1beta1",
    "events.k8s.io/v1",
    "events.k8s.io/v1beta1",
    "extensions/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1beta2",
    "flowcontrol.apiserver.k8s.io/v1beta3",
    "lifecycle.k8s.io/v1alpha1",
    "networking.k8s.io/v1",
    "networking.k8s.io/v1beta1",
    "node.k8s.io/v1",
    "node.k8s.io/v1alpha1",
    "node.k8s.io/v1beta1",
    "policy/v1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1",
    "rbac.authorization.k8s.io/v1beta1",
    "rbac.authorization.k8s.io/v1alpha1",
    "resource.k8s.io/v1",
    "resource.k8s.io/v1beta2",
    "resource.k8s.io/v1beta1",
    "resource.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1beta1",
    "scheduling.k8s.io/v1",
    "storage.k8s.io/v1beta1",
    "storage.k8s.io/v1",
    "storage.k8s.io/v1alpha1",
    "storagemigration.k8s.io/v1",
    "storagemigration.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1",
];
