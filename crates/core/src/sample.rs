//! What a host or a container uses, as its agent measured it at one moment. Counters only grow, from the start of the
//! machine or of the container; what was used between two moments is the difference of two samples.

use serde::{Deserialize, Serialize};

use crate::Time;

/// One measurement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sample {
    /// Docker's id of the container; empty for the host itself.
    pub container: String,
    /// When, by the host's clock.
    pub at: Time,
    /// Processor time.
    pub cpu: CpuUse,
    /// Memory in use without what the kernel would give back at once, bytes.
    pub memory: u64,
    /// How much it may use, bytes: the container's limit, or all that the host has.
    pub memory_limit: u64,
    /// Its network interfaces.
    pub interfaces: Vec<InterfaceUse>,
    /// The disks it reads and writes.
    pub disks: Vec<DiskUse>,
}

/// Processor time, nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuUse {
    /// On all processors together.
    pub total: u64,
    /// On each; empty where the kernel does not tell them apart (cgroup 2).
    pub each: Vec<u64>,
    /// Of it in programs.
    pub user: u64,
    /// Of it in the kernel.
    pub system: u64,
}

/// What went over a network interface, bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InterfaceUse {
    /// `eth0`.
    pub name: String,
    /// Received.
    pub rx_bytes: u64,
    /// Sent.
    pub tx_bytes: u64,
}

/// What was read from a disk and written to it, bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiskUse {
    /// The kernel's number of the driver.
    pub major: u64,
    /// The driver's number of the disk.
    pub minor: u64,
    /// Read.
    pub read: u64,
    /// Written.
    pub written: u64,
}
