//! What a simulated engine tells, in the JSON of Docker's API: as much of it as the agent reads. Pure.

use drover_core::pinned;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::container::{Container, State};
use super::engine::{Engine, Event, Exec, image_id};

/// Docker's "never".
const NEVER: &str = "0001-01-01T00:00:00Z";

pub(super) fn version() -> Value {
    json!({
        "Version": super::ENGINE_VERSION,
        "ApiVersion": "1.48",
        "MinAPIVersion": "1.24",
        "Os": "linux",
        "Arch": std::env::consts::ARCH,
    })
}

/// A container, looked at.
pub(super) fn container(held: &Container, now_ns: u64) -> Value {
    let health = held.health(now_ns);
    let health =
        if health.is_empty() || !held.is_up() { Value::Null } else { json!({ "Status": health }) };
    let mut networks = serde_json::Map::new();
    if !held.network.is_empty() {
        let address = held.address.map(|address| address.to_string()).unwrap_or_default();
        let requested = held.requested.map(|address| json!({ "IPv4Address": address.to_string() }));
        let endpoint = json!({ "IPAddress": address, "IPAMConfig": requested });
        networks.insert(held.network.clone(), endpoint);
    }
    json!({
        "Id": held.id,
        "Name": format!("/{}", held.name),
        "Created": moment(held.created_ns),
        "Image": image_id(&held.image),
        "State": {
            "Status": state(held.state),
            "Running": held.is_up(),
            "Paused": held.state == State::Paused,
            "OOMKilled": false,
            "ExitCode": held.exit_code,
            "StartedAt": moment(held.started_ns),
            "FinishedAt": moment(held.ended_ns),
            "Health": health,
        },
        "Config": {
            "Image": held.image,
            "Labels": held.labels,
            "StopTimeout": held.stop_timeout,
        },
        "NetworkSettings": { "Networks": networks },
    })
}

/// A container at a glance.
pub(super) fn summary(held: &Container, now_ns: u64) -> Value {
    let health = match held.health(now_ns) {
        "" => "",
        "healthy" => " (healthy)",
        "unhealthy" => " (unhealthy)",
        _ => " (health: starting)",
    };
    let status = match held.state {
        State::Created => "Created".to_owned(),
        State::Running => format!("Up{health}"),
        State::Paused => format!("Up{health} (Paused)"),
        State::Exited => format!("Exited ({})", held.exit_code),
    };
    json!({
        "Id": held.id,
        "Names": [format!("/{}", held.name)],
        "Image": held.image,
        "ImageID": image_id(&held.image),
        "Labels": held.labels,
        "State": state(held.state),
        "Status": status,
    })
}

/// What it uses.
pub(super) fn stats(held: &Container, now_ns: u64) -> Value {
    let used = held.used(now_ns);
    let disk = |op: &str, value| json!({ "major": 8, "minor": 0, "op": op, "value": value });
    json!({
        "id": held.id,
        "name": format!("/{}", held.name),
        "read": moment(now_ns),
        "cpu_stats": { "cpu_usage": {
            "total_usage": used.cpu_ns,
            "usage_in_usermode": used.cpu_ns / 4 * 3,
            "usage_in_kernelmode": used.cpu_ns / 4,
        }},
        "memory_stats": { "usage": used.memory, "limit": super::MEMORY },
        "networks": { "eth0": { "rx_bytes": used.received, "tx_bytes": used.received / 2 } },
        "blkio_stats": { "io_service_bytes_recursive": [
            disk("read", used.received / 8), disk("write", used.received / 4),
        ]},
    })
}

/// An event, as a line of its stream.
pub(super) fn event(event: &Event) -> String {
    let told = json!({
        "Type": "container",
        "Action": event.action,
        "Actor": { "ID": event.id, "Attributes": event.labels },
        "scope": "local",
        "time": event.at_ns / 1_000_000_000,
        "timeNano": event.at_ns,
    });
    format!("{told}\n")
}

/// An image by its name.
pub(super) fn image(name: &str) -> Value {
    let id = image_id(name);
    let digest = pinned(name, Some(&id));
    json!({ "Id": id, "RepoTags": [name], "RepoDigests": [digest] })
}

/// All of them, in short.
pub(super) fn images(engine: &Engine) -> Value {
    let one = |name: &str| {
        let mut told = image(name);
        for (key, value) in [("ParentId", json!("")), ("Labels", json!({}))] {
            told[key] = value;
        }
        for key in ["Created", "Size", "SharedSize", "Containers"] {
            told[key] = json!(0);
        }
        told
    };
    engine.images().map(one).collect()
}

pub(super) fn volume(name: &str) -> Value {
    json!({
        "Name": name,
        "Driver": "local",
        "Mountpoint": format!("/simulated/{name}"),
        "Labels": {},
        "Scope": "local",
        "Options": {},
    })
}

/// A network by its name, as it was asked for; `None` if there is none.
pub(super) fn network(engine: &Engine, name: &str) -> Option<Value> {
    let asked = engine.networks.get(name)?;
    Some(json!({
        "Name": asked.name,
        "Id": asked.name,
        "Driver": asked.driver,
        "IPAM": asked.ipam,
        "Options": asked.options,
        "Labels": asked.labels,
    }))
}

/// A command.
pub(super) fn exec(id: &str, exec: &Exec) -> Value {
    json!({
        "ID": id,
        "Running": false,
        "ExitCode": exec.code,
        "ContainerID": exec.container,
    })
}

/// A line of a log, as its stream has it: which stream, how long, the line.
pub(super) fn line(at_ns: u64, text: &str, with_time: bool) -> Vec<u8> {
    let time = if with_time { format!("{} ", moment(at_ns)) } else { String::new() };
    frame(&format!("{time}{text}\n"))
}

/// Output of a process, with Docker's header.
pub(super) fn frame(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap_or_default();
    let mut frame = vec![1, 0, 0, 0];
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(text.as_bytes());
    frame
}

fn state(state: State) -> &'static str {
    match state {
        State::Created => "created",
        State::Running => "running",
        State::Paused => "paused",
        State::Exited => "exited",
    }
}

fn moment(ns: u64) -> String {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ns)).ok();
    let text = at.filter(|_| ns > 0).and_then(|at| at.format(&Rfc3339).ok());
    text.unwrap_or_else(|| NEVER.to_owned())
}
