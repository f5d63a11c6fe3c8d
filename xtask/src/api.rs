//! Drover's API as a script sees it: JSON over HTTP with a key. Paths and fields are the product's; nothing here
//! knows what they mean.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use crate::http::{Answer, HttpError, Place, Request};

/// An API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its public half.
    pub access: String,
    /// Its secret half.
    pub secret: String,
}

/// The API of a server, with a key.
#[derive(Clone, Debug)]
pub struct Api {
    server: SocketAddr,
    key: Key,
}

/// Why the API did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The server did not answer.
    #[error("the server did not answer")]
    Silent(#[from] HttpError),
    /// It refused.
    #[error("the server answered {status} to {what}: {said}")]
    Refused {
        /// What was asked.
        what: String,
        /// Its status code.
        status: u16,
        /// Its words.
        said: String,
    },
}

impl Key {
    /// As a header line.
    pub fn header(&self) -> String {
        let pair = format!("{}:{}", self.access, self.secret);
        format!("Authorization: Basic {}", base64(pair.as_bytes()))
    }
}

impl Api {
    /// The API of the server that listens there.
    pub fn new(server: SocketAddr, key: Key) -> Self {
        Self { server, key }
    }

    /// The object or collection at a path.
    pub fn get(&self, path: &str) -> Result<Value, ApiError> {
        self.ask("GET", path, &Value::Null)
    }

    /// The members of a collection.
    pub fn list(&self, path: &str) -> Result<Vec<Value>, ApiError> {
        Ok(self.get(path)?["data"].as_array().cloned().unwrap_or_default())
    }

    /// Create something, or take an action.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        self.ask("POST", path, body)
    }

    /// Change something.
    pub fn put(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        self.ask("PUT", path, body)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, ApiError> {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.exchange(method, path, text.as_bytes())?;
        if answer.is_success() {
            return Ok(answer.json());
        }
        Err(ApiError::Refused {
            what: format!("{method} {path}"),
            status: answer.status,
            said: answer.text(),
        })
    }

    /// Any request, whatever the answer.
    pub fn exchange(&self, method: &str, path: &str, body: &[u8]) -> Result<Answer, HttpError> {
        let headers = vec![self.key.header(), "Content-Type: application/json".to_owned()];
        let patience = Duration::from_secs(20);
        let request = Request { headers, body, patience, ..Request::new(method, path) };
        request.send(&Place::Tcp(self.server))
    }
}

/// Base64 with padding, as HTTP Basic wants it.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let number =
            three.iter().fold(0_usize, |n, b| n << 8 | usize::from(*b)) << (8 * (3 - three.len()));
        for digit in 0..4 {
            let one = DIGITS[number >> (18 - 6 * digit) & 63];
            out.push(if digit <= three.len() { char::from(one) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_padded() {
        for (text, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
    }
}
