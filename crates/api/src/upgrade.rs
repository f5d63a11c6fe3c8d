//! The action `upgrade`: reading `serviceUpgrade`, making the next revision from a part of the current one,
//! and showing an upgrade in progress. `between` has what is different when it leads to another service.
//!
//! What an upgrade then does is the planner's; this only says from what to what.

mod between;
mod next;
mod policy;
mod requests;
mod together;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use drover_core::derive;
use drover_core::plan::admit_upgrade;
use drover_core::schedule::pick_ports;
use drover_core::{
    Change, ContainerSpec, Course, FinishPolicy, PickedPort, REVISIONS_SETTING, Revision,
    RevisionNo, Service, ServiceId, ServiceKind, Template, Upgrade, UpgradePolicy, Wanted, World,
};
use serde_json::{Value, json};

use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::resource::secret;

pub(crate) use between::check_scale;
pub(crate) use policy::looks_in_vain;
pub use policy::write_policy;
pub(crate) use requests::last;
pub(crate) use together::{check_finish, start as start_together};

/// Begin an upgrade: refused, with nothing changed, if it could not place its first unit.
pub(crate) fn start(
    ctx: &Context<'_>,
    service: &Service,
    body: Body<'_>,
) -> Result<Vec<Change>, ApiError> {
    let in_service = body.inner("inServiceStrategy")?;
    match (in_service, body.inner("toServiceStrategy")?) {
        (Some(strategy), _) => in_place(ctx, service, strategy, body.word("reason")?),
        (None, Some(strategy)) => between::start(ctx, service, strategy),
        (None, None) => Err(ApiError::missing("inServiceStrategy")),
    }
}

fn in_place(
    ctx: &Context<'_>,
    service: &Service,
    strategy: Body<'_>,
    reason: Option<String>,
) -> Result<Vec<Change>, ApiError> {
    let held = ctx.world.current_template(service).cloned().unwrap_or_default();
    let mut template = next::template(ctx, service, &held, strategy)?;
    secret::by_name(ctx, service.project, Some(&held), &mut template)?;
    next::check(ctx, service, &held, &template)?;
    to_next(ctx, service, template, strategy, reason)
}

/// Have a balancer publish other ports than it does. Where Rancher moved what it had opened on the hosts, a container has to be
/// made anew here: it is an upgrade that nobody has to confirm, and the rest of the launch config stays as it is.
pub(crate) fn republish(
    ctx: &Context<'_>,
    id: ServiceId,
    launch: Body<'_>,
) -> Result<Vec<Change>, ApiError> {
    let Some(service) = ctx.world.service(id) else { return Ok(Vec::new()) };
    let held = ctx.world.current_template(service).cloned().unwrap_or_default();
    let asked = next::published(launch)?;
    let all = |spec: &ContainerSpec| -> BTreeSet<String> {
        spec.ports.iter().map(ToString::to_string).collect()
    };
    if all(&asked) == all(&held.primary) {
        return Ok(Vec::new());
    }
    if service.wanted != Wanted::Active {
        let why = format!("{} is not active: activate it, then change its ports", service.name);
        return Err(ApiError::on(Code::InvalidState, "ports", why));
    }
    if ctx.world.upgrade(id).is_some() || ctx.world.shift(id).is_some() {
        let why = format!(
            "an upgrade of {} is in progress or waits for a decision: finish it or roll it back, then change its ports",
            service.name
        );
        return Err(ApiError::on(Code::InvalidState, "ports", why));
    }
    let mut template = (*held).clone();
    template.primary.ports = asked.ports;
    // Those that are published no more may be open inside from now on.
    template.primary.expose = asked.expose;
    let strategy = json!({});
    let mut changes =
        to_next(ctx, service, template, Body::of(&strategy)?, Some("other ports".to_owned()))?;
    for change in &mut changes {
        if let Change::StartUpgrade(upgrade) = change {
            upgrade.policy.finish = FinishPolicy::Auto;
        }
    }
    Ok(changes)
}

