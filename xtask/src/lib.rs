//! What this project's developers and its continuous integration run: checks, tests, the demo, benchmarks, and the
//! testbed of several Docker hosts under them. A library too, because end-to-end tests stand on the same testbed.
//!
//! No part of the product: nothing depends on it, and it drives the product only as users do, by its binary.
// The one crate beside the command line whose business is to print.
#![allow(clippy::print_stdout, clippy::print_stderr)]

pub mod api;
pub mod bench;
pub mod checkout;
pub mod clients;
pub mod cluster;
pub mod command;
pub mod demo;
pub mod docker;
pub mod fuzz;
pub mod http;
pub mod images;
pub mod interrupt;
pub mod load;
pub mod packages;
pub mod registry;
pub mod releases;
pub mod sim;
pub mod simulated;
pub mod steps;
pub mod test;
pub mod testbed;
pub mod tidy;
pub mod traffic;
pub mod wait;
