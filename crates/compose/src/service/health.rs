//! Health checks: Rancher's, probed over the network, and Docker's, run inside the container.

use drover_core::{ContainerSpec, DockerHealth, HealthCheck, HealthStrategy};

use crate::diagnostic::Report;
use crate::field::Field;
use crate::keys;
use crate::yaml::Value;

/// Read one key. `false`: it isn't one of these.
pub(super) fn read(
    key: &str,
    field: &Field<'_>,
    spec: &mut ContainerSpec,
    to: &mut Report,
) -> bool {
    match key {
        "health_check" => spec.health_check = probed(field, to),
        "healthcheck" => spec.docker_health = run(field, to),
        _ => return false,
    }
    true
}

/// Rancher's, wherever it stands.
pub(super) fn probed(field: &Field<'_>, to: &mut Report) -> Option<HealthCheck> {
    let mut check = HealthCheck::default();
    let keys = field.known(keys::HEALTH, to)?;
    if keys.is_empty() {
        return None;
    }
    let mut has_port = false;
    for (key, field) in keys {
        match key {
            "port" => {
                has_port = true;
                check.port = field.within(1, u16::MAX, to).unwrap_or_default();
            }
            "request_line" => check.request_line = request_line(&field, to),
            "interval" => check.interval_ms = field.whole(to),
            "response_timeout" => check.response_timeout_ms = field.whole(to),
            "healthy_threshold" => check.healthy_threshold = field.whole(to),
            "unhealthy_threshold" => check.unhealthy_threshold = field.whole(to),
            "initializing_timeout" => check.initializing_timeout_ms = field.whole(to),
            "reinitializing_timeout" => check.reinitializing_timeout_ms = field.whole(to),
            "strategy" => check.strategy = strategy(&field, to).unwrap_or_default(),
            _ => {
                for (_, field) in field.known(keys::QUORUM, to).unwrap_or_default() {
                    check.quorum = field.whole(to);
                }
            }
        }
    }
    if !has_port {
        field.error(to, "needs a `port`");
    }
    Some(check)
}

fn strategy(field: &Field<'_>, to: &mut Report) -> Option<HealthStrategy> {
    match field.scalar().map(|s| s.text.as_str()) {
        Some("none") => Some(HealthStrategy::None),
        Some("recreate" | "") => Some(HealthStrategy::Recreate),
        Some("recreateOnQuorum") => Some(HealthStrategy::RecreateOnQuorum),
        _ => field.expected("none, recreate or recreateOnQuorum", to),
    }
}

/// `GET /path HTTP/1.0`; its parts may be quoted. Empty means a TCP connect.
fn request_line(field: &Field<'_>, to: &mut Report) -> Option<String> {
    let line = field.text(to)?.replace('"', "");
    let line = line.trim();
    if line.is_empty() {
        return None;
    }
    if line.split_whitespace().count() < 2 {
        return field.expected("a request like `GET /path HTTP/1.0`", to);
    }
    Some(line.to_owned())
}

fn run(field: &Field<'_>, to: &mut Report) -> Option<DockerHealth> {
    let mut check = DockerHealth::default();
    let mut disabled = false;
    let keys = field.known(keys::DOCKER_HEALTH, to)?;
    if keys.is_empty() {
        return None;
    }
    for (key, field) in keys {
        match key {
            "test" => check.test = test(&field, to).unwrap_or_default(),
            "interval" => check.interval_ms = field.duration_ms(to),
            "timeout" => check.timeout_ms = field.duration_ms(to),
            "start_period" => check.start_period_ms = field.duration_ms(to),
            "retries" => check.retries = field.whole(to),
            _ => disabled = field.boolean(to).unwrap_or_default(),
        }
    }
    if disabled {
        check = DockerHealth { test: vec!["NONE".into()], ..DockerHealth::default() };
    }
    Some(check)
}

fn test(field: &Field<'_>, to: &mut Report) -> Option<Vec<String>> {
    let Value::List(_) = field.node.value else {
        return Some(vec!["CMD-SHELL".into(), field.text(to)?]);
    };
    let words = field.texts(to)?;
    match (words.first().map(String::as_str), words.len()) {
        (Some("NONE"), 1) | (Some("CMD-SHELL"), 2) => Some(words),
        (Some("CMD"), n) if n > 1 => Some(words),
        _ => field.expected("[CMD, program, …], [CMD-SHELL, line] or [NONE]", to),
    }
}
