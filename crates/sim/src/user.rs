//! What people do to a cluster: deploy, scale, upgrade, change their minds, all at the worst moment.
//!
//! Every function returns the changes the API would make of such a request, or nothing where it would refuse.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use drover_core::derive::{BetterPlace, Rebalancing, rebalancing};
use drover_core::plan::{admit_evacuation, admit_rebalance, admit_shift, admit_upgrade};
use drover_core::{
    BalancerSpec, Change, ContainerSpec, Course, DependsOn, Host, HostId, PortRule, Project,
    ProjectId, Restart, Revision, RevisionNo, ScalePolicy, Service, ServiceId, ServiceKind, Shift,
    Stack, StackId, Template, Time, Together, Upgrade, UpgradeDefaults, UpgradePhase,
    UpgradePolicy, VolumeTemplate, VolumeTemplateId, Wanted, World,
};

/// The one project of a simulation.
pub const PROJECT: ProjectId = ProjectId(1);
/// Its one stack.
pub const STACK: StackId = StackId(2);
/// Its one declared volume, `data`.
pub const VOLUME: VolumeTemplateId = VolumeTemplateId(3);

/// Project, stack and volume.
pub fn found(now: Time) -> Vec<Change> {
    let (name, description) = ("Default".to_owned(), String::new());
    let project = Project {
        id: PROJECT,
        name,
        description,
        settings: drover_core::ProjectSettings::default(),
        created_at: now,
        removed_at: None,
    };
    let stack = Stack::new(STACK, PROJECT, "demo", now);
    let volume = VolumeTemplate {
        id: VOLUME,
        project: PROJECT,
        stack: STACK,
        name: "data".to_owned(),
        driver: String::new(),
        driver_options: BTreeMap::new(),
        external: false,
        per_container: false,
        inactive: false,
        created_at: now,
        removed_at: None,
    };
    vec![Change::PutProject(project), Change::PutStack(stack), Change::PutVolumeTemplate(volume)]
}

/// A host registers.
pub fn register(id: HostId, name: &str, labels: BTreeMap<String, String>, now: Time) -> Change {
    Change::PutHost(Host {
        id,
        project: PROJECT,
        identity: name.to_owned(),
        hostname: name.to_owned(),
        name: String::new(),
        description: String::new(),
        labels,
        address: format!("10.77.0.{id}"),
        subnet: None,
        active: true,
        evacuation: None,
        memory_limit: None,
        milli_cpu_limit: None,
        created_at: now,
        removed_at: None,
    })
}

/// Empty a host; the reason where the API refuses.
pub fn evacuate(world: &World, host: HostId, now: Time) -> Result<Vec<Change>, String> {
    let host = world.host(host).ok_or("no such host")?;
    let wanted = admit_evacuation(world, host, now).map_err(|refused| refused.to_string())?;
    Ok(vec![Change::PutHost(wanted)])
}

/// Give a host new units, or none; either way nothing more leaves it.
pub fn switch(world: &World, host: HostId, active: bool) -> Vec<Change> {
    let host = world.host(host).map(|host| Change::PutHost(host.switched(active)));
    host.into_iter().collect()
}

/// A new service, started.
pub fn create(world: &World, name: &str, scale: u32, template: Template, now: Time) -> Vec<Change> {
    let id = ServiceId(world.next_id);
    let service = Service {
        id,
        project: PROJECT,
        stack: STACK,
        name: name.to_owned(),
        description: String::new(),
        kind: ServiceKind::Containers,
        scale,
        wanted: Wanted::Active,
        settled: None,
        current: RevisionNo(1),
        links: Vec::new(),
        balancer: None,
        external: None,
        metadata: serde_json::Map::new(),
        picked_ports: Vec::new(),
        retain_ip: false,
        selector_link: None,
        selector_container: None,
        depends_on: Vec::new(),
        upgrade_defaults: UpgradeDefaults::default(),
        restart: None,
        rebalance: None,
        driver: None,
        scale_policy: None,
        remarks: drover_core::Remarks::default(),
        created_at: now,
        removed_at: None,
    };
    vec![Change::PutService(Box::new(service)), revision(id, RevisionNo(1), template, now)]
}

/// The services made by these changes have their scale found out.
pub fn found_out(changes: &mut [Change], policy: ScalePolicy) {
    for change in changes {
        if let Change::PutService(service) = change {
            service.scale = policy.min;
            service.scale_policy = Some(policy);
        }
    }
}

/// The services made by these changes start when another is as they need it.
pub fn depend(changes: &mut [Change], needed: DependsOn) {
    for change in changes {
        if let Change::PutService(service) = change {
            service.depends_on.push(needed);
        }
    }
}

fn revision(service: ServiceId, number: RevisionNo, template: Template, now: Time) -> Change {
    Change::AddRevision(Box::new(Revision {
        service,
        number,
        template: Arc::new(template),
        pins: BTreeMap::new(),
        by: "user".to_owned(),
        reason: String::new(),
        created_at: now,
    }))
}

/// A balancer before these services.
pub fn balance(
    world: &World,
    name: &str,
    scale: u32,
    targets: &[ServiceId],
    now: Time,
) -> Vec<Change> {
    let mut changes = create(world, name, scale, image("balancer:1"), now);
    for change in &mut changes {
        if let Change::PutService(service) = change {
            service.kind = ServiceKind::Balancer;
            service.balancer = Some(rules(targets));
        }
    }
    changes
}

