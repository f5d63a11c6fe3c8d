//! No answer holds a secret, but the one answer to the POST that made it.

use serde_json::{Value, json};

use crate::bench::{Bench, SECRET};

const PASSWORD: &str = "hunter2-of-the-registry";
/// Of a secret, base64.
const VALUE: &str = "aHVudGVyMiBvZiB0aGUgc2VjcmV0";

/// A world with every kind of secret in it.
fn full() -> Bench {
    let mut bench = Bench::new(1);
    bench.ask("POST /v2-beta/apikeys", json!({}), 201);
    bench.ask("POST ~/apikeys", json!({}), 201);
    bench.ask("POST ~/registrationtokens", json!({ "reusable": false }), 201);
    let registry = bench.ask("POST ~/registries", json!({ "serverAddress": "r" }), 201);
    let login = json!({
        "registryId": registry["id"], "publicValue": "me", "secretValue": PASSWORD,
    });
    let answer = bench.ask("POST ~/registrycredentials", login, 201);
    assert!(!answer.to_string().contains(PASSWORD));
    bench.ask("POST ~/secrets", json!({ "name": "db", "value": VALUE }), 201);
    bench
}

#[test]
fn no_list_and_no_row_shows_one() {
    let mut bench = full();
    let hashes: Vec<String> =
        bench.world.credentials.values().map(|held| held.secret_sha256.clone()).collect();
    let mut rows = 0;
    for scope in ["/v2-beta", "~"] {
        let links = bench.get(scope.replace('~', "~/").trim_end_matches('/'))["links"].clone();
        for plural in links.as_object().unwrap().keys() {
            if plural == "self" || plural == "subscribe" {
                continue;
            }
            let list = bench.get(&format!("{scope}/{plural}?removed_notnull=1"));
            let living = bench.get(&format!("{scope}/{plural}"));
            rows += living["data"].as_array().map_or(0, Vec::len);
            let text = format!("{list}{living}");
            for secret in hashes.iter().map(String::as_str).chain([SECRET, PASSWORD, VALUE]) {
                assert!(!text.contains(secret), "{secret} in {scope}/{plural}");
            }
        }
    }
    assert!(rows > 10, "only {rows} rows were looked at");
}

#[test]
fn no_write_but_the_first_shows_one() {
    let mut bench = full();
    for plural in ["apikeys", "registrationtokens", "registrycredentials", "secrets"] {
        let row = bench.get(&format!("~/{plural}"))["data"][0].clone();
        let url = format!("~/{plural}/{}", row["id"].as_str().unwrap());
        let has_switch = plural != "secrets";
        for (request, status) in [
            (format!("PUT {url}"), 200),
            (format!("POST {url}/?action=deactivate"), if has_switch { 202 } else { 422 }),
            (format!("POST {url}/?action=activate"), if has_switch { 202 } else { 422 }),
            (format!("DELETE {url}"), 200),
        ] {
            let answer = bench.ask(&request, Value::Null, status).to_string();
            let shown = [SECRET, PASSWORD, VALUE].iter().any(|secret| answer.contains(secret));
            assert!(!shown, "{request}: {answer}");
        }
    }
}
