//! The rows.

use drover_core::Rank::{self, Admin, Key, Member, Outside, Owner, Readonly, Restricted};

use super::Deed;

/// Whose the resources of a type are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// A project's.
    Project,
    /// An account's.
    Account,
    /// A project's or an account's.
    Either,
    /// An account's, or everybody's.
    Shared,
    /// Nobody's in particular.
    Cluster,
}

/// The least say that each deed takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// Whose they are.
    pub(super) of: Of,
    /// Whose a new one is.
    pub(super) new_of: Of,
    /// To know that there is one.
    pub(super) read: Rank,
    create: Rank,
    update: Rank,
    delete: Rank,
    /// Any other action.
    act: Rank,
    /// Actions that take more or less.
    actions: &'static [(&'static str, Rank)],
}

impl Rule {
    /// Read by some, all else by others.
    const fn new(of: Of, read: Rank, write: Rank) -> Self {
        let (create, update, delete, act) = (write, write, write, write);
        Self { of, new_of: of, read, create, update, delete, act, actions: QUESTIONS }
    }

    /// A new one belongs to whoever makes it.
    pub(super) fn is_made_by_accounts(&self) -> bool {
        self.new_of == Of::Account && self.create == Owner
    }

    pub(super) fn least(&self, deed: Deed<'_>) -> Rank {
        match deed {
            Deed::Read => self.read,
            Deed::Create => self.create,
            Deed::Update | Deed::Act("update") => self.update,
            Deed::Delete | Deed::Act("remove") => self.delete,
            Deed::Act(name) => {
                let own = self.actions.iter().find(|(known, _)| *known == name);
                own.map_or(self.act, |(_, least)| *least)
            }
        }
    }
}

/// Actions that change nothing and tell nothing that could not be read otherwise. `logs` is not among them: programs write
/// into theirs what no resource shows.
const QUESTIONS: &[(&str, Rank)] =
    &[("exportconfig", Readonly), ("forecast", Readonly), ("networkdoctor", Readonly)];

/// What runs in a project.
const WORK: Rule = Rule::new(Of::Project, Readonly, Restricted);
/// What it runs on.
const GROUND: Rule = Rule::new(Of::Project, Readonly, Member);
/// What opens something, or could.
const KEYS: Rule = Rule::new(Of::Project, Member, Member);
/// What is made by nobody.
const GIVEN: Rule = Rule::new(Of::Cluster, Outside, Admin);

const PROJECT: Rule = Rule {
    new_of: Of::Account,
    create: Owner,
    update: Key,
    delete: Owner,
    act: Key,
    actions: &[
        ("activate", Owner),
        ("deactivate", Owner),
        ("cancelrebalance", Member),
        ("forecast", Readonly),
        ("networkdoctor", Readonly),
        ("rebalance", Member),
    ],
    ..Rule::new(Of::Project, Readonly, Key)
};

/// Who made one changes it; those that are everybody's, everybody reads and an administrator changes.
const TEMPLATE: Rule =
    Rule { new_of: Of::Account, create: Owner, ..Rule::new(Of::Shared, Outside, Owner) };

/// For what nobody thought of.
const UNKNOWN: Rule = Rule { actions: &[], ..Rule::new(Of::Project, Owner, Owner) };

