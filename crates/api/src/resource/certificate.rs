//! Certificates that balancers serve. The key goes in and never comes out.
//!
//! Balancers name them, so that one that is renewed under its name is served from then on; a new name is written into
//! the balancers with it.

use drover_core::{
    BalancerSpec, Certificate, CertificateId, Change, ProjectId, Secret, Service, ServiceKind,
    World,
};
use serde_json::{Map, Value, json};

use super::{Envelope, Resource, finish};
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::outcome::Outcome;
use crate::pem;
use crate::schema::{COMMON, EDIT, Field, LIST_CREATE, Link, Schema};
use crate::state::{DEFAULT, Standing};

static SCHEMA: Schema = Schema {
    name: "certificate",
    plural: "certificates",
    base: "certificate",
    collection: LIST_CREATE,
    resource: EDIT,
    fields: &[
        COMMON,
        &[
            Field::name().required().min_length(1),
            Field::described(),
            Field::cru("cert", "string").required().min_length(1),
            Field::cru("certChain", "string"),
            Field::cru("key", "password").required().min_length(1),
            Field::r("CN", "string"),
            Field::r("algorithm", "string"),
            Field::r("certFingerprint", "string"),
            Field::r("expiresAt", "string"),
            Field::r("issuedAt", "string"),
            Field::r("issuer", "string"),
            Field::r("keySize", "int"),
            Field::r("serialNumber", "string"),
            Field::r("subjectAlternativeNames", "array[string]"),
            Field::r("version", "string"),
        ],
    ],
    actions: &[("remove", "", "certificate"), ("update", "", "certificate")],
    links: &[Link::Parent { name: "account", plural: "projects", field: "accountId" }],
};

/// The resource.
pub(crate) struct Certificates;

impl Resource for Certificates {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        let held = ctx.world.certificates.values().filter(|held| ctx.sees(held.project));
        held.map(|held| render(ctx, held)).collect()
    }

    fn create(&self, ctx: &Context<'_>, body: Body<'_>) -> Result<Outcome, ApiError> {
        let made = Certificate {
            id: CertificateId(ctx.next_id()),
            project: ctx.project()?,
            name: body.required("name")?,
            description: body.text("description")?.unwrap_or_default(),
            certificate: body.required("cert")?,
            chain: body.text("certChain")?.unwrap_or_default(),
            key: Secret::new(body.required("key")?),
            facts: std::collections::BTreeMap::new(),
            created_at: ctx.now,
            removed_at: None,
        };
        let made = checked(ctx, made)?;
        let id = Kind::Certificate.id(made.id.0);
        Ok(Outcome::render(vec![Change::PutCertificate(Box::new(made))], SCHEMA.plural, id, 201))
    }

    fn update(&self, ctx: &Context<'_>, id: &str, body: Body<'_>) -> Result<Outcome, ApiError> {
        let held = living(ctx, id)?;
        let mut edited = held.clone();
        if let Some(name) = body.word("name")? {
            edited.name = name;
        }
        if body.names("description") {
            edited.description = body.text("description")?.unwrap_or_default();
        }
        if let Some(cert) = body.word("cert")? {
            edited.certificate = cert;
        }
        if body.names("certChain") {
            edited.chain = body.text("certChain")?.unwrap_or_default();
        }
        // Clients send back the null they were shown.
        if let Some(key) = body.word("key")? {
            edited.key = Secret::new(key);
        }
        let mut changes = Vec::new();
        if edited != *held {
            let edited = checked(ctx, edited)?;
            changes.extend(renamed(ctx.world, held, &edited.name));
            changes.push(Change::PutCertificate(Box::new(edited)));
        }
        Ok(Outcome::render(changes, SCHEMA.plural, id.to_owned(), 200))
    }

    fn delete(&self, ctx: &Context<'_>, id: &str) -> Result<Outcome, ApiError> {
        let held = living(ctx, id)?;
        let users: Vec<&str> = users(ctx.world, held).map(|service| &*service.name).collect();
        if !users.is_empty() {
            let why = format!(
                "certificate {} is in use by {}: take it out of their lbConfig first, or edit it in place",
                held.name,
                users.join(", ")
            );
            return Err(ApiError::new(Code::MethodNotAllowed, why));
        }
        Ok(Outcome::render(vec![removal(ctx, held)], SCHEMA.plural, id.to_owned(), 200))
    }
}

/// What removes a certificate; its key is forgotten at once.
pub(super) fn removal(ctx: &Context<'_>, held: &Certificate) -> Change {
    let (key, removed_at) = (Secret::new(""), Some(ctx.now));
    Change::PutCertificate(Box::new(Certificate { key, removed_at, ..held.clone() }))
}

