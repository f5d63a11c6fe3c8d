//! Services of every kind. `services` holds them all; each other kind has a collection of its own besides.
//!
//! A kind says in its own file what only it has; what they share is below.

mod create;
mod dependence;
mod edit;
pub(crate) mod links;
mod loops;
mod render;

use std::sync::Arc;

pub(crate) use create::{check_hosts, check_names, check_placement};
use drover_core::{
    Change, Driver, ProjectId, Restart, RevisionNo, Service, ServiceId, ServiceKind, StackId,
    UpgradePhase, Wanted,
};
pub(super) use render::health;
use serde_json::Value;

use super::{Resource, dns_service, driver_service, external_service, load_balancer_service};
use crate::body::Body;
use crate::context::Context;
use crate::error::ApiError;
use crate::ids::Kind;
use crate::outcome::{Outcome, Then};
use crate::row::{Item, Only, Rows, lazy, rendered};
use crate::schema::{COMMON, EDIT, Field, LIST_CREATE, Link, Schema};
use crate::stats::StatsOf;
use crate::{state, upgrade};

/// Fields that every kind has.
pub(super) const SHARED: &[Field] = &[
    Field::label().required(),
    Field::described(),
    Field::cr("stackId", "reference[stack]").required(),
    Field::cru("metadata", "map[json]"),
    Field::cr("startOnCreate", "boolean").default("false"),
    Field::cru("selectorLink", "string"),
    Field::r("upgrade", "serviceUpgrade"),
    Field::r("lastUpgrade", "upgradeOutcome"),
    Field::r("healthState", "string"),
    Field::cru("dependsOn", "array[serviceDependency]"),
    Field::r("causes", "array[json]"),
    Field::r("linkedServices", "map[reference[service]]"),
    Field::r("fqdn", "string"),
    Field::cr("externalId", "string"),
    Field::cr("vip", "string"),
    Field::cr("assignServiceIpAddress", "boolean").default("false"),
    Field::r("system", "boolean"),
];

/// Fields of the kinds that have containers.
pub(super) const RUNNING: &[Field] = &[
    Field::cru("scale", "int").default("1").count(0),
    Field::cru("scalePolicy", "scalePolicy"),
    Field::cru("retainIp", "boolean").default("false"),
    Field::r("currentScale", "int"),
    Field::r("createIndex", "int"),
    Field::r("instanceIds", "array[reference[instance]]"),
    Field::r("publicEndpoints", "array[publicEndpoint]"),
    Field::r("rebalance", "array[rebalanceMove]"),
];

/// Actions of every kind.
pub(super) const ACTIONS: &[(&str, &str, &str)] = &[
    ("activate", "", "service"),
    ("addservicelink", "addRemoveServiceLinkInput", "service"),
    ("cancelupgrade", "", "service"),
    ("continueupgrade", "", "service"),
    ("deactivate", "", "service"),
    ("finishupgrade", "", "service"),
    ("remove", "", "service"),
    ("removeservicelink", "addRemoveServiceLinkInput", "service"),
    ("restart", "serviceRestart", "service"),
    ("rollback", "serviceRollback", "service"),
    ("setservicelinks", "setServiceLinksInput", "service"),
    ("update", "", "service"),
    ("upgrade", "serviceUpgrade", "service"),
];

/// Links of every kind.
pub(super) const LINKS: &[Link] = &[
    Link::Parent { name: "account", plural: "projects", field: "accountId" },
    Link::Children { name: "consumedbyservices", plural: "services", field: "linkedServices" },
    Link::Listed { name: "consumedservices", plural: "services", field: "linkedServices" },
    Link::Children { name: "instances", plural: "containers", field: "serviceIds" },
    Link::Children { name: "revisions", plural: "serviceRevisions", field: "serviceId" },
    Link::Children { name: "serviceExposeMaps", plural: "serviceExposeMaps", field: "serviceId" },
    Link::Children { name: "serviceLogs", plural: "serviceLogs", field: "serviceId" },
    Link::Parent { name: "stack", plural: "stacks", field: "stackId" },
    Link::Made { name: "containerStats", make: stats },
];

fn stats(_: &Context<'_>, id: &str) -> Option<Then> {
    Kind::Service.parse(id).map(|id| Then::Stats(StatsOf::Service(ServiceId(id))))
}

static SCHEMA: Schema = Schema {
    name: "service",
    plural: "services",
    base: "service",
    collection: LIST_CREATE,
    resource: EDIT,
    fields: &[
        COMMON,
        SHARED,
        RUNNING,
        &[
            Field::cr("launchConfig", "launchConfig").required(),
            Field::cr("secondaryLaunchConfigs", "array[secondaryLaunchConfig]"),
            Field::cru("lbConfig", "lbTargetConfig"),
            Field::cru("selectorContainer", "string"),
        ],
    ],
    actions: ACTIONS,
    links: LINKS,
};

/// A collection of services: of one type, or of all.
pub(crate) struct Services {
    schema: &'static Schema,
    /// Of what is made in it.
    kind: ServiceKind,
    holds_all: bool,
}

