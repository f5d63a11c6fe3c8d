//! What dies is back within two seconds, with the server or without it; a server that comes back restarts nothing.

use std::time::{Duration, Instant};

use xtask::cluster::Ending;
use xtask::wait::wait;

use super::stage::Stage;

/// What is promised.
const BACK_WITHIN: Duration = Duration::from_secs(2);

#[test]
fn a_killed_container_is_back_within_two_seconds_with_the_server_or_without() {
    let Some(mut stage) = Stage::set() else { return };
    stage.web("v1", 3);
    stage.ok("up -d");
    kill_one_and_time(&stage, "with the server");

    stage.cluster.stop_server(Ending::Crash).unwrap();
    kill_one_and_time(&stage, "without the server");
    let meanwhile = stage.lives();

    stage.cluster.start_server().unwrap();
    stage.cluster.wait_for_hosts().unwrap();
    // Long enough for a plan, its assignments and whatever they would move.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(stage.lives(), meanwhile, "a server that comes back restarts nothing");
    let shown = stage.ok("ps").text;
    assert_eq!(shown.matches("running").count(), 3, "{shown}");
}

/// Kill a container behind the product's back and see three running again in time.
fn kill_one_and_time(stage: &Stage, when: &str) {
    let (host, victim) = stage.running("web").remove(0);
    let life =
        || stage.cluster.engine(host).inspect(&victim.id).map(|c| c["State"]["StartedAt"].clone());
    let before = life().unwrap();
    stage.cluster.engine(host).kill(&victim.id).unwrap();
    let killed = Instant::now();
    let again = wait(Duration::from_secs(20), || {
        stage.running("web").len() == 3 && life().map_or(true, |now| now != before)
    });
    let took = killed.elapsed();
    assert!(again && took < BACK_WITHIN, "{when}: back after {took:?}");
    eprintln!("{when}: back after {took:?}");
}
