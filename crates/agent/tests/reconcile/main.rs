//! Stories of a host: what the agent does and says, told on a small Docker made of a map, in virtual time.
// Helpers outside of `#[test]` functions fail as tests do.
#![allow(clippy::unwrap_used)]

mod back_off;
mod fake;
mod foreign;
mod lease;
mod life;
mod ready;
mod sidekicks;
