//! The order in which kinds are created and deleted.
//!
//! Source of the order: `release/v1/util/kind_sorter.go` of Helm 4.2. Objects of one wave do not
//! need each other to be created and are applied in parallel.

/// Kinds in the order of installation, with their waves.
const INSTALL_ORDER: [(&str, usize); 35] = [
    ("PriorityClass", 0),
    ("Namespace", 0),
    ("NetworkPolicy", 1),
    ("ResourceQuota", 1),
    ("LimitRange", 1),
    ("PodSecurityPolicy", 1),
    ("PodDisruptionBudget", 1),
    ("ServiceAccount", 1),
    ("Secret", 1),
    ("ConfigMap", 1),
    ("StorageClass", 1),
    ("PersistentVolume", 1),
    ("PersistentVolumeClaim", 1),
    ("CustomResourceDefinition", 1),
    ("ClusterRole", 1),
    ("ClusterRoleBinding", 2),
    ("Role", 1),
    ("RoleBinding", 2),
    ("Service", 3),
    ("DaemonSet", 4),
    ("Pod", 4),
    ("ReplicationController", 4),
    ("ReplicaSet", 4),
    ("Deployment", 4),
    ("HorizontalPodAutoscaler", 4),
    ("StatefulSet", 4),
    ("Job", 4),
    ("CronJob", 4),
    ("IngressClass", 4),
    ("Ingress", 4),
    ("APIService", 4),
    ("MutatingWebhookConfiguration", 5),
    ("ValidatingWebhookConfiguration", 5),
    ("MutatingAdmissionPolicy", 5),
    ("ValidatingAdmissionPolicy", 5),
];
/// Unknown kinds come last: most are custom resources whose operators must be there first.
const LAST_WAVE: usize = 6;

/// Returns where a kind stands in the order of installation.
pub fn install_rank(kind: &str) -> usize {
    INSTALL_ORDER
        .iter()
        .position(|(known, _)| *known == kind)
        .unwrap_or(INSTALL_ORDER.len())
}

/// Returns where a kind stands in the order of removal: the reverse of installation, with
/// unknown kinds first, while their operators still run.
pub fn uninstall_rank(kind: &str) -> usize {
    INSTALL_ORDER.len() - install_rank(kind)
}

/// Returns the wave in which a kind is applied.
pub(super) fn wave(kind: &str) -> usize {
    INSTALL_ORDER
        .iter()
        .find(|(known, _)| *known == kind)
        .map_or(LAST_WAVE, |(_, wave)| *wave)
}

/// Returns the wave in which a kind is removed.
pub(super) fn removal_wave(kind: &str) -> usize {
    LAST_WAVE - wave(kind)
}
