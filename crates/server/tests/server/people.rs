//! Accounts over HTTP: keys and tokens, the headers about who asks, what is written down, and what is closed when a key
//! is switched off.

use axum::http::Method;
use drover_core::{Change, Grant, World};
use drover_server::{Timing, begin};
use drover_store::{Keep, Store};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite;

use crate::asks::asked;
use crate::cluster::{Cluster, Got, basic, soon};
use crate::fake_agent::open;
use crate::streams::{container, why_closed};

/// An account, and its key.
struct Person {
    id: String,
    key: String,
    key_id: String,
}

impl Person {
    fn auth(&self) -> String {
        basic(&self.key)
    }
}

async fn person(cluster: &Cluster, body: Value) -> Person {
    let made = cluster.post("/v2-beta/accounts", &body).await;
    assert_eq!(made.status, 201, "{}", made.json);
    let id = text(&made.json["id"]);
    let made = cluster.post("/v2-beta/apikeys", &json!({ "accountId": id })).await;
    assert_eq!(made.status, 201, "{}", made.json);
    let key = format!("{}:{}", text(&made.json["publicValue"]), text(&made.json["secretValue"]));
    Person { id, key, key_id: text(&made.json["id"]) }
}

async fn join(cluster: &Cluster, project: &str, person: &Person, role: &str) {
    let body = json!({ "projectId": project, "externalIdType": "rancher_id",
                       "externalId": person.id, "role": role });
    let made = cluster.post("/v2-beta/projectmembers", &body).await;
    assert_eq!(made.status, 201, "{}", made.json);
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

async fn get(cluster: &Cluster, path: &str, headers: &[(&str, &str)]) -> Got {
    cluster.send(Method::GET, path, headers, "").await
}

#[tokio::test]
async fn an_account_opens_what_it_is_a_member_of() {
    let cluster = Cluster::start().await;
    let other =
        text(&cluster.post("/v2-beta/projects", &json!({"name": "other"})).await.json["id"]);
    let ann = person(&cluster, json!({ "name": "ann" })).await;
    let auth = ann.auth();
    let auth = [("authorization", &*auth)];
    let own = "/v2-beta/projects/1a5/stacks";
    assert_eq!(get(&cluster, own, &auth).await.status, 404);
    assert_eq!(get(&cluster, "/v2-beta/stacks", &auth).await.json["data"], json!([]));
    join(&cluster, "1a5", &ann, "readonly").await;
    let got = get(&cluster, own, &auth).await;
    assert_eq!((got.status, got.headers["x-api-account-id"].to_str().unwrap()), (200, &*ann.id));
    let made = cluster.send(Method::POST, own, &auth, "{\"name\": \"x\"}").await;
    assert_eq!((made.status, &made.json["code"]), (403, &json!("Forbidden")), "{}", made.json);
    assert_eq!(
        get(&cluster, &format!("/v2-beta/projects/{other}/stacks"), &auth).await.status,
        404
    );
    // The catalog too is of the one project.
    assert_eq!(get(&cluster, "/v1/catalog/nodes", &auth).await.status, 200);
    join(&cluster, &other, &ann, "owner").await;
    assert_eq!(get(&cluster, "/v1/catalog/nodes", &auth).await.status, 403);
    let projects = get(&cluster, "/v2-beta/projects", &auth).await;
    assert_eq!(projects.json["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_header_selects_the_project() {
    let cluster = Cluster::start().await;
    let other =
        text(&cluster.post("/v2-beta/projects", &json!({"name": "other"})).await.json["id"]);
    let auth = basic(&cluster.admin);
    let with = |project: &'static str| [("x-api-project-id", project)];
    let ask = async |method: Method, headers: &[(&str, &str)]| {
        let headers = [headers, &[("authorization", &*auth)]].concat();
        cluster.send(method, "/v2-beta/stacks", &headers, "{\"name\": \"web\"}").await
    };
    assert_eq!(ask(Method::POST, &[]).await.status, 422, "there are two");
    let made = ask(Method::POST, &with("1a5")).await;
    assert_eq!((made.status, &made.json["accountId"]), (201, &json!("1a5")), "{}", made.json);
    let list = ask(Method::GET, &with("1a5")).await.json;
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    let list = ask(Method::GET, &[("x-api-project-id", &*other)]).await.json;
    assert_eq!(list["data"], json!([]));
    assert_eq!(ask(Method::GET, &with("1a999")).await.status, 404);
    assert_eq!(ask(Method::GET, &with("Default")).await.status, 404);
}

/// A key changed for a token: the token and both cookies.
async fn log_in(cluster: &Cluster, key: &str) -> (String, String) {
    let body = json!({ "code": key }).to_string();
    let got = cluster.send(Method::POST, "/v2-beta/token", &[], &body).await;
    assert_eq!((got.status, &got.json["type"]), (201, &json!("token")), "{}", got.json);
    let cookies = got.headers.get_all("set-cookie").iter().map(|c| c.to_str().unwrap());
    let cookies: Vec<&str> = cookies.collect();
    assert!(cookies[0].starts_with("token=") && cookies[0].contains("HttpOnly"), "{cookies:?}");
    assert!(cookies.iter().all(|cookie| cookie.contains("SameSite=Strict")), "{cookies:?}");
    let csrf = cookies[1].strip_prefix("CSRF=").unwrap().split(';').next().unwrap().to_owned();
    (text(&got.json["jwt"]), csrf)
}

#[tokio::test]
async fn a_token_opens_what_its_key_opens_for_as_long_as_that() {
    let cluster = Cluster::start().await;
    let ann = person(&cluster, json!({})).await;
    join(&cluster, "1a5", &ann, "member").await;
    let status = async |token: &str| {
        let bearer = format!("Bearer {token}");
        get(&cluster, "/v2-beta/projects/1a5/stacks", &[("authorization", &bearer)]).await.status
    };
    let (token, _) = log_in(&cluster, &ann.key).await;
    assert_eq!((status(&token).await, status("guess").await), (200, 401));
    let bearer = format!("Bearer {token}");
    let out = [("authorization", &*bearer)];
    let got = cluster.send(Method::DELETE, "/v2-beta/tokens/current", &out, "").await;
    assert_eq!((got.status, status(&token).await), (204, 401));
    let (token, _) = log_in(&cluster, &ann.key).await;
    let off = async |path: &str, action: &str| {
        let got = cluster.post(&format!("{path}/?action={action}"), &Value::Null).await;
        assert_eq!(got.status, 202, "{}", got.json);
    };
    let account = format!("/v2-beta/accounts/{}", ann.id);
    off(&account, "deactivate").await;
    assert_eq!(status(&token).await, 401);
    off(&account, "activate").await;
    assert_eq!(status(&token).await, 200);
    off(&format!("/v2-beta/apikeys/{}", ann.key_id), "deactivate").await;
    assert_eq!(status(&token).await, 401);
    for wrong in [json!({ "code": ann.key }), json!({ "code": "a:b" }), json!({ "code": "ab" })] {
        let got = cluster.send(Method::POST, "/v2-beta/token", &[], &wrong.to_string()).await;
        assert_eq!(got.status, 401, "{wrong}");
    }
    assert_eq!(cluster.send(Method::POST, "/v2-beta/token", &[], "{}").await.status, 422);
    assert_eq!(cluster.send(Method::DELETE, "/v2-beta/token", &[], "").await.status, 401);
}

#[tokio::test]
async fn a_cookie_writes_for_pages_of_this_server_only() {
    let cluster = Cluster::start().await;
    let (token, csrf) = log_in(&cluster, &cluster.admin).await;
    let cookie = format!("CSRF={csrf}; token={token}");
    let cookie = ("cookie", &*cookie);
    let stacks = "/v2-beta/projects/1a5/stacks";
    assert_eq!(get(&cluster, stacks, &[cookie]).await.status, 200);
    let write = async |headers: &[(&str, &str)]| {
        cluster.send(Method::POST, stacks, headers, "{\"name\": \"web\"}").await
    };
    for headers in [&[cookie][..], &[cookie, ("x-api-csrf", "guess")]] {
        let got = write(headers).await;
        assert_eq!((got.status, &got.json["code"]), (403, &json!("InvalidCSRFToken")));
    }
    // Not even by a form that says it is a read.
    let form = format!("{stacks}?_method=GET");
    assert_eq!(cluster.send(Method::POST, &form, &[cookie], "").await.status, 403);
    assert_eq!(write(&[cookie, ("x-api-csrf", &*csrf)]).await.status, 201);
    let socket = |origin: &'static str| {
        [cookie, ("origin", origin), ("upgrade", "websocket"), ("connection", "upgrade")]
    };
    let path = "/v2-beta/projects/1a5/subscribe";
    assert_eq!(get(&cluster, path, &socket("http://elsewhere.example")).await.status, 403);
}

#[tokio::test]
async fn what_was_done_is_written_down_without_secrets() {
    let cluster = Cluster::start().await;
    let ann = person(&cluster, json!({ "name": "ann" })).await;
    join(&cluster, "1a5", &ann, "owner").await;
    let eve = person(&cluster, json!({ "name": "eve" })).await;
    join(&cluster, "1a5", &eve, "restricted").await;
    let auth = eve.auth();
    let asked = [("authorization", &*auth), ("x-forwarded-for", "192.0.2.7")];
    let stacks = "/v2-beta/projects/1a5/stacks";
    let made = cluster.send(Method::POST, stacks, &asked, "{\"name\": \"web\"}").await;
    let id = text(&made.json["id"]);
    let off = format!("{stacks}/{id}/?action=deactivateservices");
    cluster.send(Method::POST, &off, &asked, "").await;
    let registries = "/v2-beta/projects/1a5/registries";
    let registry = "{\"serverAddress\": \"hunter2.example\"}";
    assert_eq!(cluster.send(Method::POST, registries, &asked, registry).await.status, 403);
    get(&cluster, stacks, &asked).await;
    // She owns the project, he does not.
    let (owner, own) = (ann.auth(), eve.auth());
    let read = async |path: &str, auth: &str| get(&cluster, path, &[("authorization", auth)]).await;
    let scoped = "/v2-beta/projects/1a5/auditlogs?sort=id&order=desc&limit=3";
    let log = read(scoped, &owner).await;
    let names = ["eventType", "resourceId", "responseCode", "authenticatedAsAccountId", "authType"];
    let shown = |row: &Value| names.map(|name| row[name].clone());
    let rows = log.json["data"].as_array().unwrap();
    let rows: Vec<_> = rows.iter().map(shown).collect();
    let by = |event: &str, id: Value, code: u16| {
        [json!(event), id, json!(code), json!(eve.id), json!("BasicAuth")]
    };
    let want = [
        by("api.registry.create", Value::Null, 403),
        by("api.stack.deactivateservices", json!(id), 200),
        by("api.stack.create", json!(id), 201),
    ];
    let status = rows.get(1).map(|row| row[2].clone());
    assert!([Some(json!(200)), Some(json!(202))].contains(&status));
    assert_eq!((&rows[0], &rows[1][..2], &rows[2]), (&want[0], &want[1][..2], &want[2]));
    assert_eq!(log.json["data"][0]["clientIp"], "127.0.0.1 for 192.0.2.7");
    assert_eq!(read(scoped, &own).await.status, 404);
    let mine = read("/v2-beta/auditlogs", &own).await.json;
    assert!(mine["data"].as_array().unwrap().iter().all(|row| row["accountId"] == eve.id.as_str()));
    let filtered = format!("/v2-beta/auditlogs?resourceId={id}&eventType=api.stack.create");
    assert_eq!(cluster.get(&filtered).await.json["data"].as_array().unwrap().len(), 1);
    let all = cluster.get("/v2-beta/auditlogs?limit=-1").await;
    let secret = eve.key.split_once(':').unwrap().1;
    let whole = all.json.to_string();
    assert!(whole.contains("api.account.create") && whole.contains("api.apiKey.create"));
    assert!(!whole.contains(secret) && !whole.contains("hunter2"));
}

#[tokio::test]
async fn secrets_are_stored_as_hashes() {
    let cluster = Cluster::start().await;
    let ann = person(&cluster, json!({})).await;
    let made = cluster
        .post("/v2-beta/projects/1a5/registrationtokens", &json!({ "reusable": false }))
        .await;
    let (token, _) = log_in(&cluster, &ann.key).await;
    let rows = cluster.store.world().all_rows();
    let stored: String = rows.iter().filter_map(|row| row.body.clone()).collect();
    let log = format!("{:?}", cluster.store.log(None, 1000).await.unwrap());
    let secret = |pair: &str| pair.split_once(':').unwrap().1.to_owned();
    let registration = text(&made.json["token"]);
    for secret in [secret(&cluster.admin), secret(&ann.key), secret(&registration), token] {
        assert!(secret.len() == 40 && !stored.contains(&secret) && !log.contains(&secret));
    }
}

#[tokio::test]
async fn without_a_key_no_type_answers_to_anything() {
    let cluster = Cluster::start().await;
    let schemas = cluster.get("/v2-beta/projects/1a5/schemas").await.json;
    let mut asked = 0;
    for schema in schemas["data"].as_array().unwrap() {
        let listed = schema["collectionMethods"].as_array().is_some_and(|all| !all.is_empty());
        if !listed {
            continue;
        }
        let plural = text(&schema["pluralName"]).to_lowercase();
        let actions = schema["resourceActions"].as_object().unwrap().keys();
        let actions = actions.map(|name| ("POST", format!("{plural}/1a5/?action={name}")));
        let own = |method: &'static str| (method, format!("{plural}/1a5"));
        let all = [("GET", plural.clone()), ("POST", plural.clone())];
        for (method, path) in
            all.into_iter().chain([own("GET"), own("PUT"), own("DELETE")]).chain(actions)
        {
            for prefix in ["/v2-beta", "/v2-beta/projects/1a5", "/v1"] {
                let path = format!("{prefix}/{path}");
                let method = method.parse().unwrap();
                let got = cluster.send(method, &path, &[], "{}").await;
                assert_eq!(got.status, 401, "{path}");
                asked += 1;
            }
        }
    }
    assert!(asked > 500, "{asked}");
}

#[tokio::test]
async fn who_subscribed_hears_of_its_projects_until_its_key_is_switched_off() {
    let cluster = Cluster::start().await;
    let other =
        text(&cluster.post("/v2-beta/projects", &json!({"name": "other"})).await.json["id"]);
    let ann = person(&cluster, json!({})).await;
    join(&cluster, &other, &ann, "readonly").await;
    let foreign = open(&cluster, "/v2-beta/projects/1a5/subscribe", Some(&ann.key)).await;
    assert!(foreign.is_err());
    let path = format!("/v2-beta/projects/{other}/subscribe");
    let mut heard = open(&cluster, &path, Some(&ann.key)).await.unwrap();
    let stack = async |project: &str, name: &str| {
        let path = format!("/v2-beta/projects/{project}/stacks");
        assert_eq!(cluster.post(&path, &json!({ "name": name })).await.status, 201);
    };
    stack("1a5", "theirs").await;
    stack(&other, "ours").await;
    let told = soon(async {
        loop {
            let frame = next(&mut heard).await.unwrap();
            if let Some(name) = frame["data"]["resource"]["name"].as_str() {
                return name.to_owned();
            }
        }
    });
    assert_eq!(told.await, "ours");
    let key = format!("/v2-beta/apikeys/{}/?action=deactivate", ann.key_id);
    assert_eq!(cluster.post(&key, &Value::Null).await.status, 202);
    soon(async { while next(&mut heard).await.is_some() {} }).await;
}

/// The next text frame; `None` once it is closed.
async fn next(socket: &mut crate::fake_agent::Socket) -> Option<Value> {
    loop {
        match socket.next().await {
            Some(Ok(frame)) if frame.is_text() => {
                return serde_json::from_str(frame.to_text().unwrap()).ok();
            }
            Some(Ok(frame)) if frame.is_close() => return None,
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return None,
        }
    }
}

/// A store from before there were accounts: its administrators' keys are no account's.
#[tokio::test]
async fn keys_from_before_there_were_accounts_go_on_working() {
    let store = Store::memory_keeping(Keep::default());
    let mut admin = String::new();
    begin(&store, |key| admin = format!("{}:{}", key.access, key.secret.reveal())).await.unwrap();
    let world = store.world();
    let old = world.credentials.values().map(|key| {
        let grants = Grant::Admin;
        Change::PutCredential(drover_core::Credential { grants, ..(**key).clone() })
    });
    let gone = world.accounts.keys().map(|id| Change::DropAccount(*id));
    let changes = old.chain(gone).collect();
    store.commit(None, "test", drover_core::Time(1), changes).await.unwrap();
    let text = r#"{"id":6,"grants":"admin","public":"K","secret_sha256":"0","active":true,"created_at":1}"#;
    let read: drover_core::Credential = serde_json::from_str(text).unwrap();
    assert_eq!(read.grants, Grant::Admin);
    begin(&store, |_| panic!("there is a key already")).await.unwrap();
    let grants = |world: &World| world.credentials.values().next().unwrap().grants.clone();
    let account = *store.world().accounts.keys().next().unwrap();
    assert_eq!(grants(&store.world()), Grant::Account(account));
    begin(&store, |_| panic!("once is enough")).await.unwrap();
    assert_eq!(store.world().accounts.len(), 1);
    let cluster = Cluster::on(store, admin, Timing::default()).await;
    let got = cluster.get("/v2-beta/accounts").await;
    assert_eq!((got.status, &got.json["data"][0]["kind"]), (200, &json!("admin")));
    assert_eq!(cluster.get("/v2-beta/projects/1a5/stacks").await.status, 200);
}

#[tokio::test]
async fn requests_are_bounded() {
    let cluster = Cluster::start().await;
    let names: Vec<String> = (0..300).map(|n| format!("x-h{n}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
    assert_eq!(get(&cluster, "/ping", &many).await.status, 431);
    let long = "x".repeat(2 << 20);
    assert!(matches!(get(&cluster, "/ping", &[("x-long", &long)]).await.status, 431));
    let members: Vec<Value> = (0..1001)
        .map(|n| json!({ "externalIdType": "github_user", "externalId": n, "role": "member" }))
        .collect();
    let set = "/v2-beta/projects/1a5/?action=setmembers";
    let got = cluster.post(set, &json!({ "members": members })).await;
    assert_eq!((got.status, &got.json["code"]), (422, &json!("MaxLengthExceeded")));
}

#[tokio::test]
async fn a_stream_and_its_token_end_with_the_role() {
    let cluster = Cluster::start().await;
    let (mut agent, path) = container(&cluster).await;
    let ann = person(&cluster, json!({ "name": "ann" })).await;
    let role = |role: &str| json!({ "members": [{ "externalIdType": "rancher_id", "externalId": ann.id, "role": role }] });
    let set = async |body: Value| {
        let got = cluster.post("/v2-beta/projects/1a5/?action=setmembers", &body).await;
        assert_eq!(got.status, 200, "{}", got.json);
    };
    set(role("owner")).await;
    let auth = ann.auth();
    let granted = async |action: &str| {
        let body = json!({ "command": ["sh"] }).to_string();
        let path = format!("{path}/?action={action}");
        let got = cluster.send(Method::POST, &path, &[("authorization", &*auth)], &body).await;
        let url = text(&got.json["url"]);
        let path = url.strip_prefix(&format!("ws://{}", cluster.address)).expect("a stream");
        format!("{path}?token={}", text(&got.json["token"]))
    };
    let mut users = Vec::new();
    for action in ["logs", "execute"] {
        users.push(open(&cluster, &granted(action).await, None).await.unwrap());
        asked(&mut agent).await;
    }
    let unused = granted("execute").await;
    // Another's role is no reason.
    let still = granted("logs").await;
    let bob = person(&cluster, json!({ "name": "bob" })).await;
    join(&cluster, "1a5", &bob, "member").await;
    users.push(open(&cluster, &still, None).await.unwrap());
    asked(&mut agent).await;

    set(role("readonly")).await;
    let refused = open(&cluster, &unused, None).await;
    let is_denied = matches!(&refused, Err(tungstenite::Error::Http(r)) if r.status() == 401);
    assert!(is_denied, "{refused:?}");
    for (number, user) in users.iter_mut().enumerate() {
        let why = why_closed(user).await;
        assert!(why.contains("the role in the project"), "{number}: {why}");
    }
}
