//! Templates of projects: whose they are, and what a project that is made of one begins with.

use std::collections::BTreeMap;

use drover_api::Library;
use serde_json::{Value, json};

use crate::access::{account, full};
use crate::bench::{Bench, some};

const WEB: &str = "web:\n  image: nginx:1\n";

fn names(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

fn id(row: &Value) -> String {
    row["id"].as_str().unwrap().to_owned()
}

fn with_catalog(bench: &mut Bench) {
    let rancher = |version: &str| {
        format!(
            ".catalog:\n  name: DB\n  version: {version}\n  questions:\n    - variable: scale\n      type: int\n      default: 1\ndb:\n  scale: ${{scale}}\n"
        )
    };
    let files = [
        ("templates/db/config.yml", "name: DB\nversion: v2\n".to_owned()),
        ("templates/db/0/docker-compose.yml", "db:\n  image: redis:1\n".to_owned()),
        ("templates/db/0/rancher-compose.yml", rancher("v1")),
        ("templates/db/1/docker-compose.yml", "db:\n  image: redis:2\n".to_owned()),
        ("templates/db/1/rancher-compose.yml", rancher("v2")),
    ];
    let files: BTreeMap<_, _> =
        files.into_iter().map(|(path, text)| (path.to_owned(), text)).collect();
    let (library, said) = Library::read(files);
    assert_eq!(said, [""; 0]);
    bench.library = library;
}

#[test]
fn a_template_is_its_makers_or_everybodys() {
    let mut bench = full();
    let stack = json!([{ "name": "shop", "dockerCompose": WEB }]);
    bench.grant = account(904);
    let mine = json!({ "name": "Mine", "description": "d", "stacks": stack });
    let mine = bench.ask("POST /v2-beta/projecttemplates", mine, 201);
    assert_eq!(
        some(&mine, &["name", "description", "isPublic", "accountId", "state"]),
        json!({ "name": "Mine", "description": "d", "isPublic": false, "accountId": "1a904", "state": "active" })
    );
    assert_eq!(mine["stacks"][0]["dockerCompose"], WEB);
    let url = format!("/v2-beta/projecttemplates/{}", id(&mine));
    let all = json!({ "name": "All", "isPublic": true, "stacks": stack });
    let refused = bench.ask("POST /v2-beta/projecttemplates", all.clone(), 403);
    assert!(refused["message"].as_str().unwrap().contains("administrator"), "{refused}");
    bench.ask(&format!("PUT {url}"), json!({ "isPublic": true }), 403);

    bench.grant = account(901);
    let all = bench.ask("POST /v2-beta/projecttemplates", all, 201);
    assert_eq!((&all["isPublic"], &all["accountId"]), (&json!(true), &Value::Null));
    // An administrator sees all of them, the others what is theirs and everybody's.
    for (who, sees) in [
        (account(901), &["Cattle", "t", "Mine", "All"][..]),
        (account(904), &["Cattle", "Mine", "All"]),
        (account(905), &["Cattle", "All"]),
        (drover_core::Grant::Project(crate::bench::PROJECT), &["Cattle", "All"]),
    ] {
        bench.grant = who.clone();
        assert_eq!(names(&bench.get("/v2-beta/projecttemplates")), sees, "{who:?}");
    }
    let public = format!("/v2-beta/projecttemplates/{}", id(&all));
    bench.grant = account(905);
    for request in [format!("GET {url}"), format!("PUT {url}"), format!("DELETE {url}")] {
        bench.ask(&request, json!({}), 404);
    }
    for request in [format!("PUT {public}"), format!("DELETE {public}")] {
        bench.ask(&request, json!({}), 403);
    }
    let made = json!({ "name": "new", "projectTemplateId": mine["id"] });
    let refused = bench.ask("POST /v2-beta/projects", made, 422);
    assert_eq!(
        some(&refused, &["code", "fieldName"]),
        json!({ "code": "InvalidReference", "fieldName": "projectTemplateId" })
    );
    let cattle = bench.ask("PUT /v2-beta/projecttemplates/1pt1", json!({ "name": "x" }), 403);
    assert_eq!(cattle["code"], "Forbidden");
    bench.grant = account(901);
    bench.ask("DELETE /v2-beta/projecttemplates/1pt1", json!({}), 405);

    bench.grant = account(904);
    // Whoever has an account may change some of them, under any URL; a project's key none.
    let methods = |bench: &mut Bench| {
        ["~", "/v2-beta"].map(|tree| {
            bench.get(&format!("{tree}/schemas/projecttemplate"))["resourceMethods"].clone()
        })
    };
    assert_eq!(
        methods(&mut bench),
        [json!(["GET", "PUT", "DELETE"]), json!(["GET", "PUT", "DELETE"])]
    );
    bench.grant = drover_core::Grant::Project(crate::bench::PROJECT);
    assert_eq!(methods(&mut bench), [json!(["GET"]), json!(["GET"])]);
    bench.grant = account(904);
    let edited = json!({ "name": "Other", "stacks": [] });
    let edited = bench.ask(&format!("PUT {url}"), edited, 200);
    assert_eq!(
        (&edited["name"], &edited["stacks"], &edited["description"]),
        (&json!("Other"), &json!([]), &json!("d"))
    );
    // What is everybody's can be taken back.
    bench.grant = account(901);
    let back = bench.ask(&format!("PUT {public}"), json!({ "isPublic": false }), 200);
    assert_eq!(back["accountId"], "1a901");
    bench.grant = account(905);
    bench.ask(&format!("GET {public}"), Value::Null, 404);
    bench.grant = account(901);
    bench.ask(&format!("PUT {public}"), json!({ "isPublic": true }), 200);
    // It goes with whoever made it.
    bench.grant = account(901);
    bench.ask("DELETE /v2-beta/accounts/1a904", json!({}), 200);
    assert_eq!(bench.get(&url)["state"], "removed");
    assert_eq!(names(&bench.get("/v2-beta/projecttemplates")), ["Cattle", "t", "All"]);
    let later = bench.now + drover_api::KEPT_MS;
    let purged = drover_api::purge(&bench.world, later);
    bench.commit(&purged).unwrap();
    bench.ask(&format!("GET {url}"), Value::Null, 404);
}

#[test]
fn a_project_begins_with_the_stacks_of_its_template() {
    let mut bench = Bench::new(0);
    with_catalog(&mut bench);
    let stacks = json!([
        { "name": "shop", "dockerCompose": WEB },
        { "name": "db", "templateId": "library:db", "answers": { "scale": "3" } },
        { "name": "old", "templateVersionId": "library:db:0" },
    ]);
    let made = json!({ "name": "Shop", "isPublic": true, "stacks": stacks });
    let template = bench.ask("POST /v2-beta/projecttemplates", made, 201);
    let url = format!("/v2-beta/projecttemplates/{}", id(&template));
    let asked = json!({ "name": "new", "projectTemplateId": template["id"] });
    let project = bench.ask("POST /v2-beta/projects", asked.clone(), 201);
    assert_eq!(project["projectTemplateId"], template["id"]);
    let stacks = bench.get(&format!("/v2-beta/projects/{}/stacks", id(&project)));
    assert_eq!(names(&stacks), ["shop", "db", "old"]);
    for stack in stacks["data"].as_array().unwrap() {
        assert_eq!(
            (&stack["state"], &stack["startOnCreate"]),
            (&json!("activating"), &json!(true))
        );
    }
    let of = |bench: &Bench, n: usize| {
        let id = drover_api::Kind::Stack.parse(stacks["data"][n]["id"].as_str().unwrap()).unwrap();
        let stack = &bench.world.stacks[&drover_core::StackId(id)];
        drover_api::stack_spec(&bench.world, stack).unwrap().services[0].clone()
    };
    let shown = |bench: &Bench, n| {
        let service = of(bench, n);
        format!("{} {} x {:?}", service.name, service.template.primary.image, service.scale)
    };
    assert_eq!(
        [shown(&bench, 0), shown(&bench, 1), shown(&bench, 2)],
        ["web nginx:1 x None", "db redis:2 x Some(3)", "db redis:1 x Some(1)"]
    );
    assert_eq!(stacks["data"][1]["externalId"], "catalog://library:db:1");
    assert_eq!(stacks["data"][1]["environment"], json!({ "scale": "3" }));
    // What becomes of a template later changes no project; a catalog that has lost a stack is named.
    bench.library = Library::default();
    let again = json!({ "name": "again", "projectTemplateId": template["id"] });
    let refused = bench.ask("POST /v2-beta/projects", again, 422);
    insta::assert_snapshot!(refused["message"].as_str().unwrap(), @"template Shop, stack db: there is no library:db in this server's catalog (`drover server --catalog`)");
    bench.ask(&format!("DELETE {url}"), json!({}), 200);
    bench.ask(
        "POST /v2-beta/projects",
        json!({ "name": "late", "projectTemplateId": template["id"] }),
        422,
    );
    assert_eq!(
        bench.get(&format!("/v2-beta/projects/{}", id(&project)))["projectTemplateId"],
        template["id"]
    );
}
