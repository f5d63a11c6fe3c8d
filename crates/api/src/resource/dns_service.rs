//! `dnsService`: another name for the services it links to. No container of it runs.

use super::service::{ACTIONS, LINKS, SHARED};
use crate::schema::{COMMON, EDIT, Field, LIST_CREATE, Schema};

/// What its launch config names when the client sent none; clients read into it blindly.
pub(super) const IMAGE: &str = "rancher/dns-service";

pub(super) static SCHEMA: Schema = Schema {
    name: "dnsService",
    plural: "dnsServices",
    base: "service",
    collection: LIST_CREATE,
    resource: EDIT,
    fields: &[COMMON, SHARED, &[Field::cr("launchConfig", "launchConfig")]],
    actions: ACTIONS,
    links: LINKS,
};
