//! Hosts: machines with a Docker engine and an agent. They are made by agents that register, never through here.

use std::sync::Arc;

use drover_core::derive::endpoints;
use drover_core::plan::admit_evacuation;
use drover_core::protocol::Ask;
use drover_core::{
    Change, Credential, Grant, Host, HostFacts, HostId, ProjectId, Time, Unit, World,
};
use serde_json::{Value, json};

use super::derived::physical_host_id;
use super::{Envelope, Resource, container, date, finish};
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::outcome::{Outcome, Then};
use crate::row::{Item, Only, Rows, lazy, rendered, said};
use crate::schema::{COMMON, EDIT, Field, Link, READ, Schema};
use crate::state;
use crate::stats::StatsOf;

static SCHEMA: Schema = Schema {
    name: "host",
    plural: "hosts",
    base: "host",
    collection: READ,
    resource: EDIT,
    fields: &[
        COMMON,
        &[
            Field::name().not_created(),
            Field::described().not_created(),
            Field::r("hostname", "string"),
            Field::ru("labels", "map[string]"),
            Field::ru("memory", "int").min(0),
            Field::ru("milliCpu", "int").min(0),
            Field::r("agentState", "string"),
            Field::r("agentIpAddress", "string"),
            Field::r("agentId", "reference[agent]"),
            Field::r("computeTotal", "int"),
            Field::r("hostTemplateId", "reference[hostTemplate]"),
            Field::r("localStorageMb", "int"),
            Field::r("physicalHostId", "reference[physicalHost]"),
            Field::r("info", "json"),
            Field::r("instanceIds", "array[reference[instance]]"),
            Field::r("publicEndpoints", "array[publicEndpoint]"),
        ],
    ],
    actions: &[
        ("activate", "", "host"),
        ("deactivate", "", "host"),
        ("dockersocket", "", "hostAccess"),
        ("evacuate", "", "host"),
        ("remove", "", "host"),
        ("update", "", "host"),
    ],
    links: &[
        Link::Parent { name: "account", plural: "projects", field: "accountId" },
        Link::Children { name: "hostLabels", plural: "labels", field: "hostId" },
        Link::Children { name: "instances", plural: "containers", field: "hostId" },
        Link::Children { name: "ipAddresses", plural: "ipAddresses", field: "hostId" },
        Link::Parent { name: "physicalHost", plural: "physicalHosts", field: "physicalHostId" },
        Link::Children { name: "storagePools", plural: "storagePools", field: "hostIds" },
        Link::Children { name: "volumes", plural: "volumes", field: "hostId" },
        Link::Children { name: "containers", plural: "containers", field: "hostId" },
        Link::Made { name: "hostStats", make: |_, id| stats(id, StatsOf::Host) },
        Link::Made { name: "containerStats", make: |_, id| stats(id, StatsOf::OnHost) },
    ],
};

fn stats(id: &str, of: fn(HostId) -> StatsOf) -> Option<Then> {
    Kind::Host.parse(id).map(|id| Then::Stats(of(HostId(id))))
}

/// The resource.
pub(crate) struct Hosts;

