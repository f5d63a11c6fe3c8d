//! Fair weather: everything is mended, every way out is tried, and then everything must be where it was last wanted.

use drover_core::check::Violation;
use drover_core::derive::{self, Left};
use drover_core::plan::Note;
use drover_core::{
    Change, Desired, Host, Service, ServiceId, Unit, UnitKey, Upgrade, UpgradePhase, Wanted, World,
};

use super::Chaos;
use crate::cluster::Weather;
use crate::user;

/// How long an upgrade has to come to a stand once it is called off, and everything to come right, in milliseconds of
/// virtual time.
const CANCEL_MS: u64 = 120_000;
const REST_MS: u64 = 240_000;
/// How much later it is looked again.
const AGAIN_MS: u64 = 8_000;

impl Chaos {
    /// Everything is mended; then every promise is due. What is half-way is called off and stands still, or not; at
    /// last it is rolled back or confirmed, and has to end.
    pub(super) fn come_to_rest(&mut self) {
        if !self.cluster.database.violations.is_empty() {
            return;
        }
        self.mend();
        if self.cluster.rng.chance(50) {
            self.steer_all(UpgradePhase::Canceling);
            self.wait_and_judge(CANCEL_MS, stands_still);
        }
        if self.cluster.rng.chance(25) {
            self.steer_all(UpgradePhase::Finishing);
        }
        self.steer_all(UpgradePhase::RollingBack);
        self.wait_and_judge(REST_MS, is_over);
    }

    fn mend(&mut self) {
        self.cluster.weather = Weather::FAIR;
        for server in 0..self.cluster.servers.len() {
            self.cluster.start_server(server);
        }
        for host in self.hosts.clone() {
            let node = self.cluster.nodes.get(&host);
            match node.map(|n| (n.powered, n.cut)) {
                Some((false, _)) => self.cluster.power(host, true),
                Some((true, true)) => self.cluster.heal(host),
                Some((true, false)) | None => {}
            }
            self.cluster.blind(host, false);
        }
        // Ways between hosts may stay broken: everything comes right all the same.
        if self.cluster.rng.chance(50) {
            self.cluster.broken_ways.clear();
        }
    }

    /// No state is one that nobody can leave: every upgrade is moved on, if it may be.
    fn steer_all(&mut self, phase: UpgradePhase) {
        let upgrading: Vec<ServiceId> =
            self.cluster.database.world.upgrades.keys().copied().collect();
        for service in upgrading {
            let world = &self.cluster.database.world;
            let confirmed =
                world.upgrade(service).map(|u| u.phase) == Some(UpgradePhase::Finishing);
            let change = user::steer(world, service, phase, self.cluster.now);
            self.cluster.ask(change.filter(|_| !confirmed).as_slice());
        }
    }

    fn wait_and_judge(&mut self, ms: u64, ending: Ending) {
        self.cluster.run(ms);
        let mut found: Vec<Violation> = self.at_rest(ending);
        if !found.is_empty() {
            // What never gets well is replaced for ever, and may just be on its way: only what stays so is wrong.
            self.cluster.run(AGAIN_MS);
            let again = self.at_rest(ending);
            found.retain(|violation| again.contains(violation));
        }
        let now = self.cluster.now;
        self.cluster.database.violations.extend(found.into_iter().map(|v| (now, v)));
    }

    /// What must hold once the weather has been fair for long enough.
    fn at_rest(&self, ending: Ending) -> Vec<Violation> {
        let world = &self.cluster.database.world;
        let now = self.cluster.now;
        let mut found = Vec::new();
        let again = drover_core::plan::plan(world, &drover_core::Scope::everything(), now);
        let waits = again.wake_at.is_some_and(|at| at <= now + 1);
        // The next one in place of what never gets well may just be due.
        let due = |change: &Change| matches!(change, Change::CreateUnit(u) if u.replacements > 0);
        if !again.changes.iter().all(due) && !waits {
            let what = format!("there is still something to do: {:?}", again.changes);
            found.push(Violation { rule: "rest", what });
        }
        for node in self.cluster.nodes.values() {
            found.extend(node.differs_from(world, now));
            found.extend(node.hanging().filter_map(|unit| left_ill(world, unit, &again.notes)));
        }
        found.extend(world.hosts.values().filter_map(|host| lingering(world, host, &again.notes)));
        for service in world.services.values() {
            found.extend(unsettled(world, service, &again.notes));
            found.extend(still_moving(world, service, &again.notes));
        }
        let upgrades = world.upgrades.values();
        found.extend(upgrades.filter_map(|up| endless(world, up, ending, &again.notes)));
        found
    }
}

/// A unit that answers nobody was not replaced, and nothing says why.
fn left_ill(world: &World, unit: UnitKey, notes: &[Note]) -> Option<Violation> {
    let shall_run = world.unit(unit).is_some_and(|u| u.desired == Desired::Running);
    // What an upgrade or a rollback leaves is not replaced.
    let moves = world.upgrade(unit.service).is_some()
        && world.service(unit.service).is_some_and(|s| s.current != unit.revision);
    // Of one that is to leave its host, the host says why it is still there.
    let leaves = world.unit(unit).and_then(|u| world.host(u.host)).is_some_and(Host::is_evacuating);
    let said = notes.iter().any(|note| {
        let about = note.unit.is_none_or(|held| held == unit);
        note.stuck && note.service == unit.service && about
    });
    let what = format!("{unit} answers nobody, its host is well, and it is not replaced");
    (shall_run && !said && !moves && !leaves).then_some(Violation { rule: "left ill", what })
}

