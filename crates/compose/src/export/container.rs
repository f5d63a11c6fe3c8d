//! One container's keys, in the file each belongs to.

use std::collections::BTreeMap;

use drover_core::{
    BlkioDevice, ContainerSpec, DockerHealth, HealthCheck, HealthStrategy, NetworkMode, SecretFile,
};
use serde_json::{Map, Value, json};

use super::put;

/// The keys of docker-compose.yml.
pub(super) fn docker_keys(spec: &ContainerSpec, primary: &str) -> Map<String, Value> {
    // All fields are named, so that a new one can't be forgotten.
    let ContainerSpec {
        image,
        command,
        entrypoint,
        environment,
        labels,
        working_dir,
        user,
        tty,
        stdin_open,
        init,
        stop_signal,
        stop_grace_s,
        network,
        ports,
        expose,
        hostname,
        domainname,
        dns,
        dns_search,
        dns_options,
        extra_hosts,
        volumes,
        volume_driver,
        volumes_from,
        tmpfs,
        read_only,
        secrets,
        memory,
        memory_swap,
        memory_reservation,
        memory_swappiness,
        milli_cpu_reservation: _, // Rancher's, below.
        cpu_shares,
        cpu_quota,
        cpu_period,
        cpu_set,
        cpu_set_mems,
        blkio_weight,
        blkio_device_options,
        shm_size,
        pids_limit,
        oom_kill_disable,
        oom_score_adj,
        ulimits,
        privileged,
        cap_add,
        cap_drop,
        security_opt,
        group_add,
        devices,
        pid_mode,
        ipc_mode,
        uts_mode,
        userns_mode,
        cgroup_parent,
        sysctls,
        isolation,
        mac_address,
        log_driver,
        log_options,
        health_check: _, // Rancher's, below.
        docker_health,
        drain_timeout_ms: _, // Rancher's, below.
        on_host_loss: _,     // In the same file.
        requested_host: _,   // A label says it.
    } = spec;
    let mut keys = Map::new();
    put(&mut keys, "image", image.clone());
    put(&mut keys, "entrypoint", entrypoint.clone());
    put(&mut keys, "command", command.clone());
    put(&mut keys, "environment", texts(environment));
    put(&mut keys, "labels", texts(labels));
    put(&mut keys, "working_dir", working_dir.clone());
    put(&mut keys, "user", user.clone());
    put(&mut keys, "tty", *tty);
    put(&mut keys, "stdin_open", *stdin_open);
    put(&mut keys, "init", *init);
    put(&mut keys, "stop_signal", stop_signal.clone());
    put(&mut keys, "stop_grace_period", stop_grace_s.map(|s| format!("{s}s")));
    put(&mut keys, "network_mode", network_mode(network, primary));
    put(&mut keys, "ports", ports.iter().map(ToString::to_string).collect::<Vec<_>>());
    put(&mut keys, "expose", expose.clone());
    put(&mut keys, "hostname", hostname.clone());
    put(&mut keys, "domainname", domainname.clone());
    put(&mut keys, "dns", dns.clone());
    put(&mut keys, "dns_search", dns_search.clone());
    put(&mut keys, "dns_opt", dns_options.clone());
    put(&mut keys, "extra_hosts", extra_hosts.clone());
    put(&mut keys, "mac_address", mac_address.clone());
    put(&mut keys, "volumes", volumes.clone());
    let member = |name: &String| if name.is_empty() { primary.to_owned() } else { name.clone() };
    put(&mut keys, "volumes_from", volumes_from.iter().map(member).collect::<Vec<_>>());
    put(&mut keys, "volume_driver", volume_driver.clone());
    put(&mut keys, "tmpfs", tmpfs.iter().map(tmpfs_line).collect::<Vec<_>>());
    put(&mut keys, "read_only", *read_only);
    put(&mut keys, "secrets", secrets.iter().map(secret).collect::<Vec<_>>());
    put(&mut keys, "mem_limit", *memory);
    put(&mut keys, "memswap_limit", *memory_swap);
    put(&mut keys, "mem_reservation", *memory_reservation);
    put(&mut keys, "mem_swappiness", *memory_swappiness);
    put(&mut keys, "cpu_shares", *cpu_shares);
    put(&mut keys, "cpu_quota", *cpu_quota);
    put(&mut keys, "cpu_period", *cpu_period);
    put(&mut keys, "cpuset", cpu_set.clone());
    put(&mut keys, "cpuset_mems", cpu_set_mems.clone());
    put(&mut keys, "blkio_weight", *blkio_weight);
    put_devices(&mut keys, blkio_device_options);
    put(&mut keys, "shm_size", *shm_size);
    put(&mut keys, "pids_limit", *pids_limit);
    put(&mut keys, "oom_kill_disable", *oom_kill_disable);
    put(&mut keys, "oom_score_adj", *oom_score_adj);
    let limits =
        ulimits.iter().map(|u| (u.name.clone(), json!({ "soft": u.soft, "hard": u.hard })));
    put(&mut keys, "ulimits", limits.collect::<Map<_, _>>());
    put(&mut keys, "privileged", *privileged);
    put(&mut keys, "cap_add", cap_add.clone());
    put(&mut keys, "cap_drop", cap_drop.clone());
    put(&mut keys, "security_opt", security_opt.clone());
    put(&mut keys, "group_add", group_add.clone());
    put(&mut keys, "devices", devices.clone());
    put(&mut keys, "pid", pid_mode.clone());
    put(&mut keys, "ipc", ipc_mode.clone());
    put(&mut keys, "uts", uts_mode.clone());
    put(&mut keys, "userns_mode", userns_mode.clone());
    put(&mut keys, "cgroup_parent", cgroup_parent.clone());
    put(&mut keys, "sysctls", texts(sysctls));
    put(&mut keys, "isolation", isolation.clone());
    let mut logging = Map::new();
    put(&mut logging, "driver", log_driver.clone());
    put(&mut logging, "options", texts(log_options));
    put(&mut keys, "logging", logging);
    put(&mut keys, "healthcheck", docker_health.as_ref().map(healthcheck).unwrap_or_default());
    keys
}

