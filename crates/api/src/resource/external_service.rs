//! `externalService`: a name for addresses, or for a host name, outside. No container of it runs.

use super::service::{ACTIONS, LINKS, SHARED};
use crate::schema::{COMMON, EDIT, Field, LIST_CREATE, Schema};

/// What its launch config names when the client sent none; clients read into it blindly.
pub(super) const IMAGE: &str = "rancher/external-service";

pub(super) static SCHEMA: Schema = Schema {
    name: "externalService",
    plural: "externalServices",
    base: "service",
    collection: LIST_CREATE,
    resource: EDIT,
    fields: &[
        COMMON,
        SHARED,
        &[
            Field::cr("launchConfig", "launchConfig"),
            Field::cru("externalIpAddresses", "array[string]"),
            Field::cru("hostname", "string"),
            Field::cru("healthCheck", "instanceHealthCheck"),
        ],
    ],
    actions: ACTIONS,
    links: LINKS,
};
