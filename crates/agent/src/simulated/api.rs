//! Docker's API over a simulated engine: as much of it as the agent calls. Calls come in over pipes in memory, so that
//! five thousand hosts need no socket; what takes time on a real host takes the time it is told here.

use std::convert::Infallible;
use std::time::Duration;

use bollard::models::{ContainerCreateBody, ExecConfig, NetworkCreateRequest, VolumeCreateRequest};
use bollard::{BollardRequest, Docker};
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, UPGRADE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::io::DuplexStream;
use tokio::time::sleep;

use super::engine::{Refused, carries, no_image};
use super::{SimulatedHost, streams, tell};
use crate::clock::now_ns;

/// Bytes that may be on their way on a pipe.
const PIPE: usize = 4096;
/// The client has a scheme and a name of the machine in its URLs; neither means anything here.
const ADDRESS: &str = "http://simulated";

pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A client of the engine of a simulated host.
pub(super) fn client(
    host: &SimulatedHost,
    patience: Duration,
) -> Result<Docker, bollard::errors::Error> {
    let host = host.clone();
    let transport = move |request: BollardRequest| call(host.clone(), request);
    let version = bollard::API_DEFAULT_VERSION;
    Docker::connect_with_custom_transport(transport, Some(ADDRESS), patience.as_secs(), version)
}

/// A connection to the engine of a simulated host.
pub(super) fn connect(host: &SimulatedHost) -> DuplexStream {
    let (near, far) = tokio::io::duplex(PIPE);
    let host = host.clone();
    let service = service_fn(move |request| answer(host.clone(), request));
    let serving = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(far), service)
        .with_upgrades();
    tokio::spawn(serving);
    near
}

/// One call, over a pipe of its own: what nobody uses is not kept.
async fn call(
    host: SimulatedHost,
    request: BollardRequest,
) -> Result<Response<Incoming>, bollard::errors::Error> {
    let near = TokioIo::new(connect(&host));
    let (mut sender, driver) = hyper::client::conn::http1::handshake(near).await?;
    tokio::spawn(driver.with_upgrades());
    Ok(sender.send_request(request).await?)
}

async fn answer(
    host: SimulatedHost,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let answered = route(&host, &mut request).await;
    Ok(answered.unwrap_or_else(|refused| {
        let status = StatusCode::from_u16(refused.status).unwrap_or_default();
        if status == StatusCode::NOT_MODIFIED {
            return empty(status);
        }
        with(status, &json!({ "message": refused.message }))
    }))
}

async fn route(
    host: &SimulatedHost,
    request: &mut Request<Incoming>,
) -> Result<Response<Body>, Refused> {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    // `/v1.48/…`, or without a version.
    let path = match path.split_once('/') {
        Some((version, rest)) if version.starts_with("v1.") => rest.to_owned(),
        _ => path,
    };
    let query = Query::of(request.uri().query().unwrap_or_default());
    let method = request.method().clone();
    if path == "images/json" {
        return Ok(ok(&host.look(tell::images)));
    }
    // Names of images have slashes of their own.
    if let Some(image) = path.strip_prefix("images/").and_then(|rest| rest.strip_suffix("/json")) {
        return host.look(|engine| {
            let name = engine.image(image).ok_or_else(|| no_image(image))?;
            Ok(ok(&tell::image(name)))
        });
    }
    if let Some(image) = path.strip_prefix("images/").and_then(|rest| rest.strip_suffix("/tag")) {
        let name = format!("{}:{}", query.get("repo"), query.get("tag"));
        let tagged = host.act(|engine| engine.tag(image, name));
        return if tagged { Ok(empty(StatusCode::CREATED)) } else { Err(no_image(image)) };
    }
    if let Some(image) = path.strip_prefix("images/").filter(|_| method == Method::DELETE) {
        let removed = host.act(|engine| engine.untag(image));
        return if removed {
            Ok(ok(&json!([{ "Untagged": image }])))
        } else {
            Err(no_image(image))
        };
    }
    let words: Vec<&str> = path.split('/').collect();
    match (method.as_str(), &words[..]) {
        ("GET", ["version"]) => Ok(ok(&tell::version())),
        ("GET", ["events"]) => Ok(streams::events(host, &query)),
        ("POST", ["images", "create"]) => {
            let image = query.get("fromImage");
            sleep(host.pace().start).await;
            host.act(|engine| engine.pull(image));
            Ok(ok(&json!({ "status": format!("Status: Downloaded newer image for {image}") })))
        }
        ("GET", ["containers", "json"]) => {
            let (labels, networks) = (query.filter("label"), query.filter("network"));
            let on = |network: &String| networks.is_empty() || networks.contains(network);
            Ok(ok(&host.look(|engine| {
                let listed = engine.containers.values();
                let listed = listed.filter(|c| carries(&c.labels, &labels) && on(&c.network));
                Value::Array(listed.map(|c| tell::summary(c, now_ns())).collect())
            })))
        }
        ("POST", ["containers", "create"]) => {
            let asked: ContainerCreateBody = read(request).await?;
            let id = host.act(|engine| engine.create(query.get("name"), asked, now_ns()))?;
            Ok(with(StatusCode::CREATED, &json!({ "Id": id, "Warnings": [] })))
        }
        ("GET", ["containers", what, "json"]) => {
            host.look(|engine| engine.find(what).map(|held| ok(&tell::container(held, now_ns()))))
        }
        ("GET", ["containers", what, "logs"]) => streams::logs(host, what, &query),
        ("GET", ["containers", what, "stats"]) => streams::stats(host, what, &query),
        ("POST", ["containers", what, "exec"]) => {
            let asked: ExecConfig = read(request).await?;
            let (command, tty) = (asked.cmd.unwrap_or_default(), asked.tty.unwrap_or_default());
            let id = host.act(|engine| engine.make_exec(what, command, tty))?;
            Ok(with(StatusCode::CREATED, &json!({ "Id": id })))
        }
        ("POST", ["containers", what, action]) => act(host, what, action).await,
        ("DELETE", ["containers", what]) => {
            let force = query.get("force") == "true";
            host.act(|engine| engine.remove(what, force, now_ns()))?;
            Ok(empty(StatusCode::NO_CONTENT))
        }
        ("GET", ["exec", id, "json"]) => {
            host.look(|engine| engine.exec(id).map(|exec| ok(&tell::exec(id, exec))))
        }
        ("POST", ["exec", id, "start"]) => exec(host, id, request),
        ("POST", ["volumes", "create"]) => {
            let asked: VolumeCreateRequest = read(request).await?;
            let name = asked.name.unwrap_or_default();
            host.act(|engine| engine.make_volume(&name));
            Ok(with(StatusCode::CREATED, &tell::volume(&name)))
        }
        ("GET", ["volumes", name]) if host.look(|engine| engine.has_volume(name)) => {
            Ok(ok(&tell::volume(name)))
        }
        ("DELETE", ["volumes", name]) if host.act(|engine| engine.remove_volume(name)) => {
            Ok(empty(StatusCode::NO_CONTENT))
        }
        (_, ["volumes", name]) => Err(Refused::new(404, format!("get {name}: no such volume"))),
        ("POST", ["networks", "create"]) => {
            let asked: NetworkCreateRequest = read(request).await?;
            let name = asked.name.clone();
            host.make_network(asked);
            Ok(with(StatusCode::CREATED, &json!({ "Id": name, "Warning": "" })))
        }
        ("GET", ["networks", name]) => {
            let found = host.look(|engine| tell::network(engine, name));
            found.map(|found| ok(&found)).ok_or_else(|| no_network(name))
        }
        ("DELETE", ["networks", name]) => {
            let removed = host.act(|engine| engine.networks.remove(*name));
            removed.map(|_| empty(StatusCode::NO_CONTENT)).ok_or_else(|| no_network(name))
        }
        _ => Err(Refused::new(501, format!("a simulated engine can't {method} {path}"))),
    }
}

