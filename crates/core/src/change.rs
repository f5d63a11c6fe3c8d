//! The closed list of writes. Whoever wants something changed (a user through the API, the planner, the
//! agent hub) says it as a [`Change`], and [`World::apply`](crate::World::apply) is the only place that carries one out.
//!
//! Each variant has one kind of author; see its comment.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    Account, AccountId, Certificate, CertificateId, Credential, CredentialId, Desired, Host,
    HostFacts, HostId, HostSeen, Member, MemberId, Project, ProjectId, ProjectSecret,
    ProjectTemplate, ProjectTemplateId, ProjectVolume, REVISIONS_SETTING, Registry, RegistryId,
    Revision, RevisionNo, SecretId, Service, ServiceId, Stack, StackId, Time, Unit, UnitKey,
    Upgrade, UpgradePhase, VolumeId, VolumeKey, VolumeTemplate, VolumeTemplateId, Wanted, Webhook,
    WebhookId, World, plan,
};

/// One write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", content = "of", rename_all = "snake_case")]
pub enum Change {
    // --- users, through the API ---
    /// Make or edit a project.
    PutProject(Project),
    /// Forget a removed project.
    DropProject(ProjectId),
    /// Make or edit a host.
    PutHost(Host),
    /// Forget a removed host.
    DropHost(HostId),
    /// Make or edit a stack.
    PutStack(Stack),
    /// Forget a removed stack.
    DropStack(StackId),
    /// Make or edit a service (its `settled` is kept as it is, and its scale while it has a policy).
    PutService(Box<Service>),
    /// Forget a removed service and its revisions.
    DropService(ServiceId),
    /// Add a revision; refused if the number exists.
    AddRevision(Box<Revision>),
    /// Begin an upgrade; refused while one exists. The service's `current` becomes `to`.
    StartUpgrade(Upgrade),
    /// Make or edit a declared volume.
    PutVolumeTemplate(VolumeTemplate),
    /// Forget a removed volume declaration.
    DropVolumeTemplate(VolumeTemplateId),
    /// Make or edit a volume that is asked for by itself.
    PutProjectVolume(ProjectVolume),
    /// Forget a removed one.
    DropProjectVolume(VolumeId),
    /// Make or edit a credential.
    PutCredential(Credential),
    /// Forget a removed credential.
    DropCredential(CredentialId),
    /// Make or edit a registry.
    PutRegistry(Registry),
    /// Forget a removed registry.
    DropRegistry(RegistryId),
    /// Make or replace a certificate.
    PutCertificate(Box<Certificate>),
    /// Forget a removed certificate.
    DropCertificate(CertificateId),
    /// Make or edit a secret.
    PutSecret(ProjectSecret),
    /// Forget a removed secret.
    DropSecret(SecretId),
    /// Make or edit a webhook.
    PutWebhook(Webhook),
    /// Forget a removed webhook.
    DropWebhook(WebhookId),
    /// Make or edit a template of projects.
    PutProjectTemplate(Box<ProjectTemplate>),
    /// Forget a removed template.
    DropProjectTemplate(ProjectTemplateId),
    /// Make or edit an account.
    PutAccount(Account),
    /// Forget a removed account.
    DropAccount(AccountId),
    /// Make or edit a membership.
    PutMember(Member),
    /// Forget a removed membership.
    DropMember(MemberId),
    /// Set a setting; `None` unsets it.
    SetSetting {
        /// Name.
        name: String,
        /// Value.
        value: Option<String>,
    },

    // --- users and the planner: steps of an upgrade's life ---
    /// Move an upgrade on; which steps exist is checked. `RollingBack` makes `from` current.
    SetUpgradePhase {
        /// The service.
        service: ServiceId,
        /// The phase it goes to.
        phase: UpgradePhase,
        /// When.
        #[serde(default)]
        at: Time,
        /// Why, if its policy decided it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verdict: Option<String>,
    },

