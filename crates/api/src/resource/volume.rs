//! Volumes: those asked for here, those made for what stacks declare, and on each host those that services name without
//! anybody having declared them.
//!
//! A volume is made on a host when the first container there mounts it. Only what was asked for here can be edited and
//! removed here, and removing it takes no data from a host: the row is a name with a driver and options.

use std::borrow::Cow;

use drover_core::derive::{KnownVolume, VolumeOrigin, asked_volume, volumes};
use drover_core::{Change, ProjectVolume, Stack, Time, VolumeId};
use serde_json::{Value, json};

use super::container::member::of_unit;
use super::{Envelope, Resource, finish};
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::outcome::Outcome;
use crate::schema::{COMMON, EDIT, Field, LIST_CREATE, Link, Schema};
use crate::state::{Standing, VOLUME};

static SCHEMA: Schema = Schema {
    name: "volume",
    plural: "volumes",
    base: "volume",
    collection: LIST_CREATE,
    resource: EDIT,
    fields: &[
        COMMON,
        &[
            Field::name().not_updated().required().min_length(1).valid_chars("a-zA-Z0-9_.-"),
            Field::described(),
            Field::cr("driver", "string"),
            Field::cr("driverOpts", "map[string]"),
            Field::r("accessMode", "string"),
            Field::r("externalId", "string"),
            Field::r("hostId", "reference[host]")
                .instead("a volume is made where it is first mounted: place the service that does"),
            Field::r("isHostPath", "boolean"),
            Field::r("mounts", "array[mountEntry]"),
            Field::r("sizeMb", "int").instead("drivers that know a size take it in driverOpts"),
            Field::r("stackId", "reference[stack]")
                .instead("volumes of one stack are made from a volumeTemplate of it"),
            Field::r("storageDriverId", "string").instead("name the driver in `driver`"),
            Field::r("uri", "string"),
            Field::r("volumeTemplateId", "reference[volumeTemplate]")
                .instead("what a template is for is made when a service mounts it"),
        ],
    ],
    actions: &[("remove", "", "volume"), ("update", "", "volume")],
    links: &[
        Link::Parent { name: "account", plural: "projects", field: "accountId" },
        Link::Parent { name: "host", plural: "hosts", field: "hostId" },
        Link::Children { name: "mounts", plural: "mounts", field: "volumeId" },
        Link::Parent { name: "stack", plural: "stacks", field: "stackId" },
        Link::Children { name: "storagePools", plural: "storagePools", field: "volumeIds" },
        Link::Parent {
            name: "volumeTemplate",
            plural: "volumeTemplates",
            field: "volumeTemplateId",
        },
    ],
};

/// The resource.
pub(crate) struct Volumes;

impl Resource for Volumes {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        known(ctx).iter().map(|volume| render(ctx, volume)).collect()
    }

    fn create(&self, ctx: &Context<'_>, body: Body<'_>) -> Result<Outcome, ApiError> {
        let made = ProjectVolume {
            id: VolumeId(ctx.next_id()),
            project: ctx.project()?,
            name: body.required("name")?,
            description: body.text("description")?.unwrap_or_default(),
            driver: body.text("driver")?.unwrap_or_default(),
            driver_options: body.map("driverOpts")?.unwrap_or_default(),
            created_at: ctx.now,
            removed_at: None,
        };
        if !made.name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            let why = format!("`name`: `{}` does not begin with a letter or digit", made.name);
            return Err(ApiError::on(Code::InvalidCharacters, "name", why));
        }
        if asked_volume(ctx.world, made.project, &made.name).is_some() {
            let why = format!("this project has a volume {} already", made.name);
            return Err(ApiError::on(Code::NotUnique, "name", why));
        }
        let id = Kind::Volume.id(made.id.0);
        Ok(Outcome::render(vec![Change::PutProjectVolume(made)], SCHEMA.plural, id, 201))
    }

    /// Only what is said of it: the data would be left behind by another name or driver.
    fn update(&self, ctx: &Context<'_>, id: &str, body: Body<'_>) -> Result<Outcome, ApiError> {
        let held = asked(ctx, id, "changed")?;
        let mut edited = held.clone();
        if body.names("description") {
            edited.description = body.text("description")?.unwrap_or_default();
        }
        let changes = if edited == *held { vec![] } else { vec![Change::PutProjectVolume(edited)] };
        Ok(Outcome::render(changes, SCHEMA.plural, id.to_owned(), 200))
    }

    fn delete(&self, ctx: &Context<'_>, id: &str) -> Result<Outcome, ApiError> {
        let changes = vec![removal(ctx.now, asked(ctx, id, "removed")?)];
        Ok(Outcome::render(changes, SCHEMA.plural, id.to_owned(), 200))
    }
}

