//! Projects: Rancher's environments.

mod forecast;
mod member;
pub(super) mod rebalance;
mod settings;

use drover_core::{Change, Grant, Project, ProjectId, ProjectSettings};
use serde_json::{Value, json};

use super::derived::network_id;
use super::{
    Envelope, Resource, certificate, credential, finish, host, project_template, registry, secret,
    stack, volume,
};
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::outcome::{Outcome, Then};
use crate::schema::{COMMON, EDIT, Field, LIST_CREATE, Link, Schema};
use crate::state::{PROJECT, Standing};
pub use forecast::Foretold;
pub(crate) use member::ProjectMembers;

static SCHEMA: Schema = Schema {
    name: "project",
    plural: "projects",
    base: "account",
    collection: LIST_CREATE,
    resource: EDIT,
    fields: &[
        COMMON,
        &[
            Field::cru("name", "string").required(),
            Field::cru("description", "string"),
            Field::cr("projectTemplateId", "reference[projectTemplate]"),
            Field::cr("members", "array[projectMember]"),
            Field::r("orchestration", "string"),
            Field::r("healthState", "string"),
            Field::r("version", "string"),
            Field::cru("servicesPortRange", "servicesPortRange"),
            Field::cru("virtualMachine", "boolean").default("false"),
            Field::cru("hostRemoveDelaySeconds", "int").min(0),
            Field::r("defaultNetworkId", "reference[network]"),
        ],
    ],
    actions: &[
        ("activate", "", "project"),
        ("cancelrebalance", "rebalanceInput", "project"),
        ("deactivate", "", "project"),
        ("forecast", "forecastInput", "forecast"),
        ("networkdoctor", "", "networkDiagnosis"),
        ("rebalance", "rebalanceInput", "rebalancePlan"),
        ("remove", "", "project"),
        ("setmembers", "setProjectMembersInput", "projectMember"),
        ("update", "", "project"),
    ],
    links: &[
        Link::Children { name: "accounts", plural: "accounts", field: "accountId" },
        Link::Children { name: "credentials", plural: "credentials", field: "accountId" },
        Link::Children { name: "hosts", plural: "hosts", field: "accountId" },
        Link::Children { name: "instances", plural: "containers", field: "accountId" },
        Link::Children { name: "projectMembers", plural: "projectMembers", field: "projectId" },
        Link::Children { name: "projects", plural: "projects", field: "accountId" },
        Link::Children { name: "services", plural: "services", field: "accountId" },
        Link::Children { name: "stacks", plural: "stacks", field: "accountId" },
        Link::Children { name: "volumes", plural: "volumes", field: "accountId" },
    ],
};

/// The resource.
pub(crate) struct Projects;

impl Resource for Projects {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        let projects = ctx.world.projects.values().filter(|project| ctx.sees(project.id));
        projects.map(|project| render(ctx, project)).collect()
    }

    fn create(&self, ctx: &Context<'_>, body: Body<'_>) -> Result<Outcome, ApiError> {
        for_admins(ctx, "made")?;
        let asked = body.word("projectTemplateId")?;
        if let Some(other) = asked.filter(|id| id != project_template::CATTLE) {
            let why = format!("there is no projectTemplate {other}");
            return Err(ApiError::on(Code::InvalidReference, "projectTemplateId", why));
        }
        let mut settings = ProjectSettings::default();
        settings::read(&mut settings, body)?;
        settings.members = member::read(ctx.next_id() + 1, ctx.now, &[], body)?;
        let made = Project {
            id: ProjectId(ctx.next_id()),
            name: body.required("name")?,
            description: body.text("description")?.unwrap_or_default(),
            settings,
            created_at: ctx.now,
            removed_at: None,
        };
        check_name(ctx, &made)?;
        let id = Kind::Project.id(made.id.0);
        Ok(Outcome::render(vec![Change::PutProject(made)], SCHEMA.plural, id, 201))
    }

    fn update(&self, ctx: &Context<'_>, id: &str, body: Body<'_>) -> Result<Outcome, ApiError> {
        let held = living(ctx, id)?;
        let mut edited = held.clone();
        if let Some(name) = body.word("name")? {
            edited.name = name;
            check_name(ctx, &edited)?;
        }
        if body.names("description") {
            edited.description = body.text("description")?.unwrap_or_default();
        }
        settings::read(&mut edited.settings, body)?;
        Ok(put(held, edited, 200))
    }

    /// Everything in it goes too: stacks with their services, hosts, registries, certificates, secrets and keys.
    fn delete(&self, ctx: &Context<'_>, id: &str) -> Result<Outcome, ApiError> {
        for_admins(ctx, "removed")?;
        let held = living(ctx, id)?;
        let mut changes = contents(ctx, held.id)?;
        changes.push(Change::PutProject(Project { removed_at: Some(ctx.now), ..held.clone() }));
        Ok(Outcome::render(changes, SCHEMA.plural, id.to_owned(), 200))
    }

    fn act(
        &self,
        ctx: &Context<'_>,
        id: &str,
        action: &str,
        body: Body<'_>,
    ) -> Result<Outcome, ApiError> {
        let held = living(ctx, id)?;
        let project = held.id;
        if action == "networkdoctor" {
            return Ok(Outcome { changes: Vec::new(), then: Then::DiagnoseNetwork { project } });
        }
        if action == "forecast" {
            let then = forecast::ask(ctx, project, body)?;
            return Ok(Outcome { changes: Vec::new(), then });
        }
        let changes = match action {
            "activate" | "deactivate" => {
                for_admins(ctx, "switched")?;
                let mut edited = held.clone();
                edited.settings.inactive = action == "deactivate";
                return Ok(put(held, edited, 202));
            }
            "setmembers" => return member::set(ctx, held, body),
            "rebalance" => return rebalance::rebalance(ctx, project, body),
            "cancelrebalance" => rebalance::cancel(ctx, project, body)?,
            _ => Vec::new(),
        };
        Ok(Outcome::render(changes, SCHEMA.plural, id.to_owned(), 200))
    }
}

