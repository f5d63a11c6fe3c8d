//! What is refused when names and rules are written, because it could never work.

use serde_json::{Value, json};

use crate::bench::Bench;

/// Services of one stack by name; those that begin with `alias` are aliases.
fn services<const N: usize>(bench: &mut Bench, names: [&str; N]) -> [Value; N] {
    let stack = bench.ask("POST ~/stacks", json!({ "name": "shop" }), 201);
    names.map(|name| {
        let kind = if name.starts_with("alias") { "dnsservices" } else { "services" };
        let body = json!({
            "name": name, "stackId": stack["id"], "launchConfig": { "imageUuid": "docker:web:1" },
        });
        bench.ask(&format!("POST ~/{kind}"), body, 201)
    })
}

fn link(bench: &mut Bench, from: &Value, to: &Value, status: u16) -> Value {
    let path = format!("POST ~/services/{}?action=addservicelink", from["id"].as_str().unwrap());
    bench.ask(&path, json!({ "serviceLink": { "serviceId": to["id"] } }), status)
}

#[test]
fn a_loop_of_aliases_is_named() {
    let mut bench = Bench::new(0);
    let [a, b, c, web] = services(&mut bench, ["alias-a", "alias-b", "alias-c", "web"]);
    link(&mut bench, &a, &b, 200);
    link(&mut bench, &a, &web, 200);
    link(&mut bench, &b, &c, 200);
    let error = link(&mut bench, &c, &a, 422);
    assert_eq!(
        error["message"],
        "the name alias-c would lead back to itself: alias-c → alias-a → alias-b → alias-c; take one of these \
         links out"
    );
    // Containers may reach each other in circles.
    link(&mut bench, &web, &a, 200);
    link(&mut bench, &c, &web, 200);
}

#[test]
fn selectors_are_read_when_they_are_given() {
    let mut bench = Bench::new(0);
    let [web] = services(&mut bench, ["web"]);
    let path = format!("PUT ~/services/{}", web["id"].as_str().unwrap());
    for field in ["selectorLink", "selectorContainer"] {
        let error = bench.ask(&path, json!({ field: "tier within web" }), 422);
        assert_eq!(error["fieldName"], field, "{error}");
        bench.ask(&path, json!({ field: "tier in (web)" }), 200);
    }
}

#[test]
fn an_edit_of_its_ports_is_an_upgrade_that_confirms_itself() {
    let mut bench = Bench::new(2);
    let [web] = services(&mut bench, ["web"]);
    let balancer = json!({
        "name": "lb", "stackId": web["stackId"], "startOnCreate": true,
        "launchConfig": { "ports": ["80"], "labels": { "tier": "edge" } },
        "lbConfig": { "portRules": [{ "serviceId": web["id"], "sourcePort": 80, "targetPort": 80 }] },
    });
    let made = bench.ask("POST ~/loadbalancerservices", balancer, 201);
    let lb = format!("~/loadbalancerservices/{}", made["id"].as_str().unwrap());
    bench.settle();
    let whole = bench.get(&lb);
    // What clients send back is no edit.
    assert_eq!(bench.ask(&format!("PUT {lb}"), whole.clone(), 200)["state"], "active");
    let mut other = whole.clone();
    other["launchConfig"]["labels"] = json!({ "tier": "inner" });
    other["launchConfig"].as_object_mut().unwrap().shift_remove("ports");
    assert_eq!(bench.ask(&format!("PUT {lb}"), other, 200)["state"], "active");

    // Nor is another order, as UIs put their forms together.
    let both = json!({ "launchConfig": { "ports": ["80:80/tcp", "80"] } });
    assert_eq!(bench.ask(&format!("PUT {lb}"), both, 200)["state"], "active");
    let mut edited = whole;
    edited["launchConfig"]["ports"] = json!(["80", "443:8443"]);
    edited["lbConfig"]["portRules"][0]["hostname"] = json!("shop.example.com");
    edited["description"] = json!("both");
    let shown = bench.ask(&format!("PUT {lb}"), edited.clone(), 200);
    assert_eq!(shown["state"], "upgrading", "{shown:#}");
    let refused =
        bench.ask(&format!("PUT {lb}"), json!({ "launchConfig": { "ports": ["81"] } }), 422);
    assert_eq!(
        (&refused["code"], &refused["fieldName"]),
        (&json!("InvalidState"), &json!("ports"))
    );
    bench.settle();
    let shown = bench.get(&lb);
    assert_eq!(shown["state"], "active", "nobody has to confirm it");
    assert_eq!(shown["launchConfig"]["ports"], json!(["80:80/tcp", "443:8443/tcp"]));
    assert_eq!(shown["launchConfig"]["labels"]["tier"], "edge");
    assert_eq!(shown["description"], "both");
    assert_eq!(shown["lbConfig"]["portRules"][0]["hostname"], "shop.example.com");
    assert_eq!(bench.units(made["id"].as_str().unwrap()), ["1.2 running"]);
    let turned = json!({ "launchConfig": { "ports": ["443:8443/tcp", "80:80/tcp"] } });
    assert_eq!(bench.ask(&format!("PUT {lb}"), turned, 200)["state"], "active");
    // What was switched off is not switched on by an edit.
    bench.ask(&format!("POST {lb}?action=deactivate"), json!({}), 202);
    bench.settle();
    let refused =
        bench.ask(&format!("PUT {lb}"), json!({ "launchConfig": { "ports": ["81"] } }), 422);
    assert_eq!(refused["message"], "lb is not active: activate it, then change its ports");
    bench.ask(&format!("POST {lb}?action=activate"), json!({}), 202);
    bench.settle();
    // The next upgrade is confirmed by whoever asks for it.
    let mut launch = shown["launchConfig"].clone();
    launch["ports"] = json!(["80"]);
    let strategy = json!({ "launchConfig": launch });
    bench.ask(&format!("POST {lb}?action=upgrade"), json!({ "inServiceStrategy": strategy }), 202);
    bench.settle();
    assert_eq!(bench.get(&lb)["state"], "upgraded");
}
