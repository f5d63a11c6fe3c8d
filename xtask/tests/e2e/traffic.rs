//! Requests flow through the balancer while versions change, start-first: both answer, then the new one alone, and none
//! is lost.

use std::time::Duration;

use xtask::load::Load;

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
    let load = Load::start(stage.balancer(), 4);

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
