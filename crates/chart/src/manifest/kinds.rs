//! The order in which kinds are applied and removed.
//!
//! Source: Helm v3 pkg/releaseutil/kind_sorter.go, Helm v4 pkg/release/v1/util/kind_sorter.go.

use std::cmp::Ordering;

use template::Compat;

/// Kinds in the order of installation.
pub const INSTALL_ORDER: &[&str] = INSTALL_ORDER_HELM4
    .split_at(INSTALL_ORDER_HELM4.len() - 2)
    .0;

/// The order of Helm v4: that of v3, and webhooks as the last two.
const INSTALL_ORDER_HELM4: &[&str] = &[
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// Returns the order of installation of a version of Helm.
pub fn install_order(compat: Compat) -> &'static [&'static str] {
    match compat {
        Compat::Helm3 => INSTALL_ORDER,
        Compat::Helm4 => INSTALL_ORDER_HELM4,
    }
}

/// Kinds in the order of removal; not the exact reverse, as Services go before what they serve.
pub const UNINSTALL_ORDER: &[&str] = &[
    "APIService",
    "Ingress",
    "IngressClass",
    "Service",
    "CronJob",
    "Job",
    "StatefulSet",
    "HorizontalPodAutoscaler",
    "Deployment",
    "ReplicaSet",
    "ReplicationController",
    "Pod",
    "DaemonSet",
    "RoleBindingList",
    "RoleBinding",
    "RoleList",
    "Role",
    "ClusterRoleBindingList",
    "ClusterRoleBinding",
    "ClusterRoleList",
    "ClusterRole",
    "CustomResourceDefinition",
    "PersistentVolumeClaim",
    "PersistentVolume",
    "StorageClass",
    "ConfigMap",
    "SecretList",
    "Secret",
    "ServiceAccount",
    "PodDisruptionBudget",
    "PodSecurityPolicy",
    "LimitRange",
    "ResourceQuota",
    "NetworkPolicy",
    "Namespace",
    "PriorityClass",
];

/// Compares two kinds by an order; unknown kinds come last, by name.
pub fn compare_kinds(left: &str, right: &str, order: &[&str]) -> Ordering {
    let rank = |kind: &str| order.iter().position(|known| *known == kind);
    match (rank(left), rank(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => left.cmp(right),
    }
}

/// Sorts by kind; items of one kind keep their order.
pub fn sort_by_kind<T>(items: &mut [T], order: &[&str], kind: impl Fn(&T) -> &str) {
    items.sort_by(|left, right| compare_kinds(kind(left), kind(right), order));
}
