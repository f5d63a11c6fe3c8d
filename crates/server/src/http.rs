//! HTTP in front of everything: finds the route, lets the caller in or not, hands over, and puts the headers
//! that clients look for on every answer.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State, WebSocketUpgrade};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, header};
use axum::response::{Html, IntoResponse, Response};
use drover_api::{Address, Answer, ApiError, Code, Query, catalog, catalog_schemas_url, page};
use serde_json::{Value, json};
use tower_http::compression::CompressionLayer;

use crate::audit::Asked;
use crate::base_url::base_url;
use crate::call::{Call, Verb, call};
use crate::route::Route;
use crate::server::Server;
use crate::who::{self, Known};
use crate::{
    answer, audit, auth, body, consul, host_access, register, script, session, subscribe, webhooks,
};

/// Frames and messages of an agent's WebSocket, at most: a report names every unit of a host.
const AGENT_BYTES: usize = 64 << 20;
/// The same for users' WebSockets.
const USER_BYTES: usize = 1 << 20;

/// Everything this server answers.
pub(crate) fn router(server: Arc<Server>) -> Router {
    Router::new().fallback(handle).layer(CompressionLayer::new()).with_state(server)
}

async fn handle(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
    let base = server.url.clone().unwrap_or_else(|| base_url(&parts.headers, &parts.uri));
    let challenge = answer::may_challenge(&parts.headers);
    let route = Route::of(&path);
    let schemas = schemas_url(&route, &base);
    // A token is no word for a log.
    let shown = if matches!(route, Route::Script(_)) { "/v1/scripts/…" } else { path.as_str() };
    let mut known = None;
    let response = match dispatch(&server, route, parts, body, base, &mut known).await {
        Ok(response) => response,
        Err(refused) => {
            tracing::debug!(%method, path = shown, status = refused.status(), "refused: {refused}");
            answer::error(&refused, challenge)
        }
    };
    tracing::trace!(%method, path = shown, status = response.status().as_u16(), "answered");
    with_headers(response, &schemas, known.as_ref())
}

async fn dispatch(
    server: &Arc<Server>,
    route: Route,
    mut parts: Parts,
    body: Body,
    base: String,
    known: &mut Option<Known>,
) -> Result<Response, ApiError> {
    let world = server.store.world();
    let query = Query::parse(parts.uri.query().unwrap_or(""));
    match route {
        Route::Ping => Ok("pong".into_response()),
        Route::AgentRegister => {
            only(&parts, &[Method::POST])?;
            let asked = body::message(body).await?;
            let registered = register::register(server, &asked).await?;
            Ok(answer::json(201, Some(&json!(registered))))
        }
        Route::AgentConnect => {
            let host = auth::agent(&world, &parts.headers)?;
            let socket = upgrade(&mut parts, AGENT_BYTES).await?;
            let (server, sockets) = (server.clone(), server.sockets.clone());
            Ok(socket
                .on_upgrade(move |socket| sockets.track_future(session::run(server, socket, host))))
        }
        Route::Script(token) => {
            only(&parts, &[Method::GET, Method::HEAD])?;
            script::script(&world, &base, &token)
        }
        Route::HostAccess => {
            let stream = host_access::open(server, &parts.headers, &query).await?;
            let socket = upgrade(&mut parts, USER_BYTES).await?;
            let (server, sockets) = (server.clone(), server.sockets.clone());
            Ok(socket.on_upgrade(move |socket| {
                sockets.track_future(host_access::run(server, socket, stream))
            }))
        }
        Route::Subscribe(address) => {
            let caller = known.insert(who::user(server, &parts).await?).caller.clone();
            let subscriber = subscribe::Subscriber { address, query, base, caller };
            subscriber.check(&world)?;
            let place = server.streams.subscriber()?;
            let socket = upgrade(&mut parts, USER_BYTES).await?;
            let (server, sockets) = (server.clone(), server.sockets.clone());
            Ok(socket.on_upgrade(move |socket| {
                sockets.track_future(async move {
                    subscribe::run(server, socket, subscriber).await;
                    drop(place);
                })
            }))
        }
        Route::Consul(what) => {
            only(&parts, &[Method::GET, Method::HEAD])?;
            consul::answer(server, &parts, &query, &what).await
        }
        Route::Catalog(path) => {
            only(&parts, &[Method::GET, Method::HEAD])?;
            *known = Some(who::user(server, &parts).await?);
            let library = server.library.borrow().clone();
            Ok(answer::json(200, Some(&catalog(&base, &library, &path, &query)?)))
        }
        Route::Api(address) => {
            let caller = known.insert(who::user(server, &parts).await?);
            api(server, &parts, address, query, body, (base, caller)).await
        }
        Route::Receivers(address) => {
            let caller = known.insert(who::user(server, &parts).await?);
            let scope = query.get("projectId").map(webhooks::project).transpose()?;
            let address = Address { scope, ..address };
            api(server, &parts, address, query, body, (base, caller)).await
        }
        Route::Webhook => {
            only(&parts, &[Method::POST])?;
            let Answer { status, body } =
                webhooks::fire(server, &parts, &query, body, base).await?;
            Ok(answer::json(status, body.as_ref()))
        }
        Route::Docs(address) => {
            only(&parts, &[Method::GET, Method::HEAD])?;
            let caller = known.insert(who::user(server, &parts).await?).caller.clone();
            let address = Address { path: vec!["openapi.json".to_owned()], ..address };
            let asked = Call { verb: Verb::Get, address, query, body: Value::Null, base, caller };
            let document = call(server, &asked).await?.body.unwrap_or_default();
            Ok(Html(page(&document)).into_response())
        }
        Route::Token(address) => token(server, &parts, &address, body, (&base, known)).await,
        Route::Nothing => {
            *known = Some(who::user(server, &parts).await?);
            Err(ApiError::not_found(parts.uri.path()))
        }
    }
}

