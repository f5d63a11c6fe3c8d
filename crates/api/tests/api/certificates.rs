//! Certificates: what goes in, what comes out, who uses them.

use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};

use crate::bench::Bench;

/// A certificate for a name, and its key.
fn pem(name: &str) -> (String, String) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// A request for one.
pub(crate) fn body(name: &str) -> Value {
    let (cert, key) = pem("shop.example.com");
    json!({ "name": name, "cert": cert, "key": key })
}

pub(crate) fn add(bench: &mut Bench, name: &str) -> Value {
    bench.ask("POST ~/certificates", body(name), 201)
}

fn url(row: &Value) -> String {
    format!("~/certificates/{}", row["id"].as_str().unwrap())
}

/// A balancer that serves a certificate.
fn balancer(bench: &mut Bench, certificate: &Value) -> Value {
    let stack = bench.ask("POST ~/stacks", json!({ "name": "shop" }), 201);
    let body = json!({
        "name": "web", "stackId": stack["id"], "launchConfig": { "imageUuid": "docker:web:1" },
    });
    let web = bench.ask("POST ~/services", body, 201);
    let rule = json!({
        "sourcePort": 443, "protocol": "https", "serviceId": web["id"], "targetPort": 80,
    });
    let body = json!({
        "name": "lb", "stackId": stack["id"],
        "launchConfig": { "imageUuid": "docker:rancher/lb-service-haproxy" },
        "lbConfig": { "portRules": [rule], "defaultCertificateId": certificate },
    });
    bench.ask("POST ~/loadbalancerservices", body, 201)
}

#[test]
fn a_certificate_as_clients_read_it() {
    let mut bench = Bench::new(0);
    let made = add(&mut bench, "shop");
    assert_eq!((&made["name"], &made["CN"]), (&json!("shop"), &json!("shop.example.com")));
    assert_eq!(made["subjectAlternativeNames"], json!(["shop.example.com"]));
    assert_eq!((&made["key"], &made["certChain"]), (&Value::Null, &Value::Null));
    assert_eq!((&made["state"], &made["keySize"]), (&json!("active"), &json!(256)));
    let text = bench.get(&url(&made)).to_string();
    assert!(!text.contains("PRIVATE KEY"), "{text}");
}

#[test]
fn what_is_refused() {
    let mut bench = Bench::new(0);
    let held = add(&mut bench, "shop");
    let ((cert, key), (_, other)) = (pem("a"), pem("b"));
    for (body, field) in [
        (json!({ "name": "a", "cert": "x", "key": key }), "cert"),
        (json!({ "name": "a", "cert": cert, "key": other }), "key"),
        (json!({ "name": "a", "cert": cert, "key": "x" }), "key"),
        (json!({ "name": "a", "cert": cert, "key": key, "certChain": "x" }), "certChain"),
        (json!({ "name": "SHOP", "cert": cert, "key": key }), "name"),
        (json!({ "name": "a", "cert": cert }), "key"),
    ] {
        let error = bench.ask("POST ~/certificates", body, 422);
        assert_eq!(error["fieldName"], field, "{error}");
    }
    // A new certificate with the old one's key.
    let path = format!("PUT {}", url(&held));
    let error = bench.ask(&path, json!({ "cert": cert }), 422);
    assert_eq!(error["fieldName"], "key", "{error}");
}

#[test]
fn one_is_renewed_in_place() {
    let mut bench = Bench::new(0);
    let held = add(&mut bench, "shop");
    let (cert, key) = pem("new.example.com");
    let path = format!("PUT {}", url(&held));
    let after = bench.ask(&path, json!({ "cert": cert, "key": key }), 200);
    assert_eq!((&after["id"], &after["CN"]), (&held["id"], &json!("new.example.com")));
    assert_ne!(after["certFingerprint"], held["certFingerprint"]);
    // Clients send back what they were shown.
    let mut whole = after.clone();
    whole["description"] = json!("renewed");
    let again = bench.ask(&path, whole, 200);
    assert_eq!((&again["CN"], &again["description"]), (&after["CN"], &json!("renewed")));
}

#[test]
fn one_that_is_in_use_stays_and_follows_its_name() {
    let mut bench = Bench::new(0);
    let held = add(&mut bench, "shop");
    let lb = balancer(&mut bench, &held["id"]);
    assert_eq!(lb["lbConfig"]["defaultCertificateId"], held["id"]);
    let remove = format!("DELETE {}", url(&held));
    let error = bench.ask(&remove, json!({}), 405);
    assert!(error["message"].as_str().unwrap().contains("in use by lb"), "{error}");

    bench.ask(&format!("PUT {}", url(&held)), json!({ "name": "store" }), 200);
    let spec = bench.world.services.values().find_map(|service| service.balancer.clone());
    assert_eq!(spec.unwrap().default_certificate.as_deref(), Some("store"));
    let lb = format!("~/services/{}", lb["id"].as_str().unwrap());
    assert_eq!(bench.get(&lb)["lbConfig"]["defaultCertificateId"], held["id"]);

    bench.ask(&format!("DELETE {lb}"), json!({}), 200);
    let gone = bench.ask(&remove, json!({}), 200);
    assert_eq!(gone["state"], "removed");
    let kept = bench.world.certificates.values().next().unwrap();
    assert!(kept.key.reveal().is_empty(), "the key is forgotten");
}

#[test]
fn a_balancer_may_name_one_by_its_name_but_not_one_that_is_not_there() {
    let mut bench = Bench::new(0);
    let held = add(&mut bench, "shop");
    let lb = balancer(&mut bench, &json!("Shop"));
    assert_eq!(lb["lbConfig"]["defaultCertificateId"], held["id"]);
    let mut config = lb["lbConfig"].clone();
    config["certificateIds"] = json!(["1c999"]);
    let path = format!("PUT ~/services/{}", lb["id"].as_str().unwrap());
    let error = bench.ask(&path, json!({ "lbConfig": config }), 422);
    assert_eq!(error["fieldName"], "certificateIds", "{error}");
}
