//! The catalog as Consul's clients read it.

use axum::http::Method;
use serde_json::{Value, json};

use crate::cluster::{Cluster, Got, basic, soon};
use crate::fake_agent::FakeAgent;

fn index(got: &Got) -> String {
    got.headers["x-consul-index"].to_str().unwrap().to_owned()
}

/// A service with a published port, running on one host.
async fn publish(cluster: &Cluster) -> (FakeAgent, Value) {
    let mut agent = FakeAgent::join(cluster, "m1").await;
    let stack = cluster.post("/v2-beta/projects/1a5/stacks", &json!({"name": "shop"})).await.json;
    let service = json!({
        "name": "web", "stackId": stack["id"], "scale": 1, "startOnCreate": true,
        "launchConfig": {
            "imageUuid": "docker:nginx:1", "ports": ["8080:80/tcp"],
            "environment": {"SERVICE_TAGS": "blue,v1", "SERVICE_REGION": "eu"},
        },
    });
    let made = cluster.post("/v2-beta/projects/1a5/services", &service).await;
    assert_eq!(made.status, 201, "{}", made.json);
    let assignment = agent.assigned(|a| a.units.len() == 1).await;
    agent.run_all(&assignment).await;
    cluster.until(|world| world.services.values().next()?.settled).await;
    (agent, made.json)
}

#[tokio::test]
async fn a_service_is_found_at_its_host() {
    let cluster = Cluster::start().await;
    let _agent = publish(&cluster).await;
    let services = cluster.get("/v1/catalog/services").await;
    assert_eq!(services.json, json!({ "web": ["blue", "v1"] }));
    let found = cluster.get("/v1/health/service/web?passing&tag=blue").await.json;
    let one = &found[0];
    assert_eq!(one["Service"]["Address"], "10.0.0.1", "{found}");
    assert_eq!(one["Service"]["Port"], 8080);
    assert_eq!(one["Service"]["Meta"]["region"], "eu");
    assert_eq!(one["Node"]["Node"], "m1.example");
    assert_eq!(one["Checks"][1]["Status"], "passing");
    assert_eq!(cluster.get("/v1/health/service/web?tag=green").await.json, json!([]));
    assert_eq!(cluster.get("/v1/catalog/service/web").await.json[0]["ServicePort"], 8080);
    let node = cluster.get("/v1/catalog/node/m1.example").await.json;
    assert_eq!(node["Services"].as_object().unwrap().len(), 1, "{node}");
    assert_eq!(cluster.get("/v1/catalog/nodes").await.json[0]["Address"], "10.0.0.1");
    assert_eq!(cluster.get("/v1/catalog/datacenters").await.json, json!(["dc1"]));
    assert_eq!(cluster.get("/v1/health/state/critical").await.json, json!([]));
    assert_eq!(cluster.get("/v1/agent/self").await.json["Config"]["Datacenter"], "dc1");
    assert!(cluster.get("/v1/status/leader").await.json.is_string());
}

#[tokio::test]
async fn a_key_is_needed_in_any_of_its_places() {
    let cluster = Cluster::start().await;
    let path = "/v1/catalog/services";
    let (access, secret) = cluster.admin.split_once(':').unwrap();
    for (header, value, status) in [
        ("x-consul-token", format!("{access}:{secret}"), 200),
        ("authorization", format!("Bearer {access}:{secret}"), 200),
        ("x-consul-token", format!("{access}:guess"), 403),
        ("x-consul-token", "guess".to_owned(), 403),
        ("authorization", format!("Bearer {access}:guess"), 403),
        ("authorization", basic("guess:guess"), 401),
        ("x-consul-token", String::new(), 401),
        ("x-other", "nothing".to_owned(), 401),
    ] {
        let got = cluster.send(Method::GET, path, &[(header, &value)], "").await;
        assert_eq!(got.status, status, "{header}: {value}");
    }
    // A client that has no token sends an empty one beside its user name and password.
    let both = [("x-consul-token", ""), ("authorization", &basic(&cluster.admin))];
    assert_eq!(cluster.send(Method::GET, path, &both, "").await.status, 200);
    let put = cluster.admin(Method::PUT, path, "{}").await;
    assert_eq!(put.status, 405);
}

