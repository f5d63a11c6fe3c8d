//! Rancher's `launchConfig` ↔ a container's spec: every field of the wire that a container is made from, in both
//! directions, in one place. Server and command line use the same functions, so they cannot disagree.
//!
//! One small module per group of fields, each with a `read` and a `write`. Adding a field to
//! [`ContainerSpec`] means adding it to both; the property test below fails otherwise.
//!
//! Not here: what an upgrade does with a launch config, and the `version` that answers carry beside it.

mod health;
mod network;
mod process;
mod resources;
mod secrets;
mod security;
mod storage;
mod template;

#[cfg(test)]
mod any_spec;

use drover_core::ContainerSpec;
use serde_json::{Map, Value};

pub(crate) use health::read_check;
pub use health::write_check;
pub use template::{balancer_from_wire, template_from_wire, template_to_wire};

use crate::ApiError;
use crate::body::Body;
use crate::path::Path;
use crate::schema::accept_part;

/// Image of a balancer whose launch config names none. Drover's own balancer runs in its place; the name is
/// what clients expect to see.
pub const BALANCER_IMAGE: &str = "rancher/lb-service-haproxy:v0.9.14";

/// Read a launch config. Unknown fields are ignored; known ones that can't be honoured are refused.
pub fn from_wire(value: &Value) -> Result<ContainerSpec, ApiError> {
    read(&Body::of(&accept_part("launchConfig", value, Path::default())?)?)
}

/// Write a launch config; fields at Docker's default are left out, but for those that clients read blindly.
pub fn to_wire(spec: &ContainerSpec) -> Value {
    let mut out = Map::new();
    out.insert("type".to_owned(), "launchConfig".into());
    out.insert("kind".to_owned(), "container".into());
    process::write(spec, &mut out);
    network::write(spec, &mut out);
    storage::write(spec, &mut out);
    secrets::write(spec, &mut out);
    resources::write(spec, &mut out);
    security::write(spec, &mut out);
    health::write(spec, &mut out);
    Value::Object(out)
}

/// Read a launch config that stands somewhere in a body.
fn read(fields: &Body<'_>) -> Result<ContainerSpec, ApiError> {
    let mut spec = ContainerSpec::default();
    process::read(fields, &mut spec)?;
    network::read(fields, &mut spec)?;
    storage::read(fields, &mut spec)?;
    secrets::read(fields, &mut spec)?;
    resources::read(fields, &mut spec)?;
    security::read(fields, &mut spec)?;
    health::read(fields, &mut spec)?;
    Ok(spec)
}

/// Put a field if it has a value.
fn put<T: Into<Value>>(out: &mut Map<String, Value>, field: &str, value: Option<T>) {
    if let Some(value) = value {
        out.insert(field.to_owned(), value.into());
    }
}

/// Put a list if it has members.
fn put_list(out: &mut Map<String, Value>, field: &str, list: &[String]) {
    put(out, field, Some(list).filter(|list| !list.is_empty()).map(<[String]>::to_vec));
}

/// Put a map if it has members.
fn put_map(
    out: &mut Map<String, Value>,
    field: &str,
    map: &std::collections::BTreeMap<String, String>,
) {
    let object: Map<_, _> = map.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
    put(out, field, Some(object).filter(|object| !object.is_empty()));
}

