//! Revisions: `history`, `diff`, and `rollback --to` long after an upgrade was confirmed, with the tag moved, the registry
//! gone and the hosts' images pruned: the very images there were.

use std::collections::BTreeSet;
use std::time::Duration;

use xtask::docker::Container;
use xtask::registry::{Registry, RegistryError};
use xtask::wait::wait;

use super::stage::Stage;

#[test]
fn any_revision_can_be_gone_back_to_though_its_tag_moved_and_the_registry_is_gone() {
    let Some(stage) = Stage::set() else { return };
    let folder = stage.folder.path().join("registry");
    let registry = match Registry::start(stage.cluster.bed.server, &folder) {
        Ok(registry) => registry,
        Err(RegistryError::Packages(error)) => {
            eprintln!("no registry ({error}): nothing tested");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let image = registry.name_of("shop/web:latest");
    let engine = stage.cluster.engine(1);
    let deploy = |version: &str| {
        registry.push(&engine, &format!("demo/web:{version}"), &image).unwrap();
        stage.files(
            &format!("web:\n  image: {image}\n  environment:\n    RELEASE: {version}\n"),
            "web:\n  scale: 3\n",
        );
    };
    deploy("v1");
    // The hosts may have an older one of that name.
    stage.ok("up -d --pull");
    let first = images(&stage);
    deploy("v2");
    stage.ok("up -d --upgrade --pull --reason new_colours --confirm-upgrade");
    let second = images(&stage);
    assert!(first.len() == 1 && second.len() == 1 && first.is_disjoint(&second), "{second:?}");

    stage.ok("history web").must(0, &["REVISION", "new_colours", "latest ("]);
    let differs = stage.ok("diff web 1 2");
    differs.must(0, &["web, revision 1 to 2", "environment (RELEASE)", "latest was "]);
    registry.stop().unwrap();
    for (to, want, release) in [(1, &first, "v1"), (2, &second, "v2"), (1, &first, "v1")] {
        // As people's cron jobs do.
        for host in stage.cluster.host_numbers() {
            stage.cluster.engine(host).prune_images(false).unwrap();
        }
        stage.ok(&format!("rollback web --to {to} --confirm-upgrade"));
        assert_eq!(images(&stage), *want, "revision {to}");
        for (host, container) in stage.running("web") {
            let seen = stage.cluster.engine(host).inspect(&container.id).unwrap();
            let environment = seen["Config"]["Env"].to_string();
            assert!(environment.contains(&format!("RELEASE={release}")), "{environment}");
        }
        assert_eq!(stage.containers("web").len(), 3, "what it replaced is removed");
    }
    // Whatever of an image's names that takes where a container uses it, enough is left to make another container.
    for host in stage.cluster.host_numbers() {
        stage.cluster.engine(host).prune_images(true).unwrap();
    }
    for (host, container) in stage.running("web") {
        stage.cluster.engine(host).remove(&container.id).unwrap();
    }
    let back = wait(Duration::from_secs(30), || stage.running("web").len() == 3);
    assert!(back, "what is removed by hand is made again");
    assert_eq!(images(&stage), first);

    stage.ok("history web --json").must(0, &["\"revision\": 2", "\"current\": false"]);
    stage
        .drover("rollback web --to 7")
        .must(4, &["revision 7 of web was never there: there are 1, 2, and it runs 1"]);
    stage.drover("rollback web --to 1").must(4, &["web runs revision 1 already"]);
}

/// What the containers run, as Docker names images.
fn images(stage: &Stage) -> BTreeSet<String> {
    let running = stage.running("web");
    let image = |(host, container): &(u8, Container)| {
        let engine = stage.cluster.engine(*host);
        engine.inspect(&container.id).unwrap()["Image"].as_str().unwrap().to_owned()
    };
    running.iter().map(image).collect()
}
