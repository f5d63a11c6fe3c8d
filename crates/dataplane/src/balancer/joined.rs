//! What is left of routes where no host or path is spoken of: of TLS that passes through only the server's name is seen,
//! and of other bytes nothing, so that all routes of a port are one and their targets share what comes.

use std::borrow::Cow;

use drover_core::{Listener, Route, RuleProtocol};

/// A listener's routes as its protocol can tell them apart.
pub(super) fn joined(listener: &Listener) -> Cow<'_, [Route]> {
    match listener.protocol {
        RuleProtocol::Http | RuleProtocol::Https => Cow::Borrowed(&listener.routes),
        RuleProtocol::Sni => {
            let without_path = |route: &Route| Route { path: None, ..route.clone() };
            Cow::Owned(listener.routes.iter().map(without_path).collect())
        }
        RuleProtocol::Tcp | RuleProtocol::Tls | RuleProtocol::Udp => {
            Cow::Owned(listener.routes.iter().cloned().reduce(join).map(bare).into_iter().collect())
        }
    }
}

/// The first keeps its name and settings; an address is listed once.
fn join(mut route: Route, other: Route) -> Route {
    for target in other.targets {
        if route.targets.iter().all(|held| held.address != target.address) {
            route.targets.push(target);
        }
    }
    route.service = route.service.or(other.service);
    route.hold = route.hold.or(other.hold);
    route
}

fn bare(route: Route) -> Route {
    Route { hostname: None, path: None, ..route }
}

#[cfg(test)]
mod tests {
    use super::*;
    use drover_core::{RevisionNo, ServiceId, Slot, Target, UnitKey};

    #[test]
    fn routes_by_protocol() {
        let given = "a/x=1,2 b=2,3 -/y=";
        for (protocol, want) in [
            (RuleProtocol::Http, given),
            (RuleProtocol::Https, given),
            (RuleProtocol::Sni, "a=1,2 b=2,3 -="),
            (RuleProtocol::Tcp, "-=1,2,3"),
            (RuleProtocol::Tls, "-=1,2,3"),
            (RuleProtocol::Udp, "-=1,2,3"),
        ] {
            let routes = given.split(' ').map(route).collect();
            let listener = Listener { protocol, routes, ..Listener::default() };
            let told: Vec<String> = joined(&listener).iter().map(tell).collect();
            assert_eq!(told.join(" "), want, "{protocol:?}");
        }
        let empty = Listener { protocol: RuleProtocol::Tcp, ..Listener::default() };
        assert!(joined(&empty).is_empty());
    }

    fn route(text: &str) -> Route {
        let (rule, targets) = text.split_once('=').unwrap();
        let (host, path) = rule.split_once('/').map_or((rule, None), |(h, p)| (h, Some(p)));
        let targets = targets.split(',').filter(|address| !address.is_empty());
        Route {
            hostname: Some(host.to_owned()).filter(|host| host != "-"),
            path: path.map(str::to_owned),
            targets: targets.map(target).collect(),
            ..Route::default()
        }
    }

    fn target(address: &str) -> Target {
        let slot = Slot::Number(address.parse().unwrap());
        let unit = UnitKey { service: ServiceId(1), slot, revision: RevisionNo(1), incarnation: 1 };
        Target { unit, address: address.to_owned(), host: None, weight: 1, check: None }
    }

    fn tell(route: &Route) -> String {
        let host = route.hostname.as_deref().unwrap_or("-");
        let path = route.path.as_ref().map(|path| format!("/{path}")).unwrap_or_default();
        let targets: Vec<_> = route.targets.iter().map(|t| t.address.as_str()).collect();
        format!("{host}{path}={}", targets.join(","))
    }
}