impl Resource for Hosts {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        rendered(self.list(ctx, &Only::default()))
    }

    fn list<'a>(&self, ctx: &'a Context<'a>, only: &Only<'_>) -> Rows<'a> {
        if let Some(id) = only.get("id") {
            return lazy(ctx, find(ctx, id).into_iter());
        }
        if let Some(instance) = only.held("instanceIds") {
            let unit = Kind::Container.parse(instance).and_then(|id| ctx.world.unit_numbered(id));
            let host = unit.and_then(|unit| ctx.world.host(unit.host));
            return lazy(ctx, host.filter(|host| ctx.sees(host.project)).into_iter());
        }
        let hosts = ctx.world.hosts.values().map(Arc::as_ref);
        lazy(ctx, hosts.filter(|host| ctx.sees(host.project)))
    }

    fn is_narrowed_by(&self, field: &str) -> bool {
        matches!(field, "id" | "instanceIds")
    }

    fn row(&self, ctx: &Context<'_>, id: &str) -> Option<Value> {
        find(ctx, id).map(|host| render(ctx, host))
    }

    fn create(&self, _: &Context<'_>, _: Body<'_>) -> Result<Outcome, ApiError> {
        let why = "hosts register themselves: make a registrationToken and run its command on the \
                   machine";
        Err(ApiError::new(Code::MethodNotAllowed, why))
    }

    fn update(&self, ctx: &Context<'_>, id: &str, body: Body<'_>) -> Result<Outcome, ApiError> {
        let held = living(ctx, id)?;
        let mut edited = held.clone();
        if body.names("name") {
            edited.name = body.text("name")?.unwrap_or_default();
        }
        if body.names("description") {
            edited.description = body.text("description")?.unwrap_or_default();
        }
        if let Some(labels) = body.map("labels")? {
            edited.labels = labels;
        }
        if body.names("memory") {
            edited.memory_limit = body.int("memory")?;
        }
        if body.names("milliCpu") {
            edited.milli_cpu_limit = body.int("milliCpu")?;
        }
        Ok(put(held, edited, 200))
    }

    /// Its units are planned anew elsewhere, and its agent is not let in again.
    fn delete(&self, ctx: &Context<'_>, id: &str) -> Result<Outcome, ApiError> {
        let held = living(ctx, id)?;
        Ok(Outcome::render(removal(ctx.world, ctx.now, held), SCHEMA.plural, id.to_owned(), 200))
    }

    fn why_not(&self, _state: &str, action: &str) -> Option<String> {
        (action == "evacuate").then(|| "it is being emptied already".to_owned())
    }

    fn act(
        &self,
        ctx: &Context<'_>,
        id: &str,
        action: &str,
        _: Body<'_>,
    ) -> Result<Outcome, ApiError> {
        let held = living(ctx, id)?;
        let edited = match action {
            "dockersocket" => return docker_socket(ctx, held),
            "evacuate" => admit_evacuation(ctx.world, held, ctx.now)
                .map_err(|refusal| ApiError::new(Code::InvalidState, refusal.to_string()))?,
            _ => held.switched(action == "activate"),
        };
        Ok(put(held, edited, 202))
    }
}

impl Item for &Host {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn whose(&self) -> (ProjectId, u64) {
        (self.project, self.id.0)
    }

    fn brief(&self, ctx: &Context<'_>, name: &str) -> Option<Value> {
        brief(ctx, self, name)
    }

    fn render(&self, ctx: &Context<'_>) -> Value {
        render(ctx, self)
    }
}

/// A connection to the host's engine.
fn docker_socket(ctx: &Context<'_>, host: &Host) -> Result<Outcome, ApiError> {
    if !ctx.world.is_connected(host.id) {
        let name = host.shown_name();
        let why = format!("the engine of {name} can't be reached: its agent is not connected");
        return Err(ApiError::new(Code::Conflict, why));
    }
    let then = Then::HostAccess { ask: Ask::Docker, host: host.id };
    Ok(Outcome { changes: Vec::new(), then })
}

/// What removes a host.
pub(crate) fn removal(world: &World, now: Time, host: &Host) -> Vec<Change> {
    let removed = Host { active: false, removed_at: Some(now), ..host.clone() };
    let agents = world.credentials.values();
    let agents = agents.filter(|c| c.grants == Grant::Agent(host.id) && c.removed_at.is_none());
    let revoked =
        agents.map(|held| Credential { active: false, removed_at: Some(now), ..(**held).clone() });
    let mut changes = vec![Change::PutHost(removed)];
    changes.extend(revoked.map(Change::PutCredential));
    changes
}

/// A host as Rancher shows it.
fn render(ctx: &Context<'_>, host: &Host) -> Value {
    let envelope = Envelope {
        schema: &SCHEMA,
        id: Kind::Host.id(host.id.0),
        name: &host.name,
        description: &host.description,
        standing: state::of_host(ctx.world, host),
        project: Some(host.project),
        created: host.created_at,
        removed: host.removed_at,
    };
    let facts = ctx.world.seen.get(&host.id).map(|seen| seen.facts.clone()).unwrap_or_default();
    let fields = json!({
        "hostname": host.hostname,
        "agentState": state::agent_state(ctx.world, host),
        "agentIpAddress": host.address,
        "agentId": null,
        "labels": host.labels,
        "memory": host.memory_limit,
        "milliCpu": host.milli_cpu_limit,
        "localStorageMb": null,
        "computeTotal": null,
        "physicalHostId": physical_host_id(host.id),
        "hostTemplateId": null,
        "info": info(&facts),
        "instanceIds": container::ids_on(ctx, host.id),
        "publicEndpoints": public_endpoints(ctx, host.id),
    });
    finish(ctx, envelope, fields)
}

