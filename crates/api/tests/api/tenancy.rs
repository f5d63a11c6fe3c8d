//! Who sees what: keys of one project, scoped URLs, keys that are no user's.

use drover_core::{Grant, HostId, ProjectId};
use serde_json::{Value, json};

use crate::bench::{Bench, PROJECT};

#[test]
fn a_key_sees_its_own_project_only() {
    let mut bench = Bench::new(0);
    let stack = bench.ask("POST ~/stacks", json!({ "name": "web" }), 201);
    let id = stack["id"].as_str().unwrap();
    bench.grant = Grant::Project(PROJECT);
    assert_eq!(bench.get("/v2-beta/stacks")["data"][0]["id"], id);
    assert_eq!(bench.get("~/stacks")["data"][0]["id"], id);
    bench.grant = Grant::Project(ProjectId(99));
    assert_eq!(bench.get("/v2-beta/stacks")["data"], json!([]));
    bench.ask(&format!("GET /v2-beta/stacks/{id}"), Value::Null, 404);
    bench.ask(&format!("DELETE /v2-beta/stacks/{id}"), Value::Null, 404);
    bench.ask("GET ~/stacks", Value::Null, 404);
}

#[test]
fn keys_of_agents_and_registrations_open_nothing_here() {
    let mut bench = Bench::new(0);
    let registration = Grant::Registration { project: PROJECT, used_by: None, reusable: true };
    for grant in [Grant::Agent(HostId(1)), registration] {
        bench.grant = grant;
        let error = bench.ask("GET ~/stacks", Value::Null, 403);
        assert_eq!(error["code"], "Forbidden");
    }
}

#[test]
fn an_unknown_scope_is_not_found() {
    let mut bench = Bench::new(0);
    bench.ask("GET /v2-beta/projects/1a77/stacks", Value::Null, 404);
    bench.ask("GET /v2-beta/projects/Default/stacks", Value::Null, 404);
}
