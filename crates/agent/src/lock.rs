//! Short locks that can't fail: what a panicking thread left behind is still a valid map.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Lock; never held across an await.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
