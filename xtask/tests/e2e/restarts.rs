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

    // The agent lives on after its engine's restarts: it still heals.
    let (host, victim) = stage.running("web").into_iter().find(|(host, _)| *host == 2).unwrap();
    stage.cluster.engine(host).kill(&victim.id).unwrap();
    let back = || stage.running("web").len() == 3;
    assert!(xtask::wait::wait(Duration::from_secs(10), || !back()) || back());
    assert!(xtask::wait::wait(Duration::from_secs(10), back));
}
