//! What a receiver does, in Rancher's words: the `driver`, and its `…Config`.

use drover_core::{Payload, ProjectId, ScaleHook, ServiceId, UpgradeHook, WebhookDriver};
use serde_json::{Value, json};

use crate::body::{Body, word_of};
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::webhook::can_scale;

/// Rancher's bound of a scale that says none.
const MAX: u32 = 100;
/// Which way a scale goes: up or not.
const WAYS: [(&str, bool); 2] = [("up", true), ("down", false)];
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
    let scales = body.choice("driver", &[("scaleService", true), ("serviceUpgrade", false)])?;
    let name = if scales == Some(true) { "scaleServiceConfig" } else { "serviceUpgradeConfig" };
    let config = body.inner(name)?.ok_or_else(|| ApiError::missing(name))?;
    if scales == Some(true) {
        scale(ctx, project, config).map(WebhookDriver::Scale)
    } else {
        upgrade(config).map(WebhookDriver::Upgrade)
    }
}

fn scale(ctx: &Context<'_>, project: ProjectId, from: Body<'_>) -> Result<ScaleHook, ApiError> {
    let id = from.text("serviceId")?.unwrap_or_default();
    let service = Kind::Service.parse(&id).and_then(|id| ctx.world.service(ServiceId(id)));
    let service = service.filter(|held| held.project == project && held.removed_at.is_none());
    let service = service.ok_or_else(|| {
        from.refuse(Code::InvalidReference, "serviceId", &format!("there is no service {id}"))
    })?;
    can_scale(ctx, service).map_err(|why| from.refuse(Code::InvalidOption, "serviceId", &why))?;
    let hook = ScaleHook {
        service: service.id,
        up: from.choice("action", &WAYS)?.unwrap_or(true),
        amount: from.number("amount")?.unwrap_or(1),
        min: from.number("min")?.unwrap_or(1),
        max: from.number("max")?.unwrap_or(MAX),
    };
    if hook.min > hook.max {
        let why = format!("{} is more than `max`, which is {}", hook.min, hook.max);
        return Err(from.refuse(Code::MinLimitExceeded, "min", &why));
    }
    Ok(hook)
}

fn upgrade(from: Body<'_>) -> Result<UpgradeHook, ApiError> {
    let selector = from.map("serviceSelector")?.unwrap_or_default();
    if selector.is_empty() {
        return Err(from.lacks("serviceSelector"));
    }
    Ok(UpgradeHook {
        selector,
        tag: from.text("tag")?.unwrap_or_default(),
        payload: from.choice("payloadFormat", &PAYLOADS)?.unwrap_or(Payload::DockerHub),
        batch_size: from.number("batchSize")?,
        interval_ms: from.number("intervalMillis")?,
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
                "action": word_of(&WAYS, &hook.up),
                "amount": hook.amount,
                "min": hook.min,
                "max": hook.max,
            },
            "serviceUpgradeConfig": null,
        }),
        WebhookDriver::Upgrade(hook) => json!({
            "driver": "serviceUpgrade",
            "scaleServiceConfig": null,
            "serviceUpgradeConfig": {
                "type": "serviceUpgradeConfig",
                "serviceSelector": hook.selector,
                "tag": hook.tag,
                "payloadFormat": word_of(&PAYLOADS, &hook.payload),
                "batchSize": hook.batch_size,
                "intervalMillis": hook.interval_ms,
                "startFirst": hook.start_first,
            },
        }),
    }
}
