//! What went wrong while something was read that has no way to tell it.

use std::sync::{Arc, Mutex, PoisonError};

use verdict::summary::RunError;

/// The first failure to read or write.
#[derive(Clone, Debug, Default)]
pub(super) struct Fault(Arc<Mutex<Option<RunError>>>);

impl Fault {
    pub(super) fn keep(&self, error: RunError) {
        let mut fault = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        fault.get_or_insert(error);
    }

    pub(super) fn take(&self) -> Option<RunError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
