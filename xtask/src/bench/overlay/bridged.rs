//! A VXLAN tunnel made by hand whose ends are what containers have: on either side a bridge with the tunnel as one port
//! and a pair of links as the other. It tells what bridges and links cost from what is Drover's own doing: it has no
//! gateway and no firewall, since all of it lives in network namespaces of its own.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use super::{BenchError, ENDS};
use crate::command;
use crate::testbed::Testbed;

/// The tunnel's number and UDP port: nobody else's.
const VNI: &str = "4712";
/// What fits into a packet of 1500 bytes beside the tunnel's own headers.
pub(super) const MTU: &str = "1450";

/// The namespaces of both hosts; gone when dropped.
pub(super) struct Bridged {
    bed: Testbed,
}

impl Bridged {
    /// Make both sides.
    pub(super) fn make(bed: &Testbed) -> Result<Self, BenchError> {
        let made = Self { bed: bed.clone() };
        made.remove();
        for (own, other) in [(ENDS[0], ENDS[1]), (ENDS[1], ENDS[0])] {
            let (local, remote) = (bed.host(own)?.address, bed.host(other)?.address);
            let (bridge, end) = (made.namespace(own, "bridge"), made.namespace(own, "end"));
            for line in [
                format!("netns add {bridge}"),
                format!("netns add {end}"),
                format!(
                    "link add plain1 mtu {MTU} type vxlan id {VNI} dstport {VNI} local {local} remote {remote}"
                ),
                format!("link set plain1 netns {bridge}"),
                format!("-n {bridge} link add plainbr mtu {MTU} type bridge"),
                format!(
                    "-n {bridge} link add port mtu {MTU} type veth peer name eth0 mtu {MTU} netns {end}"
                ),
                format!("-n {bridge} link set plain1 master plainbr up"),
                format!("-n {bridge} link set port master plainbr up"),
                format!("-n {bridge} link set plainbr up"),
                format!("-n {end} address add {}/24 dev eth0", address(own)),
                format!("-n {end} link set eth0 up"),
            ] {
                made.ip(own, &line)?;
            }
        }
        Ok(made)
    }

    /// A command at one end.
    pub(super) fn command(&self, host: u8, line: &str) -> Result<Command, BenchError> {
        let mut command = self.bed.command(host, Path::new("ip"))?;
        command.args(["netns", "exec", &self.namespace(host, "end")]);
        command.args(line.split_whitespace());
        Ok(command)
    }

    fn namespace(&self, host: u8, what: &str) -> String {
        format!("drover-bench-{}-{host}-{what}", self.bed.bed)
    }

    fn ip(&self, host: u8, line: &str) -> Result<(), BenchError> {
        let mut ip = self.bed.command(host, Path::new("ip"))?;
        command::output(ip.args(line.split(' ')))?;
        Ok(())
    }

    /// What is in them goes with them.
    fn remove(&self) {
        for host in ENDS {
            for what in ["bridge", "end"] {
                let _ = self.ip(host, &format!("netns delete {}", self.namespace(host, what)));
            }
        }
    }
}

impl Drop for Bridged {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Of one end.
pub(super) fn address(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 99, 98, host)
}
