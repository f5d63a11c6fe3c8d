//! One service of the files into a draft: everything that can be said without looking at the other services.
//!
//! What needs the others (sidekicks, links, whose volumes, whose network) is kept as names with their places
//! for `crate::assemble`.

mod deploy;
mod environment;
mod health;
mod isolation;
mod labels;
mod metadata;
mod network;
mod process;
mod rancher;
mod resources;
mod secrets;
mod storage;
mod upgrade;

use std::collections::BTreeMap;

use drover_core::{Condition, ContainerSpec, External, OnFailure, ServiceKind, Verify};

use crate::diagnostic::{Place, Report};
use crate::field::{Field, Named};
use crate::stack::{LinkSpec, ServiceSpec};
use crate::yaml::Node;
use crate::{Read, balancer, keys, legacy_balancer};

pub(crate) use secrets::{declared as declared_secrets, resolve as resolve_secrets};
pub(crate) use storage::declared as declared_volumes;

/// A service as the files have it, all of them laid over each other.
#[derive(Clone, Debug)]
pub(crate) struct RawService {
    pub(crate) name: String,
    /// Where its name stands.
    pub(crate) at: Place,
    pub(crate) node: Node,
    /// `hostname` of rancher-compose.yml: there it means an external service's name, not a container's.
    pub(crate) external_hostname: Option<Node>,
}

/// Where values come from that are in none of the compose files.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) lookup: &'a dyn Fn(&str) -> Option<String>,
    pub(crate) read: &'a Read<'a>,
    /// The stack's own name.
    pub(crate) project: &'a str,
}

/// A service that another one depends on.
#[derive(Debug, Default)]
pub(crate) struct Needed {
    pub(crate) name: Named,
    pub(crate) condition: Condition,
    /// It need not be in the files.
    pub(crate) is_optional: bool,
}

/// A service whose names of others are not resolved yet.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) service: ServiceSpec,
    pub(crate) spec: ContainerSpec,
    pub(crate) links: Vec<(LinkSpec, Named)>,
    pub(crate) depends_on: Vec<Needed>,
    pub(crate) volumes_from: Vec<Named>,
    /// The names its secrets have in these files, in the order of its spec's.
    pub(crate) secrets: Vec<Named>,
    /// The service whose network it shares.
    pub(crate) network_of: Option<Named>,
    pub(crate) sidekicks: Vec<Named>,
    pub(crate) container_name: Option<String>,
    /// `ports` as written: to a v1 balancer, whether a protocol is written makes a difference.
    pub(crate) port_texts: Vec<String>,
    /// Targets of balancer rules, for messages: in the order of the rules that have one.
    pub(crate) targets: Vec<Named>,
    /// Where each `io.rancher…` label stands.
    pub(crate) platform_labels: BTreeMap<String, Named>,
    /// `on_failure` as it was said: that it was said at all matters beside `deploy`.
    pub(crate) on_failure: Option<OnFailure>,
    /// Where it is said what an upgrade looks at, by its key.
    pub(crate) verified: Option<Named>,
}

impl Draft {
    /// Its path in messages.
    pub(crate) fn path(&self) -> String {
        crate::field::join("services", &self.service.name)
    }
}

/// Keys that are judged together after all others.
#[derive(Default)]
struct Later<'a> {
    build: Option<Field<'a>>,
    deploy: Option<Field<'a>>,
    lb_config: Option<Field<'a>>,
    legacy: legacy_balancer::Asked<'a>,
    external_ips: Option<Field<'a>>,
}

/// Read one service.
pub(crate) fn read(raw: &RawService, around: Surroundings<'_>, to: &mut Report) -> Draft {
    let mut draft = Draft::default();
    draft.service.name.clone_from(&raw.name);
    draft.service.at = raw.at.clone();
    draft.service.start_on_create = true;
    let path = draft.path();
    if let Err(bad) = drover_core::name::check_name(&raw.name) {
        to.error(&raw.at, &path, bad.to_string());
    }
    let field = Field::new(path, &raw.node);
    let mut later = Later::default();
    for (key, field) in field.known(keys::SERVICE, to).unwrap_or_default() {
        if !postpone(key, &field, &mut later) {
            read_key(key, &field, around, &mut draft, to);
        }
    }
    labels::judge(&mut draft, to);
    if let Some(deploy) = &later.deploy {
        deploy::read(deploy, &mut draft, to);
    }
    decide_kind(raw, &later, around, &mut draft, to);
    check_whole(raw, &mut draft, to);
    draft
}

