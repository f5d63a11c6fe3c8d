//! What the machine uses, from /proc and /sys. Reading is one part, making sense of it a pure other. What can't be read is
//! left out.

use std::path::Path;

use drover_core::{CpuUse, DiskUse, InterfaceUse, Sample};

use crate::clock;

/// The kernel counts processor time in hundredths of a second, for every architecture that Linux tells of in /proc.
const TICK_NS: u64 = 10_000_000;
/// The kernel's unit for disks, whatever the disk's own is.
const SECTOR: u64 = 512;

/// What the machine uses now.
pub(crate) fn sample() -> Sample {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (memory, memory_limit) = memory(&read("/proc/meminfo"));
    // What has a device is a card or a disk; the rest (bridges, tunnels, partitions) carries the same bytes again.
    let has_device =
        |kind: &str, name: &str| Path::new("/sys").join(kind).join(name).join("device").exists();
    Sample {
        container: String::new(),
        at: clock::now(),
        cpu: cpu(&read("/proc/stat")),
        memory,
        memory_limit,
        interfaces: interfaces(&read("/proc/net/dev"), |name| has_device("class/net", name)),
        disks: disks(&read("/proc/diskstats"), |name| has_device("block", name)),
    }
}

/// `/proc/stat`: `cpu  user nice system idle iowait irq softirq steal guest guest_nice`, then the same of each. A guest's
/// time is in user's already.
fn cpu(text: &str) -> CpuUse {
    let mut used = CpuUse::default();
    for line in text.lines().filter(|line| line.starts_with("cpu")) {
        let mut words = line.split_ascii_whitespace();
        let name = words.next().unwrap_or_default();
        let ticks: Vec<u64> = words.map(|word| word.parse().unwrap_or_default()).collect();
        let sum = |places: &[usize]| -> u64 {
            let some = places.iter().filter_map(|place| ticks.get(*place));
            some.sum::<u64>().saturating_mul(TICK_NS)
        };
        let (user, system) = (sum(&[0, 1]), sum(&[2, 5, 6]));
        let total = user + system + sum(&[7]);
        if name == "cpu" {
            (used.total, used.user, used.system) = (total, user, system);
        } else {
            used.each.push(total);
        }
    }
    used
}

/// `/proc/meminfo`: what is in use and can't be had at once, and all there is, bytes.
fn memory(text: &str) -> (u64, u64) {
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        kib.unwrap_or_default().saturating_mul(1024)
    };
    let all = of("MemTotal");
    (all.saturating_sub(of("MemAvailable")), all)
}

/// `/proc/net/dev`: two lines of headings, then `name: rx_bytes` seven more, `tx_bytes` and seven more. Where nothing is a
/// card (in a container of its own kind), everything but the loopback counts.
fn interfaces(text: &str, is_card: impl Fn(&str) -> bool) -> Vec<InterfaceUse> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let all: Vec<InterfaceUse> = lines
        .filter_map(|(name, counts)| {
            let mut counts = counts.split_ascii_whitespace().map(str::parse);
            let (rx_bytes, tx_bytes) = (counts.next()?.ok()?, counts.nth(7)?.ok()?);
            Some(InterfaceUse { name: name.trim().to_owned(), rx_bytes, tx_bytes })
        })
        .filter(|interface| interface.name != "lo")
        .collect();
    let cards: Vec<InterfaceUse> =
        all.iter().filter(|interface| is_card(&interface.name)).cloned().collect();
    if cards.is_empty() { all } else { cards }
}

/// `/proc/diskstats`: `major minor name reads merged sectors ms writes merged sectors …`.
fn disks(text: &str, is_disk: impl Fn(&str) -> bool) -> Vec<DiskUse> {
    let read = |line: &str| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let number = |place: usize| words.get(place)?.parse::<u64>().ok();
        words.get(2).filter(|name| is_disk(name))?;
        Some(DiskUse {
            major: number(0)?,
            minor: number(1)?,
            read: number(5)?.saturating_mul(SECTOR),
            written: number(9)?.saturating_mul(SECTOR),
        })
    };
    text.lines().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time() {
        let text = "cpu  10 1 5 900 50 2 3 4 7 0\ncpu0 6 1 3 400 25 2 0 4 7 0\ncpu1 4 0 2 500 25 0 3 0 0 0\nintr 1\n";
        let want = CpuUse {
            total: 25 * TICK_NS,
            each: vec![16 * TICK_NS, 9 * TICK_NS],
            user: 11 * TICK_NS,
            system: 10 * TICK_NS,
        };
        assert_eq!(cpu(text), want);
        assert_eq!(cpu(""), CpuUse::default());
    }

    #[test]
    fn memory_in_use() {
        assert_eq!(
            memory("MemTotal: 100 kB\nMemFree: 1 kB\nMemAvailable:  40 kB\n"),
            (60 << 10, 100 << 10)
        );
        assert_eq!(memory(""), (0, 0));
    }

    #[test]
    fn interfaces_that_carry_bytes_once() {
        let text = "Inter-|   Receive\n face |bytes\n    lo: 9 0 0 0 0 0 0 0 9 0 0 0 0 0 0 0\n  \
                    eth0: 100 1 0 0 0 0 0 0 200 1 0 0 0 0 0 0\nveth1: 5 1 0 0 0 0 0 0 6 1 0 0 0 0 0 0\n";
        let eth0 = InterfaceUse { name: "eth0".into(), rx_bytes: 100, tx_bytes: 200 };
        let veth = InterfaceUse { name: "veth1".into(), rx_bytes: 5, tx_bytes: 6 };
        assert_eq!(interfaces(text, |name| name == "eth0"), std::slice::from_ref(&eth0));
        assert_eq!(interfaces(text, |_| false), [eth0, veth]);
    }

    #[test]
    fn disks_without_their_parts() {
        let text = "   8       0 sda 10 0 4 1 20 0 8 1 0 1 1\n   8       1 sda1 10 0 4 1 20 0 8 1 0 1 1\n 7 0 loop0\n";
        let want = DiskUse { major: 8, minor: 0, read: 2048, written: 4096 };
        assert_eq!(disks(text, |name| name == "sda"), [want]);
    }

    #[test]
    fn this_machine_uses_something() {
        let sample = sample();
        assert!(sample.cpu.total > 0 && !sample.cpu.each.is_empty(), "{sample:?}");
        assert!(sample.memory > 0 && sample.memory < sample.memory_limit, "{sample:?}");
    }
}
