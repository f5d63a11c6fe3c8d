//! What dies is back within two seconds, with the server or without it; a server that comes back restarts nothing.

use std::time::Duration;

use xtask::cluster::Ending;

use super::stage::Stage;

/// What is promised.
const BACK_WITHIN: Duration = Duration::from_secs(2);

#[test]
fn a_killed_container_is_back_within_two_seconds_with_the_server_or_without() {
    let Some(mut stage) = Stage::set() else { return };
    stage.web("v1", 3);
    stage.ok("up -d");
    let took = stage.crash_one("web", None);
    assert!(took < BACK_WITHIN, "with the server: back after {took:?}");

    stage.cluster.stop_server(Ending::Crash).unwrap();
    let took = stage.crash_one("web", None);
    assert!(took < BACK_WITHIN, "without the server: back after {took:?}");
    let meanwhile = stage.lives();

    stage.cluster.start_server().unwrap();
    stage.cluster.wait_for_hosts().unwrap();
    // Long enough for a plan, its assignments and whatever they would move.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(stage.lives(), meanwhile, "a server that comes back restarts nothing");
    let shown = stage.ok("ps").text;
    assert_eq!(shown.matches("running").count(), 3, "{shown}");
}
