//! Everybody against everything: for every type in the schemas, every method and action, callers of every kind. What comes
//! out must be what their schemas offer, and of other projects nothing at all. New types and actions are covered by
//! being in the schemas. Who is offered what is printed in `docs/access.md`.

use std::collections::BTreeSet;

use drover_api::Event;
use drover_core::protocol::HostEvent;
use drover_core::{
    Account, AccountId, AccountKind, Change, Credential, CredentialId, Grant, HostId, Identity,
    Member, MemberId, MemberRole, Project, ProjectId, UnitKey,
};
use serde_json::{Value, json};

use crate::bench::{Bench, PROJECT, SECRET};
use crate::certificates;

const OTHER: ProjectId = ProjectId(900);

/// Types of which there is nothing, whatever is made.
pub(crate) const EMPTY: &[&str] = &[
    "agent",
    "backup",
    "hostTemplate",
    "machine",
    "machineDriver",
    "processInstance",
    "snapshot",
    "userPreference",
    "virtualMachine",
];

/// A project with one of everything, another one, and an account for every role.
pub(crate) fn full() -> Bench {
    let mut bench = Bench::new(1);
    let stack = bench.ask("POST ~/stacks", json!({ "name": "s" }), 201)["id"].clone();
    let service = |name: &str| {
        json!({ "name": name, "stackId": stack, "scale": 1, "startOnCreate": true,
                "launchConfig": { "imageUuid": "docker:nginx", "ports": ["80"],
                                  "labels": { "a": "b" }, "dataVolumes": ["held:/d"] } })
    };
    bench.ask("POST ~/volumes", json!({ "name": "held", "driver": "local" }), 201);
    let web = bench.ask("POST ~/services", service("web"), 201)["id"].clone();
    let db = bench.ask("POST ~/services", service("db"), 201)["id"].clone();
    let links = json!({ "serviceLinks": [{ "serviceId": db, "name": "db" }] });
    let url = format!("~/services/{}/?action=setservicelinks", web.as_str().unwrap());
    bench.request(&format!("POST {url}"), &links);
    let balancer = json!({ "name": "lb", "stackId": stack, "scale": 1,
        "launchConfig": { "imageUuid": "docker:x", "ports": ["80:80"] },
        "lbConfig": { "portRules": [{ "serviceId": web, "sourcePort": 80, "targetPort": 80 }] } });
    bench.ask("POST ~/loadbalancerservices", balancer, 201);
    bench.ask("POST ~/dnsservices", json!({ "name": "dns", "stackId": stack }), 201);
    let external = json!({ "name": "ext", "stackId": stack, "hostname": "example.com" });
    bench.ask("POST ~/externalservices", external, 201);
    bench.ask("POST ~/registrationtokens", json!({}), 201);
    bench.ask("POST ~/apikeys", json!({}), 201);
    let registry = bench.ask("POST ~/registries", json!({ "serverAddress": "r.example" }), 201);
    let login = json!({ "registryId": registry["id"], "publicValue": "u", "secretValue": SECRET });
    bench.ask("POST ~/registrycredentials", login, 201);
    certificates::add(&mut bench, "cert");
    bench.ask("POST ~/volumetemplates", json!({ "name": "v", "stackId": stack }), 201);
    bench.ask("POST ~/secrets", json!({ "name": "pw", "value": "eA==" }), 201);
    bench.ask("POST ~/volumes", json!({ "name": "data", "driver": "local" }), 201);
    let template =
        json!({ "name": "t", "stacks": [{ "name": "s", "dockerCompose": "web:\n  image: x\n" }] });
    bench.ask("POST ~/projecttemplates", template, 201);
    let hook = json!({ "name": "hook", "driver": "scaleService",
        "scaleServiceConfig": { "serviceId": web, "action": "up" } });
    bench.ask("POST ~/webhookreceivers", hook, 201);
    for (kind, driver) in [("storage", "storageDriver"), ("network", "networkDriver")] {
        let mut made = service(driver);
        made["name"] = json!(kind);
        made[driver] = json!({ "name": kind });
        made["launchConfig"]["dataVolumes"] = json!(["data:/data"]);
        bench.ask(&format!("POST ~/{driver}services"), made, 201);
    }
    let web_with_port = json!({ "name": "open", "stackId": stack, "startOnCreate": true,
        "launchConfig": { "imageUuid": "docker:x", "ports": ["81:81"], "labels": { "a": "b" } } });
    bench.ask("POST ~/services", web_with_port, 201);
    bench.settle();
    bench.pulls.push(drover_api::Pull {
        id: 1,
        project: PROJECT,
        image: "nginx".into(),
        labels: std::collections::BTreeMap::new(),
        only_if_present: false,
        status: std::collections::BTreeMap::new(),
        progress: drover_api::PullProgress::Done,
        created_at: bench.now,
    });
    let unit: UnitKey = bench.world.units.values().next().unwrap().key;
    let event = HostEvent { number: 1, at: bench.now, unit, text: "started".into() };
    bench.events.push(Event { id: 1, host: HostId(2), event });
    let audit = drover_core::Audit {
        at: bench.now,
        access: "KEY".into(),
        by_token: false,
        account: None,
        project: Some(PROJECT),
        deed: "create".into(),
        kind: "stack".into(),
        resource: "1st3".into(),
        from: "192.0.2.1".into(),
        status: 201,
    };
    bench.audits.push(drover_api::Audited { id: 1, audit });
    people(&mut bench);
    bench
}

