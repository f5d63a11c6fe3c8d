//! What the planner decides, as tables and short stories over a cluster whose agents obey at once.
//!
//! Interleavings, lost messages and crashes are the simulation's; here every story is the plain one.

#![allow(clippy::unwrap_used)] // a story that can't go on is a failed test

mod dependence;
mod drain;
mod evacuate;
mod fenced;
mod forecast;
mod heal;
mod hosts;
mod judged;
mod lab;
mod lease;
mod policy;
mod rebalance;
mod refuse;
mod scale;
mod shift;
mod staging;
mod steady;
mod upgrade;
mod votes;
