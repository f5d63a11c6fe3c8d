//! Reading a request's body: JSON, of bounded size, within bounded time.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use drover_api::{ApiError, Code};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

/// Bytes of the largest body: several times the largest compose file anyone was seen with.
pub(crate) const MAX_BYTES: usize = 4 << 20;
/// Bytes of a larger one that are read and thrown away, so that its sender gets to read the answer.
const SKIPPED_BYTES: usize = 64 << 20;
/// How long a client may take to send one.
const PATIENCE: Duration = Duration::from_secs(30);

/// The body as JSON; `null` if there is none.
pub(crate) async fn value(body: Body) -> Result<Value, ApiError> {
    value_within(body, MAX_BYTES).await
}

/// The same, of another size at most, in bytes.
pub(crate) async fn value_within(body: Body, most: usize) -> Result<Value, ApiError> {
    let bytes = bytes(body, most).await?;
    if bytes.iter().all(u8::is_ascii_whitespace) { Ok(Value::Null) } else { parse(&bytes) }
}

/// The body as one of our own messages.
pub(crate) async fn message<T: DeserializeOwned>(body: Body) -> Result<T, ApiError> {
    parse(&bytes(body, MAX_BYTES).await?)
}

async fn bytes(body: Body, most: usize) -> Result<Bytes, ApiError> {
    let late = |_| {
        let why = format!("the body did not arrive within {} s", PATIENCE.as_secs());
        Err(ApiError::new(Code::InvalidBodyContent, why))
    };
    timeout(PATIENCE, read(body, most)).await.unwrap_or_else(late)
}

async fn read(mut body: Body, most: usize) -> Result<Bytes, ApiError> {
    let (mut kept, mut size) = (BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            ApiError::new(Code::InvalidBodyContent, format!("the body broke off: {error}"))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        size += data.len();
        if size <= most {
            kept.extend_from_slice(&data);
        } else if size > SKIPPED_BYTES {
            break;
        }
    }
    if size > most {
        let why = format!("the body is larger than the {} this server takes", size_words(most));
        return Err(ApiError::new(Code::RequestEntityTooLarge, why));
    }
    Ok(kept.freeze())
}

fn size_words(bytes: usize) -> String {
    if bytes < 1 << 20 { format!("{} KiB", bytes >> 10) } else { format!("{} MiB", bytes >> 20) }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        // serde_json's words end with line and column.
        ApiError::new(Code::InvalidBodyContent, format!("the body can't be read as JSON: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bodies() {
        let check = async |text: String, want: Result<Value, &str>| {
            let got = value(Body::from(text)).await.map_err(|e| format!("{} {e}", e.status()));
            assert_eq!(got, want.map_err(str::to_owned));
        };
        check("{\"a\": 1}".into(), Ok(serde_json::json!({"a": 1}))).await;
        check(" \n".into(), Ok(Value::Null)).await;
        let why = "400 the body can't be read as JSON: expected value at line 2 column 7";
        check("{\n \"a\": }".into(), Err(why)).await;
        let why =
            "400 the body can't be read as JSON: recursion limit exceeded at line 1 column 128";
        check("[".repeat(100_000), Err(why)).await;
        let why = "413 the body is larger than the 4 MiB this server takes";
        check(" ".repeat(MAX_BYTES + 1), Err(why)).await;
        let got = value_within(Body::from(" ".repeat(2049)), 2048).await.unwrap_err();
        assert_eq!(got.to_string(), "the body is larger than the 2 KiB this server takes");
    }
}
