//! What any request gets, whatever it asks for: headers, URLs, errors.

use axum::http::Method;
use serde_json::{Value, json};

use crate::cluster::{Cluster, basic};

#[tokio::test]
async fn the_schemas_header_is_absolute_and_scoped() {
    let cluster = Cluster::start().await;
    let check = async |path: &str, headers: &[(&str, &str)], want: &str| {
        let auth = basic(&cluster.admin);
        let headers = [headers, &[("authorization", &*auth)]].concat();
        let got = cluster.send(Method::GET, path, &headers, "").await;
        assert_eq!(got.status, 200, "{path}: {}", got.json);
        assert_eq!(got.headers["x-api-schemas"], want, "{path}");
    };
    let own = format!("http://{}", cluster.address);
    check("/", &[], &format!("{own}/v2-beta/schemas")).await;
    check("/v2-beta", &[], &format!("{own}/v2-beta/schemas")).await;
    check("//v2-beta//projects/1a5/", &[], &format!("{own}/v2-beta/projects/1a5/schemas")).await;
    let stacks = "/v2-beta/projects/1a5/stacks";
    check(stacks, &[], &format!("{own}/v2-beta/projects/1a5/schemas")).await;
    let proxied = [("x-forwarded-proto", "https"), ("x-forwarded-host", "drover.example")];
    check("/v2-beta", &proxied, "https://drover.example/v2-beta/schemas").await;
}

#[tokio::test]
async fn errors_have_one_shape() {
    let cluster = Cluster::start().await;
    let stacks = "/v2-beta/projects/1a5/stacks";
    let check = async |method: Method, path: &str, body: &str, status: u16, code: &str| {
        let got = cluster.admin(method, path, body).await;
        assert_eq!(got.status, status, "{path}: {}", got.json);
        assert_eq!(got.json["type"], "error", "{path}");
        assert_eq!(got.json["status"], status, "{path}");
        assert_eq!(got.json["code"], code, "{path}");
        assert!(got.json["id"].as_str().is_some_and(|id| id.len() == 36), "{path}");
        got.json["message"].as_str().unwrap_or_default().to_owned()
    };
    let said = check(Method::POST, stacks, "{\"name\":\n oops}", 400, "InvalidBodyContent").await;
    assert!(said.ends_with("line 2 column 2"), "{said}");
    check(Method::POST, stacks, "[1]", 400, "InvalidBodyContent").await;
    check(Method::POST, stacks, "{}", 422, "MissingRequired").await;
    check(Method::GET, "/v2-beta/nothings", "", 404, "NotFound").await;
    check(Method::GET, "/v3", "", 404, "NotFound").await;
    check(Method::GET, "/v2-beta/services/1st7", "", 404, "NotFound").await;
    check(Method::GET, "/v2-beta/projects/1a999/stacks", "", 404, "NotFound").await;
    check(Method::PATCH, stacks, "", 405, "MethodNotAllowed").await;
    check(Method::GET, "/agent/register", "", 405, "MethodNotAllowed").await;
    check(Method::GET, "/v2-beta/subscribe", "", 405, "MethodNotAllowed").await;
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(5 << 20));
    check(Method::POST, stacks, &large, 413, "RequestEntityTooLarge").await;
}

#[tokio::test]
async fn verbs_and_their_statuses() {
    let cluster = Cluster::start().await;
    let stacks = "/v2-beta/projects/1a5/stacks";
    let made = cluster.post(stacks, &json!({"name": "web"})).await;
    assert_eq!((made.status, &made.json["name"]), (201, &json!("web")));
    let own = made.json["links"]["self"].as_str().unwrap();
    assert!(own.starts_with(&format!("http://{}/v2-beta/projects/1a5/stacks/", cluster.address)));
    let path = own.strip_prefix(&format!("http://{}", cluster.address)).unwrap();
    let got = cluster.admin(Method::PUT, path, r#"{"description": "d", "links": null}"#).await;
    assert_eq!((got.status, &got.json["description"]), (200, &json!("d")));
    let got = cluster.admin(Method::POST, &format!("{path}/?action=activateservices"), "").await;
    assert!(matches!(got.status, 200 | 202), "{}", got.json);
    let got = cluster.admin(Method::POST, &format!("{path}/?action=fly"), "{}").await;
    assert_eq!((got.status, &got.json["code"]), (422, &json!("InvalidAction")));
    // What a browser's form sends instead of a DELETE.
    let got = cluster.admin(Method::POST, &format!("{path}?_method=DELETE"), "").await;
    assert_eq!(got.status, 200, "{}", got.json);
    let got = cluster.get(path).await;
    assert_eq!((got.status, got.json["removed"] == Value::Null), (200, false));
}

#[tokio::test]
async fn answers_are_compressed_for_those_who_ask() {
    let cluster = Cluster::start().await;
    let auth = basic(&cluster.admin);
    let plain = cluster.get("/v2-beta/schemas").await;
    let headers = [("authorization", &*auth), ("accept-encoding", "gzip")];
    let small = cluster.send(Method::GET, "/v2-beta/schemas", &headers, "").await;
    assert_eq!(small.headers["content-encoding"], "gzip");
    assert!(small.bytes.len() * 3 < plain.bytes.len());
}
