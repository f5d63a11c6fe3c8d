//! Where units are placed: the same as by a plain scan of everything, whatever happened to the cluster before.

#![allow(clippy::unwrap_used)] // a world that can't be made is a failed test

mod chance;
mod same;
mod scan;
