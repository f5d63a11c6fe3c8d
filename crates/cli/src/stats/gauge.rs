//! What samples come to: shares of processors, bytes in words. Pure.

use std::collections::{BTreeMap, BTreeSet};

use drover_rollout::text;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub(super) const COLUMNS: [&str; 7] =
    ["NAME", "HOST", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O"];

/// Decimal, as `docker stats` has bytes on wires and disks.
const DECIMAL: (f64, [&str; 5]) = (1000.0, ["B", "kB", "MB", "GB", "TB"]);
/// Binary, as it has memory.
const BINARY: (f64, [&str; 5]) = (1024.0, ["B", "KiB", "MiB", "GiB", "TiB"]);

/// What is known of each thing in each stream.
pub(super) struct Gauges {
    streams: Vec<Stream>,
    /// By id.
    last: BTreeMap<String, Gauge>,
}

#[derive(Default)]
struct Stream {
    /// What its last frame was of; `None` before the first.
    of: Option<BTreeSet<String>>,
    /// Nothing more is expected of it.
    is_over: bool,
}

#[derive(Clone, Debug, Default)]
struct Gauge {
    at_ns: i128,
    cpu_ns: u64,
    /// Of one processor, in hundredths; `None` before the second sample.
    percent: Option<f64>,
    sample: Value,
}

/// What is shown of one thing.
#[derive(Clone, Debug)]
pub(super) struct Row {
    id: String,
    name: String,
    host: String,
    percent: Option<f64>,
    memory: u64,
    limit: u64,
    network: (u64, u64),
    disk: (u64, u64),
}

impl Gauges {
    pub(super) fn new(streams: usize) -> Self {
        Self { streams: (0..streams).map(|_| Stream::default()).collect(), last: BTreeMap::new() }
    }

    /// A frame of a stream. A sample that is repeated says nothing new.
    pub(super) fn take(&mut self, place: usize, samples: &[Value]) {
        for sample in samples {
            let gauge = self.last.entry(text(sample, "id")).or_default();
            let at = OffsetDateTime::parse(&text(sample, "timestamp"), &Rfc3339).ok();
            let at_ns = at.map_or(0, OffsetDateTime::unix_timestamp_nanos);
            let cpu_ns = sample["cpu"]["usage"]["total"].as_u64().unwrap_or_default();
            if gauge.at_ns > 0 && at_ns > gauge.at_ns {
                let used = cpu_ns.saturating_sub(gauge.cpu_ns);
                gauge.percent =
                    Some(ratio(used, u64::try_from(at_ns - gauge.at_ns).unwrap_or(u64::MAX)));
            }
            (gauge.at_ns, gauge.cpu_ns, gauge.sample) = (at_ns, cpu_ns, sample.clone());
        }
        let of = samples.iter().map(|sample| text(sample, "id")).collect();
        self.streams[place].of = Some(of);
        let shown: BTreeSet<&String> =
            self.streams.iter().flat_map(|s| s.of.iter().flatten()).collect();
        let gone: Vec<String> =
            self.last.keys().filter(|id| !shown.contains(id)).cloned().collect();
        for id in gone {
            self.last.remove(&id);
        }
    }

    /// Nothing more comes over a stream.
    pub(super) fn end(&mut self, place: usize) {
        self.streams[place] = Stream { of: Some(BTreeSet::new()), is_over: true };
    }

    /// What has not come is not waited for any longer.
    pub(super) fn be_content(&mut self) {
        for stream in &mut self.streams {
            stream.is_over = true;
        }
    }

    /// Whether anything was told.
    pub(super) fn has_any(&self) -> bool {
        self.streams.iter().any(|stream| stream.of.is_some() && !stream.is_over)
            || !self.last.is_empty()
    }

    /// Whether all is told: of everything two samples, between which it used its share of the processors.
    pub(super) fn is_whole(&self) -> bool {
        let has_share = |id: &String| self.last.get(id).is_some_and(|held| held.percent.is_some());
        self.streams.iter().all(|stream| {
            stream.is_over || stream.of.as_ref().is_some_and(|of| of.iter().all(has_share))
        })
    }

    /// Whether there is something whose name is not known.
    pub(super) fn knows_others_than(&self, names: &BTreeMap<String, (String, String)>) -> bool {
        self.last.keys().any(|id| !names.contains_key(id))
    }

    /// A row for each, by name.
    pub(super) fn rows(&self, names: &BTreeMap<String, (String, String)>) -> Vec<Row> {
        let mut rows: Vec<Row> =
            self.last.iter().map(|(id, gauge)| row(id, gauge, names)).collect();
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        rows
    }
}

fn row(id: &str, gauge: &Gauge, names: &BTreeMap<String, (String, String)>) -> Row {
    let unnamed = || (id.to_owned(), "-".to_owned());
    let (name, host) = names.get(id).cloned().unwrap_or_else(unnamed);
    let sample = &gauge.sample;
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let disks = sample["diskio"]["io_service_bytes"].as_array().into_iter().flatten();
    let disk = disks.fold((0, 0), |(read, written): (u64, u64), disk| {
        (read + number(&disk["stats"]["Read"]), written + number(&disk["stats"]["Write"]))
    });
    let network = &sample["network"];
    Row {
        id: id.to_owned(),
        name,
        host,
        percent: gauge.percent,
        memory: number(&sample["memory"]["usage"]),
        limit: number(&sample["memLimit"]),
        network: (number(&network["rx_bytes"]), number(&network["tx_bytes"])),
        disk,
    }
}

impl Row {
    pub(super) fn cells(&self) -> Vec<String> {
        let percent =
            |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{share:.2}%"));
        let pair = |(a, b): (u64, u64)| format!("{} / {}", bytes(a, DECIMAL), bytes(b, DECIMAL));
        vec![
            self.name.clone(),
            self.host.clone(),
            percent(self.percent),
            format!("{} / {}", bytes(self.memory, BINARY), bytes(self.limit, BINARY)),
            percent(self.memory_percent()),
            pair(self.network),
            pair(self.disk),
        ]
    }

    pub(super) fn as_json(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "host": self.host,
            "cpu_percent": self.percent,
            "memory_bytes": self.memory,
            "memory_limit_bytes": self.limit,
            "memory_percent": self.memory_percent(),
            "received_bytes": self.network.0,
            "sent_bytes": self.network.1,
            "read_bytes": self.disk.0,
            "written_bytes": self.disk.1,
        })
    }

    fn memory_percent(&self) -> Option<f64> {
        (self.limit > 0).then(|| ratio(self.memory, self.limit))
    }
}

