//! Bad input: one clear sentence each, with file, line and column where there is a file, and nothing lost.

use super::stage::Stage;

#[test]
fn files_that_are_wrong_are_refused_where_they_are_wrong() {
    let Some(stage) = Stage::set() else { return };
    stage.web("v1", 1);
    stage.ok("up -d");
    let before = stage.lives();
    for (compose, place) in [
        ("web:\n  image: [demo/web:v1\n", "docker-compose.yml:"),
        ("web:\n  image: demo/web:v1\n  prots:\n    - 80\n", "docker-compose.yml:3:3"),
        ("web:\n  image: demo/web:v1\n  ports: 80\n", "docker-compose.yml:3:"),
    ] {
        stage.files(compose, "");
        let done = stage.drover("up -d --upgrade");
        done.must(1, &[place]);
        assert_eq!(stage.lives(), before, "{compose}");
    }
}

#[test]
fn a_missing_image_is_named_with_the_way_back() {
    let Some(stage) = Stage::set() else { return };
    stage.web("v1", 1);
    stage.ok("up -d");
    let old = stage.running_ids("web");
    stage.web("nowhere", 1);
    let done = stage.drover("up -d --upgrade --timeout 30");
    done.must(7, &["demo/web:nowhere can't be pulled", "drover up --rollback web"]);
    stage.ok("up -d --rollback");
    assert_eq!(stage.running_ids("web"), old);
}

#[test]
fn a_wrong_key_and_an_unknown_host_are_refused_in_words() {
    let Some(stage) = Stage::set() else { return };
    stage.web("v1", 1);
    let words = ["up", "-d", "--secret-key", "wrong"];
    let done = stage.cluster.run(stage.folder.path(), &words).unwrap();
    assert_eq!(done.status.code(), Some(6));
    assert!(String::from_utf8_lossy(&done.stderr).contains("key"), "{done:?}");

    let label = "io.rancher.scheduler.affinity:host_label: is=nowhere";
    let compose = format!("web:\n  image: demo/web:v1\n  labels:\n    {label}\n");
    stage.files(&compose, "");
    let done = stage.drover("up -d --timeout 5");
    assert!(matches!(done.status, Some(3 | 7)), "{}", done.text);
    assert!(done.text.contains("is=nowhere"), "{}", done.text);
}

#[test]
fn a_registration_token_serves_one_host_once() {
    let Some(mut stage) = Stage::set() else { return };
    let token = stage.cluster.make_token().unwrap();
    stage.cluster.forget_agent(1).unwrap();
    stage.cluster.join(1, &token).unwrap();
    stage.cluster.wait_for_hosts().unwrap();
    stage.cluster.forget_agent(2).unwrap();
    stage.cluster.join(2, &token).unwrap();
    let said = stage.cluster.last_words_of_agent(2).unwrap();
    assert!(said.contains("token"), "{said}");
}