/// All volumes the caller may see.
pub(super) fn known(ctx: &Context<'_>) -> Vec<KnownVolume> {
    volumes(ctx.world, |project| ctx.sees(project))
}

/// What removes a volume that was asked for.
pub(super) fn removal(now: Time, held: &ProjectVolume) -> Change {
    Change::PutProjectVolume(ProjectVolume { removed_at: Some(now), ..held.clone() })
}

/// The wire id of a volume. Numbers of those that nobody asked for are made of what they came from, above all others.
pub(in crate::resource) fn id_of(ctx: &Context<'_>, origin: &VolumeOrigin) -> String {
    let found = match origin {
        VolumeOrigin::Asked(id) => return Kind::Volume.id(id.0),
        VolumeOrigin::Declared(key) => format!("volume/declared/{key}"),
        VolumeOrigin::Named(host, name) => format!("volume/named/{host}/{name}"),
    };
    Kind::Volume.id(super::number_of(ctx, &found))
}

/// A launch config with the volumes of its `dataVolumeMounts`, which are ids by path, in its `dataVolumes`, by name.
pub(crate) fn by_name<'v>(
    ctx: &Context<'_>,
    stack: &Stack,
    config: &'v Value,
) -> Result<Cow<'v, Value>, ApiError> {
    let mounts = match config.get("dataVolumeMounts") {
        Some(Value::Object(mounts)) if !mounts.is_empty() => mounts,
        _ => return Ok(Cow::Borrowed(config)),
    };
    let known = known(ctx);
    let mut config = config.clone();
    let held = config["dataVolumes"].as_array().cloned().unwrap_or_default();
    let mut volumes: Vec<Value> = held;
    for (path, id) in mounts.iter().filter(|(_, id)| !id.is_null()) {
        let wanted = id.as_str().unwrap_or_default();
        let found = known
            .iter()
            .find(|volume| volume.project == stack.project && id_of(ctx, &volume.origin) == wanted);
        let name = found.and_then(|volume| name_in(ctx, stack, volume)).ok_or_else(|| {
            let why = format!(
                "there is no volume {wanted} that stack {} could mount: those of other stacks are theirs",
                stack.name
            );
            ApiError::on(Code::InvalidReference, "dataVolumeMounts", why)
        })?;
        volumes.push(json!(format!("{name}:{path}")));
    }
    config["dataVolumes"] = volumes.into();
    config["dataVolumeMounts"] = Value::Null;
    Ok(Cow::Owned(config))
}

/// The name by which services of a stack mount a volume.
fn name_in(ctx: &Context<'_>, stack: &Stack, volume: &KnownVolume) -> Option<String> {
    match &volume.origin {
        VolumeOrigin::Asked(_) | VolumeOrigin::Named(..) => Some(volume.name.clone()),
        VolumeOrigin::Declared(key) => {
            let template = ctx.world.volume_templates.get(&key.template)?;
            (template.stack == stack.id).then(|| template.name.clone())
        }
    }
}

