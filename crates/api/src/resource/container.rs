//! Containers: the members of units, one row each. `containers` and `instances` are the same rows.
//!
//! Nothing here changes what shall run. A stopped or removed container of a service comes back, because its unit is
//! still wanted; to be rid of it, scale or remove the service.

mod ask;
pub(crate) mod member;
mod render;

use drover_core::{HostId, ProjectId};
use serde_json::Value;

use super::Resource;
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::outcome::{Outcome, Then};
use crate::row::{Item, Only, Rows, lazy, rendered};
use crate::schema::launch::{IMAGE, LAUNCH_CONFIG};
use crate::schema::{COMMON, EDIT, Field, Link, READ, Schema};
use crate::stats::StatsOf;

pub(crate) use member::{Member, by_number, members, of_unit};

const FIELDS: &[Field] = &[
    Field::r("name", "string"),
    Field::r("description", "string"),
    Field::r("externalId", "string"),
    Field::r("hostId", "reference[host]"),
    Field::r("primaryIpAddress", "string"),
    Field::r("serviceId", "reference[service]"),
    Field::r("serviceIds", "array[reference[service]]"),
    Field::r("stackId", "reference[stack]"),
    Field::r("deploymentUnitUuid", "string"),
    Field::r("createIndex", "int"),
    Field::r("startCount", "int"),
    Field::r("exitCode", "int"),
    Field::r("version", "string"),
    Field::r("healthState", "string"),
    Field::r("system", "boolean"),
    Field::r("nativeContainer", "boolean"),
    Field::r("mounts", "array[mountEntry]"),
    Field::r("primaryNetworkId", "reference[network]"),
    Field::r("userPorts", "array[string]"),
];

const ACTIONS: &[(&str, &str, &str)] = &[
    ("execute", "containerExec", "hostAccess"),
    ("logs", "containerLogs", "hostAccess"),
    ("remove", "", "instance"),
    ("restart", "instanceRestart", "instance"),
    ("start", "", "instance"),
    ("stop", "instanceStop", "instance"),
    ("update", "", "instance"),
];

const LINKS: &[Link] = &[
    Link::Parent { name: "account", plural: "projects", field: "accountId" },
    // Plural, though there is one: an older client asks for the list.
    Link::Children { name: "hosts", plural: "hosts", field: "instanceIds" },
    Link::Parent { name: "host", plural: "hosts", field: "hostId" },
    Link::Children { name: "instanceLabels", plural: "labels", field: "instanceId" },
    Link::Children { name: "ipAddresses", plural: "ipAddresses", field: "instanceId" },
    Link::Children { name: "mounts", plural: "mounts", field: "instanceId" },
    Link::Children { name: "ports", plural: "ports", field: "instanceId" },
    Link::Listed { name: "services", plural: "services", field: "serviceIds" },
    Link::Parent { name: "stack", plural: "stacks", field: "stackId" },
    Link::Made { name: "containerStats", make: stats },
];

fn stats(_: &Context<'_>, id: &str) -> Option<Then> {
    Kind::Container.parse(id).map(|number| Then::Stats(StatsOf::Container(number)))
}

static SCHEMA: Schema = Schema {
    name: "container",
    plural: "containers",
    base: "instance",
    collection: READ,
    resource: EDIT,
    fields: &[COMMON, FIELDS, IMAGE, LAUNCH_CONFIG],
    actions: ACTIONS,
    links: LINKS,
};

static INSTANCE: Schema = Schema {
    name: "instance",
    plural: "instances",
    base: "instance",
    collection: READ,
    resource: EDIT,
    fields: &[COMMON, FIELDS],
    actions: ACTIONS,
    links: LINKS,
};

/// The rows, under either name.
pub(crate) struct Containers(&'static Schema);

/// `containers`.
pub(crate) static CONTAINERS: Containers = Containers(&SCHEMA);
/// `instances`, the base type.
pub(crate) static INSTANCES: Containers = Containers(&INSTANCE);

impl Resource for Containers {
    fn schema(&self) -> &'static Schema {
        self.0
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        rendered(self.list(ctx, &Only::default()))
    }

    fn list<'a>(&self, ctx: &'a Context<'a>, only: &Only<'_>) -> Rows<'a> {
        lazy(ctx, members(ctx, only))
    }

    fn is_narrowed_by(&self, field: &str) -> bool {
        member::NARROWED.contains(&field)
    }

    fn row(&self, ctx: &Context<'_>, id: &str) -> Option<Value> {
        let found = member::find(ctx, id).or_else(|| member::find_departed(ctx, id));
        found.map(|member| render::render(ctx, &member))
    }

    fn create(&self, _: &Context<'_>, _: Body<'_>) -> Result<Outcome, ApiError> {
        let why = "containers are made by services: make a service with scale 1 instead";
        Err(ApiError::new(Code::MethodNotAllowed, why))
    }

    /// Clients send whole containers back; what a container is follows from its service.
    fn update(&self, _: &Context<'_>, id: &str, _: Body<'_>) -> Result<Outcome, ApiError> {
        Ok(Outcome::render(Vec::new(), SCHEMA.plural, id.to_owned(), 200))
    }

    fn delete(&self, ctx: &Context<'_>, id: &str) -> Result<Outcome, ApiError> {
        ask::remove(ctx, &self.living(ctx, id)?).map(|asked| asked.answered(200))
    }

    fn act(
        &self,
        ctx: &Context<'_>,
        id: &str,
        action: &str,
        body: Body<'_>,
    ) -> Result<Outcome, ApiError> {
        let member = self.living(ctx, id)?;
        match action {
            "stop" => ask::stop(ctx, &member, body),
            "restart" => ask::restart(ctx, &member, body),
            "start" => ask::start(ctx, &member),
            "logs" => ask::logs(ctx, &member, body),
            "execute" => ask::execute(ctx, &member, body),
            _ => Ok(Outcome::render(Vec::new(), SCHEMA.plural, id.to_owned(), 200)),
        }
    }
}

impl Item for Member<'_> {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn whose(&self) -> (ProjectId, u64) {
        (self.service.project, self.serial())
    }

    fn brief(&self, ctx: &Context<'_>, name: &str) -> Option<Value> {
        render::brief(ctx, self, name)
    }

    fn render(&self, ctx: &Context<'_>) -> Value {
        render::render(ctx, self)
    }
}

impl Containers {
    fn living<'a>(&self, ctx: &'a Context<'_>, id: &str) -> Result<Member<'a>, ApiError> {
        let found = member::find(ctx, id);
        found.ok_or_else(|| ApiError::not_found(format!("{} {id}", self.0.name)))
    }
}

/// Ids of the containers on a host.
pub(crate) fn ids_on(ctx: &Context<'_>, host: HostId) -> Vec<String> {
    let units = ctx.world.units_on(host);
    units.flat_map(|unit| member::of_unit(ctx.world, unit)).map(|member| member.id()).collect()
}
