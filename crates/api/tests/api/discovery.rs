//! What a client does before anything else: find the schemas, and the URLs in them.

use serde_json::{Value, json};

use crate::bench::Bench;

#[test]
fn the_root_links_to_every_collection() {
    let root = Bench::new(0).get("/v2-beta");
    assert_eq!(root["links"]["self"], "http://h/v2-beta");
    assert_eq!(root["links"]["stacks"], "http://h/v2-beta/stacks");
    assert_eq!(root["links"]["loadBalancerServices"], "http://h/v2-beta/loadbalancerservices");
}

#[test]
fn schemas_are_scoped_and_complete() {
    let mut bench = Bench::new(0);
    let list = bench.get("~/schemas");
    assert_eq!(list["links"]["self"], "http://h/v2-beta/projects/1a1/schemas");
    assert_eq!(bench.get("~/schemas/schemas"), list, "a client appends /schemas twice");
    let data = list["data"].as_array().unwrap();
    for schema in data {
        let id = schema["id"].as_str().unwrap();
        assert_eq!(schema["type"], "schema");
        assert_eq!(&bench.get(&format!("~/schemas/{id}")), schema);
        let can_list = !schema["collectionMethods"].as_array().unwrap().is_empty();
        // A WebSocket; where it is, clients read here alone.
        if id == "subscribe" {
            let url = "http://h/v2-beta/projects/1a1/subscribe";
            assert_eq!((&schema["links"]["collection"], can_list), (&json!(url), false));
            continue;
        }
        assert_eq!(schema["links"]["collection"].is_string(), can_list, "{id}");
        if can_list {
            let url = schema["links"]["collection"].as_str().unwrap();
            let url = url.strip_prefix("http://h").unwrap();
            assert_eq!(bench.get(url)["resourceType"], id, "{url}");
        }
        for (name, action) in schema["resourceActions"].as_object().unwrap() {
            for end in ["input", "output"] {
                let named = action[end].as_str();
                let known = named.is_none_or(|t| data.iter().any(|other| other["id"] == t));
                assert!(known, "{id}.{name}: no schema {named:?}");
            }
        }
    }
    let ids: Vec<&Value> = data.iter().map(|schema| &schema["id"]).collect();
    let mut unique = ids.clone();
    unique.sort_by_key(|id| id.as_str());
    unique.dedup();
    assert_eq!(ids.len(), unique.len());
}

#[test]
fn types_are_found_in_any_case_singular_or_plural() {
    let mut bench = Bench::new(0);
    for kind in ["stacks", "stack", "Stacks", "STACK"] {
        let list = bench.get(&format!("~/{kind}"));
        assert_eq!(list["links"]["self"], "http://h/v2-beta/projects/1a1/stacks", "{kind}");
    }
    bench.ask("GET ~/nonsense", Value::Null, 404);
    bench.ask("GET ~/stacks/web", Value::Null, 404);
    bench.ask("GET ~/stacks/1s1", Value::Null, 404);
    bench.ask("GET ~/services/stack/web", Value::Null, 404);
}

#[test]
fn pages_follow_each_other_to_the_end() {
    let mut bench = Bench::new(0);
    for n in 1..=5 {
        bench.ask("POST ~/stacks", json!({ "name": format!("s{n}") }), 201);
    }
    let mut names = Vec::new();
    let mut next = Some("http://h/v2-beta/projects/1a1/stacks?limit=2&sort=id".to_owned());
    while let Some(url) = next {
        let page = bench.get(url.strip_prefix("http://h").unwrap());
        names.extend(page["data"].as_array().unwrap().iter().map(|row| row["name"].clone()));
        let pagination = &page["pagination"];
        assert_eq!(pagination["partial"].as_bool(), Some(pagination["next"].is_string()));
        next = pagination["next"].as_str().map(str::to_owned);
    }
    assert_eq!(names, ["s1", "s2", "s3", "s4", "s5"]);
}

#[test]
fn errors_have_ranchers_shape() {
    let mut bench = Bench::new(0);
    let error = bench.ask("POST ~/services", json!({ "name": "x" }), 422);
    insta::assert_json_snapshot!(error, @r#"
    {
      "id": "e",
      "type": "error",
      "baseType": "error",
      "links": {},
      "actions": {},
      "status": 422,
      "code": "MissingRequired",
      "message": "`stackId` is required",
      "detail": null,
      "fieldName": "stackId"
    }
    "#);
}

/// All members of this name, wherever they are.
fn all<'a>(value: &'a Value, name: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get(name));
            members.values().for_each(|member| all(member, name, found));
        }
        Value::Array(items) => items.iter().for_each(|item| all(item, name, found)),
        _ => {}
    }
}

