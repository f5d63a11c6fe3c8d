//! Paths and query strings of reads, of a cluster in which there is something of most types: filters, sorting, pages, links,
//! `include`. Every one is answered with what was asked for, or refused with a 4xx.
//!
//! An input is a row of lines, each `path?query`.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::stage::Stage;

/// Lines of one input at most.
const LINES: usize = 32;

static PEOPLED: LazyLock<Stage> = LazyLock::new(peopled);

/// One input.
///
/// # Panics
///
/// A line was answered with something else.
pub fn feed(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut stage = PEOPLED.clone();
    for line in text.lines().take(LINES) {
        if let Err(refused) = stage.ask("GET", line, &Value::Null) {
            assert!((400..500).contains(&refused.status()), "{line}: {refused:?}");
        }
    }
}

/// A cluster with a stack whose services run, one of them amid an upgrade.
fn peopled() -> Stage {
    let mut stage = Stage::with_hosts();
    let mut made = |path: &str, body: &Value| -> String {
        let answer = stage.ask("POST", &format!("/v2-beta/projects/1a1/{path}"), body);
        let answer = answer.unwrap_or_else(|refused| panic!("{path}: {refused:?}"));
        answer["id"].as_str().unwrap_or_default().to_owned()
    };
    let stack = made("stacks", &json!({ "name": "shop" }));
    let service = |name: &str, image: &str| {
        json!({
            "name": name, "stackId": stack, "scale": 2, "startOnCreate": true,
            "launchConfig": { "imageUuid": format!("docker:{image}"), "labels": { "tier": "front" } },
        })
    };
    let web = made("services", &service("web", "nginx:1"));
    made("services", &service("api", "app:1"));
    made("registries", &json!({ "serverAddress": "registry.example" }));
    made("apikeys", &json!({ "name": "ci" }));
    stage.settle();
    let next = json!({ "inServiceStrategy": {
        "batchSize": 1, "intervalMillis": 1000, "startFirst": false,
        "launchConfig": { "imageUuid": "docker:nginx:2" },
    }});
    let url = format!("/v2-beta/projects/1a1/services/{web}/?action=upgrade");
    stage.ask("POST", &url, &next).unwrap_or_else(|refused| panic!("upgrade: {refused:?}"));
    stage.settle();
    stage
}
