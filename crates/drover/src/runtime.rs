//! Runtimes, each as small as its role allows: a worker costs memory whether it works or not.

use std::io;

use tokio::runtime::{Builder, Runtime};

/// Threads for work that blocks (files, names) at most; by default it would be hundreds.
const BLOCKING_THREADS: usize = 8;

/// For a command, which waits most of the time.
pub(crate) fn one_thread() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().max_blocking_threads(BLOCKING_THREADS).build()
}

/// For a role that serves others.
pub(crate) fn workers(count: usize) -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(count)
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
}
