//! Locks around plain maps. Nothing that holds one can panic half-way, so a poisoned one is as good as any.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Take a lock, for a moment and never over an await.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
