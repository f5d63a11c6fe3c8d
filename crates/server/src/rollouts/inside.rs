//! This server's own API, asked from the inside: no connection, no key, and otherwise what a client gets.

use std::sync::Arc;

use drover_api::{Address, Caller, Kind, Query};
use drover_core::{Grant, Rollout, Stack};
use drover_rollout::{Answering, Api, At, CallError, Verb};
use serde_json::Value;

use crate::call::{self, Call};
use crate::server::Server;

/// A project of this server, as whoever asked for a rollout sees it.
pub(super) struct Inside {
    server: Arc<Server>,
    caller: Caller,
    project: String,
}

impl Inside {
    /// For a stack's rollout: in the name of who asked, and no further than the stack's project. That the key may have been
    /// taken away since does not leave the stack half-way.
    pub(super) fn of(server: &Arc<Server>, stack: &Stack, rollout: &Rollout) -> Self {
        Self {
            server: server.clone(),
            caller: Caller {
                access: rollout.by.clone(),
                grant: Grant::Project(stack.project),
                within: None,
            },
            project: Kind::Project.id(stack.project.0),
        }
    }

    async fn ask(&self, asked: drover_rollout::Call<'_>) -> Result<Value, CallError> {
        let garbled = |what| CallError::Garbled {
            doing: asked.doing.to_owned(),
            server: self.place().to_owned(),
            what,
        };
        let whole = match asked.at {
            At::Path(path) => format!("/v2-beta/projects/{}/{path}", self.project),
            At::Url(url) => url.to_owned(),
        };
        let (path, query) = whole.split_once('?').unwrap_or((&whole, ""));
        let address = Address::parse(path).ok_or_else(|| garbled("a path that is not its own"))?;
        let call = Call {
            verb: match asked.verb {
                Verb::Get => call::Verb::Get,
                Verb::Post => call::Verb::Post,
                Verb::Put => call::Verb::Put,
                Verb::Delete => call::Verb::Delete,
            },
            address,
            query: Query::parse(query),
            body: asked.body.clone(),
            base: String::new(),
            caller: self.caller.clone(),
        };
        match call::call(&self.server, &call).await {
            Ok(answer) => Ok(answer.body.unwrap_or(Value::Null)),
            Err(refused) => Err(CallError::Refused {
                doing: asked.doing.to_owned(),
                status: refused.status(),
                code: refused.code.to_string(),
                message: refused.message,
            }),
        }
    }
}

impl Api for Inside {
    fn call<'a>(&'a self, call: drover_rollout::Call<'a>) -> Answering<'a> {
        Box::pin(self.ask(call))
    }

    fn place(&self) -> &'static str {
        "this server"
    }

    fn environment(&self) -> &str {
        &self.project
    }
}