    // --- the planner ---
    /// What an upgrade led to is found good by its policy: it is not judged any more.
    ApproveUpgrade {
        /// The service.
        service: ServiceId,
        /// What was seen, in words.
        why: String,
    },
    /// A revision is not kept any more; one that is in use can't go.
    DropRevision {
        /// The service.
        service: ServiceId,
        /// Its revision.
        number: RevisionNo,
    },
    /// An upgrade is over.
    EndUpgrade(ServiceId),
    /// A service arrived where it was wanted.
    Settle {
        /// The service.
        service: ServiceId,
        /// Where it arrived.
        wanted: Wanted,
    },
    /// A service's scale as its policy has it now; refused without one.
    SetScale {
        /// The service.
        service: ServiceId,
        /// Units wanted.
        scale: u32,
    },
    /// A rolling restart is over.
    EndRestart(ServiceId),
    /// A unit has moved as users asked, or won't.
    EndMove(UnitKey),
    /// Record the digest an image reference turned out to be; refused if another is recorded.
    PinImage {
        /// The service.
        service: ServiceId,
        /// The revision.
        revision: RevisionNo,
        /// The reference.
        image: String,
        /// `sha256:…`.
        digest: String,
    },
    /// Make a unit; refused if the key exists.
    CreateUnit(Unit),
    /// Change what a unit shall be; raises its generation. For one that drains already, only the end of that moves.
    SetDesired {
        /// The unit.
        unit: UnitKey,
        /// What it shall be.
        desired: Desired,
        /// The rolling restart it has then been through.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<u64>,
        /// For draining: when it is stopped at the latest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Time>,
    },
    /// Forget a removed unit whose containers are gone.
    DropUnit(UnitKey),
    /// Give a host its part of the project's network; refused if it has one.
    GiveSubnet {
        /// The host.
        host: HostId,
        /// `10.42.3.0/24`.
        subnet: String,
    },
    /// Give a host up for lost after it has been away too long, or take it back.
    LoseHost {
        /// The host.
        host: HostId,
        /// Lost or found.
        lost: bool,
    },
    /// Record where a declared volume's data came to lie.
    PlaceVolume {
        /// The volume.
        volume: VolumeKey,
        /// The host.
        host: HostId,
    },

    // --- the agent hub ---
    /// What is seen of a host: connection and facts.
    SeeHost {
        /// The host.
        host: HostId,
        /// What is seen.
        seen: Box<HostSeen>,
    },
}

/// Why a change can't be applied. The world is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Something it refers to isn't there.
    #[error("{what} does not exist")]
    Missing {
        /// Which thing.
        what: String,
    },
    /// Something with that key is there already.
    #[error("{what} exists already")]
    Exists {
        /// Which thing.
        what: String,
    },
    /// The step isn't one of the life it is in.
    #[error("{what}: {why}")]
    Step {
        /// Which thing.
        what: String,
        /// What forbids it.
        why: String,
    },
}

/// The services a plan looks at again. The general rule: whatever a change touches, the services that could
/// plan differently because of it are dirty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// All of them: a host came, went or changed, or it is time for a sweep.
    pub all: bool,
    /// Those that wait for something that they lack: it may have come.
    pub waiting: bool,
    /// These.
    pub services: BTreeSet<ServiceId>,
}

impl Scope {
    /// Everything.
    pub fn everything() -> Self {
        Self { all: true, ..Self::default() }
    }

    /// One service.
    pub fn one(service: ServiceId) -> Self {
        Self { services: BTreeSet::from([service]), ..Self::default() }
    }

    /// Those that wait.
    pub fn waiting() -> Self {
        Self { waiting: true, ..Self::default() }
    }

    /// Nothing to look at.
    pub fn is_empty(&self) -> bool {
        !self.all && !self.waiting && self.services.is_empty()
    }

    /// Both.
    pub fn merge(&mut self, other: Self) {
        self.all |= other.all;
        self.waiting |= other.waiting;
        self.services.extend(other.services);
    }
}

impl Change {
    /// An upgrade goes to another phase because someone wants it, or because it is through with one.
    pub fn phase(service: ServiceId, phase: UpgradePhase, at: Time) -> Self {
        Self::SetUpgradePhase { service, phase, at, verdict: None }
    }

