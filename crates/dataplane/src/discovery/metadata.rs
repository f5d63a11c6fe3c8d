//! Metadata over HTTP: one request in, one answer out, or, where the client waits for a change, when there is one.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::edition::Edition;
use super::form::Form;
use super::lookup::{parts, unescape};
use super::{Shared, Table};

/// A client that connects and says nothing, or nothing more, is let go.
const SILENCE: Duration = Duration::from_mins(1);

/// Connections at a time: each container may have a few that wait.
const CONNECTIONS: usize = 4_096;

/// How long a client waits for a change where it does not say, and at most.
const WAIT: Duration = Duration::from_mins(1);
const LONGEST_WAIT: Duration = Duration::from_mins(2);

/// Pause when the system gives no more connections (too many open files).
const EXHAUSTED: Duration = Duration::from_millis(50);

/// What is asked for.
#[derive(Debug, PartialEq)]
struct Ask {
    parts: Vec<String>,
    form: Form,
    wait: Option<Wait>,
}

/// Until the text differs from `value`.
#[derive(Debug, PartialEq)]
struct Wait {
    value: String,
    longest: Duration,
}

/// What is said.
#[derive(Debug, PartialEq)]
struct Said {
    status: StatusCode,
    /// What clients that wait compare.
    text: String,
    body: String,
}

/// Accept connections until `end`.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>, end: CancellationToken) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = room.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = end.cancelled() => return,
        };
        match accepted {
            Ok((stream, client)) => {
                let (each, end) = (shared.clone(), end.clone());
                shared.work.spawn(async move {
                    let _place = place;
                    converse(stream, client, each, end).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(EXHAUSTED).await;
            }
        }
    }
}

async fn converse(
    stream: TcpStream,
    client: SocketAddr,
    shared: Arc<Shared>,
    end: CancellationToken,
) {
    let ending = end.clone();
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let (shared, end) = (shared.clone(), ending.clone());
        async move { Ok::<_, Infallible>(answer(&request, client.ip(), &shared, &end).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(SILENCE);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = end.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%client, %error, "a connection ended badly");
    }
}

async fn answer<B>(
    request: &Request<B>,
    asker: IpAddr,
    shared: &Shared,
    end: &CancellationToken,
) -> Response<Full<Bytes>> {
    let is_read = [Method::GET, Method::HEAD].contains(request.method());
    if !is_read {
        let said = Said {
            status: StatusCode::METHOD_NOT_ALLOWED,
            text: String::new(),
            body: "Method not allowed: metadata can only be read\n".to_owned(),
        };
        return respond(said, Form::Text);
    }
    let ask = Ask::of(request);
    let mut changes = shared.changed.subscribe();
    let until = ask.wait.as_ref().map(|wait| (Instant::now() + wait.longest, &wait.value));
    let mut said = say(&shared.table.load(), asker, &ask);
    while let Some((until, value)) = until
        && said.text == *value
    {
        let changed = tokio::select! {
            changed = timeout_at(until, changes.changed()) => changed.is_ok_and(|c| c.is_ok()),
            () = end.cancelled() => false,
        };
        if !changed {
            break;
        }
        said = say(&shared.table.load(), asker, &ask);
    }
    respond(said, ask.form)
}

impl Ask {
    fn of<B>(request: &Request<B>) -> Self {
        let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
        let query = request.uri().query().unwrap_or_default();
        let field = |name: &str| {
            let mut fields =
                query.split('&').map(|field| field.split_once('=').unwrap_or((field, "")));
            fields.find_map(|(key, value)| (key == name).then(|| unescape(value)))
        };
        let seconds = field("maxWait").and_then(|text| text.parse().ok());
        let longest = seconds.map_or(WAIT, Duration::from_secs).min(LONGEST_WAIT);
        let waits = field("wait").is_some_and(|wait| wait == "true");
        let wait = || Wait { value: field("value").unwrap_or_default(), longest };
        Self {
            parts: parts(request.uri().path()),
            form: Form::asked(accept.unwrap_or_default()),
            wait: waits.then(wait),
        }
    }
}

fn say(table: &Table, asker: IpAddr, ask: &Ask) -> Said {
    let Some((edition, parts)) = ask.parts.split_first() else { return versions(ask.form) };
    let Some(edition) = Edition::named(edition) else {
        return missing("Invalid version", ask.form);
    };
    match table.catalog.find(edition, asker, parts) {
        None => missing("Not found", ask.form),
        Some(value) => Said {
            status: StatusCode::OK,
            // Only those who wait compare it.
            text: if ask.wait.is_some() { Form::Text.write(&value) } else { String::new() },
            body: ask.form.write(&value),
        },
    }
}

