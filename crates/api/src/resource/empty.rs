//! Types that clients look into and that Drover has nothing of: lists that are empty, with schemas, so that looking
//! is no error. Making one is, with the way out.

use serde_json::Value;

use super::Resource;
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::outcome::Outcome;
use crate::schema::{COMMON, Field, READ, Schema};

/// A type without rows, and why none can be made.
pub(crate) struct Empty {
    schema: &'static Schema,
    instead: &'static str,
}

const NAMED: &[Field] = &[Field::r("name", "string"), Field::r("description", "string")];

/// Volumes.
pub(crate) static VOLUME: Empty = Empty {
    schema: &nothing("volume", "volumes", "volume"),
    instead: "volumes are made on the hosts that mount them: declare a volumeTemplate in a stack",
};
/// Secrets.
pub(crate) static SECRET: Empty = Empty {
    schema: &nothing("secret", "secrets", "secret"),
    instead: "secrets are not available yet",
};
/// Machines made by drivers.
pub(crate) static MACHINE: Empty = Empty {
    schema: &nothing("machine", "machines", "physicalHost"),
    instead: "machines are not made by the server: run the command of a registrationToken on one",
};
/// Networks.
pub(crate) static NETWORK: Empty = Empty {
    schema: &nothing("network", "networks", "network"),
    instead: "each project has its one network",
};
/// Storage drivers.
pub(crate) static STORAGE_DRIVER: Empty = Empty {
    schema: &nothing("storageDriver", "storageDrivers", "storageDriver"),
    instead: "volume drivers are installed on the hosts' Docker engines",
};
/// Network drivers.
pub(crate) static NETWORK_DRIVER: Empty = Empty {
    schema: &nothing("networkDriver", "networkDrivers", "networkDriver"),
    instead: "each project has its one network",
};

const fn nothing(name: &'static str, plural: &'static str, base: &'static str) -> Schema {
    Schema {
        name,
        plural,
        base,
        collection: READ,
        resource: READ,
        fields: &[COMMON, NAMED],
        actions: &[],
        links: &[],
    }
}

impl Resource for Empty {
    fn schema(&self) -> &'static Schema {
        self.schema
    }

    fn rows(&self, _: &Context<'_>) -> Vec<Value> {
        Vec::new()
    }

    fn create(&self, _: &Context<'_>, _: Body<'_>) -> Result<Outcome, ApiError> {
        let why = format!("a {} can't be created: {}", self.schema.name, self.instead);
        Err(ApiError::new(Code::MethodNotAllowed, why))
    }
}
