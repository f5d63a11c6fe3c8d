//! Storage and network drivers: what services that install them say of them.

use drover_core::{Driver, Service};
use serde_json::{Map, Value, json};

use super::{COMMON, OF_PROJECT, read_only, row};
use crate::context::Context;
use crate::ids::Kind;
use crate::resource::Resource;
use crate::schema::{Field, Link, Schema};

const OF_SERVICE: Link = Link::Parent { name: "service", plural: "services", field: "serviceId" };

/// A driver is a part of the service that installs it, and made and changed there.
const SAID: &[Field] = &[Field::name(), Field::described()];

static STORAGE: Schema = read_only(
    "storageDriver",
    "storageDrivers",
    &[
        COMMON,
        SAID,
        &[
            Field::cru("blockDevicePath", "string"),
            Field::cru("scope", "string"),
            Field::r("serviceId", "reference[service]"),
            Field::cru("volumeAccessMode", "string"),
            Field::cru("volumeCapabilities", "array[string]"),
        ],
    ],
    &[OF_PROJECT, OF_SERVICE],
);

static NETWORK: Schema = read_only(
    "networkDriver",
    "networkDrivers",
    &[
        COMMON,
        SAID,
        &[
            Field::cru("cniConfig", "json"),
            Field::cru("defaultNetwork", "json"),
            Field::cru("networkMetadata", "json"),
            Field::r("serviceId", "reference[service]"),
        ],
    ],
    &[OF_PROJECT, OF_SERVICE],
);

/// Drivers of one sort.
pub(crate) struct Drivers(&'static Schema);

/// Of volumes.
pub(crate) static STORAGE_DRIVERS: Drivers = Drivers(&STORAGE);
/// Of networks.
pub(crate) static NETWORK_DRIVERS: Drivers = Drivers(&NETWORK);

impl Resource for Drivers {
    fn schema(&self) -> &'static Schema {
        self.0
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        let services = ctx.world.services.values();
        let services = services.filter(|s| ctx.sees(s.project) && s.removed_at.is_none());
        services.filter_map(|service| self.render(ctx, service, self.said(service)?)).collect()
    }
}

impl Drivers {
    fn said<'a>(&self, service: &'a Service) -> Option<&'a Map<String, Value>> {
        match &service.driver {
            Some(Driver::Storage(said)) if self.0.name == STORAGE.name => Some(said),
            Some(Driver::Network(said)) if self.0.name == NETWORK.name => Some(said),
            Some(Driver::Storage(_) | Driver::Network(_)) | None => None,
        }
    }

    /// Only the members it has, and only where they are what clients take them for.
    fn render(
        &self,
        ctx: &Context<'_>,
        service: &Service,
        said: &Map<String, Value>,
    ) -> Option<Value> {
        let kind =
            if self.0.name == STORAGE.name { Kind::StorageDriver } else { Kind::NetworkDriver };
        let name = said.get("name").and_then(Value::as_str).unwrap_or(&service.name);
        let mut fields = json!({ "serviceId": Kind::Service.id(service.id.0) });
        for field in self.0.fields.last()?.iter().filter(|field| field.name != "serviceId") {
            let value = said.get(field.name).filter(|value| match field.kind {
                "string" => value.is_string(),
                "array[string]" => value.is_array(),
                _ => true,
            });
            fields[field.name] = value.cloned().unwrap_or(Value::Null);
        }
        let whose = (service.project, service.created_at);
        Some(row(ctx, self.0, (kind.id(service.id.0), name), whose, fields))
    }
}