/// In hundredths, to two places.
#[allow(clippy::cast_precision_loss)] // it is shown to four digits
fn ratio(part: u64, whole: u64) -> f64 {
    (part as f64 / whole as f64 * 10_000.0).round() / 100.0
}

/// Four digits at most, as `docker stats` has them.
#[allow(clippy::cast_precision_loss)] // it is shown to four digits
fn bytes(count: u64, (step, units): (f64, [&str; 5])) -> String {
    let (mut size, mut unit) = (count as f64, 0);
    while size >= step && unit + 1 < units.len() {
        size /= step;
        unit += 1;
    }
    let digits = match size {
        _ if unit == 0 => 0,
        size if size < 10.0 => 2,
        size if size < 100.0 => 1,
        _ => 0,
    };
    format!("{size:.digits$}{}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_in_words() {
        let check = |count, binary, want: &str| {
            assert_eq!(bytes(count, if binary { BINARY } else { DECIMAL }), want);
        };
        check(0, false, "0B");
        check(999, false, "999B");
        check(1_234, false, "1.23kB");
        check(56_780_000, false, "56.8MB");
        check(987_654_321, false, "988MB");
        check(512 << 20, true, "512MiB");
        check(3 << 29, true, "1.50GiB");
        check(5 << 50, true, "5120TiB");
    }

    fn sample(id: &str, timestamp: &str, cpu: u64) -> Value {
        json!({
            "id": id, "timestamp": timestamp, "memLimit": 4_u64 << 30,
            "cpu": { "usage": { "total": cpu } }, "memory": { "usage": 1_u64 << 30 },
            "network": { "rx_bytes": 1000, "tx_bytes": 2000 },
            "diskio": { "io_service_bytes": [
                { "stats": { "Read": 1, "Write": 2 } }, { "stats": { "Read": 10, "Write": 20 } },
            ]},
        })
    }

    #[test]
    fn a_share_of_the_processors_needs_two_samples() {
        let names = [("1i1".to_owned(), ("web".to_owned(), "node1".to_owned()))].into();
        let mut gauges = Gauges::new(1);
        assert!(!gauges.has_any() && !gauges.is_whole());
        let first = sample("1i1", "2026-11-21T00:00:00Z", 1_000_000_000);
        gauges.take(0, std::slice::from_ref(&first));
        assert!(gauges.has_any() && !gauges.is_whole());
        // The same again says nothing new.
        gauges.take(0, &[first]);
        assert!(!gauges.is_whole());
        gauges.take(0, &[sample("1i1", "2026-11-21T00:00:02.5Z", 2_250_000_000)]);
        assert!(gauges.is_whole());
        let cells = |gauges: &Gauges| gauges.rows(&names)[0].cells().join(" | ");
        let want =
            "web | node1 | 50.00% | 1.00GiB / 4.00GiB | 25.00% | 1.00kB / 2.00kB | 11B / 22B";
        assert_eq!(cells(&gauges), want);
        // A container that is started again counts from the beginning.
        gauges.take(0, &[sample("1i1", "2026-11-21T00:00:03Z", 5)]);
        assert!(cells(&gauges).starts_with("web | node1 | 0.00%"), "{}", cells(&gauges));
        gauges.take(0, &[]);
        assert!(gauges.rows(&names).is_empty() && gauges.is_whole());
    }

    #[test]
    fn what_does_not_come_is_not_waited_for_for_ever() {
        let mut gauges = Gauges::new(2);
        gauges.take(0, &[sample("1i1", "2026-11-21T00:00:00Z", 1)]);
        assert!(gauges.knows_others_than(&BTreeMap::new()));
        gauges.end(1);
        assert!(!gauges.is_whole());
        gauges.be_content();
        assert!(gauges.is_whole() && gauges.has_any());
    }
}