/// Whether a key has to wait for the others.
fn postpone<'a>(key: &str, field: &Field<'a>, later: &mut Later<'a>) -> bool {
    let slot = match key {
        "build" => &mut later.build,
        "deploy" => &mut later.deploy,
        "lb_config" => &mut later.lb_config,
        "load_balancer_config" => &mut later.legacy.config,
        "certs" => &mut later.legacy.certs,
        "default_cert" => &mut later.legacy.default_cert,
        "external_ips" => &mut later.external_ips,
        _ => return false,
    };
    *slot = Some(field.clone());
    true
}

fn read_key(
    key: &str,
    field: &Field<'_>,
    around: Surroundings<'_>,
    draft: &mut Draft,
    to: &mut Report,
) {
    let spec = &mut draft.spec;
    let read = process::read(key, field, spec, to)
        || environment::read(key, field, around, spec, to)
        || resources::read(key, field, spec, to)
        || isolation::read(key, field, spec, to)
        || health::read(key, field, spec, to)
        || labels::read(key, field, draft, to)
        || network::read(key, field, around.project, draft, to)
        || secrets::read(key, field, draft, to)
        || storage::read(key, field, draft, to)
        || rancher::read(key, field, draft, to);
    if !read {
        // The table says honoured and no reader knows it: better refused than dropped.
        field.error(to, "this key is not supported");
    }
}

/// What the service is made of, by the first rule that fits.
fn decide_kind(
    raw: &RawService,
    later: &Later<'_>,
    around: Surroundings<'_>,
    draft: &mut Draft,
    to: &mut Report,
) {
    let image = draft.spec.image.clone();
    let name = image.split(':').next().unwrap_or_default();
    let hostname = raw.external_hostname.as_ref();
    if name == EXTERNAL_IMAGE || later.external_ips.is_some() || hostname.is_some() {
        become_external(raw, later, draft, to);
    } else if image == LEGACY_IMAGE {
        legacy_balancer::read(&later.legacy, draft, to);
    } else if let Some(config) = &later.lb_config {
        balancer::read(config, name == BALANCER_IMAGE, around.project, draft, to);
    } else if name == BALANCER_IMAGE {
        draft.service.kind = ServiceKind::Balancer;
        to.warn(&raw.at, &draft.path(), "a balancer without rules serves nothing")
            .hint("give it an `lb_config` with `port_rules` in rancher-compose.yml");
    } else if name == ALIAS_IMAGE {
        draft.service.kind = ServiceKind::Alias;
        draft.spec.image.clear();
    } else if name == "rancher/none" {
        to.error(
            &raw.at,
            &draft.path(),
            "a service without containers of its own is not supported",
        );
    }
    if image != LEGACY_IMAGE {
        for field in later.legacy.fields() {
            field.warn(to, format!("has an effect with the image {LEGACY_IMAGE} only"));
        }
    }
    if draft.service.kind != ServiceKind::Containers && draft.service.driver.is_some() {
        let why = "a service without containers of yours installs no `storage_driver`";
        to.error(&raw.at, &draft.path(), why);
    }
    if draft.service.kind == ServiceKind::Containers {
        check_image(raw, later.build.as_ref(), draft, to);
    } else if later.build.is_some() {
        to.note(&raw.at, &draft.path(), "`build` is ignored: no image of yours is run");
    }
}

/// Image that marks an external service.
pub(crate) const EXTERNAL_IMAGE: &str = "rancher/external-service";
/// Image that marks an alias.
pub(crate) const ALIAS_IMAGE: &str = "rancher/dns-service";
/// Image that marks a balancer described by links and labels.
pub(crate) const LEGACY_IMAGE: &str = "rancher/load-balancer-service";
/// Image of a balancer described by rules.
pub(crate) const BALANCER_IMAGE: &str = "rancher/lb-service-haproxy";

