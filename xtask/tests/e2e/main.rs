//! The product on three real Docker hosts, driven as users drive it: the server, an agent per host, the command line, and
//! Docker behind its back. Only what reality alone can show is here; what can be shown without Docker is shown elsewhere.
//!
//! Runs if `DROVER_TESTBED` leads to a running testbed, as in `cargo xtask test`; does nothing otherwise. Tests share
//! the hosts, so they take turns: `--test-threads 1`.
// Helpers outside of `#[test]` functions fail as tests do, and say why they do nothing.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod bad_input;
mod bad_upgrades;
mod broken_path;
mod clients;
mod dependence;
mod doctor;
mod encryption;
mod environments;
mod evacuate;
mod fixed_port;
mod full_disk;
mod healing;
mod health;
mod host_loss;
mod inside;
mod interrupted;
mod prometheus;
mod proof;
mod rebalance;
mod restarts;
mod revisions;
mod stage;
mod together;
mod traffic;
mod up;
mod upgrade;
mod verdicts;
