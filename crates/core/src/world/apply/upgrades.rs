//! Upgrades: begun and moved from phase to phase. How one ends is `handover`'s.

use std::sync::Arc;

use super::{Touched, exists, missing, need, step};
use crate::{
    Course, Refused, RevisionNo, RowKey, ServiceId, Time, Upgrade, UpgradePhase, World, derive,
};

impl World {
    pub(super) fn start_upgrade(
        &mut self,
        upgrade: &Upgrade,
        touched: &mut Touched,
    ) -> Result<(), Refused> {
        let service = upgrade.service;
        if self.upgrades.contains_key(&service) {
            return Err(exists(format!("an upgrade of service {service}")));
        }
        if let Some((other, ..)) = self.shift(service) {
            return Err(exists(format!("an upgrade from {} to {service}", other.service)));
        }
        // What it leads to may have run before, and failed then.
        let forgiven = derive::release_failures(self, upgrade).count;
        let mut upgrade = Upgrade { ledger: self.revision, forgiven, ..upgrade.clone() };
        if let Some(together) = &mut upgrade.together {
            together.number = self.revision;
        }
        match &mut upgrade.course {
            Course::InService { from, to, .. } => {
                for number in [*from, *to] {
                    if !self.revisions.contains_key(&(service, number)) {
                        return Err(missing(format!("revision {number} of service {service}")));
                    }
                }
                self.edit_service(service, touched, |s| s.current = *to)?;
            }
            Course::ToService(shift) => {
                need(self.services.contains_key(&service), "the service")?;
                if service == shift.to_service {
                    let why = "it can't lead to the service itself";
                    return Err(step(format!("upgrade of service {service}"), why));
                }
                let target = shift.to_service;
                let other = self.shift(target).map(|(other, ..)| other);
                if let Some(other) = self.upgrade(target).or(other) {
                    let what =
                        format!("an upgrade of {} that has a part in {target}", other.service);
                    return Err(exists(what));
                }
                self.edit_service(target, touched, |target| {
                    shift.to_scale = std::mem::replace(&mut target.scale, shift.final_scale);
                })?;
            }
        }
        self.index.upgrade(&upgrade, true);
        self.upgrades.insert(service, Arc::new(upgrade));
        touched.insert(RowKey::Upgrade(service));
        Ok(())
    }

    pub(super) fn approve_upgrade(
        &mut self,
        service: ServiceId,
        why: &str,
        touched: &mut Touched,
    ) -> Result<(), Refused> {
        let upgrade = self.upgrades.get(&service);
        let upgrade = upgrade.ok_or_else(|| missing(format!("upgrade of {service}")))?;
        if upgrade.phase != UpgradePhase::Upgraded || upgrade.verdict.is_some() {
            let why =
                format!("it is {:?}, and only what has moved can be found good", upgrade.phase);
            return Err(step(format!("upgrade of service {service}"), why));
        }
        let approved = Upgrade { approved: Some(why.to_owned()), ..(**upgrade).clone() };
        self.upgrades.insert(service, Arc::new(approved));
        touched.insert(RowKey::Upgrade(service));
        Ok(())
    }

    pub(in crate::world) fn remove_upgrade(&mut self, service: ServiceId) {
        if let Some(upgrade) = self.upgrades.remove(&service) {
            self.index.upgrade(&upgrade, false);
        }
    }

    pub(super) fn set_upgrade_phase(
        &mut self,
        service: ServiceId,
        phase: UpgradePhase,
        at: Time,
        verdict: Option<&String>,
        touched: &mut Touched,
    ) -> Result<(), Refused> {
        let upgrade = self.upgrades.get(&service);
        let upgrade = upgrade.ok_or_else(|| missing(format!("upgrade of {service}")))?;
        // A verdict on one that waits for a decision leaves it there.
        let judged = upgrade.phase == phase && phase == UpgradePhase::Upgraded && verdict.is_some();
        if !judged && !may_follow(upgrade.phase, phase) {
            let why = format!("{:?} does not lead to {phase:?}", upgrade.phase);
            return Err(step(format!("upgrade of service {service}"), why));
        }
        let held = upgrade.clone();
        // Through with an earlier decision of its policy, it is still that which moved it.
        let stays = phase == UpgradePhase::Canceled;
        let verdict = verdict.cloned().or_else(|| held.verdict.clone().filter(|_| stays));
        let mut upgrade = Upgrade { phase, phase_at: at, verdict, ..(*held).clone() };
        if phase == UpgradePhase::Upgrading {
            // Whoever goes on with it has seen what failed: that counts no more, neither containers nor probes nor requests.
            upgrade.approved = None;
            upgrade.forgiven = derive::release_failures(self, &held).count;
            upgrade.forgiven_probes = derive::failed_probes(self, &held);
            upgrade.ledger = self.revision;
        }
        if let Some(goal) = goal(&upgrade) {
            self.edit_service(service, touched, |s| s.current = goal)?;
        }
        self.upgrades.insert(service, Arc::new(upgrade));
        touched.insert(RowKey::Upgrade(service));
        Ok(())
    }
}

/// What the service shall run from now on: that follows the direction in which the upgrade moves.
fn goal(upgrade: &Upgrade) -> Option<RevisionNo> {
    let Course::InService { from, to, .. } = upgrade.course else { return None };
    match upgrade.phase {
        UpgradePhase::RollingBack => Some(from),
        UpgradePhase::Upgrading => Some(to),
        UpgradePhase::Upgraded
        | UpgradePhase::Finishing
        | UpgradePhase::Canceling
        | UpgradePhase::Canceled => None,
    }
}

/// The life of an upgrade, as steps.
fn may_follow(from: UpgradePhase, to: UpgradePhase) -> bool {
    use UpgradePhase as P;
    match from {
        P::Upgrading => matches!(to, P::Upgraded | P::Canceling | P::RollingBack),
        P::Upgraded => matches!(to, P::Finishing | P::RollingBack | P::Upgrading),
        P::Finishing => matches!(to, P::Canceling),
        P::Canceling => matches!(to, P::Canceled | P::RollingBack),
        P::Canceled => matches!(to, P::Upgrading | P::RollingBack),
        P::RollingBack => matches!(to, P::Upgrading),
    }
}