fn versions(form: Form) -> Said {
    let body = match form {
        Form::Text => Edition::NAMES.map(|name| format!("{name}\n")).concat(),
        Form::Json | Form::Yaml => form.write(&json!(Edition::NAMES)),
    };
    Said { status: StatusCode::OK, text: String::new(), body }
}

fn missing(what: &str, form: Form) -> Said {
    let status = StatusCode::NOT_FOUND;
    let body = match form {
        Form::Text => format!("{what}\n"),
        Form::Json | Form::Yaml => {
            let code = Value::from(status.as_u16());
            form.write(&json!({ "code": code, "message": what, "type": "error" }))
        }
    };
    Said { status, text: String::new(), body }
}

fn respond(said: Said, form: Form) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(said.body));
    *response.status_mut() = said.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

#[cfg(test)]
mod tests {
    use super::super::Options;
    use drover_core::DiscoveredService;

    use super::super::facts::facts;
    use super::*;

    fn table() -> Table {
        let facts = facts(&[
            "service Shop/Web port=8080:80 expose=9000 label=Tier=front check 10.42.1.2 10.42.1.3:unhealthy@2 \
             10.42.1.4:stopped >db=Shop/DB",
            "service Shop/DB 10.42.1.9 +Backup search=example.com",
            "external Shop/Out www.example.com",
            "external Shop/Ips 192.0.2.9",
            "alias Shop/Name >Shop/Web",
            "service other/plain host 192.0.2.1",
        ]);
        table_of(facts)
    }

    fn table_of(facts: drover_core::Discovery) -> Table {
        let options = Options {
            config: "c".into(),
            status: "s".into(),
            listen: [127, 0, 0, 1].into(),
            dns_port: 53,
            metadata_port: 80,
        };
        Table::new(facts, "v1".into(), &options)
    }

    fn ask(table: &Table, asker: &str, path: &str, accept: &str) -> Said {
        let request = Request::get(path).header(header::ACCEPT, accept).body(()).unwrap();
        say(table, asker.parse().unwrap(), &Ask::of(&request))
    }

    const WEB: &str = "10.42.1.2";
    const BACKUP: &str = "10.42.1.9";
    const STRANGER: &str = "10.99.9.9";

