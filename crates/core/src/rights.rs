//! Where a key's holder has which say, read from the snapshot anew for every request: memberships that end and
//! accounts that are switched off end what is under way with them.
//!
//! What a say is good for, type by type, is the API's table.

use std::collections::BTreeMap;

use crate::{AccountId, AccountKind, Grant, MemberRole, ProjectId, World};

/// How much say someone has over what an account or a project owns; each has that of those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// None but that it has a key: for what is nobody's in particular.
    Outside,
    /// A member that looks.
    Readonly,
    /// A member that works with what runs in a project.
    Restricted,
    /// A member that works with everything in it.
    Member,
    /// The project's own key: an owner who can't do away with the project.
    Key,
    /// An owner of the project, or the account itself.
    Owner,
    /// An administrator of the cluster.
    Admin,
}

/// Where someone has which say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    admin: bool,
    account: Option<AccountId>,
    projects: BTreeMap<ProjectId, Rank>,
    within: Option<ProjectId>,
}

impl Rights {
    /// Those that a grant gives now.
    pub fn of(world: &World, grant: &Grant) -> Self {
        let mut rights =
            Self { admin: false, account: None, projects: BTreeMap::new(), within: None };
        match grant {
            Grant::Admin => rights.admin = true,
            Grant::Project(project) => drop(rights.projects.insert(*project, Rank::Key)),
            Grant::Account(id) => rights.of_account(world, *id),
            Grant::Registration { .. } | Grant::Agent(_) => {}
        }
        rights
    }

    fn of_account(&mut self, world: &World, id: AccountId) {
        let Some(account) = world.accounts.get(&id).filter(|account| account.is_usable()) else {
            return;
        };
        self.account = Some(id);
        self.admin = account.kind == AccountKind::Admin;
        for member in world.members.values().filter(|member| member.counts_for(account)) {
            let rank = Rank::from(member.role);
            let held = self.projects.entry(member.project).or_insert(rank);
            *held = rank.max(*held);
        }
    }

    /// The same, with no say in any other project.
    #[must_use]
    pub fn within(self, project: ProjectId) -> Self {
        Self { within: Some(project), ..self }
    }

    /// What either has: who gave something away still hears that it is gone.
    #[must_use]
    pub fn or(mut self, other: &Self) -> Self {
        self.admin |= other.admin;
        self.account = self.account.or(other.account);
        for (project, rank) in &other.projects {
            let held = self.projects.entry(*project).or_insert(*rank);
            *held = (*rank).max(*held);
        }
        self
    }

    /// The say over what is nobody's in particular.
    pub fn base(&self) -> Rank {
        if self.admin { Rank::Admin } else { Rank::Outside }
    }

    /// The say in a project; `None` if it is not even to be known that there is one.
    pub fn in_project(&self, project: ProjectId) -> Option<Rank> {
        if self.within.is_some_and(|only| only != project) {
            return None;
        }
        if self.admin { Some(Rank::Admin) } else { self.projects.get(&project).copied() }
    }

    /// The say over an account.
    pub fn over_account(&self, account: AccountId) -> Option<Rank> {
        if self.admin {
            return Some(Rank::Admin);
        }
        (self.account == Some(account)).then_some(Rank::Owner)
    }

    /// The account, if it is one's.
    pub fn account(&self) -> Option<AccountId> {
        self.account
    }
}

impl From<MemberRole> for Rank {
    fn from(role: MemberRole) -> Self {
        match role {
            MemberRole::Readonly => Self::Readonly,
            MemberRole::Restricted => Self::Restricted,
            MemberRole::Member => Self::Member,
            MemberRole::Owner => Self::Owner,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Account, Change, ExternalId, HostId, Identity, Member, MemberId, Project, Time};

    const P: ProjectId = ProjectId(1);
    const Q: ProjectId = ProjectId(2);

    fn account(n: u64, kind: AccountKind, github: Option<&str>) -> Change {
        let external = github.map(|id| ExternalId { kind: "github_user".into(), id: id.into() });
        let (name, description) = (String::new(), String::new());
        let (active, created_at, removed_at) = (true, Time(1), None);
        let id = AccountId(n);
        Change::PutAccount(Account {
            id,
            kind,
            name,
            description,
            external,
            active,
            created_at,
            removed_at,
        })
    }

    fn member(n: u64, project: ProjectId, who: Identity, role: MemberRole) -> Change {
        let (created_at, removed_at) = (Time(1), None);
        Change::PutMember(Member { id: MemberId(n), project, who, role, created_at, removed_at })
    }

    fn world() -> World {
        let project = |id| {
            let (name, description) = (format!("p{id}"), String::new());
            let (created_at, removed_at) = (Time(1), None);
            Change::PutProject(Project {
                id,
                name,
                description,
                settings: crate::ProjectSettings::default(),
                created_at,
                removed_at,
            })
        };
        let local = |n| Identity::Account(AccountId(n));
        let octocat = ExternalId { kind: "github_user".into(), id: "650430".into() };
        let changes = [
            project(P),
            project(Q),
            account(3, AccountKind::Admin, None),
            account(4, AccountKind::User, None),
            account(5, AccountKind::User, Some("650430")),
            member(6, P, local(4), MemberRole::Readonly),
            member(7, P, local(4), MemberRole::Member),
            member(8, Q, Identity::External(octocat), MemberRole::Owner),
        ];
        World::new().commit(&changes).unwrap().0
    }

    #[test]
    fn who_has_which_say_where() {
        let world = world();
        let check = |grant: Grant, base: Rank, in_p: Option<Rank>, in_q: Option<Rank>| {
            let rights = Rights::of(&world, &grant);
            let got = (rights.base(), rights.in_project(P), rights.in_project(Q));
            assert_eq!(got, (base, in_p, in_q), "{grant:?}");
            let only = rights.within(P);
            assert_eq!((only.in_project(P), only.in_project(Q)), (in_p, None), "{grant:?}");
        };
        let (out, admin) = (Rank::Outside, Rank::Admin);
        check(Grant::Admin, admin, Some(admin), Some(admin));
        check(Grant::Account(AccountId(3)), admin, Some(admin), Some(admin));
        check(Grant::Account(AccountId(4)), out, Some(Rank::Member), None);
        check(Grant::Account(AccountId(5)), out, None, Some(Rank::Owner));
        check(Grant::Account(AccountId(9)), out, None, None);
        check(Grant::Project(P), out, Some(Rank::Key), None);
        check(Grant::Agent(HostId(1)), out, None, None);
    }

    #[test]
    fn what_is_switched_off_has_no_say() {
        let world = world();
        let off = Account { active: false, ..(*world.accounts[&AccountId(3)]).clone() };
        let gone = Member { removed_at: Some(Time(2)), ..(*world.members[&MemberId(8)]).clone() };
        let changes = [Change::PutAccount(off), Change::PutMember(gone)];
        let world = world.commit(&changes).unwrap().0;
        let rights = Rights::of(&world, &Grant::Account(AccountId(3)));
        assert_eq!((rights.base(), rights.in_project(P)), (Rank::Outside, None));
        assert_eq!(Rights::of(&world, &Grant::Account(AccountId(5))).in_project(Q), None);
    }
}
