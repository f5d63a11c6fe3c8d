//! `POST` to a collection of services.

use std::collections::BTreeMap;
use std::sync::Arc;

use drover_core::schedule::{constraints, pick_ports};
use drover_core::{
    Change, Driver, HostId, ProjectId, Remarks, Revision, RevisionNo, Service, ServiceId,
    ServiceKind, Stack, Template, UpgradeDefaults, Wanted, name,
};
use serde_json::{Map, Value};

use super::edit;
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::launch_config::{balancer_from_wire, template_from_wire};
use crate::outcome::Outcome;
use crate::resource::{dns_service, external_service, secret, stack, volume};
use crate::schema::Schema;

/// A new service with its first revision.
pub(super) fn create(
    ctx: &Context<'_>,
    (kind, schema): (ServiceKind, &'static Schema),
    body: Body<'_>,
) -> Result<Outcome, ApiError> {
    let name = body.required("name")?;
    let stack = home(ctx, body)?;
    let mut template = template(ctx, (kind, &name), stack, body)?;
    secret::by_name(ctx, stack.project, None, &mut template)?;
    let mut made = blank(ctx, kind, stack, name);
    made.scale = body.number("scale")?.unwrap_or(1);
    let start_on_create = body.flag("startOnCreate")?.unwrap_or(false);
    if start_on_create {
        made.wanted = Wanted::Active;
    }
    made.driver = driver(schema);
    made.remarks = Remarks {
        external_id: body.word("externalId")?,
        vip: body.word("vip")?,
        assign_service_ip_address: body.flag("assignServiceIpAddress")?.unwrap_or(false),
        start_on_create,
    };
    edit::read(ctx, &mut made, body)?;
    if let Some(policy) = made.scale_policy {
        made.scale = policy.min;
        edit::check_policy(&template)?;
    }
    check_names(ctx, &made, &template)?;
    check_hosts(ctx, made.project, None, &template)?;
    check_placement(stack, &made.name, &template)?;
    made.picked_ports = pick_ports(ctx.world, made.project, &template, &[]);
    let revision = Revision {
        service: made.id,
        number: made.current,
        template: Arc::new(template),
        pins: BTreeMap::new(),
        by: ctx.caller.access.clone(),
        reason: String::new(),
        created_at: ctx.now,
    };
    let id = Kind::Service.id(made.id.0);
    let changes = vec![Change::PutService(Box::new(made)), Change::AddRevision(Box::new(revision))];
    Ok(Outcome::render(changes, schema.plural, id, 201))
}

/// That it installs a driver is said by the collection it is made in; what is said of the driver is read with the rest.
fn driver(schema: &Schema) -> Option<Driver> {
    match schema.name {
        "storageDriverService" => Some(Driver::Storage(Map::new())),
        "networkDriverService" => Some(Driver::Network(Map::new())),
        _ => None,
    }
}

/// The stack it goes to.
fn home<'a>(ctx: &'a Context<'_>, body: Body<'_>) -> Result<&'a Stack, ApiError> {
    let id = body.required("stackId")?;
    stack::living(ctx, &id).map_err(|_| {
        ApiError::on(Code::InvalidReference, "stackId", format!("there is no stack {id}"))
    })
}

fn template(
    ctx: &Context<'_>,
    (kind, name): (ServiceKind, &str),
    stack: &Stack,
    body: Body<'_>,
) -> Result<Template, ApiError> {
    let null = &Value::Null;
    let launch = volume::by_name(ctx, stack, body.get("launchConfig").unwrap_or(null))?;
    let launch = &*launch;
    match kind {
        ServiceKind::Containers => {
            let secondaries = body.list("secondaryLaunchConfigs")?.iter();
            let secondaries =
                secondaries.map(|config| Ok(volume::by_name(ctx, stack, config)?.into_owned()));
            let secondaries: Vec<Value> = secondaries.collect::<Result<_, ApiError>>()?;
            template_from_wire(name, launch, &secondaries.into())
        }
        ServiceKind::Balancer => balancer_from_wire(launch),
        ServiceKind::Alias if launch.is_null() => Ok(named_only(dns_service::IMAGE)),
        ServiceKind::External if launch.is_null() => Ok(named_only(external_service::IMAGE)),
        // Nothing of it runs, but the clients' hash in its labels must come back.
        ServiceKind::Alias | ServiceKind::External => template_from_wire(name, launch, null),
    }
}

