//! What can happen on the way, and who is told.

use serde::Serialize;

use crate::view::ServiceView;

/// Somebody who is told what happens.
pub trait Report: Sync {
    /// Something happened.
    fn tell(&self, event: &Event);

    /// Something is asked of the server that nobody is told of.
    fn asks(&self) {}
}

/// Nobody.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Report for Silent {
    fn tell(&self, _: &Event) {}
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Something was asked of the server.
    Step {
        /// The service it is about, if it is about one.
        #[serde(skip_serializing_if = "Option::is_none")]
        service: Option<String>,
        /// One word for programs: `create`, `upgrade`, `rollback`, …
        action: &'static str,
        /// The words.
        message: String,
    },
    /// A service is on its way.
    Progress {
        /// Which.
        service: String,
        /// Its state.
        state: String,
        /// Its health, if known.
        health: String,
        /// Units wanted.
        scale: u32,
        /// Units that serve.
        current_scale: u32,
        /// What it waits for.
        message: String,
    },
    /// A service has arrived.
    Done {
        /// Which.
        service: String,
        /// Where.
        message: String,
    },
    /// What became of the requests while a service was upgraded.
    Requests {
        /// Which service.
        service: String,
        /// The words.
        message: String,
        /// The numbers, as the server has them.
        requests: serde_json::Value,
    },
    /// Something to know.
    Note {
        /// The words.
        message: String,
    },
    /// Something to know beside a result that is on stdout.
    Aside {
        /// The words.
        message: String,
    },
    /// Something to heed.
    Warning {
        /// The words.
        message: String,
    },
    /// The command is over.
    Ended {
        /// Its exit status.
        status: u8,
        /// Why, unless it is 0.
        message: String,
    },
}

impl Event {
    /// Something was asked of the server, about a service.
    pub fn step(service: &str, action: &'static str, message: impl Into<String>) -> Self {
        Self::Step { service: Some(service.to_owned()), action, message: message.into() }
    }

    /// Something was asked of the server.
    pub fn general(action: &'static str, message: impl Into<String>) -> Self {
        Self::Step { service: None, action, message: message.into() }
    }

    /// A service is on its way.
    pub fn progress(service: &str, view: &ServiceView, message: String) -> Self {
        Self::Progress {
            service: service.to_owned(),
            state: view.state.clone(),
            health: view.health.clone(),
            scale: view.scale,
            current_scale: view.current_scale,
            message,
        }
    }

    /// A service has arrived.
    pub fn done(service: &str, message: impl Into<String>) -> Self {
        Self::Done { service: service.to_owned(), message: message.into() }
    }

    /// Something to know.
    pub fn note(message: impl Into<String>) -> Self {
        Self::Note { message: message.into() }
    }

    /// Something to know beside a result.
    pub fn aside(message: impl Into<String>) -> Self {
        Self::Aside { message: message.into() }
    }

    /// Something to heed.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::Warning { message: message.into() }
    }

    /// Whether it belongs on stderr.
    pub fn is_for_stderr(&self) -> bool {
        matches!(self, Self::Warning { .. } | Self::Aside { .. })
    }
}
