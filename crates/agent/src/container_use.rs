//! What a container uses, from Docker's words. Pure.

use bollard::models::{ContainerBlkioStatEntry, ContainerMemoryStats, ContainerStatsResponse};
use drover_core::{CpuUse, DiskUse, InterfaceUse, Sample, Time};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Files that are cached and that nobody uses, as the two kinds of cgroups call them: Docker's own `stats` takes them off.
const CACHED: [&str; 2] = ["total_inactive_file", "inactive_file"];

/// A sample of what Docker told.
pub(crate) fn sample(container: &str, told: &ContainerStatsResponse) -> Sample {
    let cpu = told.cpu_stats.as_ref().and_then(|cpu| cpu.cpu_usage.clone()).unwrap_or_default();
    let mut interfaces: Vec<InterfaceUse> = told
        .networks
        .iter()
        .flatten()
        .map(|(name, used)| InterfaceUse {
            name: name.clone(),
            rx_bytes: used.rx_bytes.unwrap_or_default(),
            tx_bytes: used.tx_bytes.unwrap_or_default(),
        })
        .collect();
    interfaces.sort_by(|a, b| a.name.cmp(&b.name));
    let disks = told.blkio_stats.as_ref().and_then(|all| all.io_service_bytes_recursive.as_deref());
    Sample {
        container: container.to_owned(),
        at: told.read.as_deref().map(moment).unwrap_or_default(),
        cpu: CpuUse {
            total: cpu.total_usage.unwrap_or_default(),
            each: cpu.percpu_usage.unwrap_or_default(),
            user: cpu.usage_in_usermode.unwrap_or_default(),
            system: cpu.usage_in_kernelmode.unwrap_or_default(),
        },
        memory: told.memory_stats.as_ref().map(memory).unwrap_or_default(),
        memory_limit: told.memory_stats.as_ref().and_then(|held| held.limit).unwrap_or_default(),
        interfaces,
        disks: read_disks(disks.unwrap_or_default()),
    }
}

fn memory(held: &ContainerMemoryStats) -> u64 {
    let usage = held.usage.unwrap_or_default();
    let parts = held.stats.as_ref();
    let cached = CACHED.iter().find_map(|name| parts.and_then(|parts| parts.get(*name)));
    usage.saturating_sub(cached.copied().unwrap_or_default())
}

/// cgroup 1 says `Read` and `Write`, cgroup 2 `read` and `write`; sums and the rest are left out.
fn read_disks(entries: &[ContainerBlkioStatEntry]) -> Vec<DiskUse> {
    let mut disks: Vec<DiskUse> = Vec::new();
    for entry in entries {
        let (major, minor) = (entry.major.unwrap_or_default(), entry.minor.unwrap_or_default());
        let place = disks.iter().position(|disk| (disk.major, disk.minor) == (major, minor));
        let place = place.unwrap_or_else(|| {
            disks.push(DiskUse { major, minor, ..DiskUse::default() });
            disks.len() - 1
        });
        let value = entry.value.unwrap_or_default();
        match entry.op.as_deref().unwrap_or_default().to_ascii_lowercase().as_str() {
            "read" => disks[place].read += value,
            "write" => disks[place].written += value,
            _ => {}
        }
    }
    disks
}

/// A moment that can't be read is as good as none.
fn moment(text: &str) -> Time {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok();
    let ms = at.map(|at| at.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
    Time(u64::try_from(ms).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As engine 20.10 tells it of a container under cgroup 1.
    #[test]
    fn docker_s_words_are_read() {
        let told = json!({
            "read": "2026-11-21T00:11:06.123456789Z",
            "cpu_stats": { "cpu_usage": {
                "total_usage": 1000, "percpu_usage": [600, 400], "usage_in_usermode": 700, "usage_in_kernelmode": 300,
            }},
            "memory_stats": { "usage": 5000, "limit": 9000, "stats": { "total_inactive_file": 1000, "inactive_file": 1 } },
            "networks": { "eth1": { "rx_bytes": 3, "tx_bytes": 4 }, "eth0": { "rx_bytes": 1, "tx_bytes": 2 } },
            "blkio_stats": { "io_service_bytes_recursive": [
                { "major": 8, "minor": 0, "op": "Read", "value": 10 },
                { "major": 8, "minor": 0, "op": "Write", "value": 20 },
                { "major": 8, "minor": 0, "op": "Total", "value": 30 },
                { "major": 8, "minor": 16, "op": "read", "value": 5 },
            ]},
        });
        let sample = sample("abc", &serde_json::from_value(told).unwrap());
        let eth =
            |name: &str, rx_bytes, tx_bytes| InterfaceUse { name: name.into(), rx_bytes, tx_bytes };
        assert_eq!(sample.at, Time(1_795_219_866_123));
        assert_eq!((sample.memory, sample.memory_limit), (4000, 9000));
        assert_eq!(sample.interfaces, [eth("eth0", 1, 2), eth("eth1", 3, 4)]);
        assert_eq!(
            sample.cpu,
            CpuUse { total: 1000, each: vec![600, 400], user: 700, system: 300 }
        );
        let disk = |minor, read, written| DiskUse { major: 8, minor, read, written };
        assert_eq!(sample.disks, [disk(0, 10, 20), disk(16, 5, 0)]);
    }

    /// What Docker tells of a container that does not run has next to nothing in it.
    #[test]
    fn what_is_not_said_is_nothing() {
        let told = json!({ "read": "0001-01-01T00:00:00Z", "memory_stats": { "stats": { "inactive_file": 7 } } });
        let got = sample("abc", &serde_json::from_value(told).unwrap());
        assert_eq!(got, Sample { container: "abc".into(), ..Sample::default() });
    }
}