#[test]
fn the_api_describes_itself_to_other_tools() {
    let mut bench = Bench::new(0);
    let document = bench.get("~/openapi.json");
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["servers"][0]["url"], "http://h/v2-beta/projects/1a1");
    let mut references = Vec::new();
    all(&document, "$ref", &mut references);
    assert!(references.len() > 200);
    for reference in references {
        let path = reference.as_str().unwrap().trim_start_matches('#');
        assert!(document.pointer(path).is_some(), "{path}");
    }
    let list = bench.get("~/schemas");
    for schema in list["data"].as_array().unwrap() {
        let plural = schema["pluralName"].as_str().unwrap().to_lowercase();
        let (whole, one) = (&document["paths"][format!("/{plural}")], format!("/{plural}/{{id}}"));
        for (at, methods) in
            [(whole, "collectionMethods"), (&document["paths"][&one], "resourceMethods")]
        {
            for method in schema[methods].as_array().unwrap() {
                let lower = method.as_str().unwrap().to_lowercase();
                assert!(
                    at[&lower].is_object() || schema["collectionMethods"] == json!([]),
                    "{lower} {one}"
                );
            }
        }
        let actions = schema["resourceActions"].as_object().unwrap();
        let offered = &document["paths"][&one]["post"]["parameters"][0]["schema"]["enum"];
        let offered = offered.as_array().map_or(0, Vec::len);
        assert!(offered == actions.len() || schema["collectionMethods"] == json!([]), "{one}");
    }
    let service =
        &document["paths"]["/services"]["post"]["requestBody"]["content"]["application/json"];
    assert_eq!(service["schema"]["required"], json!(["name", "stackId", "launchConfig"]));

    let page = drover_api::page(&document);
    for part in ["<h2 id=\"services\">", "POST /services/{id}?action=upgrade", "array of portRule"]
    {
        assert!(page.contains(part), "{part}");
    }
}

/// Links are where the document says, and states are those that it names.
#[test]
fn what_is_there_is_as_it_is_described() {
    let mut bench = crate::access::full();
    let document = bench.get("~/openapi.json");
    assert!(document["paths"]["/scripts/transform"]["post"].is_object());
    let (mut links, mut states) = (0, 0);
    for kind in crate::access::kinds(&mut bench) {
        bench.grant = drover_core::Grant::Admin;
        let plural = kind.plural.to_lowercase();
        for row in bench.get(&format!("~/{plural}"))["data"].as_array().unwrap() {
            let of = &document["components"]["schemas"][row["type"].as_str().unwrap()];
            if let Some(known) = of["properties"]["state"]["enum"].as_array() {
                assert!(known.contains(&row["state"]), "{} of {plural}", row["state"]);
                states += 1;
            }
            let below = format!("{}/", row["links"]["self"].as_str().unwrap());
            let led = row["links"].as_object().unwrap().iter();
            // A script's URL is no link to resources.
            for (name, _) in led.filter(|(_, url)| url.as_str().unwrap().starts_with(&below)) {
                // A base type's rows are of their own.
                let own = below.rsplit('/').nth(2).unwrap();
                let path = format!("/{own}/{{id}}/{}", name.to_lowercase());
                assert!(document["paths"][&path]["get"].is_object(), "{path}");
                links += 1;
            }
        }
    }
    assert!(links > 100 && states > 20, "{links} {states}");
    let page = drover_api::page(&document);
    assert!(page.contains("GET /services/{id}/instances"), "links are on the page");
}

#[test]
fn what_one_may_not_do_is_not_described() {
    let mut bench = Bench::new(0);
    bench.grant = drover_core::Grant::Project(crate::bench::PROJECT);
    let document = bench.get("~/openapi.json");
    assert!(document["paths"]["/accounts"]["post"].is_null());
    assert!(document["paths"]["/stacks"]["post"].is_object());
}

/// The ratchet: what can be made and what can be done, but is named in no test, nobody looked at. (Every collection is
/// listed above.)
#[test]
fn everything_that_can_be_made_or_done_is_in_a_test() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let texts: Vec<String> = files.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let named = |what: &str| texts.iter().any(|text| text.contains(what));
    let list = Bench::new(0).get("~/schemas");
    let mut untested = Vec::new();
    for schema in list["data"].as_array().unwrap() {
        let plural = schema["pluralName"].as_str().unwrap();
        let can_make = schema["collectionMethods"].as_array().unwrap().contains(&json!("POST"));
        let lower = plural.to_lowercase();
        if can_make && !named(&format!("/{lower}\"")) && !named(&format!("\"{lower}\"")) {
            untested.push(plural.to_owned());
        }
        for (action, _) in schema["resourceActions"].as_object().unwrap() {
            if !named(&format!("action={action}")) && !named(&format!("\"{action}\"")) {
                untested.push(format!("{plural}?action={action}"));
            }
        }
    }
    assert_eq!(untested, [""; 0]);
}
