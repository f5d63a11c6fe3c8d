//! What Rancher's compose client does with a stack, request for request: the reads before each write, the bodies
//! it sends, the members of the answers it depends on.

use serde_json::{Value, json};

use crate::bench::{Bench, actions, some};

/// A stack as `up` makes it: a database with a volume, an application with a sidekick and a link, an alias, an
/// outside address, a balancer.
struct Webapp {
    bench: Bench,
    stack: String,
    db: String,
    app: String,
    alias: String,
    ext: String,
    lb: String,
}

fn config(image: &str, hash: &str, more: &Value) -> Value {
    let mut config = json!({
        "type": "container",
        "links": null,
        "actions": null,
        "imageUuid": format!("docker:{image}"),
        "labels": { "io.rancher.service.hash": hash },
        "logConfig": { "type": "logConfig", "links": null, "actions": null },
        "networkMode": "managed",
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        config[name] = value.clone();
    }
    config
}

fn app_config(image: &str, hash: &str) -> Value {
    config(
        image,
        hash,
        &json!({
            "capAdd": ["NET_ADMIN"],
            "command": ["serve", "--port", "80"],
            "environment": { "MODE": "prod" },
            "healthCheck": { "port": 80, "interval": 2000, "responseTimeout": 2000, "healthyThreshold": 2,
                             "unhealthyThreshold": 3, "requestLine": "GET / HTTP/1.0", "strategy": "recreate" },
            "memory": 134_217_728,
            "labels": { "com.example.role": "front", "io.rancher.service.hash": hash,
                        "io.rancher.sidekicks": "helper" },
        }),
    )
}

fn helper_config(image: &str, hash: &str) -> Value {
    config(
        image,
        hash,
        &json!({
            "name": "helper",
            "command": ["sleep", "3600"],
            "dataVolumesFromLaunchConfigs": ["app"],
            "networkMode": "container",
            "networkLaunchConfig": "app",
        }),
    )
}

/// Makes a service the way the client does: looks for it, makes it, finds it again, sets its links, polls.
fn make(bench: &mut Bench, kind: &str, stack: &str, body: Value, links: &Value) -> String {
    let name = body["name"].as_str().unwrap().to_owned();
    let look = format!("~/services?name={name}&removed_null=%3Cnil%3E&stackId={stack}");
    assert_eq!(bench.get(&look)["data"], json!([]));
    let made = bench.ask(&format!("POST ~/{kind}"), body, 201);
    assert_eq!(made["launchConfig"]["networkMode"], "managed");
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(bench.one(&look)["id"], id.as_str());
    bench.get(&format!("~/serviceconsumemaps?serviceId={id}"));
    let url = format!("POST ~/{kind}/{id}/?action=setservicelinks");
    bench.ask(&url, json!({ "links": null, "actions": null, "serviceLinks": links }), 200);
    bench.settle();
    let polled = bench.get(&format!("~/{kind}/{id}"));
    assert_eq!(
        some(&polled, &["state", "transitioning"]),
        json!({ "state": "inactive", "transitioning": "no" })
    );
    id
}

impl Webapp {
    fn up() -> Self {
        let mut bench = Bench::new(3);
        assert_eq!(bench.get("~/stacks?name=webapp&removed_null=%3Cnil%3E")["data"], json!([]));
        let stack = bench.ask("POST ~/stacks", json!({ "name": "webapp" }), 201);
        let stack = stack["id"].as_str().unwrap().to_owned();
        let service = |name: &str, scale: u32, launch: Value| {
            json!({ "name": name, "scale": scale, "stackId": stack, "launchConfig": launch,
                    "metadata": { "io.rancher.service.hash": format!("s-{name}") } })
        };
        let none = Value::Null;
        let volume = json!({ "dataVolumes": ["data:/data"] });
        let db = service("db", 1, config("redis:7", "h-db", &volume));
        let db = make(&mut bench, "services", &stack, db, &none);
        let mut ext = service("ext", 1, config("rancher/external-service", "h-ext", &none));
        ext["externalIpAddresses"] = json!(["10.9.9.9"]);
        let ext = make(&mut bench, "externalservices", &stack, ext, &none);
        let mut app = service("app", 2, app_config("nginx:1.25", "h-app-1"));
        app["secondaryLaunchConfigs"] = json!([helper_config("busybox:1.36", "h-helper-1")]);
        let links = json!([{ "name": "database", "serviceId": db }]);
        let app = make(&mut bench, "services", &stack, app, &links);
        let alias = service("alias", 1, config("rancher/dns-service", "h-alias", &none));
        let alias = make(&mut bench, "dnsservices", &stack, alias, &json!([{ "serviceId": app }]));
        let ports = json!({ "ports": ["80:80/tcp"] });
        let mut lb = service("lb", 1, config("rancher/lb-service-haproxy:v0.9.14", "h-lb", &ports));
        lb["lbConfig"] = json!({ "portRules": [
            { "hostname": "example.com", "path": "/", "protocol": "http", "serviceId": app,
              "sourcePort": 80, "targetPort": 80 }
        ]});
        let lb = make(&mut bench, "loadbalancerservices", &stack, lb, &none);
        let mut all = Self { bench, stack, db, app, alias, ext, lb };
        all.activate();
        all
    }

    fn activate(&mut self) {
        for (kind, id, url) in self.all() {
            let answer =
                self.bench.ask(&format!("POST ~/{kind}/{id}/?action=activate"), Value::Null, 202);
            let state = answer["state"].as_str().unwrap();
            assert!(matches!(state, "activating" | "active"), "{url}: {state}");
        }
        self.bench.settle();
        for (_, _, url) in self.all() {
            let polled = self.bench.get(&url);
            let want =
                json!({ "state": "active", "transitioning": "no", "healthState": "healthy" });
            assert_eq!(some(&polled, &["state", "transitioning", "healthState"]), want, "{url}");
        }
    }

    fn all(&self) -> Vec<(&'static str, String, String)> {
        [
            ("externalservices", &self.ext),
            ("services", &self.db),
            ("services", &self.app),
            ("loadbalancerservices", &self.lb),
            ("dnsservices", &self.alias),
        ]
        .map(|(kind, id)| (kind, id.clone(), format!("~/{kind}/{id}")))
        .to_vec()
    }

    fn app(&mut self) -> Value {
        let url = format!("~/services/{}", self.app);
        self.bench.get(&url)
    }

    fn act(&mut self, id: &str, action: &str, body: Value, status: u16) -> Value {
        self.bench.ask(&format!("POST ~/services/{id}/?action={action}"), body, status)
    }

    /// `up --upgrade` of the application to this image, as the client sends it: with the old configs beside.
    fn upgrade_app(&mut self, image: &str, hash: &str) {
        let now = self.app();
        assert!(matches!(now["state"].as_str().unwrap(), "active" | "inactive"));
        let body = json!({ "inServiceStrategy": {
            "batchSize": 2, "intervalMillis": 1000, "startFirst": true,
            "launchConfig": app_config(image, hash),
            "previousLaunchConfig": now["launchConfig"],
            "previousSecondaryLaunchConfigs": now["secondaryLaunchConfigs"],
        }});
        let app = self.app.clone();
        let answer = self.act(&app, "upgrade", body, 202);
        let want = json!({ "state": "upgrading", "transitioning": "yes" });
        assert_eq!(some(&answer, &["state", "transitioning"]), want);
        self.bench.settle();
    }
}

#[test]
fn up() {
    let mut all = Webapp::up();
    let app = all.app();
    let want = json!({ "scale": 2, "currentScale": 2, "upgrade": null, "secondary": "helper" });
    let mut got = some(&app, &["scale", "currentScale", "upgrade"]);
    got["secondary"] = app["secondaryLaunchConfigs"][0]["name"].clone();
    assert_eq!(got, want);
    assert_eq!(app["linkedServices"], json!({ "database": all.db }));
    assert_eq!(app["instanceIds"].as_array().unwrap().len(), 4);
    let helper = &app["secondaryLaunchConfigs"][0];
    assert_eq!(helper["dataVolumesFromLaunchConfigs"], json!(["app"]));
    assert_eq!(helper["networkLaunchConfig"], "app");
    let lb = all.bench.get(&format!("~/loadbalancerservices/{}", all.lb));
    assert_eq!(lb["lbConfig"]["portRules"][0]["serviceId"], all.app.as_str());
    assert_eq!(lb["publicEndpoints"][0]["port"], 80);
    let stack = all.bench.get(&format!("~/stacks/{}", all.stack));
    assert_eq!(
        some(&stack, &["state", "healthState"]),
        json!({ "state": "active", "healthState": "healthy" })
    );
    assert_eq!(stack["serviceIds"].as_array().unwrap().len(), 5);
}

#[test]
fn up_again_changes_nothing() {
    let mut all = Webapp::up();
    let before = all.bench.world.clone();
    for (kind, id, _) in all.all() {
        let whole = all.bench.get(&format!("~/{kind}/{id}"));
        // The client compares these with its files; they must come back as they were sent.
        assert!(whole["launchConfig"]["labels"]["io.rancher.service.hash"].is_string());
        assert!(whole["metadata"]["io.rancher.service.hash"].is_string());
        all.bench.get(&format!("~/serviceconsumemaps?serviceId={id}"));
    }
    for (id, links) in [
        (all.db.clone(), Value::Null),
        (all.app.clone(), json!([{ "name": "database", "serviceId": all.db }])),
        (all.alias.clone(), json!([{ "serviceId": all.app }])),
    ] {
        all.act(&id, "setservicelinks", json!({ "serviceLinks": links }), 200);
    }
    assert_eq!(all.bench.world, before, "nothing was committed");
}

#[test]
fn upgrade_then_confirm() {
    let mut all = Webapp::up();
    all.upgrade_app("nginx:1.26", "h-app-2");
    let app = all.app();
    assert_eq!(
        some(&app, &["state", "transitioning"]),
        json!({ "state": "upgraded", "transitioning": "no" })
    );
    assert_eq!(app["launchConfig"]["imageUuid"], "docker:nginx:1.26");
    assert_eq!(app["launchConfig"]["labels"]["io.rancher.service.hash"], "h-app-2");
    let strategy = &app["upgrade"]["inServiceStrategy"];
    assert_eq!(strategy["previousLaunchConfig"]["imageUuid"], "docker:nginx:1.25");
    assert_eq!(app["secondaryLaunchConfigs"][0]["imageUuid"], "docker:busybox:1.36");
    assert_eq!(app["instanceIds"].as_array().unwrap().len(), 4, "the old ones are parked");
    let id = all.app.clone();
    assert_eq!(all.bench.units(&id), ["1.1 stopped", "1.2 running", "2.1 stopped", "2.2 running"]);
    assert_eq!(
        actions(&app),
        [
            "finishupgrade",
            "rollback",
            "remove",
            "setservicelinks",
            "addservicelink",
            "removeservicelink"
        ]
    );
    let answer = all.act(&id, "finishupgrade", Value::Null, 202);
    let want = json!({ "state": "finishing-upgrade", "transitioning": "yes" });
    assert_eq!(some(&answer, &["state", "transitioning"]), want);
    all.bench.settle();
    assert_eq!(
        some(&all.app(), &["state", "upgrade"]),
        json!({ "state": "active", "upgrade": null })
    );
    assert_eq!(all.bench.units(&id), ["1.2 running", "2.2 running"]);
}

#[test]
fn upgrade_then_roll_back_to_the_same_containers() {
    let mut all = Webapp::up();
    let before = all.app()["instanceIds"].clone();
    all.upgrade_app("nginx:1.26", "h-app-2");
    let id = all.app.clone();
    let answer = all.act(&id, "rollback", Value::Null, 202);
    assert_eq!(answer["state"], "rolling-back");
    assert_eq!(answer["launchConfig"]["imageUuid"], "docker:nginx:1.25", "swapped at once");
    all.bench.settle();
    let app = all.app();
    assert_eq!(some(&app, &["state", "upgrade"]), json!({ "state": "active", "upgrade": null }));
    assert_eq!(app["instanceIds"], before);
    assert_eq!(all.bench.units(&id), ["1.1 running", "2.1 running"]);
}

#[test]
fn rollback_of_a_whole_stack_passes_over_what_was_not_upgraded() {
    let mut all = Webapp::up();
    all.upgrade_app("nginx:1.26", "h-app-2");
    let before = all.bench.world.revision;
    for (kind, id, url) in all.all() {
        assert!(actions(&all.bench.get(&url)).contains(&"rollback"), "{url}");
        all.bench.ask(&format!("POST ~/{kind}/{id}/?action=rollback"), Value::Null, 202);
    }
    assert_eq!(all.bench.world.revision, before + 1, "one service had an upgrade");
}

#[test]
fn upgrade_of_a_sidekick_alone() {
    let mut all = Webapp::up();
    let id = all.app.clone();
    let upgrade = |helper: Value| {
        json!({ "inServiceStrategy": { "batchSize": 2, "intervalMillis": 1000, "startFirst": true,
                                       "secondaryLaunchConfigs": [helper] } })
    };
    all.act(&id, "upgrade", upgrade(helper_config("busybox:1.37", "h-helper-2")), 202);
    all.bench.settle();
    let app = all.app();
    assert_eq!(app["launchConfig"]["imageUuid"], "docker:nginx:1.25");
    assert_eq!(app["secondaryLaunchConfigs"][0]["imageUuid"], "docker:busybox:1.37");
    assert_eq!(app["secondaryLaunchConfigs"][0]["dataVolumesFromLaunchConfigs"], json!(["app"]));
    all.act(&id, "finishupgrade", json!({}), 202);
    all.bench.settle();
    // A sidekick that left the file is sent with this image.
    all.act(
        &id,
        "upgrade",
        upgrade(config("rancher/none", "h", &json!({ "name": "helper" }))),
        202,
    );
    all.bench.settle();
    let app = all.app();
    assert_eq!(
        some(&app, &["state", "secondaryLaunchConfigs"]),
        json!({ "state": "upgraded", "secondaryLaunchConfigs": null })
    );
    assert_eq!(app["instanceIds"].as_array().unwrap().len(), 2);
}

#[test]
fn upgrade_while_upgraded_says_the_way_out() {
    let mut all = Webapp::up();
    all.upgrade_app("nginx:1.26", "h-app-2");
    let id = all.app.clone();
    let body =
        json!({ "inServiceStrategy": { "launchConfig": app_config("nginx:1.27", "h-app-3") } });
    let error = all.act(&id, "upgrade", body, 422);
    assert_eq!(error["code"], "ActionNotAvailable");
    let message = error["message"].as_str().unwrap();
    for part in ["service app", "upgraded", "finishupgrade keeps", "rollback returns"] {
        assert!(message.contains(part), "{message}");
    }
    // The client finishes the last one first, then upgrades.
    all.act(&id, "finishupgrade", Value::Null, 202);
    all.bench.settle();
    all.upgrade_app("nginx:1.27", "h-app-3");
    assert_eq!(all.app()["state"], "upgraded");
}

#[test]
fn force_upgrade_puts_the_whole_service_back_and_makes_new_containers() {
    let mut all = Webapp::up();
    let id = all.db.clone();
    let launch = config("redis:7", "h-db", &json!({ "dataVolumes": ["data:/data"] }));
    let whole = json!({
        "links": null, "actions": null, "name": "db", "scale": 1, "stackId": all.stack, "launchConfig": launch,
        "metadata": { "io.rancher.service.hash": "s-db" },
    });
    let before = all.bench.world.clone();
    all.bench.ask(&format!("PUT ~/services/{id}"), whole, 200);
    assert_eq!(all.bench.world, before, "it says what is there already");
    let body = json!({ "inServiceStrategy": {
        "batchSize": 2, "intervalMillis": 1000, "launchConfig": launch, "previousLaunchConfig": launch,
        "previousSecondaryLaunchConfigs": null,
    }});
    all.act(&id, "upgrade", body, 202);
    all.bench.settle();
    assert_eq!(all.bench.units(&id), ["1.1 stopped", "1.2 running"]);
}

#[test]
fn scale() {
    let mut all = Webapp::up();
    let id = all.app.clone();
    let answer = all.bench.ask(&format!("PUT ~/services/{id}"), json!({ "scale": 3 }), 200);
    let want = json!({ "state": "active", "transitioning": "no", "scale": 3, "currentScale": 2 });
    assert_eq!(some(&answer, &["state", "transitioning", "scale", "currentScale"]), want);
    all.bench.settle();
    assert_eq!(all.app()["currentScale"], 3);
    all.bench.ask(&format!("PUT ~/services/{id}"), json!({ "scale": "1" }), 200);
    all.bench.settle();
    assert_eq!(
        some(&all.app(), &["scale", "currentScale"]),
        json!({ "scale": 1, "currentScale": 1 })
    );
}

#[test]
fn restart() {
    let mut all = Webapp::up();
    let id = all.app.clone();
    let before = all.app()["instanceIds"].clone();
    let body = json!({ "rollingRestartStrategy": { "batchSize": 1, "intervalMillis": 100 } });
    let answer = all.act(&id, "restart", body, 202);
    assert_eq!(
        some(&answer, &["state", "transitioning"]),
        json!({ "state": "restarting", "transitioning": "yes" })
    );
    all.bench.settle();
    let app = all.app();
    assert_eq!(app["state"], "active");
    assert_eq!(app["instanceIds"], before, "the same containers");
    let runs: Vec<u64> = all.bench.world.units.values().map(|unit| unit.run).collect();
    assert_eq!(runs.iter().filter(|run| **run == 1).count(), 2);
}

#[test]
fn stop_and_start() {
    let mut all = Webapp::up();
    let id = all.db.clone();
    let before = all.bench.get(&format!("~/services/{id}"))["instanceIds"].clone();
    let answer = all.act(&id, "deactivate", Value::Null, 202);
    assert_eq!(answer["state"], "deactivating");
    all.bench.settle();
    let stopped = all.bench.get(&format!("~/services/{id}"));
    let want = json!({ "state": "inactive", "transitioning": "no", "currentScale": 0, "healthState": "unhealthy" });
    assert_eq!(some(&stopped, &["state", "transitioning", "currentScale", "healthState"]), want);
    assert_eq!(stopped["instanceIds"], before, "stopped but kept");
    all.act(&id, "activate", Value::Null, 202);
    all.bench.settle();
    let started = all.bench.get(&format!("~/services/{id}"));
    assert_eq!(
        some(&started, &["state", "instanceIds"]),
        json!({ "state": "active", "instanceIds": before })
    );
}

#[test]
fn rm() {
    let mut all = Webapp::up();
    for (kind, id, url) in all.all() {
        let gone = all.bench.ask(&format!("DELETE {url}"), Value::Null, 200);
        assert!(matches!(gone["state"].as_str().unwrap(), "removing" | "removed"), "{kind}/{id}");
        let look = format!("~/services?removed_null=%3Cnil%3E&id={id}");
        assert_eq!(all.bench.get(&look)["data"], json!([]), "hidden at once");
    }
    all.bench.settle();
    for (_, _, url) in all.all() {
        let gone = all.bench.get(&url);
        assert_eq!(
            some(&gone, &["state", "transitioning"]),
            json!({ "state": "removed", "transitioning": "no" })
        );
        assert!(gone["removed"].is_string());
        assert!(gone["launchConfig"].is_object(), "clients read into it blindly");
        all.bench.ask(&format!("DELETE {url}"), Value::Null, 200);
    }
    assert!(all.bench.world.units.is_empty());
    let again = json!({ "name": "db", "stackId": all.stack, "launchConfig": config("redis:7", "h", &Value::Null) });
    all.bench.ask("POST ~/services", again, 201);
}
