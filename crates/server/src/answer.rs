//! Answers as HTTP: JSON, the API's error shape, and the headers that every answer carries.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use drover_api::ApiError;
use serde_json::Value;

use crate::random::uuid;

/// A status and a JSON body; nothing at all without one.
pub(crate) fn json(status: u16, body: Option<&Value>) -> Response {
    let mut response = Response::new(body.map_or_else(Body::empty, |b| Body::from(b.to_string())));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    if body.is_some() {
        let kind = HeaderValue::from_static("application/json; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}

/// An error. Its id stands in the log too, where there is more to say than a client should hear.
pub(crate) fn error(refused: &ApiError, challenge: bool) -> Response {
    let id = uuid();
    if refused.status() >= 500 {
        tracing::error!(id, "a request failed: {refused}");
    }
    let mut response = json(refused.status(), Some(&refused.body(&id)));
    if challenge && response.status() == StatusCode::UNAUTHORIZED {
        let basic = HeaderValue::from_static("Basic realm=\"Drover\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
    }
    if let Some(seconds) = refused.retry_after_s {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Whether a 401 may make a browser ask for a password.
pub(crate) fn may_challenge(headers: &HeaderMap) -> bool {
    let silent = headers.get("x-api-no-challenge").is_some_and(|v| v.as_bytes() == b"true");
    !silent && !headers.contains_key(header::UPGRADE)
}
