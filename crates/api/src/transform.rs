//! `POST /scripts/transform`: Docker's create body in, a launch config out. Rancher's command lines send every
//! service through it, hash the answer, and compare the hash at the next run.
//!
//! So the answer is frozen: the same input gives the same bytes for ever, or every stack that was ever deployed
//! counts as changed. A new field may be added only if it stays null for all input that worked before.
//!
//! Not a validation: what the launch config means is checked when it comes back with the service.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::ApiError;
use crate::body::Body;

/// Translate a create body.
pub fn transform(body: &Value) -> Result<Value, ApiError> {
    let whole = Body::of(body)?;
    let none = Value::Null;
    let config = Body::at(whole.get("Config").unwrap_or(&none), "Config")?;
    let host = Body::at(whole.get("HostConfig").unwrap_or(&none), "HostConfig")?;
    let mut out = Map::new();
    let name = whole.word("Name")?.map(|name| name.trim_start_matches('/').to_owned());
    out.extend(object(json!({ "type": "container", "kind": "container", "name": name })));
    out.extend(process(&config)?);
    out.extend(security(&host)?);
    out.extend(network(&config, &host)?);
    out.extend(storage(&config, &host)?);
    out.extend(resources(&host)?);
    Ok(Value::Object(out))
}

fn process(config: &Body<'_>) -> Result<Map<String, Value>, ApiError> {
    let image = config.word("Image")?.map(|image| {
        let known = image.starts_with("docker:") || image.starts_with("sim:");
        if known { image } else { format!("docker:{image}") }
    });
    let environment: BTreeMap<String, String> = config
        .words("Env")?
        .into_iter()
        .map(|line| match line.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (line, String::new()),
        })
        .collect();
    Ok(object(json!({
        "imageUuid": image,
        "command": config.words("Cmd")?,
        "entryPoint": config.words("Entrypoint")?,
        "environment": environment,
        "labels": config.map("Labels")?.unwrap_or_default(),
        "hostname": config.word("Hostname")?,
        "domainName": config.word("Domainname")?,
        "user": config.word("User")?,
        "tty": config.flag("Tty")?.unwrap_or(false),
        "stdinOpen": config.flag("OpenStdin")?.unwrap_or(false),
        "workingDir": config.word("WorkingDir")?,
        "stopSignal": config.word("StopSignal")?,
        "stopTimeout": number(config, "StopTimeout")?,
    })))
}

fn security(host: &Body<'_>) -> Result<Map<String, Value>, ApiError> {
    Ok(object(json!({
        "privileged": host.flag("Privileged")?.unwrap_or(false),
        "publishAllPorts": host.flag("PublishAllPorts")?.unwrap_or(false),
        "readOnly": host.flag("ReadonlyRootfs")?.unwrap_or(false),
        "capAdd": host.words("CapAdd")?,
        "capDrop": host.words("CapDrop")?,
        "dns": host.words("Dns")?,
        "dnsSearch": host.words("DnsSearch")?,
        "dnsOpt": filled(host.words("DnsOptions")?),
        "devices": devices(host)?,
        "securityOpt": filled(host.words("SecurityOpt")?),
        "groupAdd": filled(host.words("GroupAdd")?),
        "extraHosts": filled(host.words("ExtraHosts")?),
        "pidMode": host.word("PidMode")?,
        "ipcMode": host.word("IpcMode")?,
        "uts": host.word("UTSMode")?,
        "usernsMode": host.word("UsernsMode")?,
        "isolation": host.word("Isolation")?,
        "cgroupParent": host.word("CgroupParent")?,
        "sysctls": filled_map(host.map("Sysctls")?.unwrap_or_default()),
        "runInit": host.flag("Init")?.filter(|init| *init),
    })))
}

