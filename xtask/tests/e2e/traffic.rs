//! Requests flow through the balancer while versions change, start-first: both answer, then the new one alone, and none
//! is lost.

use std::time::Duration;

use xtask::load::{self, Load};
use xtask::wait::wait;

use super::stage::Stage;

#[test]
fn an_upgrade_and_a_rollback_lose_no_request() {
    let Some(stage) = Stage::set() else { return };
    let files = |version: &str| {
        let compose = format!(
            "version: '2'\nservices:\n  web:\n    image: demo/web:{version}\n  balancer:\n    image: any/balancer\n    ports:\n      - 80:80/tcp\n"
        );
        stage.files(
            &compose,
            "version: '2'\nservices:\n  web:\n    scale: 3\n    upgrade_strategy:\n      start_first: true\n  balancer:\n    lb_config:\n      port_rules:\n        - protocol: http\n          source_port: 80\n          target_port: 80\n          service: web\n",
        );
    };
    files("v1");
    stage.ok("up -d");
    let places = stage.cluster.host_numbers().into_iter().map(|host| stage.cluster.port(host, 80));
    let places: Vec<_> = places.collect();
    let mut found = None;
    wait(Duration::from_secs(20), || {
        found = places.iter().find(|place| load::ask(**place).is_ok()).copied();
        found.is_some()
    });
    let load = Load::start(found.unwrap(), 4);

    files("v2");
    stage.ok("up -d --upgrade --batch-size 1 --interval 500");
    let counts = load.take();
    eprintln!("upgrade: {counts}");
    assert_eq!(counts.failed(), 0, "{counts}");
    assert_eq!(counts.answers.keys().collect::<Vec<_>>(), ["v1", "v2"]);

    stage.ok("up -d --rollback");
    let counts = load.take();
    eprintln!("rollback: {counts}");
    assert_eq!(counts.failed(), 0, "{counts}");
    std::thread::sleep(Duration::from_secs(1));
    load.take();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(load.take().answers.keys().collect::<Vec<_>>(), ["v1"]);
}
