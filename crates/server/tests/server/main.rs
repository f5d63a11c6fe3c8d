//! The server as its clients see it: in-process, on the memory store, over real sockets on loopback, with agents
//! that are played by the tests.

#![allow(clippy::unwrap_used)] // clippy sees a test in `#[test]` functions only, not in what they share

mod access;
mod agents;
mod asks;
mod attempts;
mod catalog;
mod cluster;
mod consul;
mod discovery;
mod doctor;
mod fake_agent;
mod graveyard;
mod obedient;
mod people;
mod registration;
mod requests;
mod rollouts;
mod rows;
mod running;
mod secrets;
mod stats;
mod streams;
mod webhooks;
mod writes;
