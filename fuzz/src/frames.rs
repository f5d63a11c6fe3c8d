//! What agents say on their WebSocket: whatever one says of itself and others, the server's snapshot takes it in, the planner
//! comes to something that can be committed, and both hosts can be told what they are to run.
//!
//! An input is a row of frames: the first letter says whose agent (an odd one is the first host's), the rest is its text.

use std::sync::LazyLock;

use drover_core::protocol::{FromAgent, Report};
use drover_core::{Change, HostId, HostSeen, derive};
use serde_json::json;

use crate::PARTED;
use crate::stage::{HOSTS, Stage};

/// Frames of one input at most.
const FRAMES: usize = 32;

static SERVING: LazyLock<Stage> = LazyLock::new(serving);

/// One input.
///
/// # Panics
///
/// What came of it can't be committed, or breaks a rule.
pub fn feed(data: &[u8]) {
    live(data);
}

/// The cluster that an input leaves behind.
pub fn live(data: &[u8]) -> Stage {
    let text = String::from_utf8_lossy(data);
    let mut stage = SERVING.clone();
    for frame in text.split(PARTED).take(FRAMES) {
        let Some(first) = frame.chars().next() else { continue };
        let host = HOSTS[usize::from(u32::from(first) % 2 == 0)];
        // What is no message ends the connection.
        let Ok(FromAgent::Report(report)) = serde_json::from_str(&frame[first.len_utf8()..]) else {
            continue;
        };
        stage.now = stage.now + 1_000;
        take_in(&mut stage, host, report);
        stage.plan();
        for host in HOSTS {
            let assigned = derive::assignment(&stage.world, host);
            serde_json::to_string(&assigned).expect("plain data is always JSON");
        }
    }
    stage
}

/// As the server does, part by part.
fn take_in(stage: &mut Stage, host: HostId, report: Report) {
    let now = stage.now;
    stage.world.observe(host, &report.units, now);
    stage.world.follow(host, &report.balancers, report.names.as_ref());
    if let Some(found) = &report.witnessed {
        stage.world.witness(host, found);
    }
    let held = stage.world.seen.get(&host).map(|seen| (**seen).clone()).unwrap_or_default();
    let seen = HostSeen {
        facts: report.facts.unwrap_or_else(|| held.facts.clone()),
        hearing: report.hearing.map_or_else(|| held.hearing.clone(), |heard| heard.at(now)),
        assigned: report.assigned,
        ..held
    };
    stage.commit(&[Change::SeeHost { host, seen: Box::new(seen) }]);
}

/// A balancer before a service with a health check, on two hosts.
fn serving() -> Stage {
    let mut stage = Stage::with_hosts();
    let mut made = |path: &str, body: &serde_json::Value| -> String {
        let answer = stage.ask("POST", &format!("/v2-beta/projects/1a1/{path}"), body);
        let answer = answer.unwrap_or_else(|refused| panic!("{path}: {refused:?}"));
        answer["id"].as_str().unwrap_or_default().to_owned()
    };
    let stack = made("stacks", &json!({ "name": "shop" }));
    let web = made(
        "services",
        &json!({
            "name": "web", "stackId": stack, "scale": 2, "startOnCreate": true,
            "launchConfig": { "imageUuid": "docker:nginx:1", "healthCheck": {
                "port": 80, "interval": 2000, "responseTimeout": 2000, "healthyThreshold": 2,
                "unhealthyThreshold": 3, "strategy": "recreate",
            } },
        }),
    );
    made(
        "loadbalancerservices",
        &json!({
            "name": "lb", "stackId": stack, "scale": 1, "startOnCreate": true,
            "launchConfig": { "imageUuid": "docker:rancher/lb-service-haproxy", "ports": ["80:80/tcp"] },
            "lbConfig": { "portRules": [
                { "protocol": "http", "sourcePort": 80, "targetPort": 80, "serviceId": web },
            ] },
        }),
    );
    stage.settle();
    stage
}
