//! THE table of who may do what: for each type the least say that each deed takes. Whatever is asked goes by it, and what
//! schemas and resources offer is read from it, so that what is shown is what is allowed.
//!
//! What one may not read does not exist. A type that isn't in the table is an owner's; a test names those that are
//! missing. Who has which say is `drover_core::Rights`' to say.

#[cfg(test)]
mod print;
mod reach;
mod table;

use drover_core::{AccountId, ProjectId, Rank};
use serde_json::Value;

use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::row::{Row, Rows};
pub(crate) use reach::Reach;
use table::rule;

/// What is asked to be done with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed<'a> {
    /// Looked at, alone or in a list.
    Read,
    /// Made.
    Create,
    /// Changed.
    Update,
    /// Removed.
    Delete,
    /// Acted on, by the action's name.
    Act(&'a str),
}

/// Whether it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may.
    Yes,
    /// Who asks must not even know that it is there.
    NotFound,
    /// It may not, and this is why.
    Forbidden(String),
}

/// Where something new would go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Into a project.
    Project(ProjectId),
    /// To an account.
    Account(AccountId),
    /// It is nobody's in particular.
    Cluster,
}

/// Whether someone with this say over a resource (`None`: over something of others) may do this to one of this type.
pub(crate) fn may(rank: Option<Rank>, deed: Deed<'_>, kind: &str) -> Verdict {
    let rule = rule(kind);
    let Some(rank) = rank else { return Verdict::NotFound };
    let least = rule.least(deed);
    if rank >= least {
        return Verdict::Yes;
    }
    // Where something may be made is known already.
    if deed != Deed::Create && rank < rule.read {
        return Verdict::NotFound;
    }
    let what = match deed {
        Deed::Read => "reading".to_owned(),
        Deed::Create => "making".to_owned(),
        Deed::Update | Deed::Act("update") => "changing".to_owned(),
        Deed::Delete | Deed::Act("remove") => "removing".to_owned(),
        Deed::Act(action) => format!("`{action}` on"),
    };
    let article = if kind.starts_with(['a', 'e', 'i']) { "an" } else { "a" };
    let whom = match deed {
        Deed::Create if rule.is_made_by_accounts() => "keys of an account",
        _ if least == Rank::Key => "an owner of the project",
        _ => words(least),
    };
    Verdict::Forbidden(format!(
        "{what} {article} {kind} is for {whom}; this key is that of {}",
        words(rank)
    ))
}

/// The same, as an error about `shown`.
pub(crate) fn must(
    rank: Option<Rank>,
    deed: Deed<'_>,
    kind: &str,
    shown: impl FnOnce() -> String,
) -> Result<(), ApiError> {
    match may(rank, deed, kind) {
        Verdict::Yes => Ok(()),
        Verdict::NotFound => Err(ApiError::not_found(shown())),
        Verdict::Forbidden(why) => Err(ApiError::new(Code::Forbidden, why)),
    }
}

/// The caller's say over a rendered resource, by whose it is.
pub(crate) fn rank_over(ctx: &Context<'_>, row: &Value) -> Option<Rank> {
    match row["accountId"].as_str().and_then(|id| Kind::Project.parse(id)) {
        None => Some(ctx.rights.base()),
        Some(id) if ctx.world.accounts.contains_key(&AccountId(id)) => {
            ctx.rights.over_account(AccountId(id))
        }
        Some(id) => ctx.rights.in_project(ProjectId(id)),
    }
}

/// A resource as the caller may see it: not at all, or with those actions that are the caller's to take.
pub(crate) fn shown(ctx: &Context<'_>, kind: &str, row: Value) -> Option<Value> {
    let rank = rank_over(ctx, &row);
    let may_see = is_shown(rank, kind, row["type"].as_str());
    may_see.then(|| offered(rank, kind, row))
}

/// The rows of a collection that the caller may see.
pub(crate) fn visible<'a>(kind: &'static str, rows: Rows<'a>) -> Rows<'a> {
    // Rows of one kind lie together, and the answer for one is that for its neighbour.
    let mut last: Option<(Option<Rank>, Option<String>, bool)> = None;
    let mut sees = move |row: &dyn Row| {
        let (rank, own) = (row.rank(), row.kind());
        if let Some((held, of, sees)) = &last
            && (*held, of.as_deref()) == (rank, own)
        {
            return *sees;
        }
        let sees = is_shown(rank, kind, own);
        last = Some((rank, own.map(str::to_owned), sees));
        sees
    };
    Box::new(rows.filter(move |row| sees(row.as_ref())))
}

/// A row that the caller may see, rendered.
pub(crate) fn rendered(kind: &str, row: Box<dyn Row + '_>) -> Value {
    let rank = row.rank();
    offered(rank, kind, row.render())
}

/// A list of several types has rows of theirs: neither list nor row shows what the other would not.
fn is_shown(rank: Option<Rank>, kind: &str, own: Option<&str>) -> bool {
    [kind, own.unwrap_or(kind)].iter().all(|kind| may(rank, Deed::Read, kind) == Verdict::Yes)
}

/// With those actions that are the caller's to take.
fn offered(rank: Option<Rank>, kind: &str, mut row: Value) -> Value {
    let own = row["type"].as_str().unwrap_or(kind).to_owned();
    if let Some(actions) = row["actions"].as_object_mut() {
        actions.retain(|name, _| may(rank, Deed::Act(name), &own) == Verdict::Yes);
    }
    row
}

fn words(rank: Rank) -> &'static str {
    match rank {
        Rank::Outside => "no member",
        Rank::Readonly => "a readonly member of the project",
        Rank::Restricted => "a restricted member of the project",
        Rank::Member => "a member of the project",
        Rank::Key => "the project itself",
        Rank::Owner => "an owner",
        Rank::Admin => "an administrator",
    }
}