async fn api(
    server: &Arc<Server>,
    parts: &Parts,
    address: Address,
    query: Query,
    body: Body,
    (base, known): (String, &Known),
) -> Result<Response, ApiError> {
    let verb = verb(&parts.method, &query)?;
    let asked = Asked::of(known, verb, &address, &query, audit::from(parts));
    let body = match verb {
        Verb::Get => Value::Null,
        Verb::Post | Verb::Put | Verb::Delete => body::value(body).await?,
    };
    let caller = known.caller.clone();
    let answer = call(server, &Call { verb, address, query, body, base, caller }).await;
    if let Some(asked) = asked {
        asked.keep(server, &answer).await;
    }
    let Answer { status, body } = answer?;
    Ok(answer::json(status, body.as_ref()))
}

/// Log in, or out.
async fn token(
    server: &Arc<Server>,
    parts: &Parts,
    address: &Address,
    body: Body,
    (base, known): (&str, &mut Option<Known>),
) -> Result<Response, ApiError> {
    only(parts, &[Method::POST, Method::DELETE])?;
    let query = Query::default();
    let keep = async |known: &Known, verb, answer: Answer| {
        let asked = Asked::of(known, verb, address, &query, audit::from(parts));
        let answer = Ok(answer);
        if let Some(asked) = asked {
            asked.keep(server, &answer).await;
        }
    };
    if parts.method == Method::DELETE {
        let known = known.insert(who::user(server, parts).await?);
        who::log_out(server, &parts.headers);
        keep(known, Verb::Delete, Answer { status: 204, body: None }).await;
        return Ok(answer::json(204, None));
    }
    let body = body::value(body).await?;
    let (who, shown, cookies) = who::log_in(server, parts, &body, base).await?;
    keep(known.insert(who), Verb::Post, Answer { status: 201, body: None }).await;
    let mut response = answer::json(201, Some(&shown));
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// What a request wants; browsers' forms say it in `_method`.
fn verb(method: &Method, query: &Query) -> Result<Verb, ApiError> {
    let named = query.get("_method").filter(|_| method == Method::POST).map(str::to_uppercase);
    match named.as_deref().unwrap_or(method.as_str()) {
        "GET" | "HEAD" => Ok(Verb::Get),
        "POST" => Ok(Verb::Post),
        "PUT" => Ok(Verb::Put),
        "DELETE" => Ok(Verb::Delete),
        other => Err(no_method(other)),
    }
}

fn only(parts: &Parts, methods: &[Method]) -> Result<(), ApiError> {
    if methods.contains(&parts.method) { Ok(()) } else { Err(no_method(parts.method.as_str())) }
}

fn no_method(name: &str) -> ApiError {
    ApiError::new(Code::MethodNotAllowed, format!("the method {name} is not possible here"))
}

async fn upgrade(parts: &mut Parts, max_bytes: usize) -> Result<WebSocketUpgrade, ApiError> {
    let socket = WebSocketUpgrade::from_request_parts(parts, &()).await.map_err(|_| {
        ApiError::new(Code::MethodNotAllowed, "this URL is a WebSocket: open it as one")
    })?;
    Ok(socket.max_message_size(max_bytes).max_frame_size(max_bytes))
}

/// Where a client that got this answer finds the schemas.
fn schemas_url(route: &Route, base: &str) -> String {
    match route {
        Route::Api(address)
        | Route::Receivers(address)
        | Route::Docs(address)
        | Route::Subscribe(address)
        | Route::Token(address) => address.schemas_url(base),
        Route::Catalog(_) => catalog_schemas_url(base),
        Route::Ping
        | Route::AgentRegister
        | Route::AgentConnect
        | Route::HostAccess
        | Route::Script(_)
        | Route::Webhook
        | Route::Consul(_)
        | Route::Nothing => {
            Address::parse("/v2-beta").map_or_else(String::new, |root| root.schemas_url(base))
        }
    }
}

fn with_headers(mut response: Response, schemas: &str, known: Option<&Known>) -> Response {
    let headers = response.headers_mut();
    let account = known.and_then(Known::account_id);
    if let Some(account) = account.and_then(|id| HeaderValue::from_str(&id).ok()) {
        headers.insert("x-api-account-id", account);
    }
    if let Ok(schemas) = HeaderValue::from_str(schemas) {
        headers.insert("x-api-schemas", schemas);
    }
    let version = HeaderValue::from_static(concat!("v", env!("CARGO_PKG_VERSION")));
    headers.insert("x-rancher-version", version);
    response
}