fn people(bench: &mut Bench) {
    let now = bench.now;
    let other = Project {
        id: OTHER,
        name: "other".into(),
        description: String::new(),
        settings: drover_core::ProjectSettings::default(),
        created_at: now,
        removed_at: None,
    };
    let mut changes = vec![Change::PutProject(other)];
    for (n, kind, project, role) in PEOPLE {
        let id = AccountId(*n);
        changes.push(Change::PutAccount(Account {
            id,
            kind: *kind,
            name: format!("a{n}"),
            description: String::new(),
            external: None,
            active: true,
            created_at: now,
            removed_at: None,
        }));
        changes.push(Change::PutMember(Member {
            id: MemberId(n + 20),
            project: *project,
            who: Identity::Account(id),
            role: *role,
            created_at: now,
            removed_at: None,
        }));
        changes.push(Change::PutCredential(Credential {
            id: CredentialId(n + 40),
            grants: Grant::Account(id),
            name: String::new(),
            description: String::new(),
            public: format!("A{n}"),
            secret_sha256: String::new(),
            readable: None,
            active: true,
            created_at: now,
            removed_at: None,
        }));
    }
    bench.commit(&changes).unwrap();
}

const PEOPLE: &[(u64, AccountKind, ProjectId, MemberRole)] = &[
    (901, AccountKind::Admin, OTHER, MemberRole::Owner),
    (902, AccountKind::User, OTHER, MemberRole::Owner),
    (903, AccountKind::User, PROJECT, MemberRole::Owner),
    (904, AccountKind::User, PROJECT, MemberRole::Member),
    (905, AccountKind::User, PROJECT, MemberRole::Restricted),
    (906, AccountKind::User, PROJECT, MemberRole::Readonly),
];

pub(crate) fn account(n: u64) -> Grant {
    Grant::Account(AccountId(n))
}

/// A type as an administrator sees it, and its first living row in the project.
pub(crate) struct Kind {
    pub(crate) name: String,
    pub(crate) plural: String,
    pub(crate) schema: Value,
    row: Option<Value>,
}

impl Kind {
    fn url(&self) -> Option<String> {
        let id = self.row.as_ref()?["id"].as_str()?;
        Some(format!("{}/{id}", self.plural.to_lowercase()))
    }

    pub(crate) fn has(&self, list: &str, method: &str) -> bool {
        holds(&self.schema, list, method)
    }

    pub(crate) fn actions(&self) -> Vec<String> {
        self.schema["resourceActions"].as_object().unwrap().keys().cloned().collect()
    }
}

fn holds(schema: &Value, list: &str, method: &str) -> bool {
    schema[list].as_array().is_some_and(|all| all.contains(&json!(method)))
}

