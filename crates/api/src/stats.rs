//! What hosts and containers use: which are meant by a link of statistics, and the frames that Rancher's clients read. How
//! samples get here is the server's business.

use std::collections::BTreeMap;

use drover_core::{HostId, ProjectId, Rank, Sample, ServiceId, Time, World};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::context::Caller;
use crate::ids::Kind;
use crate::resource::container::{Member, by_number, of_unit};

/// Containers in one stream, at most; of more the rest is left out.
const MOST: usize = 1_000;

/// What a link of statistics leads to. Containers come and go while a stream lasts: it is of those that run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatsOf {
    /// A host itself.
    Host(HostId),
    /// All hosts of a project.
    Hosts(ProjectId),
    /// One container, by its number.
    Container(u64),
    /// The containers on a host.
    OnHost(HostId),
    /// The containers of a service.
    Service(ServiceId),
    /// All containers of a project.
    Project(ProjectId),
}

/// Something that is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its id on the wire.
    pub id: String,
    /// The host it is on, or is.
    pub host: HostId,
    /// Docker's id of the container; empty for the host itself.
    pub container: String,
}

impl StatsOf {
    /// Whether it is of hosts, not of containers.
    pub fn is_of_hosts(self) -> bool {
        matches!(self, Self::Host(_) | Self::Hosts(_))
    }

    /// What is to be measured now; `None` if it is gone, or no longer the caller's to see. On hosts that are away nothing is.
    pub fn sources(self, world: &World, caller: &Caller) -> Option<Vec<Source>> {
        let project = self.project(world)?;
        let rank = caller.rights(world).in_project(project);
        rank.filter(|rank| *rank >= Rank::Readonly)?;
        let host =
            |id: HostId| Source { id: Kind::Host.id(id.0), host: id, container: String::new() };
        let hosts = world.hosts.values().filter(|h| h.project == project && h.removed_at.is_none());
        let mut sources: Vec<Source> = match self {
            Self::Host(id) => vec![host(id)],
            Self::Hosts(_) => hosts.map(|held| host(held.id)).collect(),
            Self::Container(number) => {
                by_number(world, number).iter().filter_map(of_member).collect()
            }
            Self::OnHost(id) => {
                let units = world.units_on(id).flat_map(|unit| of_unit(world, unit));
                units.filter_map(|member| of_member(&member)).collect()
            }
            Self::Service(id) => {
                let units = world.units_of(id).flat_map(|unit| of_unit(world, unit));
                units.filter_map(|member| of_member(&member)).collect()
            }
            Self::Project(_) => {
                let units = world.units.values().flat_map(|unit| of_unit(world, unit));
                let own = units.filter(|member| member.service.project == project);
                own.filter_map(|member| of_member(&member)).collect()
            }
        };
        sources.retain(|source| world.is_connected(source.host));
        sources.truncate(MOST);
        Some(sources)
    }

    fn project(self, world: &World) -> Option<ProjectId> {
        match self {
            Self::Host(id) | Self::OnHost(id) => {
                world.host(id).filter(|h| h.removed_at.is_none()).map(|h| h.project)
            }
            Self::Service(id) => {
                world.service(id).filter(|s| s.removed_at.is_none()).map(|s| s.project)
            }
            Self::Container(number) => by_number(world, number).map(|m| m.service.project),
            Self::Hosts(id) | Self::Project(id) => {
                world.projects.get(&id).filter(|p| p.removed_at.is_none()).map(|p| p.id)
            }
        }
    }
}

/// A container that runs.
fn of_member(member: &Member<'_>) -> Option<Source> {
    let held = member.held().filter(|held| held.running && !held.docker_id.is_empty())?;
    let (id, host) = (member.id(), member.unit.host);
    Some(Source { id, host, container: held.docker_id.clone() })
}

