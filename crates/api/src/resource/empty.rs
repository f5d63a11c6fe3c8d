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

/// Machines made by drivers.
pub(crate) static MACHINE: Empty = Empty {
    schema: &nothing("machine", "machines", "physicalHost"),
    instead: "machines are not made by the server: run the command of a registrationToken on one",
};

/// Agents.
pub(crate) static AGENT: Empty = Empty {
    schema: &nothing("agent", "agents", "agent"),
    instead: "agents are made by hosts that register, and shown with them",
};
/// Backups.
pub(crate) static BACKUP: Empty = Empty {
    schema: &nothing("backup", "backups", "backup"),
    instead: "volumes are backed up on the hosts they lie on",
};
/// Templates of machines.
pub(crate) static HOST_TEMPLATE: Empty = Empty {
    schema: &nothing("hostTemplate", "hostTemplates", "hostTemplate"),
    instead: "machines are not made by the server: run the command of a registrationToken on one",
};
/// Drivers of machines.
pub(crate) static MACHINE_DRIVER: Empty = Empty {
    schema: &nothing("machineDriver", "machineDrivers", "machineDriver"),
    instead: "machines are not made by the server: run the command of a registrationToken on one",
};
/// Processes.
pub(crate) static PROCESS_INSTANCE: Empty = Empty {
    schema: &nothing("processInstance", "processInstances", "processInstance"),
    instead: "there are no processes to be replayed: states are read from what runs",
};
/// Snapshots.
pub(crate) static SNAPSHOT: Empty = Empty {
    schema: &nothing("snapshot", "snapshots", "snapshot"),
    instead: "volumes are backed up on the hosts they lie on",
};
/// Preferences.
pub(crate) static USER_PREFERENCE: Empty = Empty {
    schema: &nothing("userPreference", "userPreferences", "userPreference"),
    instead: "there are no accounts that could have preferences",
};
/// Virtual machines.
pub(crate) static VIRTUAL_MACHINE: Empty = Empty {
    schema: &nothing("virtualMachine", "virtualMachines", "instance"),
    instead: "virtual machines are not supported: run containers",
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
