//! The lives of containers: which there are and since when each runs. The same again only if nothing touched them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Cluster, ClusterError};
use crate::docker::{Container, EngineError};

/// A container's identity, and its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// Its host.
    pub host: u8,
    /// Its name.
    pub name: String,
    /// When it was started last, as Docker has it.
    pub began: Value,
}

/// Lives by Docker's ids.
pub type Lives = BTreeMap<String, Life>;

impl Cluster {
    /// The lives of some of the containers. One that goes meanwhile has none any more.
    pub fn lives(&self, is_meant: impl Fn(&Container) -> bool) -> Result<Lives, ClusterError> {
        let mut lives = Lives::new();
        for (host, container) in self.containers()? {
            if !is_meant(&container) {
                continue;
            }
            let seen = match self.engine(host).inspect(&container.id) {
                Err(EngineError::Refused { status: 404, .. }) => continue,
                seen => seen?,
            };
            let began = seen["State"]["StartedAt"].clone();
            lives.insert(container.id, Life { host, name: container.name, began });
        }
        Ok(lives)
    }
}
