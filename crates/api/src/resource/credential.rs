//! What API keys and registration tokens have in common: both are a public half, and a secret one that is kept as
//! a hash and shown once; a token for any number of hosts is kept itself, too, to be read again.

use drover_core::{Change, Credential, CredentialId, Grant, ProjectId, Rank, Rights};
use sha2::{Digest, Sha256};

use super::Envelope;
use crate::body::Body;
use crate::context::Context;
use crate::error::ApiError;
use crate::ids::Kind;
use crate::outcome::Outcome;
use crate::schema::Schema;
use crate::state::{CREDENTIAL, Standing};

/// A new one, from the request's fresh secrets.
pub(super) fn made(
    ctx: &Context<'_>,
    grants: Grant,
    body: Body<'_>,
) -> Result<Credential, ApiError> {
    Ok(Credential {
        id: CredentialId(ctx.next_id()),
        grants,
        name: body.text("name")?.unwrap_or_default(),
        description: body.text("description")?.unwrap_or_default(),
        public: ctx.fresh.public.clone(),
        secret_sha256: sha256_hex(&ctx.fresh.secret),
        readable: None,
        active: true,
        created_at: ctx.now,
        removed_at: None,
    })
}

/// The one with an id, if it is of the wanted kind.
pub(super) fn find<'a>(
    ctx: &'a Context<'_>,
    id: &str,
    is_wanted: impl Fn(&Credential) -> bool,
) -> Result<&'a Credential, ApiError> {
    let found = Kind::Credential.parse(id);
    let found = found.and_then(|id| ctx.world.credentials.get(&CredentialId(id)));
    let found = found.map(|held| &**held).filter(|held| is_wanted(held));
    found.ok_or_else(|| ApiError::not_found(format!("credential {id}")))
}

/// Change what a PUT may: name and description.
pub(super) fn edited(held: &Credential, body: Body<'_>) -> Result<Credential, ApiError> {
    let mut edited = held.clone();
    if body.names("name") {
        edited.name = body.text("name")?.unwrap_or_default();
    }
    if body.names("description") {
        edited.description = body.text("description")?.unwrap_or_default();
    }
    Ok(edited)
}

/// Switched on or off.
pub(super) fn switched(held: &Credential, active: bool) -> Credential {
    Credential { active, ..held.clone() }
}

/// Removed; it opens nothing any more.
pub(super) fn removed(ctx: &Context<'_>, held: &Credential) -> Credential {
    Credential { active: false, readable: None, removed_at: Some(ctx.now), ..held.clone() }
}

/// Whether an administrator has a key that works, besides some.
pub(super) fn some_admin_but(ctx: &Context<'_>, leaving: impl Fn(&Credential) -> bool) -> bool {
    let mut keys = ctx.world.credentials.values();
    keys.any(|key| {
        let works = key.active && key.removed_at.is_none() && !leaving(key);
        works && Rights::of(ctx.world, &key.grants).base() == Rank::Admin
    })
}

/// Commit an edited one, if it is any different.
pub(super) fn put(
    schema: &'static Schema,
    held: &Credential,
    edited: Credential,
    status: u16,
) -> Outcome {
    let id = Kind::Credential.id(held.id.0);
    let changes = if edited == *held { vec![] } else { vec![Change::PutCredential(edited)] };
    Outcome::render(changes, schema.plural, id, status)
}

/// The members it shares with every resource.
pub(super) fn envelope<'a>(
    schema: &'static Schema,
    held: &'a Credential,
    project: Option<ProjectId>,
) -> Envelope<'a> {
    Envelope {
        schema,
        id: Kind::Credential.id(held.id.0),
        name: &held.name,
        description: &held.description,
        standing: Standing::switched(CREDENTIAL, held.active, held.removed_at),
        project,
        created: held.created_at,
        removed: held.removed_at,
    }
}

/// What is kept of a secret with full entropy.
pub(super) fn sha256_hex(secret: &str) -> String {
    use std::fmt::Write;
    let digest = Sha256::digest(secret);
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_sha256_in_hex() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_hex("abc"), expected);
    }
}
