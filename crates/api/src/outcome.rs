//! What a write comes to: changes to commit, and what to answer once they are.

use std::collections::BTreeMap;

use drover_core::protocol::Ask;
use drover_core::{Change, HostId, ProjectId, ServiceId, StackId};
use serde_json::{Map, Value};

use crate::errand::Once;
use crate::resource::Foretold;
use crate::stats::StatsOf;

/// A write, decided. The server commits `changes` against the snapshot they were made from (none: no commit),
/// and asks again on a conflict.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// To be committed together.
    pub changes: Vec<Change>,
    /// The answer.
    pub then: Then,
}

/// What to answer after the commit.
#[derive(Clone, Debug, PartialEq)]
pub enum Then {
    /// The resource, rendered from the new snapshot.
    Render {
        /// Its collection.
        plural: &'static str,
        /// Its id.
        id: String,
        /// HTTP status.
        status: u16,
    },
    /// The same, with members that are shown this once (a new key's secret).
    Reveal {
        /// Its collection.
        plural: &'static str,
        /// Its id.
        id: String,
        /// HTTP status.
        status: u16,
        /// Members that replace those rendered.
        members: Map<String, Value>,
    },
    /// 200 and where a link of a resource leads, from the new snapshot.
    Link {
        /// The resource's collection.
        plural: &'static str,
        /// Its id.
        id: String,
        /// The link.
        link: &'static str,
    },
    /// 204.
    NoContent,
    /// 200 and this.
    Body(Value),
    /// A `hostAccess`: URL and token of a stream that the agent opens for `ask`.
    HostAccess {
        /// What to ask the agent.
        ask: Ask,
        /// Whose agent.
        host: HostId,
    },
    /// 200 and a `statsAccess`: URL and token of a stream of what these use.
    Stats(StatsOf),
    /// Have a container's host do something with it that ends by itself; the answer is the container in the state it passes
    /// through meanwhile. What fails at once is an error.
    Ask {
        /// What to ask.
        ask: Ask,
        /// Whose agent.
        host: HostId,
        /// What it is, for those who look meanwhile.
        what: Once,
        /// Number of the container.
        container: u64,
        /// The collection to render it from.
        plural: &'static str,
        /// HTTP status.
        status: u16,
    },
    /// A pull on the hosts of a project; 201 and a `pullTask`.
    Pull {
        /// Whose hosts.
        project: ProjectId,
        /// What to pull.
        image: String,
        /// Labels that select hosts, as placement does.
        labels: BTreeMap<String, String>,
        /// Only where the image is already.
        only_if_present: bool,
    },
    /// 200 and a `networkDiagnosis` of a project's hosts, once their agents have been asked.
    DiagnoseNetwork {
        /// Whose hosts.
        project: ProjectId,
    },
    /// 200 and a `forecast`. Finding it out takes long where much would move, and needs nothing else of the server.
    Forecast(Box<Foretold>),
    /// 200 and a `composeConfig` of these services, in the words of compose files.
    ExportConfig {
        /// The stack.
        stack: StackId,
        /// Which of its services.
        services: Vec<ServiceId>,
    },
}

/// A finished answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// JSON body; `None` for 204.
    pub body: Option<Value>,
}

impl Outcome {
    /// Commit `changes`, answer the resource.
    pub(crate) fn render(
        changes: Vec<Change>,
        plural: &'static str,
        id: String,
        status: u16,
    ) -> Self {
        Self { changes, then: Then::Render { plural, id, status } }
    }

    /// The same, answered with another status.
    pub(crate) fn answered(mut self, with: u16) -> Self {
        if let Then::Render { status, .. } | Then::Ask { status, .. } = &mut self.then {
            *status = with;
        }
        self
    }
}
