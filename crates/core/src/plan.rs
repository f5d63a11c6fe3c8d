//! What to do next: a pure function from a snapshot to changes.
//!
//! It never sleeps and never asks anyone: what it waits for is read from the snapshot, and when time alone will
//! change its mind it says so in `wake_at`. Two planners on two snapshots are harmless, because the changes are
//! committed only if the snapshot they were made from is still the newest.
//!
//! By file: `hosts` gives up and takes back hosts · `service` decides which of the lives below a service
//! leads now · `dependence` has it wait for others before it starts · `policy` finds out a scale, `scale` says which slots there are · `slot` brings one slot to one revision · `roll` moves slots from one revision to another, a
//! batch at a time · `shift` moves units from one service to another, likewise · `restart` restarts them a batch at a
//! time · `verdict` ends an upgrade that is judged, `rehearse` tries how a new container stops, `together` has several
//! upgrades go as one · `replace` puts one unit in another's place · `evacuate` has them leave hosts and `heal` replaces what is not
//! healthy by it, `rebalance` makes the moves users asked for · `votes` says what hosts don't agree on · `reap` forgets what is gone · [`mod@admit`] refuses what cannot work before
//! anything moves. `agenda` is what a planner keeps between plans.

mod admit;
mod agenda;
mod dependence;
mod draft;
mod evacuate;
mod heal;
mod hosts;
mod notes;
mod policy;
mod reap;
mod rebalance;
mod rehearse;
mod replace;
mod restart;
mod retain;
mod roll;
mod scale;
mod service;
mod shift;
mod slot;
mod together;
mod verdict;
mod votes;

use std::collections::BTreeSet;

pub use admit::{
    Admitted, Refusal, admit_evacuation, admit_rebalance, admit_shift, admit_upgrade, in_the_way,
};
pub use agenda::Agenda;
pub(crate) use together::companions;

use crate::{Change, Scope, ServiceId, Time, UnitKey, World};

/// How long a host may be silent to the server and to all others that heard it before its units are replaced elsewhere,
/// in milliseconds. Longer than a cable that is pulled for five seconds, after which it is heard again with the next echo
/// (250 ms), or with the one after if the first asks for an address that the kernel looks up again (1 s).
pub const SILENT_LOST_AFTER_MS: u64 = 6_250;

/// How long a host may be away of which no other can say anything, in milliseconds.
pub const LOST_AFTER_MS: u64 = 60_000;

/// How long an agent may be away whose host others hear: its containers run, most likely, and only nobody looks after
/// them. In milliseconds.
pub const UNATTENDED_LOST_AFTER_MS: u64 = 180_000;

/// What to do next, and what it waits for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// To be committed together.
    pub changes: Vec<Change>,
    /// What it waits for, or why it can't go on, for every service that was looked at.
    pub notes: Vec<Note>,
    /// The services that were looked at: their older notes are void.
    pub looked_at: BTreeSet<ServiceId>,
    /// Look again at `waiting` at this moment even if nothing else happens.
    pub wake_at: Option<Time>,
    /// Services that wait for time, or lack something that any change may free (a host, a port): put them
    /// into the scope of the next plan, whatever triggers it.
    pub waiting: BTreeSet<ServiceId>,
}

/// Something people should know about a service: progress, or an unmet need, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The service.
    pub service: ServiceId,
    /// The unit, if it is about one.
    pub unit: Option<UnitKey>,
    /// It failed and will be tried again, or someone has to act.
    pub stuck: bool,
    /// When it is over, or decided, at the latest: the deadline of what is waited for.
    pub until: Option<Time>,
    /// The words.
    pub text: String,
}

/// Decide what to do next for the services in `scope`. Applied to its own result again with nothing observed
/// in between, it has nothing more to do.
pub fn plan(world: &World, scope: &Scope, now: Time) -> Plan {
    let mut draft = draft::Draft::new(world, now);
    let hosts_changed = hosts::plan_hosts(&mut draft);
    let mut services: BTreeSet<ServiceId> = if scope.all || hosts_changed {
        world.services.keys().copied().collect()
    } else {
        scope.services.iter().copied().filter(|id| world.services.contains_key(id)).collect()
    };
    for (source, target) in shifts(world, &services) {
        // Each side's next step depends on the other.
        services.extend([source, target].into_iter().filter(|id| world.services.contains_key(id)));
    }
    services.extend(companions(world, &services));
    verdict::plan_verdicts(&mut draft, &services);
    for (source, _) in shifts(&draft.world, &services) {
        shift::plan_shift(&mut draft, source);
    }
    for service in services {
        service::plan_service(&mut draft, service);
    }
    for (source, target) in shifts(&draft.world, &draft.looked_at()) {
        draft.pass_on(target, source);
    }
    draft.finish()
}

/// Upgrades between services that have a side among these: source and target.
fn shifts(world: &World, services: &BTreeSet<ServiceId>) -> BTreeSet<(ServiceId, ServiceId)> {
    let held = services.iter().filter_map(|service| world.shift(*service));
    held.map(|(upgrade, shift, _)| (upgrade.service, shift.to_service)).collect()
}
