//! The simulated hosts of one process, as they find each other: who there is, and whose a subnet is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, Weak};

use super::{Inner, SimulatedHost};
use crate::lock::lock;
use crate::network::Subnet;

/// All of them.
#[derive(Default)]
pub(crate) struct Site {
    hosts: Mutex<BTreeSet<Ipv4Addr>>,
    /// By the first address of a subnet. Hosts know the site, so it holds none of them.
    subnets: Mutex<BTreeMap<Ipv4Addr, (Subnet, Weak<Inner>)>>,
}

impl Site {
    /// There is a host at this address.
    pub(super) fn joins(&self, address: Ipv4Addr) {
        lock(&self.hosts).insert(address);
    }

    pub(super) fn has(&self, address: Ipv4Addr) -> bool {
        lock(&self.hosts).contains(&address)
    }

    /// A subnet is this host's from now on.
    pub(super) fn owns(&self, subnet: Subnet, host: &Arc<Inner>) {
        lock(&self.subnets).insert(subnet.base(), (subnet, Arc::downgrade(host)));
    }

    /// The host whose subnet an address is of, if it is of one that is here.
    pub(super) fn host_of(&self, address: Ipv4Addr) -> Option<SimulatedHost> {
        let subnets = lock(&self.subnets);
        let (_, (subnet, host)) = subnets.range(..=address).next_back()?;
        subnet.has(address).then(|| host.upgrade().map(SimulatedHost)).flatten()
    }
}
