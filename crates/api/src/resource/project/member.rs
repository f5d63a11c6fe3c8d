//! Members of projects: who a project is said to belong to, kept to be read back. What a caller may do follows from its key
//! alone.

use drover_core::{Change, Member, Project, Time};
use serde_json::{Value, json};

use crate::body::Body;
use crate::collection::whole;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::outcome::{Outcome, Then};
use crate::resource::{Envelope, Resource, finish};
use crate::schema::{COMMON, Field, Link, READ, Schema};
use crate::state::{DEFAULT, Standing};

const ROLES: [&str; 4] = ["owner", "member", "restricted", "readonly"];

static SCHEMA: Schema = Schema {
    name: "projectMember",
    plural: "projectMembers",
    base: "projectMember",
    collection: READ,
    resource: READ,
    fields: &[
        COMMON,
        &[
            Field::r("name", "string"),
            Field::r("description", "string"),
            Field::cr("externalId", "string").required(),
            Field::cr("externalIdType", "string").required(),
            Field::cr("role", "enum").required().options(&ROLES),
            Field::r("projectId", "reference[project]"),
        ],
    ],
    actions: &[],
    links: &[
        Link::Parent { name: "account", plural: "projects", field: "accountId" },
        Link::Parent { name: "project", plural: "projects", field: "projectId" },
    ],
};

/// The resource.
pub(crate) struct ProjectMembers;

impl Resource for ProjectMembers {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        let projects = ctx.world.projects.values();
        let projects = projects.filter(|p| ctx.sees(p.id) && p.removed_at.is_none());
        projects.flat_map(|project| of(ctx, project)).collect()
    }

    fn create(&self, _: &Context<'_>, _: Body<'_>) -> Result<Outcome, ApiError> {
        let why = "members are set all at once: use the action setmembers of their project";
        Err(ApiError::new(Code::MethodNotAllowed, why))
    }
}

/// The members of a project.
pub(super) fn of(ctx: &Context<'_>, project: &Project) -> Vec<Value> {
    project.settings.members.iter().map(|member| render(ctx, project, member)).collect()
}

/// The action `setmembers`: all of them, in place of those there were.
pub(super) fn set(ctx: &Context<'_>, held: &Project, body: Body<'_>) -> Result<Outcome, ApiError> {
    let mut edited = held.clone();
    edited.settings.members = read(ctx.next_id(), ctx.now, &held.settings.members, body)?;
    let own = ctx.resource_url("projects", &Kind::Project.id(held.id.0));
    let then = whole("projectMember", &format!("{own}/projectmembers"), &of(ctx, &edited));
    let changes = if edited == *held { vec![] } else { vec![Change::PutProject(edited)] };
    Ok(Outcome { changes, then: Then::Body(then) })
}

/// Members as a body gives them; one that was there keeps its number, which others get from `next` on.
pub(super) fn read(
    mut next: u64,
    now: Time,
    held: &[Member],
    body: Body<'_>,
) -> Result<Vec<Member>, ApiError> {
    let mut members: Vec<Member> = Vec::new();
    for given in body.bodies("members")? {
        let text = |name| given.word(name)?.ok_or_else(|| given.lacks(name));
        let (external_id, external_id_type) = (text("externalId")?, text("externalIdType")?);
        let role = given.word("role")?.unwrap_or_else(|| "member".to_owned());
        if !ROLES.contains(&role.as_str()) {
            let why = format!("`{role}` is none of {}", ROLES.join(", "));
            return Err(given.refuse(Code::InvalidOption, "role", &why));
        }
        let is_same = |member: &&Member| {
            member.external_id == external_id && member.external_id_type == external_id_type
        };
        if members.iter().any(|member| is_same(&member)) {
            let why = format!("{external_id} ({external_id_type}) stands there twice");
            return Err(given.refuse(Code::NotUnique, "externalId", &why));
        }
        let (id, since) = held.iter().find(is_same).map_or((next, now), |h| (h.id, h.since));
        next = next.max(id + 1);
        members.push(Member { id, external_id, external_id_type, role, since });
    }
    Ok(members)
}

fn render(ctx: &Context<'_>, project: &Project, member: &Member) -> Value {
    let mut standing = Standing::present(DEFAULT, None);
    standing.actions.clear();
    let envelope = Envelope {
        schema: &SCHEMA,
        id: Kind::ProjectMember.id(member.id),
        name: "",
        description: "",
        standing,
        project: Some(project.id),
        created: member.since,
        removed: None,
    };
    let fields = json!({
        "externalId": member.external_id,
        "externalIdType": member.external_id_type,
        "role": member.role,
        "projectId": Kind::Project.id(project.id.0),
    });
    finish(ctx, envelope, fields)
}
