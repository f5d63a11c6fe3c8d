//! The next template: the current one with the configs that the request names put in their places.

use std::collections::BTreeMap;

use drover_core::{ContainerSpec, Service, ServiceKind, Template};
use serde_json::{Value, json};

use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::launch_config::{balancer_from_wire, template_from_wire, template_to_wire};
use crate::resource::service::{check_hosts, check_names, check_placement};
use crate::resource::volume;

/// A sidekick whose image is this is to be removed.
const REMOVED: &str = "docker:rancher/none";

/// What the service is to run. A config the request doesn't name stays as it is; a sidekick may be added, or
/// removed by the image `rancher/none`.
pub(super) fn template(
    ctx: &Context<'_>,
    service: &Service,
    held: &Template,
    strategy: Body<'_>,
) -> Result<Template, ApiError> {
    let by_name = |config: &Value| match ctx.world.stacks.get(&service.stack) {
        Some(stack) => Ok(volume::by_name(ctx, stack, config)?.into_owned()),
        None => Ok(config.clone()),
    };
    let launch = strategy.get("launchConfig").map(by_name).transpose()?;
    let launch = launch.as_ref();
    let secondaries = strategy.list("secondaryLaunchConfigs")?.iter().map(by_name);
    let secondaries: Vec<Value> = secondaries.collect::<Result<_, ApiError>>()?;
    if launch.is_none() && secondaries.is_empty() {
        let why = format!("an upgrade of {} must name the configs that change", service.name);
        return Err(ApiError::on(Code::InvalidOption, "launchConfig", why));
    }
    if service.kind == ServiceKind::Balancer {
        let missing = || {
            let why =
                format!("{} is a load balancer: only its launchConfig can change", service.name);
            ApiError::on(Code::InvalidOption, "launchConfig", why)
        };
        return balancer_from_wire(launch.ok_or_else(missing)?);
    }
    let (held_launch, held_secondaries) = template_to_wire(&service.name, held);
    let merged = merge(held_secondaries, &secondaries)?;
    template_from_wire(&service.name, launch.unwrap_or(&held_launch), &merged)
}

/// A container with the ports that a balancer's launch config names, and nothing else of it.
pub(super) fn published(launch: Body<'_>) -> Result<ContainerSpec, ApiError> {
    let named = json!({ "ports": launch.texts("ports")?, "expose": launch.texts("expose")? });
    balancer_from_wire(&named).map(|template| template.primary)
}

/// What an upgrade can't do, whatever the hosts have room for.
pub(super) fn check(
    ctx: &Context<'_>,
    service: &Service,
    held: &Template,
    next: &Template,
) -> Result<(), ApiError> {
    if held.primary.is_global() != next.primary.is_global() {
        let (now, then) = if held.primary.is_global() {
            ("global", "a scaled one")
        } else {
            ("scaled", "a global one")
        };
        let why = format!(
            "{} is {now} and can't become {then} by an upgrade: remove it and make it again",
            service.name
        );
        return Err(ApiError::on(Code::InvalidOption, "launchConfig", why));
    }
    check_names(ctx, service, next)?;
    check_hosts(ctx, service.project, Some(held), next)?;
    match ctx.world.stacks.get(&service.stack) {
        Some(stack) => check_placement(stack, &service.name, next),
        None => Ok(()),
    }
}

/// Sidekicks as they are, replaced, added to or removed by those in the request.
fn merge(held: Vec<Value>, wanted: &[Value]) -> Result<Value, ApiError> {
    let name = |config: &Value| config["name"].as_str().unwrap_or_default().to_owned();
    let mut merged: BTreeMap<String, Value> =
        held.into_iter().map(|config| (name(&config), config)).collect();
    for config in wanted {
        let fields = Body::of(config)?;
        let key = fields.required("name")?;
        let image = fields.text("imageUuid")?.unwrap_or_default();
        if is_removal(&image) {
            merged.remove(&key);
        } else {
            merged.insert(key, config.clone());
        }
    }
    Ok(merged.into_values().collect())
}

fn is_removal(image: &str) -> bool {
    image == REMOVED || image.strip_prefix(REMOVED).is_some_and(|tag| tag.starts_with(':'))
}
