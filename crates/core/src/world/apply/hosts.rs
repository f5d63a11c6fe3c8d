//! Hosts: what users say of them, what is seen of them, and what the planner gives and takes.

use std::sync::Arc;

use super::{Touched, missing, need, step};
use crate::{Host, HostId, HostSeen, Refused, RowKey, World};

impl World {
    pub(super) fn put_host(&mut self, host: &Host, touched: &mut Touched) -> Result<(), Refused> {
        need(self.projects.contains_key(&host.project), "the host's project")?;
        self.count(host.id.0);
        // Its part of the network is the planner's.
        let subnet = self.host(host.id).and_then(|held| held.subnet.clone());
        let host = Host { subnet: subnet.or_else(|| host.subnet.clone()), ..host.clone() };
        touched.insert(RowKey::Host(host.id));
        if let Some(held) = self.hosts.get(&host.id) {
            self.index.host(held, false);
        }
        self.index.host(&host, true);
        self.moving(host.id, |world| {
            world.hosts.insert(host.id, Arc::new(host));
        });
        Ok(())
    }

    pub(super) fn drop_host(&mut self, id: HostId, touched: &mut Touched) -> Result<(), Refused> {
        if self.units_on(id).next().is_some() {
            return Err(step(format!("host {id}"), "units are left on it"));
        }
        if let Some(held) = self.hosts.get(&id) {
            self.index.host(held, false);
        }
        self.moving(id, |world| {
            world.hosts.remove(&id);
            world.seen.remove(&id);
        });
        self.lost.remove(&id);
        self.names_followed.remove(&id);
        self.witnessed.remove(&id);
        touched.extend([RowKey::Host(id), RowKey::Seen(id), RowKey::Lost(id)]);
        touched.extend([RowKey::NamesFollowed(id), RowKey::Witnessed(id)]);
        Ok(())
    }

    pub(super) fn give_subnet(
        &mut self,
        host: HostId,
        subnet: &str,
        touched: &mut Touched,
    ) -> Result<(), Refused> {
        let held = self.host(host).ok_or_else(|| missing(format!("host {host}")))?;
        if let Some(held) = &held.subnet {
            return Err(step(format!("host {host}"), format!("its subnet is {held}")));
        }
        let given = Host { subnet: Some(subnet.to_owned()), ..held.clone() };
        touched.insert(RowKey::Host(host));
        self.hosts.insert(host, Arc::new(given));
        Ok(())
    }

    pub(super) fn lose_host(
        &mut self,
        host: HostId,
        lost: bool,
        touched: &mut Touched,
    ) -> Result<(), Refused> {
        need(self.hosts.contains_key(&host), "the host")?;
        if lost {
            self.lost.insert(host, true);
        } else {
            self.lost.remove(&host);
        }
        touched.insert(RowKey::Lost(host));
        Ok(())
    }

    pub(super) fn see_host(
        &mut self,
        host: HostId,
        seen: &HostSeen,
        touched: &mut Touched,
    ) -> Result<(), Refused> {
        need(self.hosts.contains_key(&host), "the host")?;
        self.moving(host, |world| {
            world.seen.insert(host, Arc::new(seen.clone()));
        });
        touched.insert(RowKey::Seen(host));
        Ok(())
    }
}
