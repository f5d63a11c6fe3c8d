//! Upgrades that can't work: to an image that is not to be had, to one whose health check never passes, to one that
//! listens on another port than balancers send to. The old ones serve on, the upgrade says why it stands, and both ways
//! back lead to the same old containers.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use xtask::images;
use xtask::load::Load;

use super::stage::{STACK, Stage, test_app};

/// An upgrade that stands, and what it must say: to whoever asked for it, and in the API.
struct Bad {
    image: &'static str,
    start_first: bool,
    says: &'static [&'static str],
    /// Leave it by way of *cancel*; else roll it back at once.
    cancel_first: bool,
}

const BAD: [Bad; 4] = [
    Bad {
        image: "demo/missing:v2",
        start_first: true,
        says: &["shop-web-1", "demo/missing:v2", "next attempt"],
        cancel_first: true,
    },
    Bad {
        image: "demo/missing:v2",
        start_first: false,
        says: &["shop-web-1", "demo/missing:v2", "next attempt"],
        cancel_first: false,
    },
    Bad {
        image: "demo/web:sick",
        start_first: true,
        says: &["shop-web-1", "health check"],
        cancel_first: false,
    },
    Bad {
        image: "demo/web:elsewhere",
        start_first: true,
        says: &["shop-web-1", "connections", "port 80"],
        cancel_first: false,
    },
];

#[test]
fn the_old_ones_serve_on_and_both_ways_back_work() {
    let Some(stage) = Stage::set() else { return };
    let program = test_app();
    for host in stage.cluster.host_numbers() {
        let engine = stage.cluster.engine(host);
        images::import_bad_webs(&engine, &program).unwrap();
    }
    files(&stage, "demo/web:v1", true);
    stage.ok("up -d");
    let load = Load::start(stage.balancer(), 4);
    let old = stage.running_ids("web");
    assert_eq!(old.len(), 3);
    for bad in &BAD {
        let name = format!("{} start_first={}", bad.image, bad.start_first);
        stands(&stage, &load, bad, &old, &name);
        if bad.cancel_first {
            cancel(&stage);
        }
        stage.ok("up -d --rollback");
        assert_eq!(stage.running_ids("web"), old, "{name}");
        assert_eq!(web(&stage)["state"], "active", "{name}");
        nothing_lost(&load, &format!("{name}, on the way back"));
    }
}

/// It is asked for, stands, and says why; nothing is lost meanwhile.
fn stands(stage: &Stage, load: &Load, bad: &Bad, old: &BTreeSet<String>, name: &str) {
    files(stage, bad.image, bad.start_first);
    let asked = stage.drover("up -d --upgrade --batch-size 1 --timeout 6");
    assert!(matches!(asked.status, Some(3 | 7)), "{name}: {:?}\n{}", asked.status, asked.text);
    let service = web(stage);
    assert_eq!(service["state"], "upgrading", "{name}");
    let message = service["transitioningMessage"].as_str().unwrap_or_default().to_owned();
    eprintln!("{name}: {message}");
    for words in bad.says {
        assert!(asked.text.contains(words), "{name}: `{words}` is missing in:\n{}", asked.text);
        assert!(message.contains(words), "{name}: `{words}` is missing in: {message}");
    }
    let running = stage.running_ids("web");
    assert!(old.is_subset(&running), "{name}: old ones were stopped");
    nothing_lost(load, name);
}

fn cancel(stage: &Stage) {
    let id = web(stage)["id"].as_str().unwrap().to_owned();
    let path = format!("/v2-beta/services/{id}?action=cancelupgrade");
    stage.cluster.api().post(&path, &json!({})).unwrap();
    let canceled = |web: &Value| web["state"] == "canceled-upgrade";
    stage.cluster.wait_for_service(STACK, "web", canceled).unwrap();
}

#[track_caller]
fn nothing_lost(load: &Load, when: &str) {
    let counts = load.take();
    eprintln!("{when}: {counts}");
    assert_eq!(counts.failed(), 0, "{when}: {counts}");
    assert_eq!(counts.answers.keys().collect::<Vec<_>>(), ["v1"], "{when}");
}

fn web(stage: &Stage) -> Value {
    stage.cluster.service(STACK, "web").unwrap()
}

fn files(stage: &Stage, image: &str, start_first: bool) {
    stage.files(
        &format!(
            "version: '2'\nservices:\n  web:\n    image: {image}\n  balancer:\n    image: any/balancer\n    ports:\n      - 80:80/tcp\n"
        ),
        &format!(
            "version: '2'\nservices:\n  web:\n    scale: 3\n    upgrade_strategy:\n      start_first: {start_first}\n  balancer:\n    lb_config:\n      port_rules:\n        - protocol: http\n          source_port: 80\n          target_port: 80\n          service: web\n"
        ),
    );
}
