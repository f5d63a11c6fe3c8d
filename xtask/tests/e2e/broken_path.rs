//! The way between two hosts' containers is broken: what runs stays where it is, and the way is named; what is broken itself
//! is replaced all the same.

use std::time::Duration;

use xtask::wait::wait;

use super::inside::Inside;
use super::stage::{STACK, Stage};

/// Three failures of two seconds each, and a report.
const NAMED_WITHIN: Duration = Duration::from_secs(30);
/// Long enough for anybody who would replace it to do so.
const LEFT_ALONE_FOR: Duration = Duration::from_secs(15);
const REPLACED_WITHIN: Duration = Duration::from_secs(30);

#[test]
fn a_broken_way_is_named_and_replaces_nothing_and_a_broken_container_is_replaced() {
    let Some(stage) = Stage::set() else { return };
    stage.files(
        "version: '2'\nservices:\n  web:\n    image: demo/web:v1\n",
        "version: '2'\nservices:\n  web:\n    scale: 1\n    health_check:\n      port: 80\n      request_line: GET /health HTTP/1.0\n      interval: 500\n      initializing_timeout: 20000\n      reinitializing_timeout: 20000\n",
    );
    stage.ok("up -d");
    let healthy = |web: &serde_json::Value| web["healthState"] == "healthy";
    stage.cluster.wait_for_service(STACK, "web", healthy).unwrap();
    let (home, web) = stage.running("web").swap_remove(0);
    let others: Vec<u8> = [1, 2, 3].into_iter().filter(|host| *host != home).collect();
    let why = || stage.drover("why web").text;
    assert!(!why().contains("can't be reached"), "{}", why());

    let rules: Vec<String> = others
        .iter()
        .map(|other| {
            let address = stage.host_address(*other);
            format!("INPUT -p udp --dport 4789 -s {address} -j DROP")
        })
        .collect();
    for rule in &rules {
        stage.on(home, &format!("iptables --wait -I {rule}"));
    }
    let named = format!(
        "on host{home} can't be reached from host{} and host{}, its own host can: the network between them is at fault",
        others[0], others[1]
    );
    let is_named = wait(NAMED_WITHIN, || why().contains(&named));
    assert!(is_named, "{named}\n{}", why());
    std::thread::sleep(LEFT_ALONE_FOR);
    assert_eq!(stage.running_ids("web"), [web.id.clone()].into(), "{}", why());
    stage.cluster.wait_for_service(STACK, "web", healthy).unwrap();

    // Broken indeed, and none of the others could say otherwise.
    let inside = Inside::of(&stage, home, &web.id);
    inside.ask("curl", "-s --max-time 5 http://127.0.0.1/sick");
    let is_replaced = || {
        let running = stage.running_ids("web");
        running.len() == 1 && !running.contains(&web.id)
    };
    assert!(wait(REPLACED_WITHIN, is_replaced), "{:?}\n{}", stage.running("web"), why());
    stage.cluster.wait_for_service(STACK, "web", healthy).unwrap();

    for rule in &rules {
        stage.on(home, &format!("iptables --wait -D {rule}"));
    }
    let is_over = wait(NAMED_WITHIN, || !why().contains("can't be reached"));
    assert!(is_over, "{}", why());
}
