//! The rows. The order of actions is the order of the answer.

use super::{State, Table};

const fn rest(name: &'static str, actions: &'static [&'static str]) -> State {
    State { name, passing: false, actions }
}

const fn pass(name: &'static str, actions: &'static [&'static str]) -> State {
    State { name, passing: true, actions }
}

/// Offered by every living service, in any state.
pub(super) const LINKS: &[&str] = &["setservicelinks", "addservicelink", "removeservicelink"];

/// Services of every kind; the actions in [`LINKS`] come on top.
///
/// Three things differ from Rancher's on purpose. `remove` is offered while anything lives, because a removal is
/// a wish, not a step. `rollback` is offered on a plain `active` service, where it does nothing: Rancher's
/// compose client rolls back whole stacks and gave up at the first service that had nothing to roll back. It is
/// offered in `canceling-upgrade` too, which lasts for a moment only: a client need not wait for it to pass.
pub(crate) const SERVICE: Table = &[
    pass("registering", &["remove"]),
    rest("inactive", &["activate", "update", "upgrade", "remove"]),
    pass("activating", &["deactivate", "update", "upgrade", "remove"]),
    rest("active", &["deactivate", "update", "upgrade", "rollback", "restart", "remove"]),
    pass("restarting", &["activate", "deactivate", "remove"]),
    pass("deactivating", &["remove"]),
    pass("upgrading", &["update", "cancelupgrade", "rollback", "remove"]),
    rest("upgraded", &["finishupgrade", "rollback", "remove"]),
    pass("finishing-upgrade", &["update", "cancelupgrade", "remove"]),
    pass("canceling-upgrade", &["update", "rollback", "remove"]),
    rest("canceled-upgrade", &["continueupgrade", "rollback", "remove"]),
    pass("rolling-back", &["update", "remove"]),
    pass("removing", &[]),
    rest("removed", &[]),
];

/// Stacks. An upgrade of one is a rollout of new texts; what else `error` offers is the way out of what failed.
pub(crate) const STACK: Table = &[
    pass(
        "activating",
        &[
            "update",
            "remove",
            "activateservices",
            "deactivateservices",
            "addoutputs",
            "exportconfig",
            "upgradeservices",
        ],
    ),
    rest(
        "active",
        &[
            "upgrade",
            "update",
            "remove",
            "activateservices",
            "deactivateservices",
            "addoutputs",
            "exportconfig",
            "upgradeservices",
        ],
    ),
    pass(
        "upgrading",
        &[
            "cancelupgrade",
            "rollback",
            "update",
            "remove",
            "activateservices",
            "deactivateservices",
            "addoutputs",
            "exportconfig",
            "upgradeservices",
        ],
    ),
    rest(
        "upgraded",
        &[
            "finishupgrade",
            "rollback",
            "update",
            "remove",
            "activateservices",
            "deactivateservices",
            "addoutputs",
            "exportconfig",
            "upgradeservices",
        ],
    ),
    pass(
        "finishing-upgrade",
        &[
            "cancelupgrade",
            "update",
            "remove",
            "activateservices",
            "deactivateservices",
            "addoutputs",
            "exportconfig",
            "upgradeservices",
        ],
    ),
    pass(
        "canceling-upgrade",
        &[
            "rollback",
            "update",
            "remove",
            "activateservices",
            "deactivateservices",
            "addoutputs",
            "exportconfig",
            "upgradeservices",
        ],
    ),
    rest(
        "canceled-upgrade",
        &[
            "upgrade",
            "rollback",
            "update",
            "remove",
            "activateservices",
            "deactivateservices",
            "addoutputs",
            "exportconfig",
            "upgradeservices",
        ],
    ),
    pass(
        "rolling-back",
        &[
            "update",
            "remove",
            "activateservices",
            "deactivateservices",
            "addoutputs",
            "exportconfig",
            "upgradeservices",
        ],
    ),
    rest(
        "error",
        &[
            "update",
            "remove",
            "activateservices",
            "deactivateservices",
            "addoutputs",
            "exportconfig",
            "upgradeservices",
        ],
    ),
    pass("removing", &[]),
    rest("removed", &[]),
];

/// Containers.
pub(crate) const CONTAINER: Table = &[
    pass("creating", &["stop", "remove"]),
    pass("starting", &["stop", "logs", "remove"]),
    rest("running", &["stop", "restart", "update", "logs", "execute", "remove"]),
    pass("stopping", &["logs", "remove"]),
    pass("restarting", &["stop", "logs", "remove"]),
    rest("stopped", &["start", "update", "logs", "remove"]),
    rest("error", &["start", "logs", "remove"]),
    pass("removing", &[]),
    rest("removed", &[]),
];

/// Hosts.
pub(crate) const HOST: Table = &[
    rest("active", &["deactivate", "evacuate", "update", "dockersocket", "remove"]),
    pass("evacuating", &["activate", "deactivate", "update", "dockersocket", "remove"]),
    rest("inactive", &["activate", "evacuate", "update", "dockersocket", "remove"]),
    pass("removing", &[]),
    rest("removed", &[]),
];

/// Projects. In one that is inactive nothing is made or changed; what runs runs on.
pub(crate) const PROJECT: Table = &[
    rest(
        "active",
        &[
            "deactivate",
            "update",
            "remove",
            "setmembers",
            "networkdoctor",
            "forecast",
            "rebalance",
            "cancelrebalance",
        ],
    ),
    rest("inactive", &["activate", "update", "remove", "setmembers", "networkdoctor"]),
    rest("removed", &[]),
];

/// API keys, registration tokens, registries and their logins, volume templates.
pub(crate) const CREDENTIAL: Table = &[
    rest("active", &["deactivate", "update", "remove"]),
    rest("inactive", &["activate", "update", "remove"]),
    rest("removed", &[]),
];

/// Volumes: mounted by someone, placed and mounted by nobody, or only asked for. What nobody asked for here offers nothing.
pub(crate) const VOLUME: Table = &[
    rest("inactive", &["update", "remove"]),
    rest("active", &["update", "remove"]),
    rest("detached", &["update", "remove"]),
    rest("removed", &[]),
];

/// Receivers of webhooks.
pub(crate) const WEBHOOK: Table =
    &[rest("active", &["update", "remove", "renew"]), rest("removed", &[])];

/// Whatever can only be made, edited and removed.
pub(crate) const DEFAULT: Table = &[rest("active", &["update", "remove"]), rest("removed", &[])];

/// The table of a type; `None` for one whose rows are there or not.
pub(crate) fn of_type(name: &str) -> Option<Table> {
    Some(match name {
        "service"
        | "loadBalancerService"
        | "dnsService"
        | "externalService"
        | "storageDriverService"
        | "networkDriverService" => SERVICE,
        "stack" => STACK,
        "container" | "instance" => CONTAINER,
        "host" => HOST,
        "project" => PROJECT,
        "account" | "apiKey" | "credential" | "registrationToken" | "registry"
        | "registryCredential" | "volumeTemplate" => CREDENTIAL,
        "volume" => VOLUME,
        "webhookReceiver" => WEBHOOK,
        "certificate" | "secret" | "projectMember" | "projectTemplate" => DEFAULT,
        _ => return None,
    })
}
