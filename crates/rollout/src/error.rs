//! What can go wrong on the way to what the files say: what was attempted, why it failed, what to do next.
//!
//! A refusal of the server is passed on in the server's own words: it knows more than we do.

use serde_json::Value;

use crate::view::text;

/// Why a request did not do what it was for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Nothing answered.
    #[error(
        "could not {doing}: no answer from {server} ({cause}); is it running, and is the URL right?"
    )]
    Unreachable {
        /// What was attempted.
        doing: String,
        /// Where.
        server: String,
        /// Why.
        cause: String,
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
    /// The server said no.
    #[error("{}", refused(.doing, .message))]
    Refused {
        /// What was attempted.
        doing: String,
        /// The API's number for it.
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
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Another write came first.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { status: 409, .. })
    }

    /// It may work in a moment: nothing answered, or the server is not itself.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => *status >= 500,
            Self::Denied { .. } | Self::Garbled { .. } => false,
        }
    }
}

/// The error that an answer stands for, of which `shown` is said where it has no words.
pub fn refusal(
    doing: &str,
    server: &str,
    (status, shown): (u16, &str),
    body: Option<&Value>,
) -> CallError {
    let said = |member| body.map(|body| text(body, member)).filter(|text| !text.is_empty());
    let code = said("code").unwrap_or_else(|| status.to_string());
    let message = match (said("message"), said("detail")) {
        // Rancher's server repeats the code as its message and keeps the words in `detail`.
        (Some(message), Some(detail)) if message == code => detail,
        (Some(message), _) => message,
        (None, _) => format!("{server} answered {shown}"),
    };
    CallError::Refused { doing: doing.to_owned(), status, code, message }
}

/// The server's sentence alone where it names what it is about, else with what was attempted.
fn refused(doing: &str, message: &str) -> String {
    let subject = doing.rsplit(' ').next().unwrap_or(doing);
    let names_it = message.split(|c: char| !c.is_alphanumeric() && c != '-').any(|w| w == subject);
    if names_it { message.to_owned() } else { format!("could not {doing}: {message}") }
}

/// Why a stack was not brought to where it was to be, in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The server could not be asked, or refused.
    #[error(transparent)]
    Call(#[from] CallError),
    /// What the server would refuse; it was not even asked.
    #[error("{0}")]
    Refused(String),
    /// It was tried and did not work, or can't work.
    #[error("{0}")]
    Failed(String),
    /// It stands still: something is in its way that someone has to take out of it, or a decision is to be made.
    #[error("{0}")]
    Blocked(String),
    /// The new version was tried and taken back.
    #[error("{0}")]
    RolledBack(String),
    /// It did not end in the time given; the server goes on with it.
    #[error("{0}")]
    TimedOut(String),
}

impl Failure {
    /// The same, with those named that were rolled back meanwhile: whoever is told of one that is stuck must know that the
    /// others are not where they were sent.
    pub(crate) fn and(self, back: &[String]) -> Self {
        let whole = |why: String| [std::slice::from_ref(&why), back].concat().join("; ");
        match self {
            Self::Failed(why) => Self::Failed(whole(why)),
            Self::Blocked(why) => Self::Blocked(whole(why)),
            Self::TimedOut(why) => Self::TimedOut(whole(why)),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn refusals_are_the_servers_own_words() {
        let check = |doing: &str, body: Value, want: &str| {
            let shown = (422, "422 Unprocessable Entity");
            let error = refusal(doing, "http://h", shown, Some(&body));
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
        let error = |status| refusal("x", "http://h", (status, ""), None);
        assert!(error(502).is_passing());
        assert!(!error(404).is_passing());
        assert!(error(404).is_not_found());
        assert!(error(409).is_conflict());
    }
}
