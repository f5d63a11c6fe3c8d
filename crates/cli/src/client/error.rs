//! What can go wrong between the command and the server: what was attempted, why it failed, what to do next.
//!
//! A refusal of the server is passed on in the server's own words: it knows more than we do.

use reqwest::StatusCode;
use serde_json::Value;

use crate::wire::text;

/// Why a request did not do what it was for.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The URL can't be used.
    #[error("`{url}` is not the URL of a server: {why}")]
    BadUrl {
        /// As given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The HTTP client could not be made.
    #[error("could not set up HTTPS: {0}")]
    Setup(#[source] reqwest::Error),
    /// Nothing answered.
    #[error("could not {doing}: no answer from {server} ({}); is it running, and is the URL right?", root(.cause))]
    Unreachable {
        /// What was attempted.
        doing: String,
        /// Where.
        server: String,
        /// Why.
        cause: reqwest::Error,
    },
    /// The key was not accepted.
    #[error(
        "could not {doing}: {server} does not accept the access key {access_key}; check it and its secret key, \
         and that they were made on this server"
    )]
    Denied {
        /// What was attempted.
        doing: String,
        /// Where.
        server: String,
        /// With which key; never its secret half.
        access_key: String,
    },
    /// No environment, or several.
    #[error("could not choose an environment on {server}: {why}")]
    Environment {
        /// Where.
        server: String,
        /// Why, and what to do.
        why: String,
    },
    /// The server said no.
    #[error("{}", refused(.doing, .message))]
    Refused {
        /// What was attempted.
        doing: String,
        /// HTTP status.
        status: u16,
        /// The API's code.
        code: String,
        /// The server's words.
        message: String,
    },
    /// The answer makes no sense.
    #[error("could not {doing}: {server} answered with {what}; is it a Drover or Rancher server?")]
    Garbled {
        /// What was attempted.
        doing: String,
        /// Where.
        server: String,
        /// What came.
        what: &'static str,
    },
}

impl CallError {
    /// What was asked for is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Another write came first.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { status: 409, .. })
    }

    /// It may work in a moment: nothing answered, or the server is not itself.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => *status >= 500,
            _ => false,
        }
    }
}

/// The error that an answer stands for.
pub(super) fn refusal(
    doing: &str,
    server: &str,
    status: StatusCode,
    body: Option<&Value>,
) -> CallError {
    let said = |member| body.map(|body| text(body, member)).filter(|text| !text.is_empty());
    let code = said("code").unwrap_or_else(|| status.as_u16().to_string());
    let message = match (said("message"), said("detail")) {
        // Rancher's server repeats the code as its message and keeps the words in `detail`.
        (Some(message), Some(detail)) if message == code => detail,
        (Some(message), _) => message,
        (None, _) => format!("{server} answered {status}"),
    };
    CallError::Refused { doing: doing.to_owned(), status: status.as_u16(), code, message }
}

/// The server's sentence alone where it names what it is about, else with what was attempted.
fn refused(doing: &str, message: &str) -> String {
    let subject = doing.rsplit(' ').next().unwrap_or(doing);
    let names_it = message.split(|c: char| !c.is_alphanumeric() && c != '-').any(|w| w == subject);
    if names_it { message.to_owned() } else { format!("could not {doing}: {message}") }
}

/// The innermost cause: the outer ones only say that sending failed.
fn root(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn refusals_are_the_servers_own_words() {
        let check = |doing: &str, body: Value, want: &str| {
            let error = refusal(doing, "http://h", StatusCode::UNPROCESSABLE_ENTITY, Some(&body));
            assert_eq!(error.to_string(), want);
        };
        let ours =
            "web can't be upgraded start-first: its fixed host port 80/tcp is held by web/lb";
        check("upgrade web", json!({"code": "InvalidOption", "message": ours}), ours);
        check(
            "create service web",
            json!({"code": "NotUnique", "message": "NotUnique", "fieldName": "name"}),
            "could not create service web: NotUnique",
        );
        check(
            "create service web",
            json!({"code": "NotUnique", "message": "NotUnique", "detail": "name is taken"}),
            "could not create service web: name is taken",
        );
        check(
            "list hosts",
            Value::Null,
            "could not list hosts: http://h answered 422 Unprocessable Entity",
        );
    }

    #[test]
    fn what_may_work_in_a_moment() {
        let error = |status| refusal("x", "http://h", status, None);
        assert!(error(StatusCode::BAD_GATEWAY).is_passing());
        assert!(!error(StatusCode::NOT_FOUND).is_passing());
        assert!(error(StatusCode::NOT_FOUND).is_not_found());
        assert!(error(StatusCode::CONFLICT).is_conflict());
    }
}
