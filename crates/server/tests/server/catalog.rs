//! A catalog in a directory: found, launched and upgraded as the clients do it.

use drover_server::{Settings, Timing};
use serde_json::{Value, json};

use crate::cluster::{Cluster, soon};
use crate::obedient;

const STACKS: &str = "/v2-beta/projects/1a5/stacks";

async fn comes_to(cluster: &Cluster, id: &Value, state: &str) -> Value {
    let path = format!("{STACKS}/{}", id.as_str().unwrap());
    let mut feed = cluster.store.feed();
    let coming = async {
        loop {
            let now = cluster.get(&path).await.json;
            if now["state"] == state {
                return now;
            }
            feed.next().await;
        }
    };
    soon(coming).await
}

/// What clients send to launch a version.
fn body(version: &Value, scale: &str) -> Value {
    json!({
        "name": "shop",
        "dockerCompose": version["files"]["docker-compose.yml"],
        "rancherCompose": version["files"]["rancher-compose.yml"],
        "externalId": format!("catalog://{}", version["id"].as_str().unwrap()),
        "environment": { "scale": scale },
        "startOnCreate": true,
    })
}

#[tokio::test]
async fn a_template_is_found_launched_and_upgraded() {
    let home = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = home.path().join("templates/webapp").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("config.yml", "name: Web\nversion: v1.1\n");
    for n in ["0", "1"] {
        let docker =
            "{{- if gt (atoi .Values.scale) 0 }}\nweb:\n  image: nginx:VERSION\n{{- end }}\n";
        write(&format!("{n}/docker-compose.yml"), &docker.replace("VERSION", n));
        let rancher = format!(
            ".catalog:\n  version: v1.{n}\n  questions:\n  - {{variable: scale, default: 1}}\nweb:\n  scale:              ${{scale}}\n"
        );
        write(&format!("{n}/rancher-compose.yml"), &rancher);
    }
    let (store, admin) = Cluster::start().await.stop().await;
    obedient::host(&store).await;
    let settings = Settings {
        catalog: Some(home.path().to_owned()),
        timing: Timing { reconnect_ms: 3_600_000, ..Timing::default() },
        ..Settings::default()
    };
    let cluster = Cluster::with(store, admin, settings).await;
    // It is read beside everything else, and at once.
    let reading = async {
        loop {
            let found = cluster.get("/v1-catalog/templates/library:webapp").await;
            if found.status == 200 {
                return found.json;
            }
            tokio::task::yield_now().await;
        }
    };
    let template = soon(reading).await;
    assert_eq!(template["defaultTemplateVersionId"], "library:webapp:1");
    let first = cluster.get("/v1-catalog/templates/library:webapp:0").await.json;
    assert_eq!(first["questions"][0]["variable"], "scale");
    let made = cluster.post(STACKS, &body(&first, "2")).await;
    assert_eq!(made.status, 201, "{}", made.json);
    let id = made.json["id"].clone();
    comes_to(&cluster, &id, "active").await;
    let (_, newer) = first["upgradeVersionLinks"].as_object().unwrap().iter().next().unwrap();
    let path = newer.as_str().unwrap().split_once("/v1-catalog").unwrap().1;
    let newer = cluster.get(&format!("/v1-catalog{path}")).await.json;
    let upgrade = format!("{STACKS}/{}/?action=upgrade", id.as_str().unwrap());
    let going = cluster.post(&upgrade, &body(&newer, "2")).await;
    assert_eq!(going.status, 202, "{}", going.json);
    let there = comes_to(&cluster, &id, "upgraded").await;
    assert_eq!(there["externalId"], "catalog://library:webapp:1");
    assert_eq!(there["previousExternalId"], "catalog://library:webapp:0");
    let world = cluster.store.world();
    let web = world.services.values().next().unwrap();
    assert_eq!(
        (web.scale, world.current_template(web).unwrap().primary.image.as_str()),
        (2, "nginx:1")
    );

    // What an environment begins with is launched in the same way.
    let stacks =
        json!([{ "name": "front", "templateId": "library:webapp", "answers": { "scale": "1" } }]);
    let template = json!({ "name": "Shop", "isPublic": true, "stacks": stacks });
    let template = cluster.post("/v2-beta/projecttemplates", &template).await;
    assert_eq!(template.status, 201, "{}", template.json);
    let project = json!({ "name": "new", "projectTemplateId": template.json["id"] });
    let project = cluster.post("/v2-beta/projects", &project).await;
    assert_eq!(project.status, 201, "{}", project.json);
    let id = drover_api::Kind::Project.parse(project.json["id"].as_str().unwrap()).unwrap();
    let is_there = |world: &drover_core::World| {
        let service = world.services.values().find(|service| service.project.0 == id)?;
        Some(world.current_template(service)?.primary.image.clone())
    };
    assert_eq!(cluster.until(is_there).await, "nginx:1");
}