fn render(ctx: &Context<'_>, volume: &KnownVolume) -> Value {
    let world = ctx.world;
    let asked = match &volume.origin {
        VolumeOrigin::Asked(id) => world.project_volumes.get(id),
        VolumeOrigin::Declared(_) | VolumeOrigin::Named(..) => None,
    };
    let template = match &volume.origin {
        VolumeOrigin::Declared(key) => world.volume_templates.get(&key.template),
        VolumeOrigin::Asked(_) | VolumeOrigin::Named(..) => None,
    };
    let removed = asked.and_then(|held| held.removed_at);
    let name = match (removed, volume.mounts.is_empty(), template) {
        (Some(_), _, _) => "removed",
        (None, false, _) => "active",
        (None, true, Some(_)) => "detached",
        (None, true, None) => "inactive",
    };
    let mut standing = Standing::of(VOLUME, name);
    if asked.is_none() {
        standing.actions.clear();
    }
    let (driver, options) = match (asked, template) {
        (Some(held), _) => (held.driver.as_str(), held.driver_options.clone()),
        (None, Some(held)) => (held.driver.as_str(), held.driver_options.clone()),
        (None, None) => (driver_of(ctx, volume), std::collections::BTreeMap::new()),
    };
    let first = volume.mounts.first().and_then(|mount| world.unit(mount.unit));
    let created = asked.map(|held| held.created_at).or(template.map(|held| held.created_at));
    let envelope = Envelope {
        schema: &SCHEMA,
        id: id_of(ctx, &volume.origin),
        name: &volume.name,
        description: asked.map_or("", |held| held.description.as_str()),
        standing,
        project: Some(volume.project),
        created: created.or(first.map(|unit| unit.created_at)).unwrap_or_default(),
        removed,
    };
    let is_made = !volume.mounts.is_empty() || template.is_some();
    let fields = json!({
        "driver": if driver.is_empty() { "local" } else { driver },
        "driverOpts": options,
        "accessMode": null,
        "externalId": is_made.then_some(&volume.name),
        "hostId": volume.host.map(|host| Kind::Host.id(host.0)),
        "isHostPath": false,
        "mounts": entries(ctx, volume),
        "sizeMb": null,
        "stackId": template.map(|held| Kind::Stack.id(held.stack.0)),
        "storageDriverId": null,
        "uri": null,
        "volumeTemplateId": template.map(|held| Kind::VolumeTemplate.id(held.id.0)),
    });
    finish(ctx, envelope, fields)
}

/// The driver that services want of a volume nobody declared.
fn driver_of<'a>(ctx: &'a Context<'_>, volume: &KnownVolume) -> &'a str {
    let drivers = volume.mounts.iter().filter_map(|mount| {
        let template = ctx.world.template(mount.unit.service, mount.unit.revision)?;
        let (_, spec) = template.members().nth(mount.member)?;
        spec.volume_driver.as_deref()
    });
    let mut drivers = drivers;
    drivers.next().unwrap_or_default()
}

fn entries(ctx: &Context<'_>, volume: &KnownVolume) -> Vec<Value> {
    let id = id_of(ctx, &volume.origin);
    let entries = volume.mounts.iter().filter_map(|mount| {
        let unit = ctx.world.unit(mount.unit)?;
        let member = of_unit(ctx.world, unit).nth(mount.member)?;
        Some(entry(&id, &volume.name, (&member.id(), &member.shown_name(ctx.world)), mount))
    });
    entries.collect()
}

/// One container that mounts a volume.
pub(in crate::resource) fn entry(
    volume: &str,
    volume_name: &str,
    (instance, instance_name): (&str, &str),
    mount: &drover_core::derive::VolumeMount,
) -> Value {
    json!({
        "type": "mountEntry",
        "instanceId": instance,
        "instanceName": instance_name,
        "path": mount.path,
        "permission": permission(mount.read_only),
        "volumeId": volume,
        "volumeName": volume_name,
    })
}

/// As Rancher spells it.
pub(super) fn permission(read_only: bool) -> &'static str {
    if read_only { "ro" } else { "rw" }
}

/// A volume that was asked for here. The row exists.
fn asked<'a>(ctx: &'a Context<'_>, id: &str, what: &str) -> Result<&'a ProjectVolume, ApiError> {
    let found = Kind::Volume.parse(id).and_then(|id| ctx.world.project_volumes.get(&VolumeId(id)));
    let found = found.filter(|held| ctx.sees(held.project) && held.removed_at.is_none());
    found.map(|held| &**held).ok_or_else(|| {
        let why = format!(
            "volume {id} can't be {what} here: it is there because a service mounts it or a stack declares it; change \
             those"
        );
        ApiError::new(Code::MethodNotAllowed, why)
    })
}