/// What consul-template and Prometheus ask, as they write it.
#[tokio::test]
async fn requests_as_real_clients_write_them() {
    let cluster = Cluster::start().await;
    let _agent = publish(&cluster).await;
    let ask = async |path: &str| {
        let got = cluster.get(path).await;
        assert_eq!(got.status, 200, "{path}: {}", got.json);
        let kind = got.headers["content-type"].to_str().unwrap();
        assert!(kind.starts_with("application/json"), "{path}: {kind}");
        assert_eq!(got.headers["x-consul-knownleader"], "true", "{path}");
        assert!(index(&got).parse::<u64>().unwrap() > 0, "{path}: 0 is who has seen nothing");
        got.json
    };
    let template = "stale=&wait=60000ms";
    let one = ask(&format!("/v1/health/service/web?passing=1&{template}")).await;
    assert_eq!(one[0]["Service"]["Service"], "web");
    assert_eq!(one[0]["Checks"][0]["CheckID"], "serfHealth");
    let tagged = ask(&format!("/v1/health/service/web?passing=1&tag=v1&{template}")).await;
    assert_eq!(tagged, one);
    assert!(ask(&format!("/v1/catalog/services?{template}")).await["web"].is_array());
    let service = ask(&format!("/v1/catalog/service/web?tag=blue&near=_agent&{template}")).await;
    assert_eq!(service[0]["ServiceName"], "web");
    assert_eq!(ask(&format!("/v1/catalog/nodes?{template}")).await[0]["Node"], "m1.example");
    let node = ask(&format!("/v1/catalog/node/m1.example?{template}")).await;
    assert_eq!(node["Node"]["Address"], "10.0.0.1");
    assert_eq!(ask("/v1/catalog/datacenters").await, json!(["dc1"]));
    assert_eq!(ask("/v1/catalog/node/nobody").await, Value::Null);

    let prometheus = "dc=dc1&stale=&wait=120000ms";
    assert!(ask(&format!("/v1/catalog/services?{prometheus}")).await["web"].is_array());
    let path = format!("/v1/health/service/web?{prometheus}&tag=blue&tag=v1");
    assert_eq!(ask(&path).await, one);
    let elsewhere = format!("/v1/health/service/web?{prometheus}&node-meta=rack:r1");
    assert_eq!(ask(&elsewhere).await, json!([]));
    assert_eq!(ask("/v1/health/checks/web?ns=default").await[0]["Status"], "passing");
    assert_eq!(ask("/v1/health/node/m1.example").await.as_array().unwrap().len(), 2);
    // They never change, so nobody waits for them.
    for path in ["catalog/datacenters", "agent/self", "status/leader"] {
        let seen = index(&cluster.get("/v1/catalog/services").await);
        soon(ask(&format!("/v1/{path}?index={seen}&wait=10m"))).await;
    }
}

/// Clients ask on with the index they were given: a query that is answered though nothing changed would go round
/// and round.
#[tokio::test]
async fn what_others_do_wakes_no_query() {
    let cluster = Cluster::start().await;
    let (mut agent, web) = publish(&cluster).await;
    let before = index(&cluster.get("/v1/health/service/web").await);
    let other = json!({
        "name": "other", "stackId": web["stackId"], "scale": 1, "startOnCreate": true,
        "launchConfig": { "imageUuid": "docker:nginx:1", "ports": ["8081:80/tcp"] },
    });
    let path = format!("/v1/health/service/web?index={before}&wait=60s");
    let waiting = cluster.get(&path);
    let made = async {
        let named = format!("/v1/catalog/services?index={before}&wait=60s");
        let (named, made) = tokio::join!(
            cluster.get(&named),
            cluster.post("/v2-beta/projects/1a5/services", &other)
        );
        assert_eq!(made.status, 201, "{}", made.json);
        assert_eq!(named.json.as_object().unwrap().len(), 2, "{}", named.json);
        let assignment = agent.assigned(|a| a.units.len() == 2).await;
        agent.run_all(&assignment).await;
        cluster
            .until(|world| world.services.values().all(|s| s.settled.is_some()).then_some(()))
            .await;
    };
    tokio::select! {
        got = waiting => panic!("it was woken: {}", got.json),
        () = soon(made) => {}
    }
    // One that asks with an older index hears at once, and the newest index with it.
    let now = cluster.get(&format!("/v1/health/service/web?index={before}&wait=10m")).await;
    assert_ne!(index(&now), before);
    let again = format!("/v1/health/service/web?index={}&wait=1ms", index(&now));
    assert_eq!(index(&cluster.get(&again).await), index(&now));
}

#[tokio::test]
async fn a_query_waits_until_its_answer_differs() {
    let cluster = Cluster::start().await;
    let (_agent, service) = publish(&cluster).await;
    let now = cluster.get("/v1/health/service/web?passing").await;
    let before = index(&now);
    // Nothing changes: the same again, once its time is over.
    let same =
        cluster.get(&format!("/v1/health/service/web?passing&index={before}&wait=1ms")).await;
    assert_eq!((index(&same), same.json), (before.clone(), now.json));

    let path = format!("/v1/health/service/web?passing&index={before}&wait=60s");
    let waiting = cluster.get(&path);
    let stop = async {
        let path = format!(
            "/v2-beta/projects/1a5/services/{}?action=deactivate",
            service["id"].as_str().unwrap()
        );
        assert_eq!(cluster.post(&path, &json!({})).await.status, 202);
    };
    let (after, ()) = soon(async { tokio::join!(waiting, stop) }).await;
    assert_eq!(after.json, json!([]), "one that is withdrawn is not passing");
    assert_ne!(index(&after), before);
}

#[tokio::test]
async fn what_it_cannot_do_is_refused() {
    let cluster = Cluster::start().await;
    for query in ["filter=x", "dc=eu", "ns=a", "peer=b", "index=x", "index=1&wait=soon"] {
        let got = cluster.get(&format!("/v1/catalog/services?{query}")).await;
        assert_eq!(got.status, 422, "{query}: {}", got.json);
    }
}
