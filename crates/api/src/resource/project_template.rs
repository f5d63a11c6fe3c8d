//! Project templates: which stacks a new environment begins with. One is there without being made, under the name that Rancher's
//! clients look for: what Rancher's had in it (network, name service, health checks, scheduler) every environment has here.

use std::collections::BTreeSet;

use drover_core::{
    Change, ProjectId, ProjectTemplate, ProjectTemplateId, Rank, Rollout, RolloutPhase, Stack,
    StackId, TemplateStack, Texts, Time, World, name,
};
use serde_json::{Value, json};

use super::{Envelope, Resource, finish};
use crate::access::Place;
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::outcome::Outcome;
use crate::row::{Only, Rows, rendered, whole};
use crate::schema::{COMMON, EDIT, Field, LIST_CREATE, Schema};
use crate::state::{DEFAULT, Standing};
use crate::texts;

/// The id of the one that is there without being made; nothing that is made has its number.
const CATTLE: &str = "1pt1";
/// Stacks of a template at most.
const STACKS: u32 = 50;
/// What the texts of a template's stacks may come to: a project is made of all of them at once.
const TEXTS_BYTES: usize = 1 << 20;

static SCHEMA: Schema = Schema {
    name: "projectTemplate",
    plural: "projectTemplates",
    base: "projectTemplate",
    collection: LIST_CREATE,
    resource: EDIT,
    fields: &[
        COMMON,
        &[
            Field::name().required().min_length(1),
            Field::described(),
            Field::cru("isPublic", "boolean").default("false").about("everybody's to use"),
            Field::cru("stacks", "array[catalogTemplate]").length(0, STACKS),
        ],
    ],
    actions: &[("remove", "", "projectTemplate"), ("update", "", "projectTemplate")],
    links: &[],
};

/// The resource.
pub(crate) struct ProjectTemplates;

impl Resource for ProjectTemplates {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        rendered(self.list(ctx, &Only::default()))
    }

    fn list<'a>(&self, ctx: &'a Context<'a>, _: &Only<'_>) -> Rows<'a> {
        let made = ctx.world.project_templates.values().filter(|held| sees(ctx, held));
        whole(ctx, std::iter::once(cattle(ctx)).chain(made.map(|held| render(ctx, held))))
    }

    fn row(&self, ctx: &Context<'_>, id: &str) -> Option<Value> {
        if id == CATTLE { Some(cattle(ctx)) } else { find(ctx, id).map(|held| render(ctx, held)) }
    }

    fn place(&self, ctx: &Context<'_>, _: Body<'_>) -> Result<Place, ApiError> {
        Ok(ctx.rights.account().map_or(Place::Cluster, Place::Account))
    }

    fn create(&self, ctx: &Context<'_>, body: Body<'_>) -> Result<Outcome, ApiError> {
        let made = ProjectTemplate {
            id: ProjectTemplateId(ctx.next_id()),
            account: ctx.rights.account(),
            name: body.required("name")?,
            description: body.text("description")?.unwrap_or_default(),
            is_public: public(ctx, body)?.unwrap_or(false),
            stacks: stacks(ctx, body)?,
            created_at: ctx.now,
            removed_at: None,
        };
        Ok(put(made, 201))
    }

    /// Projects that were made of it stay as they are.
    fn update(&self, ctx: &Context<'_>, id: &str, body: Body<'_>) -> Result<Outcome, ApiError> {
        let mut edited = living(ctx, id)?.clone();
        if let Some(name) = body.word("name")? {
            edited.name = name;
        }
        if body.names("description") {
            edited.description = body.text("description")?.unwrap_or_default();
        }
        if let Some(is_public) = public(ctx, body)? {
            edited.is_public = is_public;
        }
        if body.names("stacks") {
            edited.stacks = stacks(ctx, body)?;
        }
        Ok(put(edited, 200))
    }

    fn delete(&self, ctx: &Context<'_>, id: &str) -> Result<Outcome, ApiError> {
        Ok(put(removed(ctx, living(ctx, id)?), 200))
    }
}

