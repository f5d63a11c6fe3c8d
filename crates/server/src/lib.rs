//! Drover's server: the HTTP API, the agents' hub, and the loop that plans.
//!
//! It decides nothing itself. What a request means is said in `drover-api`, what to do next in `drover-core`,
//! both purely; here are the clock, the random text, the connections, and the commits.
//!
//! Read in this order: [`run()`] (start to end), `http` (a request's way), `call` (a call of the API), `plan_loop`,
//! `hub` and `session` (the agents).

mod answer;
mod asks;
mod attempts;
mod audit;
mod auth;
mod base_url;
mod body;
mod call;
mod clock;
mod consul;
mod directory;
mod doctor;
mod errands;
mod export;
mod first_start;
mod graveyard;
mod hello;
mod host_access;
mod http;
mod hub;
mod library;
mod link;
mod listen;
mod lock;
mod logins;
mod plan_loop;
mod pulls;
mod purge;
mod random;
mod register;
mod rollouts;
mod route;
mod run;
#[cfg(test)]
mod sample;
mod script;
mod serve;
mod server;
mod session;
mod sightings;
mod stats;
mod subscribe;
mod throttle;
mod tokens;
mod webhooks;
mod who;

pub use first_start::{AdminKey, begin};
pub use run::{Options, ServerError, Told, run};
pub use serve::{Settings, serve};
pub use server::Timing;