/// Begin an upgrade to what is not there yet.
fn to_next(
    ctx: &Context<'_>,
    service: &Service,
    template: Template,
    strategy: Body<'_>,
    reason: Option<String>,
) -> Result<Vec<Change>, ApiError> {
    let mut begun = between::finish_others(ctx, &[service.id])?;
    // What that ends may have changed the service's links and rules.
    let after = ctx.world.commit(&begun).map_or_else(|_| ctx.world.clone(), |(after, _)| after);
    let service = after.service(service.id).unwrap_or(service);
    let to = newest(ctx.world, service).next();
    let upgrade = course(ctx, service, strategy, to, &template)?;
    begun.extend(restarted(ctx, service, &template, &upgrade.policy));
    begun.push(Change::AddRevision(Box::new(Revision {
        service: service.id,
        number: to,
        template: Arc::new(template),
        pins: BTreeMap::new(),
        by: ctx.caller.access.clone(),
        reason: reason.unwrap_or_default(),
        created_at: ctx.now,
    })));
    begun.push(Change::StartUpgrade(upgrade));
    Ok(begun)
}

/// Begin an upgrade to a revision that there was: the same configuration, and the very images it had.
pub(crate) fn back_to(
    ctx: &Context<'_>,
    service: &Service,
    to: RevisionNo,
    strategy: Body<'_>,
) -> Result<Vec<Change>, ApiError> {
    let refuse = |why: String| ApiError::on(Code::InvalidOption, "toRevision", why);
    let name = &service.name;
    let Some(revision) = ctx.world.revision_of(service.id, to) else {
        let kept: Vec<String> =
            ctx.world.revisions(service.id).map(|held| held.number.to_string()).collect();
        let (kept, now) = (kept.join(", "), service.current);
        let why = if to < newest(ctx.world, service) {
            format!("is not kept any more (setting {REVISIONS_SETTING})")
        } else {
            "was never there".to_owned()
        };
        return Err(refuse(format!(
            "revision {to} of {name} {why}: there are {kept}, and it runs {now}"
        )));
    };
    if ctx.world.upgrade(service.id).is_some() {
        return Err(refuse(format!(
            "an upgrade of {name} is in progress or waits for a decision: finishupgrade keeps the new version, \
             rollback without a revision returns to the old one; then any revision can be gone to"
        )));
    }
    if to == service.current {
        return Err(refuse(format!("{name} runs revision {to} already")));
    }
    let mut begun = between::finish_others(ctx, &[service.id])?;
    let upgrade = course(ctx, service, strategy, to, &revision.template)?;
    begun.extend(restarted(ctx, service, &revision.template, &upgrade.policy));
    begun.push(Change::StartUpgrade(upgrade));
    Ok(begun)
}

/// The upgrade to a revision, at the pace that was asked for or that the service has; refused if its first unit has no place.
fn course(
    ctx: &Context<'_>,
    service: &Service,
    strategy: Body<'_>,
    to: RevisionNo,
    template: &Template,
) -> Result<Upgrade, ApiError> {
    let defaults = &service.upgrade_defaults;
    let start_first = strategy.flag("startFirst")?.or(defaults.start_first).unwrap_or(false);
    if service.retain_ip && start_first {
        let why = format!(
            "{} keeps the addresses of its containers (retainIp), so that old and new can't run side by \
             side: upgrade it without startFirst",
            service.name
        );
        return Err(ApiError::on(Code::InvalidOption, "startFirst", why));
    }
    admit_upgrade(ctx.world, service.id, template, start_first)
        .map_err(|why| ApiError::on(Code::InvalidOption, "inServiceStrategy", why.to_string()))?;
    let course = Course::InService { from: service.current, to, start_first };
    Ok(Upgrade {
        batch_size: strategy.number("batchSize")?.or(defaults.batch_size).unwrap_or(1),
        interval_ms: strategy.number("intervalMillis")?.or(defaults.interval_ms).unwrap_or(2000),
        policy: policy::read(strategy)?.unwrap_or_else(|| defaults.policy.clone()),
        ..Upgrade::begin(service.id, course, ctx.now, &ctx.caller.access)
    })
}

