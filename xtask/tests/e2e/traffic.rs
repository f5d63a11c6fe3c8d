//! Requests flow through the balancer while one service takes over from another, and back: none is lost, and in the end
//! only the one that shall answer does. Changes within a service are [`super::proof`]'s.

use std::time::Duration;

use xtask::load::Load;
use xtask::wait::wait;

use super::stage::Stage;

/// The rule that names the one sends to both, and in the end to the other.
#[test]
fn an_upgrade_between_services_and_back_loses_no_request() {
    let Some(stage) = Stage::set() else { return };
    stage.files(
        "version: '2'\nservices:\n  old:\n    image: demo/web:v1\n  new:\n    image: demo/web:v2\n  balancer:\n    image: any/balancer\n    ports:\n      - 80:80/tcp\n",
        "version: '2'\nservices:\n  old:\n    scale: 2\n  new:\n    scale: 2\n  balancer:\n    lb_config:\n      port_rules:\n        - protocol: http\n          source_port: 80\n          target_port: 80\n          service: old\n",
    );
    stage.ok("up -d old balancer");
    let old = stage.running_ids("old");
    let load = Load::start(stage.balancer(), 4);
    let versions = |want: &str| {
        // Connections that were open before may still be answered by what leaves; not after that.
        load.take();
        let settled = wait(Duration::from_secs(10), || {
            load.take().answers.keys().collect::<Vec<_>>() == [want]
        });
        assert!(settled, "{want} alone answers in the end");
    };

    stage.ok("upgrade old new --scale 3 --batch-size 1 --interval 300 --wait --waiting-ok");
    let counts = load.take();
    assert_eq!(counts.failed(), 0, "{counts}");
    assert_eq!(counts.answers.keys().collect::<Vec<_>>(), ["v1", "v2"]);
    assert_eq!((stage.running("old").len(), stage.running("new").len()), (0, 3));
    versions("v2");

    stage.ok("up --rollback old");
    let counts = load.take();
    assert_eq!(counts.failed(), 0, "{counts}");
    assert_eq!(stage.running_ids("old"), old, "the same containers again");
    let removed = wait(Duration::from_secs(10), || stage.containers("new").is_empty());
    assert!(removed, "{:#?}", stage.containers("new"));
    versions("v1");

    stage.ok("upgrade old new --batch-size 2 --interval 300 --cleanup");
    let counts = load.take();
    assert_eq!(counts.failed(), 0, "{counts}");
    assert!(stage.containers("old").is_empty() && stage.running("new").len() == 2);
    versions("v2");
}
