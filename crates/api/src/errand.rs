//! What a user asked a host to do once with one container, and what shows of it while that lasts.
//!
//! It changes nothing in the snapshot: what a container shall be is its service's, and comes of itself again.

/// Something asked once, by the number of its container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errand {
    /// The server's number of it.
    pub number: u64,
    /// What.
    pub what: Once,
    /// Why it was not done; `None` while it is under way.
    pub failed: Option<String>,
}

/// What can be asked once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Once {
    /// Stop it.
    Stop,
    /// Start it.
    Start,
    /// Stop it and start it.
    Restart,
    /// Remove it.
    Remove,
}

impl Once {
    /// The state it passes through meanwhile.
    pub(crate) const fn state(self) -> &'static str {
        match self {
            Self::Stop => "stopping",
            Self::Start => "starting",
            Self::Restart => "restarting",
            Self::Remove => "removing",
        }
    }

    /// As in `it was asked to …`.
    pub(crate) const fn verb(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Restart => "restart",
            Self::Remove => "be removed",
        }
    }
}
