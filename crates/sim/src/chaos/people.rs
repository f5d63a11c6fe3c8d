//! People who can't make up their minds: what they ask for, at random.

use drover_core::{
    Change, Condition, ContainerSpec, DependsOn, FinishPolicy, HealthCheck, OnFailure, OnHostLoss,
    RevisionNo, ScalePolicy, Service, ServiceId, ServiceKind, Template, UpgradePhase,
    UpgradePolicy, Verify, Wanted,
};

use super::Chaos;
use crate::rng::Rng;
use crate::user::{self, Pace};

impl Chaos {
    pub(super) fn person(&mut self) {
        let services: Vec<ServiceId> = {
            let all = self.cluster.database.world.services.values();
            all.filter(|s| s.wanted != Wanted::Removed).map(|s| s.id).collect()
        };
        let Some(id) = self.cluster.rng.pick(&services) else { return };
        let Some(service) = self.cluster.database.world.service(id).cloned() else { return };
        let what = self.cluster.rng.between(0, 22);
        let world = self.cluster.database.world.clone();
        let now = self.cluster.now;
        let steer = |phase| user::steer(&world, id, phase, now).into_iter().collect::<Vec<_>>();
        let idle = world.upgrade(id).is_none();
        let changes = match what {
            0..=2 => self.shift(&service),
            3..=6 => self.upgrade(&service),
            7 | 8 => steer(UpgradePhase::RollingBack),
            9 | 10 => steer(UpgradePhase::Finishing),
            11 => steer(UpgradePhase::Canceling),
            12 => steer(UpgradePhase::Upgrading),
            13..=16 if service.kind == ServiceKind::Balancer => {
                let targets = self.targets();
                vec![user::edit(&service, |s| s.balancer = Some(user::rules(&targets)))]
            }
            13 if self.cluster.rng.chance(15) => {
                let policy = self.cluster.rng.chance(60).then(|| self.scale_policy());
                vec![user::edit(&service, |s| s.scale_policy = policy)]
            }
            13 | 14 => {
                let scale = self.scale();
                vec![user::edit(&service, |s| s.scale = scale)]
            }
            15 if idle && service.wanted == Wanted::Active => {
                vec![user::restart(&world, &service, 1)]
            }
            16 if idle => vec![user::edit(&service, |s| s.wanted = Wanted::Inactive)],
            17 => vec![user::edit(&service, |s| s.wanted = Wanted::Active)],
            18 if self.cluster.rng.chance(20) => {
                vec![user::edit(&service, |s| s.wanted = Wanted::Removed)]
            }
            20 | 21 => {
                let only = if self.cluster.rng.chance(50) { vec![id] } else { Vec::new() };
                user::rebalance(&world, &only).1
            }
            22 if self.cluster.rng.chance(30) => user::call_off(&world),
            _ => self.host_edit(),
        };
        self.cluster.ask(&changes);
    }

    /// Services to balance over: one, or all.
    pub(super) fn targets(&mut self) -> Vec<ServiceId> {
        let all = self.cluster.database.world.services.values();
        let all: Vec<ServiceId> = all
            .filter(|s| s.kind == ServiceKind::Containers && s.wanted != Wanted::Removed)
            .map(|s| s.id)
            .collect();
        let one = self.cluster.rng.pick(&all);
        if self.cluster.rng.chance(40) { all } else { one.into_iter().collect() }
    }

    fn upgrade(&mut self, service: &Service) -> Vec<drover_core::Change> {
        let mut members = vec![(service.clone(), self.template())];
        if self.cluster.rng.chance(25) {
            let others = self.targets_of_all_kinds();
            let other = self.cluster.rng.pick(&others).filter(|other| *other != service.id);
            let other = other.and_then(|id| self.cluster.database.world.service(id).cloned());
            members.extend(other.map(|other| (other, self.template())));
        }
        let rng = &mut self.cluster.rng;
        let pace = Pace {
            batch_size: u32::try_from(rng.between(1, 3)).unwrap_or(1),
            interval_ms: rng.between(0, 3_000),
            start_first: rng.chance(50),
            policy: upgrade_policy(rng),
        };
        let (world, now) = (&self.cluster.database.world, self.cluster.now);
        let changes = match members.as_slice() {
            [(service, template)] => user::upgrade(world, service, template.clone(), pace, now),
            members => user::upgrade_together(world, members, &pace, now),
        };
        let changes = changes.unwrap_or_default();
        self.upgrades += u64::from(!changes.is_empty());
        changes
    }