/// Put a flag if it is set.
fn put_flag(out: &mut Map<String, Value>, field: &str, flag: bool) {
    put(out, field, Some(flag).filter(|flag| *flag));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(spec in any_spec::any_spec()) {
            prop_assert_eq!(from_wire(&to_wire(&spec)), Ok(spec));
        }
    }

    /// What a launch config of these fields and an image comes to, written again without its fixed members.
    fn reads(fields: Value) -> String {
        let mut config = fields;
        config["imageUuid"] = "docker:busybox".into();
        match from_wire(&config) {
            Ok(spec) => {
                let mut written = to_wire(&spec);
                let members = written.as_object_mut().unwrap();
                for fixed in ["type", "kind", "imageUuid"] {
                    members.shift_remove(fixed);
                }
                if members["labels"] == json!({}) {
                    members.shift_remove("labels");
                }
                if members["networkMode"] == "managed" {
                    members.shift_remove("networkMode");
                }
                written.to_string()
            }
            Err(error) => format!("{} {}", error.code, error),
        }
    }

    fn check(fields: Value, expected: &str) {
        let shown = fields.to_string();
        assert_eq!(reads(fields), expected, "{shown}");
    }

    #[test]
    fn process_fields() {
        let same = |fields: Value| check(fields.clone(), &fields.to_string());
        check(json!({}), "{}");
        check(json!({ "type": "container", "links": null, "nobody": [1] }), "{}");
        same(json!({ "command": ["nginx", "-g"], "entryPoint": ["/e"] }));
        check(json!({ "command": null, "tty": null, "user": "" }), "{}");
        check(
            json!({ "environment": { "A": 1, "B": true, "C": null, "D": "" } }),
            r#"{"environment":{"A":"1","B":"true","D":""}}"#,
        );
        check(json!({ "labels": { "a": 1, "b": null } }), r#"{"labels":{"a":"1"}}"#);
        check(json!({ "tty": "true", "stdinOpen": false }), r#"{"tty":true}"#);
        check(json!({ "stopTimeout": "30" }), r#"{"stopTimeout":30}"#);
        same(json!({ "drainTimeoutMs": 5000, "requestedHostId": "1h7" }));
        check(
            json!({ "logConfig": { "driver": "syslog", "config": { "tag": "x" }, "links": null } }),
            r#"{"logConfig":{"type":"logConfig","driver":"syslog","config":{"tag":"x"}}}"#,
        );
        check(json!({ "logConfig": { "driver": null, "config": {} } }), "{}");
        let bad_host = "InvalidReference `requestedHostId`: `1s7` is not a host id, like 1h5";
        check(json!({ "requestedHostId": "1s7" }), bad_host);
        check(json!({ "tty": "yes" }), "InvalidFormat `tty` must be true or false");
        check(json!({ "command": "nginx -g" }), "InvalidFormat `command` must be a list");
    }

    #[test]
    fn an_image_is_needed_and_loses_its_prefix() {
        let image = |uuid: Value| from_wire(&json!({ "imageUuid": uuid })).map(|spec| spec.image);
        assert_eq!(image("docker:nginx:1".into()), Ok("nginx:1".to_owned()));
        assert_eq!(image("nginx:1".into()), Ok("nginx:1".to_owned()));
        for (missing, code) in [
            (Value::Null, crate::Code::NotNullable),
            ("".into(), crate::Code::MinLengthExceeded),
            ("docker:".into(), crate::Code::MissingRequired),
        ] {
            let error = image(missing).unwrap_err();
            assert_eq!((error.code, error.field.as_deref()), (code, Some("imageUuid")));
        }
    }

    #[test]
    fn network_fields() {
        check(json!({ "networkMode": "ipsec" }), "{}");
        check(json!({ "networkMode": "default" }), r#"{"networkMode":"bridge"}"#);
        let shared = r#"{"networkMode":"container","networkLaunchConfig":"db"}"#;
        check(json!({ "networkMode": "container", "networkLaunchConfig": "db" }), shared);
        check(json!({ "networkMode": "container:db" }), shared);
        let lacks = "MissingRequired `networkLaunchConfig` is required";
        check(json!({ "networkMode": "container" }), lacks);
        let unknown = "InvalidOption `networkMode`: there is no network `weave`: use managed, host, \
                       bridge, none or container";
        check(json!({ "networkMode": "weave" }), unknown);
        check(json!({ "ports": [80, "8080:80/udp"] }), r#"{"ports":["80/tcp","8080:80/udp"]}"#);
        let range = "InvalidFormat `ports`: `3000-3005:80` is not a port: write \
                     [address:][public:]private[/tcp|udp], ports from 1 to 65535";
        check(json!({ "ports": ["3000-3005:80"] }), range);
    }

    #[test]
    fn secret_fields() {
        let written =
            r#"{"secrets":[{"type":"secretReference","secretName":"1se5","name":"1se5"}]}"#;
        check(json!({ "secrets": [{ "secretId": "1se5", "name": null, "mode": "" }] }), written);
        let both = json!({ "secrets": [{ "secretId": "1se5", "secretName": "db" }] });
        let written = r#"{"secrets":[{"type":"secretReference","secretName":"db","name":"db"}]}"#;
        check(both, written);
        let whole =
            json!({ "secretId": "1se5", "name": "pw", "uid": 1000, "gid": "7", "mode": "400" });
        let written = r#"{"secrets":[{"type":"secretReference","secretName":"1se5","name":"pw","uid":"1000","gid":"7","mode":"0400"}]}"#;
        check(json!({ "secrets": [whole] }), written);
        for (given, refusal) in [
            (json!([{ "name": "pw" }]), "MissingRequired `secrets[0].secretId` is required"),
            (
                json!([{ "secretId": "a", "name": "a/b" }]),
                "InvalidFormat `secrets[0].name`: `a/b` is no file name: the file is made in /run/secrets",
            ),
            (
                json!([{ "secretId": "a" }, { "secretId": "b", "name": "a" }]),
                "NotUnique `secrets[1].name`: two secrets go into the file `a`",
            ),
            (
                json!([{ "secretId": "a", "mode": "rw" }]),
                r#"InvalidFormat `secrets[0].mode`: write it as chmod takes it, like "0400""#,
            ),
            (
                json!([{ "secretId": "a", "uid": "root" }]),
                "InvalidFormat `secrets[0].uid` must be a whole number",
            ),
        ] {
            check(json!({ "secrets": given }), refusal);
        }
    }

    #[test]
    fn resource_fields() {
        check(json!({ "memory": "134217728" }), r#"{"memory":134217728}"#);
        check(json!({ "memory": 1.5 }), "InvalidFormat `memory` must be a whole number");
        let wide = "MaxLimitExceeded `blkioWeight` is 70000, but at most 65535 is possible";
        check(json!({ "blkioWeight": 70000 }), wide);
        check(
            json!({ "ulimits": [{ "name": "nofile", "hard": 9 }] }),
            r#"{"ulimits":[{"type":"ulimit","name":"nofile","soft":9,"hard":9}]}"#,
        );
        let lacks = "MissingRequired `ulimits[0].soft` is required";
        check(json!({ "ulimits": [{ "name": "nofile" }] }), lacks);
        check(
            json!({ "blkioDeviceOptions": { "/dev/sda": { "readIops": 5, "weight": null } } }),
            r#"{"blkioDeviceOptions":{"/dev/sda":{"readIops":5}}}"#,
        );
    }

    #[test]
    fn health_fields() {
        check(
            json!({ "healthCheck": { "port": "80", "interval": 2000 } }),
            r#"{"healthCheck":{"type":"instanceHealthCheck","port":80,"interval":2000,"strategy":"recreate"}}"#,
        );
        let lacks = "MissingRequired `healthCheck.port` is required";
        check(json!({ "healthCheck": { "interval": 2000 } }), lacks);
        let strategy = "InvalidOption `healthCheck.strategy`: `restart` is none of none, recreate, \
                        recreateOnQuorum";
        check(json!({ "healthCheck": { "port": 80, "strategy": "restart" } }), strategy);
        check(
            json!({ "healthCmd": ["CMD", "true"], "healthInterval": 5, "healthTimeoutMs": 1500 }),
            r#"{"healthCmd":["CMD","true"],"healthInterval":5,"healthTimeoutMs":1500}"#,
        );
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_only_if_it_says_something() {
        let quiet = json!({
            "publishAllPorts": false, "secrets": [], "kernelMemory": 0, "build": null,
            "dataVolumesFrom": [], "userdata": "", "kind": "container", "restartPolicy": { "name": "always" },
        });
        check(quiet, "{}");
        let machine = "InvalidOption `kind`: `virtualMachine` is none of container";
        check(json!({ "kind": "virtualMachine" }), machine);
    }
}
