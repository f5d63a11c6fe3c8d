//! The API as its clients use it: requests in, JSON out, commits checked.
#![allow(clippy::unwrap_used)] // what isn't there fails the test
#![allow(clippy::needless_pass_by_value)] // bodies are written in place

mod access;
mod balancers;
mod bench;
mod between;
mod certificates;
mod compose;
mod consul;
mod containers;
mod discovery;
mod drivers;
mod everything;
mod fields;
mod fuzz;
mod hosts;
mod keys;
mod lists;
mod one;
mod people;
mod project_secrets;
mod project_templates;
mod projects;
mod registries;
mod revisions;
mod rules;
mod secrets;
mod services;
mod shape;
mod stacks;
mod stats;
mod tenancy;
mod the_rest;
mod together;
mod upgrades;
mod volumes;
mod webhooks;