fn named_only(image: &str) -> Template {
    let mut template = Template::default();
    image.clone_into(&mut template.primary.image);
    template
}

fn blank(ctx: &Context<'_>, kind: ServiceKind, stack: &Stack, name: String) -> Service {
    Service {
        id: ServiceId(ctx.next_id()),
        project: stack.project,
        stack: stack.id,
        name,
        description: String::new(),
        kind,
        scale: 1,
        wanted: Wanted::Inactive,
        settled: None,
        current: RevisionNo(1),
        links: Vec::new(),
        balancer: None,
        external: None,
        metadata: serde_json::Map::new(),
        picked_ports: Vec::new(),
        retain_ip: false,
        selector_link: None,
        selector_container: None,
        depends_on: Vec::new(),
        upgrade_defaults: UpgradeDefaults::default(),
        restart: None,
        rebalance: None,
        driver: None,
        scale_policy: None,
        remarks: Remarks::default(),
        created_at: ctx.now,
        removed_at: None,
    }
}

/// Names are unique in a stack whatever their case, sidekicks included: they become DNS names.
pub(crate) fn check_names(
    ctx: &Context<'_>,
    service: &Service,
    template: &Template,
) -> Result<(), ApiError> {
    name::check_name(&service.name).map_err(|why| {
        let why = format!("service name `{}`: {why}", service.name);
        ApiError::on(Code::InvalidCharacters, "name", why)
    })?;
    let own = std::iter::once(&service.name).chain(template.sidekicks.keys());
    let taken = taken_names(ctx, service);
    for name in own {
        if let Some(holder) = taken.get(&name.to_lowercase()) {
            let why = format!("the name `{name}` is taken by {holder} of the same stack");
            return Err(ApiError::on(Code::NotUnique, "name", why));
        }
    }
    Ok(())
}

/// Names of the other services of a stack, in lower case, and what each belongs to.
fn taken_names(ctx: &Context<'_>, except: &Service) -> BTreeMap<String, String> {
    let others = ctx.world.services_in(except.stack);
    let mut taken = BTreeMap::new();
    for other in others.filter(|s| s.id != except.id && s.removed_at.is_none()) {
        taken.insert(other.name.to_lowercase(), format!("service {}", other.name));
        let Some(template) = ctx.world.current_template(other) else { continue };
        for sidekick in template.sidekicks.keys() {
            let whose = format!("a sidekick of service {}", other.name);
            taken.insert(sidekick.to_lowercase(), whose);
        }
    }
    taken
}

/// Hosts that containers are to run on are there and take containers. One that was named before stays: an upgrade of something
/// else must not fail for it.
pub(crate) fn check_hosts(
    ctx: &Context<'_>,
    project: ProjectId,
    held: Option<&Template>,
    template: &Template,
) -> Result<(), ApiError> {
    let named = |of: &Template| -> Vec<HostId> {
        of.members().filter_map(|(_, spec)| spec.requested_host).collect()
    };
    let before = held.map(named).unwrap_or_default();
    let wrong = |code, why: String| {
        Err(ApiError::on(code, "requestedHostId", format!("`requestedHostId`: {why}")))
    };
    for id in named(template).into_iter().filter(|id| !before.contains(id)) {
        let found = ctx.world.host(id).filter(|h| h.project == project && h.removed_at.is_none());
        match found {
            None => {
                let why = format!("there is no host {}", Kind::Host.id(id.0));
                return wrong(Code::InvalidReference, why);
            }
            Some(host) if !host.active => {
                let name = host.shown_name();
                let why = format!("{name} takes no containers: activate it, or name another host");
                return wrong(Code::InvalidState, why);
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Placement labels that can't be read are refused now, not found out when nothing starts.
pub(crate) fn check_placement(
    stack: &Stack,
    service: &str,
    template: &Template,
) -> Result<(), ApiError> {
    constraints(template, &stack.name, service)
        .map(drop)
        .map_err(|bad| ApiError::on(Code::InvalidOption, "labels", bad.to_string()))
}