/// A project as Rancher shows it.
fn render(ctx: &Context<'_>, project: &Project) -> Value {
    let envelope = Envelope {
        schema: &SCHEMA,
        id: Kind::Project.id(project.id.0),
        name: &project.name,
        description: &project.description,
        standing: Standing::switched(PROJECT, !project.settings.inactive, project.removed_at),
        // Its own: clients compare the two.
        project: Some(project.id),
        created: project.created_at,
        removed: project.removed_at,
    };
    let fields = json!({
        "orchestration": "cattle",
        "projectTemplateId": project_template::CATTLE,
        "healthState": "healthy",
        "version": "2",
        "members": member::of(ctx, project),
        "virtualMachine": project.settings.virtual_machines,
        "defaultNetworkId": network_id(project.id),
        "hostRemoveDelaySeconds": project.settings.host_remove_delay_s,
        "servicesPortRange": settings::ports(&project.settings),
    });
    finish(ctx, envelope, fields)
}

fn living<'a>(ctx: &'a Context<'_>, id: &str) -> Result<&'a Project, ApiError> {
    let found = Kind::Project.parse(id).and_then(|id| ctx.world.projects.get(&ProjectId(id)));
    let found = found.filter(|project| ctx.sees(project.id) && project.removed_at.is_none());
    found.map(|project| &**project).ok_or_else(|| ApiError::not_found(format!("project {id}")))
}

fn for_admins(ctx: &Context<'_>, what: &str) -> Result<(), ApiError> {
    if ctx.caller.grant == Grant::Admin {
        return Ok(());
    }
    let why = format!("a project is {what} with a key for all projects; this one is for one");
    Err(ApiError::new(Code::Forbidden, why))
}

fn check_name(ctx: &Context<'_>, made: &Project) -> Result<(), ApiError> {
    let others = ctx.world.projects.values();
    let mut others = others.filter(|other| other.id != made.id && other.removed_at.is_none());
    if others.any(|other| other.name.eq_ignore_ascii_case(&made.name)) {
        let why = format!("there is a project named {} already", made.name);
        return Err(ApiError::on(Code::NotUnique, "name", why));
    }
    Ok(())
}

/// What removes everything in a project.
fn contents(ctx: &Context<'_>, project: ProjectId) -> Result<Vec<Change>, ApiError> {
    let mut changes = Vec::new();
    let stacks = ctx.world.stacks.values();
    for held in stacks.filter(|s| s.project == project && s.removed_at.is_none()) {
        let id = Kind::Stack.id(held.id.0);
        changes.extend(stack::Stacks.delete(ctx, &id)?.changes);
    }
    let hosts = ctx.world.hosts.values();
    for held in hosts.filter(|h| h.project == project && h.removed_at.is_none()) {
        changes.extend(host::removal(ctx.world, ctx.now, held));
    }
    let registries = ctx.world.registries.values();
    for held in registries.filter(|r| r.project == project && r.removed_at.is_none()) {
        changes.push(registry::removal(ctx, held));
    }
    let certificates = ctx.world.certificates.values();
    for held in certificates.filter(|c| c.project == project && c.removed_at.is_none()) {
        changes.push(certificate::removal(ctx, held));
    }
    let volumes = ctx.world.project_volumes.values();
    for held in volumes.filter(|v| v.project == project && v.removed_at.is_none()) {
        changes.push(volume::removal(ctx.now, held));
    }
    let secrets = ctx.world.secrets.values();
    for held in secrets.filter(|s| s.project == project && s.removed_at.is_none()) {
        changes.push(secret::removal(ctx, held));
    }
    for held in ctx.world.credentials.values().filter(|c| c.removed_at.is_none()) {
        let is_its = match held.grants {
            Grant::Project(of) | Grant::Registration { project: of, .. } => of == project,
            Grant::Admin | Grant::Agent(_) => false,
        };
        if is_its {
            changes.push(Change::PutCredential(credential::removed(ctx, held)));
        }
    }
    Ok(changes)
}

/// Commit an edited project, if it is any different.
fn put(held: &Project, edited: Project, status: u16) -> Outcome {
    let id = Kind::Project.id(held.id.0);
    let changes = if edited == *held { vec![] } else { vec![Change::PutProject(edited)] };
    Outcome::render(changes, SCHEMA.plural, id, status)
}
