//! `up`: brings a stack up, and does nothing to one that is as the files say.

use std::collections::BTreeSet;

use super::stage::Stage;

#[test]
fn up_starts_what_the_files_say_and_again_changes_nothing() {
    let Some(stage) = Stage::set() else { return };
    stage.files(
        "web:\n  image: demo/web:v1\n  links:\n    - database\ndatabase:\n  image: demo/database:1\n",
        "web:\n  scale: 3\n",
    );
    stage.ok("up -d");
    assert_eq!(stage.running("web").len(), 3);
    assert_eq!(stage.running("database").len(), 1);
    let hosts: BTreeSet<u8> =
        stage.cluster.containers().unwrap().into_iter().map(|(host, _)| host).collect();
    assert_eq!(hosts.len(), 3, "spread over the hosts");

    let before = stage.lives();
    stage.ok("up -d");
    assert_eq!(stage.lives(), before);

    // What says that nothing differs must not touch anything either.
    let done = stage.ok("up -d --upgrade --waiting-ok");
    done.must(0, &["nothing to do", "web", "database"]);
    assert_eq!(stage.lives(), before);
}
