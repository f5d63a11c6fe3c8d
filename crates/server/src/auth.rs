//! Who is asking: HTTP Basic against the credentials of the snapshot.
//!
//! What a caller may then do is the API's business (it sees the grant); here only agents and users are told
//! apart, so that no agent's credential opens the API and no key opens an agent link.

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use drover_api::{ApiError, Caller, Code};
use drover_core::{Credential, Grant, HostId, RowKey, World};
use drover_store::Update;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Why a request was not let in. The same words for an unknown key and a wrong secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    /// Nothing was sent that could be checked.
    #[error("this needs a key: send an access key and its secret key by HTTP Basic")]
    NoKey,
    /// It is wrong, or it was.
    #[error("the access key or the secret key is wrong, or the key was deactivated or removed")]
    WrongKey,
    /// It is wrong, or it was.
    #[error(
        "this token is wrong or too old, or its key was deactivated or removed: change the key for another \
         one (POST /v2-beta/token)"
    )]
    WrongToken,
    /// The key of something that is not a user.
    #[error("this key belongs to an agent, not to a user of the API: use an API key")]
    NotAUser,
    /// A user's key where an agent's is needed.
    #[error("this key is not an agent's: an agent gets its own by registering with a token")]
    NotAnAgent,
    /// The host was removed since.
    #[error(
        "this host was removed from the cluster: to bring it back, register it with a new \
         registration token"
    )]
    NoHost,
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        let code = match denied {
            Denied::NoKey
            | Denied::WrongKey
            | Denied::WrongToken
            | Denied::NotAnAgent
            | Denied::NoHost => Code::Unauthorized,
            Denied::NotAUser => Code::Forbidden,
        };
        Self::new(code, denied.to_string())
    }
}

/// The user behind a key.
pub(crate) fn user_by(world: &World, access: &str, secret: &str) -> Result<Caller, Denied> {
    caller(world, by_key(world, access, secret)?)
}

/// The user of an access key that was checked before.
pub(crate) fn user_of(world: &World, access: &str) -> Result<Caller, Denied> {
    caller(world, live(world, access).next().ok_or(Denied::WrongKey)?)
}

/// Whether a request comes with a key, right or wrong.
pub(crate) fn is_basic_sent(headers: &HeaderMap) -> bool {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    value.and_then(|value| value.split_once(' ')).is_some_and(|(scheme, _)| is_basic(scheme))
}

/// Whether a key that was let in still would be: what goes on for long asks again.
pub(crate) fn is_live(world: &World, caller: &Caller) -> bool {
    live(world, &caller.access).any(|held| is_its(world, held))
}

/// The keys of that name that are switched on.
fn live<'a>(world: &'a World, access: &str) -> impl Iterator<Item = &'a Credential> {
    world.credentials_named(access).filter(|held| is_on(held))
}

/// Whether a key may have been switched off, or its owner's say may be less.
pub(crate) fn concerns_rights(update: &Update) -> bool {
    let concerns = |key: &RowKey| {
        matches!(key, RowKey::Credential(_) | RowKey::Account(_) | RowKey::Member(_))
    };
    update.touched.iter().any(concerns)
}

fn caller(world: &World, credential: &Credential) -> Result<Caller, Denied> {
    match &credential.grants {
        Grant::Admin | Grant::Account(_) | Grant::Project(_) if is_its(world, credential) => {
            let (access, grant) = (credential.public.clone(), credential.grants.clone());
            Ok(Caller { access, grant, within: None })
        }
        Grant::Admin | Grant::Account(_) | Grant::Project(_) => Err(Denied::WrongKey),
        Grant::Registration { .. } | Grant::Agent(_) => Err(Denied::NotAUser),
    }
}

/// Whether whose key this is may use any.
fn is_its(world: &World, credential: &Credential) -> bool {
    match credential.grants {
        Grant::Account(id) => world.accounts.get(&id).is_some_and(|held| held.is_usable()),
        _ => true,
    }
}

fn is_on(credential: &Credential) -> bool {
    credential.active && credential.removed_at.is_none()
}

