//! The members of a service that a PUT can change; a POST reads them the same way.

use drover_core::{
    Driver, External, PortRule, ScalePolicy, Selector, Service, ServiceKind, Template, World,
    derive,
};

use super::{create, dependence, find, loops};
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::launch_config::read_check;
use crate::resource::certificate;
use crate::{lb_config, upgrade};

/// Most bytes of metadata, as JSON; Rancher's limit.
const METADATA_BYTES: usize = 1 << 20;

/// The service as the body wants it. What can't be changed this way is ignored: clients send whole objects back.
pub(super) fn edit(ctx: &Context<'_>, held: &Service, body: Body<'_>) -> Result<Service, ApiError> {
    let mut edited = held.clone();
    read(ctx, &mut edited, body)?;
    // Clients send whole objects back: while an upgrade between services shows what runs now, that is no edit.
    let shown = derive::shown_scale(ctx.world, held);
    // By the planner, as long as there is a policy: what clients send back is no edit then.
    let is_found = held.scale_policy.is_some() && edited.scale_policy.is_some();
    if let Some(scale) = body.number::<u32>("scale")?.filter(|scale| *scale != shown && !is_found) {
        upgrade::check_scale(ctx.world, held)?;
        edited.scale = scale;
    }
    if let Some(name) = body.text("name")?.filter(|name| *name != held.name) {
        edited.name = name;
        let template = ctx.world.current_template(held).cloned().unwrap_or_default();
        create::check_names(ctx, &edited, &template)?;
    }
    if edited.scale_policy.is_some() && edited.scale_policy != held.scale_policy {
        let template = ctx.world.current_template(held).cloned().unwrap_or_default();
        check_policy(&template)?;
    }
    Ok(edited)
}

/// Everything but name and scale.
pub(super) fn read(ctx: &Context<'_>, into: &mut Service, body: Body<'_>) -> Result<(), ApiError> {
    if body.names("description") {
        into.description = body.text("description")?.unwrap_or_default();
    }
    if body.names("metadata") {
        into.metadata = body.object("metadata")?.cloned().unwrap_or_default();
        check_metadata(into)?;
    }
    if body.names("scalePolicy") {
        into.scale_policy = scale_policy(body)?.filter(|_| into.kind.has_units());
    }
    if let Some(retain) = body.flag("retainIp")? {
        into.retain_ip = retain;
    }
    if body.names("selectorLink") {
        into.selector_link = selector(body, "selectorLink")?;
        loops::check(ctx.world, into)?;
    }
    if body.names("selectorContainer") {
        into.selector_container = selector(body, "selectorContainer")?;
    }
    if body.names("dependsOn") {
        into.depends_on = dependence::read(ctx.world, into, body)?;
    }
    if let Some(config) = body.get("lbConfig") {
        into.balancer = Some(match into.kind {
            ServiceKind::Balancer => {
                let mut spec = lb_config::from_wire(config)?;
                let held = into.balancer.as_ref();
                certificate::by_name(ctx, into.project, held, &mut spec)?;
                spec
            }
            ServiceKind::Containers | ServiceKind::Alias | ServiceKind::External => {
                lb_config::target_from_wire(config)?
            }
        });
        check_targets(ctx, into)?;
    }
    match &mut into.driver {
        Some(Driver::Storage(held)) if body.names("storageDriver") => {
            *held = body.object("storageDriver")?.cloned().unwrap_or_default();
        }
        Some(Driver::Network(held)) if body.names("networkDriver") => {
            *held = body.object("networkDriver")?.cloned().unwrap_or_default();
        }
        Some(Driver::Storage(_) | Driver::Network(_)) | None => {}
    }
    if into.kind == ServiceKind::External {
        read_external(into, body)?;
    }
    Ok(())
}

fn selector(body: Body<'_>, name: &str) -> Result<Option<String>, ApiError> {
    let Some(text) = body.word(name)? else { return Ok(None) };
    let read = text.parse::<Selector>();
    read.map_err(|bad| body.refuse(Code::InvalidFormat, name, &bad.to_string()))?;
    Ok(Some(text))
}

