//! What the planner decides, as tables and short stories over a cluster whose agents obey at once.
//!
//! Interleavings, lost messages and crashes are the simulation's; here every story is the plain one.

mod hosts;
mod lab;
mod refuse;
mod steady;
mod upgrade;
