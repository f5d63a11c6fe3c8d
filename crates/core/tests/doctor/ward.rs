//! Hosts that are well, and ways to spoil what they say.

use std::collections::BTreeMap;

use drover_core::doctor::{
    Answers, Diagnosis, Endpoint, Examined, Heard, NamesFound, Probed, Reach, Severity, Way,
    diagnose,
};
use drover_core::{Change, Host, HostId, HostSeen, Project, ProjectId, Time, World};

pub(crate) const PROJECT: ProjectId = ProjectId(1);

pub(crate) const NOW: Time = Time(10_000_000);

/// Hosts 1 to n, all of them well.
pub(crate) struct Ward {
    pub(crate) world: World,
    pub(crate) answers: BTreeMap<HostId, Answers>,
    pub(crate) hosts: u64,
}

impl Ward {
    pub(crate) fn new(hosts: u64) -> Self {
        let project = Project {
            id: PROJECT,
            name: "Default".into(),
            description: String::new(),
            settings: drover_core::ProjectSettings::default(),
            created_at: Time(0),
            removed_at: None,
        };
        let mut changes = vec![Change::PutProject(project)];
        for n in 1..=hosts {
            let seen = HostSeen { connected: true, ..HostSeen::default() };
            changes.push(Change::PutHost(host(n)));
            changes.push(Change::SeeHost { host: HostId(n), seen: Box::new(seen) });
        }
        let (world, _) = World::new().commit(&changes).unwrap();
        let mut ward = Self { world, answers: BTreeMap::new(), hosts };
        for n in 1..=hosts {
            let answers = ward.well(n);
            ward.answers.insert(HostId(n), answers);
        }
        ward
    }

    /// What host `n` says when all is well.
    pub(crate) fn well(&self, n: u64) -> Answers {
        let container = Endpoint {
            address: format!("10.42.{n}.2"),
            docker_id: format!("id-{n}"),
            container: format!("drover-discovery-{n}"),
            unit: None,
            answers: true,
        };
        let names = NamesFound {
            container: container.container.clone(),
            running: true,
            address: container.address.clone(),
            ..NamesFound::default()
        };
        let examined = Examined {
            network: self.world.host_network(HostId(n)),
            underlay_mtu: 1500,
            mtu: 1450,
            endpoints: vec![container],
            names,
            ..Examined::default()
        };
        let reach = |full| Reach { full, largest: full, said: String::new() };
        let way = Way { underlay: reach(1500), overlay: reach(1450), container: Some(true) };
        let others = (1..=self.hosts).filter(|other| *other != n);
        let probed = Probed {
            ways: others.clone().map(|other| (other, way.clone())).collect(),
            heard: others.map(|other| (other, Heard { underlay: 1500, overlay: 1450 })).collect(),
            ..Probed::default()
        };
        Answers { examined: Some(Ok(examined)), probed: Some(Ok(probed)) }
    }

    pub(crate) fn examined(&mut self, n: u64) -> &mut Examined {
        self.answers.get_mut(&HostId(n)).unwrap().examined.as_mut().unwrap().as_mut().unwrap()
    }

    pub(crate) fn probed(&mut self, n: u64) -> &mut Probed {
        self.answers.get_mut(&HostId(n)).unwrap().probed.as_mut().unwrap().as_mut().unwrap()
    }

    /// From now on, packets in this direction are lost above these sizes: so neither's echoes come back that are larger.
    pub(crate) fn narrow(&mut self, from: u64, to: u64, underlay: u32, overlay: u32) {
        let heard = self.probed(to).heard.get_mut(&from).unwrap();
        heard.underlay = heard.underlay.min(underlay);
        heard.overlay = heard.overlay.min(overlay);
        for (one, other) in [(from, to), (to, from)] {
            let way = self.probed(one).ways.get_mut(&other).unwrap();
            way.underlay.largest = way.underlay.largest.min(underlay);
            way.overlay.largest = way.overlay.largest.min(overlay);
            way.container = Some(way.container == Some(true) && overlay > 0);
        }
    }

    /// Both ways.
    pub(crate) fn narrow_both(&mut self, one: u64, other: u64, underlay: u32, overlay: u32) {
        self.narrow(one, other, underlay, overlay);
        self.narrow(other, one, underlay, overlay);
    }

    /// Its agent is gone; what the others see of it.
    pub(crate) fn absent(&mut self, n: u64, way: &Way) {
        self.answers.remove(&HostId(n));
        let seen = HostSeen { connected: false, since: Time(9_000_000), ..HostSeen::default() };
        let change = Change::SeeHost { host: HostId(n), seen: Box::new(seen) };
        self.world = self.world.commit(&[change]).unwrap().0;
        for other in (1..=self.hosts).filter(|other| *other != n) {
            self.probed(other).ways.insert(n, way.clone());
            self.probed(other).heard.remove(&n);
        }
    }

    pub(crate) fn diagnose(&self) -> Diagnosis {
        diagnose((&self.world, &self.world), PROJECT, &self.answers, NOW)
    }

    /// Everything that is said, one finding per line; the code first.
    #[track_caller]
    pub(crate) fn says(&self, want: &[&str]) {
        let diagnosis = self.diagnose();
        let said = diagnosis.findings.iter().map(|finding| {
            let mark = if finding.severity == Severity::Error { "" } else { "(warning) " };
            format!("{mark}{}: {}", finding.code, finding.what)
        });
        assert_eq!(said.collect::<Vec<_>>(), want);
        assert_eq!(diagnosis.is_healthy(), want.iter().all(|line| line.starts_with("(warning)")));
    }
}

pub(crate) fn host(n: u64) -> Host {
    Host {
        id: HostId(n),
        project: PROJECT,
        identity: format!("i{n}"),
        hostname: format!("host{n}"),
        name: String::new(),
        description: String::new(),
        labels: BTreeMap::new(),
        address: format!("10.0.0.{n}"),
        subnet: Some(format!("10.42.{n}.0/24")),
        evacuation: None,
        active: true,
        memory_limit: None,
        milli_cpu_limit: None,
        created_at: Time(0),
        removed_at: None,
    }
}
