//! Members of a project, as bodies name them and as they are kept: who is meant, as what, and that a project keeps an
//! owner.

use std::collections::BTreeMap;

use drover_core::{
    AccountId, Change, ExternalId, Identity, Member, MemberId, MemberRole, ProjectId,
};
use serde_json::Value;

use crate::body::{Body, word_of};
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;

/// What accounts of this cluster are called where others say `github_user`.
pub(super) const LOCAL: &str = "rancher_id";
/// Another word for it.
const LOCAL_TOO: &str = "local";
/// As they stand on the wire.
const ROLES: [(&str, MemberRole); 4] = [
    ("owner", MemberRole::Owner),
    ("member", MemberRole::Member),
    ("restricted", MemberRole::Restricted),
    ("readonly", MemberRole::Readonly),
];

/// What someone is to be.
pub(super) type Wanted = (Identity, MemberRole);

/// Who someone is, on the wire: type and id.
pub(super) fn identity(who: &Identity) -> (String, String) {
    match who {
        Identity::Account(id) => (LOCAL.to_owned(), Kind::Account.id(id.0)),
        Identity::External(ExternalId { kind, id }) => (kind.clone(), id.clone()),
    }
}

/// A role, on the wire.
pub(super) fn role_word(role: MemberRole) -> Option<&'static str> {
    word_of(&ROLES, &role)
}

/// The role in a body.
pub(super) fn role(body: Body<'_>) -> Result<MemberRole, ApiError> {
    body.choice("role", &ROLES)?.ok_or_else(|| body.lacks("role"))
}

/// Who and what a body says. An account must be there; who is someone elsewhere may come later.
pub(super) fn wanted(ctx: &Context<'_>, body: Body<'_>) -> Result<Wanted, ApiError> {
    let (kind, id) = (body.required("externalIdType")?, body.required("externalId")?);
    let who = if is_local(&kind) {
        let found = Kind::Account.parse(&id).map(AccountId);
        let found = found
            .filter(|id| ctx.world.accounts.get(id).is_some_and(|held| held.removed_at.is_none()));
        Identity::Account(found.ok_or_else(|| {
            let why = format!("there is no account {id}");
            ApiError::on(Code::InvalidReference, "externalId", why)
        })?)
    } else {
        Identity::External(ExternalId { kind, id })
    };
    Ok((who, role(body)?))
}

/// Whether a type of identity means an account of this cluster.
pub(super) fn is_local(kind: &str) -> bool {
    [LOCAL, LOCAL_TOO].iter().any(|local| local.eq_ignore_ascii_case(kind))
}

/// The members in a body; of someone who is named twice, the last word counts.
pub(super) fn list(ctx: &Context<'_>, body: Body<'_>) -> Result<Vec<Wanted>, ApiError> {
    let mut all: Vec<Wanted> = Vec::new();
    for one in body.bodies("members")? {
        let (who, role) = wanted(ctx, one)?;
        all.retain(|(held, _)| *held != who);
        all.push((who, role));
    }
    Ok(all)
}

/// The members a project has.
pub(super) fn living<'a>(
    ctx: &'a Context<'_>,
    project: ProjectId,
) -> impl Iterator<Item = &'a Member> {
    let all = ctx.world.members.values().map(|held| &**held);
    all.filter(move |held| held.project == project && held.removed_at.is_none())
}

/// What makes these the members of a project, and no others. Numbers of new ones begin at `next`.
pub(super) fn replace(
    ctx: &Context<'_>,
    project: ProjectId,
    wanted: &[Wanted],
    next: u64,
) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut held: BTreeMap<MemberId, &Member> = living(ctx, project).map(|m| (m.id, m)).collect();
    let mut number = next;
    for (who, role) in wanted {
        let known = held.values().find(|member| member.who == *who).map(|member| member.id);
        match known.and_then(|id| held.remove(&id)) {
            Some(member) if member.role == *role => {}
            Some(member) => {
                changes.push(Change::PutMember(Member { role: *role, ..member.clone() }));
            }
            None => {
                let id = MemberId(number);
                number += 1;
                changes.push(Change::PutMember(Member {
                    id,
                    project,
                    who: who.clone(),
                    role: *role,
                    created_at: ctx.now,
                    removed_at: None,
                }));
            }
        }
    }
    changes.extend(held.into_values().map(|member| Change::PutMember(removed(ctx, member))));
    changes
}

/// A membership that is over.
pub(super) fn removed(ctx: &Context<'_>, held: &Member) -> Member {
    Member { removed_at: Some(ctx.now), ..held.clone() }
}

/// Whether someone of these is an owner with an account that can be used.
pub(super) fn has_owner(ctx: &Context<'_>, members: &[Wanted]) -> bool {
    let accounts = || ctx.world.accounts.values().filter(|account| account.is_usable());
    members.iter().filter(|(_, role)| *role == MemberRole::Owner).any(|(who, _)| match who {
        Identity::Account(id) => accounts().any(|account| account.id == *id),
        Identity::External(external) => {
            accounts().any(|account| account.external.as_ref() == Some(external))
        }
    })
}

/// Only an administrator leaves a project that had an owner without one.
pub(super) fn keep_owner(
    ctx: &Context<'_>,
    project: ProjectId,
    after: &[Wanted],
) -> Result<(), ApiError> {
    let before: Vec<Wanted> = living(ctx, project).map(|m| (m.who.clone(), m.role)).collect();
    let is_admin = ctx.rights.base() == drover_core::Rank::Admin;
    if is_admin || has_owner(ctx, after) || !has_owner(ctx, &before) {
        return Ok(());
    }
    let why =
        "nobody with an account here would own the project any more: make somebody an owner first";
    Err(ApiError::on(Code::InvalidOption, "members", why))
}

/// A member as part of its project.
pub(super) fn part(held: &Member) -> Value {
    let (kind, id) = identity(&held.who);
    serde_json::json!({
        "type": "projectMember", "externalIdType": kind, "externalId": id, "role": role_word(held.role),
    })
}
