//! Labels of hosts and containers, each as a row of its own.

use std::collections::BTreeMap;

use drover_core::{ProjectId, Time};
use serde_json::{Value, json};

use super::{COMMON, NAMED, OF_PROJECT, read_only, row};
use crate::context::Context;
use crate::ids::Kind;
use crate::resource::container::member::members_behind;
use crate::resource::{Resource, number_of};
use crate::row::{Only, Rows, whole};
use crate::schema::{Field, Link, Schema};

static SCHEMA: Schema = read_only(
    "label",
    "labels",
    &[
        COMMON,
        NAMED,
        &[
            Field::r("hostId", "reference[host]"),
            Field::r("instanceId", "reference[instance]"),
            Field::r("key", "string"),
            Field::r("value", "string"),
        ],
    ],
    &[
        OF_PROJECT,
        Link::Parent { name: "host", plural: "hosts", field: "hostId" },
        Link::Parent { name: "instance", plural: "containers", field: "instanceId" },
    ],
);

/// The resource.
pub(crate) struct Labels;

impl Resource for Labels {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        all(ctx, &Only::default())
    }

    fn list<'a>(&self, ctx: &'a Context<'a>, only: &Only<'_>) -> Rows<'a> {
        whole(ctx, all(ctx, only))
    }

    fn is_narrowed_by(&self, field: &str) -> bool {
        field == "instanceId"
    }
}

fn all(ctx: &Context<'_>, only: &Only<'_>) -> Vec<Value> {
    let mut rows = Vec::new();
    let hosts = ctx.world.hosts.values().filter(|_| only.get("instanceId").is_none());
    for host in hosts.filter(|h| ctx.sees(h.project) && h.removed_at.is_none()) {
        let id = Kind::Host.id(host.id.0);
        let of = (Some(id.as_str()), None);
        rows.extend(each(ctx, &host.labels, of, (host.project, host.created_at)));
    }
    for member in members_behind(ctx, only, &[("instanceId", "id")]) {
        let id = member.id();
        let of = (None, Some(id.as_str()));
        let whose = (member.service.project, member.unit.created_at);
        rows.extend(each(ctx, &member.spec.labels, of, whose));
    }
    rows
}

fn each(
    ctx: &Context<'_>,
    labels: &BTreeMap<String, String>,
    (host, instance): (Option<&str>, Option<&str>),
    whose: (ProjectId, Time),
) -> Vec<Value> {
    let of = host.or(instance).unwrap_or_default();
    let label = |(key, value): (&String, &String)| {
        let id = Kind::Label.id(number_of(ctx, &format!("label/{of}/{key}")));
        let fields = json!({ "hostId": host, "instanceId": instance, "key": key, "value": value });
        row(ctx, &SCHEMA, (id, key), whose, fields)
    };
    labels.iter().map(label).collect()
}
