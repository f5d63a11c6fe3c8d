//! Becoming a host: the one call made with a registration token, and the credential it brings.

use std::time::Duration;

use bytes::Bytes;
use drover_core::protocol::{Register, Registered};
use http::header::{CONTENT_TYPE, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;

use crate::dial::{Connection, DialError, ServerUrl};

/// How long the server may take to answer.
const ANSWER: Duration = Duration::from_secs(30);
/// An answer is small; more than this is no answer of a Drover server, bytes.
const LARGEST: usize = 1 << 20;

/// Why this machine is no host yet.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The server is not reached.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// It breaks off.
    #[error("the server at {server} broke off while this machine registered: {reason}")]
    Broken {
        /// Which.
        server: String,
        /// Why.
        reason: String,
    },
    /// It says no, and will say so again.
    #[error("the server at {server} refuses to register this machine: {reason}")]
    Refused {
        /// Which.
        server: String,
        /// Its words.
        reason: String,
    },
}

impl RegisterError {
    /// Whether the same call may succeed later.
    pub fn may_pass(&self) -> bool {
        !matches!(self, Self::Refused { .. })
    }
}

/// Register over a connection that was just made.
pub(crate) async fn register(
    server: &ServerUrl,
    connection: Connection,
    register: &Register,
) -> Result<Registered, RegisterError> {
    let broken = |reason: String| RegisterError::Broken { server: server.to_string(), reason };
    let called = tokio::time::timeout(ANSWER, call(server, connection, register)).await;
    let called = called.unwrap_or_else(|_| Err("it did not answer in time".to_owned()));
    let (status, body) = called.map_err(broken)?;
    if status.is_success() {
        let read = serde_json::from_slice(&body);
        return read.map_err(|error| broken(format!("its answer can't be read: {error}")));
    }
    let reason = words(status, &body);
    if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
        return Err(RegisterError::Refused { server: server.to_string(), reason });
    }
    Err(broken(reason))
}

/// What a refusal says, from the API's error body if it is one.
pub(crate) fn words(status: StatusCode, body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct ErrorBody {
        message: String,
    }
    let said = serde_json::from_slice::<ErrorBody>(body).map(|body| body.message);
    said.unwrap_or_else(|_| format!("it answers {status}; is this the address of a Drover server?"))
}

async fn call(
    server: &ServerUrl,
    connection: Connection,
    register: &Register,
) -> Result<(StatusCode, Bytes), String> {
    let body = serde_json::to_vec(register).map_err(|error| error.to_string())?;
    let request = Request::post(format!("{}/agent/register", server.path))
        .header(HOST, server.authority())
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| error.to_string())?;
    let shaken = hyper::client::conn::http1::handshake(TokioIo::new(connection.stream)).await;
    let (mut sender, driver) = shaken.map_err(|error| error.to_string())?;
    let answered = async {
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LARGEST).collect().await;
        Ok((status, body.map_err(|error| error.to_string())?.to_bytes()))
    };
    tokio::pin!(answered);
    tokio::select! {
        answer = &mut answered => answer,
        // The connection may end right after the answer: that is no failure of the call.
        _ = driver => answered.await,
    }
}
