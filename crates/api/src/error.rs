//! What the API answers when it can't do what was asked: Rancher's codes, our words.

use serde_json::{Value, json};

/// Rancher's error codes that clients know, each with one HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the codes are the wire's own words
pub enum Code {
    InvalidBodyContent,
    BadRequest,
    Unauthorized,
    Forbidden,
    InvalidCSRFToken,
    NotFound,
    MethodNotAllowed,
    Conflict,
    RequestEntityTooLarge,
    TooManyRequests,
    MissingRequired,
    NotUnique,
    NotNullable,
    InvalidReference,
    InvalidOption,
    InvalidFormat,
    InvalidDateFormat,
    InvalidCharacters,
    MinLengthExceeded,
    MaxLengthExceeded,
    MinLimitExceeded,
    MaxLimitExceeded,
    InvalidState,
    InvalidAction,
    ActionNotAvailable,
    ServerError,
}

impl Code {
    /// The HTTP status that goes with it.
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidBodyContent | Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden | Self::InvalidCSRFToken => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Conflict => 409,
            Self::RequestEntityTooLarge => 413,
            Self::TooManyRequests => 429,
            Self::MissingRequired
            | Self::NotUnique
            | Self::NotNullable
            | Self::InvalidReference
            | Self::InvalidOption
            | Self::InvalidFormat
            | Self::InvalidDateFormat
            | Self::InvalidCharacters
            | Self::MinLengthExceeded
            | Self::MaxLengthExceeded
            | Self::MinLimitExceeded
            | Self::MaxLimitExceeded
            | Self::InvalidState
            | Self::InvalidAction
            | Self::ActionNotAvailable => 422,
            Self::ServerError => 500,
        }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The variants are spelled as the wire spells them.
        write!(f, "{self:?}")
    }
}

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// Which kind.
    pub code: Code,
    /// What was attempted, on what, why it failed and what to do next.
    pub message: String,
    /// The member of the body it is about.
    pub field: Option<String>,
    /// Seconds after which the same request has a chance; a header says it.
    pub retry_after_s: Option<u64>,
}

impl ApiError {
    /// An error in words.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None, retry_after_s: None }
    }

    /// The same, about a member of the body.
    pub fn on(code: Code, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(code, message) }
    }

    /// Too much was asked lately: the same request has a chance after so many seconds.
    pub fn later(message: impl Into<String>, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..Self::new(Code::TooManyRequests, message) }
    }

    /// A required member is missing.
    pub fn missing(field: &str) -> Self {
        Self::on(Code::MissingRequired, field, format!("`{field}` is required"))
    }

    /// No such type, id or link, or none that the caller may see.
    pub fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(Code::NotFound, format!("{what} does not exist"))
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.code.status()
    }

    /// The body of the answer; `id` is a fresh UUID that the server logs beside it.
    pub fn body(&self, id: &str) -> Value {
        let mut body = json!({
            "id": id,
            "type": "error",
            "baseType": "error",
            "links": {},
            "actions": {},
            "status": self.status(),
            "code": self.code.to_string(),
            "message": self.message,
            "detail": null,
        });
        if let Some(field) = &self.field {
            body["fieldName"] = json!(field);
        }
        body
    }
}

impl ApiError {
    /// Changes that one request asks for don't go together: to read again and repeat it would not help.
    pub(crate) fn contradicts(refused: &drover_core::Refused) -> Self {
        Self::new(Code::InvalidState, refused.to_string())
    }
}

impl From<drover_core::Refused> for ApiError {
    /// A commit that was refused: the world changed between reading and writing.
    fn from(refused: drover_core::Refused) -> Self {
        Self::new(Code::Conflict, format!("{refused}; read it again and repeat the request"))
    }
}