/// A balancer's certificates as it keeps them, by name, where a client gave ids or names.
pub(super) fn by_name(
    ctx: &Context<'_>,
    project: ProjectId,
    held: Option<&BalancerSpec>,
    spec: &mut BalancerSpec,
) -> Result<(), ApiError> {
    let was_there = |given: &String| {
        held.is_some_and(|h| {
            h.certificates.contains(given) || h.default_certificate.as_ref() == Some(given)
        })
    };
    let name = |field: &str, given: &String| {
        let by_id = Kind::Certificate.parse(given);
        let mut all = ctx.world.certificates.values();
        let found = all.find(|c| {
            c.project == project
                && c.removed_at.is_none()
                && (Some(c.id.0) == by_id || c.name.eq_ignore_ascii_case(given))
        });
        match found {
            Some(found) => Ok(found.name.clone()),
            None if was_there(given) => Ok(given.clone()),
            None => {
                let why =
                    format!("there is no certificate `{given}`: add it first, then name it here");
                Err(ApiError::on(Code::InvalidReference, field, why))
            }
        }
    };
    for given in &mut spec.certificates {
        *given = name("certificateIds", given)?;
    }
    if let Some(given) = &mut spec.default_certificate {
        *given = name("defaultCertificateId", given)?;
    }
    Ok(())
}

/// The same with ids, as clients read it. One that is gone keeps its name, so that it can be seen.
pub(super) fn by_id(world: &World, service: &Service, spec: &BalancerSpec) -> BalancerSpec {
    let id = |name: &String| {
        let mut all = world.certificates.values();
        let found = all.find(|c| {
            c.project == service.project
                && c.removed_at.is_none()
                && c.name.eq_ignore_ascii_case(name)
        });
        found.map_or_else(|| name.clone(), |found| Kind::Certificate.id(found.id.0))
    };
    BalancerSpec {
        certificates: spec.certificates.iter().map(id).collect(),
        default_certificate: spec.default_certificate.as_ref().map(id),
        ..spec.clone()
    }
}

/// The certificate as it is kept, if it can be served and its name is free.
fn checked(ctx: &Context<'_>, mut made: Certificate) -> Result<Certificate, ApiError> {
    let taken = ctx.world.certificates.values().any(|other| {
        other.id != made.id
            && other.project == made.project
            && other.removed_at.is_none()
            && other.name.eq_ignore_ascii_case(&made.name)
    });
    if taken {
        let why =
            format!("this project has a certificate {} already: edit that one in place", made.name);
        return Err(ApiError::on(Code::NotUnique, "name", why));
    }
    let read = pem::read(&made.certificate, &made.chain, made.key.reveal());
    made.facts =
        read.map_err(|bad| ApiError::on(Code::InvalidFormat, bad.field(), bad.to_string()))?;
    Ok(made)
}

/// Balancers that serve it and are not removed.
fn users<'a>(world: &'a World, held: &'a Certificate) -> impl Iterator<Item = &'a Service> {
    let services = world.services.values().map(AsRef::as_ref);
    services.filter(move |service: &&Service| {
        service.project == held.project
            && service.kind == ServiceKind::Balancer
            && service.removed_at.is_none()
            && service.balancer.as_ref().is_some_and(|spec| {
                let mut named = spec.certificates.iter().chain(&spec.default_certificate);
                named.any(|name| name.eq_ignore_ascii_case(&held.name))
            })
    })
}

/// Balancers with the certificate's new name.
fn renamed(world: &World, held: &Certificate, name: &str) -> Vec<Change> {
    if held.name == name {
        return Vec::new();
    }
    let users = users(world, held).map(|service| {
        let mut service = service.clone();
        if let Some(spec) = &mut service.balancer {
            for named in spec.certificates.iter_mut().chain(&mut spec.default_certificate) {
                if named.eq_ignore_ascii_case(&held.name) {
                    name.clone_into(named);
                }
            }
        }
        Change::PutService(Box::new(service))
    });
    users.collect()
}

fn living<'a>(ctx: &'a Context<'_>, id: &str) -> Result<&'a Certificate, ApiError> {
    let number = Kind::Certificate.parse(id);
    let found = number.and_then(|id| ctx.world.certificates.get(&CertificateId(id)));
    let found = found.filter(|held| ctx.sees(held.project) && held.removed_at.is_none());
    found.map(|held| &**held).ok_or_else(|| ApiError::not_found(format!("certificate {id}")))
}

fn render(ctx: &Context<'_>, held: &Certificate) -> Value {
    let envelope = Envelope {
        schema: &SCHEMA,
        id: Kind::Certificate.id(held.id.0),
        name: &held.name,
        description: &held.description,
        standing: Standing::present(DEFAULT, held.removed_at),
        project: Some(held.project),
        created: held.created_at,
        removed: held.removed_at,
    };
    let mut fields: Map<String, Value> = held.facts.clone().into_iter().collect();
    fields.insert("cert".to_owned(), json!(held.certificate));
    let chain = (!held.chain.is_empty()).then_some(&held.chain);
    fields.insert("certChain".to_owned(), json!(chain));
    fields.insert("key".to_owned(), Value::Null);
    finish(ctx, envelope, fields.into())
}
