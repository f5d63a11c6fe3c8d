//! The commands as people and scripts call them: the real binary as a process of its own, against a real server in
//! this one on the memory store, with hosts that are played, or simulated by real agents. What is checked is what a user gets: the exit status,
//! the lines, and what became of the cluster.

#![allow(clippy::unwrap_used)] // clippy sees a test in `#[test]` functions only, not in what they share

mod between;
mod cluster;
mod lifecycle;
mod logs;
mod mistakes;
mod network;
mod outcomes;
mod people;
mod promises;
mod rancher;
mod recorded;
mod secrets;
mod simulated;
mod up;
mod upgrade;
mod webhooks;
