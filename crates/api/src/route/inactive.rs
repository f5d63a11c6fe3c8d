//! A project that is switched off: everything in it can be read and removed, nothing is made or changed. What runs runs on, and is
//! looked after.

use drover_core::{Change, Grant, ProjectId};
use serde_json::Value;

use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::resource::Resource;

/// Refuse a change to something in such a project. The project itself can be changed.
pub(super) fn guard(
    ctx: &Context<'_>,
    resource: &dyn Resource,
    row: &Value,
    what: &str,
) -> Result<(), ApiError> {
    if resource.schema().name == "project" {
        return Ok(());
    }
    let project = row["accountId"].as_str().and_then(|id| Kind::Project.parse(id));
    project.map_or(Ok(()), |id| refuse(ctx, ProjectId(id), what))
}

/// The project that a change makes something in.
pub(super) fn made_in(change: &Change) -> Option<ProjectId> {
    match change {
        Change::PutStack(made) => Some(made.project),
        Change::PutService(made) => Some(made.project),
        Change::PutVolumeTemplate(made) => Some(made.project),
        Change::PutProjectVolume(made) => Some(made.project),
        Change::PutRegistry(made) => Some(made.project),
        Change::PutCertificate(made) => Some(made.project),
        Change::PutSecret(made) => Some(made.project),
        Change::PutWebhook(made) => Some(made.project),
        Change::PutCredential(made) => match made.grants {
            Grant::Project(project) | Grant::Registration { project, .. } => Some(project),
            Grant::Admin | Grant::Account(_) | Grant::Agent(_) => None,
        },
        _ => None,
    }
}

/// Refuse it if the project is switched off.
pub(super) fn refuse(ctx: &Context<'_>, project: ProjectId, what: &str) -> Result<(), ApiError> {
    match ctx.world.projects.get(&project) {
        Some(held) if held.settings.inactive => {
            let why = format!(
                "project {} is inactive, and nothing in it is {what} until it is activated again",
                held.name
            );
            Err(ApiError::new(Code::InvalidState, why))
        }
        Some(_) | None => Ok(()),
    }
}
