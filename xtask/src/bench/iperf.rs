//! iperf3: bytes as fast as they go, and what it says of them.

use std::process::Command;

use serde_json::Value;

use super::BenchError;
use crate::command;
use crate::packages::Needed;

/// Its package.
pub(super) const NEEDED: Needed = ("iperf3", "iperf3");

/// The command line of who receives.
pub(super) fn server(port: u16) -> String {
    format!("iperf3 --server --port {port}")
}

/// The command line of who sends.
pub(super) fn client(address: &str, port: u16, seconds: u32) -> String {
    format!(
        "iperf3 --client {address} --port {port} --time {seconds} --json --connect-timeout 5000"
    )
}

/// Send; what was received, in gigabits for each second.
pub(super) fn gigabits_per_s(client: &mut Command) -> Result<f64, BenchError> {
    let said = command::output(client)?.stdout;
    let said: Value = serde_json::from_slice(&said).unwrap_or_default();
    let bits = said["end"]["sum_received"]["bits_per_second"].as_f64();
    let what = || format!("what it says can't be read: {said}");
    let bits = bits.ok_or_else(|| BenchError::Stuck { who: "iperf3", what: what() })?;
    Ok(bits / 1e9)
}
