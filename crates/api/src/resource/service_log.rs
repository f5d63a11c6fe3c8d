//! `serviceLog`: what happened to a service's containers, as the hosts' agents told it. The server hands the events
//! in; see [`crate::Context::events`].

use drover_core::Service;
use serde_json::{Value, json};

use super::{Envelope, Resource, date, finish};
use crate::context::{Context, Event};
use crate::ids::Kind;
use crate::schema::{COMMON, Field, Link, READ, Schema};
use crate::state::{DEFAULT, Standing};

static SCHEMA: Schema = Schema {
    name: "serviceLog",
    plural: "serviceLogs",
    base: "serviceLog",
    collection: READ,
    resource: READ,
    fields: &[
        COMMON,
        &[
            Field::r("serviceId", "reference[service]"),
            Field::r("instanceId", "reference[instance]"),
            Field::r("hostId", "reference[host]"),
            Field::r("eventType", "string"),
            Field::r("level", "string"),
            Field::r("description", "string"),
            Field::r("subLog", "boolean"),
            Field::r("endTime", "date"),
            Field::r("transactionId", "string"),
        ],
    ],
    actions: &[],
    links: &[Link::Parent { name: "service", plural: "services", field: "serviceId" }],
};

/// The resource.
pub(crate) struct ServiceLogs;

impl Resource for ServiceLogs {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        let events = ctx.events.iter().rev();
        let seen = events.filter_map(|event| {
            // Clients read the service of every line blindly: what was purged takes its lines along.
            let service = ctx.world.service(event.event.unit.service)?;
            ctx.sees(service.project).then(|| render(ctx, event, service))
        });
        seen.collect()
    }
}

fn render(ctx: &Context<'_>, event: &Event, service: &Service) -> Value {
    let told = &event.event;
    let mut standing = Standing::present(DEFAULT, None);
    standing.actions.clear();
    let envelope = Envelope {
        schema: &SCHEMA,
        id: Kind::ServiceLog.id(event.id),
        name: "",
        description: &told.text,
        standing,
        project: Some(service.project),
        created: told.at,
        removed: None,
    };
    let instance = ctx.world.unit(told.unit).map(|unit| Kind::Container.id(unit.serial));
    let fields = json!({
        "serviceId": Kind::Service.id(service.id.0),
        "instanceId": instance,
        "hostId": Kind::Host.id(event.host.0),
        "eventType": "service.instance",
        "level": "info",
        "subLog": false,
        "endTime": date(told.at),
        "transactionId": null,
    });
    finish(ctx, envelope, fields)
}