    /// An upgrade to another service: any, also one that can't be.
    fn shift(&mut self, source: &Service) -> Vec<drover_core::Change> {
        let others = self.targets_of_all_kinds();
        let rng = &mut self.cluster.rng;
        let Some(target) = rng.pick(&others) else { return Vec::new() };
        let pace = Pace {
            batch_size: u32::try_from(rng.between(1, 3)).unwrap_or(1),
            interval_ms: rng.between(0, 3_000),
            start_first: false,
            policy: upgrade_policy(rng),
        };
        let goal = u32::try_from(rng.between(1, 4)).unwrap_or(1);
        let (world, now) = (&self.cluster.database.world, self.cluster.now);
        let changes = user::shift(world, source.id, target, goal, pace, now).unwrap_or_default();
        self.upgrades += u64::from(!changes.is_empty());
        changes
    }

    fn targets_of_all_kinds(&self) -> Vec<ServiceId> {
        let all = self.cluster.database.world.services.values();
        all.filter(|s| s.wanted != Wanted::Removed).map(|s| s.id).collect()
    }

    fn host_edit(&mut self) -> Vec<drover_core::Change> {
        let Some(host) = self.cluster.rng.pick(&self.hosts) else { return Vec::new() };
        let world = &self.cluster.database.world;
        match self.cluster.rng.between(0, 9) {
            0..=4 => user::switch(world, host, true),
            5 => user::switch(world, host, false),
            _ => user::evacuate(world, host, self.cluster.now).unwrap_or_default(),
        }
    }

    pub(super) fn scale(&mut self) -> u32 {
        u32::try_from(self.cluster.rng.between(0, 4)).unwrap_or(1)
    }

    pub(super) fn scale_policy(&mut self) -> ScalePolicy {
        let rng = &mut self.cluster.rng;
        let mut number = |low, high| u32::try_from(rng.between(low, high)).unwrap_or(1);
        let min = number(1, 3);
        ScalePolicy { min, max: min + number(0, 3), increment: number(1, 2) }
    }

    /// A service that is about to be made needs one that is there.
    pub(super) fn depend(&mut self, made: &mut [Change]) {
        let held: Vec<ServiceId> = self.cluster.database.world.services.keys().copied().collect();
        let Some(service) = self.cluster.rng.pick(&held) else { return };
        let template = self.cluster.database.world.template(service, RevisionNo(1));
        let condition = if template.is_some_and(|held| held.primary.is_start_once()) {
            Condition::ServiceCompletedSuccessfully
        } else {
            Condition::ServiceHealthy
        };
        user::depend(made, DependsOn { service, condition });
    }

    pub(super) fn template(&mut self) -> Template {
        self.versions += 1;
        let rng = &mut self.cluster.rng;
        let kind = match rng.between(0, 19) {
            0 => "missing",
            1 => "sick",
            2 => "crashes",
            3 => "job",
            4 => "slow",
            5 | 6 => "single",
            _ => "app",
        };
        let mut primary =
            ContainerSpec { image: format!("{kind}:v{}", self.versions), ..Default::default() };
        if kind == "single" {
            primary.on_host_loss = Some(OnHostLoss::Fence);
        }
        if rng.chance(40) {
            // Without a limit, one that never passed would be left alone for ever.
            primary.health_check = Some(HealthCheck {
                port: 80,
                initializing_timeout_ms: Some(20_000),
                reinitializing_timeout_ms: Some(20_000),
                ..HealthCheck::default()
            });
        }
        let mut label = |key: &str, value: &str| {
            primary.labels.insert(key.to_owned(), value.to_owned());
        };
        if kind == "job" {
            label("io.rancher.container.start_once", "true");
        }
        if rng.chance(15) {
            label("io.rancher.scheduler.affinity:host_label_soft", "disk=ssd");
        }
        if rng.chance(25) {
            primary.ports = "8080:80".parse().into_iter().collect();
        }
        if rng.chance(15) {
            primary.volumes = vec!["data:/data".to_owned()];
        }
        let mut template = Template { primary, ..Template::default() };
        if rng.chance(20) {
            let helper = ContainerSpec { image: "helper:1".to_owned(), ..Default::default() };
            template.sidekicks.insert("helper".to_owned(), helper);
        }
        template
    }
}

/// What an upgrade decides by itself: half of them nothing.
fn upgrade_policy(rng: &mut Rng) -> UpgradePolicy {
    if rng.chance(50) {
        return UpgradePolicy::default();
    }
    let on_failure = [OnFailure::Retry, OnFailure::Pause, OnFailure::Rollback];
    UpgradePolicy {
        on_failure: rng.pick(&on_failure).unwrap_or_default(),
        max_failures: u32::try_from(rng.between(0, 3)).ok(),
        deadline_ms: Some(rng.between(15_000, 90_000)),
        verify: Verify {
            for_ms: Some(rng.between(0, 10_000)),
            stop: rng.chance(30),
            ..Verify::default()
        },
        finish: if rng.chance(50) { FinishPolicy::Auto } else { FinishPolicy::Manual },
        back: drover_core::Pace::default(),
    }
}
