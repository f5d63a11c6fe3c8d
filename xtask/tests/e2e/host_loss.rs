//! A host nobody hears any more: requests avoid it within two seconds, what it ran is made elsewhere within seconds more, and
//! when it returns it drops what was replaced; what must not run twice never does. What is gone for a moment only, or whose agent alone is, moves nothing.

use std::time::{Duration, Instant};

use xtask::load::Load;
use xtask::wait::wait;

use super::stage::{STACK, Stage};

/// Requests that begin this long after the cable was pulled are all answered.
const AVOIDED_WITHIN: Duration = Duration::from_secs(2);
/// Far more than the seven seconds it takes: machines that test are busy ones.
const REPLACED_WITHIN: Duration = Duration::from_secs(30);
/// A host's way back: its agent tries again every few seconds.
const BACK_WITHIN: Duration = Duration::from_mins(1);

const COMPOSE: &str = "version: '2'\nservices:\n  web:\n    image: demo/web:v1\n  balancer:\n    image: any/balancer\n    ports:\n      - 80:80/tcp\n";
const RANCHER: &str = "version: '2'\nservices:\n  web:\n    scale: 6\n  balancer:\n    lb_config:\n      port_rules:\n        - protocol: http\n          source_port: 80\n          target_port: 80\n          service: web\n";

#[test]
fn a_host_that_is_cut_off_is_avoided_and_replaced_within_seconds() {
    let Some(stage) = Stage::set() else { return };
    stage.files(COMPOSE, RANCHER);
    stage.ok("up -d");
    let load = Load::start(stage.balancer(), 4);
    let victim = victim(&stage);
    let elsewhere = || stage.running("web").iter().filter(|(host, _)| *host != victim).count();
    assert_eq!(elsewhere(), 4, "spread over three hosts");

    stage.cluster.bed.pull_cable(victim).unwrap();
    let pulled = Instant::now();
    std::thread::sleep(AVOIDED_WITHIN);
    let first = load.take();
    assert!(wait(REPLACED_WITHIN, || elsewhere() == 6), "{:?}", stage.running("web"));
    eprintln!("replaced after {:?}; in the first {AVOIDED_WITHIN:?}: {first}", pulled.elapsed());
    // What began before may have waited for an answer until then; nothing that began later.
    let later = load.take();
    assert!(later.failed() <= 4 && later.answered() > 100, "{later}");
    std::thread::sleep(AVOIDED_WITHIN);
    let counts = load.take();
    assert_eq!(counts.failed(), 0, "{counts}");

    stage.cluster.bed.plug_cable(victim).unwrap();
    assert!(wait(BACK_WITHIN, || stage.running("web").len() == 6), "{:?}", stage.running("web"));
    assert_eq!(elsewhere(), 6, "it drops what was replaced, and nothing moves back by itself");
    let counts = load.take();
    assert_eq!(counts.failed(), 0, "{counts}");
}

#[test]
fn what_is_gone_for_a_moment_moves_nothing() {
    let Some(stage) = Stage::set() else { return };
    stage.files(COMPOSE, RANCHER);
    stage.ok("up -d");
    let load = Load::start(stage.balancer(), 4);
    let victim = victim(&stage);
    let before = stage.lives();

    for _ in 0..2 {
        stage.cluster.bed.pull_cable(victim).unwrap();
        std::thread::sleep(Duration::from_secs(5));
        stage.cluster.bed.plug_cable(victim).unwrap();
        std::thread::sleep(Duration::from_secs(5));
    }
    eprintln!("two blips: {}", load.take());

    // Others hear its host, so that nobody takes it for gone.
    stage.cluster.freeze_agent(victim);
    std::thread::sleep(Duration::from_secs(20));
    let said = stage.ok("host ls").text;
    stage.cluster.thaw_agent(victim);
    let counts = load.take();
    eprintln!("a frozen agent: {counts}; {said}");
    assert_eq!(counts.failed(), 0, "{counts}");
    let active = |web: &serde_json::Value| web["state"] == "active";
    stage.cluster.wait_for_service(STACK, "web", active).unwrap();
    assert_eq!(stage.lives(), before);
}

#[test]
fn what_must_not_run_twice_ends_on_a_host_that_is_cut_off_before_it_runs_elsewhere() {
    let Some(stage) = Stage::set() else { return };
    stage.files(
        "version: '2'\nservices:\n  writer:\n    image: demo/web:v1\n",
        "version: '2'\nservices:\n  writer:\n    scale: 1\n    on_host_loss: fence\n",
    );
    stage.ok("up -d");
    let home = stage.running("writer")[0].0;
    stage.cluster.bed.pull_cable(home).unwrap();
    let pulled = Instant::now();
    let mut most = 0;
    let moved = wait(REPLACED_WITHIN, || {
        let running = stage.running("writer");
        most = most.max(running.len());
        running.iter().any(|(host, _)| *host != home)
    });
    assert!(moved, "{:?}", stage.containers("writer"));
    eprintln!("runs elsewhere after {:?}", pulled.elapsed());
    stage.cluster.bed.plug_cable(home).unwrap();
    let back = wait(BACK_WITHIN, || {
        most = most.max(stage.running("writer").len());
        stage.containers("writer").len() == 1
    });
    assert!(back, "{:?}", stage.containers("writer"));
    assert_eq!(most, 1, "two ran at once");
}

/// A host that clients don't come in by and that runs the service.
fn victim(stage: &Stage) -> u8 {
    let front = stage.containers("balancer")[0].0;
    let hosts = stage.running("web").into_iter().map(|(host, _)| host);
    hosts.max_by_key(|host| (*host != front, *host)).unwrap()
}
