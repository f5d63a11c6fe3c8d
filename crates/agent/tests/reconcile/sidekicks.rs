//! Members of one unit: started in order, bound to each other, seen as one.

use drover_core::{ContainerSpec, Desired, NetworkMode, Phase, Template};

use crate::fake::{Host, says};

/// `web` on the network of `net`, with the volumes of `data`.
fn three() -> Host {
    let primary = ContainerSpec {
        network: NetworkMode::Container("net".into()),
        volumes_from: vec!["data:ro".into()],
        ..ContainerSpec::default()
    };
    let sidekick = ContainerSpec::default;
    let sidekicks = [("data".to_owned(), sidekick()), ("net".to_owned(), sidekick())].into();
    Host::with(Template { primary, sidekicks })
}

fn up() -> Host {
    let mut host = three();
    assert_eq!(says(&host.seen()), (Phase::Running, true, 0, ""));
    host.done();
    host
}

#[test]
fn providers_come_first_and_go_last() {
    let mut host = three();
    host.seen();
    assert_eq!(
        host.done(),
        "create data, start data, create net, start net, \
         create primary on r-app-web-data-1-11+r-app-web-net-1-11, start primary"
    );
    host.want(Desired::Stopped);
    assert_eq!(host.seen().phase, Phase::Stopped);
    assert_eq!(
        host.done(),
        "stop primary within 10 s, stop net within 10 s, stop data within 10 s"
    );
    host.want(Desired::Running);
    assert_eq!(host.seen().phase, Phase::Running);
    assert_eq!(host.done(), "start data, start net, start primary");
}

#[test]
fn a_sidekick_that_crashes_is_restarted_alone() {
    let mut host = up();
    host.now = host.now + 2_000;
    host.end("data", 1);
    assert_eq!(host.seen().phase, Phase::Running);
    assert_eq!(host.done(), "start data");
}

#[test]
fn the_unit_is_not_up_while_a_sidekick_is_down() {
    let mut host = up();
    host.end("data", 1);
    host.seen();
    host.end("data", 1);
    let want = "sidekick data: exited with code 1; next attempt in 1 s (3rd)";
    assert_eq!(says(&host.seen()), (Phase::BackOff, false, 2, want));
    assert!(host.container("").is_up(), "the rest goes on");
}

#[test]
fn whoever_shares_a_network_is_restarted_with_it() {
    let mut host = up();
    host.end("net", 1);
    assert_eq!(host.seen().phase, Phase::Running);
    assert_eq!(host.done(), "start net, stop primary within 10 s, start primary");
    assert_eq!(host.told().len(), 1, "only the crash is told");
    // The same if someone else restarted it.
    host.now = host.now + 5_000;
    host.container("net").started_at = host.now;
    host.seen();
    assert_eq!(host.done(), "stop primary within 10 s, start primary");
}

#[test]
fn nobody_is_started_on_a_network_that_is_down() {
    let mut host = up();
    host.end("net", 1);
    host.seen();
    host.done();
    host.end("net", 1);
    host.end("", 1);
    assert_eq!(host.seen().phase, Phase::BackOff);
    assert_eq!(host.done(), "");
    assert_eq!(host.after(2_000).phase, Phase::Running);
    assert_eq!(host.done(), "start net, start primary");
}

#[test]
fn whoever_builds_on_a_container_made_anew_is_made_anew() {
    for provider in ["net", "data"] {
        let mut host = up();
        host.vanish(provider);
        assert_eq!(host.seen().phase, Phase::Running);
        let other = if provider == "net" { "data" } else { "net" };
        let kept = host.container(other).id.clone();
        let mut on = [format!("r-app-web-{provider}-1-11"), kept];
        if provider == "net" {
            on.reverse();
        }
        let on = on.join("+");
        let want = format!(
            "create {provider}, start {provider}, stop primary within 10 s, remove primary, \
             create primary on {on}, start primary"
        );
        assert_eq!(host.done(), want);
        let told =
            format!("app-web-{provider}-1: its container was removed from outside; made again");
        assert_eq!(host.told(), [told]);
    }
}

#[test]
fn one_shot_sidekicks_do_not_hold_the_unit_up() {
    let labels = [(drover_core::label::START_ONCE.to_owned(), "true".to_owned())];
    let once = ContainerSpec { labels: labels.into(), ..ContainerSpec::default() };
    let sidekicks = [("migrate".to_owned(), once)].into();
    let mut host = Host::with(Template { primary: ContainerSpec::default(), sidekicks });
    host.seen();
    host.done();
    host.end("migrate", 0);
    assert_eq!(says(&host.after(90_000)), (Phase::Running, true, 0, ""));
    assert_eq!(host.done(), "");
}

#[test]
fn a_circle_ends_in_docker_s_refusal_and_not_in_a_hang() {
    let on = |name: &str| ContainerSpec {
        network: NetworkMode::Container(name.into()),
        ..ContainerSpec::default()
    };
    let sidekicks = [("b".to_owned(), on("web"))].into();
    let mut host = Host::with(Template { primary: on("b"), sidekicks });
    host.refuses.insert(String::new(), "No such container: r-app-web-b-1-11".into());
    assert_eq!(host.seen().phase, Phase::BackOff);
}
