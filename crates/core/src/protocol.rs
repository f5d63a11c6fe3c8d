//! What agent and server say to each other: one WebSocket that the agent opens, JSON text frames for the
//! messages below, binary frames for the bytes of streams (8 bytes of stream number, big endian, then the data).
//!
//! Whole states, not deltas, wherever a lost message would matter: an assignment replaces the one before, an
//! observation is ordered by its clock, and both are sent again after a reconnect.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::doctor::ProbeTarget;
use crate::{
    DiscoveryUpdate, Followed, HearingNow, HostAssignment, HostFacts, HostId, Observed, Secret,
    Time, UnitKey, Witnessed,
};

/// Version of this protocol; a server refuses an agent of another one, in words.
pub const PROTOCOL: u32 = 1;

/// Body of `POST /agent/register`, the one call made with a registration token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Register {
    /// The token.
    pub token: Secret,
    /// Random text the agent made once and keeps: the same identity is the same host.
    pub identity: String,
    /// The machine's name.
    pub hostname: String,
    /// Address other hosts reach it by.
    pub address: String,
    /// Labels to start with.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What the machine is.
    pub facts: HostFacts,
}

/// Answer to it: the agent's own credential, for HTTP Basic on `GET /agent/connect`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Registered {
    /// The host it is now.
    pub host: HostId,
    /// Access key.
    pub access: String,
    /// Secret key; the server keeps only its hash.
    pub secret: Secret,
    /// Id of the cluster.
    pub cluster: String,
}

/// From agent to server.
#[allow(clippy::large_enum_variant)] // most of what is said are reports, and nothing keeps a message
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "of", rename_all = "snake_case")]
pub enum FromAgent {
    /// First message of every connection.
    Hello {
        /// [`PROTOCOL`].
        protocol: u32,
        /// Generation of the assignment on disk; 0 if none.
        assigned: u64,
        /// Address other hosts reach it by, now.
        address: String,
        /// What the machine is, now.
        facts: HostFacts,
    },
    /// What changed since the last report; after a connect, and now and then, everything.
    Report(Report),
    /// The answer to an [`FromServer::Ask`] that opens no stream, or the end of the stream it opened.
    Done {
        /// The ask's number.
        ask: u64,
        /// What went wrong; empty if nothing.
        error: String,
    },
    /// Lines of text for an ask in progress, e.g. of a pull.
    Progress {
        /// The ask's number.
        ask: u64,
        /// The line.
        text: String,
    },
}

/// Observations and events of one host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// Generation of the assignment on the agent's disk.
    pub assigned: u64,
    /// It has all units in it.
    pub whole: bool,
    /// Units, by key.
    pub units: BTreeMap<UnitKey, Observed>,
    /// What balancers here acknowledged and counted, by unit: all of them whenever one differs.
    pub balancers: BTreeMap<UnitKey, Followed>,
    /// What the host's name service acknowledged.
    pub names: Option<Followed>,
    /// What happened, oldest first; the server acknowledges them by the last number.
    pub events: Vec<HostEvent>,
    /// What the machine is, if that changed.
    pub facts: Option<HostFacts>,
    /// What it hears of the other hosts, if that changed.
    pub hearing: Option<HearingNow>,
    /// What it found of units on other hosts, all of it, if that changed.
    pub witnessed: Option<Witnessed>,
}

/// Something that happened on a host and that people will ask about, kept by the agent until acknowledged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostEvent {
    /// The agent's counter.
    pub number: u64,
    /// When, by the host's clock.
    pub at: Time,
    /// The unit it is about.
    pub unit: UnitKey,
    /// What happened, in words: "web-2 exited with code 137; started again after 0.2 s".
    pub text: String,
}

/// From server to agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "of", rename_all = "snake_case")]
pub enum FromServer {
    /// Answer to the hello.
    Welcome {
        /// The agent's observation counter continues above this.
        tick: u64,
    },
    /// The connection is refused for good: what to do, in words.
    Refused {
        /// The words.
        reason: String,
    },
    /// The host's assignment, whole.
    Assign(Box<HostAssignment>),
    /// What names and metadata are answered from: everything after a connect, then what changed.
    Discover(Box<DiscoveryUpdate>),
    /// Events up to this number are stored.
    EventsStored {
        /// The number.
        number: u64,
    },
    /// Do something now, once.
    Ask {
        /// Number of the request; streams carry it.
        ask: u64,
        /// What.
        what: Ask,
    },
    /// The asker is gone; end the stream.
    Cancel {
        /// The ask's number.
        ask: u64,
    },
    /// The terminal of a command that was asked for has another size, in characters.
    Resize {
        /// The ask's number.
        ask: u64,
        /// Columns.
        width: u16,
        /// Rows.
        height: u16,
    },
}

/// Things a server asks for on a user's behalf. None of them changes what the host shall run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", content = "of", rename_all = "snake_case")]
pub enum Ask {
    /// Stream a container's log. Each binary frame is one line, its first byte 1 (stdout) or 2 (stderr), or 0
    /// for a terminal.
    Logs {
        /// Docker's id of the container.
        container: String,
        /// Go on as lines come.
        follow: bool,
        /// Lines from the end; `None` is all.
        tail: Option<u32>,
        /// Put Docker's time stamp before each line.
        timestamps: bool,
        /// Only what was said from then on, seconds since 1970.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<i64>,
    },
    /// Run a command; binary frames are its input and output, raw.
    Exec {
        /// Docker's id of the container.
        container: String,
        /// Program and arguments.
        command: Vec<String>,
        /// Give it a terminal.
        tty: bool,
        /// Forward input.
        stdin: bool,
    },
    /// Speak with the host's Docker engine: binary frames are the bytes of one connection to its API, raw.
    Docker,
    /// Pull an image with the project's logins.
    Pull {
        /// The reference.
        image: String,
        /// Only if the host has the image already.
        only_if_present: bool,
    },
    /// Stop a container; its unit's plan starts it again if it is to run.
    Stop {
        /// Docker's id of the container.
        container: String,
        /// Seconds before SIGKILL.
        grace_s: Option<u32>,
    },
    /// Restart a container.
    Restart {
        /// Docker's id of the container.
        container: String,
        /// Seconds before SIGKILL.
        grace_s: Option<u32>,
    },
    /// Remove a container; its unit's plan makes it again if it is to be.
    Remove {
        /// Docker's id of the container.
        container: String,
    },
    /// Say how the host's own part of the network is: one line of progress, a [`crate::doctor::Examined`] as JSON.
    Examine {
        /// A name of the project's that its name service must answer; empty for none.
        name: String,
    },
    /// Probe the ways to other hosts, and listen for their probes: one line of progress, a [`crate::doctor::Probed`] as
    /// JSON.
    Probe {
        /// Which hosts.
        targets: Vec<ProbeTarget>,
    },
    /// Say about once a second what the host and containers on it use: each binary frame is one [`crate::Sample`] as JSON.
    /// Containers that are not there are left out.
    Stats {
        /// The host itself.
        host: bool,
        /// Docker's ids of containers.
        containers: BTreeSet<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let register = Register {
            token: Secret::new("hunter2"),
            identity: "i".into(),
            hostname: "h".into(),
            address: "10.0.0.1".into(),
            labels: BTreeMap::new(),
            facts: HostFacts::default(),
        };
        assert!(!format!("{register:?}").contains("hunter2"));
        assert!(serde_json::to_string(&register).unwrap().contains("hunter2"));
    }
}
