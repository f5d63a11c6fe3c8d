//! Memory, CPU, block I/O and other limits. Bytes, and Docker's units.

use std::collections::BTreeMap;

use drover_core::{BlkioDevice, ContainerSpec, Ulimit};
use serde_json::{Map, Value, json};

use super::{put, put_flag};
use crate::ApiError;
use crate::body::Body;

pub(super) fn read(from: &Body<'_>, spec: &mut ContainerSpec) -> Result<(), ApiError> {
    spec.memory = from.number("memory")?;
    spec.memory_swap = from.number("memorySwap")?;
    spec.memory_reservation = from.number("memoryReservation")?;
    spec.memory_swappiness = from.number("memorySwappiness")?;
    spec.milli_cpu_reservation = from.number("milliCpuReservation")?;
    spec.cpu_shares = from.number("cpuShares")?;
    spec.cpu_quota = from.number("cpuQuota")?;
    spec.cpu_period = from.number("cpuPeriod")?;
    spec.cpu_set = from.word("cpuSet")?;
    spec.cpu_set_mems = from.word("cpuSetMems")?;
    spec.blkio_weight = from.number("blkioWeight")?;
    spec.blkio_device_options = read_devices(from)?;
    spec.shm_size = from.number("shmSize")?;
    spec.pids_limit = from.number("pidsLimit")?;
    spec.oom_kill_disable = from.flag("oomKillDisable")?.unwrap_or(false);
    spec.oom_score_adj = from.number("oomScoreAdj")?;
    spec.ulimits = from.bodies("ulimits")?.iter().map(read_ulimit).collect::<Result<_, _>>()?;
    Ok(())
}

pub(super) fn write(spec: &ContainerSpec, out: &mut Map<String, Value>) {
    put(out, "memory", spec.memory);
    put(out, "memorySwap", spec.memory_swap);
    put(out, "memoryReservation", spec.memory_reservation);
    put(out, "memorySwappiness", spec.memory_swappiness);
    put(out, "milliCpuReservation", spec.milli_cpu_reservation);
    put(out, "cpuShares", spec.cpu_shares);
    put(out, "cpuQuota", spec.cpu_quota);
    put(out, "cpuPeriod", spec.cpu_period);
    put(out, "cpuSet", spec.cpu_set.as_deref());
    put(out, "cpuSetMems", spec.cpu_set_mems.as_deref());
    put(out, "blkioWeight", spec.blkio_weight);
    let devices = spec.blkio_device_options.iter();
    let devices: Map<_, _> = devices.map(|(path, d)| (path.clone(), write_device(d))).collect();
    put(out, "blkioDeviceOptions", Some(devices).filter(|devices| !devices.is_empty()));
    put(out, "shmSize", spec.shm_size);
    put(out, "pidsLimit", spec.pids_limit);
    put_flag(out, "oomKillDisable", spec.oom_kill_disable);
    put(out, "oomScoreAdj", spec.oom_score_adj);
    let ulimits: Vec<Value> = spec.ulimits.iter().map(write_ulimit).collect();
    put(out, "ulimits", Some(ulimits).filter(|ulimits| !ulimits.is_empty()));
}

fn read_devices(from: &Body<'_>) -> Result<BTreeMap<String, BlkioDevice>, ApiError> {
    let device = |(path, limits): (&str, Body<'_>)| {
        let device = BlkioDevice {
            weight: limits.number("weight")?,
            read_bps: limits.number("readBps")?,
            write_bps: limits.number("writeBps")?,
            read_iops: limits.number("readIops")?,
            write_iops: limits.number("writeIops")?,
        };
        Ok((path.to_owned(), device))
    };
    from.entries("blkioDeviceOptions")?.into_iter().map(device).collect()
}

fn write_device(device: &BlkioDevice) -> Value {
    let mut out = Map::new();
    put(&mut out, "weight", device.weight);
    put(&mut out, "readBps", device.read_bps);
    put(&mut out, "writeBps", device.write_bps);
    put(&mut out, "readIops", device.read_iops);
    put(&mut out, "writeIops", device.write_iops);
    Value::Object(out)
}

/// One limit given stands for both, as on Docker's command line.
fn read_ulimit(from: &Body<'_>) -> Result<Ulimit, ApiError> {
    let (soft, hard) = (from.number("soft")?, from.number("hard")?);
    let name = from.required("name")?;
    match (soft.or(hard), hard.or(soft)) {
        (Some(soft), Some(hard)) => Ok(Ulimit { name, soft, hard }),
        _ => Err(from.lacks("soft")),
    }
}

fn write_ulimit(limit: &Ulimit) -> Value {
    json!({ "type": "ulimit", "name": limit.name, "soft": limit.soft, "hard": limit.hard })
}