    /// Which services could plan differently after it than they did in the world before it.
    pub fn dirties(&self, before: &World) -> Scope {
        match self {
            // Every host that comes is heard by all others: that is no news for their services.
            Self::SeeHost { host, seen } if is_no_news(before, *host, seen) => Scope::default(),
            Self::PutHost(_)
            | Self::DropHost(_)
            | Self::SeeHost { .. }
            | Self::LoseHost { .. }
            | Self::GiveSubnet { .. } => Scope::everything(),
            Self::PutService(service) => Scope::one(service.id),
            Self::DropService(id) | Self::EndRestart(id) => Scope::one(*id),
            Self::EndUpgrade(id) => {
                // The others are free of it: those that go together with it, and whom it led to.
                let led_to = before.upgrade(*id).and_then(Upgrade::shift).map(|s| s.to_service);
                let mut services = plan::companions(before, &BTreeSet::from([*id]));
                services.extend(led_to.into_iter().chain([*id]));
                Scope { services, ..Scope::default() }
            }
            Self::AddRevision(revision) => Scope::one(revision.service),
            Self::StartUpgrade(upgrade) => Scope::one(upgrade.service),
            Self::SetUpgradePhase { service, .. }
            | Self::ApproveUpgrade { service, .. }
            | Self::DropRevision { service, .. }
            | Self::Settle { service, .. }
            | Self::SetScale { service, .. }
            | Self::PinImage { service, .. } => Scope::one(*service),
            Self::CreateUnit(unit) => Scope::one(unit.key.service),
            Self::SetDesired { unit, .. } | Self::DropUnit(unit) | Self::EndMove(unit) => {
                Scope::one(unit.service)
            }
            Self::SetSetting { name, .. } if name == REVISIONS_SETTING => Scope::everything(),
            // Removing a stack or a project removes its services by changes of their own; the rest moves no unit, and is
            // at most what one lacked.
            Self::PutProject(_)
            | Self::DropProject(_)
            | Self::PutStack(_)
            | Self::DropStack(_)
            | Self::PutVolumeTemplate(_)
            | Self::DropVolumeTemplate(_)
            | Self::PutProjectVolume(_)
            | Self::DropProjectVolume(_)
            | Self::PlaceVolume { .. }
            | Self::SetSetting { .. } => Scope::waiting(),
            // Read where it is used.
            Self::PutCredential(_)
            | Self::DropCredential(_)
            | Self::PutRegistry(_)
            | Self::DropRegistry(_)
            | Self::PutCertificate(_)
            | Self::DropCertificate(_)
            | Self::PutSecret(_)
            | Self::DropSecret(_)
            | Self::PutWebhook(_)
            | Self::DropWebhook(_)
            | Self::PutProjectTemplate(_)
            | Self::DropProjectTemplate(_)
            | Self::PutAccount(_)
            | Self::DropAccount(_)
            | Self::PutMember(_)
            | Self::DropMember(_) => Scope::default(),
        }
    }

    /// When it matters for the record, a moment; kept here so that stores agree on the log's shape.
    pub fn logged(self, at: Time, by: &str) -> LoggedChange {
        LoggedChange { at, by: by.to_owned(), change: self }
    }
}

/// Whether what is seen of a host now differs from what was in nothing that moves units: neither in whether it can have
/// any, nor in what is heard of hosts that are away.
fn is_no_news(before: &World, host: HostId, seen: &HostSeen) -> bool {
    let Some(held) = before.seen.get(&host) else { return false };
    let relevant = |seen: &HostSeen| {
        let HostFacts { cpus, memory, ref problem, .. } = seen.facts;
        (seen.connected, seen.caught_up, seen.since, cpus, memory, problem.clone())
    };
    let heard = |seen: &HostSeen, of: &HostId| {
        (seen.hearing.heard.contains(of), seen.hearing.silent.get(of).copied())
    };
    let [old, new] = [held.as_ref(), seen].map(|seen| &seen.hearing);
    let told = [old, new].into_iter().flat_map(|all| all.heard.iter().chain(all.silent.keys()));
    relevant(held) == relevant(seen)
        && (old == new
            || told
                .into_iter()
                .all(|of| before.is_connected(*of) || heard(held, of) == heard(seen, of)))
}

/// An entry of the change log, which is the audit log and the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedChange {
    /// When it was committed.
    pub at: Time,
    /// Who: an access key, `planner` or `hub`.
    pub by: String,
    /// What.
    pub change: Change,
}
