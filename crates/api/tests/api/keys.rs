//! API keys and registration tokens: made, shown once, switched, removed.

use drover_core::{Change, Credential, CredentialId, Grant};
use serde_json::{Value, json};

use crate::bench::{Bench, PROJECT, SECRET, some};

#[test]
fn a_key_shows_its_secret_once() {
    let mut bench = Bench::new(0);
    let made = bench.ask("POST ~/apikeys", json!({ "name": "ci" }), 201);
    assert_eq!(made["secretValue"], SECRET);
    let url = format!("~/apikeys/{}", made["id"].as_str().unwrap());
    let mut shown = bench.get(&url);
    shown["links"].take();
    shown["actions"].take();
    insta::assert_json_snapshot!(shown, @r#"
    {
      "id": "1c2",
      "type": "apiKey",
      "baseType": "credential",
      "kind": "apiKey",
      "name": "ci",
      "description": null,
      "state": "active",
      "transitioning": "no",
      "transitioningMessage": null,
      "transitioningProgress": null,
      "healthState": null,
      "uuid": "4fa7f7b2-854d-8a40-b527-9369a205ce77",
      "accountId": "1a1",
      "created": "2023-11-14T22:13:20Z",
      "createdTS": 1700000000000,
      "removed": null,
      "removedTS": null,
      "removeTime": null,
      "removeTimeTS": null,
      "publicValue": "P2",
      "secretValue": null,
      "links": null,
      "actions": null
    }
    "#);
    let held = bench.world.credentials.values().next().unwrap();
    assert_eq!(held.grants, Grant::Project(PROJECT));
    // SHA-256 of the secret, which the server compares with.
    insta::assert_snapshot!(held.secret_sha256, @"3120dce9cbfd4d8462243f6131be664e7d7f895ffa2fb98f5a769559e2fff43b");
}

#[test]
fn who_asks_and_where_decides_what_a_key_opens() {
    let check = |grant: Grant, url: &str, body: Value, want: Grant| {
        let mut bench = Bench::new(0);
        bench.grant = grant;
        bench.ask(&format!("POST {url}/apikeys"), body, 201);
        assert_eq!(bench.world.credentials.values().next().unwrap().grants, want, "{url}");
    };
    let own = Grant::Project(PROJECT);
    check(Grant::Admin, "/v2-beta", json!({}), Grant::Admin);
    check(Grant::Admin, "/v2-beta", json!({ "accountId": "1a1" }), own.clone());
    check(Grant::Admin, "~", json!({}), own.clone());
    check(own.clone(), "/v2-beta", json!({}), own.clone());
    let mut bench = Bench::new(0);
    let error = bench.ask("POST /v2-beta/apikeys", json!({ "accountId": "1a9" }), 422);
    assert_eq!(error["message"], "there is no project 1a9");
}

#[test]
fn the_last_key_for_all_projects_stays() {
    let mut bench = Bench::new(0);
    let first = bench.ask("POST /v2-beta/apikeys", json!({}), 201)["id"].clone();
    let first = format!("/v2-beta/apikeys/{}", first.as_str().unwrap());
    let error = bench.ask(&format!("DELETE {first}"), Value::Null, 422);
    insta::assert_snapshot!(error["message"].as_str().unwrap(), @"P2 is the last key of an administrator that is active: make another first");
    bench.ask(&format!("POST {first}/?action=deactivate"), Value::Null, 422);
    bench.ask("POST /v2-beta/apikeys", json!({}), 201);
    let off = bench.ask(&format!("POST {first}/?action=deactivate"), Value::Null, 202);
    assert_eq!(off["state"], "inactive");
    assert_eq!(bench.ask(&format!("DELETE {first}"), Value::Null, 200)["state"], "removed");
    assert_eq!(bench.get(&first)["state"], "removed");
}

#[test]
fn keys_for_all_projects_are_not_shown_inside_one() {
    let mut bench = Bench::new(0);
    let id = bench.ask("POST /v2-beta/apikeys", json!({}), 201)["id"].clone();
    assert_eq!(bench.get("~/apikeys")["data"], json!([]));
    bench.grant = Grant::Project(PROJECT);
    bench.ask(&format!("GET /v2-beta/apikeys/{}", id.as_str().unwrap()), Value::Null, 404);
}

#[test]
fn a_token_comes_with_a_command_that_can_be_pasted() {
    let mut bench = Bench::new(0);
    let made =
        bench.ask("POST ~/registrationtokens", json!({ "name": "hosts", "reusable": false }), 201);
    let names = ["token", "registrationUrl", "command", "agentCommand"];
    insta::assert_json_snapshot!(some(&made, &names), @r#"
    {
      "token": "P2:s3cret-of-the-request",
      "registrationUrl": "http://h/v1/scripts/P2:s3cret-of-the-request",
      "command": "sudo docker run -d --name drover-agent --restart=always --privileged --net=host --pid=host -v /var/run/docker.sock:/var/run/docker.sock -v /var/lib/drover:/var/lib/drover drover agent --server http://h --token P2:s3cret-of-the-request",
      "agentCommand": "sudo drover agent --server http://h --token P2:s3cret-of-the-request"
    }
    "#);
    let url = format!("~/registrationtokens/{}", made["id"].as_str().unwrap());
    let mut shown = bench.get(&url);
    shown["links"].take();
    shown["actions"].take();
    insta::assert_json_snapshot!(shown, @r#"
    {
      "id": "1c2",
      "type": "registrationToken",
      "baseType": "credential",
      "kind": "registrationToken",
      "name": "hosts",
      "description": null,
      "state": "active",
      "transitioning": "no",
      "transitioningMessage": null,
      "transitioningProgress": null,
      "healthState": null,
      "uuid": "4fa7f7b2-854d-8a40-b527-9369a205ce77",
      "accountId": "1a1",
      "created": "2023-11-14T22:13:20Z",
      "createdTS": 1700000000000,
      "removed": null,
      "removedTS": null,
      "removeTime": null,
      "removeTimeTS": null,
      "publicValue": "P2",
      "secretValue": null,
      "reusable": false,
      "hostId": null,
      "image": "drover",
      "windowsCommand": "",
      "registrationUrl": "http://h/v1/scripts/TOKEN-SHOWN-ONCE-WHEN-MADE",
      "command": "sudo docker run -d --name drover-agent --restart=always --privileged --net=host --pid=host -v /var/run/docker.sock:/var/run/docker.sock -v /var/lib/drover:/var/lib/drover drover agent --server http://h --token TOKEN-SHOWN-ONCE-WHEN-MADE",
      "agentCommand": "sudo drover agent --server http://h --token TOKEN-SHOWN-ONCE-WHEN-MADE",
      "token": null,
      "links": null,
      "actions": null
    }
    "#);
    // Terraform puts options after the third word.
    for command in [&made["command"], &shown["command"]] {
        assert!(command.as_str().unwrap().starts_with("sudo docker run "));
    }
}

#[test]
fn a_token_is_used_once_unless_made_reusable() {
    let mut bench = Bench::new(1);
    let host = *bench.world.hosts.keys().next().unwrap();
    bench.ask("POST ~/registrationtokens", json!({ "reusable": true }), 201);
    let shown = bench.one("~/registrationtokens");
    assert_eq!(some(&shown, &["reusable", "hostId"]), json!({ "reusable": true, "hostId": null }));
    let held: &Credential = bench.world.credentials.values().next().unwrap();
    let used_by = Some(host);
    let grants = Grant::Registration { project: PROJECT, used_by, reusable: false };
    let used = Credential { grants, ..held.clone() };
    bench.commit(&[Change::PutCredential(used)]).unwrap();
    assert_eq!(bench.one("~/registrationtokens")["hostId"], format!("1h{host}"));
    let url = format!("~/registrationtokens/{}", shown["id"].as_str().unwrap());
    let off = bench.ask(&format!("POST {url}/?action=deactivate"), Value::Null, 202);
    assert_eq!(off["state"], "inactive");
    assert_eq!(
        bench.ask(&format!("POST {url}/?action=remove"), Value::Null, 202)["state"],
        "removed"
    );
    bench.ask(&format!("PUT {url}"), json!({}), 405);
}

#[test]
fn a_token_for_many_hosts_can_be_read_again_by_who_sees_the_project() {
    let mut bench = Bench::new(0);
    let made = bench.ask("POST ~/registrationtokens", json!({ "name": "tok" }), 201);
    let path = format!("registrationtokens/{}", made["id"].as_str().unwrap());
    let names = ["token", "registrationUrl", "command", "image", "agentCommand", "reusable"];
    let token = "P2:s3cret-of-the-request";
    assert_eq!((&made["token"], &made["reusable"]), (&json!(token), &json!(true)));
    for grant in [Grant::Admin, Grant::Project(PROJECT)] {
        bench.grant = grant;
        let read = bench.get(&format!("~/{path}"));
        assert_eq!(some(&read, &names), some(&made, &names));
        assert_eq!(read["links"]["registrationUrl"], format!("http://h/v1/scripts/{token}"));
        assert_eq!(bench.one("~/registrationtokens?name=tok")["token"], token);
    }
    // Terraform puts options after the third word, and this is still a command.
    let words: Vec<&str> = made["command"].as_str().unwrap().splitn(4, ' ').collect();
    assert_eq!(words[..3], ["sudo", "docker", "run"]);
    assert!(
        words[3].starts_with("-d ")
            && words[3].ends_with(&format!("drover agent --server http://h --token {token}"))
    );
    bench.grant = Grant::Project(drover_core::ProjectId(99));
    bench.ask(&format!("GET /v2-beta/{path}"), Value::Null, 404);
    bench.grant = Grant::Admin;
    // Switched off it can be read; removed it is forgotten.
    bench.ask(&format!("POST ~/{path}/?action=deactivate"), Value::Null, 202);
    assert_eq!(bench.get(&format!("~/{path}"))["token"], token);
    bench.ask(&format!("POST ~/{path}/?action=activate"), Value::Null, 202);
    let gone = bench.ask(&format!("POST ~/{path}/?action=remove"), Value::Null, 202);
    assert_eq!((&gone["state"], &gone["token"]), (&json!("removed"), &Value::Null));
    assert!(!format!("{:?}", bench.world.credentials).contains("s3cret"));
    assert!(bench.world.credentials.values().all(|held| held.readable.is_none()));
}

#[test]
fn ids_of_one_kind_of_credential_are_not_found_under_another() {
    let mut bench = Bench::new(0);
    let key = bench.ask("POST ~/apikeys", json!({}), 201)["id"].clone();
    let key = key.as_str().unwrap();
    bench.ask(&format!("GET ~/registrationtokens/{key}"), Value::Null, 404);
    bench.ask(&format!("GET ~/registrycredentials/{key}"), Value::Null, 404);
    assert!(bench.world.credentials.contains_key(&CredentialId(key[2..].parse().unwrap())));
}
