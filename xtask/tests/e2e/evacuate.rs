//! A host is emptied while requests flow through the balancer: each unit leaves once another serves in its place, and
//! none is lost.

use std::time::Duration;

use xtask::load::Load;
use xtask::wait::wait;

use super::stage::Stage;

#[test]
fn emptying_a_host_loses_no_request() {
    let Some(stage) = Stage::set() else { return };
    stage.files(
        "version: '2'\nservices:\n  web:\n    image: demo/web:v1\n  balancer:\n    image: any/balancer\n    ports:\n      - 80:80/tcp\n",
        "version: '2'\nservices:\n  web:\n    scale: 4\n  balancer:\n    lb_config:\n      port_rules:\n        - protocol: http\n          source_port: 80\n          target_port: 80\n          service: web\n",
    );
    stage.ok("up -d");
    let place = stage.balancer();
    let on = |host: u8| stage.running("web").iter().filter(|(on, _)| *on == host).count();
    // One that clients don't come in by.
    let front = stage.containers("balancer")[0].0;
    let leaves =
        stage.cluster.host_numbers().into_iter().find(|host| *host != front && on(*host) > 0);
    let leaves = leaves.unwrap();
    let before = on(leaves);
    let name = stage.host_name(leaves);
    let load = Load::start(place, 4);

    let emptied = stage.ok(&format!("host evacuate {name}"));
    emptied.must(0, &[&format!("{name}: empty")]);
    assert!(before > 0 && on(leaves) == 0, "{}", emptied.text);
    assert_eq!(stage.running("web").len(), 4);
    stage.ok("host ls").must(0, &[&name, "inactive"]);
    let counts = load.take();
    eprintln!("{before} left {name}: {counts}");
    assert_eq!(counts.failed(), 0, "{counts}");

    // In use again, it takes new units.
    stage.ok(&format!("host activate {name}"));
    stage.ok("scale web=6");
    assert!(wait(Duration::from_secs(10), || on(leaves) > 0));
    assert_eq!(load.take().failed(), 0);
}
