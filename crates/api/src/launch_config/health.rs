//! The two health checks: Rancher's own, and Docker's HEALTHCHECK.

use drover_core::{ContainerSpec, DockerHealth, HealthCheck, HealthStrategy};
use serde_json::{Map, Value, json};

use super::{put, put_list};
use crate::ApiError;
use crate::body::{Body, word_of};

const STRATEGIES: [(&str, HealthStrategy); 3] = [
    ("none", HealthStrategy::None),
    ("recreate", HealthStrategy::Recreate),
    ("recreateOnQuorum", HealthStrategy::RecreateOnQuorum),
];

pub(super) fn read(from: &Body<'_>, spec: &mut ContainerSpec) -> Result<(), ApiError> {
    spec.health_check = from.inner("healthCheck")?.map(|check| read_check(&check)).transpose()?;
    let docker = DockerHealth {
        test: from.words("healthCmd")?,
        interval_ms: read_span(from, "healthInterval")?,
        timeout_ms: read_span(from, "healthTimeout")?,
        retries: from.number("healthRetries")?,
        start_period_ms: read_span(from, "healthStartPeriod")?,
    };
    spec.docker_health = Some(docker).filter(|docker| *docker != DockerHealth::default());
    Ok(())
}

pub(super) fn write(spec: &ContainerSpec, out: &mut Map<String, Value>) {
    put(out, "healthCheck", spec.health_check.as_ref().map(write_check));
    if let Some(docker) = &spec.docker_health {
        put_list(out, "healthCmd", &docker.test);
        write_span(out, "healthInterval", docker.interval_ms);
        write_span(out, "healthTimeout", docker.timeout_ms);
        put(out, "healthRetries", docker.retries);
        write_span(out, "healthStartPeriod", docker.start_period_ms);
    }
}

/// Rancher's check, wherever it stands.
pub(crate) fn read_check(from: &Body<'_>) -> Result<HealthCheck, ApiError> {
    let port = from.number("port")?;
    let quorum = from.inner("recreateOnQuorumStrategyConfig")?;
    Ok(HealthCheck {
        port: port.ok_or_else(|| from.lacks("port"))?,
        request_line: from.word("requestLine")?,
        interval_ms: from.number("interval")?,
        response_timeout_ms: from.number("responseTimeout")?,
        healthy_threshold: from.number("healthyThreshold")?,
        unhealthy_threshold: from.number("unhealthyThreshold")?,
        initializing_timeout_ms: from.number("initializingTimeout")?,
        reinitializing_timeout_ms: from.number("reinitializingTimeout")?,
        strategy: from.choice("strategy", &STRATEGIES)?.unwrap_or(HealthStrategy::Recreate),
        quorum: quorum.map(|quorum| quorum.number("quorum")).transpose()?.flatten(),
    })
}

/// The same as it is written.
pub fn write_check(check: &HealthCheck) -> Value {
    let strategy = word_of(&STRATEGIES, &check.strategy);
    let mut out = Map::new();
    put(&mut out, "type", Some("instanceHealthCheck"));
    put(&mut out, "port", Some(check.port));
    put(&mut out, "requestLine", check.request_line.as_deref());
    put(&mut out, "interval", check.interval_ms);
    put(&mut out, "responseTimeout", check.response_timeout_ms);
    put(&mut out, "healthyThreshold", check.healthy_threshold);
    put(&mut out, "unhealthyThreshold", check.unhealthy_threshold);
    put(&mut out, "initializingTimeout", check.initializing_timeout_ms);
    put(&mut out, "reinitializingTimeout", check.reinitializing_timeout_ms);
    put(&mut out, "strategy", strategy);
    let quorum = check.quorum.map(|quorum| json!({ "quorum": quorum }));
    put(&mut out, "recreateOnQuorumStrategyConfig", quorum);
    Value::Object(out)
}

/// Rancher's field holds whole seconds; ours beside it, `…Ms`, holds what whole seconds can't.
fn read_span(from: &Body<'_>, field: &str) -> Result<Option<u64>, ApiError> {
    if let Some(ms) = from.number(&format!("{field}Ms"))? {
        return Ok(Some(ms));
    }
    let seconds: Option<u64> = from.number(field)?;
    Ok(seconds.map(|seconds| seconds.saturating_mul(1000)))
}

fn write_span(out: &mut Map<String, Value>, field: &str, ms: Option<u64>) {
    match ms {
        Some(ms) if ms % 1000 == 0 => put(out, field, Some(ms / 1000)),
        ms => put(out, &format!("{field}Ms"), ms),
    }
}