/// All requests to port 80 go to these services, in turn.
pub fn rules(targets: &[ServiceId]) -> BalancerSpec {
    let rule = |target: &ServiceId| PortRule {
        source_port: 80,
        service: Some(*target),
        target_port: Some(80),
        ..PortRule::default()
    };
    BalancerSpec { rules: targets.iter().map(rule).collect(), ..BalancerSpec::default() }
}

/// Batches of an upgrade, and what is decided of it without people.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Slots at a time.
    pub batch_size: u32,
    /// Pause between batches.
    pub interval_ms: u64,
    /// New before old.
    pub start_first: bool,
    /// What is decided without people.
    pub policy: UpgradePolicy,
}

/// Upgrade a service; the reason where the API refuses.
pub fn upgrade(
    world: &World,
    service: &Service,
    template: Template,
    pace: Pace,
    now: Time,
) -> Result<Vec<Change>, String> {
    let other = world.shift(service.id).map(|(upgrade, ..)| upgrade);
    if let Some(upgrade) = world.upgrade(service.id).or(other) {
        return Err(format!("an upgrade is there already: {:?}", upgrade.phase));
    }
    admit_upgrade(world, service.id, &template, pace.start_first).map_err(|r| r.to_string())?;
    let last = world.revisions(service.id).next_back().map_or(RevisionNo(0), |r| r.number);
    let (from, to, start_first) = (service.current, last.next(), pace.start_first);
    let course = Course::InService { from, to, start_first };
    let upgrade = Upgrade {
        batch_size: pace.batch_size,
        interval_ms: pace.interval_ms,
        policy: pace.policy,
        ..Upgrade::begin(service.id, course, now, "user")
    };
    let mut changes = vec![revision(service.id, last.next(), template, now)];
    if service.wanted != Wanted::Active {
        changes.push(edit(service, |s| s.wanted = Wanted::Active));
    }
    changes.push(Change::StartUpgrade(upgrade));
    Ok(changes)
}

/// Upgrade several services as one, each after the one before it; the reason where the API refuses.
pub fn upgrade_together(
    world: &World,
    members: &[(Service, Template)],
    pace: &Pace,
    now: Time,
) -> Result<Vec<Change>, String> {
    let mut changes = Vec::new();
    let mut last = None;
    for (service, template) in members {
        changes.extend(upgrade(world, service, template.clone(), pace.clone(), now)?);
        if let Some(Change::StartUpgrade(upgrade)) = changes.last_mut() {
            let after = last.into_iter().collect();
            upgrade.together = Some(Together { number: 0, after });
        }
        last = Some(service.id);
    }
    Ok(changes)
}

/// Upgrade one service to another; the reason where the API refuses.
pub fn shift(
    world: &World,
    source: ServiceId,
    target: ServiceId,
    final_scale: u32,
    pace: Pace,
    now: Time,
) -> Result<Vec<Change>, String> {
    admit_shift(world, source, target, final_scale).map_err(|refusal| refusal.to_string())?;
    let start = world.service(target).filter(|target| target.wanted != Wanted::Active);
    let mut changes: Vec<Change> =
        start.map(|target| edit(target, |s| s.wanted = Wanted::Active)).into_iter().collect();
    let shift = Shift { to_service: target, final_scale, to_scale: 0, update_links: true };
    changes.push(Change::StartUpgrade(Upgrade {
        batch_size: pace.batch_size,
        interval_ms: pace.interval_ms,
        policy: pace.policy,
        ..Upgrade::begin(source, Course::ToService(shift), now, "user")
    }));
    Ok(changes)
}

/// Move an upgrade on, if its phase allows it.
pub fn steer(world: &World, service: ServiceId, phase: UpgradePhase, now: Time) -> Option<Change> {
    let change = Change::phase(service, phase, now);
    world.commit(std::slice::from_ref(&change)).is_ok().then_some(change)
}

/// Edit a service's own fields.
pub fn edit(service: &Service, edit: impl FnOnce(&mut Service)) -> Change {
    let mut service = service.clone();
    edit(&mut service);
    Change::PutService(Box::new(service))
}

/// Ask for a rolling restart.
pub fn restart(world: &World, service: &Service, batch_size: u32) -> Change {
    let restart = Restart { run: world.revision + 1, batch_size, interval_ms: 200 };
    edit(service, |s| s.restart = Some(restart))
}

/// What rebalancing would do to these services, none being all, and what is asked for with it.
pub fn rebalance(world: &World, only: &[ServiceId]) -> (Rebalancing, Vec<Change>) {
    let only: BTreeSet<ServiceId> = only.iter().copied().collect();
    let found = rebalancing(world, PROJECT, &only);
    let moves: Vec<_> = found.moves.iter().map(BetterPlace::as_move).collect();
    let changes = admit_rebalance(world, PROJECT, &moves).changes;
    (found, changes)
}

/// Call off what has not moved.
pub fn call_off(world: &World) -> Vec<Change> {
    let moving = world.services.values().filter(|service| service.rebalance.is_some());
    moving.map(|service| edit(service, |s| s.rebalance = None)).collect()
}

/// A template with only an image.
pub fn image(image: &str) -> Template {
    let primary = ContainerSpec { image: image.to_owned(), ..ContainerSpec::default() };
    Template { primary, ..Template::default() }
}
