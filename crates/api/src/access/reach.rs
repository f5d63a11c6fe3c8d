//! What a caller is offered under a URL before any resource is named: which types, methods and actions.

use drover_core::Rank;

use super::table::{Of, rule};
use super::{Deed, Verdict, may};
use crate::context::Context;

/// The caller's say under a URL.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    /// The greatest over any project.
    projects: Rank,
    /// That over the project which new things go to.
    new: Option<Rank>,
    account: Option<Rank>,
    /// In a project's tree, what could be a project's or an account's is the project's.
    scoped: bool,
    base: Rank,
}

impl Reach {
    /// That of whoever asks.
    pub(crate) fn of(ctx: &Context<'_>) -> Self {
        let living = ctx.world.projects.values().filter(|p| p.removed_at.is_none());
        let seen = living.filter(|p| ctx.sees(p.id));
        let ranks: Vec<Rank> = seen.filter_map(|p| ctx.rights.in_project(p.id)).collect();
        // A removed one is still there to be read.
        let own = ctx.scope.and_then(|scope| ctx.rights.in_project(scope));
        let base = ctx.rights.base();
        let new = match ranks.as_slice() {
            [one] => Some(*one),
            // An administrator says where to in the body.
            [_, _, ..] if base == Rank::Admin => Some(base),
            _ => None,
        };
        Self {
            // Who is in no project yet looks at empty lists.
            projects: ranks.iter().copied().chain(own).max().unwrap_or(Rank::Readonly),
            new,
            account: Some(base)
                .filter(|base| *base == Rank::Admin)
                .or_else(|| ctx.rights.account().map(|_| Rank::Owner)),
            scoped: ctx.scope.is_some(),
            base,
        }
    }

    /// Whether the body says which project a new one goes to.
    pub(crate) fn says_where(self, kind: &str) -> bool {
        self.base == Rank::Admin && !self.scoped && rule(kind).new_of == Of::Project
    }

    /// Whether a deed is offered for resources of a type.
    pub(crate) fn offers(self, kind: &str, deed: Deed<'_>) -> bool {
        let rule = rule(kind);
        let (of, in_projects) = match deed {
            Deed::Create => (rule.new_of, self.new),
            _ => (rule.of, Some(self.projects)),
        };
        let rank = match of {
            Of::Project => in_projects,
            Of::Either if self.scoped => in_projects,
            Of::Account => self.account,
            Of::Either => self.account.max(in_projects),
            Of::Shared => Some(self.account.unwrap_or(self.base)),
            Of::Cluster => Some(self.base),
        };
        may(rank, deed, kind) == Verdict::Yes
    }
}