/// A member that is known without the rest.
fn brief(ctx: &Context<'_>, host: &Host, name: &str) -> Option<Value> {
    Some(match name {
        "id" => json!(Kind::Host.id(host.id.0)),
        "type" | "kind" => json!(SCHEMA.name),
        "name" => said(&host.name),
        "description" => said(&host.description),
        "hostname" => json!(host.hostname),
        "state" => json!(state::of_host(ctx.world, host).state),
        "agentState" => json!(state::agent_state(ctx.world, host)),
        "removed" => json!(host.removed_at.map(date)),
        "created" => date(host.created_at),
        "accountId" => json!(Kind::Project.id(host.project.0)),
        _ => return None,
    })
}

/// Where Rancher's clients look for what the machine is. Memory is in MiB there.
fn info(facts: &HostFacts) -> Value {
    let os = facts.os.as_str();
    json!({
        "osInfo": {
            "operatingSystem": os,
            "kernelVersion": facts.kernel,
            "dockerVersion": facts.docker_version,
        },
        "cpuInfo": { "count": facts.cpus },
        "memoryInfo": { "memTotal": facts.memory / (1024 * 1024) },
        "agentInfo": { "version": facts.agent_version },
        "networkInfo": network(facts),
    })
}

/// How packets go from it to the others.
fn network(facts: &HostFacts) -> Value {
    let id = |host: &u64| Kind::Host.id(*host);
    let tunnels = &facts.tunnels;
    let trouble = tunnels.trouble.iter().map(|(host, why)| (id(host), json!(why)));
    json!({
        "publicKey": facts.public_key,
        "takesClear": tunnels.clear,
        "encryptedTo": tunnels.sealed_to.iter().map(id).collect::<Vec<_>>(),
        "trouble": trouble.collect::<serde_json::Map<_, _>>(),
    })
}

fn public_endpoints(ctx: &Context<'_>, host: HostId) -> Vec<Value> {
    // Few publish anything, and what a service does is known of all its units together only.
    let publishes = |unit: &&Unit| {
        let template = ctx.world.template(unit.key.service, unit.key.revision);
        template.is_some_and(|held| held.members().any(|(_, spec)| !spec.ports.is_empty()))
    };
    let units = ctx.world.units_on(host).filter(publishes);
    let mut services: Vec<_> = units.map(|unit| unit.key.service).collect();
    services.dedup();
    let services = services.into_iter().filter_map(|id| ctx.world.service(id));
    let here = services.flat_map(|service| endpoints(ctx.world, service));
    let here = here.filter(|endpoint| endpoint.host == host).map(|endpoint| {
        json!({
            "type": "publicEndpoint",
            "ipAddress": endpoint.ip,
            "port": endpoint.port,
            "serviceId": Kind::Service.id(endpoint.unit.service.0),
            "hostId": Kind::Host.id(host.0),
        })
    });
    here.collect()
}

fn find<'a>(ctx: &'a Context<'_>, id: &str) -> Option<&'a Host> {
    let host = ctx.world.host(HostId(Kind::Host.parse(id)?))?;
    ctx.sees(host.project).then_some(host)
}

fn living<'a>(ctx: &'a Context<'_>, id: &str) -> Result<&'a Host, ApiError> {
    let found = find(ctx, id).filter(|host| host.removed_at.is_none());
    found.ok_or_else(|| ApiError::not_found(format!("host {id}")))
}

fn put(held: &Host, edited: Host, status: u16) -> Outcome {
    let id = Kind::Host.id(held.id.0);
    let changes = if edited == *held { vec![] } else { vec![Change::PutHost(edited)] };
    Outcome::render(changes, SCHEMA.plural, id, status)
}
