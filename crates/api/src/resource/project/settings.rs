//! What can be said of a project besides its name and its members.

use drover_core::ProjectSettings;
use drover_core::schedule::PICKED_PORTS;
use serde_json::{Value, json};

use crate::body::Body;
use crate::error::{ApiError, Code};

/// Take in what a body says.
pub(super) fn read(into: &mut ProjectSettings, body: Body<'_>) -> Result<(), ApiError> {
    if body.names("servicesPortRange") {
        into.picked_ports = match body.inner("servicesPortRange")? {
            None => None,
            Some(given) => {
                let first = given.number("startPort")?.unwrap_or(PICKED_PORTS.0);
                let last = given.number("endPort")?.unwrap_or(PICKED_PORTS.1);
                if first > last {
                    let why =
                        format!("`startPort` is {first}, which is more than `endPort`, {last}");
                    return Err(given.refuse(Code::MinLimitExceeded, "startPort", &why));
                }
                Some((first, last)).filter(|ports| *ports != PICKED_PORTS)
            }
        };
    }
    if let Some(asked) = body.flag("virtualMachine")? {
        into.virtual_machines = asked;
    }
    if body.names("hostRemoveDelaySeconds") {
        into.host_remove_delay_s = body.number("hostRemoveDelaySeconds")?;
    }
    Ok(())
}

/// The ports that are picked, as Rancher shows them.
pub(super) fn ports(settings: &ProjectSettings) -> Value {
    let (first, last) = settings.picked_ports.unwrap_or(PICKED_PORTS);
    json!({ "type": "servicesPortRange", "startPort": first, "endPort": last })
}
