//! The client is only a spectator: killed in mid-upgrade, the upgrade goes on.

use std::time::Duration;

use xtask::wait::wait;

use super::stage::{STACK, Stage};

#[test]
fn an_upgrade_goes_on_without_its_client() {
    let Some(stage) = Stage::set() else { return };
    stage.web("v1", 3);
    stage.ok("up -d");

    stage.web("v2", 3);
    let words = ["-p", STACK, "up", "-d", "--upgrade", "--batch-size", "1", "--interval", "1500"];
    let mut client = stage.cluster.command(stage.folder.path(), &words).spawn().unwrap();
    stage.cluster.wait_for_service(STACK, "web", |web| web["state"] == "upgrading").unwrap();
    client.kill().unwrap();
    client.wait().unwrap();

    stage.cluster.wait_for_service(STACK, "web", |web| web["state"] == "upgraded").unwrap();
    let all_new = || stage.running("web").iter().all(|(_, c)| c.image == "demo/web:v2");
    assert!(wait(Duration::from_secs(5), || stage.running("web").len() == 3 && all_new()));
}