    #[test]
    fn who_asks_gets_what() {
        let table = table();
        let not_found = "404 Not found\n";
        let checks = [
            (WEB, "/", "2015-07-25\n2015-12-19\n2016-07-29\nlatest\n"),
            (
                WEB,
                "/latest/",
                "containers/\nenvironments/\nhosts/\nname\nnetworks/\nregion_name\nself/\nservices/\nstacks/\nuuid\nversion\n",
            ),
            (WEB, "/2010-01-01/self", "404 Invalid version\n"),
            (WEB, "/latest/version", "v1"),
            (WEB, "/latest/version/x", not_found),
            (WEB, "/2015-07-25/version", "v1"),
            (WEB, "/latest/name", "Default"),
            (WEB, "/latest/uuid", "p-5"),
            (WEB, "/latest/self", "container/\nhost/\nservice/\nstack/\n"),
            (STRANGER, "/latest/self", "host/\n"),
            (STRANGER, "/latest/self/host/name", "h1"),
            (STRANGER, "/latest/self/container", not_found),
            (STRANGER, "/latest/self/service", not_found),
            (STRANGER, "/latest/self/stack", not_found),
            // Those in their host's network can't be told apart.
            ("192.0.2.1", "/latest/self/container", not_found),
            (WEB, "/latest/self/nothing", not_found),
            (WEB, "/latest/SELF/Container/name", "shop-web-1"),
            (WEB, "/latest/self/container/name", "shop-web-1"),
            (WEB, "/2015-12-19/self/container/name", "Shop-Web-1"),
            (WEB, "/latest/self/container/primary_ip", WEB),
            (WEB, "/latest/self/container/ips/0", WEB),
            (WEB, "/latest/self/container/service_index", "1"),
            (WEB, "/latest/self/container/create_index", "1000"),
            (WEB, "/latest/self/container/service_name", "web"),
            (WEB, "/latest/self/container/stack_name", "shop"),
            (WEB, "/2015-07-25/self/container/stack_name", "Shop"),
            (WEB, "/latest/self/container/host_uuid", "h-1"),
            (WEB, "/latest/self/container/state", "running"),
            (WEB, "/latest/self/container/health_state", "healthy"),
            (WEB, "/latest/self/container/labels/Tier", "front"),
            (WEB, "/latest/self/container/labels/io.rancher.stack_service.name", "Shop/Web"),
            (WEB, "/latest/self/container/ports/0", "0.0.0.0:8080:80/tcp"),
            (WEB, "/2015-12-19/self/container/ports/0", "192.0.2.1:8080:80/tcp"),
            (WEB, "/latest/self/container/health_check/port", "80"),
            (WEB, "/latest/self/container/hostname", "000000000000"),
            (WEB, "/latest/self/container/dns/0", "169.254.169.250"),
            (WEB, "/latest/self/container/dns_search/1", "web.shop.rancher.internal"),
            (WEB, "/latest/self/service/name", "web"),
            (WEB, "/latest/self/service/kind", "service"),
            (WEB, "/latest/self/service/ports/0", "8080:80/tcp"),
            (WEB, "/latest/self/service/expose/0", "9000"),
            (WEB, "/latest/self/service/links", "shop%2Fdb\n"),
            (WEB, "/latest/self/service/links/shop%2Fdb", "db"),
            (WEB, "/2015-12-19/self/service/links/Shop%2FDB", "db"),
            (WEB, "/latest/self/service/token", ""),
            (WEB, "/latest/self/service/containers", "0=shop-web-1\n1=shop-web-2\n2=shop-web-3\n"),
            (WEB, "/latest/self/service/containers/1/primary_ip", "10.42.1.3"),
            (WEB, "/latest/self/service/containers/1/health_state", "unhealthy"),
            (WEB, "/2015-07-25/self/service/containers/1", "Shop-Web-2"),
            (WEB, "/latest/self/stack/name", "shop"),
            (WEB, "/latest/self/stack/environment_name", "Default"),
            (WEB, "/latest/self/stack/services", "0=web\n1=db\n2=backup\n3=out\n4=ips\n5=name\n"),
            (WEB, "/latest/self/stack/services/db/containers/0/primary_ip", BACKUP),
            (WEB, "/2015-07-25/self/stack/services/2", "Backup"),
            (WEB, "/latest/stacks/shop/services/web/scale", "1"),
            (WEB, "/latest/stacks/SHOP/uuid", "st-100"),
            (WEB, "/latest/services/db/sidekicks/0", "backup"),
            (WEB, "/latest/services/backup/primary_service_name", "db"),
            (WEB, "/latest/services/backup/containers/0/network_from_container_uuid", "i-1100"),
            (WEB, "/latest/services/backup/containers/0/primary_ip", ""),
            (WEB, "/latest/services/out/hostname", "www.example.com"),
            (WEB, "/latest/services/out/kind", "externalService"),
            (WEB, "/latest/services/ips/external_ips/0", "192.0.2.9"),
            (WEB, "/latest/services/name/kind", "dnsService"),
            (WEB, "/latest/containers/shop-web-3/state", "stopped"),
            (WEB, "/latest/containers/i-1000/name", "shop-web-1"),
            (WEB, "/latest/hosts/h2/agent_ip", "192.0.2.2"),
            (WEB, "/latest/hosts/h1/hostId", not_found),
            (WEB, "/2015-12-19/hosts/h1/hostId", "1"),
            (WEB, "/latest/networks/0/is_default", "true"),
            (WEB, "/latest/environments/0/name", "Default"),
            // A sidekick that shares its primary's address asks as its primary.
            (BACKUP, "/latest/self/container/name", "shop-db-1"),
            (BACKUP, "/latest/self/container/dns_search/0", "example.com"),
        ];
        let wrong: Vec<String> = checks
            .iter()
            .filter_map(|(asker, path, want)| {
                let said = ask(&table, asker, path, "");
                let status = if said.status == StatusCode::OK { "" } else { "404 " };
                let got = format!("{status}{}", said.body);
                (got != *want).then(|| format!("{asker} asks {path}: {got:?}, not {want:?}"))
            })
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// What Rancher's own tests of a running environment ask of each thing. One thing is otherwise: `token`, which Rancher
    /// shows a service of its own, is empty here; nothing in Drover knows such a secret.
    #[test]
    fn each_thing_says_what_it_is() {
        let mut facts = facts(&[
            "service shop/web port=6002:22/tcp label=tier=front 10.42.1.2 >store=shop/db",
            "service shop/db 10.42.1.9",
            "service shop/lb 10.42.1.3",
        ]);
        let edit = |facts: &mut drover_core::Discovery, id, edit: fn(&mut DiscoveredService)| {
            edit(Arc::make_mut(facts.services.get_mut(&drover_core::ServiceId(id)).unwrap()));
        };
        edit(&mut facts, 10, |web| {
            web.metadata = serde_json::from_str(r#"{ "site": { "name": "a", "n": 5 } }"#).unwrap();
        });
        edit(&mut facts, 12, |lb| {
            lb.kind = drover_core::ServiceKind::Balancer;
            lb.lb_config = json!({ "port_rules": [{ "source_port": 80, "service": "shop/web" }] });
        });
        let table = table_of(facts);
        let json = |path: &str| -> Value {
            let said = ask(&table, WEB, path, "application/json");
            serde_json::from_str(&said.body).unwrap()
        };
        for (path, want) in [
            ("self/service/name", json!("web")),
            ("self/service/stack_name", json!("shop")),
            ("self/service/kind", json!("service")),
            ("self/service/uuid", json!("s-10")),
            ("self/service/labels", json!({ "tier": "front" })),
            ("self/service/ports", json!(["6002:22/tcp"])),
            ("self/service/metadata", json!({ "site": { "name": "a", "n": 5 } })),
            ("self/service/metadata/site/n", json!(5)),
            ("self/service/links", json!({ "shop/db": "store" })),
            ("self/stack/environment_name", json!("Default")),
            ("self/stack/name", json!("shop")),
            ("self/stack/uuid", json!("st-100")),
            ("self/host/agent_ip", json!("192.0.2.1")),
            ("self/host/hostname", json!("h1.lan")),
            ("self/host/labels", json!({})),
            ("self/host/uuid", json!("h-1")),
            ("self/container/uuid", json!("i-1000")),
            ("self/container/labels/tier", json!("front")),
            ("self/container/ports", json!(["0.0.0.0:6002:22/tcp"])),
            ("services/lb/kind", json!("loadBalancerService")),
            ("services/lb/lb_config/port_rules/0/service", json!("shop/web")),
            ("services/web/lb_config", Value::Null),
        ] {
            assert_eq!(json(&format!("/latest/{path}")), want, "{path}");
        }
        assert_eq!(json("/latest/self/service"), json("/latest/self/stack/services/0"));
        assert_eq!(json("/2015-12-19/self/service/containers/0"), json("/2015-12-19/containers/0"));
        assert_eq!(json("/2015-07-25/self/stack/services"), json!(["web", "db", "lb"]));
        assert_eq!(json("/2015-12-19/self/container/ports"), json!(["192.0.2.1:6002:22/tcp"]));
    }

    #[test]
    fn json_and_yaml_say_the_same() {
        let table = table();
        let check = |path: &str, accept: &str, want: &str| {
            assert_eq!(ask(&table, WEB, path, accept).body, want, "{path} {accept}");
        };
        check("/latest/self/container/ips", "application/json", "[\"10.42.1.2\"]");
        check("/latest/self/container/ips", "text/yaml", "- \"10.42.1.2\"\n");
        check("/", "application/json", "[\"2015-07-25\",\"2015-12-19\",\"2016-07-29\",\"latest\"]");
        check(
            "/latest/nothing",
            "application/json",
            "{\"code\":404,\"message\":\"Not found\",\"type\":\"error\"}",
        );
        let whole = ask(&table, WEB, "/latest", "application/json").body;
        let whole: Value = serde_json::from_str(&whole).unwrap();
        assert_eq!(whole["self"]["container"]["name"], "shop-web-1");
        let nested = &whole["services"][0]["containers"][0];
        assert_eq!(*nested, whole["containers"][0], "a thing is the same wherever it is listed");
        assert_eq!(*nested, whole["self"]["container"]);
    }

    #[test]
    fn waits_are_read() {
        let wait = |query: &str| {
            let request = Request::get(format!("/latest/version{query}")).body(()).unwrap();
            Ask::of(&request).wait.map(|wait| (wait.value, wait.longest.as_secs()))
        };
        assert_eq!(wait("?value=x"), None);
        assert_eq!(wait("?wait=true"), Some((String::new(), 60)));
        assert_eq!(wait("?wait=true&value=a%20b&maxWait=5"), Some(("a b".into(), 5)));
        assert_eq!(wait("?wait=true&maxWait=500"), Some((String::new(), 120)));
    }
}