/// The template that a new project is to be made of; `None` for the one that adds nothing.
pub(super) fn chosen<'a>(
    ctx: &'a Context<'_>,
    body: Body<'_>,
) -> Result<Option<&'a ProjectTemplate>, ApiError> {
    let Some(id) = body.word("projectTemplateId")?.filter(|id| id != CATTLE) else {
        return Ok(None);
    };
    let found = find(ctx, &id).filter(|held| held.removed_at.is_none());
    found.map(Some).ok_or_else(|| {
        let why = format!("there is no projectTemplate {id}");
        ApiError::on(Code::InvalidReference, "projectTemplateId", why)
    })
}

/// The id of what a project was made of.
pub(super) fn id(template: Option<ProjectTemplateId>) -> String {
    template.map_or_else(|| CATTLE.to_owned(), |id| Kind::ProjectTemplate.id(id.0))
}

/// What makes a template's stacks in a project that is new in this world: numbered from `next` on, and started.
pub(super) fn launch(
    ctx: &Context<'_>,
    world: &World,
    template: &ProjectTemplate,
    project: ProjectId,
    next: u64,
) -> Result<Vec<Change>, ApiError> {
    let made = made(ctx, world, project, next, &template.stacks).map_err(|(_, why)| {
        let why = format!("template {}, {why}", template.name);
        ApiError::on(Code::InvalidReference, "projectTemplateId", why)
    })?;
    Ok(made.into_iter().map(Change::PutStack).collect())
}

/// A template's stacks in a project; or what is wrong with the first that can't be made.
fn made(
    ctx: &Context<'_>,
    world: &World,
    project: ProjectId,
    next: u64,
    stacks: &[TemplateStack],
) -> Result<Vec<Stack>, (Code, String)> {
    let mut bytes = 0;
    let made = (next..).zip(stacks).map(|(number, stack)| {
        let wrong = |code, why: String| (code, format!("stack {}: {why}", stack.name));
        let texts = texts_of(ctx, stack).map_err(|why| wrong(Code::InvalidReference, why))?;
        bytes += size(&texts);
        if bytes > TEXTS_BYTES {
            let most = TEXTS_BYTES >> 20;
            let why = format!("the texts of a template's stacks may come to {most} MiB");
            return Err(wrong(Code::MaxLengthExceeded, why));
        }
        let made = Stack {
            start_on_create: true,
            rollout: Some(Rollout::begin(RolloutPhase::Creating, &ctx.caller.access, ctx.now)),
            ..Stack::new(StackId(number), project, &stack.name, ctx.now).made_of(texts)
        };
        texts::stack_spec(world, &made)
            .map_err(|why| wrong(Code::InvalidFormat, why.to_string()))?;
        Ok(made)
    });
    made.collect()
}

/// What removes a template.
pub(super) fn removed(ctx: &Context<'_>, held: &ProjectTemplate) -> ProjectTemplate {
    ProjectTemplate { removed_at: Some(ctx.now), ..held.clone() }
}

fn put(made: ProjectTemplate, status: u16) -> Outcome {
    let id = Kind::ProjectTemplate.id(made.id.0);
    let changes = vec![Change::PutProjectTemplate(Box::new(made))];
    Outcome::render(changes, SCHEMA.plural, id, status)
}

/// Its maker sees it, an administrator, and everybody if it is everybody's.
fn sees(ctx: &Context<'_>, held: &ProjectTemplate) -> bool {
    let own = || held.account.is_some_and(|id| ctx.rights.over_account(id).is_some());
    held.is_public || ctx.rights.base() == Rank::Admin || own()
}

fn find<'a>(ctx: &'a Context<'_>, id: &str) -> Option<&'a ProjectTemplate> {
    let number = Kind::ProjectTemplate.parse(id)?;
    let found = ctx.world.project_templates.get(&ProjectTemplateId(number))?;
    sees(ctx, found).then_some(&**found)
}

fn living<'a>(ctx: &'a Context<'_>, id: &str) -> Result<&'a ProjectTemplate, ApiError> {
    if id == CATTLE {
        let why = "Cattle is there of itself, and stays as it is: make another template";
        return Err(ApiError::new(Code::MethodNotAllowed, why));
    }
    let found = find(ctx, id).filter(|held| held.removed_at.is_none());
    found.ok_or_else(|| ApiError::not_found(format!("projectTemplate {id}")))
}