/// All kinds; new ones are plain services.
pub(crate) static ALL: Services =
    Services { schema: &SCHEMA, kind: ServiceKind::Containers, holds_all: true };
/// Balancers.
pub(crate) static BALANCERS: Services = Services {
    schema: &load_balancer_service::SCHEMA,
    kind: ServiceKind::Balancer,
    holds_all: false,
};
/// Aliases.
pub(crate) static ALIASES: Services =
    Services { schema: &dns_service::SCHEMA, kind: ServiceKind::Alias, holds_all: false };
/// External services.
pub(crate) static EXTERNALS: Services =
    Services { schema: &external_service::SCHEMA, kind: ServiceKind::External, holds_all: false };

/// Those that install drivers of volumes.
pub(crate) static STORAGE_DRIVERS: Services =
    Services { schema: &driver_service::STORAGE, kind: ServiceKind::Containers, holds_all: false };
/// Those that install drivers of networks.
pub(crate) static NETWORK_DRIVERS: Services =
    Services { schema: &driver_service::NETWORK, kind: ServiceKind::Containers, holds_all: false };

/// The collection for a type's name; plain services for any other.
pub(crate) fn of_type(name: &str) -> &'static Services {
    match name {
        "loadBalancerService" => &BALANCERS,
        "dnsService" => &ALIASES,
        "externalService" => &EXTERNALS,
        "storageDriverService" => &STORAGE_DRIVERS,
        "networkDriverService" => &NETWORK_DRIVERS,
        _ => &ALL,
    }
}

impl Resource for Services {
    fn schema(&self) -> &'static Schema {
        self.schema
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        rendered(self.list(ctx, &Only::default()))
    }

    fn list<'a>(&self, ctx: &'a Context<'a>, only: &Only<'_>) -> Rows<'a> {
        let Self { schema, holds_all, .. } = *self;
        lazy(ctx, seen(ctx, only).filter(move |held| holds_all || is_of(held, schema)))
    }

    fn is_narrowed_by(&self, field: &str) -> bool {
        matches!(field, "id" | "stackId")
    }

    fn row(&self, ctx: &Context<'_>, id: &str) -> Option<Value> {
        self.find(ctx, id).map(|service| render::render(ctx, service))
    }

    fn create(&self, ctx: &Context<'_>, body: Body<'_>) -> Result<Outcome, ApiError> {
        create::create(ctx, (self.kind, self.schema), body)
    }

    fn update(&self, ctx: &Context<'_>, id: &str, body: Body<'_>) -> Result<Outcome, ApiError> {
        let held = self.living(ctx, id)?;
        let edited = edit::edit(ctx, held, body)?;
        let mut outcome = put(held, edited, 200);
        if held.kind == ServiceKind::Balancer
            && let Some(launch) = body.inner("launchConfig")?
            && launch.texts("ports")?.is_some()
        {
            let (world, _) = ctx.world.commit(&outcome.changes)?;
            let ctx = Context { world: &world, ..ctx.clone() };
            outcome.changes.extend(upgrade::republish(&ctx, held.id, launch)?);
        }
        Ok(outcome)
    }

    fn delete(&self, ctx: &Context<'_>, id: &str) -> Result<Outcome, ApiError> {
        let held = self.living(ctx, id)?;
        Ok(put(held, removed(ctx, held), 200))
    }

    fn why_not(&self, state: &str, action: &str) -> Option<String> {
        upgrade::why_not(state, action)
    }

    fn act(
        &self,
        ctx: &Context<'_>,
        id: &str,
        action: &str,
        body: Body<'_>,
    ) -> Result<Outcome, ApiError> {
        let held = self.living(ctx, id)?;
        let to = |phase| vec![Change::phase(held.id, phase, ctx.now)];
        let changes = match action {
            "activate" => return Ok(put(held, turned(held, Wanted::Active), 202)),
            "deactivate" => return Ok(put(held, turned(held, Wanted::Inactive), 202)),
            "restart" => return Ok(put(held, restarted(ctx, held, body)?, 202)),
            "setservicelinks" => return Ok(put(held, links::set(ctx, held, body)?, 200)),
            "addservicelink" => return Ok(put(held, links::add(ctx, held, body)?, 200)),
            "removeservicelink" => return Ok(put(held, links::remove(ctx, held, body)?, 200)),
            "upgrade" => upgrade::start(ctx, held, body)?,
            "cancelupgrade" => to(UpgradePhase::Canceling),
            "continueupgrade" => to(UpgradePhase::Upgrading),
            "finishupgrade" => {
                upgrade::check_finish(ctx.world, held)?;
                to(UpgradePhase::Finishing)
            }
            // Listed on a plain active service too, where there is nothing to roll back: see the table of states.
            "rollback" => match (body.number("toRevision")?, ctx.world.upgrade(held.id)) {
                (Some(number), _) => upgrade::back_to(ctx, held, RevisionNo(number), body)?,
                (None, None) => Vec::new(),
                (None, Some(_)) => to(UpgradePhase::RollingBack),
            },
            _ => Vec::new(),
        };
        Ok(Outcome::render(changes, schema_of(held).plural, Kind::Service.id(held.id.0), 202))
    }
}

