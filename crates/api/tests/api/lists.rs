//! Lists of types of which there may be thousands: rows are chosen before they are rendered, and what they are chosen by is what
//! they then show.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::bench::Bench;

const LISTS: [&str; 13] = [
    "stacks",
    "services",
    "loadBalancerServices",
    "externalServices",
    "containers",
    "instances",
    "hosts",
    "serviceConsumeMaps",
    "serviceExposeMaps",
    "volumeTemplates",
    "ports",
    "ipAddresses",
    "labels",
];

/// Two stacks with services of all kinds, links, sidekicks, ports, a volume; one service is on its way out, one is stopped.
fn shop() -> Bench {
    let mut bench = Bench::new(3);
    let mut stacks = Vec::new();
    for name in ["shop", "Depot"] {
        let stack = bench.ask("POST ~/stacks", json!({ "name": name, "group": "g" }), 201);
        stacks.push(stack["id"].clone());
    }
    let volume = json!({ "name": "data", "stackId": stacks[0] });
    bench.ask("POST ~/volumeTemplates", volume, 201);
    let mut make = |plural: &str, stack: &Value, mut service: Value| {
        service["stackId"] = stack.clone();
        service["startOnCreate"] = json!(true);
        bench.ask(&format!("POST ~/{plural}"), service, 201)["id"].as_str().unwrap().to_owned()
    };
    let config = json!({
        "imageUuid": "docker:nginx", "labels": { "tier": "front" }, "dataVolumes": ["data:/data"],
        "healthCheck": { "port": 80 }, "ports": ["8080:80"],
    });
    let sidekick = json!({ "name": "log", "imageUuid": "docker:busybox" });
    let web = json!({
        "name": "web", "scale": 2, "description": "the front", "launchConfig": config,
        "secondaryLaunchConfigs": [sidekick],
    });
    let plain =
        |name: &str| json!({ "name": name, "launchConfig": { "imageUuid": "docker:redis" } });
    let web = make("services", &stacks[0], web);
    let db = make("services", &stacks[0], plain("DB"));
    let other = make("services", &stacks[1], plain("db"));
    let going = make("services", &stacks[1], plain("going"));
    let external = json!({ "name": "ext", "externalIpAddresses": ["10.9.9.9"] });
    make("externalServices", &stacks[1], external);
    let rules = json!([{ "serviceId": web, "sourcePort": 80, "targetPort": 80 }]);
    let balancer = json!({
        "name": "lb", "lbConfig": { "portRules": rules },
        "launchConfig": { "imageUuid": "docker:lb", "ports": ["80:80"] },
    });
    make("loadBalancerServices", &stacks[0], balancer);
    bench.settle();
    let links = json!({ "serviceLinks": [{ "serviceId": db, "name": "database" }, { "serviceId": other }] });
    bench.ask(&format!("POST ~/services/{web}/?action=setservicelinks"), links, 200);
    bench.ask(&format!("POST ~/services/{other}/?action=deactivate"), Value::Null, 202);
    bench.settle();
    bench.ask(&format!("DELETE ~/services/{going}"), Value::Null, 200);
    bench.plan();
    bench
}

fn ids(list: &Value) -> BTreeSet<String> {
    let rows = list["data"].as_array().unwrap().iter();
    rows.map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat()
}

/// What a filter by a member's own value is to lead to, read from the rendered rows.
fn passing(rows: &[Value], name: &str, asked: &Value) -> BTreeSet<String> {
    let same = |held: &Value| match (held, asked) {
        (Value::String(held), Value::String(asked)) if name == "name" => {
            held.to_lowercase() == asked.to_lowercase()
        }
        // Of a type that the filter's text is no value of.
        (Value::Array(_) | Value::Object(_), _) => true,
        _ => held == asked,
    };
    let passes = |row: &&Value| row.get(name).is_none_or(same);
    rows.iter().filter(passes).map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_rows_are_chosen_by_is_what_they_show() {
    let mut bench = shop();
    for plural in LISTS {
        let list = bench.get(&format!("~/{plural}"));
        let rows = list["data"].as_array().unwrap().clone();
        assert!(!rows.is_empty(), "{plural}");
        let mut asked = BTreeSet::new();
        for (name, value) in rows.iter().flat_map(|row| row.as_object().unwrap()) {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(_) | Value::Bool(_) => value.to_string(),
                Value::Null => {
                    let url = format!("~/{plural}?{name}_null=x");
                    if name != "removed" && asked.insert(url.clone()) {
                        let want =
                            rows.iter().filter(|row| row.get(name).is_none_or(Value::is_null));
                        let want = want.map(|row| row["id"].as_str().unwrap().to_owned());
                        assert_eq!(ids(&bench.get(&url)), want.collect(), "{url}");
                    }
                    continue;
                }
                Value::Array(_) | Value::Object(_) => continue,
            };
            let url = format!("~/{plural}?{name}={}", encoded(&text));
            if asked.insert(url.clone()) {
                assert_eq!(ids(&bench.get(&url)), passing(&rows, name, value), "{url} ({text})");
            }
            // A name that every row has is a condition, whatever it is compared with.
            if value.is_string()
                && rows.iter().all(|row| row.get(name).is_some_and(Value::is_string))
            {
                let none = bench.get(&format!("~/{plural}?{name}=nothing-is-this"));
                assert_eq!(ids(&none), BTreeSet::new(), "{plural}?{name}");
            }
        }
    }
}