/// What is everybody's is an administrator's to say.
fn public(ctx: &Context<'_>, body: Body<'_>) -> Result<Option<bool>, ApiError> {
    let asked = body.flag("isPublic")?;
    if asked == Some(true) && ctx.rights.base() != Rank::Admin {
        let why = "a template for everybody (`isPublic`) is an administrator's to make";
        return Err(ApiError::new(Code::Forbidden, why));
    }
    Ok(asked)
}

/// The stacks in a body; each makes sense by itself.
fn stacks(ctx: &Context<'_>, body: Body<'_>) -> Result<Vec<TemplateStack>, ApiError> {
    let (mut stacks, mut names) = (Vec::new(), BTreeSet::new());
    for part in body.bodies("stacks")? {
        let refuse = |code, why: String| ApiError::on(code, "stacks", why);
        let word =
            |name: &str| part.text(name).map(|text| text.filter(|text| !text.trim().is_empty()));
        let stack = TemplateStack {
            name: part.required("name")?,
            template: word("templateId")?,
            version: word("templateVersionId")?,
            docker_compose: word("dockerCompose")?,
            rancher_compose: word("rancherCompose")?,
            answers: part.map("answers")?.unwrap_or_default(),
        };
        name::check_name(&stack.name)
            .map_err(|why| refuse(Code::InvalidCharacters, why.to_string()))?;
        if !names.insert(stack.name.to_ascii_lowercase()) {
            let why = format!("two stacks of the template are named {}", stack.name);
            return Err(refuse(Code::NotUnique, why));
        }
        stacks.push(stack);
    }
    // As they would be in a project.
    made(ctx, ctx.world, ProjectId(0), 0, &stacks)
        .map_err(|(code, why)| ApiError::on(code, "stacks", why))?;
    Ok(stacks)
}

/// What a stack is made of, as the catalog has it now.
fn texts_of(ctx: &Context<'_>, stack: &TemplateStack) -> Result<Texts, String> {
    let mut texts = match stack.version.as_ref().or(stack.template.as_ref()) {
        None => Texts::default(),
        Some(id) => ctx.library.texts(id).ok_or_else(|| {
            format!("there is no {id} in this server's catalog (`drover server --catalog`)")
        })?,
    };
    texts.docker_compose = stack.docker_compose.clone().or(texts.docker_compose);
    texts.rancher_compose = stack.rancher_compose.clone().or(texts.rancher_compose);
    // Where the catalog's clients put them, and an upgrade from there looks for them.
    texts.environment = stack.answers.clone();
    Ok(texts)
}

fn size(texts: &Texts) -> usize {
    let own = [&texts.docker_compose, &texts.rancher_compose].into_iter().flatten();
    own.chain(texts.templates.values()).map(String::len).sum()
}

fn cattle(ctx: &Context<'_>) -> Value {
    let envelope = Envelope {
        schema: &SCHEMA,
        id: CATTLE.to_owned(),
        name: "Cattle",
        description: "Plain Docker hosts",
        standing: Standing::of(&[], "active"),
        project: None,
        created: Time(0),
        removed: None,
    };
    finish(ctx, envelope, json!({ "isPublic": true, "stacks": [] }))
}

fn render(ctx: &Context<'_>, held: &ProjectTemplate) -> Value {
    let envelope = Envelope {
        schema: &SCHEMA,
        id: Kind::ProjectTemplate.id(held.id.0),
        name: &held.name,
        description: &held.description,
        standing: Standing::present(DEFAULT, held.removed_at),
        project: None,
        created: held.created_at,
        removed: held.removed_at,
    };
    let stacks = held.stacks.iter().map(|stack| {
        json!({
            "type": "catalogTemplate",
            "name": stack.name,
            "templateId": stack.template,
            "templateVersionId": stack.version,
            "dockerCompose": stack.docker_compose,
            "rancherCompose": stack.rancher_compose,
            "answers": stack.answers,
        })
    });
    let mut fields = json!({ "isPublic": held.is_public, "stacks": stacks.collect::<Vec<_>>() });
    // What is everybody's is nobody's in particular.
    let owner = held.account.filter(|_| !held.is_public);
    if let Some(owner) = owner {
        fields["accountId"] = json!(Kind::Account.id(owner.0));
    }
    finish(ctx, envelope, fields)
}
