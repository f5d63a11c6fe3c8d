//! The API as its clients use it: requests in, JSON out, commits checked.

mod bench;
mod compose;
mod discovery;
mod services;
mod stacks;
mod tenancy;
