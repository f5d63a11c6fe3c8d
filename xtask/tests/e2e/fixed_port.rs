//! What cannot work is refused before anything moves: old and new side by side on one host's one port.

use super::stage::Stage;

#[test]
fn a_start_first_upgrade_on_a_fixed_port_without_a_second_host_is_refused() {
    let Some(stage) = Stage::set() else { return };
    let files = |version: &str| {
        let host = "io.rancher.scheduler.affinity:host_label: edge=yes";
        let compose = format!(
            "web:\n  image: demo/web:{version}\n  ports:\n    - 8000:80\n  labels:\n    {host}\n"
        );
        stage.files(&compose, "web:\n  scale: 1\n  upgrade_strategy:\n    start_first: true\n");
    };
    let hosts = stage.cluster.api().list("/v2-beta/hosts").unwrap();
    let edge = hosts[0]["id"].as_str().unwrap();
    let labels = serde_json::json!({"labels": {"edge": "yes"}});
    stage.cluster.api().put(&format!("/v2-beta/hosts/{edge}"), &labels).unwrap();

    files("v1");
    stage.ok("up -d");
    let before = stage.lives();
    files("v2");
    let refused = stage.drover("up -d --upgrade");
    // The port, who holds it, and two ways out.
    refused.must(4, &["8000", "web", "start_first", "host"]);
    assert_eq!(stage.lives(), before);
}
