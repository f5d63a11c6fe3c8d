//! Limits, privileges, namespaces, devices, logging: one field each, in the order of the spec.

use bollard::models::{
    DeviceMapping, HostConfig, HostConfigIsolationEnum, HostConfigLogConfig,
    ResourcesBlkioWeightDevice, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
    ThrottleDevice,
};
use drover_core::{BlkioDevice, ContainerSpec};

use super::{some_flag, some_list, some_text};

pub(super) fn fill(spec: &ContainerSpec, host: &mut HostConfig) {
    host.restart_policy =
        Some(RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None });
    host.init = some_flag(spec.init);
    limits(spec, host);
    privileges(spec, host);
    host.log_config = log(spec);
}

fn limits(spec: &ContainerSpec, host: &mut HostConfig) {
    host.memory = spec.memory;
    host.memory_swap = spec.memory_swap;
    host.memory_reservation = spec.memory_reservation;
    host.memory_swappiness = spec.memory_swappiness;
    host.cpu_shares = spec.cpu_shares;
    host.cpu_quota = spec.cpu_quota;
    host.cpu_period = spec.cpu_period;
    host.cpuset_cpus = some_text(spec.cpu_set.as_ref());
    host.cpuset_mems = some_text(spec.cpu_set_mems.as_ref());
    host.blkio_weight = spec.blkio_weight;
    block_devices(spec, host);
    host.shm_size = spec.shm_size;
    host.pids_limit = spec.pids_limit;
    host.oom_kill_disable = some_flag(spec.oom_kill_disable);
    host.oom_score_adj = spec.oom_score_adj;
    let ulimits = spec.ulimits.iter().map(|limit| ResourcesUlimits {
        name: Some(limit.name.clone()),
        soft: Some(limit.soft),
        hard: Some(limit.hard),
    });
    host.ulimits = some(ulimits.collect());
}

fn privileges(spec: &ContainerSpec, host: &mut HostConfig) {
    host.privileged = some_flag(spec.privileged);
    host.cap_add = some_list(&spec.cap_add);
    host.cap_drop = some_list(&spec.cap_drop);
    host.security_opt = some_list(&spec.security_opt);
    host.group_add = some_list(&spec.group_add);
    host.devices = some(spec.devices.iter().map(|text| device(text)).collect());
    host.pid_mode = some_text(spec.pid_mode.as_ref());
    host.ipc_mode = some_text(spec.ipc_mode.as_ref());
    host.uts_mode = some_text(spec.uts_mode.as_ref());
    host.userns_mode = some_text(spec.userns_mode.as_ref());
    host.cgroup_parent = some_text(spec.cgroup_parent.as_ref());
    host.sysctls = (!spec.sysctls.is_empty())
        .then(|| spec.sysctls.iter().map(|(k, v)| (k.clone(), v.clone())).collect());
    host.isolation = match spec.isolation.as_deref() {
        Some("default") => Some(HostConfigIsolationEnum::DEFAULT),
        Some("process") => Some(HostConfigIsolationEnum::PROCESS),
        Some("hyperv") => Some(HostConfigIsolationEnum::HYPERV),
        Some(_) | None => None,
    };
}

fn block_devices(spec: &ContainerSpec, host: &mut HostConfig) {
    let rates = |rate: fn(&BlkioDevice) -> Option<i64>| {
        let limited = spec.blkio_device_options.iter().filter_map(|(path, limits)| {
            let rate = Some(rate(limits)?);
            Some(ThrottleDevice { path: Some(path.clone()), rate })
        });
        some(limited.collect())
    };
    host.blkio_device_read_bps = rates(|limits| limits.read_bps);
    host.blkio_device_write_bps = rates(|limits| limits.write_bps);
    host.blkio_device_read_iops = rates(|limits| limits.read_iops);
    host.blkio_device_write_iops = rates(|limits| limits.write_iops);
    let weighed = spec.blkio_device_options.iter().filter_map(|(path, limits)| {
        let weight = Some(usize::from(limits.weight?));
        Some(ResourcesBlkioWeightDevice { path: Some(path.clone()), weight })
    });
    host.blkio_weight_device = some(weighed.collect());
}

/// `host[:container[:permissions]]`.
fn device(text: &str) -> DeviceMapping {
    let mut parts = text.splitn(3, ':');
    let on_host = parts.next().unwrap_or_default();
    let inside = parts.next().unwrap_or(on_host);
    DeviceMapping {
        path_on_host: Some(on_host.to_owned()),
        path_in_container: Some(inside.to_owned()),
        cgroup_permissions: Some(parts.next().unwrap_or("rwm").to_owned()),
    }
}

fn log(spec: &ContainerSpec) -> Option<HostConfigLogConfig> {
    if spec.log_driver.is_none() && spec.log_options.is_empty() {
        return None;
    }
    let options = spec.log_options.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    // An empty driver is the engine's default one, with these options.
    Some(HostConfigLogConfig {
        typ: Some(spec.log_driver.clone().unwrap_or_default()),
        config: Some(options),
    })
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