/// `upgrade` as a service shows it: null without one, else what was asked for and what it was before.
pub(crate) fn render(ctx: &Context<'_>, service: &Service) -> Value {
    let Some(upgrade) = ctx.world.upgrade(service.id) else { return Value::Null };
    let mut shown = match upgrade.course {
        Course::InService { from, to, start_first } => {
            in_service(ctx.world, service, upgrade, (from, to, start_first))
        }
        Course::ToService(shift) => between::render(ctx.world, service, upgrade, shift),
    };
    policy::show(ctx, upgrade, &mut shown);
    shown
}

fn in_service(
    world: &World,
    service: &Service,
    upgrade: &Upgrade,
    (from, to, start_first): (RevisionNo, RevisionNo, bool),
) -> Value {
    let configs = |number| {
        let template = world.template(service.id, number).cloned().unwrap_or_default();
        secret::launch_configs(world, service, &template)
    };
    let ((launch, secondaries), (previous, previous_secondaries)) = (configs(to), configs(from));
    json!({
        "type": "serviceUpgrade",
        "inServiceStrategy": {
            "type": "inServiceUpgradeStrategy",
            "batchSize": upgrade.batch_size,
            "intervalMillis": upgrade.interval_ms,
            "startFirst": start_first,
            "launchConfig": launch,
            "secondaryLaunchConfigs": secondaries,
            "previousLaunchConfig": previous,
            "previousSecondaryLaunchConfigs": previous_secondaries,
        },
        "toServiceStrategy": null,
        "phase": requests::phase(upgrade.phase),
        "fromRevision": from.0,
        "toRevision": to.0,
        "startedTS": upgrade.started_at.0,
        "slotsMoved": requests::moved(world, upgrade),
        "requests": requests::ledger(&derive::upgrade_requests(world, service.id)),
    })
}

/// Why a service doesn't offer an action in this state, and the way out.
pub(crate) fn why_not(state: &str, action: &str) -> Option<String> {
    let why = match (state, action) {
        ("upgraded", "upgrade" | "restart" | "deactivate" | "activate") => {
            "the last upgrade waits for a decision; finishupgrade keeps the new version and removes the old \
             containers, rollback returns to the old one"
        }
        ("canceled-upgrade", "upgrade" | "restart" | "deactivate" | "activate") => {
            "its upgrade was cancelled half-way; continueupgrade goes on with it, rollback returns to the old \
             version"
        }
        ("upgrading", "upgrade" | "restart" | "deactivate" | "finishupgrade") => {
            "an upgrade is in progress; wait for it, or use cancelupgrade or rollback"
        }
        ("rolling-back" | "finishing-upgrade" | "canceling-upgrade", _) => {
            "it is on its way to another state; wait for that"
        }
        (
            "active" | "inactive",
            "finishupgrade" | "cancelupgrade" | "continueupgrade" | "rollback",
        ) => "no upgrade of it is in progress or waits for a decision",
        _ => return None,
    };
    Some(why.to_owned())
}

fn newest(world: &World, service: &Service) -> RevisionNo {
    world.revisions(service.id).next_back().map_or(service.current, |revision| revision.number)
}

/// The service as it is with an upgrade to this template: it ends running, whatever it began from, for clients wait for
/// `upgraded`; what is picked for it is picked, and what is decided of it without people holds for the next one too.
fn restarted(
    ctx: &Context<'_>,
    service: &Service,
    template: &Template,
    policy: &UpgradePolicy,
) -> Option<Change> {
    let picked_ports = keep_and_pick(ctx.world, service, template);
    let mut edited = Service { wanted: Wanted::Active, picked_ports, ..service.clone() };
    edited.upgrade_defaults.policy = policy.clone();
    (edited != *service).then(|| Change::PutService(Box::new(edited)))
}

/// Picks for the new template, and all older ones: a rollback needs them again.
fn keep_and_pick(world: &World, service: &Service, template: &Template) -> Vec<PickedPort> {
    if service.kind == ServiceKind::Balancer {
        return service.picked_ports.clone();
    }
    let mut picked = service.picked_ports.clone();
    for pick in pick_ports(world, service.project, template, &service.picked_ports) {
        if !picked.contains(&pick) {
            picked.push(pick);
        }
    }
    picked
}
