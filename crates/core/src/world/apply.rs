//! Carrying out one change: the only place where a row of the world is written by a decision.
//!
//! It checks what must hold of a single write (references, one-way states, legal steps); what makes a *good*
//! decision is the planner's and the API's business. By file: `users` and `people` have what only users write, `hosts`, `services`,
//! `units` and `upgrades` what the planner has a part in.

mod hosts;
mod people;
mod services;
mod units;
mod upgrades;
mod users;

use std::collections::BTreeSet;

use super::{RowKey, World};
use crate::{Change, Rebalance, Refused, UnitKey};

/// The rows that a commit has written.
pub(super) type Touched = BTreeSet<RowKey>;

impl World {
    pub(super) fn apply(&mut self, change: &Change, touched: &mut Touched) -> Result<(), Refused> {
        match change {
            Change::PutProject(project) => self.put_project(project, touched),
            Change::DropProject(id) => self.drop_project(*id, touched),
            Change::PutHost(host) => self.put_host(host, touched)?,
            Change::DropHost(id) => self.drop_host(*id, touched)?,
            Change::GiveSubnet { host, subnet } => self.give_subnet(*host, subnet, touched)?,
            Change::LoseHost { host, lost } => self.lose_host(*host, *lost, touched)?,
            Change::SeeHost { host, seen } => self.see_host(*host, seen, touched)?,
            Change::PutStack(stack) => self.put_stack(stack, touched)?,
            Change::DropStack(id) => self.drop_stack(*id, touched),
            Change::PutService(service) => self.put_service(service, touched)?,
            Change::DropService(id) => self.drop_service(*id, touched)?,
            Change::AddRevision(revision) => self.add_revision(revision, touched)?,
            Change::DropRevision { service, number } => {
                self.drop_revision(*service, *number, touched)?;
            }
            Change::PinImage { service, revision, image, digest } => {
                self.pin_image((*service, *revision), image, digest, touched)?;
            }
            Change::Settle { service, wanted } => {
                self.edit_service(*service, touched, |s| s.settled = Some(*wanted))?;
            }
            Change::SetScale { service, scale } => self.set_scale(*service, *scale, touched)?,
            Change::EndRestart(service) => {
                self.edit_service(*service, touched, |s| s.restart = None)?;
            }
            Change::EndMove(unit) => {
                self.edit_service(unit.service, touched, |s| strike(&mut s.rebalance, *unit))?;
            }
            Change::StartUpgrade(upgrade) => self.start_upgrade(upgrade, touched)?,
            Change::SetUpgradePhase { service, phase, at, verdict } => {
                self.set_upgrade_phase(*service, *phase, *at, verdict.as_ref(), touched)?;
            }
            Change::ApproveUpgrade { service, why } => {
                self.approve_upgrade(*service, why, touched)?;
            }
            Change::EndUpgrade(service) => self.end_upgrade(*service, touched)?,
            Change::CreateUnit(unit) => self.create_unit(unit, touched)?,
            Change::SetDesired { unit, desired, run, until } => {
                self.set_desired(*unit, *desired, *run, *until, touched)?;
            }
            Change::DropUnit(key) => self.drop_unit(*key, touched)?,
            Change::PlaceVolume { volume, host } => self.place_volume(*volume, *host, touched),
            Change::PutVolumeTemplate(template) => self.put_volume_template(template, touched)?,
            Change::DropVolumeTemplate(id) => self.drop_volume_template(*id, touched),
            Change::PutProjectVolume(volume) => self.put_project_volume(volume, touched)?,
            Change::DropProjectVolume(id) => self.drop_project_volume(*id, touched),
            Change::PutCredential(credential) => self.put_credential(credential, touched),
            Change::DropCredential(id) => self.drop_credential(*id, touched),
            Change::PutRegistry(registry) => self.put_registry(registry, touched)?,
            Change::DropRegistry(id) => self.drop_registry(*id, touched),
            Change::PutCertificate(certificate) => self.put_certificate(certificate, touched)?,
            Change::DropCertificate(id) => self.drop_certificate(*id, touched),
            Change::PutSecret(secret) => self.put_secret(secret, touched)?,
            Change::DropSecret(id) => self.drop_secret(*id, touched),
            Change::PutWebhook(webhook) => self.put_webhook(webhook, touched)?,
            Change::DropWebhook(id) => self.drop_webhook(*id, touched),
            Change::PutProjectTemplate(template) => self.put_project_template(template, touched),
            Change::DropProjectTemplate(id) => self.drop_project_template(*id, touched),
            Change::PutAccount(account) => self.put_account(account, touched),
            Change::DropAccount(id) => self.drop_account(*id, touched),
            Change::PutMember(member) => self.put_member(member, touched)?,
            Change::DropMember(id) => self.drop_member(*id, touched),
            Change::SetSetting { name, value } => self.set_setting(name, value.as_deref(), touched),
        }
        Ok(())
    }

    /// Numbers are never given twice.
    fn count(&mut self, used: u64) {
        self.next_id = self.next_id.max(used + 1);
    }
}

/// The last move that is struck ends it.
fn strike(held: &mut Option<Rebalance>, unit: UnitKey) {
    if let Some(rebalance) = held {
        rebalance.moves.retain(|held| held.unit != unit);
    }
    *held = held.take().filter(|rebalance| !rebalance.moves.is_empty());
}

fn need(there: bool, what: &str) -> Result<(), Refused> {
    if there { Ok(()) } else { Err(missing(what.to_owned())) }
}

fn missing(what: String) -> Refused {
    Refused::Missing { what }
}

fn exists(what: String) -> Refused {
    Refused::Exists { what }
}

fn step(what: String, why: impl Into<String>) -> Refused {
    Refused::Step { what, why: why.into() }
}