/// A frame: what was measured last of each source. Without a sample there is nothing to say of it.
pub fn stats_frame(sources: &[Source], last: &BTreeMap<(HostId, String), Sample>) -> Value {
    let samples = sources.iter().filter_map(|source| {
        let sample = last.get(&(source.host, source.container.clone()))?;
        Some(render(source, sample))
    });
    samples.collect()
}

/// One sample as Rancher's clients read it, who got it from cAdvisor's words.
fn render(source: &Source, sample: &Sample) -> Value {
    let interfaces = || sample.interfaces.iter();
    let interface =
        |name: &str, rx: u64, tx: u64| json!({ "name": name, "rx_bytes": rx, "tx_bytes": tx });
    let first = interfaces().next().map_or("", |first| first.name.as_str());
    let sum = |bytes: fn(&drover_core::InterfaceUse) -> u64| interfaces().map(bytes).sum();
    let mut network = interface(first, sum(|i| i.rx_bytes), sum(|i| i.tx_bytes));
    let each = interfaces().map(|i| interface(&i.name, i.rx_bytes, i.tx_bytes));
    network["interfaces"] = each.collect();
    let disks = sample.disks.iter().map(|disk| {
        json!({
            "major": disk.major,
            "minor": disk.minor,
            "stats": { "Read": disk.read, "Write": disk.written, "Total": disk.read + disk.written },
        })
    });
    let kind = if source.container.is_empty() { "host" } else { "container" };
    json!({
        "id": source.id,
        "resourceType": kind,
        "memLimit": sample.memory_limit,
        "timestamp": moment(sample.at),
        "cpu": { "usage": {
            "total": sample.cpu.total,
            "per_cpu_usage": sample.cpu.each,
            "user": sample.cpu.user,
            "system": sample.cpu.system,
        }},
        "diskio": { "io_service_bytes": disks.collect::<Vec<_>>() },
        "network": network,
        "memory": { "usage": sample.memory },
    })
}

/// To the millisecond: what was used in a second is divided by the time between two of them.
fn moment(at: Time) -> Option<String> {
    let ns = i128::from(at.0) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(ns).ok()?.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use drover_core::{CpuUse, DiskUse, InterfaceUse};

    use super::*;

    #[test]
    fn a_frame_as_rancher_s_clients_read_it() {
        let (host, container) = (HostId(1), "abc".to_owned());
        let source =
            |id: &str, container: &str| Source { id: id.into(), host, container: container.into() };
        let interface =
            |name: &str, rx_bytes, tx_bytes| InterfaceUse { name: name.into(), rx_bytes, tx_bytes };
        let sample = Sample {
            container: container.clone(),
            at: Time(1_795_219_866_123),
            cpu: CpuUse { total: 10, each: vec![6, 4], user: 7, system: 3 },
            memory: 5,
            memory_limit: 9,
            interfaces: vec![interface("eth0", 1, 2), interface("eth1", 10, 20)],
            disks: vec![DiskUse { major: 8, minor: 0, read: 3, written: 4 }],
        };
        let last = BTreeMap::from([((host, container), sample)]);
        let frame = stats_frame(&[source("1h1", ""), source("1i103", "abc")], &last);
        let want = json!([{
            "id": "1i103", "resourceType": "container", "memLimit": 9,
            "timestamp": "2026-11-21T00:11:06.123Z",
            "cpu": { "usage": { "total": 10, "per_cpu_usage": [6, 4], "user": 7, "system": 3 } },
            "diskio": { "io_service_bytes": [
                { "major": 8, "minor": 0, "stats": { "Read": 3, "Write": 4, "Total": 7 } },
            ]},
            "network": {
                "name": "eth0", "rx_bytes": 11, "tx_bytes": 22,
                "interfaces": [
                    { "name": "eth0", "rx_bytes": 1, "tx_bytes": 2 },
                    { "name": "eth1", "rx_bytes": 10, "tx_bytes": 20 },
                ],
            },
            "memory": { "usage": 5 },
        }]);
        assert_eq!(frame, want, "{frame:#}");
    }
}
