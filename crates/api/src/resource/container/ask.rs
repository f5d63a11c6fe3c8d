//! The actions on a container: each is something its host's agent is asked to do once.

use drover_compose::quantity::duration_ms;
use drover_core::protocol::Ask;
use drover_core::{Desired, Host};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::SCHEMA;
use super::member::Member;
use crate::body::Body;
use crate::context::Context;
use crate::errand::Once;
use crate::error::{ApiError, Code};
use crate::outcome::{Outcome, Then};

/// Lines of a log when the request doesn't say; Rancher's number.
const LINES: i64 = 100;

/// Stop it, or remove it at once. If its unit is to run, it is started again.
pub(super) fn stop(
    ctx: &Context<'_>,
    member: &Member<'_>,
    body: Body<'_>,
) -> Result<Outcome, ApiError> {
    let (container, grace_s) = (docker_id(ctx, member)?, body.number("timeout")?);
    let remove = body.flag("remove")?.unwrap_or(false);
    let ask = if remove { Ask::Remove { container } } else { Ask::Stop { container, grace_s } };
    Ok(once(member, ask, if remove { Once::Remove } else { Once::Stop }))
}

/// Restart it.
pub(super) fn restart(
    ctx: &Context<'_>,
    member: &Member<'_>,
    body: Body<'_>,
) -> Result<Outcome, ApiError> {
    let (container, grace_s) = (docker_id(ctx, member)?, body.number("timeout")?);
    Ok(once(member, Ask::Restart { container, grace_s }, Once::Restart))
}

/// Start it, if it is meant to run at all.
pub(super) fn start(ctx: &Context<'_>, member: &Member<'_>) -> Result<Outcome, ApiError> {
    if member.unit.desired != Desired::Running {
        let (name, service) = (member.shown_name(ctx.world), &member.service.name);
        let why = if ctx.world.upgrade(member.service.id).is_some() {
            format!("it is kept for a rollback of service {service}: roll back to start it")
        } else {
            format!("service {service} keeps it stopped: activate the service")
        };
        return Err(ApiError::new(Code::InvalidState, format!("{name} can't be started: {why}")));
    }
    let container = docker_id(ctx, member)?;
    Ok(once(member, Ask::Restart { container, grace_s: None }, Once::Start))
}

/// Remove it. If its unit is to exist, it is made again.
pub(super) fn remove(ctx: &Context<'_>, member: &Member<'_>) -> Result<Outcome, ApiError> {
    Ok(once(member, Ask::Remove { container: docker_id(ctx, member)? }, Once::Remove))
}

/// A stream of its log.
pub(super) fn logs(
    ctx: &Context<'_>,
    member: &Member<'_>,
    body: Body<'_>,
) -> Result<Outcome, ApiError> {
    let lines = body.int("lines")?.unwrap_or(LINES);
    let ask = Ask::Logs {
        container: docker_id(ctx, member)?,
        follow: body.flag("follow")?.unwrap_or(true),
        // A negative number is how clients ask for all of it.
        tail: u32::try_from(lines).ok(),
        timestamps: body.flag("timestamps")?.unwrap_or(true),
        since: since(ctx, body)?,
    };
    Ok(stream(member, ask))
}

/// From when on lines are wanted: a moment, or how long before now; as Docker takes it.
fn since(ctx: &Context<'_>, body: Body<'_>) -> Result<Option<i64>, ApiError> {
    let Some(text) = body.text("since")?.filter(|text| !text.is_empty()) else { return Ok(None) };
    if let Ok(seconds) = text.parse() {
        return Ok(Some(seconds));
    }
    if let Ok(moment) = OffsetDateTime::parse(&text, &Rfc3339) {
        return Ok(Some(moment.unix_timestamp()));
    }
    let before = duration_ms(&text).ok_or_else(|| {
        let why = format!(
            "`{text}` is no moment: send seconds since 1970, `2026-01-31T12:00:00Z`, or how long before now, as `1h30m`"
        );
        ApiError::on(Code::InvalidDateFormat, "since", why)
    })?;
    Ok(i64::try_from(ctx.now.0.saturating_sub(before) / 1000).ok())
}

/// A command in it, with its input and output as a stream.
pub(super) fn execute(
    ctx: &Context<'_>,
    member: &Member<'_>,
    body: Body<'_>,
) -> Result<Outcome, ApiError> {
    let ask = Ask::Exec {
        container: docker_id(ctx, member)?,
        command: body.words("command")?,
        tty: body.flag("tty")?.unwrap_or(true),
        stdin: body.flag("attachStdin")?.unwrap_or(true),
    };
    Ok(stream(member, ask))
}

fn once(member: &Member<'_>, ask: Ask, what: Once) -> Outcome {
    let then = Then::Ask {
        ask,
        host: member.unit.host,
        what,
        container: member.serial(),
        plural: SCHEMA.plural,
        status: 202,
    };
    Outcome { changes: Vec::new(), then }
}

fn stream(member: &Member<'_>, ask: Ask) -> Outcome {
    let then = Then::HostAccess { ask, host: member.unit.host };
    Outcome { changes: Vec::new(), then }
}

/// Docker's id of it, on a host that can be asked.
fn docker_id(ctx: &Context<'_>, member: &Member<'_>) -> Result<String, ApiError> {
    let name = || member.shown_name(ctx.world);
    let held = member.held().filter(|held| !held.docker_id.is_empty()).ok_or_else(|| {
        let why = format!("{} has no container on its host yet: try again once it does", name());
        ApiError::new(Code::Conflict, why)
    })?;
    if !ctx.world.is_connected(member.unit.host) {
        let host = ctx.world.host(member.unit.host).map_or("its host", Host::shown_name);
        let why = format!("{} can't be reached: the agent of {host} is not connected", name());
        return Err(ApiError::new(Code::Conflict, why));
    }
    Ok(held.docker_id.clone())
}