impl Item for &Service {
    fn schema(&self) -> &'static Schema {
        schema_of(self)
    }

    /// Every kind is rendered with the members of a plain one.
    fn may_have(&self, name: &str) -> bool {
        SCHEMA.may_have(name) || schema_of(self).may_have(name)
    }

    fn whose(&self) -> (ProjectId, u64) {
        (self.project, self.id.0)
    }

    fn brief(&self, ctx: &Context<'_>, name: &str) -> Option<Value> {
        render::brief(ctx, self, name)
    }

    fn render(&self, ctx: &Context<'_>) -> Value {
        render::render(ctx, self)
    }
}

impl Services {
    fn find<'a>(&self, ctx: &'a Context<'_>, id: &str) -> Option<&'a Service> {
        let service = find(ctx, id)?;
        self.holds(service).then_some(service)
    }

    fn holds(&self, service: &Service) -> bool {
        self.holds_all || is_of(service, self.schema)
    }

    fn living<'a>(&self, ctx: &'a Context<'_>, id: &str) -> Result<&'a Service, ApiError> {
        let found = self.find(ctx, id).filter(|service| service.removed_at.is_none());
        found.ok_or_else(|| ApiError::not_found(format!("service {id}")))
    }
}

fn is_of(service: &Service, schema: &Schema) -> bool {
    schema_of(service).name == schema.name
}

/// The services the caller may see; where `only` names one or a stack, no others.
pub(super) fn seen<'a>(
    ctx: &'a Context<'_>,
    only: &Only<'_>,
) -> Box<dyn Iterator<Item = &'a Service> + 'a> {
    if let Some(id) = only.get("id") {
        return Box::new(find(ctx, id).into_iter());
    }
    let sees = |service: &&Service| ctx.sees(service.project);
    if let Some(id) = only.get("stackId") {
        // Nothing has the number of what is no id.
        let stack = StackId(Kind::Stack.parse(id).unwrap_or(0));
        return Box::new(ctx.world.services_in(stack).filter(sees));
    }
    Box::new(ctx.world.services.values().map(Arc::as_ref).filter(sees))
}

/// A service the caller may see, removed or not.
fn find<'a>(ctx: &'a Context<'_>, id: &str) -> Option<&'a Service> {
    let service = ctx.world.service(ServiceId(Kind::Service.parse(id)?))?;
    ctx.sees(service.project).then_some(service)
}

/// A service, with its removal asked for.
pub(super) fn removed(ctx: &Context<'_>, service: &Service) -> Service {
    Service { wanted: Wanted::Removed, removed_at: Some(ctx.now), ..service.clone() }
}

/// A service switched on or off.
pub(super) fn turned(service: &Service, wanted: Wanted) -> Service {
    Service { wanted, ..service.clone() }
}

/// What a service looks like, and the collection that its URLs name.
fn schema_of(service: &Service) -> &'static Schema {
    match (service.kind, &service.driver) {
        (ServiceKind::Containers, None) => &SCHEMA,
        (ServiceKind::Containers, Some(Driver::Storage(_))) => &driver_service::STORAGE,
        (ServiceKind::Containers, Some(Driver::Network(_))) => &driver_service::NETWORK,
        (ServiceKind::Balancer, _) => &load_balancer_service::SCHEMA,
        (ServiceKind::Alias, _) => &dns_service::SCHEMA,
        (ServiceKind::External, _) => &external_service::SCHEMA,
    }
}

/// Commit an edited service, if it is any different.
fn put(held: &Service, edited: Service, status: u16) -> Outcome {
    let id = Kind::Service.id(held.id.0);
    let plural = schema_of(held).plural;
    let changes = if edited == *held { vec![] } else { vec![Change::PutService(Box::new(edited))] };
    Outcome::render(changes, plural, id, status)
}

/// Ask for a rolling restart: one with a higher number than any unit has been through.
fn restarted(ctx: &Context<'_>, held: &Service, body: Body<'_>) -> Result<Service, ApiError> {
    let strategy = body.inner("rollingRestartStrategy")?;
    let pace = |name| strategy.map_or(Ok(None), |given| given.number::<u32>(name));
    let runs = ctx.world.units_of(held.id).map(|unit| unit.run);
    let restart = Restart {
        run: runs.chain(held.restart.map(|restart| restart.run)).max().unwrap_or(0) + 1,
        batch_size: pace("batchSize")?.unwrap_or(1),
        interval_ms: pace("intervalMillis")?.unwrap_or(2000).into(),
    };
    // Nothing to restart: it would never be seen to end.
    let restart = held.kind.has_units().then_some(restart);
    Ok(Service { restart, ..held.clone() })
}

/// Where a service stands.
fn standing(ctx: &Context<'_>, service: &Service) -> state::Standing {
    let notes = ctx.notes.get(&service.id).map_or(&[][..], Vec::as_slice);
    state::of_service(ctx.world, service, notes)
}
