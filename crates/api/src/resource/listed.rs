//! Types that others are made of: all of what has a base type, each row with its own type and at its own URL.

use serde_json::Value;

use super::{Resource, api_key, registration_token, registry_credential};
use crate::context::Context;
use crate::schema::{COMMON, Field, READ, Schema};

/// The rows of several collections.
pub(crate) struct Listed {
    schema: &'static Schema,
    of: &'static [&'static dyn Resource],
}

const NAMED: &[Field] = &[Field::r("name", "string"), Field::r("description", "string")];

/// Everything that opens something.
pub(crate) static CREDENTIALS: Listed = Listed {
    schema: &base("credential", "credentials"),
    of: &[
        &api_key::ApiKeys,
        &registration_token::RegistrationTokens,
        &registry_credential::RegistryCredentials,
    ],
};

const fn base(name: &'static str, plural: &'static str) -> Schema {
    Schema {
        name,
        plural,
        base: name,
        collection: READ,
        resource: READ,
        fields: &[COMMON, NAMED],
        actions: &[],
        links: &[],
    }
}

impl Resource for Listed {
    fn schema(&self) -> &'static Schema {
        self.schema
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        self.of.iter().flat_map(|resource| resource.rows(ctx)).collect()
    }
}