pub(crate) fn kinds(bench: &mut Bench) -> Vec<Kind> {
    bench.grant = account(901);
    let schemas = bench.get("~/schemas");
    let listed = schemas["data"].as_array().unwrap().clone();
    let listed = listed.into_iter().filter(|s| s["collectionMethods"] != json!([]));
    let kinds = listed.map(|schema| {
        let (name, plural) = (text(&schema["id"]), text(&schema["pluralName"]));
        let rows = bench.get(&format!("~/{}", plural.to_lowercase()));
        let rows = rows["data"].as_array().unwrap();
        let row = rows.iter().find(|row| row["accountId"] == "1a1").cloned();
        Kind { name, plural, schema, row }
    });
    kinds.collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Status of a request that leaves nothing behind.
pub(crate) fn tried(bench: &mut Bench, request: &str, body: &Value) -> (u16, Value) {
    let held = bench.world.clone();
    let answer = bench.request(request, body);
    bench.world = held;
    (answer.status, answer.body.unwrap_or_default())
}

#[test]
fn there_is_one_of_everything_to_try_with() {
    let mut bench = full();
    let mut none = Vec::new();
    for kind in kinds(&mut bench) {
        let rows = bench.get(&format!("/v2-beta/{}", kind.plural.to_lowercase()));
        if rows["data"].as_array().unwrap().is_empty() {
            none.push(kind.name);
        }
    }
    none.sort();
    assert_eq!(none, EMPTY);
}

#[test]
fn what_is_in_other_projects_is_not_there() {
    let mut bench = full();
    let kinds = kinds(&mut bench);
    let tried_with: Vec<&Kind> = kinds.iter().filter(|kind| kind.row.is_some()).collect();
    assert!(tried_with.len() > 15);
    for grant in [account(902), Grant::Project(OTHER)] {
        bench.grant = grant.clone();
        for kind in &tried_with {
            let lower = kind.plural.to_lowercase();
            let (_, list) = tried(&mut bench, &format!("GET /v2-beta/{lower}"), &Value::Null);
            let foreign = list["data"].as_array().into_iter().flatten();
            let foreign: Vec<_> = foreign.filter(|row| row["accountId"] == "1a1").collect();
            assert!(foreign.is_empty(), "{grant:?} lists {foreign:?}");
            let mut check = |request: &str, id: &str| {
                let (status, body) = tried(&mut bench, request, &json!({}));
                assert_eq!(status, 404, "{grant:?} {request}: {body}");
                // The same words as for what never was.
                let never = request.replace(id, "1zz999999");
                let (_, other) = tried(&mut bench, &never, &json!({}));
                let words = |body: &Value| text(&body["message"]).replace("1zz999999", id);
                assert_eq!(words(&body), words(&other), "{grant:?} {request}");
            };
            let (url, id) = (kind.url().unwrap(), text(&kind.row.as_ref().unwrap()["id"]));
            for method in ["GET", "PUT", "DELETE"] {
                check(&format!("{method} /v2-beta/{url}"), &id);
            }
            for action in kind.actions() {
                check(&format!("POST /v2-beta/{url}/?action={action}"), &id);
            }
            // Those that lead to rows, and those that are made when they are asked for.
            for link in kind.row.as_ref().unwrap()["links"].as_object().unwrap().keys() {
                let path = format!("GET /v2-beta/{url}");
                let (status, _) = tried(&mut bench, &format!("{path}/{link}"), &Value::Null);
                assert_eq!(status, 404, "{grant:?} {path}/{link}");
            }
            for request in [format!("GET ~/{lower}"), format!("POST ~/{lower}")] {
                let (status, body) = tried(&mut bench, &request, &json!({}));
                assert_eq!(status, 404, "{grant:?} {request}: {body}");
            }
        }
    }
}

#[test]
fn what_is_shown_is_what_is_allowed() {
    let mut bench = full();
    let kinds = kinds(&mut bench);
    let (mut yes, mut no) = (0, 0);
    let everybody = [
        Grant::Admin,
        account(901),
        account(903),
        Grant::Project(PROJECT),
        account(904),
        account(905),
        account(906),
    ];
    for grant in everybody {
        bench.grant = grant.clone();
        let list = bench.get("~/schemas");
        for kind in &kinds {
            let own =
                list["data"].as_array().unwrap().iter().find(|s| s["id"] == kind.name.as_str());
            let own = own.cloned().unwrap_or_default();
            let mut check = |request: &str, exists: bool, offered: bool| {
                let (status, body) = tried(&mut bench, request, &json!({}));
                let refused = matches!(body["code"].as_str(), Some("Forbidden" | "NotFound"));
                let told = format!("{grant:?} {request}: {status} {body}");
                assert_eq!(matches!(status, 403 | 404), refused, "{told}");
                if exists && offered {
                    yes += 1;
                    assert!(!refused && status != 405, "{told}");
                } else if exists {
                    no += 1;
                    assert!(refused, "{told}");
                } else {
                    assert!(matches!(status, 404 | 405 | 422), "{told}");
                }
            };
            let lower = kind.plural.to_lowercase();
            check(&format!("GET ~/{lower}"), true, own != Value::Null);
            let can = |list, method| holds(&own, list, method);
            let made = kind.has("collectionMethods", "POST");
            check(&format!("POST ~/{lower}"), made, can("collectionMethods", "POST"));
            let Some(url) = kind.url() else { continue };
            for method in ["GET", "PUT", "DELETE"] {
                let is = kind.has("resourceMethods", method);
                check(&format!("{method} ~/{url}"), is, can("resourceMethods", method));
            }
            for action in kind.actions() {
                let offered = own["resourceActions"].get(&action).is_some();
                check(&format!("POST ~/{url}/?action={action}"), true, offered);
            }
            if own == Value::Null {
                continue;
            }
            let row = bench.get(&format!("~/{url}"));
            let offered: BTreeSet<&String> = row["actions"].as_object().unwrap().keys().collect();
            // A row of a base type is of its own.
            let mut all = list["data"].as_array().unwrap().iter();
            let known = all.find(|schema| schema["id"] == row["type"]).unwrap();
            let known = known["resourceActions"].as_object().unwrap();
            assert!(offered.iter().all(|name| known.contains_key(*name)), "{grant:?} {url}");
        }
    }
    // Nothing was left out by mistake.
    assert!(yes > 300 && no > 200, "{yes} {no}");
}

#[test]
fn fields_are_given_by_those_who_may() {
    let mut bench = full();
    let flags = |bench: &mut Bench, kind: &str| {
        let schema = bench.get(&format!("~/schemas/{kind}"));
        let name = &schema["resourceFields"]["name"];
        (name["create"] == true, name["update"] == true)
    };
    bench.grant = account(905);
    assert_eq!(flags(&mut bench, "stack"), (true, true));
    assert_eq!(flags(&mut bench, "host"), (false, false));
    bench.grant = account(906);
    assert_eq!(flags(&mut bench, "stack"), (false, false));
    bench.ask("GET ~/schemas/registrationToken", Value::Null, 404);
}

#[test]
fn several_projects_are_not_written_to_without_saying_which() {
    let mut bench = full();
    let posts = |bench: &mut Bench| {
        holds(&bench.get("/v2-beta/schemas/stack"), "collectionMethods", "POST")
    };
    bench.grant = account(903);
    assert!(posts(&mut bench), "there is but one");
    bench.ask("POST /v2-beta/stacks", json!({ "name": "one" }), 201);
    bench.ask("POST /v2-beta/projects", json!({ "name": "second" }), 201);
    assert!(!posts(&mut bench));
    let error = bench.ask("POST /v2-beta/stacks", json!({ "name": "x", "accountId": "1a1" }), 422);
    assert_eq!(error["fieldName"], "accountId");
    let inside = bench.get("~/schemas/stack");
    assert!(holds(&inside, "collectionMethods", "POST"));
    // An administrator says it in the body.
    let names_it = |bench: &mut Bench, url: &str| {
        bench.get(&format!("{url}/schemas/stack"))["resourceFields"]["accountId"]["create"] == true
    };
    assert!(!names_it(&mut bench, "/v2-beta"));
    bench.grant = account(901);
    assert!(names_it(&mut bench, "/v2-beta") && !names_it(&mut bench, "~"));
    assert!(posts(&mut bench));
    bench.ask("POST /v2-beta/stacks", json!({ "name": "y" }), 422);
    let made = bench.ask("POST /v2-beta/stacks", json!({ "name": "y", "accountId": "1a900" }), 201);
    assert_eq!(made["accountId"], "1a900");
    bench.ask("POST /v2-beta/stacks", json!({ "name": "y", "accountId": "1a9999" }), 422);
}

#[test]
fn what_is_made_refers_to_nothing_elsewhere() {
    let mut bench = full();
    bench.grant = account(902);
    let stack = bench.ask("POST /v2-beta/stacks", json!({ "name": "mine" }), 201)["id"].clone();
    bench.grant = account(901);
    let service = json!({ "name": "x", "stackId": stack, "accountId": "1a1",
        "launchConfig": { "imageUuid": "docker:nginx" } });
    bench.ask("POST /v2-beta/services", service, 422);
    // Nor is what is there made to, by one who sees both.
    let theirs = json!({ "name": "y", "stackId": stack, "accountId": "1a900",
        "launchConfig": { "imageUuid": "docker:nginx" } });
    let theirs = bench.ask("POST /v2-beta/services", theirs, 201)["id"].clone();
    let own = bench.get("~/services?name=web")["data"][0]["id"].clone();
    let links = json!({ "serviceLinks": [{ "serviceId": theirs, "name": "y" }] });
    let url = format!("/v2-beta/services/{}/?action=setservicelinks", own.as_str().unwrap());
    bench.ask(&format!("POST {url}"), links, 422);
}
