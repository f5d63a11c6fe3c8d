//! A host that was empty takes its share once someone asks for it, under load: what was shown is what moves, each unit only once
//! another serves in its place, and no request is lost.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use xtask::load::Load;
use xtask::wait::wait;

use super::stage::Stage;

/// Two moves, each a start, a health check and a drain.
const SPREAD_WITHIN: Duration = Duration::from_secs(40);

#[test]
fn units_spread_to_a_host_that_was_empty_each_once_another_serves() {
    let Some(stage) = Stage::set() else { return };
    stage.files(
        "version: '2'\nservices:\n  web:\n    image: demo/web:v1\n  balancer:\n    image: any/balancer\n    ports:\n      - 80:80/tcp\n",
        "version: '2'\nservices:\n  web:\n    scale: 6\n  balancer:\n    lb_config:\n      port_rules:\n        - protocol: http\n          source_port: 80\n          target_port: 80\n          service: web\n",
    );
    let hosts = stage.cluster.host_numbers();
    let empty = hosts[2];
    let name = stage.host_name(empty);
    stage.ok(&format!("host deactivate {name}"));
    stage.ok("up -d");
    let spread = || {
        let running = stage.running("web");
        let count = |host: &u8| running.iter().filter(|(on, _)| on == host).count();
        hosts.iter().map(count).collect::<Vec<_>>()
    };
    assert_eq!(spread(), [3, 3, 0]);
    stage.ok(&format!("host activate {name}"));
    let load = Load::start(stage.balancer(), 4);
    let before = stage.running("web");

    // Shown only: nothing moves by itself, nor by being looked at.
    let words = ["shop/web", &name, "3 of web on", &format!("0 on {name}")];
    stage.ok("rebalance --dry-run web").must(0, &words);
    let plan = stage.ok("rebalance --dry-run --json web").text;
    let plan: Value = serde_json::from_str(plan.lines().next().unwrap()).unwrap();
    let moves = plan["moves"].as_array().unwrap();
    assert!(moves.len() == 2 && moves.iter().all(|held| held["to"] == name.as_str()), "{plan:#}");
    let leave: BTreeSet<&str> = moves.iter().map(|held| held["name"].as_str().unwrap()).collect();
    stage.drover("rebalance web").must(1, &["nothing was moved", "--yes"]);
    assert_eq!(stage.running("web"), before);

    stage.ok("rebalance --yes --detach web").must(0, &["2 units to move"]);
    let (mut least, mut most) = (before.len(), before.len());
    let is_spread = wait(SPREAD_WITHIN, || {
        let now = spread();
        let running = now.iter().sum();
        (least, most) = (least.min(running), most.max(running));
        now == [2, 2, 2]
    });
    assert!(is_spread, "{:?}\n{}", stage.running("web"), stage.drover("why web").text);
    assert!(least == 6 && most > 6, "the new one first: {least} to {most} ran");
    // Also the last word of the one that is waited for.
    stage.ok("rebalance web").must(0, &["nothing to move"]);
    assert_eq!(spread(), [2, 2, 2]);

    let after = stage.running_ids("web");
    for (host, container) in &before {
        let has_left = !after.contains(&container.id);
        let was_shown = leave.iter().any(|name| container.name.contains(*name));
        assert_eq!(has_left, was_shown, "{} on host{host}, {leave:?}", container.name);
    }
    let counts = load.take();
    eprintln!("two moved to {name}: {counts}");
    assert_eq!(counts.failed(), 0, "{counts}");
}