fn network(config: &Body<'_>, host: &Body<'_>) -> Result<Map<String, Value>, ApiError> {
    let restart = match host.inner("RestartPolicy")? {
        None => None,
        Some(policy) => policy.word("Name")?.map(|name| {
            let retries = policy.number::<i64>("MaximumRetryCount");
            Ok::<_, ApiError>(json!({
                "type": "restartPolicy",
                "name": name,
                "maximumRetryCount": retries?.unwrap_or(0),
            }))
        }),
    };
    let log = host.inner("LogConfig")?;
    let (driver, options) = match &log {
        None => (None, BTreeMap::new()),
        Some(log) => (log.word("Type")?, log.map("Config")?.unwrap_or_default()),
    };
    Ok(object(json!({
        "logConfig": { "type": "logConfig", "driver": driver, "config": options },
        // Clients put their own in its place; the word is part of what they hash until then.
        "networkMode": "bridge",
        "restartPolicy": restart.transpose()?,
        "ports": ports(config, host)?,
    })))
}

fn storage(config: &Body<'_>, host: &Body<'_>) -> Result<Map<String, Value>, ApiError> {
    let anonymous: BTreeSet<&str> =
        config.entries("Volumes")?.into_iter().map(|(path, _)| path).collect();
    let mut volumes: Vec<String> = anonymous.into_iter().map(str::to_owned).collect();
    volumes.extend(host.words("Binds")?);
    Ok(object(json!({
        "dataVolumes": volumes,
        "volumeDriver": host.word("VolumeDriver")?,
        "tmpfs": filled_map(host.map("Tmpfs")?.unwrap_or_default()),
    })))
}

fn resources(host: &Body<'_>) -> Result<Map<String, Value>, ApiError> {
    Ok(object(json!({
        "memory": number(host, "Memory")?,
        "memorySwap": number(host, "MemorySwap")?,
        "memoryReservation": number(host, "MemoryReservation")?,
        "memorySwappiness": number(host, "MemorySwappiness")?,
        "kernelMemory": number(host, "KernelMemory")?,
        "cpuShares": number(host, "CpuShares")?,
        "cpuSet": host.word("CpusetCpus")?,
        "cpuSetMems": host.word("CpusetMems")?,
        "cpuPeriod": number(host, "CpuPeriod")?,
        "cpuQuota": number(host, "CpuQuota")?,
        "blkioWeight": number(host, "BlkioWeight")?,
        "blkioDeviceOptions": block_devices(host)?,
        "shmSize": number(host, "ShmSize")?,
        "pidsLimit": number(host, "PidsLimit")?,
        "oomKillDisable": host.flag("OomKillDisable")?.filter(|disabled| *disabled),
        "oomScoreAdj": number(host, "OomScoreAdj")?,
        "ulimits": ulimits(host)?,
    })))
}

/// Published ports: `public:private/protocol`, or `private/protocol` where Docker would pick. Rancher dropped the
/// address that a port was bound to.
fn ports(config: &Body<'_>, host: &Body<'_>) -> Result<Vec<String>, ApiError> {
    let exposed: BTreeSet<&str> =
        config.entries("ExposedPorts")?.into_iter().map(|(port, _)| port).collect();
    let Some(bindings) = host.inner("PortBindings")? else { return Ok(Vec::new()) };
    let mut ports = Vec::new();
    for port in exposed {
        let full = if port.contains('/') { port.to_owned() } else { format!("{port}/tcp") };
        for binding in bindings.bodies(port)? {
            ports.push(match binding.word("HostPort")? {
                Some(public) => format!("{public}:{full}"),
                None => full.clone(),
            });
        }
    }
    Ok(ports)
}

fn devices(host: &Body<'_>) -> Result<Vec<String>, ApiError> {
    let device = |device: Body<'_>| {
        let outside = device.required("PathOnHost")?;
        let inside = device.word("PathInContainer")?.unwrap_or_else(|| outside.clone());
        let access = device.word("CgroupPermissions")?;
        Ok(format!("{outside}:{inside}:{}", access.as_deref().unwrap_or("rwm")))
    };
    host.bodies("Devices")?.into_iter().map(device).collect()
}