fn become_external(raw: &RawService, later: &Later<'_>, draft: &mut Draft, to: &mut Report) {
    let image = std::mem::take(&mut draft.spec.image);
    if !image.is_empty() && !image.starts_with(EXTERNAL_IMAGE) {
        to.warn(
            &raw.at,
            &draft.path(),
            "`external_ips` or `hostname` in rancher-compose.yml makes this an external service: its image is not run",
        );
    }
    let addresses = later.external_ips.as_ref().and_then(|f| f.distinct(to)).unwrap_or_default();
    let named = raw.external_hostname.as_ref();
    let hostname = named.and_then(|node| Field::new(draft.path() + ".hostname", node).word(to));
    let hostname = hostname.or_else(|| draft.spec.hostname.take());
    for address in &addresses {
        if let (Err(_), Some(field)) = (address.parse::<std::net::IpAddr>(), &later.external_ips) {
            field.error(to, "expected IP addresses").hint("a name goes under `hostname`");
            break;
        }
    }
    match (addresses.is_empty(), hostname.is_some()) {
        (true, false) => {
            let text = "an external service needs `external_ips` or `hostname`";
            to.error(&raw.at, &draft.path(), text);
        }
        (false, true) => {
            let text = "an external service has either `external_ips` or `hostname`, not both";
            to.error(&raw.at, &draft.path(), text);
        }
        (true, true) | (false, false) => {}
    }
    draft.service.kind = ServiceKind::External;
    let health_check = draft.spec.health_check.take();
    draft.service.external = Some(External { addresses, hostname, health_check });
}

fn check_image(raw: &RawService, build: Option<&Field<'_>>, draft: &Draft, to: &mut Report) {
    let has_image = !draft.spec.image.is_empty();
    match build {
        Some(build) if has_image => {
            build.note(to, "ignored: the image is pulled, not built");
        }
        Some(build) => {
            build
                .error(to, "images are not built here")
                .hint("build and push the image, and name it under `image`");
        }
        None if !has_image && !is_excused(raw, to) => {
            to.error(&raw.at, &draft.path(), "has no `image`");
        }
        None => {}
    }
}

/// Whether the image is missing because of something that has been said already.
fn is_excused(raw: &RawService, to: &Report) -> bool {
    let wrong = |key| raw.node.get(key).is_some_and(|node| to.is_wrong(&node.at));
    to.is_wrong(&raw.node.at) || wrong("image") || wrong("extends")
}

/// What is looked at must lead to something.
fn check_verified(draft: &Draft, to: &mut Report) {
    let policy = &draft.service.upgrade.policy;
    let Some(said) = &draft.verified else { return };
    if policy.verify == Verify::default() || policy.decides() {
        return;
    }
    let text = format!("`{}` has no effect: nothing is said of what follows from it", said.name);
    let hint = if said.name == "monitor" {
        "say `failure_action: pause` or `rollback` beside it"
    } else {
        "say `on_failure: pause` or `rollback`, or `finish: auto` beside it"
    };
    to.warn(&said.at, &said.path, text).hint(hint);
}

/// What only all keys together can tell.
fn check_whole(raw: &RawService, draft: &mut Draft, to: &mut Report) {
    let (path, spec) = (draft.path(), &draft.spec);
    if spec.memory_swap.is_some() && spec.memory.is_none() {
        to.error(&raw.at, &path, "`memswap_limit` needs `mem_limit` beside it");
    }
    let own_network = matches!(
        spec.network,
        drover_core::NetworkMode::Managed | drover_core::NetworkMode::Bridge
    ) && draft.network_of.is_none();
    if !spec.ports.is_empty() && !own_network {
        to.warn(&raw.at, &path, "its ports are not published: it has no network of its own");
    }
    if spec.is_global() && draft.service.scale.is_some() {
        to.note(&raw.at, &path, "`scale` has no effect: a global service runs once on each host");
    }
    if spec.is_global() && draft.service.scale_policy.is_some() {
        to.error(&raw.at, &path, "a global service has no `scale_policy`");
    }
    check_verified(draft, to);
}
