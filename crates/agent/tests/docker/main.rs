//! The agent on a real Docker engine. `DROVER_TEST_DOCKER_SOCKETS` names the sockets of engines to use, separated by
//! commas (`cargo xtask test` sets it); without it, these tests say so and do nothing.
//!
//! Each test is a cluster of its own. Those of hosts that are joined share a network by its name and begin with what is left of
//! others removed, so one runs at a time (`--test-threads 1`). Nothing sleeps: a test waits until something is so.
// Helpers outside of `#[test]` functions fail as tests do.
// A test that does nothing says so.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod asks;
mod encryption;
mod failures;
mod leases;
mod life;
mod overlay;
mod server;
mod site;
mod survival;
mod wiretap;