fn ulimits(host: &Body<'_>) -> Result<Option<Vec<Value>>, ApiError> {
    let limit = |limit: Body<'_>| {
        Ok(json!({
            "type": "ulimit",
            "name": limit.word("Name")?,
            "soft": limit.number::<i64>("Soft")?,
            "hard": limit.number::<i64>("Hard")?,
        }))
    };
    let limits = host.bodies("Ulimits")?.into_iter().map(limit);
    Ok(filled(limits.collect::<Result<Vec<_>, ApiError>>()?))
}

/// Docker lists each kind of limit by device; Rancher lists devices, each with its limits.
fn block_devices(host: &Body<'_>) -> Result<Option<Map<String, Value>>, ApiError> {
    let mut devices: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for (field, value, name) in [
        ("BlkioDeviceReadIOps", "Rate", "readIops"),
        ("BlkioDeviceWriteIOps", "Rate", "writeIops"),
        ("BlkioDeviceReadBps", "Rate", "readBps"),
        ("BlkioDeviceWriteBps", "Rate", "writeBps"),
        ("BlkioWeightDevice", "Weight", "weight"),
    ] {
        for limit in host.bodies(field)? {
            let device = devices.entry(limit.required("Path")?).or_default();
            device.insert(name.to_owned(), limit.number::<i64>(value)?.into());
        }
    }
    let devices: Map<_, _> = devices.into_iter().map(|(k, v)| (k, Value::Object(v))).collect();
    Ok(Some(devices).filter(|devices| !devices.is_empty()))
}

/// Docker's zero means "not set".
fn number(from: &Body<'_>, field: &str) -> Result<Option<i64>, ApiError> {
    Ok(from.number(field)?.filter(|number| *number != 0))
}

fn filled<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}

fn filled_map(map: BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    Some(map).filter(|map| !map.is_empty())
}