/// The row of a type; `None` if there is none.
pub(super) fn known(kind: &str) -> Option<Rule> {
    Some(match kind {
        "backup"
        | "container"
        | "dnsService"
        | "externalService"
        | "instance"
        | "ipAddress"
        | "label"
        | "loadBalancerService"
        | "mount"
        | "networkDriverService"
        | "port"
        | "pullTask"
        | "scheduledUpgrade"
        | "secret"
        | "service"
        | "serviceConsumeMap"
        | "serviceExposeMap"
        | "serviceLog"
        | "serviceRevision"
        | "snapshot"
        | "stack"
        | "storageDriverService"
        | "virtualMachine"
        | "volume"
        | "volumeTemplate" => WORK,
        // Whoever speaks with its engine may do anything on it.
        "host" => Rule { actions: &[("dockersocket", Key)], ..GROUND },
        "certificate" | "hostTemplate" | "machine" | "network" | "networkDriver"
        | "physicalHost" | "registry" | "storageDriver" | "storagePool" | "webhookReceiver" => {
            GROUND
        }
        "registrationToken" | "registryCredential" => KEYS,
        "project" => PROJECT,
        "projectMember" => Rule::new(Of::Project, Readonly, Key),
        "apiKey" | "credential" => Rule::new(Of::Either, Key, Key),
        "auditLog" => Rule::new(Of::Either, Key, Admin),
        "account" | "identity" => Rule::new(Of::Account, Owner, Admin),
        "activeSetting" | "machineDriver" | "setting" => GIVEN,
        "projectTemplate" => TEMPLATE,
        "agent" | "processInstance" => Rule::new(Of::Cluster, Admin, Admin),
        "userPreference" => Rule::new(Of::Account, Owner, Owner),
        _ => return None,
    })
}

/// The row of a type.
pub(super) fn rule(kind: &str) -> Rule {
    known(kind).unwrap_or(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Verdict, may};
    use crate::route;

    #[test]
    fn every_type_is_in_the_table() {
        let missing: Vec<_> =
            route::schemas().map(|s| s.name).filter(|name| known(name).is_none()).collect();
        assert_eq!(missing, [""; 0], "say in `known` who may do what with them");
    }

    #[test]
    fn who_may_do_what() {
        use Deed::{Act, Create, Delete, Read, Update};
        let ranks = [Outside, Readonly, Restricted, Member, Key, Owner, Admin];
        let check = |kind: &str, deed: Deed<'_>, least: Rank, read: Rank| {
            for rank in ranks {
                let got = may(Some(rank), deed, kind);
                let told = format!("{rank:?} {deed:?} {kind}: {got:?}");
                match (rank >= least, rank >= read || deed == Create) {
                    (true, _) => assert_eq!(got, Verdict::Yes, "{told}"),
                    (false, true) => assert!(matches!(got, Verdict::Forbidden(_)), "{told}"),
                    (false, false) => assert_eq!(got, Verdict::NotFound, "{told}"),
                }
            }
            assert_eq!(may(None, deed, kind), Verdict::NotFound);
        };
        check("service", Read, Readonly, Readonly);
        check("service", Act("upgrade"), Restricted, Readonly);
        check("service", Act("update"), Restricted, Readonly);
        check("stack", Act("exportconfig"), Readonly, Readonly);
        check("container", Act("logs"), Restricted, Readonly);
        check("container", Act("execute"), Restricted, Readonly);
        check("host", Read, Readonly, Readonly);
        check("host", Act("evacuate"), Member, Readonly);
        check("host", Act("remove"), Member, Readonly);
        check("registry", Create, Member, Readonly);
        check("webhookReceiver", Read, Readonly, Readonly);
        check("webhookReceiver", Create, Member, Readonly);
        check("webhookReceiver", Act("renew"), Member, Readonly);
        check("registrationToken", Read, Member, Member);
        check("registrationToken", Delete, Member, Member);
        check("project", Create, Owner, Readonly);
        check("project", Update, Key, Readonly);
        check("project", Act("setmembers"), Key, Readonly);
        check("project", Act("rebalance"), Member, Readonly);
        check("project", Act("forecast"), Readonly, Readonly);
        check("project", Delete, Owner, Readonly);
        check("project", Act("remove"), Owner, Readonly);
        check("projectMember", Create, Key, Readonly);
        check("apiKey", Read, Key, Key);
        check("account", Create, Admin, Owner);
        check("setting", Read, Outside, Outside);
        check("setting", Update, Admin, Outside);
        check("somethingNew", Read, Owner, Owner);
        check("somethingNew", Act("forecast"), Owner, Owner);
    }

    #[test]
    fn a_refusal_says_who_could() {
        let Verdict::Forbidden(why) = may(Some(Restricted), Act("remove"), "host") else {
            panic!()
        };
        insta::assert_snapshot!(why, @"removing a host is for a member of the project; this key is that of a restricted member of the project");
    }

    use Deed::Act;
}
