//! Webhooks: how they are made and shown, and what their calls come to.

use drover_api::{Address, ApiError, fire, webhook, webhook_caller};
use drover_core::{FinishPolicy, ServiceId};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::bench::{SECRET, actions, some};
use crate::one::One;

fn hash(key: &str) -> String {
    let digest = Sha256::digest(key);
    digest.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Call the only webhook there is; what is decided is committed.
fn call(one: &mut One, said: Value) -> Result<Value, ApiError> {
    let world = one.bench.world.clone();
    let held = webhook(&world, "1a1", &hash(SECRET))?;
    let address = Address::parse("/v2-beta/projects/1a1").unwrap();
    let fired = fire(&one.bench.context_of(&world, &address, webhook_caller(held)), held, &said)?;
    one.bench.commit(&fired.changes).unwrap();
    one.bench.plan();
    Ok(fired.answer)
}

fn make(one: &mut One, driver: &str, config: Value) -> Value {
    let mut body = json!({ "name": "hook", "driver": driver });
    body[format!("{driver}Config")] = config;
    one.bench.ask("POST ~/webhookreceivers", body, 201)
}

fn scale(one: &mut One, service: &str, action: &str) -> Value {
    let config = json!({ "serviceId": service, "action": action, "amount": 2, "min": 1, "max": 5 });
    make(one, "scaleService", config)
}

fn hub(repository: &str, tag: &str) -> Value {
    json!({ "push_data": { "tag": tag }, "repository": { "repo_name": repository } })
}

#[test]
fn the_url_is_shown_once() {
    let mut one = One::new(1);
    let web = one.run("web", &json!({}));
    let made = scale(&mut one, &web, "up");
    let url = format!("http://h/v1-webhooks/endpoint?key={SECRET}&projectId=1a1");
    assert_eq!(made["url"], json!(url));
    assert_eq!(
        made["scaleServiceConfig"],
        json!({ "type": "scaleServiceConfig", "serviceId": web, "action": "up", "amount": 2, "min": 1, "max": 5 })
    );
    assert_eq!(actions(&made), ["update", "remove", "renew"]);
    let listed = one.bench.one("~/webhookreceivers");
    assert_eq!(listed["url"], Value::Null);
    let kept = format!("{:?}", one.bench.world.webhooks);
    assert!(!kept.contains(SECRET), "{kept}");
    let path = format!("~/webhookreceivers/{}", made["id"].as_str().unwrap());
    let renewed = one.bench.ask(&format!("POST {path}/?action=renew"), Value::Null, 200);
    assert_eq!(renewed["url"], json!(url), "of this request's random text");
    let edited =
        one.bench.ask(&format!("PUT {path}"), json!({ "description": "d", "name": "x" }), 200);
    assert_eq!(
        some(&edited, &["name", "description"]),
        json!({ "name": "hook", "description": "d" })
    );

    one.bench.ask(&format!("DELETE {path}"), Value::Null, 200);
    let gone = call(&mut one, Value::Null).unwrap_err();
    assert_eq!(gone.status(), 403);
    assert_eq!(webhook(&one.bench.world, "1a1", "").unwrap_err().status(), 403, "no key is no key");
}

#[test]
fn what_no_webhook_can_be() {
    let mut one = One::new(1);
    let web = one.run("web", &json!({}));
    let global = json!({ "launchConfig": { "imageUuid": "docker:nginx:1",
                         "labels": { "io.rancher.scheduler.global": "true" } } });
    let everywhere = one.make("everywhere", &global);
    let scale = |service: &str, more: Value| {
        let mut config = json!({ "serviceId": service, "action": "up" });
        for (name, value) in more.as_object().unwrap() {
            config[name] = value.clone();
        }
        json!({ "name": "h", "driver": "scaleService", "scaleServiceConfig": config })
    };
    let upgrade = |config: Value| json!({ "name": "h", "driver": "serviceUpgrade", "serviceUpgradeConfig": config });
    for (body, field, code) in [
        (
            json!({ "name": "h", "driver": "scaleHost", "scaleHostConfig": { "amount": 1 } }),
            "scaleHostConfig",
            "InvalidOption",
        ),
        (
            json!({ "name": "h", "driver": "forwardPost", "forwardPostConfig": { "port": 1 } }),
            "forwardPostConfig",
            "InvalidOption",
        ),
        (json!({ "name": "h", "driver": "other" }), "driver", "InvalidOption"),
        (scale(&everywhere, json!({})), "serviceId", "InvalidOption"),
        (scale(&web, json!({ "action": "sideways" })), "action", "InvalidOption"),
        (scale(&web, json!({ "amount": 0 })), "amount", "MinLimitExceeded"),
        (upgrade(json!({ "serviceSelector": { "a": "b" } })), "tag", "MissingRequired"),
        (
            upgrade(json!({ "serviceSelector": { "a": "b" }, "tag": "1", "payloadFormat": "x" })),
            "payloadFormat",
            "InvalidOption",
        ),
    ] {
        let error = one.bench.ask("POST ~/webhookreceivers", body.clone(), 422);
        let at = error["fieldName"].as_str().unwrap_or_default().rsplit('.').next();
        assert_eq!((at, &error["code"]), (Some(field), &json!(code)), "{body}: {error}");
    }
    one.bench.ask("POST ~/webhookreceivers", scale(&web, json!({})), 201);
    let again = one.bench.ask("POST ~/webhookreceivers", scale(&web, json!({})), 422);
    assert_eq!(again["code"], "NotUnique");
}

#[test]
fn a_scale_goes_up_and_never_beyond() {
    let mut one = One::new(1);
    let web = one.run("web", &json!({ "scale": 2 }));
    scale(&mut one, &web, "up");
    let done = call(&mut one, json!({ "anything": true })).unwrap();
    assert_eq!(done["message"], "web/web: scale 2 → 4");
    assert_eq!(
        some(&done["services"][0], &["id", "name", "stack", "result", "from", "to"]),
        json!({ "id": web, "name": "web", "stack": "web", "result": "scaled", "from": 2, "to": 4 })
    );
    assert_eq!(one.see(&web)["scale"], 4);
    let crossed = call(&mut one, Value::Null).unwrap_err();
    assert_eq!((crossed.status(), one.see(&web)["scale"].clone()), (400, json!(4)));
    assert_eq!(
        crossed.message,
        "nothing was changed: web would go from 4 to 6, and its webhook's max is 5"
    );
    one.bench.settle();
    one.bench.ask(&format!("DELETE ~/services/{web}"), Value::Null, 200);
    let gone = call(&mut one, Value::Null).unwrap_err();
    assert_eq!(gone.status(), 400);
    assert!(gone.message.contains("was removed"), "{gone}");
}

#[test]
fn a_scale_goes_down_and_never_beyond() {
    let mut one = One::new(1);
    let web = one.run("web", &json!({ "scale": 4 }));
    scale(&mut one, &web, "down");
    call(&mut one, Value::Null).unwrap();
    assert_eq!(one.see(&web)["scale"], 2);
    one.bench.settle();
    assert_eq!(call(&mut one, Value::Null).unwrap_err().status(), 400);
    assert_eq!(one.see(&web)["scale"], 2);
}

/// Services that all have the label, of which some run what is pushed.
fn labelled() -> (One, Vec<String>) {
    let mut one = One::new(1);
    let config = |image: &str| json!({ "launchConfig": { "imageUuid": format!("docker:{image}"), "labels": { "deploy": "auto" } } });
    let ids = [
        one.run("web", &config("acme/web:1")),
        one.run("worker", &config("docker.io/acme/web:old")),
        one.run("db", &config("postgres:15")),
        one.run("other", &config("registry.example/acme/web:1")),
        // The very image, without the label.
        one.run("apart", &json!({ "launchConfig": { "imageUuid": "docker:acme/web:1" } })),
    ];
    let config = json!({ "serviceSelector": { "deploy": "auto" }, "tag": "latest", "batchSize": 2, "startFirst": true });
    make(&mut one, "serviceUpgrade", config);
    (one, ids.to_vec())
}

#[test]
fn a_push_upgrades_what_runs_that_image_and_nothing_else() {
    let (mut one, ids) = labelled();
    let done = call(&mut one, hub("acme/web", "latest")).unwrap();
    let rows: Vec<Value> = done["services"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| some(r, &["name", "result", "images"]))
        .collect();
    assert_eq!(
        rows,
        [
            json!({ "name": "web", "result": "upgrading", "images": ["acme/web:1 → acme/web:latest"] }),
            json!({ "name": "worker", "result": "upgrading",
                    "images": ["docker.io/acme/web:old → docker.io/acme/web:latest"] }),
        ]
    );
    let states: Vec<String> = ids.iter().map(|id| one.state(id)).collect();
    assert_eq!(states, ["upgrading", "upgrading", "active", "active", "active"]);
    let upgrade = one.see(&ids[0])["upgrade"]["inServiceStrategy"].clone();
    assert_eq!(
        some(&upgrade, &["batchSize", "startFirst"]),
        json!({ "batchSize": 2, "startFirst": true })
    );
    assert_eq!(upgrade["launchConfig"]["labels"]["io.rancher.container.pull_image"], "always");

    // It confirms itself; what the service does by itself otherwise stays as it was.
    one.bench.settle();
    let web = one.see(&ids[0]);
    assert_eq!(some(&web, &["state", "upgrade"]), json!({ "state": "active", "upgrade": null }));
    assert_eq!(web["launchConfig"]["imageUuid"], "docker:acme/web:latest");
    let service = one.bench.world.service(ServiceId(ids[0][2..].parse().unwrap())).unwrap();
    assert_eq!(service.upgrade_defaults.policy.finish, FinishPolicy::Manual);

    // The same tag again is another image.
    let again = call(&mut one, hub("acme/web", "latest")).unwrap();
    assert_eq!(again["services"].as_array().unwrap().len(), 2);
    assert_eq!(one.state(&ids[0]), "upgrading");
}

#[test]
fn a_push_of_something_else_changes_nothing() {
    let (mut one, _) = labelled();
    for (said, why) in [
        (hub("acme/web", "2"), "nothing was changed: 2 was pushed, and webhook hook is for latest"),
        (
            hub("acme/site", "latest"),
            "nothing was changed: no service that webhook hook selects runs docker.io/acme/site",
        ),
    ] {
        let before = one.bench.world.revision;
        let done = call(&mut one, said).unwrap();
        assert_eq!(
            some(&done, &["message", "services"]),
            json!({ "message": why, "services": [] })
        );
        assert_eq!(one.bench.world.upgrades.len(), 0);
        assert!(one.bench.world.revision <= before + 1);
    }
    let unread = call(&mut one, json!({ "push_data": {} })).unwrap_err();
    assert_eq!(unread.status(), 400);
    assert!(unread.message.contains("`push_data.tag` is missing"), "{unread}");
}

#[test]
fn what_cannot_be_upgraded_is_said() {
    let (mut one, ids) = labelled();
    // One waits for a decision: the other goes on.
    one.upgrade(
        &ids[0],
        "acme/web:2",
        &json!({ "launchConfig": {
        "imageUuid": "docker:acme/web:2", "labels": { "deploy": "auto" } } }),
        202,
    );
    one.bench.settle();
    assert_eq!(one.state(&ids[0]), "upgraded");
    let done = call(&mut one, hub("acme/web", "latest")).unwrap();
    let results: Vec<&Value> =
        done["services"].as_array().unwrap().iter().map(|r| &r["result"]).collect();
    assert_eq!(results, ["refused", "upgrading"]);
    let message = done["message"].as_str().unwrap();
    assert!(message.contains("waits for a decision"), "{message}");
    // Neither can: nothing is begun, and who called hears of it.
    let refused = call(&mut one, hub("acme/web", "latest")).unwrap_err();
    assert_eq!(refused.status(), 400);
    assert!(refused.message.contains("an upgrade is in progress"), "{refused}");
}
