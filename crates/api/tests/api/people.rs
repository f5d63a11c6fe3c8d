//! Accounts, their keys, and members of projects.

use drover_core::{AccountId, Grant};
use serde_json::{Value, json};

use crate::bench::{Bench, PROJECT, some};

/// An account by that name, made by an administrator; its id and what its keys open.
fn account(bench: &mut Bench, body: Value) -> (String, Grant) {
    let held = std::mem::replace(&mut bench.grant, Grant::Admin);
    let made = bench.ask("POST /v2-beta/accounts", body, 201);
    bench.grant = held;
    let id = made["id"].as_str().unwrap().to_owned();
    let grant = Grant::Account(AccountId(id[2..].parse().unwrap()));
    (id, grant)
}

fn local(id: &str, role: &str) -> Value {
    json!({ "externalIdType": "rancher_id", "externalId": id, "role": role })
}

const SET: &str = "POST /v2-beta/projects/1a1/?action=setmembers";

#[test]
fn an_account_as_clients_read_it() {
    let mut bench = Bench::new(0);
    let (id, own) = account(&mut bench, json!({ "name": "ann", "kind": "admin" }));
    let url = format!("/v2-beta/accounts/{id}");
    let shown = bench.get(&url);
    let members =
        ["id", "type", "kind", "name", "state", "accountId", "externalId", "externalIdType"];
    insta::assert_json_snapshot!(some(&shown, &members), @r#"
    {
      "id": "1a2",
      "type": "account",
      "kind": "admin",
      "name": "ann",
      "state": "active",
      "accountId": "1a2",
      "externalId": "1a2",
      "externalIdType": "rancher_id"
    }
    "#);
    let identity = bench.get("/v2-beta/identities/rancher_id:1a2");
    assert_eq!(identity["id"], "1i!rancher_id:1a2");
    assert_eq!(bench.get("/v2-beta/identities/1i!rancher_id:1a2"), identity);
    assert_eq!(bench.ask(&format!("PUT {url}"), json!({ "name": "eve" }), 200)["name"], "eve");
    bench.grant = own;
    assert_eq!(bench.get(&url)["name"], "eve");
}

#[test]
fn a_user_sees_its_own_account_only() {
    let mut bench = Bench::new(0);
    let (ann, own) = account(&mut bench, json!({ "name": "ann" }));
    let (eve, _) = account(&mut bench, json!({ "name": "eve" }));
    bench.grant = own;
    assert_eq!(bench.one("/v2-beta/accounts")["id"], ann.as_str());
    assert_eq!(bench.one("/v2-beta/identities")["login"], "ann");
    bench.ask(&format!("GET /v2-beta/accounts/{eve}"), Value::Null, 404);
    bench.ask(&format!("PUT /v2-beta/accounts/{ann}"), json!({ "name": "x" }), 403);
    bench.ask("POST /v2-beta/accounts", json!({}), 403);
    // Its own keys are its own business.
    let key = bench.ask("POST /v2-beta/apikeys", json!({ "name": "k" }), 201);
    assert_eq!(key["accountId"], ann.as_str());
    bench.ask("POST /v2-beta/apikeys", json!({ "accountId": eve }), 422);
    assert_eq!(bench.one("/v2-beta/apikeys")["id"], key["id"]);
    assert_eq!(bench.one(&format!("/v2-beta/accounts/{ann}/apikeys"))["id"], key["id"]);
    let url = format!("/v2-beta/apikeys/{}/account", key["id"].as_str().unwrap());
    assert_eq!(bench.get(&url)["name"], "ann");
}

#[test]
fn what_cannot_be_an_account_is_refused() {
    let mut bench = Bench::new(0);
    let octocat = json!({ "externalIdType": "github_user", "externalId": "650430" });
    account(&mut bench, octocat.clone());
    for (body, code) in [
        (octocat, "NotUnique"),
        (json!({ "externalId": "1" }), "MissingRequired"),
        (json!({ "externalIdType": "github_user" }), "MissingRequired"),
        (json!({ "externalIdType": "rancher_id", "externalId": "1a9" }), "InvalidOption"),
        (json!({ "kind": "agent" }), "InvalidOption"),
    ] {
        let error = bench.ask("POST /v2-beta/accounts", body.clone(), 422);
        assert_eq!(error["code"], code, "{body}");
    }
}

#[test]
fn who_is_switched_off_opens_nothing_and_who_is_removed_takes_its_keys_along() {
    let mut bench = Bench::new(0);
    let (id, own) = account(&mut bench, json!({ "name": "ann" }));
    bench.ask(SET, json!({ "members": [local(&id, "member")] }), 200);
    let key = json!({ "accountId": id });
    let key = bench.ask("POST /v2-beta/apikeys", key, 201)["id"].clone();
    let url = format!("/v2-beta/accounts/{id}");
    let stacks = |bench: &mut Bench, status: u16| {
        bench.grant = own.clone();
        bench.ask("GET ~/stacks", Value::Null, status);
        bench.grant = Grant::Admin;
    };
    stacks(&mut bench, 200);
    let off = bench.ask(&format!("POST {url}/?action=deactivate"), Value::Null, 202);
    assert_eq!(off["state"], "inactive");
    stacks(&mut bench, 404);
    bench.ask(&format!("POST {url}/?action=activate"), Value::Null, 202);
    stacks(&mut bench, 200);
    bench.ask(&format!("DELETE {url}"), Value::Null, 200);
    stacks(&mut bench, 404);
    let key = bench.get(&format!("/v2-beta/apikeys/{}", key.as_str().unwrap()));
    assert_eq!(key["state"], "removed");
    assert_eq!(bench.get("/v2-beta/projects/1a1/projectmembers")["data"], json!([]));
}

#[test]
fn the_last_administrator_with_a_key_stays() {
    let mut bench = Bench::new(0);
    let (id, _) = account(&mut bench, json!({ "kind": "admin" }));
    bench.ask("POST /v2-beta/apikeys", json!({ "accountId": id }), 201);
    let url = format!("/v2-beta/accounts/{id}");
    let error = bench.ask(&format!("POST {url}/?action=deactivate"), Value::Null, 422);
    insta::assert_snapshot!(error["message"].as_str().unwrap(), @"account 1a2 has the last key of an administrator that is active: make another first");
    bench.ask(&format!("DELETE {url}"), Value::Null, 422);
    let (other, _) = account(&mut bench, json!({ "kind": "admin" }));
    bench.ask("POST /v2-beta/apikeys", json!({ "accountId": other }), 201);
    bench.ask(&format!("DELETE {url}"), Value::Null, 200);
}

#[test]
fn members_are_set_all_at_once() {
    let mut bench = Bench::new(0);
    let (ann, _) = account(&mut bench, json!({ "name": "ann" }));
    let octocat =
        json!({ "externalIdType": "github_user", "externalId": "650430", "role": "owner" });
    let members = json!({ "members": [octocat, local(&ann, "readonly")], "links": null });
    let set = bench.ask(SET, members, 200);
    assert_eq!(set["resourceType"], "projectMember");
    assert_eq!(set["links"]["self"], "http://h/v2-beta/projects/1a1/projectMembers");
    let names = ["id", "name", "projectId", "role", "externalId", "externalIdType", "state"];
    let shown: Vec<_> = set["data"].as_array().unwrap().iter().map(|m| some(m, &names)).collect();
    insta::assert_json_snapshot!(shown, @r#"
    [
      {
        "id": "1pm3",
        "name": null,
        "projectId": "1a1",
        "role": "owner",
        "externalId": "650430",
        "externalIdType": "github_user",
        "state": "active"
      },
      {
        "id": "1pm4",
        "name": "ann",
        "projectId": "1a1",
        "role": "readonly",
        "externalId": "1a2",
        "externalIdType": "rancher_id",
        "state": "active"
      }
    ]
    "#);
    assert_eq!(bench.get("/v2-beta/projects/1a1")["members"].as_array().unwrap().len(), 2);
    // Who stays keeps its row, who is left out is out.
    let set = bench.ask(SET, json!({ "members": [local(&ann, "owner")] }), 200);
    assert_eq!(some(&set["data"][0], &["id", "role"]), json!({ "id": "1pm4", "role": "owner" }));
    assert_eq!(set["data"].as_array().unwrap().len(), 1);
    assert_eq!(bench.get("/v2-beta/projectmembers/1pm3")["state"], "removed");
    bench.ask(SET, json!({ "members": [local("1a77", "owner")] }), 422);
    bench.ask(SET, json!({ "members": [local(&ann, "boss")] }), 422);
    bench.ask(SET, json!({ "members": [{ "externalId": "1" }] }), 422);
    bench.ask(SET, json!({ "members": [] }), 200);
}

#[test]
fn who_is_known_elsewhere_counts_once_there_is_an_account() {
    let mut bench = Bench::new(0);
    let octocat = json!({ "externalIdType": "github_user", "externalId": "650430" });
    let mut owner = octocat.clone();
    owner["role"] = json!("owner");
    bench.ask(SET, json!({ "members": [owner] }), 200);
    let (_, other) = account(&mut bench, json!({ "name": "other" }));
    let (_, own) = account(&mut bench, octocat);
    bench.grant = other;
    bench.ask("GET ~/stacks", Value::Null, 404);
    assert_eq!(bench.get("/v2-beta/projects")["data"], json!([]));
    bench.grant = own;
    bench.ask("POST ~/stacks", json!({ "name": "mine" }), 201);
    bench.ask("PUT /v2-beta/projects/1a1", json!({ "description": "d" }), 200);
}

#[test]
fn members_are_made_changed_and_removed_one_by_one() {
    let mut bench = Bench::new(0);
    let (ann, _) = account(&mut bench, json!({ "name": "ann" }));
    bench.grant = Grant::Project(PROJECT);
    let made = bench.ask("POST ~/projectmembers", local(&ann, "member"), 201);
    bench.ask("POST /v2-beta/projectmembers", local(&ann, "owner"), 422);
    let url = format!("~/projectmembers/{}", made["id"].as_str().unwrap());
    assert_eq!(made["links"]["self"], "http://h/v2-beta/projectmembers/1pm3");
    assert_eq!(bench.ask(&format!("PUT {url}"), json!({ "role": "owner" }), 200)["role"], "owner");
    // The project's own key leaves it an owner, an administrator need not.
    let error = bench.ask(&format!("DELETE {url}"), Value::Null, 422);
    insta::assert_snapshot!(error["message"].as_str().unwrap(), @"nobody with an account here would own the project any more: make somebody an owner first");
    bench.ask(&format!("PUT {url}"), json!({ "role": "member" }), 422);
    bench.ask(SET, json!({ "members": [] }), 422);
    bench.grant = Grant::Admin;
    assert_eq!(bench.ask(&format!("DELETE {url}"), Value::Null, 200)["state"], "removed");
}

#[test]
fn who_makes_a_project_owns_it() {
    let mut bench = Bench::new(0);
    let (ann, own) = account(&mut bench, json!({ "name": "ann" }));
    let (eve, eves) = account(&mut bench, json!({ "name": "eve" }));
    bench.grant = own.clone();
    let made = bench.ask("POST /v2-beta/projects", json!({ "name": "mine" }), 201);
    let mine = [json!({ "type": "projectMember", "externalIdType": "rancher_id",
                        "externalId": ann, "role": "owner" })];
    assert_eq!(made["members"], json!(mine));
    let body = json!({ "name": "theirs", "members": [local(&eve, "readonly")] });
    let made = bench.ask("POST /v2-beta/projects", body, 201);
    assert_eq!(made["members"].as_array().unwrap().len(), 2);
    // Given away, it is gone, and whoever gave it hears so.
    let url = format!("/v2-beta/projects/{}", made["id"].as_str().unwrap());
    let set = json!({ "members": [local(&eve, "owner")] });
    bench.grant = eves;
    bench.ask(&format!("POST {url}/?action=setmembers"), set.clone(), 403);
    bench.grant = own;
    bench.request(&format!("POST {url}/?action=setmembers"), &set);
    bench.ask(&format!("GET {url}"), Value::Null, 404);
    // The key of a project makes none and ends none.
    bench.grant = Grant::Project(PROJECT);
    bench.ask("POST /v2-beta/projects", json!({ "name": "x" }), 403);
    bench.ask("DELETE /v2-beta/projects/1a1", Value::Null, 403);
}

#[test]
fn people_are_forgotten_with_their_projects() {
    let mut bench = Bench::new(0);
    let (ann, _) = account(&mut bench, json!({ "name": "ann" }));
    bench.ask(SET, json!({ "members": [local(&ann, "owner")] }), 200);
    bench.ask("DELETE /v2-beta/projects/1a1", Value::Null, 200);
    bench.ask(&format!("DELETE /v2-beta/accounts/{ann}"), Value::Null, 200);
    bench.now = bench.now + drover_api::KEPT_MS;
    let changes = drover_api::purge(&bench.world, bench.now);
    bench.commit(&changes).unwrap();
    assert!(bench.world.members.is_empty() && bench.world.accounts.is_empty());
    assert!(bench.world.projects.is_empty());
}
