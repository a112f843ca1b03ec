//! The rules of a lease, the same for every store (pure).

use chrono::{DateTime, Utc};

use super::{Lease, LeaseRequest, StorageError};

/// Tells whether two leases are one and the same taking.
pub fn is_same(present: &Lease, held: &Lease) -> bool {
    present.holder == held.holder && present.transitions == held.transitions
}

/// Decides whether a lease can be taken, and how it reads then.
///
/// It never compares the holder's clock with ours: another's lease is free only when the request
/// names it as dead, and it still reads as it did.
///
/// # Errors
/// [`StorageError::LeaseHeld`] when another holds it.
pub fn take(present: Option<&Lease>, request: &LeaseRequest) -> Result<Lease, StorageError> {
    if let Some(present) = present
        && present.holder != request.holder
        && request.dead.as_ref() != Some(present)
    {
        return Err(StorageError::LeaseHeld {
            lease: Box::new(present.clone()),
        });
    }
    Ok(Lease {
        name: request.name.clone(),
        holder: request.holder.clone(),
        duration: request.duration,
        renewed_at: request.now,
        transitions: present.map_or(1, |present| present.transitions + 1),
    })
}

/// Decides whether a lease is still ours, and how it reads when it is prolonged.
///
/// # Errors
/// [`StorageError::LeaseLost`] when another took it, or it is gone.
pub fn renew(
    present: Option<&Lease>,
    held: &Lease,
    now: DateTime<Utc>,
) -> Result<Lease, StorageError> {
    match present {
        Some(present) if is_same(present, held) => Ok(Lease {
            renewed_at: now,
            ..held.clone()
        }),
        other => Err(StorageError::LeaseLost {
            name: held.name.clone(),
            holder: other.map(|present| present.holder.clone()),
        }),
    }
}
