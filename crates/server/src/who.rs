//! Who is asking, by any of the ways to say so: a key by HTTP Basic, a token in its place as Bearer or in a cookie; and
//! which project it is about, where a header says that.
//!
//! A cookie is sent by browsers whoever wrote the page, so with one a write has to repeat what only the right page could
//! read, and a WebSocket has to come from a page of this server.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use drover_api::{ApiError, Caller, Code, Kind};
use drover_core::{Grant, ProjectId, World};
use serde_json::{Value, json};

use crate::attempts::{self, Way};
use crate::auth::{self, Denied};
use crate::clock;
use crate::logins::LIFE_MS;
use crate::server::Server;

/// Cookies.
const TOKEN: &str = "token";
const CSRF: &str = "CSRF";

/// Someone who was let in.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Who.
    pub(crate) caller: Caller,
    /// By a token, not by the key itself.
    pub(crate) by_token: bool,
}

impl Known {
    /// The account, or the project whose key it is: value of a header that browsers read.
    pub(crate) fn account_id(&self) -> Option<String> {
        match self.caller.grant {
            Grant::Account(id) => Some(Kind::Account.id(id.0)),
            Grant::Project(id) => Some(Kind::Project.id(id.0)),
            Grant::Admin | Grant::Registration { .. } | Grant::Agent(_) => None,
        }
    }
}

/// The user behind a request.
pub(crate) async fn user(server: &Server, parts: &Parts) -> Result<Known, ApiError> {
    let (headers, world) = (&parts.headers, &server.store.world());
    let mut known = match (bearer(headers), cookie(headers, TOKEN)) {
        _ if auth::is_basic_sent(headers) => {
            Known { caller: by_key(server, parts).await?, by_token: false }
        }
        (Some(token), _) => by_token(server, world, token)?.0,
        (None, Some(token)) => {
            let (known, csrf) = by_token(server, world, token)?;
            from_own_page(parts, &csrf)?;
            known
        }
        (None, None) => return Err(Denied::NoKey.into()),
    };
    known.caller.within = project(headers)?;
    Ok(known)
}

/// The user behind a key by HTTP Basic.
pub(crate) async fn by_key(server: &Server, parts: &Parts) -> Result<Caller, ApiError> {
    let (access, secret) = auth::basic(&parts.headers).ok_or(Denied::NoKey)?;
    let look = |world: &World| auth::user_by(world, &access, &secret);
    attempts::check(server, parts, (Way::Key, &access), look).await
}

fn by_token(server: &Server, world: &World, token: &str) -> Result<(Known, String), ApiError> {
    let login = server.logins.find(token, clock::now());
    let login = login.ok_or_else(|| ApiError::from(Denied::WrongToken))?;
    let caller = auth::user_of(world, &login.access).map_err(|_| Denied::WrongToken)?;
    Ok((Known { caller, by_token: true }, login.csrf))
}

/// The project that a header selects.
fn project(headers: &HeaderMap) -> Result<Option<ProjectId>, ApiError> {
    let Some(value) = headers.get("x-api-project-id") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text.is_empty() {
        return Ok(None);
    }
    let id = Kind::Project.parse(text).map(ProjectId);
    id.map(Some).ok_or_else(|| ApiError::not_found(format!("project {text}")))
}

fn from_own_page(parts: &Parts, csrf: &str) -> Result<(), ApiError> {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let is_read = [Method::GET, Method::HEAD].contains(&parts.method);
    if !is_read && header("x-api-csrf") != Some(csrf) {
        let why = "a request with a cookie that changes something repeats the cookie CSRF in the header X-API-CSRF";
        return Err(ApiError::new(Code::InvalidCSRFToken, why));
    }
    let is_socket = parts.headers.contains_key(header::UPGRADE);
    let origin = header("origin").and_then(|origin| Some(origin.split_once("://")?.1));
    if is_socket && origin.is_some() && origin != header("host") {
        let why = "a WebSocket with a cookie is opened from a page of this server only";
        return Err(ApiError::new(Code::InvalidCSRFToken, why));
    }
    Ok(())
}

/// `POST /v2-beta/token`: a key pair is changed for a token. The answer's body, and its cookies.
pub(crate) async fn log_in(
    server: &Server,
    parts: &Parts,
    body: &Value,
    base: &str,
) -> Result<(Known, Value, [HeaderValue; 2]), ApiError> {
    let code = body["code"].as_str().ok_or_else(|| {
        let why = "`code` is required: an access key and its secret key, with a colon between";
        ApiError::on(Code::MissingRequired, "code", why)
    })?;
    let (access, secret) = code.split_once(':').ok_or(Denied::WrongKey)?;
    let look = |world: &World| auth::user_by(world, access, secret);
    let caller = attempts::check(server, parts, (Way::LogIn, access), look).await?;
    let (token, login) = server.logins.give(access, clock::now());
    let known = Known { caller, by_token: false };
    let is_admin = known.caller.rights(&server.store.world()).base() == drover_core::Rank::Admin;
    let body = json!({
        "id": null,
        "type": "token",
        "baseType": "token",
        "links": {},
        "actions": {},
        "jwt": token,
        "accountId": known.account_id(),
        "userType": if is_admin { "admin" } else { "user" },
        "security": true,
        "expires": clock::words(login.until),
        "expiresTS": login.until.0,
    });
    let secure = if base.starts_with("https:") { "; Secure" } else { "" };
    let rest = format!("; Path=/; SameSite=Strict; Max-Age={}{secure}", LIFE_MS / 1000);
    let set = |text: String| {
        HeaderValue::from_str(&text)
            .map_err(|_| ApiError::new(Code::ServerError, "the token does not fit into a cookie"))
    };
    let cookies = [
        set(format!("{TOKEN}={token}{rest}; HttpOnly"))?,
        set(format!("{CSRF}={}{rest}", login.csrf))?,
    ];
    Ok((known, body, cookies))
}

/// `DELETE /v2-beta/token`: the token that the request was made with opens nothing any more.
pub(crate) fn log_out(server: &Server, headers: &HeaderMap) {
    if let Some(token) = bearer(headers).or_else(|| cookie(headers, TOKEN)) {
        server.logins.forget(token);
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(held, _)| held.trim() == name).map(|(_, value)| value.trim())
}
