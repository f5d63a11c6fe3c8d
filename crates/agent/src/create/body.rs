//! The process: image, command, environment, terminal, end, health. The rest is in the files beside.

use bollard::models::{ContainerCreateBody, HealthConfig, HostConfig};
use drover_core::DockerHealth;

use super::{BadSpec, Making, labels, mounts, network, resources, some_flag, some_list, some_text};

/// Where a balancer finds its folder.
const BALANCER_FOLDER: &str = "/balancer";

pub(super) fn body(making: &Making<'_>) -> Result<ContainerCreateBody, BadSpec> {
    let spec = making.spec;
    let mut host = HostConfig::default();
    resources::fill(spec, &mut host);
    let anonymous = mounts::fill(making, &mut host)?;
    network::fill(making, &mut host)?;
    let mut body = ContainerCreateBody {
        image: Some(making.image.to_owned()),
        cmd: some_list(&spec.command),
        entrypoint: some_list(&spec.entrypoint),
        env: some_list(&environment(making)),
        labels: Some(labels::labels(making)),
        working_dir: some_text(spec.working_dir.as_ref()),
        user: some_text(spec.user.as_ref()),
        tty: some_flag(spec.tty),
        open_stdin: some_flag(spec.stdin_open),
        stop_signal: some_text(spec.stop_signal.as_ref()),
        stop_timeout: spec.stop_grace_s.map(i64::from),
        healthcheck: spec.docker_health.as_ref().map(health),
        hostname: network::hostname(making),
        domainname: some_text(spec.domainname.as_ref()),
        exposed_ports: some_list(&network::exposed(making)),
        volumes: some_list(&anonymous),
        networking_config: network::endpoint(making)?,
        ..ContainerCreateBody::default()
    };
    if making.is_balancer() {
        become_balancer(making, &mut body, &mut host);
    }
    body.host_config = Some(host);
    Ok(body)
}

/// The image is empty but for the executable; a spec's image and command mean nothing here.
fn become_balancer(making: &Making<'_>, body: &mut ContainerCreateBody, host: &mut HostConfig) {
    let file = |name: &str| format!("{BALANCER_FOLDER}/{name}");
    body.entrypoint = Some(vec!["/drover".to_owned()]);
    let arguments =
        ["balancer", "--config", &file("config.json"), "--status", &file("status.json")];
    body.cmd = Some(arguments.map(str::to_owned).to_vec());
    if let Some(folder) = making.balancer_folder {
        let bind = format!("{}:{BALANCER_FOLDER}", folder.display());
        host.binds.get_or_insert_default().push(bind);
    }
}

fn environment(making: &Making<'_>) -> Vec<String> {
    making.spec.environment.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

fn health(check: &DockerHealth) -> HealthConfig {
    let ns = |ms: Option<u64>| {
        ms.map(|ms| i64::try_from(ms.saturating_mul(1_000_000)).unwrap_or(i64::MAX))
    };
    HealthConfig {
        test: some_list(&check.test),
        interval: ns(check.interval_ms),
        timeout: ns(check.timeout_ms),
        retries: check.retries.map(i64::from),
        start_period: ns(check.start_period_ms),
        start_interval: None,
    }
}