/// `scalePolicy`; an empty one is none.
fn scale_policy(body: Body<'_>) -> Result<Option<ScalePolicy>, ApiError> {
    let Some(given) = body.inner("scalePolicy")? else { return Ok(None) };
    if !["min", "max", "increment"].iter().any(|name| given.get(name).is_some()) {
        return Ok(None);
    }
    let min = given.number("min")?.unwrap_or(1);
    let max = given.number("max")?.unwrap_or(min);
    if min > max {
        let why = format!("`min` is {min}, which is more than `max`, {max}");
        return Err(given.refuse(Code::MaxLimitExceeded, "min", &why));
    }
    Ok(Some(ScalePolicy { min, max, increment: given.number("increment")?.unwrap_or(1) }))
}

/// Whether the scale of such a service can be found out.
pub(super) fn check_policy(template: &Template) -> Result<(), ApiError> {
    if template.primary.is_global() {
        let why = "a global service has no `scalePolicy`: it runs once on every host";
        return Err(ApiError::on(Code::InvalidOption, "scalePolicy", why));
    }
    Ok(())
}

fn check_metadata(service: &Service) -> Result<(), ApiError> {
    let size = serde_json::to_string(&service.metadata).map_or(0, |text| text.len());
    if size > METADATA_BYTES {
        let why = format!("the metadata has {size} bytes; at most {METADATA_BYTES} are kept");
        return Err(ApiError::on(Code::MaxLimitExceeded, "metadata", why));
    }
    Ok(())
}

/// Every target of a rule that names one is there, and isn't the balancer itself. A rule that was there before
/// stays, even if its target is gone by now: an edit elsewhere must not fail for it.
fn check_targets(ctx: &Context<'_>, service: &Service) -> Result<(), ApiError> {
    let held: &[PortRule] = held_rules(ctx.world, service);
    let rules = service.balancer.iter().flat_map(|spec| &spec.rules);
    for rule in rules.filter(|rule| !held.contains(rule)) {
        let Some(id) = rule.service else { continue };
        let wire_id = crate::Kind::Service.id(id.0);
        let target = find(ctx, &wire_id).filter(|target| {
            target.removed_at.is_none()
                && target.project == service.project
                && target.id != service.id
        });
        if target.is_none() {
            let why =
                format!("a rule sends requests to {wire_id}, which is no service it can reach");
            return Err(ApiError::on(Code::InvalidReference, "serviceId", why));
        }
    }
    Ok(())
}

fn held_rules<'a>(world: &'a World, service: &Service) -> &'a [PortRule] {
    let held = world.service(service.id).and_then(|held| held.balancer.as_ref());
    held.map_or(&[], |spec| spec.rules.as_slice())
}

fn read_external(into: &mut Service, body: Body<'_>) -> Result<(), ApiError> {
    let held = into.external.clone().unwrap_or_default();
    let addresses = match body.texts("externalIpAddresses")? {
        Some(addresses) => addresses,
        None if body.names("externalIpAddresses") => Vec::new(),
        None => held.addresses,
    };
    if let Some(bad) = addresses.iter().find(|a| a.parse::<std::net::IpAddr>().is_err()) {
        let why = format!("`{bad}` is not an IP address; a name goes into `hostname`");
        return Err(ApiError::on(Code::InvalidFormat, "externalIpAddresses", why));
    }
    let hostname = if body.names("hostname") { body.text("hostname")? } else { held.hostname };
    let hostname = hostname.filter(|name| !name.is_empty());
    if !addresses.is_empty() && hostname.is_some() {
        let why = "an external service is reached by `externalIpAddresses` or by `hostname`: leave the other out, or make it null";
        return Err(ApiError::on(Code::InvalidOption, "hostname", why));
    }
    let health_check = if body.names("healthCheck") {
        body.inner("healthCheck")?.map(|check| read_check(&check)).transpose()?
    } else {
        held.health_check
    };
    into.external = Some(External { addresses, hostname, health_check });
    Ok(())
}