/// What is done to a container that is there.
async fn act(host: &SimulatedHost, what: &str, action: &str) -> Result<Response<Body>, Refused> {
    let pace = host.pace();
    let is_up = host.look(|engine| engine.is_up(what))?;
    match action {
        "start" | "stop" if is_up == (action == "start") => return Err(Refused::new(304, "")),
        "start" => {
            sleep(pace.start).await;
            host.start(what)?;
        }
        "stop" => {
            sleep(pace.stop).await;
            host.act(|engine| engine.stop(what, now_ns()))?;
        }
        "restart" => {
            if is_up {
                sleep(pace.stop).await;
                // It may have ended by itself meanwhile.
                let _ = host.act(|engine| engine.stop(what, now_ns()));
            }
            sleep(pace.start).await;
            host.start(what)?;
        }
        "pause" | "unpause" => {
            host.act(|engine| engine.pause(what, action == "pause", now_ns()))?;
        }
        _ => return Err(Refused::new(501, format!("a simulated container can't {action}"))),
    }
    Ok(empty(StatusCode::NO_CONTENT))
}

/// Run a command: its output comes over the connection, which is no longer one of HTTP.
fn exec(
    host: &SimulatedHost,
    id: &str,
    request: &mut Request<Incoming>,
) -> Result<Response<Body>, Refused> {
    let (line, tty) = host.act(|engine| engine.run_exec(id))?;
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        // Whoever asked may be gone.
        let Ok(taken) = upgrade.await else { return };
        let mut taken = TokioIo::new(taken);
        let output = if tty {
            format!("{line}\r\n").into_bytes()
        } else {
            tell::frame(&format!("{line}\n"))
        };
        let _ = taken.write_all(&output).await;
        let _ = taken.shutdown().await;
    });
    let mut response = empty(StatusCode::SWITCHING_PROTOCOLS);
    response.headers_mut().insert(CONNECTION, http::HeaderValue::from_static("Upgrade"));
    response.headers_mut().insert(UPGRADE, http::HeaderValue::from_static("tcp"));
    Ok(response)
}

/// What stands behind the `?`.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    fn of(text: &str) -> Self {
        let pairs = form_urlencoded::parse(text.as_bytes());
        Self(pairs.map(|(key, value)| (key.into_owned(), value.into_owned())).collect())
    }

    /// Empty if it is not there.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Values of one of the filters.
    pub(super) fn filter(&self, name: &str) -> Vec<String> {
        let filters: Value = serde_json::from_str(self.get("filters")).unwrap_or_default();
        let values = filters.get(name).and_then(Value::as_array).into_iter().flatten();
        values.filter_map(|value| value.as_str().map(str::to_owned)).collect()
    }
}

async fn read<T: DeserializeOwned>(request: &mut Request<Incoming>) -> Result<T, Refused> {
    let bad = |why: String| Refused::new(400, why);
    let bytes = request.body_mut().collect().await.map_err(|error| bad(error.to_string()))?;
    serde_json::from_slice(&bytes.to_bytes()).map_err(|error| bad(error.to_string()))
}

fn no_network(name: &str) -> Refused {
    Refused::new(404, format!("network {name} not found"))
}

fn ok(told: &Value) -> Response<Body> {
    with(StatusCode::OK, told)
}

fn with(status: StatusCode, told: &Value) -> Response<Body> {
    let body = Full::new(Bytes::from(told.to_string())).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Full::default().boxed_unsync());
    *response.status_mut() = status;
    response
}