/// Something is left on a host that was to be emptied, and nothing says why; or two units fill one slot still.
fn lingering(world: &World, host: &Host, notes: &[Note]) -> Option<Violation> {
    let units = || world.units_on(host.id);
    let fail = |what| Some(Violation { rule: "lingering", what });
    let left = drover_core::derive::evacuation(world, host.id).unwrap_or_default().left;
    let said = |unit: &UnitKey| {
        notes
            .iter()
            .any(|note| note.service == unit.service && (note.stuck || note.unit == Some(*unit)))
    };
    // At rest it stays for good, and the host's own message says why; or it is a job; or it waits for what its service
    // is about.
    let waits = |unit: &UnitKey| {
        let job =
            world.template(unit.service, unit.revision).is_some_and(|t| t.primary.is_start_once());
        let restarts = world.service(unit.service).is_some_and(|service| service.restart.is_some());
        job || restarts
            || world.upgrade(unit.service).is_some()
            || world.shift(unit.service).is_some()
    };
    let is_excused = |left: &&Left| left.held || said(&left.unit) || waits(&left.unit);
    if let Some(left) = left.iter().find(|left| !is_excused(left)) {
        let (unit, why) = (left.unit, &left.why);
        return fail(format!(
            "{unit} is left on {} at rest, though it is not held: {why}",
            host.hostname
        ));
    }
    let twin = |unit: &&Unit| {
        world.units_of(unit.key.service).any(|other| {
            (other.key.slot, other.key.revision) == (unit.key.slot, unit.key.revision)
                && other.key.incarnation > unit.key.incarnation
                && (other.desired, unit.desired) == (Desired::Running, Desired::Running)
        })
    };
    let is_asked = |unit: &Unit| {
        let service = world.service(unit.key.service);
        let held = service.and_then(|service| service.rebalance.as_ref());
        held.is_some_and(|held| held.moves(unit.key))
    };
    // Of what never gets well the next one is always about to be tried.
    let sound = |unit: &&Unit| {
        let template = world.template(unit.key.service, unit.key.revision);
        template.is_some_and(|t| crate::engine::Behaviour::of(&t.primary.image).is_sound())
    };
    let twin = units()
        .find(|unit| host.evacuation.is_none() && sound(unit) && !is_asked(unit) && twin(unit))?;
    fail(format!("{} runs beside its replacement, and leaves no host", twin.key))
}

/// Moves that were asked for and are not over, though nothing excuses them.
fn still_moving(world: &World, service: &Service, notes: &[Note]) -> Option<Violation> {
    service.rebalance.as_ref().filter(|_| service.wanted != Wanted::Removed)?;
    let said = is_said(service.id, notes);
    let busy = world.upgrade(service.id).is_some() || world.shift(service.id).is_some();
    if said || busy || service.restart.is_some() || runs_bad_images(world, service) {
        return None;
    }
    let what = format!("{} is still being rebalanced at rest", service.name);
    Some(Violation { rule: "rebalance", what })
}

fn runs_bad_images(world: &World, service: &Service) -> bool {
    world.units_of(service.id).filter(|u| u.desired == Desired::Running).any(|u| {
        let template = world.template(service.id, u.key.revision);
        template.is_some_and(|t| !crate::engine::Behaviour::of(&t.primary.image).is_sound())
    })
}

/// A service that is not where it is wanted, though nothing excuses it.
fn unsettled(world: &World, service: &Service, notes: &[Note]) -> Option<Violation> {
    // One that stands half-way is neither here nor there.
    let settled = service.settled == Some(service.wanted) || world.upgrade(service.id).is_some();
    // What it waits for is judged by itself.
    let waits = derive::unmet(world, service).is_some();
    if settled || waits || is_said(service.id, notes) || runs_bad_images(world, service) {
        return None;
    }
    let what = format!(
        "service {} wants to be {:?}, is {:?}, its upgrade is {:?}, and nothing says why",
        service.name,
        service.wanted,
        service.settled,
        world.upgrade(service.id).map(|u| u.phase)
    );
    Some(Violation { rule: "liveness", what })
}

/// What is left of an upgrade is judged by what was asked for.
type Ending = fn(UpgradePhase) -> bool;

/// It was called off, and stands still, or went back or was confirmed by itself.
fn stands_still(phase: UpgradePhase) -> bool {
    !matches!(phase, UpgradePhase::Upgrading | UpgradePhase::Canceling)
}

/// It was rolled back or confirmed, and none is left.
fn is_over(_: UpgradePhase) -> bool {
    false
}

fn endless(world: &World, upgrade: &Upgrade, ending: Ending, notes: &[Note]) -> Option<Violation> {
    let mut parts = [Some(upgrade.service), upgrade.shift().map(|shift| shift.to_service)]
        .into_iter()
        .flatten();
    let excused = |id: ServiceId| {
        is_said(id, notes)
            || world.service(id).is_none_or(|service| runs_bad_images(world, service))
    };
    if ending(upgrade.phase) || parts.any(excused) {
        return None;
    }
    let what = format!(
        "the upgrade of {} is {:?} at rest, and nothing says why",
        upgrade.service, upgrade.phase
    );
    Some(Violation { rule: "endless", what })
}

fn is_said(service: ServiceId, notes: &[Note]) -> bool {
    notes.iter().any(|note| note.service == service && note.stuck)
}
