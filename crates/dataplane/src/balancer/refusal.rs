//! Answers of the balancer's own: a status and a sentence, where no target's answer can be had.

use bytes::Bytes;
use drover_core::Failure;
use http::header::{CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER};
use http::{Method, Response, StatusCode};
use http_body_util::{Either, Full};

use super::body::Answer;

/// Why a request is answered here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// CONNECT.
    NoForwardProxy,
    /// `OPTIONS *` and the like.
    NoPath,
    /// No route takes it.
    Unknown,
    /// No unit could take it, and it was not to be held.
    NoTarget,
    /// It was held for as long as it may be, or too many were.
    HeldTooLong,
    /// No unit could be connected to.
    Unreachable,
    /// The unit broke the connection before it answered.
    Broken,
    /// The unit changed the protocol unasked.
    WrongProtocol,
    /// The unit did not answer in time.
    TimedOut,
    /// The client did not send its body in time.
    SlowClient,
    /// The client broke its body off.
    BrokenClient,
}

/// When to come again, in seconds.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("2");

impl Refusal {
    /// What it is counted as, where it is anybody's failure.
    pub(super) fn failure(self) -> Option<Failure> {
        match self {
            Self::NoTarget => Some(Failure::NoTarget),
            Self::HeldTooLong => Some(Failure::HeldTooLong),
            Self::Unreachable => Some(Failure::Unreachable),
            Self::Broken | Self::WrongProtocol => Some(Failure::Broken),
            Self::TimedOut => Some(Failure::TimedOut),
            Self::NoForwardProxy
            | Self::NoPath
            | Self::Unknown
            | Self::SlowClient
            | Self::BrokenClient => None,
        }
    }

    /// The answer.
    pub(super) fn answer(self) -> Response<Answer> {
        let (status, words) = self.words();
        let mut response = say(status, words);
        // For the access log; no client sees it.
        response.extensions_mut().insert(self);
        if status == StatusCode::SERVICE_UNAVAILABLE && self != Self::Unknown {
            response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_S);
        }
        response
    }

    fn words(self) -> (StatusCode, &'static str) {
        match self {
            Self::NoForwardProxy => (StatusCode::METHOD_NOT_ALLOWED, "This is no forward proxy."),
            Self::NoPath => (StatusCode::BAD_REQUEST, "The request has no path."),
            Self::Unknown => (
                StatusCode::SERVICE_UNAVAILABLE,
                "No service is published under this host name and path.",
            ),
            Self::NoTarget => (
                StatusCode::SERVICE_UNAVAILABLE,
                "No container of this service can take requests now.",
            ),
            Self::HeldTooLong => (
                StatusCode::SERVICE_UNAVAILABLE,
                "No container of this service could take the request in time.",
            ),
            Self::Unreachable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "No container of this service can be reached now.",
            ),
            Self::Broken => {
                (StatusCode::BAD_GATEWAY, "The service broke the connection before it answered.")
            }
            Self::WrongProtocol => {
                (StatusCode::BAD_GATEWAY, "The service changed the protocol without being asked.")
            }
            Self::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "The service did not answer in time."),
            Self::SlowClient => {
                (StatusCode::REQUEST_TIMEOUT, "The request's body did not come in time.")
            }
            Self::BrokenClient => (StatusCode::BAD_REQUEST, "The request's body broke off."),
        }
    }
}

/// Send the client to the same place by https. Other methods than GET keep theirs, and their bodies.
pub(super) fn to_https(method: &Method, host: &str, path: &str) -> Response<Answer> {
    let name = super::pattern::without_port(host);
    let Ok(location) = HeaderValue::from_str(&format!("https://{name}{path}")) else {
        return Refusal::NoPath.answer();
    };
    let status = match *method {
        Method::GET | Method::HEAD => StatusCode::FOUND,
        _ => StatusCode::TEMPORARY_REDIRECT,
    };
    let mut response = say(status, "Ask by https.");
    response.headers_mut().insert(LOCATION, location);
    response
}

fn say(status: StatusCode, words: &str) -> Response<Answer> {
    let mut response = Response::new(Either::Right(Full::new(Bytes::from(format!("{words}\n")))));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}
