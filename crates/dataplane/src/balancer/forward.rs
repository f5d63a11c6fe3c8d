//! One request: choose a target, send it on, hand the answer back.
//!
//! A target that can't be reached costs the client nothing: the request goes to another one, for nothing of it
//! was sent. A connection that breaks later is answered 502, but for requests that change nothing (RFC 9110,
//! 9.2.1) and have no body: those are sent once more.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{Either, Full};
use hyper::body::{Body, Incoming};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::time::timeout;

use super::Shared;
use super::body::{Answer, Counted, Lent};
use super::headers::{self, Arrival};
use super::target::Upstream;

/// Until a target begins its answer; long uploads and long polls are within.
const ANSWER: Duration = Duration::from_mins(5);

/// A request under way to a target, counted for its unit until this is dropped.
pub(super) struct InFlight {
    target: Arc<Upstream>,
    shared: Arc<Shared>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.shared.board.end(self.target.unit);
    }
}

/// An answer of our own: the status and a sentence.
struct Refusal(StatusCode, &'static str);

/// Answer one request.
pub(super) async fn forward(
    mut request: Request<Incoming>,
    arrival: Arrival,
    shared: Arc<Shared>,
) -> Response<Answer> {
    if request.method() == Method::CONNECT {
        return Refusal(StatusCode::METHOD_NOT_ALLOWED, "This is no forward proxy.").answer();
    }
    let protocol = headers::upgrade_asked(request.headers());
    let client = protocol.is_some().then(|| hyper::upgrade::on(&mut request));
    let host = host_of(&request);
    let (mut parts, body) = request.into_parts();
    let body = Lent::new(body);
    headers::prepare(&mut parts.headers, arrival, &host);
    if let Some(protocol) = protocol {
        headers::set_upgrade(&mut parts.headers, protocol);
    }
    match send(&parts, &body, arrival.port, &host, &shared).await {
        Ok((response, in_flight)) => answer(response, in_flight, client),
        Err(refusal) => refusal.answer(),
    }
}

/// Try targets until one answers.
async fn send(
    parts: &Parts,
    body: &Lent,
    port: u16,
    host: &str,
    shared: &Arc<Shared>,
) -> Result<(Response<Incoming>, InFlight), Refusal> {
    let mut unreachable = Vec::new();
    let mut broken = false;
    loop {
        let in_flight = choose(shared, port, host, parts.uri.path(), &unreachable)?;
        let target = &in_flight.target;
        let Some(request) = request_for(target, parts, body) else {
            return Err(Refusal(StatusCode::BAD_REQUEST, "The request has no path."));
        };
        match timeout(ANSWER, target.client.request(request)).await {
            Ok(Ok(response)) => return Ok((response, in_flight)),
            Ok(Err(error)) if error.is_connect() && !body.is_begun() => {
                tracing::warn!(unit = %target.unit, address = %target.address, ?error, "unreachable");
                target.rest();
                unreachable.push(target.clone());
            }
            Ok(Err(error)) if !broken && may_repeat(&parts.method, body) => {
                tracing::debug!(unit = %target.unit, ?error, "sent once more");
                broken = true;
            }
            Ok(Err(error)) => {
                tracing::warn!(unit = %target.unit, address = %target.address, ?error, "broken");
                let words = "The service broke the connection before it answered.";
                return Err(Refusal(StatusCode::BAD_GATEWAY, words));
            }
            Err(_) => {
                let words = "The service did not answer in time.";
                return Err(Refusal(StatusCode::GATEWAY_TIMEOUT, words));
            }
        }
    }
}

/// Choose a target and count the request for it. The table is looked at again after counting: either it is
/// still the newest, or whoever replaced it may have read the counts before and we choose again. So a
/// target that left the config and has nothing in flight will get nothing.
fn choose(
    shared: &Arc<Shared>,
    port: u16,
    host: &str,
    path: &str,
    unreachable: &[Arc<Upstream>],
) -> Result<InFlight, Refusal> {
    let unavailable = |words| Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, words));
    loop {
        let table = shared.table.load_full();
        let Some(route) = table.route(port, host, path) else {
            return unavailable("No service is published under this host name and path.");
        };
        let Some(target) = route.choose(unreachable) else {
            return unavailable(if unreachable.is_empty() {
                "No container of this service can take requests now."
            } else {
                "No container of this service can be reached now."
            });
        };
        shared.board.begin(target.unit);
        let in_flight = InFlight { target, shared: shared.clone() };
        if Arc::ptr_eq(&table, &shared.table.load()) {
            return Ok(in_flight);
        }
    }
}

/// The request as this target gets it: always HTTP/1.1, whatever it came as.
fn request_for(target: &Upstream, parts: &Parts, body: &Lent) -> Option<Request<Lent>> {
    let uri = Uri::builder()
        .scheme("http")
        .authority(target.address.as_str())
        .path_and_query(parts.uri.path_and_query()?.clone())
        .build()
        .ok()?;
    let mut request = Request::new(body.clone());
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = parts.headers.clone();
    Some(request)
}

/// Hand a target's answer back; where both sides agree to change the protocol, join them.
fn answer(
    mut response: Response<Incoming>,
    in_flight: InFlight,
    client: Option<OnUpgrade>,
) -> Response<Answer> {
    let upgrade = headers::upgrade_asked(response.headers());
    headers::strip(response.headers_mut());
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return response.map(|body| Either::Left(Counted::new(body, in_flight)));
    }
    let (Some(client), Some(protocol)) = (client, upgrade) else {
        let words = "The service changed the protocol without being asked.";
        return Refusal(StatusCode::BAD_GATEWAY, words).answer();
    };
    headers::set_upgrade(response.headers_mut(), protocol);
    let service = hyper::upgrade::on(&mut response);
    let shared = in_flight.shared.clone();
    shared.work.spawn(tunnel(client, service, in_flight));
    response.map(|_| Either::Right(Full::default()))
}

/// Carry bytes both ways until one side ends.
async fn tunnel(client: OnUpgrade, service: OnUpgrade, in_flight: InFlight) {
    let (client, service) = match tokio::try_join!(client, service) {
        Ok(both) => both,
        Err(error) => return tracing::debug!(%error, "a tunnel was not built"),
    };
    let ended = copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(service)).await;
    tracing::debug!(?ended, unit = %in_flight.target.unit, "a tunnel ended");
}

fn may_repeat(method: &Method, body: &Lent) -> bool {
    method.is_safe() && body.is_end_stream() && !body.is_begun()
}

/// HTTP/2 and proxies' requests name the host in the URI.
fn host_of<B>(request: &Request<B>) -> String {
    let named = request.uri().authority().map(http::uri::Authority::as_str);
    let header = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    named.or(header).unwrap_or_default().to_owned()
}

impl Refusal {
    fn answer(self) -> Response<Answer> {
        let Self(status, words) = self;
        let text = Bytes::from(format!("{words}\n"));
        let mut response = Response::new(Either::Right(Full::new(text)));
        *response.status_mut() = status;
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, plain);
        response
    }
}
