//! How much of the host a container may use.

use drover_core::{ContainerSpec, Ulimit};

use crate::diagnostic::Report;
use crate::field::Field;
use crate::yaml::Value;
use crate::{keys, quantity};

/// Docker's CFS period, µs: a CPU limit is a quota per this.
pub(super) const CPU_PERIOD_US: i64 = 100_000;

/// Read one key. `false`: it isn't one of these.
pub(super) fn read(
    key: &str,
    field: &Field<'_>,
    spec: &mut ContainerSpec,
    to: &mut Report,
) -> bool {
    match key {
        "mem_limit" => spec.memory = field.bytes(to),
        "memswap_limit" => spec.memory_swap = unlimited_or_bytes(field, to),
        "mem_reservation" => spec.memory_reservation = field.bytes(to),
        "mem_swappiness" => spec.memory_swappiness = field.within(0, 100, to),
        "milli_cpu_reservation" => spec.milli_cpu_reservation = field.within(0, i64::MAX, to),
        "cpus" => cpus(field, spec, to),
        "cpu_shares" => spec.cpu_shares = field.within(0, i64::MAX, to),
        "cpu_quota" => spec.cpu_quota = field.whole(to),
        "cpu_period" => spec.cpu_period = field.within(0, i64::MAX, to),
        "cpuset" => spec.cpu_set = field.word(to),
        "cpuset_mems" => spec.cpu_set_mems = field.word(to),
        "shm_size" => spec.shm_size = field.bytes(to),
        "pids_limit" => spec.pids_limit = field.whole(to),
        "oom_kill_disable" => spec.oom_kill_disable = field.boolean(to).unwrap_or_default(),
        "oom_score_adj" => spec.oom_score_adj = field.within(-1000, 1000, to),
        "ulimits" => spec.ulimits = ulimits(field, to).unwrap_or_default(),
        "blkio_weight" => spec.blkio_weight = field.within(10, 1000, to),
        "blkio_weight_device"
        | "device_read_bps"
        | "device_write_bps"
        | "device_read_iops"
        | "device_write_iops" => devices(key, field, spec, to),
        "blkio_config" => {
            for (key, field) in field.known(keys::BLKIO, to).unwrap_or_default() {
                match key {
                    "weight" => spec.blkio_weight = field.within(10, 1000, to),
                    _ => devices(key, &field, spec, to),
                }
            }
        }
        _ => return false,
    }
    true
}

/// A limit in CPUs, as a quota.
pub(super) fn cpus(field: &Field<'_>, spec: &mut ContainerSpec, to: &mut Report) {
    let milli = field.scalar().and_then(|s| quantity::thousandths(&s.text));
    match milli.and_then(|milli| milli.checked_mul(CPU_PERIOD_US / 1000)) {
        Some(quota) => {
            spec.cpu_quota = Some(quota);
            spec.cpu_period = Some(CPU_PERIOD_US);
        }
        None => field.wrong("a number of CPUs like 0.5", to),
    }
}

fn unlimited_or_bytes(field: &Field<'_>, to: &mut Report) -> Option<i64> {
    match field.scalar() {
        Some(scalar) if scalar.text.trim() == "-1" => Some(-1),
        _ => field.bytes(to),
    }
}

fn ulimits(field: &Field<'_>, to: &mut Report) -> Option<Vec<Ulimit>> {
    let mut all = Vec::new();
    for (entry, field) in field.entries(to)? {
        let mut limit = Ulimit { name: entry.key.clone(), soft: 0, hard: 0 };
        if let Value::Map(_) = field.node.value {
            let (mut soft, mut hard) = (None, None);
            for (key, field) in field.known(keys::ULIMIT, to)? {
                let slot = if key == "soft" { &mut soft } else { &mut hard };
                *slot = field.within(-1, i64::MAX, to);
            }
            let (Some(soft), Some(hard)) = (soft, hard) else {
                field.error(to, "needs both `soft` and `hard`");
                continue;
            };
            (limit.soft, limit.hard) = (soft, hard);
        } else {
            let Some(both) = field.within(-1, i64::MAX, to) else { continue };
            (limit.soft, limit.hard) = (both, both);
        }
        all.push(limit);
    }
    Some(all)
}

/// Limits by device: `path:limit`, or a map with `path` and `rate` or `weight`.
fn devices(key: &str, field: &Field<'_>, spec: &mut ContainerSpec, to: &mut Report) {
    for item in field.items(to).unwrap_or_default() {
        let Some((path, limit)) = device(&item, to) else { continue };
        let device = spec.blkio_device_options.entry(path).or_default();
        let slot = match key {
            "device_read_bps" => &mut device.read_bps,
            "device_write_bps" => &mut device.write_bps,
            "device_read_iops" => &mut device.read_iops,
            "device_write_iops" => &mut device.write_iops,
            _ => {
                device.weight = limit.and_then(|l| u16::try_from(l).ok());
                if device.weight.is_none() {
                    item.wrong("a weight from 10 to 1000", to);
                }
                continue;
            }
        };
        *slot = limit;
        if slot.is_none() {
            item.wrong("/dev/path:limit", to);
        }
    }
}

fn device(item: &Field<'_>, to: &mut Report) -> Option<(String, Option<i64>)> {
    if let Value::Map(_) = item.node.value {
        let (mut path, mut limit) = (None, None);
        for (key, field) in item.known(keys::BLKIO_DEVICE, to)? {
            match key {
                "path" => path = field.word(to),
                _ => limit = field.bytes(to),
            }
        }
        return match path {
            Some(path) => Some((path, limit)),
            None => item.expected("a device with `path` and `rate`", to),
        };
    }
    let text = item.scalar().map(|s| s.text.as_str()).unwrap_or_default();
    match text.rsplit_once(':') {
        Some((path, limit)) if !path.is_empty() => Some((path.to_owned(), quantity::bytes(limit))),
        _ => item.expected("/dev/path:limit", to),
    }
}
