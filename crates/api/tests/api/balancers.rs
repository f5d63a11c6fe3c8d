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