#[test]
fn one_of_a_list_is_the_same_alone() {
    let mut bench = shop();
    for plural in LISTS {
        for row in bench.get(&format!("~/{plural}"))["data"].as_array().unwrap() {
            let id = row["id"].as_str().unwrap();
            assert_eq!(&bench.get(&format!("~/{plural}/{id}")), row);
        }
    }
}

#[test]
fn a_link_leads_to_what_an_include_puts_in() {
    let mut bench = shop();
    let mut led = 0;
    for plural in LISTS {
        let rows = bench.get(&format!("~/{plural}"));
        for row in rows["data"].as_array().unwrap() {
            let id = row["id"].as_str().unwrap();
            for name in row["links"].as_object().unwrap().keys().filter(|name| *name != "self") {
                // A member of that name would have two meanings.
                if row.get(name).is_some() {
                    continue;
                }
                let with = bench.get(&format!("~/{plural}/{id}?include={name}"));
                let Some(put) = with[name].as_array() else { continue };
                let put: BTreeSet<_> =
                    put.iter().map(|row| row["id"].clone().to_string()).collect();
                let followed = bench.get(&format!("~/{plural}/{id}/{}", name.to_lowercase()));
                let followed = followed["data"].as_array().unwrap().iter();
                let followed: BTreeSet<_> = followed.map(|row| row["id"].to_string()).collect();
                assert_eq!(put, followed, "{plural}/{id}/{name}");
                led += put.len();
            }
        }
    }
    assert!(led > 50, "{led} in all: there is too little to follow");
}

#[test]
fn lists_are_in_the_order_of_their_numbers_and_in_pages() {
    let mut bench = shop();
    for plural in ["services", "containers", "stacks", "hosts"] {
        let all = bench.get(&format!("~/{plural}"));
        let numbers = |list: &Value| {
            let rows = list["data"].as_array().unwrap().iter();
            let number = |id: &str| -> u64 {
                id[1..].trim_start_matches(|c: char| c.is_alphabetic()).parse().unwrap()
            };
            rows.map(|row| number(row["id"].as_str().unwrap())).collect::<Vec<_>>()
        };
        let mut sorted = numbers(&all);
        sorted.sort_unstable();
        assert_eq!(numbers(&all), sorted, "{plural}");
        let second = bench.get(&format!("~/{plural}?limit=1&marker=m1"));
        assert_eq!(numbers(&second), sorted[1..2], "{plural}");
        assert_eq!(second["pagination"]["total"], sorted.len(), "{plural}");
        let last = bench.get(&format!("~/{plural}?limit=1&order=desc"));
        assert_eq!(numbers(&last), sorted[sorted.len() - 1..], "{plural}");
    }
}

/// Each condition is looked at for every row, and each inclusion is a list of its own.
#[test]
fn a_request_can_ask_for_so_much_and_no_more() {
    let mut bench = Bench::new(1);
    bench.ask("POST ~/stacks", json!({ "name": "s" }), 201);
    let stack = bench.one("~/stacks?include=services&include=SERVICES");
    assert_eq!((&stack["services"], &stack["SERVICES"]), (&json!([]), &json!(null)));
    let many = "name_ne=a&".repeat(101);
    let refused = bench.ask(&format!("GET ~/stacks?{many}"), json!(null), 400);
    assert!(refused["message"].as_str().unwrap().contains("101 parameters"), "{refused}");
}
