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
/// Members of projects.
pub(crate) static PROJECT_MEMBER: Empty = Empty {
    schema: &nothing("projectMember", "projectMembers", "projectMember"),
    instead: "there are no accounts that could be members: give out API keys of the project",
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
