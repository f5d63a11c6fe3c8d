//! `loadBalancerService`: a service whose containers are Drover's own balancer. Its rules are members of the
//! service, not of a revision, so that changing one restarts nothing.

use super::service::{ACTIONS, LINKS, RUNNING, SHARED};
use crate::schema::{COMMON, EDIT, Field, LIST_CREATE, Schema};

pub(super) static SCHEMA: Schema = Schema {
    name: "loadBalancerService",
    plural: "loadBalancerServices",
    base: "service",
    collection: LIST_CREATE,
    resource: EDIT,
    fields: &[
        COMMON,
        SHARED,
        RUNNING,
        &[
            // Of an edit only its ports are taken: the rest is an upgrade's to change.
            Field::cru("launchConfig", "loadBalancerLaunchConfig"),
            Field::cru("lbConfig", "lbConfig"),
        ],
    ],
    actions: ACTIONS,
    links: LINKS,
};
