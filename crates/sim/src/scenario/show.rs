//! What a script is shown: services with their units and what is said of them, and whom balancers send to.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use drover_core::plan::plan;
use drover_core::{Desired, Scope, Unit, UnitKey, derive};

use super::stage::{Printed, Stage};

impl Stage {
    /// Every service with its units, and what is said of them.
    pub(super) fn show(&self) -> String {
        let world = &self.cluster.database.world;
        let notes = plan(world, &Scope::everything(), self.cluster.now).notes;
        let mut out = String::new();
        for host in world.hosts.values() {
            let left = derive::evacuation(world, host.id);
            let left = left.map(|left| (left.left.is_empty(), left.words(world)));
            match left {
                Some((true, _)) => {
                    let _ = writeln!(out, "  {}: empty", host.shown_name());
                }
                Some((false, words)) => {
                    let _ = writeln!(out, "  {}: {words}", host.shown_name());
                }
                None => {}
            }
        }
        for service in world.services.values() {
            let upgrade = world.upgrade(service.id).map(|u| format!(", {:?}", u.phase));
            let wanted = format!("{:?}", service.wanted).to_lowercase();
            let arrived =
                if service.settled == Some(service.wanted) { "" } else { " (on its way)" };
            let phase = upgrade.unwrap_or_default().to_lowercase();
            let _ = writeln!(out, "  {}: {wanted}{arrived}{phase}", service.name);
            for unit in world.units_of(service.id) {
                let _ = writeln!(out, "    {}", self.line(unit));
            }
            for note in notes.iter().filter(|n| n.service == service.id) {
                let mark = if note.stuck { "!" } else { "-" };
                let _ = writeln!(out, "    {mark} {}", note.text);
            }
        }
        out
    }

    fn line(&self, unit: &Unit) -> String {
        let world = &self.cluster.database.world;
        let host = world.host(unit.host).map_or("?", |h| h.shown_name());
        let template = world.template(unit.key.service, unit.key.revision);
        let image = template.map_or("?", |t| t.primary.image.as_str());
        let state = match unit.desired {
            Desired::Running if derive::is_serving(world, unit) => "serving",
            Desired::Running => "to run",
            Desired::Draining => "draining",
            Desired::Staged => "ready to start",
            Desired::Stopped => "stopped",
            Desired::Removed => "going",
        };
        let again = match unit.key.incarnation {
            1 => String::new(),
            n => format!(", {n}. time"),
        };
        format!("{} on {host}: {image} {state}{again}", unit.key.slot)
    }

    /// Whom each process of a balancer sends to, as it last read its configuration.
    pub(super) fn targets(&self, name: &str) -> Printed {
        let mut out = String::new();
        for unit in self.cluster.database.world.units_of(self.service(name)?.id) {
            let router = self.cluster.routers.get(&unit.key).filter(|router| router.is_up());
            let Some(router) = router else { continue };
            let targets: BTreeSet<UnitKey> = router.targets().into_iter().collect();
            let targets: Vec<String> = targets.into_iter().map(|key| self.target(key)).collect();
            let said = if targets.is_empty() { "nobody".to_owned() } else { targets.join(", ") };
            let host = self.cluster.database.world.host(unit.host).map_or("?", |h| h.shown_name());
            let _ = writeln!(out, "  {name} {} on {host} sends to {said}", unit.key.slot);
        }
        Ok(out)
    }

    fn target(&self, key: UnitKey) -> String {
        let world = &self.cluster.database.world;
        let service = world.service(key.service).map_or("?", |service| service.name.as_str());
        let host = world.unit(key).and_then(|unit| world.host(unit.host));
        let host = host.map_or("a host it left", |host| host.shown_name());
        let template = world.template(key.service, key.revision);
        let image = template.map_or("?", |template| template.primary.image.as_str());
        format!("{service} {} on {host} ({image})", key.slot)
    }

    /// How many containers of a service run, how many addresses they have between them, and on how many hosts.
    pub(super) fn addresses(&self, name: &str) -> Printed {
        let service = self.service(name)?.id;
        let (mut containers, mut addresses, mut hosts) = (0, BTreeSet::new(), BTreeSet::new());
        for unit in self.cluster.database.world.units_of(service) {
            let Some(node) = self.cluster.nodes.get(&unit.host) else { continue };
            let container = node.engine.primary_of(unit.key);
            let Some(container) = container.filter(|c| c.running_since.is_some()) else { continue };
            containers += 1;
            addresses.insert(node.address_of(container));
            hosts.insert(unit.host);
        }
        let (addresses, hosts) = (addresses.len(), hosts.len());
        Ok(format!("  {name}: {containers} containers on {hosts} hosts, {addresses} addresses\n"))
    }
}
