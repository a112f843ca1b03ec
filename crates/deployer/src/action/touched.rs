//! Which objects a change got to: what undoing it must bring back, and what it may leave alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::cluster::{ClusterError, ObjectId};

/// A set of objects that the steps of a change write to while they run; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct ObjectSet(Arc<Mutex<BTreeSet<ObjectId>>>);

impl ObjectSet {
    pub(super) fn insert(&self, object: &ObjectId) {
        self.objects().insert(object.clone());
    }

    pub(super) fn remove(&self, object: &ObjectId) {
        self.objects().remove(object);
    }

    pub(super) fn contains(&self, object: &ObjectId) -> bool {
        self.objects().contains(object)
    }

    fn objects(&self) -> MutexGuard<'_, BTreeSet<ObjectId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells whether the target refused a change and is sure not to have made it.
pub(super) fn is_refusal(error: &ClusterError) -> bool {
    matches!(
        error,
        ClusterError::FieldConflict { .. }
            | ClusterError::Conflict { .. }
            | ClusterError::Rejected { .. }
            | ClusterError::Forbidden { .. }
            | ClusterError::AlreadyExists { .. }
            | ClusterError::UnknownKind { .. }
            | ClusterError::InvalidObject { .. }
            | ClusterError::NamespaceNotFound { .. }
    )
}

/// What the steps of a change note down, and what they know of a change that they undo.
#[derive(Debug, Clone, Default)]
pub(super) struct Traces {
    /// Objects that may have been changed: noted before the request.
    pub(super) touched: ObjectSet,
    /// What the change that is being undone had touched. The target may refuse an object beyond
    /// these: it is as it was before.
    undone: Option<ObjectSet>,
    /// Objects that were refused so and left as they are, and why.
    left: Arc<Mutex<BTreeMap<ObjectId, String>>>,
}

impl Traces {
    /// Makes the traces of a change that undoes another.
    pub(super) fn of_undoing(undone: Option<ObjectSet>) -> Self {
        Self {
            undone,
            ..Self::default()
        }
    }

    /// Notes a refusal; tells whether the object can be left as it is.
    pub(super) fn refused(&self, object: &ObjectId, why: &ClusterError) -> bool {
        self.touched.remove(object);
        let may_stay = self
            .undone
            .as_ref()
            .is_some_and(|undone| !undone.contains(object));
        if may_stay {
            self.left().insert(object.clone(), why.to_string());
        }
        may_stay
    }

    /// Tells whether an object was left as it is.
    pub(super) fn has_left(&self, object: &ObjectId) -> bool {
        self.left().contains_key(object)
    }

    /// Says for each object that was left why it was.
    pub(super) fn left_because(&self) -> Vec<String> {
        self.left()
            .iter()
            .map(|(object, why)| format!("{object} was left as it is: {why}"))
            .collect()
    }

    fn left(&self) -> MutexGuard<'_, BTreeMap<ObjectId, String>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_undone_change_did_not_touch_may_be_refused() {
        let object = |name: &str| ObjectId {
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: None,
            name: name.into(),
        };
        let change = Traces::default();
        let why = ClusterError::Conflict {
            object: object("refused"),
        };
        change.touched.insert(&object("changed"));
        change.touched.insert(&object("refused"));
        assert!(!change.refused(&object("refused"), &why));
        let undo = Traces::of_undoing(Some(change.touched.clone()));
        assert!(!undo.refused(&object("changed"), &why));
        assert!(undo.refused(&object("refused"), &why));
        assert!(undo.has_left(&object("refused")));
    }
}
