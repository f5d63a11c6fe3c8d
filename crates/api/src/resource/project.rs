//! Projects: Rancher's environments.

mod forecast;
pub(super) mod rebalance;
mod settings;

use drover_core::{Change, Grant, Identity, MemberRole, Project, ProjectId, ProjectSettings};
use serde_json::{Value, json};

use super::derived::network_id;
use super::{
    Envelope, Resource, certificate, credential, finish, host, member, project_template, registry,
    secret, stack, volume, webhook_receiver,
};
use crate::access::Place;
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::outcome::{Outcome, Then};
use crate::schema::{COMMON, EDIT, Field, LIST_CREATE, Link, Schema, inputs};
use crate::state::{PROJECT, Standing};
use crate::stats::StatsOf;
pub use forecast::Foretold;

static SCHEMA: Schema = Schema {
    name: "project",
    plural: "projects",
    base: "account",
    collection: LIST_CREATE,
    resource: EDIT,
    fields: &[
        COMMON,
        &[
            Field::name().required().min_length(1),
            Field::described(),
            Field::cr("projectTemplateId", "reference[projectTemplate]"),
            Field::cr("members", "array[projectMember]").length(0, inputs::MEMBERS),
            Field::r("orchestration", "string"),
            Field::r("healthState", "string"),
            Field::r("version", "string"),
            Field::cru("servicesPortRange", "servicesPortRange"),
            Field::cru("virtualMachine", "boolean").default("false"),
            Field::cru("hostRemoveDelaySeconds", "int").count(0),
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
        Link::Made { name: "hostStats", make: |_, id| stats(id, StatsOf::Hosts) },
        Link::Made { name: "containerStats", make: |_, id| stats(id, StatsOf::Project) },
    ],
};

fn stats(id: &str, of: fn(ProjectId) -> StatsOf) -> Option<Then> {
    Kind::Project.parse(id).map(|id| Then::Stats(of(ProjectId(id))))
}

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

    fn place(&self, ctx: &Context<'_>, _: Body<'_>) -> Result<Place, ApiError> {
        Ok(ctx.rights.account().map_or(Place::Cluster, Place::Account))
    }

    /// Whoever makes one owns it, unless the body names another owner.
    fn create(&self, ctx: &Context<'_>, body: Body<'_>) -> Result<Outcome, ApiError> {
        let template = project_template::chosen(ctx, body)?;
        let mut settings = ProjectSettings {
            template: template.map(|template| template.id),
            ..ProjectSettings::default()
        };
        settings::read(&mut settings, body)?;
        let made = Project {
            id: ProjectId(ctx.next_id()),
            name: body.required("name")?,
            description: body.text("description")?.unwrap_or_default(),
            settings,
            created_at: ctx.now,
            removed_at: None,
        };
        check_name(ctx, &made)?;
        let (number, id) = (made.id, Kind::Project.id(made.id.0));
        let members = first_members(ctx, body)?;
        let mut changes = vec![Change::PutProject(made)];
        changes.extend(member::replace(ctx, number, &members, number.0 + 1));
        if let Some(template) = template {
            let world = ctx.world.commit(&changes)?.0;
            changes.extend(project_template::launch(ctx, &world, template, number, world.next_id)?);
        }
        Ok(Outcome::render(changes, SCHEMA.plural, id, 201))
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
                let mut edited = held.clone();
                edited.settings.inactive = action == "deactivate";
                return Ok(put(held, edited, 202));
            }
            "setmembers" => return set_members(ctx, project, body),
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
        "projectTemplateId": project_template::id(project.settings.template),
        "healthState": "healthy",
        "version": "2",
        "members": member::living(ctx, project.id).map(member::part).collect::<Vec<_>>(),
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
    let webhooks = ctx.world.webhooks.values();
    for held in webhooks.filter(|w| w.project == project && w.removed_at.is_none()) {
        changes.push(webhook_receiver::removal(ctx, held));
    }
    for held in ctx.world.credentials.values().filter(|c| c.removed_at.is_none()) {
        let is_its = match held.grants {
            Grant::Project(of) | Grant::Registration { project: of, .. } => of == project,
            Grant::Admin | Grant::Account(_) | Grant::Agent(_) => false,
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

fn first_members(ctx: &Context<'_>, body: Body<'_>) -> Result<Vec<member::Wanted>, ApiError> {
    let mut members = member::list(ctx, body)?;
    if let Some(maker) = ctx.rights.account().map(Identity::Account)
        && !member::has_owner(ctx, &members)
    {
        members.retain(|(who, _)| *who != maker);
        members.push((maker, MemberRole::Owner));
    }
    Ok(members)
}

fn set_members(ctx: &Context<'_>, project: ProjectId, body: Body<'_>) -> Result<Outcome, ApiError> {
    let members = member::list(ctx, body)?;
    member::keep_owner(ctx, project, &members)?;
    let changes = member::replace(ctx, project, &members, ctx.next_id());
    let (plural, id) = (SCHEMA.plural, Kind::Project.id(project.0));
    Ok(Outcome { changes, then: Then::Link { plural, id, link: "projectMembers" } })
}
