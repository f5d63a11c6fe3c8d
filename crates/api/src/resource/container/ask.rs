//! The actions on a container: each is something its host's agent is asked to do once.

use drover_core::protocol::Ask;
use drover_core::{Desired, Host};

use super::SCHEMA;
use super::member::Member;
use crate::body::Body;
use crate::context::Context;
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
    let (container, grace_s) = (docker_id(ctx, member)?, body.count("timeout", 0)?);
    let remove = body.flag("remove")?.unwrap_or(false);
    let ask = if remove { Ask::Remove { container } } else { Ask::Stop { container, grace_s } };
    Ok(once(member, ask))
}

/// Restart it.
pub(super) fn restart(
    ctx: &Context<'_>,
    member: &Member<'_>,
    body: Body<'_>,
) -> Result<Outcome, ApiError> {
    let (container, grace_s) = (docker_id(ctx, member)?, body.count("timeout", 0)?);
    Ok(once(member, Ask::Restart { container, grace_s }))
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
    Ok(once(member, Ask::Restart { container, grace_s: None }))
}

/// Remove it. If its unit is to exist, it is made again.
pub(super) fn remove(ctx: &Context<'_>, member: &Member<'_>) -> Result<Outcome, ApiError> {
    Ok(once(member, Ask::Remove { container: docker_id(ctx, member)? }))
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
    };
    Ok(stream(member, ask))
}

/// A command in it, with its input and output as a stream.
pub(super) fn execute(
    ctx: &Context<'_>,
    member: &Member<'_>,
    body: Body<'_>,
) -> Result<Outcome, ApiError> {
    let command = body.words("command")?;
    if command.is_empty() {
        return Err(ApiError::missing("command"));
    }
    let ask = Ask::Exec {
        container: docker_id(ctx, member)?,
        command,
        tty: body.flag("tty")?.unwrap_or(true),
        stdin: body.flag("attachStdin")?.unwrap_or(true),
    };
    Ok(stream(member, ask))
}

fn once(member: &Member<'_>, ask: Ask) -> Outcome {
    let then = Then::Ask { ask, host: member.unit.host, plural: SCHEMA.plural, id: member.id() };
    Outcome { changes: Vec::new(), then }
}

fn stream(member: &Member<'_>, ask: Ask) -> Outcome {
    let then = Then::HostAccess { ask, host: member.unit.host, container: member.id() };
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
