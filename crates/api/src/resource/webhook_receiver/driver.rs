//! What a receiver does, in Rancher's words: the `driver`, and its `…Config`.

use drover_core::{Payload, ProjectId, ScaleHook, ServiceId, UpgradeHook, WebhookDriver};
use serde_json::{Value, json};

use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::webhook::can_scale;

/// Rancher's bound of a scale that says none.
const MAX: u32 = 100;
/// Ways to tell of a push, as they are spelled.
const PAYLOADS: [(&str, Payload); 5] = [
    ("dockerhub", Payload::DockerHub),
    ("alicloud", Payload::AliCloud),
    ("azure", Payload::Azure),
    ("registry", Payload::Registry),
    ("generic", Payload::Generic),
];

pub(super) fn read(
    ctx: &Context<'_>,
    project: ProjectId,
    body: Body<'_>,
) -> Result<WebhookDriver, ApiError> {
    let named: String = body.required("driver")?;
    let config = |name| body.inner(name)?.ok_or_else(|| ApiError::missing(name));
    match named.as_str() {
        "scaleService" => {
            scale(ctx, project, config("scaleServiceConfig")?).map(WebhookDriver::Scale)
        }
        "serviceUpgrade" => upgrade(config("serviceUpgradeConfig")?).map(WebhookDriver::Upgrade),
        "scaleHost" => Err(refused(
            "driver",
            "no webhook can scale hosts here: there are no machine drivers that could make or remove machines. Hosts \
             join with a registration token, and are emptied with `evacuate`",
        )),
        "forwardPost" => Err(refused(
            "driver",
            "no webhook can forward a body here: the server is not in the network of the containers. Let a balancer \
             publish the service, and send to that",
        )),
        other => {
            Err(refused("driver", &format!("`{other}` is none of scaleService, serviceUpgrade")))
        }
    }
}

fn scale(ctx: &Context<'_>, project: ProjectId, from: Body<'_>) -> Result<ScaleHook, ApiError> {
    let id: String = from.required("serviceId")?;
    let service = Kind::Service.parse(&id).and_then(|id| ctx.world.service(ServiceId(id)));
    let service = service.filter(|held| held.project == project && held.removed_at.is_none());
    let service = service.ok_or_else(|| {
        ApiError::on(Code::InvalidReference, "serviceId", format!("there is no service {id}"))
    })?;
    can_scale(ctx, service).map_err(|why| refused("serviceId", &why))?;
    let up = match from.required("action")?.as_str() {
        "up" => true,
        "down" => false,
        other => return Err(refused("action", &format!("`{other}` is none of up, down"))),
    };
    let hook = ScaleHook {
        service: service.id,
        up,
        amount: from.count("amount", 1)?.unwrap_or(1),
        min: from.count("min", 1)?.unwrap_or(1),
        max: from.count("max", 1)?.unwrap_or(MAX),
    };
    if hook.min > hook.max {
        let why = format!("`min` is {}, and `max` is {}", hook.min, hook.max);
        return Err(ApiError::on(Code::MaxLimitExceeded, "min", why));
    }
    Ok(hook)
}

fn upgrade(from: Body<'_>) -> Result<UpgradeHook, ApiError> {
    let selector = from.map("serviceSelector")?.unwrap_or_default();
    if selector.is_empty() {
        let why = "`serviceSelector` is required: labels and their values, which a service must have to be upgraded";
        return Err(ApiError::on(Code::MissingRequired, "serviceSelector", why));
    }
    let format: Option<String> = from.word("payloadFormat")?;
    let format = format.unwrap_or_else(|| "dockerhub".to_owned());
    let payload = PAYLOADS.iter().find(|(name, _)| format.eq_ignore_ascii_case(name));
    let payload = payload.map(|(_, payload)| *payload).ok_or_else(|| {
        let names: Vec<&str> = PAYLOADS.iter().map(|(name, _)| *name).collect();
        refused("payloadFormat", &format!("`{format}` is none of {}", names.join(", ")))
    })?;
    Ok(UpgradeHook {
        selector,
        tag: from.required("tag")?,
        payload,
        batch_size: from.count("batchSize", 1)?,
        interval_ms: from.millis("intervalMillis", 0)?,
        start_first: from.flag("startFirst")?,
    })
}

/// The same as it is shown.
pub(super) fn show(driver: &WebhookDriver) -> Value {
    match driver {
        WebhookDriver::Scale(hook) => json!({
            "driver": "scaleService",
            "scaleServiceConfig": {
                "type": "scaleServiceConfig",
                "serviceId": Kind::Service.id(hook.service.0),
                "action": if hook.up { "up" } else { "down" },
                "amount": hook.amount,
                "min": hook.min,
                "max": hook.max,
            },
            "serviceUpgradeConfig": null,
        }),
        WebhookDriver::Upgrade(hook) => {
            let format = PAYLOADS.iter().find(|(_, payload)| *payload == hook.payload);
            json!({
                "driver": "serviceUpgrade",
                "scaleServiceConfig": null,
                "serviceUpgradeConfig": {
                    "type": "serviceUpgradeConfig",
                    "serviceSelector": hook.selector,
                    "tag": hook.tag,
                    "payloadFormat": format.map(|(name, _)| *name),
                    "batchSize": hook.batch_size,
                    "intervalMillis": hook.interval_ms,
                    "startFirst": hook.start_first,
                },
            })
        }
    }
}

fn refused(field: &str, why: &str) -> ApiError {
    ApiError::on(Code::InvalidOption, field, why)
}
