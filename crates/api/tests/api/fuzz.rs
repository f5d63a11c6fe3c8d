//! Any body, any query, on any route: no panic, no status from 500 up, no broken invariant, and the planner can
//! live with what was committed.
//!
//! Names are drawn from the schemas themselves, so that new fields and actions are tried without another word here.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Number, Value, json};

use crate::bench::Bench;

/// What requests are made of.
#[derive(Clone, Debug)]
struct Words {
    plurals: Vec<String>,
    actions: Vec<String>,
    fields: Vec<String>,
}

/// One request, before it is known which ids there are.
#[derive(Clone, Debug)]
struct Try {
    method: &'static str,
    plural: String,
    id: Index,
    tail: Option<String>,
    query: Vec<(String, String)>,
    body: Value,
}

fn words() -> Words {
    let list = Bench::new(0).get("~/schemas");
    let schemas = list["data"].as_array().unwrap().clone();
    let keys = |value: &Value| -> Vec<String> {
        value.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    };
    let mut words = Words { plurals: vec![], actions: vec![], fields: vec![] };
    for schema in &schemas {
        if schema["collectionMethods"] != json!([]) {
            words.plurals.push(schema["pluralName"].as_str().unwrap().to_owned());
        }
        words.actions.extend(keys(&schema["resourceActions"]));
        words.fields.extend(keys(&schema["resourceFields"]));
    }
    for list in [&mut words.actions, &mut words.fields] {
        list.sort();
        list.dedup();
    }
    words
}

/// Texts that mean something somewhere, and some that don't.
fn text() -> impl Strategy<Value = String> {
    let known = select(vec![
        "1a1",
        "1st5",
        "1s6",
        "1s7",
        "1s8",
        "1h2",
        "app",
        "docker:nginx:2",
        "docker:rancher/none",
        "80",
        "8080:80/tcp",
        "53:53/udp",
        "true",
        "2",
        "-1",
        "1e9",
        "m2",
        "asc",
        "id",
        "data:/data",
        "",
        "/",
        "container",
        "managed",
        "host",
        "http",
        "recreate",
        "io.rancher.scheduler.global",
        "10.0.0.1",
    ]);
    prop_oneof![3 => known.prop_map(str::to_owned), 1 => any::<String>()]
}