/// The members of an object literal.
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body with everything at Docker's default but for what is given.
    fn body(config: &Value, host: &Value) -> Value {
        json!({ "Name": "/app", "Config": config, "HostConfig": host })
    }

    /// The answer's members that differ from those for an empty body.
    fn differing(config: &Value, host: &Value) -> Value {
        let empty = transform(&body(&json!({}), &json!({}))).unwrap();
        let Value::Object(full) = transform(&body(config, host)).unwrap() else { panic!() };
        full.into_iter().filter(|(key, value)| empty[key] != *value).collect()
    }

    /// Frozen. If this test fails, the change breaks every stack deployed with Rancher's command lines.
    #[test]
    fn a_service_as_rancher_compose_sends_it() {
        let config = json!({
            "Hostname": "", "Domainname": "", "User": "", "ExposedPorts": { "80/tcp": {} },
            "Tty": false, "OpenStdin": false, "Env": ["MODE=prod", "TZ=UTC"],
            "Cmd": ["nginx", "-g", "daemon off;"], "Image": "nginx:1.25", "Volumes": {},
            "WorkingDir": "", "Entrypoint": null,
            "Labels": { "com.example.role": "front", "io.rancher.sidekicks": "helper" },
            "StopTimeout": 0,
        });
        let host = json!({
            "Binds": [], "LogConfig": { "Type": "", "Config": null }, "NetworkMode": "",
            "PortBindings": { "80/tcp": [{ "HostIp": "", "HostPort": "8080" }] },
            "RestartPolicy": { "Name": "always", "MaximumRetryCount": 0 }, "VolumeDriver": "",
            "CapAdd": ["NET_ADMIN"], "CapDrop": null, "Dns": null, "Memory": 134_217_728,
            "BlkioWeightDevice": [], "Devices": [], "Ulimits": [], "Init": false, "PidsLimit": 0,
        });
        insta::assert_json_snapshot!(transform(&body(&config, &host)).unwrap(), @r#"
        {
          "type": "container",
          "kind": "container",
          "name": "app",
          "imageUuid": "docker:nginx:1.25",
          "command": [
            "nginx",
            "-g",
            "daemon off;"
          ],
          "entryPoint": [],
          "environment": {
            "MODE": "prod",
            "TZ": "UTC"
          },
          "labels": {
            "com.example.role": "front",
            "io.rancher.sidekicks": "helper"
          },
          "hostname": null,
          "domainName": null,
          "user": null,
          "tty": false,
          "stdinOpen": false,
          "workingDir": null,
          "stopSignal": null,
          "stopTimeout": null,
          "privileged": false,
          "publishAllPorts": false,
          "readOnly": false,
          "capAdd": [
            "NET_ADMIN"
          ],
          "capDrop": [],
          "dns": [],
          "dnsSearch": [],
          "dnsOpt": null,
          "devices": [],
          "securityOpt": null,
          "groupAdd": null,
          "extraHosts": null,
          "pidMode": null,
          "ipcMode": null,
          "uts": null,
          "usernsMode": null,
          "isolation": null,
          "cgroupParent": null,
          "sysctls": null,
          "runInit": null,
          "logConfig": {
            "type": "logConfig",
            "driver": null,
            "config": {}
          },
          "networkMode": "bridge",
          "restartPolicy": {
            "type": "restartPolicy",
            "name": "always",
            "maximumRetryCount": 0
          },
          "ports": [
            "8080:80/tcp"
          ],
          "dataVolumes": [],
          "volumeDriver": null,
          "tmpfs": null,
          "memory": 134217728,
          "memorySwap": null,
          "memoryReservation": null,
          "memorySwappiness": null,
          "kernelMemory": null,
          "cpuShares": null,
          "cpuSet": null,
          "cpuSetMems": null,
          "cpuPeriod": null,
          "cpuQuota": null,
          "blkioWeight": null,
          "blkioDeviceOptions": null,
          "shmSize": null,
          "pidsLimit": null,
          "oomKillDisable": null,
          "oomScoreAdj": null,
          "ulimits": null
        }
        "#);
    }

    #[test]
    fn the_order_things_come_in_does_not_matter_where_docker_has_none() {
        let ports = |a: &str, b: &str| {
            let one = json!([{ "HostPort": "1" }]);
            let config = json!({ "ExposedPorts": { a: {}, b: {} }, "Env": [a, b], "Volumes": { a: {}, b: {} } });
            transform(&body(&config, &json!({ "PortBindings": { a: one, b: one } }))).unwrap()
        };
        assert_eq!(ports("80/tcp", "9/udp").to_string(), ports("9/udp", "80/tcp").to_string());
    }

    #[test]
    fn every_field_arrives() {
        let config = json!({
            "Image": "sim:x", "Hostname": "h", "Domainname": "d", "User": "u", "WorkingDir": "/w",
            "StopSignal": "SIGINT", "StopTimeout": 5, "Tty": true, "OpenStdin": true,
            "Env": ["A=1=2", "B"], "Labels": { "n": 1 }, "Volumes": { "/v": {} },
            "ExposedPorts": { "80/tcp": {}, "81/tcp": {}, "82/tcp": {} }, "Entrypoint": ["/e"],
        });
        let host = serde_json::from_str(
            r#"{
            "Binds": ["a:/a"], "Memory": 1, "MemorySwap": -1, "MemoryReservation": 2,
            "MemorySwappiness": 3, "KernelMemory": 4, "CpuShares": 5, "CpusetCpus": "0",
            "CpusetMems": "1", "CpuPeriod": 6, "CpuQuota": 7, "BlkioWeight": 8, "ShmSize": 9,
            "PidsLimit": 10, "OomKillDisable": true, "OomScoreAdj": -1, "PidMode": "host",
            "IpcMode": "host", "UTSMode": "host", "UsernsMode": "host", "Tmpfs": { "/t": "" },
            "Sysctls": { "s": "1" }, "GroupAdd": ["g"], "DnsOptions": ["o"], "Init": true,
            "Isolation": "i", "CgroupParent": "c", "SecurityOpt": ["s"], "ExtraHosts": ["h:1"],
            "ReadonlyRootfs": true, "Privileged": true, "PublishAllPorts": true,
            "CapDrop": ["ALL"], "Dns": ["8.8.8.8"], "DnsSearch": ["x"], "VolumeDriver": "nfs",
            "Devices": [{ "PathOnHost": "/d" }, { "PathOnHost": "/a", "PathInContainer": "/b", "CgroupPermissions": "r" }],
            "LogConfig": { "Type": "syslog", "Config": { "tag": "t" } },
            "Ulimits": [{ "Name": "nofile", "Soft": 1, "Hard": 2 }],
            "BlkioDeviceReadBps": [{ "Path": "/d", "Rate": 1 }],
            "BlkioWeightDevice": [{ "Path": "/d", "Weight": 2 }],
            "PortBindings": {
                "80/tcp": [{ "HostIp": "10.0.0.1", "HostPort": "8080" }, { "HostPort": "" }],
                "82/tcp": null
            }
        }"#,
        );
        insta::assert_snapshot!(serde_json::to_string_pretty(&differing(&config, &host.unwrap())).unwrap(), @r#"
        {
          "imageUuid": "sim:x",
          "entryPoint": [
            "/e"
          ],
          "environment": {
            "A": "1=2",
            "B": ""
          },
          "labels": {
            "n": "1"
          },
          "hostname": "h",
          "domainName": "d",
          "user": "u",
          "tty": true,
          "stdinOpen": true,
          "workingDir": "/w",
          "stopSignal": "SIGINT",
          "stopTimeout": 5,
          "privileged": true,
          "publishAllPorts": true,
          "readOnly": true,
          "capDrop": [
            "ALL"
          ],
          "dns": [
            "8.8.8.8"
          ],
          "dnsSearch": [
            "x"
          ],
          "dnsOpt": [
            "o"
          ],
          "devices": [
            "/d:/d:rwm",
            "/a:/b:r"
          ],
          "securityOpt": [
            "s"
          ],
          "groupAdd": [
            "g"
          ],
          "extraHosts": [
            "h:1"
          ],
          "pidMode": "host",
          "ipcMode": "host",
          "uts": "host",
          "usernsMode": "host",
          "isolation": "i",
          "cgroupParent": "c",
          "sysctls": {
            "s": "1"
          },
          "runInit": true,
          "logConfig": {
            "type": "logConfig",
            "driver": "syslog",
            "config": {
              "tag": "t"
            }
          },
          "ports": [
            "8080:80/tcp",
            "80/tcp"
          ],
          "dataVolumes": [
            "/v",
            "a:/a"
          ],
          "volumeDriver": "nfs",
          "tmpfs": {
            "/t": ""
          },
          "memory": 1,
          "memorySwap": -1,
          "memoryReservation": 2,
          "memorySwappiness": 3,
          "kernelMemory": 4,
          "cpuShares": 5,
          "cpuSet": "0",
          "cpuSetMems": "1",
          "cpuPeriod": 6,
          "cpuQuota": 7,
          "blkioWeight": 8,
          "blkioDeviceOptions": {
            "/d": {
              "readBps": 1,
              "weight": 2
            }
          },
          "shmSize": 9,
          "pidsLimit": 10,
          "oomKillDisable": true,
          "oomScoreAdj": -1,
          "ulimits": [
            {
              "type": "ulimit",
              "name": "nofile",
              "soft": 1,
              "hard": 2
            }
          ]
        }
        "#);
    }

    #[test]
    fn the_answer_is_a_launch_config() {
        let config = json!({ "Image": "nginx", "Labels": { "a": "b" } });
        let answer = transform(&body(&config, &json!({}))).unwrap();
        let mut answer = answer;
        answer["networkMode"] = "managed".into();
        let spec = crate::launch_config::from_wire(&answer).unwrap();
        assert_eq!((spec.image.as_str(), spec.labels["a"].as_str()), ("nginx", "b"));
    }
}
