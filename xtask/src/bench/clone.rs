//! The request that makes another container like one that is there.

use serde_json::{Map, Value};

/// What Docker fills in by itself for each container.
const OWN: [&str; 2] = ["Hostname", "Domainname"];

/// A create request for a container like the one inspected. Its labels are as many and as long, but mark it as
/// nobody's: whoever owns the first is not to take the second for its own.
pub(super) fn create_body(inspected: &Value) -> Value {
    let mut body: Map<String, Value> = inspected["Config"].as_object().cloned().unwrap_or_default();
    body.retain(|key, _| !OWN.contains(&key.as_str()));
    if let Some(labels) = body.get_mut("Labels").and_then(Value::as_object_mut) {
        *labels = std::mem::take(labels)
            .into_iter()
            .map(|(label, value)| (label.replacen("io.", "no.", 1), value))
            .collect();
    }
    body.insert("HostConfig".to_owned(), inspected["HostConfig"].clone());
    Value::Object(body)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_clone_is_like_its_model_and_nobodys() {
        let model = json!({
            "Id": "1234",
            "Config": { "Hostname": "1234", "Image": "a:1", "Labels": { "io.x.owner": "me" } },
            "HostConfig": { "NetworkMode": "bridge" },
        });
        let clone = json!({
            "Image": "a:1",
            "Labels": { "no.x.owner": "me" },
            "HostConfig": { "NetworkMode": "bridge" },
        });
        assert_eq!(create_body(&model), clone);
    }
}
