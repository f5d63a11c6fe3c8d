//! Names and addresses of a testbed: everything follows from the bed's number and the host's number, so that a
//! bed can be found and removed with no record of it. Not the state of a running bed: that is [`super::Testbed`].

use std::net::Ipv4Addr;
use std::path::PathBuf;

/// Hosts of a bed at most: their addresses end in 11 to 210.
pub const MOST_HOSTS: u8 = 200;

/// Number of a testbed on this machine. Beds with different numbers don't meet: `testbed` uses 0, the demo 1,
/// the tests 2, the benchmark 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// 0 to 9.
    pub bed: u8,
}

impl Layout {
    /// The bed's bridge in the machine's own network namespace.
    pub fn bridge(self) -> String {
        format!("drover-bed{}", self.bed)
    }

    /// The bridge's end of a host's cable.
    pub fn cable(self, host: u8) -> String {
        format!("drover{}h{host}", self.bed)
    }

    /// Name of a host.
    pub fn host_name(self, host: u8) -> String {
        format!("host{host}")
    }

    /// Last argument of a host's first process, by which it is found.
    pub fn marker(self, host: u8) -> String {
        format!("{}host{host}", self.marker_prefix())
    }

    /// What the markers of all the bed's hosts begin with.
    pub fn marker_prefix(self) -> String {
        format!("drover-testbed-{}-", self.bed)
    }

    /// Address of the machine itself on the bridge, where the server listens.
    pub fn server(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77 + self.bed, 0, 1)
    }

    /// The bridge's network.
    pub fn hosts_network(self) -> String {
        format!("10.{}.0.0/24", 77 + self.bed)
    }

    /// A host's address.
    pub fn address(self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 77 + self.bed, 0, 10 + host)
    }

    /// A host's hardware address: the same after every boot, as a machine's is, or neighbours would go on
    /// sending to the old one for seconds.
    pub fn hardware_address(self, host: u8) -> String {
        format!("02:77:{:02x}:00:00:{host:02x}", self.bed)
    }

    /// The network of a host's containers: not in the range that Drover gives its own.
    pub fn containers(self, host: u8) -> String {
        format!("10.{}.{host}.0/24", 60 + self.bed)
    }

    /// The engine's own address in it, as dockerd's `--bip` wants it.
    pub fn engine_address(self, host: u8) -> String {
        format!("10.{}.{host}.1/24", 60 + self.bed)
    }

    /// All containers of the bed.
    pub fn all_containers(self) -> String {
        format!("10.{}.0.0/16", 60 + self.bed)
    }

    /// The bed's only folder.
    pub fn folder(self) -> PathBuf {
        PathBuf::from(format!("/var/lib/drover-testbed-{}", self.bed))
    }

    /// A host's part of it: what survives its power being cut.
    pub fn host_folder(self, host: u8) -> PathBuf {
        self.folder().join(self.host_name(host))
    }

    /// Where a host's engine listens.
    pub fn socket(self, host: u8) -> PathBuf {
        self.host_folder(host).join("docker.sock")
    }

    /// The bed's cgroup, relative to each hierarchy's root.
    pub fn cgroup(self) -> String {
        format!("drover-testbed-{}", self.bed)
    }

    /// A host's, likewise; its containers' are in it.
    pub fn host_cgroup(self, host: u8) -> String {
        format!("{}/{}", self.cgroup(), self.host_name(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_names_fit_the_kernel() {
        let layout = Layout { bed: 9 };
        assert!(layout.bridge().len() <= 15);
        assert!(layout.cable(MOST_HOSTS).len() <= 15);
        assert_eq!(layout.address(MOST_HOSTS).octets()[3], 210);
    }
}
