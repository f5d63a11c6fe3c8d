//! What a URL path leads to: the whole list in one place.

use drover_api::{Address, Version};

use crate::consul::What;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `pong`, for load balancers before this server. Open to all.
    Ping,
    /// A machine becomes a host. Opened by the registration token in the body.
    AgentRegister,
    /// An agent's link, as a WebSocket. Opened by the agent's credential.
    AgentConnect,
    /// A container's log, a command in it, its host's engine or what is used, as a WebSocket. Opened by the short-lived token in the
    /// query.
    HostAccess,
    /// A script that makes a machine a host. Opened by the registration token in the path.
    Script(String),
    /// A webhook is called. Opened by the key in the query.
    Webhook,
    /// The receivers of webhooks under Rancher's name: a path of the API, in the project that the query says. Opened by a
    /// user's key.
    Receivers(Address),
    /// Events, as a WebSocket. Opened by a user's key.
    Subscribe(Address),
    /// The catalog as Consul's clients read it; none of its paths is a type of Rancher's. Opened by a user's key.
    Consul(What),
    /// Rancher's catalog service, the path below it. Opened by a user's key.
    Catalog(Vec<String>),
    /// A key pair is changed for a token, or a token is given back. Opened by the key pair in the body, or the token.
    Token(Address),
    /// Rancher's tree of resources. Opened by a user's key.
    Api(Address),
    /// What the API has, as a page to read. Opened by a user's key.
    Docs(Address),
    /// Nothing is there; but only a user's key gets to hear that.
    Nothing,
}

impl Route {
    /// Read a request's path, still percent-encoded. Doubled and trailing slashes don't matter.
    pub(crate) fn of(path: &str) -> Self {
        let path = decode(path);
        let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
        match segments.as_slice() {
            ["ping"] => Self::Ping,
            ["agent", "register"] => Self::AgentRegister,
            ["agent", "connect"] => Self::AgentConnect,
            ["v1", "logs" | "exec" | "dockersocket" | "hoststats" | "containerstats"] => {
                Self::HostAccess
            }
            ["v1-webhooks", "endpoint"] => Self::Webhook,
            ["v1-webhooks", rest @ ..] => Self::Receivers(receivers(rest)),
            ["v1", "scripts", token] if *token != "transform" => Self::Script((*token).to_owned()),
            ["v1-catalog", rest @ ..] => {
                Self::Catalog(rest.iter().map(|segment| (*segment).to_owned()).collect())
            }
            // A client that was given no more than the server's address finds the API too.
            [] => Address::parse("/v2-beta").map_or(Self::Nothing, Self::Api),
            all => match (What::of(all), Address::parse(&path)) {
                (Some(what), _) => Self::Consul(what),
                (None, None) => Self::Nothing,
                (None, Some(address)) if address.path == ["subscribe"] => Self::Subscribe(address),
                (None, Some(address)) if address.path == ["docs"] => Self::Docs(address),
                (None, Some(address)) if is_token(&address) => Self::Token(address),
                (None, Some(address)) => Self::Api(address),
            },
        }
    }
}

/// `receivers` is the name of a type here; `schemas` and all else are the API's.
fn receivers(rest: &[&str]) -> Address {
    let name = |segment: &&str| match *segment {
        "receivers" => "webhookReceivers".to_owned(),
        other => other.to_owned(),
    };
    let path = rest.iter().map(name).collect();
    Address { version: Version::V2Beta, scope: None, path }
}

/// `token`, and `tokens/current` as some clients have it.
fn is_token(address: &Address) -> bool {
    let is_it =
        |segment: &String| ["token", "tokens"].iter().any(|t| segment.eq_ignore_ascii_case(t));
    address.scope.is_none() && address.path.len() <= 2 && address.path.first().is_some_and(is_it)
}

/// Undo percent-encoding; what can't be decoded stands for itself.
fn decode(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let pair = tail.get(..2).filter(|pair| pair.iter().all(u8::is_ascii_hexdigit));
        let byte = pair.and_then(|pair| std::str::from_utf8(pair).ok());
        match byte.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes() {
        let check = |path: &str, want: &str| {
            let route = Route::of(path);
            let name = match &route {
                Route::Api(address) => format!("api {}", address.path.join("/")),
                Route::Subscribe(address) => format!("subscribe {:?}", address.scope.map(|p| p.0)),
                Route::Token(_) => "token".to_owned(),
                Route::Receivers(address) => format!("receivers {}", address.path.join("/")),
                other => format!("{other:?}"),
            };
            assert_eq!(name, want, "{path}");
        };
        check("/ping", "Ping");
        check("//ping/", "Ping");
        check("/agent/register", "AgentRegister");
        check("/agent/connect", "AgentConnect");
        check("/v1/logs/", "HostAccess");
        check("/v1/exec", "HostAccess");
        check("/v1/containerstats", "HostAccess");
        check("/v1/hoststats/", "HostAccess");
        check("/", "api ");
        check("/v2-beta//stacks/", "api stacks");
        check("/v2-beta/settings/a%21b", "api settings/a!b");
        check("/v2-beta/x%2", "api x%2");
        check("/v2-beta/token", "token");
        check("/v2-beta/tokens/current", "token");
        check("/v2-beta/openapi.json", "api openapi.json");
        check("/v2-beta/subscribe", "subscribe None");
        check("/v2-beta/projects/1a5/subscribe", "subscribe Some(5)");
        check("/v1/catalog/services", "Consul(Services)");
        check("/v1/health/service/a%20b", "Consul(Health(\"a b\"))");
        check("/v1/catalog/x", "api catalog/x");
        check("/v1/services", "api services");
        check("/v1/scripts/P:S", "Script(\"P:S\")");
        check("/v1/scripts/transform", "api scripts/transform");
        check("/v2-beta/scripts/transform", "api scripts/transform");
        check("/v1-catalog", "Catalog([])");
        check(
            "/v1-catalog/templates/library:web%3A1",
            "Catalog([\"templates\", \"library:web:1\"])",
        );
        check("/v1-webhooks/endpoint", "Webhook");
        check("/v1-webhooks/receivers/", "receivers webhookReceivers");
        check("/v1-webhooks/receivers/1wh5", "receivers webhookReceivers/1wh5");
        check("/v1-webhooks/schemas", "receivers schemas");
        check("/v3", "Nothing");
        check("/agent", "Nothing");
    }
}
