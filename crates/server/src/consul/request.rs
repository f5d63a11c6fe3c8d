//! What a Consul client asks: path, token, tags, and how long it will wait.

use std::time::Duration;

use axum::http::request::Parts;
use drover_api::consul::{self, Catalog, Choice};
use drover_api::{ApiError, Code, Query};
use serde_json::{Value, json};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the paths say it, see [`What::of`]
pub(crate) enum What {
    Datacenters,
    Nodes,
    Services,
    Service(String),
    Node(String),
    Health(String),
    Checks(String),
    ServiceChecks(String),
    NodeChecks(String),
    AgentSelf,
    Leader,
}

/// A query that waits for a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    /// What the client has seen.
    pub(super) index: u64,
    /// For how long.
    pub(super) time: Duration,
}

/// Where a client says nothing.
const WAIT: Duration = Duration::from_mins(5);
/// At most.
const LONGEST: Duration = Duration::from_mins(10);

impl What {
    /// Read a path's segments; `None` for those that are not Consul's.
    pub(crate) fn of(segments: &[&str]) -> Option<Self> {
        let text = |text: &&str| (*text).to_owned();
        Some(match segments {
            ["v1", "catalog", "datacenters"] => Self::Datacenters,
            ["v1", "catalog", "nodes"] => Self::Nodes,
            ["v1", "catalog", "services"] => Self::Services,
            ["v1", "catalog", "service", name] => Self::Service(text(name)),
            ["v1", "catalog", "node", name] => Self::Node(text(name)),
            ["v1", "health", "service", name] => Self::Health(text(name)),
            ["v1", "health", "state", state] => Self::Checks(text(state)),
            ["v1", "health", "checks", name] => Self::ServiceChecks(text(name)),
            ["v1", "health", "node", name] => Self::NodeChecks(text(name)),
            ["v1", "agent", "self"] => Self::AgentSelf,
            ["v1", "status", "leader"] => Self::Leader,
            _ => return None,
        })
    }

    /// Whether its answer can change: clients that wait for another of the rest would wait in vain.
    pub(super) fn changes(&self) -> bool {
        !matches!(self, Self::Datacenters | Self::AgentSelf | Self::Leader)
    }
}

/// `access:secret`, in the places where Consul's clients put a token; none leaves it to HTTP Basic.
pub(super) fn token(parts: &Parts, query: &Query) -> Option<(String, String)> {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = header("authorization").and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let places = [header("x-consul-token"), bearer, query.get("token")];
    let token = places.into_iter().flatten().find(|token| !token.is_empty())?;
    // A token that is none of ours is a wrong one, not a missing one.
    let (access, secret) = token.split_once(':').unwrap_or((token, ""));
    Some((access.to_owned(), secret.to_owned()))
}

/// `?index=…&wait=…`; what this server can't do is refused, because an answer without it would be wrong.
pub(super) fn wait(query: &Query) -> Result<Option<Wait>, ApiError> {
    let refuse = |field: &str, why: String| Err(ApiError::on(Code::InvalidOption, field, why));
    if query.get("filter").is_some_and(|text| !text.is_empty()) {
        return refuse("filter", "filters are not read here: choose by name and tag".to_owned());
    }
    if let Some(other) = query.get("dc").filter(|dc| !dc.is_empty() && *dc != consul::DATACENTER) {
        let why =
            format!("there is no datacenter `{other}`: the only one is {}", consul::DATACENTER);
        return refuse("dc", why);
    }
    for scope in ["ns", "partition", "peer"] {
        if let Some(other) = query.get(scope).filter(|name| !["", "default"].contains(name)) {
            return refuse(scope, format!("there is no `{other}`: the catalog is not divided"));
        }
    }
    let index = match query.get("index").map(str::parse::<u64>) {
        None | Some(Ok(0)) => return Ok(None),
        Some(Ok(index)) => index,
        Some(Err(_)) => {
            return refuse("index", "`index` is a number: X-Consul-Index of an answer".to_owned());
        }
    };
    let time = match query.get("wait").filter(|text| !text.is_empty()) {
        None => WAIT,
        Some(text) => match duration(text) {
            Some(time) => time.min(LONGEST),
            None => {
                return refuse("wait", format!("`{text}` is not a time: write 10s, 5m or 500ms"));
            }
        },
    };
    Ok(Some(Wait { index, time }))
}

