//! `storageDriverService` and `networkDriverService`: services whose containers install a driver on hosts. They run as any
//! service does; what is said of the driver is kept as it was given.

use super::service::{ACTIONS, LINKS, RUNNING, SHARED};
use crate::schema::{COMMON, EDIT, Field, LIST_CREATE, Schema};

const LAUNCHED: &[Field] = &[
    Field::cr("launchConfig", "launchConfig").required(),
    Field::cr("secondaryLaunchConfigs", "array[secondaryLaunchConfig]"),
    Field::cru("lbConfig", "lbTargetConfig"),
    Field::cru("selectorContainer", "string"),
];

/// A driver of volumes.
pub(super) static STORAGE: Schema = Schema {
    name: "storageDriverService",
    plural: "storageDriverServices",
    base: "service",
    collection: LIST_CREATE,
    resource: EDIT,
    fields: &[COMMON, SHARED, RUNNING, LAUNCHED, &[Field::cru("storageDriver", "storageDriver")]],
    actions: ACTIONS,
    links: LINKS,
};

/// A driver of networks.
pub(super) static NETWORK: Schema = Schema {
    name: "networkDriverService",
    plural: "networkDriverServices",
    base: "service",
    collection: LIST_CREATE,
    resource: EDIT,
    fields: &[COMMON, SHARED, RUNNING, LAUNCHED, &[Field::cru("networkDriver", "networkDriver")]],
    actions: ACTIONS,
    links: LINKS,
};