/// The host behind a request.
pub(crate) fn agent(world: &World, headers: &HeaderMap) -> Result<HostId, Denied> {
    match credential(world, headers)?.grants {
        Grant::Agent(host) if world.hosts.contains_key(&host) => Ok(host),
        Grant::Agent(_) => Err(Denied::NoHost),
        Grant::Admin | Grant::Account(_) | Grant::Project(_) | Grant::Registration { .. } => {
            Err(Denied::NotAnAgent)
        }
    }
}

/// SHA-256 of a secret, as credentials keep it.
pub(crate) fn hash(secret: &str) -> String {
    use std::fmt::Write;
    Sha256::digest(secret).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether `secret` is the one this credential was made with. Takes the same time wherever they differ.
pub(crate) fn opens(credential: &Credential, secret: &str) -> bool {
    hash(secret).as_bytes().ct_eq(credential.secret_sha256.as_bytes()).into()
}

fn credential<'a>(world: &'a World, headers: &HeaderMap) -> Result<&'a Credential, Denied> {
    let (access, secret) = basic(headers).ok_or(Denied::NoKey)?;
    by_key(world, &access, &secret)
}

fn by_key<'a>(world: &'a World, access: &str, secret: &str) -> Result<&'a Credential, Denied> {
    let known = live(world, access).next().ok_or(Denied::WrongKey)?;
    if opens(known, secret) { Ok(known) } else { Err(Denied::WrongKey) }
}

/// Access key and secret key of HTTP Basic.
pub(crate) fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    let decoded = STANDARD.decode(encoded.trim()).ok().filter(|_| is_basic(scheme))?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(access, secret)| (access.to_owned(), secret.to_owned()))
}

fn is_basic(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("basic")
}

#[cfg(test)]
mod tests {
    use drover_core::{Change, CredentialId, Project, ProjectId, Time};

    use super::*;

    fn world(grants: Grant, active: bool) -> World {
        let project = Project {
            id: ProjectId(5),
            name: "p".into(),
            description: String::new(),
            settings: drover_core::ProjectSettings::default(),
            created_at: Time(1),
            removed_at: None,
        };
        let credential = Credential {
            id: CredentialId(6),
            grants,
            name: String::new(),
            description: String::new(),
            public: "KEY".into(),
            secret_sha256: hash("se:cret"),
            readable: None,
            active,
            created_at: Time(1),
            removed_at: None,
        };
        let changes = [Change::PutProject(project), Change::PutCredential(credential)];
        World::new().commit(&changes).unwrap().0
    }

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn users() {
        let basic = |pair: &str| headers(&format!("basic {}", STANDARD.encode(pair)));
        let check = |grant: Grant, active, headers: HeaderMap, want: Result<(), Denied>| {
            let world = world(grant.clone(), active);
            let user = super::basic(&headers).ok_or(Denied::NoKey);
            let user = user.and_then(|(access, secret)| user_by(&world, &access, &secret));
            let got = user.map(|caller| {
                assert_eq!(caller, Caller { access: "KEY".into(), grant, within: None });
            });
            assert_eq!(got, want);
        };
        check(Grant::Admin, true, basic("KEY:se:cret"), Ok(()));
        check(Grant::Project(ProjectId(5)), true, basic("KEY:se:cret"), Ok(()));
        check(Grant::Admin, true, basic("KEY:wrong"), Err(Denied::WrongKey));
        check(Grant::Admin, true, basic("OTHER:se:cret"), Err(Denied::WrongKey));
        check(Grant::Admin, false, basic("KEY:se:cret"), Err(Denied::WrongKey));
        check(Grant::Admin, true, HeaderMap::new(), Err(Denied::NoKey));
        check(Grant::Admin, true, headers("Bearer x"), Err(Denied::NoKey));
        check(Grant::Admin, true, headers("Basic %%%"), Err(Denied::NoKey));
        check(Grant::Agent(HostId(1)), true, basic("KEY:se:cret"), Err(Denied::NotAUser));
    }

    #[test]
    fn agents() {
        let basic = headers(&format!("Basic {}", STANDARD.encode("KEY:se:cret")));
        let check = |grant, want| assert_eq!(agent(&world(grant, true), &basic), want);
        check(Grant::Agent(HostId(1)), Err(Denied::NoHost));
        check(Grant::Admin, Err(Denied::NotAnAgent));
    }
}
