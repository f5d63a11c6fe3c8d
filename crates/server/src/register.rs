//! A machine becomes a host: `POST /agent/register`, the one call made with a registration token.
//!
//! A token is for one machine, or for any number of them. One machine may use it again (its answer got lost, its disk was wiped): it is the
//! same host, with a new credential in place of the old.

use drover_api::{ApiError, Code, Kind};
use drover_core::protocol::{Register, Registered};
use drover_core::{
    Change, Credential, CredentialId, Grant, Host, HostId, HostSeen, Project, ProjectId, Secret,
    Time, World,
};

use crate::auth::{hash, opens};
use crate::call::undone;
use crate::clock;
use crate::hub::HUB;
use crate::random::{access_key, secret_key};
use crate::server::Server;

/// Register a machine, or say why not.
pub(crate) async fn register(server: &Server, asked: &Register) -> Result<Registered, ApiError> {
    let (access, secret) = (access_key(), secret_key());
    let key = NewKey { access: &access, secret_sha256: hash(&secret) };
    let decided = server.decide(HUB, |world, now| decide(world, asked, &key, now)).await;
    let (world, host) = decided.map_err(undone)?;
    tracing::info!(%host, name = asked.hostname, address = asked.address, "a host registered");
    let cluster = world.cluster().to_owned();
    Ok(Registered { host, access, secret: Secret::new(secret), cluster })
}

/// Why a machine was not registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Unregistered {
    #[error("`{0}` is empty: an agent that registers says who it is")]
    Empty(&'static str),
    #[error(
        "this registration token is not valid: it is wrong, or was deactivated or removed; make \
         another one (in the API: POST to registrationTokens)"
    )]
    NoToken,
    #[error(
        "this registration token was used for host {host}, and a token is for one host; make \
         another one for this machine (in the API: POST to registrationTokens)"
    )]
    Used { host: String },
    #[error(
        "this machine is host {name} ({id}) of project {project} already; remove that host first, \
         or use a token of that project"
    )]
    Elsewhere { name: String, id: String, project: String },
    #[error("the project of this registration token was removed; make a token in another project")]
    NoProject,
}

impl From<Unregistered> for ApiError {
    fn from(why: Unregistered) -> Self {
        let message = why.to_string();
        match why {
            Unregistered::Empty(field) => Self::on(Code::MissingRequired, field, message),
            Unregistered::NoToken => Self::new(Code::Unauthorized, message),
            Unregistered::Used { .. }
            | Unregistered::Elsewhere { .. }
            | Unregistered::NoProject => Self::new(Code::Conflict, message),
        }
    }
}

/// The key pair to give the agent.
struct NewKey<'a> {
    access: &'a str,
    secret_sha256: String,
}

fn decide(
    world: &World,
    asked: &Register,
    key: &NewKey<'_>,
    now: Time,
) -> Result<(Vec<Change>, HostId), Unregistered> {
    for (name, value) in [("identity", &asked.identity), ("hostname", &asked.hostname)] {
        if value.trim().is_empty() {
            return Err(Unregistered::Empty(name));
        }
    }
    let token = token(world, &asked.token).ok_or(Unregistered::NoToken)?;
    let Grant::Registration { project, used_by, reusable } = token.grants else {
        return Err(Unregistered::NoToken);
    };
    let live = |p: &Project| p.removed_at.is_none();
    if !world.projects.get(&project).is_some_and(|p| live(p)) {
        return Err(Unregistered::NoProject);
    }
    let known =
        world.hosts.values().find(|h| h.identity == asked.identity && h.removed_at.is_none());
    if let Some(known) = known.filter(|known| known.project != project) {
        return Err(elsewhere(world, known));
    }
    let known = known.map(|host| host.id);
    if let Some(user) = used_by.filter(|user| !reusable && Some(*user) != known) {
        return Err(used(world, user));
    }
    let host = known.unwrap_or(HostId(world.next_id));
    let mut changes = match known {
        Some(_) => Vec::new(),
        None => new_host(asked, host, project, now),
    };
    if used_by != Some(host) {
        let grants = Grant::Registration { project, used_by: Some(host), reusable };
        changes.push(Change::PutCredential(Credential { grants, ..token.clone() }));
    }
    changes.extend(old_keys(world, host).map(Change::DropCredential));
    changes.push(Change::PutCredential(agent_key(world, host, key, now)));
    Ok((changes, host))
}

/// The credential behind a token, which is `public:secret`.
pub(crate) fn token<'a>(world: &'a World, token: &Secret) -> Option<&'a Credential> {
    let (public, secret) = token.reveal().split_once(':')?;
    let mut tokens = world.credentials_named(public).filter(|c| {
        matches!(c.grants, Grant::Registration { .. }) && c.active && c.removed_at.is_none()
    });
    tokens.next().filter(|c| opens(c, secret))
}

fn used(world: &World, user: HostId) -> Unregistered {
    let id = Kind::Host.id(user.0);
    let host = match world.host(user) {
        Some(host) => {
            format!("{} ({id}) on {}", host.shown_name(), clock::words(host.created_at))
        }
        None => format!("{id}, which is gone since"),
    };
    Unregistered::Used { host }
}

fn elsewhere(world: &World, host: &Host) -> Unregistered {
    let project = world.projects.get(&host.project).map_or_else(String::new, |p| p.name.clone());
    let (name, id) = (host.shown_name().to_owned(), Kind::Host.id(host.id.0));
    Unregistered::Elsewhere { name, id, project }
}

fn new_host(asked: &Register, id: HostId, project: ProjectId, now: Time) -> Vec<Change> {
    let host = Host {
        id,
        project,
        identity: asked.identity.clone(),
        hostname: asked.hostname.clone(),
        name: String::new(),
        description: String::new(),
        labels: asked.labels.clone(),
        address: asked.address.clone(),
        subnet: None,
        active: true,
        evacuation: None,
        memory_limit: None,
        milli_cpu_limit: None,
        created_at: now,
        removed_at: None,
    };
    let facts = asked.facts.clone();
    let seen = HostSeen { since: now, facts, ..HostSeen::default() };
    vec![Change::PutHost(host), Change::SeeHost { host: id, seen: Box::new(seen) }]
}

fn old_keys(world: &World, host: HostId) -> impl Iterator<Item = CredentialId> {
    let keys = world.credentials.values().filter(move |c| c.grants == Grant::Agent(host));
    keys.map(|c| c.id)
}

fn agent_key(world: &World, host: HostId, key: &NewKey<'_>, now: Time) -> Credential {
    Credential {
        // After the number a new host takes.
        id: CredentialId(world.next_id + 1),
        grants: Grant::Agent(host),
        name: String::new(),
        description: String::new(),
        public: key.access.to_owned(),
        secret_sha256: key.secret_sha256.clone(),
        readable: None,
        active: true,
        created_at: now,
        removed_at: None,
    }
}
