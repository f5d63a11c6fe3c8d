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