fn value(fields: Vec<String>) -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        (-2_i64..4).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|n| Number::from_f64(n).map_or(Value::Null, Value::Number)),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, move |inner| {
        let key = prop_oneof![8 => select(fields.clone()), 1 => text()];
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((key, inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Bodies near what clients send, with anything put into a few of their members.
fn body(fields: Vec<String>) -> impl Strategy<Value = Value> {
    let launch = json!({ "imageUuid": "docker:nginx:2", "ports": ["80/tcp"], "labels": {} });
    let whole = json!({
        "name": "new", "stackId": "1st5", "scale": 2, "launchConfig": launch, "metadata": {},
        "inServiceStrategy": { "launchConfig": launch, "startFirst": true },
        "serviceLinks": [{ "serviceId": "1s7" }], "serviceLink": { "serviceId": "1s7" },
        "lbConfig": { "portRules": [{ "sourcePort": 80, "serviceId": "1s6", "targetPort": 80 }] },
    });
    let edit = (select(fields.clone()), value(fields.clone()), any::<bool>());
    let near = vec(edit, 0..4).prop_map(move |edits| {
        let mut body = whole.clone();
        for (name, value, inside) in edits {
            let place = if inside { &mut body["launchConfig"] } else { &mut body };
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            place[name] = value;
        }
        body
    });
    prop_oneof![2 => near, 1 => value(fields)]
}

fn request(words: &Words) -> impl Strategy<Value = Try> + use<> {
    let fields = words.fields.clone();
    let modifier = select(vec!["", "_ne", "_null", "_notnull", "_like", "_prefix", "_gt", "_lte"]);
    let parameter = prop_oneof![
        3 => (select(fields.clone()), modifier).prop_map(|(name, modifier)| format!("{name}{modifier}")),
        1 => select(vec!["limit", "marker", "sort", "order", "include"]).prop_map(str::to_owned),
    ];
    let tail = prop_oneof![
        4 => select(words.actions.clone()).prop_map(Some),
        1 => text().prop_map(Some),
        2 => Just(None),
    ];
    (
        select(vec!["GET", "POST", "PUT", "DELETE", "LIST", "ACT", "ACT", "ACT"]),
        prop_oneof![
            1 => select(words.plurals.clone()),
            2 => select(vec!["services", "services", "loadbalancerservices", "stacks"])
                .prop_map(str::to_owned),
        ],
        any::<Index>(),
        tail,
        vec((parameter, text()), 0..3),
        body(fields),
    )
        .prop_map(|(method, plural, id, tail, query, body)| Try {
            method,
            plural,
            id,
            tail,
            query,
            body,
        })
}

/// A stack with a service at rest, one upgraded, a balancer, an alias, and one removed.
fn bench() -> Bench {
    let mut bench = Bench::new(2);
    bench.ask("POST ~/stacks", json!({ "name": "spare" }), 201);
    let stack = bench.ask("POST ~/stacks", json!({ "name": "web" }), 201)["id"].clone();
    assert_eq!(stack, "1st5");
    let body = |name: &str| {
        json!({ "name": name, "stackId": stack, "startOnCreate": true,
                "launchConfig": { "imageUuid": "docker:nginx:1", "ports": ["80/tcp"] } })
    };
    for (kind, name) in [
        ("services", "app"),
        ("services", "next"),
        ("loadbalancerservices", "lb"),
        ("dnsservices", "alias"),
        ("services", "gone"),
    ] {
        bench.ask(&format!("POST ~/{kind}"), body(name), 201);
    }
    bench.settle();
    let upgrade =
        json!({ "inServiceStrategy": { "launchConfig": { "imageUuid": "docker:nginx:2" } } });
    bench.ask("POST ~/services/1s7?action=upgrade", upgrade, 202);
    bench.ask("DELETE ~/services/1s10", Value::Null, 200);
    bench.settle();
    bench
}

/// Ids of everything there is, so that most requests hit something.
fn ids(bench: &mut Bench, plural: &str) -> Vec<String> {
    let list = bench.get(&format!("~/{plural}"));
    let rows = list["data"].as_array().unwrap().iter();
    let ids = rows.filter_map(|row| row["id"].as_str().map(str::to_owned));
    ids.chain(["1s10".to_owned(), "nonsense".to_owned()]).collect()
}

/// Text as a part of a URL.
fn part(text: &str) -> String {
    let escaped: Vec<String> = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    escaped.concat()
}

fn send(bench: &mut Bench, wanted: &Try) -> (String, u16) {
    let plural = &wanted.plural;
    let ids = ids(bench, plural);
    let id: &String = wanted.id.get(ids.as_slice());
    let mut query: Vec<String> = wanted
        .query
        .iter()
        .map(|(name, value)| format!("{}={}", part(name), part(value)))
        .collect();
    let line = match wanted.method {
        "LIST" => format!("GET ~/{plural}"),
        "POST" => format!("POST ~/{plural}"),
        "ACT" => {
            query.push(format!("action={}", part(wanted.tail.as_deref().unwrap_or("remove"))));
            format!("POST ~/{plural}/{id}/")
        }
        method => format!("{method} ~/{plural}/{id}"),
    };
    let line = format!("{line}?{}", query.join("&"));
    let status = bench.request(&line, &wanted.body).status;
    (line, status)
}

proptest! {
    #[test]
    fn nothing_breaks_it(tries in vec(request(&words()), 1..12)) {
        let mut bench = bench();
        for wanted in &tries {
            let (line, status) = send(&mut bench, wanted);
            prop_assert!(status < 500, "{line} {}: {status}", wanted.body);
            bench.plan();
            bench.obey();
        }
    }
}