/// The answer's body.
pub(super) fn body(
    catalog: &Catalog,
    what: &What,
    query: &Query,
    index: u64,
    cluster: &str,
) -> Value {
    let choice = choice(query, what);
    match what {
        What::Datacenters => json!([consul::DATACENTER]),
        What::Nodes => consul::nodes(catalog, &choice, index),
        What::Services => consul::services(catalog, &choice),
        What::Service(name) => consul::service(catalog, name, &choice, index),
        What::Node(name) => consul::node_services(catalog, name, index),
        What::Health(name) => consul::health(catalog, name, &choice, index),
        What::Checks(state) => consul::checks(catalog, state, index),
        What::ServiceChecks(name) => consul::service_checks(catalog, name, &choice, index),
        What::NodeChecks(name) => consul::node_checks(catalog, name, index),
        What::AgentSelf => consul::agent_self(cluster, env!("CARGO_PKG_VERSION")),
        What::Leader => consul::leader(),
    }
}

/// `?tag=…&node-meta=key:value&passing`; only health is asked for those that pass.
fn choice<'a>(query: &'a Query, what: &What) -> Choice<'a> {
    let all = |wanted: &'static str| {
        query.pairs().filter(move |(name, _)| *name == wanted).map(|(_, value)| value)
    };
    Choice {
        tags: all("tag").filter(|tag| !tag.is_empty()).collect(),
        node_meta: all("node-meta")
            .map(|text| text.split_once(':').unwrap_or((text, "")))
            .collect(),
        passing: matches!(what, What::Health(_)) && is_passing(query),
    }
}

/// `?passing`, with or without a value.
fn is_passing(query: &Query) -> bool {
    query.get("passing").is_some_and(|value| !matches!(value, "false" | "0"))
}

/// As Go writes times: `10s`, `1m30s`, `500ms`; a bare number is seconds.
fn duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let mut rest = text;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..end].parse().ok()?;
        let tail = &rest[end..];
        let unit = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let each = match &tail[..unit] {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            "h" => Duration::from_secs(number.checked_mul(3_600)?),
            _ => return None,
        };
        sum = sum.checked_add(each)?;
        rest = &tail[unit..];
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let check = |path: &str, want: Option<What>| {
            let segments: Vec<&str> = path.split('/').collect();
            assert_eq!(What::of(&segments), want, "{path}");
        };
        check("v1/catalog/services", Some(What::Services));
        check("v1/health/service/web", Some(What::Health("web".into())));
        check("v1/health/state/any", Some(What::Checks("any".into())));
        check("v1/health/checks/web", Some(What::ServiceChecks("web".into())));
        check("v1/health/node/h1", Some(What::NodeChecks("h1".into())));
        check("v1/agent/self", Some(What::AgentSelf));
        check("v1/catalog/register", None);
        check("v1/services", None);
        check("v2-beta/catalog/services", None);
    }

    #[test]
    fn how_long_it_waits() {
        let check = |query: &str, want: Option<(u64, u64)>| {
            let read = wait(&Query::parse(query)).unwrap();
            let read = read.map(|wait| (wait.index, u64::try_from(wait.time.as_millis()).unwrap()));
            assert_eq!(read, want, "{query}");
        };
        check("", None);
        check("index=0&wait=5s", None);
        check("index=7", Some((7, 300_000)));
        check("index=7&wait=10s", Some((7, 10_000)));
        check("index=7&wait=1m30s", Some((7, 90_000)));
        check("index=7&wait=500ms", Some((7, 500)));
        check("index=7&wait=60000ms", Some((7, 60_000)));
        check("index=7&wait=2h", Some((7, 600_000)));
        for bad in ["index=x", "index=7&wait=soon", "dc=eu", "filter=a", "index=1&wait=5"] {
            let read = wait(&Query::parse(bad));
            assert_eq!(read.is_err(), bad != "index=1&wait=5", "{bad}");
        }
    }
}
