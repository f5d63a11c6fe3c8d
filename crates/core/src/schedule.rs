//! Where a unit may go and where it goes best.

mod ports;

pub use ports::pick_ports;
