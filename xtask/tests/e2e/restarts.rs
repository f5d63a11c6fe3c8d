//! Restarts of the agent, of the Docker engine and of the server touch no running container.

use std::time::Duration;

use xtask::cluster::Ending;

use super::stage::Stage;

/// Long enough for a plan, its assignments and whatever they would move.
const SETTLING: Duration = Duration::from_secs(3);

#[test]
fn no_restart_of_drover_or_docker_touches_a_container() {
    let Some(mut stage) = Stage::set() else { return };
    stage.web("v1", 3);
    stage.ok("up -d");
    let before = stage.lives();

    for ending in [Ending::Stop, Ending::Crash] {
        stage.cluster.stop_agent(1, ending).unwrap();
        stage.cluster.start_agent(1).unwrap();
        stage.cluster.wait_for_hosts().unwrap();
        std::thread::sleep(SETTLING);
        assert_eq!(stage.lives(), before, "agent, {ending:?}");

        stage.cluster.stop_server(ending).unwrap();
        stage.cluster.start_server().unwrap();
        stage.cluster.wait_for_hosts().unwrap();
        std::thread::sleep(SETTLING);
        assert_eq!(stage.lives(), before, "server, {ending:?}");

        stage.cluster.bed.stop_engine(2, ending == Ending::Crash).unwrap();
        stage.cluster.bed.start_engine(2).unwrap();
        std::thread::sleep(SETTLING);
        assert_eq!(stage.lives(), before, "engine, {ending:?}");
    }

    // Neither has grown deaf by it: what dies on those hosts still comes back.
    stage.crash_one("web", Some(1));
    stage.crash_one("web", Some(2));
}
