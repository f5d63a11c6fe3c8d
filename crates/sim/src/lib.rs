//! A whole cluster in one thread, on virtual time, from a seed: servers racing on stale snapshots, agents behind a
//! network that loses, repeats and reorders, engines whose containers crash, hosts that die, people who change their
//! minds. The decisions are the product's own; only the world around them is made up.
//!
//! [`chaos`] lives through seeds and judges every step; [`mutation`] takes safety rules out to prove that the judge
//! would notice; [`scenario`] runs the scripts under `scenarios/`.

pub mod chaos;
pub mod cluster;
pub mod database;
pub mod engine;
pub mod mutation;
pub mod node;
pub mod rng;
pub mod scenario;
pub mod server;
pub mod traffic;
mod user;