/// The keys of rancher-compose.yml.
pub(super) fn rancher_keys(spec: &ContainerSpec) -> Map<String, Value> {
    let mut keys = Map::new();
    put(&mut keys, "milli_cpu_reservation", spec.milli_cpu_reservation);
    put(&mut keys, "drain_timeout_ms", spec.drain_timeout_ms);
    put(&mut keys, "on_host_loss", spec.on_host_loss.map(|what| what.to_string()));
    put(
        &mut keys,
        "health_check",
        spec.health_check.as_ref().map(health_check).unwrap_or_default(),
    );
    keys
}

/// A map of texts; an empty text is a value too.
fn texts(map: &BTreeMap<String, String>) -> Map<String, Value> {
    map.iter().map(|(key, value)| (key.clone(), json!(value))).collect()
}

fn network_mode(network: &NetworkMode, primary: &str) -> Option<String> {
    match network {
        NetworkMode::Managed => None,
        NetworkMode::Host => Some("host".into()),
        NetworkMode::Bridge => Some("bridge".into()),
        NetworkMode::None => Some("none".into()),
        NetworkMode::Container(name) if name.is_empty() => Some(format!("container:{primary}")),
        NetworkMode::Container(name) => Some(format!("container:{name}")),
    }
}

fn tmpfs_line((path, options): (&String, &String)) -> String {
    if options.is_empty() { path.clone() } else { format!("{path}:{options}") }
}

fn put_devices(keys: &mut Map<String, Value>, devices: &BTreeMap<String, BlkioDevice>) {
    type Limit = fn(&BlkioDevice) -> Option<i64>;
    let limits: [(&str, Limit); 5] = [
        ("blkio_weight_device", |d| d.weight.map(i64::from)),
        ("device_read_bps", |d| d.read_bps),
        ("device_write_bps", |d| d.write_bps),
        ("device_read_iops", |d| d.read_iops),
        ("device_write_iops", |d| d.write_iops),
    ];
    for (key, limit) in limits {
        let lines = devices.iter().filter_map(|(path, d)| Some(format!("{path}:{}", limit(d)?)));
        put(keys, key, lines.collect::<Vec<_>>());
    }
}

fn healthcheck(check: &DockerHealth) -> Map<String, Value> {
    let span = |ms: Option<u64>| ms.map(|ms| format!("{ms}ms"));
    let mut keys = Map::new();
    put(&mut keys, "test", check.test.clone());
    put(&mut keys, "interval", span(check.interval_ms));
    put(&mut keys, "timeout", span(check.timeout_ms));
    put(&mut keys, "retries", check.retries);
    put(&mut keys, "start_period", span(check.start_period_ms));
    keys
}

/// `health_check`, wherever it stands.
pub(super) fn health_check(check: &HealthCheck) -> Map<String, Value> {
    let mut keys = Map::new();
    put(&mut keys, "port", check.port);
    put(&mut keys, "request_line", check.request_line.clone());
    put(&mut keys, "interval", check.interval_ms);
    put(&mut keys, "response_timeout", check.response_timeout_ms);
    put(&mut keys, "healthy_threshold", check.healthy_threshold);
    put(&mut keys, "unhealthy_threshold", check.unhealthy_threshold);
    put(&mut keys, "initializing_timeout", check.initializing_timeout_ms);
    put(&mut keys, "reinitializing_timeout", check.reinitializing_timeout_ms);
    let strategy = match check.strategy {
        HealthStrategy::None => Some("none"),
        HealthStrategy::Recreate => None,
        HealthStrategy::RecreateOnQuorum => Some("recreateOnQuorum"),
    };
    put(&mut keys, "strategy", strategy);
    if let Some(quorum) = check.quorum {
        put(&mut keys, "recreate_on_quorum_strategy_config", json!({ "quorum": quorum }));
    }
    keys
}

/// A secret by its name, or with where and how it is read.
fn secret(file: &SecretFile) -> Value {
    let SecretFile { secret, file, uid, gid, mode } = file;
    let mut keys = Map::new();
    put(&mut keys, "target", file.clone());
    put(&mut keys, "uid", uid.map(|uid| uid.to_string()));
    put(&mut keys, "gid", gid.map(|gid| gid.to_string()));
    put(&mut keys, "mode", mode.map(|mode| format!("{mode:04o}")));
    if keys.is_empty() {
        return secret.as_str().into();
    }
    keys.insert("source".to_owned(), secret.as_str().into());
    Value::Object(keys)
}
