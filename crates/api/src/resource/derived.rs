//! Types of Rancher's that nobody makes or edits here, but that have truth in this world: ports, addresses, labels, storage pools,
//! networks and physical hosts. Each row follows from a host, a container or a project, and is there for as long as that is.

mod driver;
mod ip_address;
mod label;
mod network;
mod physical_host;
mod port;
mod storage_pool;

use drover_core::{ProjectId, Time};
use serde_json::Value;

pub(crate) use driver::{NETWORK_DRIVERS, STORAGE_DRIVERS};
pub(crate) use ip_address::IpAddresses;
pub(crate) use label::Labels;
pub(crate) use network::{Networks, network_id};
pub(crate) use physical_host::{PhysicalHosts, physical_host_id};
pub(crate) use port::Ports;
pub(crate) use storage_pool::StoragePools;

use super::{Envelope, finish};
use crate::context::Context;
use crate::schema::{COMMON, Field, Link, READ, Schema};
use crate::state::{DEFAULT, Standing};

/// A type that can only be read.
const fn read_only(
    name: &'static str,
    plural: &'static str,
    fields: &'static [&'static [Field]],
    links: &'static [Link],
) -> Schema {
    Schema {
        name,
        plural,
        base: name,
        collection: READ,
        resource: READ,
        fields,
        actions: &[],
        links,
    }
}

/// What every such type has.
const NAMED: &[Field] = &[Field::r("name", "string"), Field::r("description", "string")];
const OF_PROJECT: Link = Link::Parent { name: "account", plural: "projects", field: "accountId" };

/// A row of one: active for as long as it is there.
fn row(
    ctx: &Context<'_>,
    schema: &'static Schema,
    (id, name): (String, &str),
    (project, created): (ProjectId, Time),
    fields: Value,
) -> Value {
    let mut standing = Standing::present(DEFAULT, None);
    standing.actions.clear();
    let envelope = Envelope {
        schema,
        id,
        name,
        description: "",
        standing,
        project: Some(project),
        created,
        removed: None,
    };
    finish(ctx, envelope, fields)
}
