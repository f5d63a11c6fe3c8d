//! A container whose `health_check` fails: out of rotation first, then replaced while the others serve; and with no server to
//! ask, started again by its own agent.

use std::time::Duration;

use xtask::cluster::Ending;
use xtask::load::Load;
use xtask::wait::wait;

use super::inside::Inside;
use super::stage::{STACK, Stage};

/// Found out, replaced and in rotation: three failures half a second apart, a start, two passes.
const REPLACED_WITHIN: Duration = Duration::from_secs(30);
/// The same once the agent no longer waits for a server.
const RESTARTED_WITHIN: Duration = Duration::from_mins(1);

#[test]
fn a_sick_container_is_replaced_and_loses_no_request() {
    let Some(mut stage) = Stage::set() else { return };
    stage.files(
        "version: '2'\nservices:\n  web:\n    image: demo/web:v1\n  balancer:\n    image: any/balancer\n    ports:\n      - 80:80/tcp\n",
        "version: '2'\nservices:\n  web:\n    scale: 3\n    health_check:\n      port: 80\n      request_line: GET /health HTTP/1.0\n      interval: 500\n      initializing_timeout: 20000\n      reinitializing_timeout: 20000\n  balancer:\n    lb_config:\n      port_rules:\n        - protocol: http\n          source_port: 80\n          target_port: 80\n          service: web\n",
    );
    stage.ok("up -d");
    let healthy = |web: &serde_json::Value| web["healthState"] == "healthy";
    stage.cluster.wait_for_service(STACK, "web", healthy).unwrap();
    let load = Load::start(stage.balancer(), 4);

    let (host, sick) = stage.running("web").swap_remove(0);
    get(&stage, host, &sick.id, "/sick");
    let is_replaced = || {
        let running = stage.running_ids("web");
        running.len() == 3 && !running.contains(&sick.id)
    };
    assert!(wait(REPLACED_WITHIN, is_replaced), "{:?}", stage.running("web"));
    stage.cluster.wait_for_service(STACK, "web", healthy).unwrap();
    let counts = load.take();
    eprintln!("one was sick: {counts}");
    assert_eq!(counts.failed(), 0, "{counts}");

    stage.cluster.stop_server(Ending::Crash).unwrap();
    let (host, sick) = stage.running("web").swap_remove(0);
    get(&stage, host, &sick.id, "/sick");
    let engine = stage.cluster.engine(host);
    let began = || {
        let state = engine.inspect(&sick.id).unwrap()["State"].take();
        state["Running"].as_bool().unwrap().then(|| state["StartedAt"].clone())
    };
    let before = began();
    let is_back = || began().is_some_and(|at| Some(at) != before);
    assert!(wait(RESTARTED_WITHIN, is_back), "nobody started it again");
    // It runs, and listens a moment later.
    let is_well = || {
        let inside = Inside::of(&stage, host, &sick.id);
        let asked = inside.command("curl", "-s --max-time 5 http://127.0.0.1/health").output();
        asked.is_ok_and(|answer| answer.stdout.starts_with(b"well"))
    };
    assert!(wait(REPLACED_WITHIN, is_well));
    let counts = load.take();
    eprintln!("one was sick, without a server: {counts}");
    assert_eq!(counts.failed(), 0, "{counts}");
}

/// Ask a container's web service from inside.
fn get(stage: &Stage, host: u8, container: &str, path: &str) {
    let inside = Inside::of(stage, host, container);
    inside.ask("curl", &format!("-s --max-time 5 http://127.0.0.1{path}"));
}
