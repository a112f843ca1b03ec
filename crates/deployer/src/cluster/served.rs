//! Reading objects some of whose kinds may be gone.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::{Cluster, ClusterError, ObjectId};

/// Returns those of the objects that are there. One whose kind is not served counts as absent where
/// `may_be_gone` allows it; it is asked for these alone.
///
/// # Errors
/// When the target cannot be asked, or another kind is unknown.
pub async fn get_served(
    cluster: &dyn Cluster,
    ids: Vec<ObjectId>,
    may_be_gone: impl Fn(&ObjectId) -> bool,
) -> Result<HashMap<ObjectId, Arc<Value>>, ClusterError> {
    let found = match cluster.get_many(&ids).await {
        Err(ClusterError::UnknownKind { .. }) => {
            let mut found = Vec::with_capacity(ids.len());
            for id in &ids {
                found.push(match cluster.get(id).await {
                    Err(ClusterError::UnknownKind { .. }) if may_be_gone(id) => None,
                    other => other?.map(Arc::new),
                });
            }
            found
        }
        other => other?,
    };
    Ok(ids
        .into_iter()
        .zip(found)
        .filter_map(|(id, object)| Some((id, object?)))
        .collect())
}
