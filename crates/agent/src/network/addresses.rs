//! Addresses that are chosen: those slots keep (`retain_ip`) and those containers ask for. Docker gives the others,
//! from the other half of the subnet.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use drover_core::UnitKey;
use serde::{Deserialize, Serialize};

use super::subnet::Subnet;

/// The address of every slot that keeps one on this host, by `service/slot`; in the agent's folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Addresses(BTreeMap<String, Ipv4Addr>);

impl Addresses {
    /// The address for a new container of a slot: the slot's, unless `taken`, else another, which is the slot's from
    /// then on. While the slot's old container still runs, two can't have one address. `None` if all are taken.
    pub fn keep(
        &mut self,
        unit: UnitKey,
        subnet: Subnet,
        taken: &BTreeSet<Ipv4Addr>,
    ) -> Option<Ipv4Addr> {
        let slot = format!("{}/{}", unit.service, unit.slot);
        let held = self.0.get(&slot).copied();
        if let Some(held) = held.filter(|held| subnet.has(*held) && !taken.contains(held)) {
            return Some(held);
        }
        let others: BTreeSet<Ipv4Addr> = self.0.values().copied().collect();
        let free = |address: &Ipv4Addr| !taken.contains(address);
        let mut all = subnet.chosen();
        // Only when all are spoken for is one taken from a slot that has no container here.
        let found =
            all.find(|a| free(a) && !others.contains(a)).or_else(|| subnet.chosen().find(free))?;
        self.0.retain(|_, address| *address != found);
        self.0.insert(slot, found);
        Some(found)
    }

    /// All of them, as text, by `service/slot`.
    pub fn by_slot(self) -> BTreeMap<String, String> {
        self.0.into_iter().map(|(slot, address)| (slot, address.to_string())).collect()
    }
}

/// The first address of a comma list that a container here can have.
pub fn requested(list: &str, subnet: Subnet, taken: &BTreeSet<Ipv4Addr>) -> Option<Ipv4Addr> {
    let mut wishes = list.split(',').filter_map(|wish| wish.trim().parse::<Ipv4Addr>().ok());
    wishes.find(|wish| subnet.has(*wish) && !taken.contains(wish))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet() -> Subnet {
        "10.42.3.0/28".parse().unwrap()
    }

    fn set(addresses: &[&str]) -> BTreeSet<Ipv4Addr> {
        addresses.iter().map(|a| a.parse().unwrap()).collect()
    }

    #[test]
    fn a_slot_keeps_its_address() {
        let mut addresses = Addresses::default();
        let mut check = |unit: &str, taken: &[&str], want: &str| {
            let got = addresses.keep(unit.parse().unwrap(), subnet(), &set(taken));
            assert_eq!(got.map(|a| a.to_string()).unwrap_or_default(), want, "{unit}");
        };
        check("1/1/1/1", &[], "10.42.3.8");
        check("1/2/1/1", &[], "10.42.3.9");
        // A new revision and a new incarnation are the same slot.
        check("1/1/2/1", &[], "10.42.3.8");
        check("1/1/2/2", &[], "10.42.3.8");
        // The old one still runs: from now on it is another address.
        check("1/1/3/1", &["10.42.3.8"], "10.42.3.10");
        check("1/1/3/2", &[], "10.42.3.10");
        check("2/1/1/1", &["10.42.3.8"], "10.42.3.11");
    }

    #[test]
    fn when_all_are_spoken_for_one_is_taken_that_nobody_has() {
        let mut addresses = Addresses::default();
        for slot in 1..=7 {
            addresses.keep(format!("1/{slot}/1/1").parse().unwrap(), subnet(), &set(&[])).unwrap();
        }
        let taken = set(&["10.42.3.8", "10.42.3.9"]);
        let got = addresses.keep("2/1/1/1".parse().unwrap(), subnet(), &taken);
        assert_eq!(got, Some("10.42.3.10".parse().unwrap()));
        let all: BTreeSet<_> = subnet().chosen().collect();
        assert_eq!(addresses.keep("3/1/1/1".parse().unwrap(), subnet(), &all), None);
    }

    #[test]
    fn the_first_wish_that_can_be_granted() {
        let check = |list: &str, want: Option<&str>| {
            let got = requested(list, subnet(), &set(&["10.42.3.5"]));
            assert_eq!(got.map(|a| a.to_string()).as_deref(), want, "{list}");
        };
        check("10.42.3.4", Some("10.42.3.4"));
        check("10.42.3.5, 10.42.3.6", Some("10.42.3.6"));
        check("10.42.9.4,10.42.3.1,nonsense", None);
        check("", None);
    }
}
