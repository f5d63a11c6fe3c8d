//! Members of projects, one by one; a project's action `setmembers` says all of them at once.

use drover_core::{Change, Member, MemberId};
use serde_json::{Value, json};

use super::{Envelope, Resource, finish, member};
use crate::access::Place;
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::outcome::Outcome;
use crate::schema::{COMMON, EDIT, Field, LIST_CREATE, Link, Schema};
use crate::state::{DEFAULT, Standing};

static SCHEMA: Schema = Schema {
    name: "projectMember",
    plural: "projectMembers",
    base: "projectMember",
    collection: LIST_CREATE,
    resource: EDIT,
    fields: &[
        COMMON,
        &[
            Field::r("name", "string"),
            Field::r("description", "string"),
            Field::cr("projectId", "reference[project]"),
            Field::cr("externalId", "string").required().length(1, 255),
            Field::cr("externalIdType", "string")
                .required()
                .length(1, 255)
                .about("`rancher_id` for an account of this cluster, by its id"),
            Field::cru("role", "enum").required().options(&[
                "owner",
                "member",
                "restricted",
                "readonly",
            ]),
        ],
    ],
    actions: &[("remove", "", "projectMember"), ("update", "", "projectMember")],
    links: &[Link::Parent { name: "project", plural: "projects", field: "projectId" }],
};

/// The resource.
pub(crate) struct ProjectMembers;

impl Resource for ProjectMembers {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        let held = ctx.world.members.values().filter(|held| ctx.sees(held.project));
        held.map(|held| render(ctx, held)).collect()
    }

    fn place(&self, ctx: &Context<'_>, body: Body<'_>) -> Result<Place, ApiError> {
        let project = match body.hint("projectId") {
            Some(id) => ctx.living_project("projectId", &id)?,
            None => ctx.project()?,
        };
        Ok(Place::Project(project))
    }

    fn create(&self, ctx: &Context<'_>, body: Body<'_>) -> Result<Outcome, ApiError> {
        let project = ctx.project()?;
        let (who, role) = member::wanted(ctx, body)?;
        if member::living(ctx, project).any(|held| held.who == who) {
            let why = "this is a member already: change its role instead";
            return Err(ApiError::on(Code::NotUnique, "externalId", why));
        }
        let id = MemberId(ctx.next_id());
        let made = Member { id, project, who, role, created_at: ctx.now, removed_at: None };
        Ok(put(made, 201))
    }

    fn update(&self, ctx: &Context<'_>, id: &str, body: Body<'_>) -> Result<Outcome, ApiError> {
        let held = living(ctx, id)?;
        if !body.names("role") {
            return Ok(Outcome::render(Vec::new(), SCHEMA.plural, id.to_owned(), 200));
        }
        let edited = Member { role: member::role(body)?, ..held.clone() };
        keep_owner(ctx, held, Some(&edited))?;
        Ok(put(edited, 200))
    }

    fn delete(&self, ctx: &Context<'_>, id: &str) -> Result<Outcome, ApiError> {
        let held = living(ctx, id)?;
        keep_owner(ctx, held, None)?;
        Ok(put(member::removed(ctx, held), 200))
    }
}

fn render(ctx: &Context<'_>, held: &Member) -> Value {
    let accounts = ctx.world.accounts.values().filter(|account| account.removed_at.is_none());
    let account = accounts.into_iter().find(|account| {
        let counts = Member { removed_at: None, ..held.clone() };
        counts.counts_for(account)
    });
    let envelope = Envelope {
        schema: &SCHEMA,
        id: Kind::ProjectMember.id(held.id.0),
        name: account.map_or("", |account| account.name.as_str()),
        description: "",
        standing: Standing::present(DEFAULT, held.removed_at),
        project: Some(held.project),
        created: held.created_at,
        removed: held.removed_at,
    };
    let (kind, id) = member::identity(&held.who);
    let fields = json!({
        "projectId": Kind::Project.id(held.project.0),
        "role": member::role_word(held.role),
        "externalId": id,
        "externalIdType": kind,
    });
    finish(ctx, envelope, fields)
}

fn living<'a>(ctx: &'a Context<'_>, id: &str) -> Result<&'a Member, ApiError> {
    let held = Kind::ProjectMember.parse(id).and_then(|id| ctx.world.members.get(&MemberId(id)));
    let held = held.filter(|held| ctx.sees(held.project) && held.removed_at.is_none());
    held.map(|held| &**held).ok_or_else(|| ApiError::not_found(format!("projectMember {id}")))
}

fn keep_owner(ctx: &Context<'_>, held: &Member, edited: Option<&Member>) -> Result<(), ApiError> {
    let others = member::living(ctx, held.project).filter(|other| other.id != held.id);
    let after: Vec<_> = others.chain(edited).map(|m| (m.who.clone(), m.role)).collect();
    member::keep_owner(ctx, held.project, &after)
}

fn put(held: Member, status: u16) -> Outcome {
    let id = Kind::ProjectMember.id(held.id.0);
    Outcome::render(vec![Change::PutMember(held)], SCHEMA.plural, id, status)
}
