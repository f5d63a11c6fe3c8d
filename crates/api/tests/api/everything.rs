//! The ratchet: each type with each method, action and link. What a schema offers has a row that says what it answers, and is
//! asked for; what it does not offer is answered in words, and never by a 500.
//!
//! Lists, rows and links are tried by being in a schema. What takes a body, or a state to be in, is named in [`ROWS`].

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::access::{EMPTY, Kind, full, kinds, tried};
use crate::bench::Bench;
use crate::certificates;

/// A type, or several of one kind; what is done to it; what is done before, so that it can be; the body; the status and the type
/// of the answer: `-` where the server goes on from here and asks a host, `=` for the type itself.
struct Row {
    kinds: &'static str,
    deed: &'static str,
    before: &'static str,
    body: &'static str,
    status: u16,
    answer: &'static str,
}

const fn row(
    kinds: &'static str,
    deed: &'static str,
    before: &'static str,
    body: &'static str,
    (status, answer): (u16, &'static str),
) -> Row {
    Row { kinds, deed, before, body, status, answer }
}

const SERVICES: &str = "service loadBalancerService dnsService externalService storageDriverService networkDriverService";
const SWITCHED: &str =
    "account apiKey registrationToken registry registryCredential volumeTemplate";
const LAUNCH: &str = r#"{"inServiceStrategy": {"launchConfig": {"imageUuid": "docker:x:2"}}}"#;
const TEXTS: &str = r#"{"dockerCompose": "version: '2'\nservices: {}\n"}"#;

/// `$name` in a body is the id of what [`full`] made under that name.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    row("stack", "POST", "", r#"{"name": "new"}"#, (201, "=")),
    row("service storageDriverService networkDriverService", "POST", "",
        r#"{"name": "new", "stackId": "$s", "launchConfig": {"imageUuid": "docker:x"}}"#, (201, "=")),
    row("loadBalancerService", "POST", "", r#"{"name": "new", "stackId": "$s", "launchConfig": {"ports": ["80"]},
        "lbConfig": {"portRules": [{"sourcePort": 80, "serviceId": "$web", "targetPort": 80}]}}"#, (201, "=")),
    row("dnsService", "POST", "", r#"{"name": "new", "stackId": "$s"}"#, (201, "=")),
    row("externalService", "POST", "", r#"{"name": "new", "stackId": "$s", "hostname": "a.example"}"#, (201, "=")),
    row("project", "POST", "", r#"{"name": "new"}"#, (201, "=")),
    row("projectMember", "POST", "", r#"{"externalId": "someone", "externalIdType": "github_user", "role": "member"}"#, (201, "=")),
    row("account", "POST", "", r#"{"name": "new"}"#, (201, "=")),
    row("apiKey registrationToken", "POST", "", r#"{"name": "new"}"#, (201, "=")),
    row("registry", "POST", "", r#"{"serverAddress": "new.example"}"#, (201, "=")),
    row("registryCredential", "POST", "remove", r#"{"registryId": "$r.example", "publicValue": "u", "secretValue": "p"}"#, (201, "=")),
    row("certificate", "POST", "", "$certificate", (201, "=")),
    row("secret", "POST", "", r#"{"name": "new", "value": "eA=="}"#, (201, "=")),
    row("volume", "POST", "", r#"{"name": "new", "driver": "local"}"#, (201, "=")),
    row("volumeTemplate", "POST", "", r#"{"name": "new", "stackId": "$s"}"#, (201, "=")),
    row("webhookReceiver", "POST", "", r#"{"name": "new", "driver": "scaleService",
        "scaleServiceConfig": {"serviceId": "$web", "action": "down"}}"#, (201, "=")),
    row("projectTemplate", "POST", "", r#"{"name": "new", "stacks": [{"name": "s", "dockerCompose": "web: {image: x}"}]}"#, (201, "=")),
    row("pullTask", "POST", "", r#"{"image": "x"}"#, (200, "-")),

    row(SERVICES, "PUT", "", r#"{"description": "d"}"#, (200, "=")),
    row("stack host project account apiKey registrationToken registry registryCredential certificate secret volume webhookReceiver projectTemplate",
        "PUT", "", r#"{"description": "d"}"#, (200, "=")),
    row("projectMember", "PUT", "", r#"{"role": "owner"}"#, (200, "=")),
    row("volumeTemplate container instance", "PUT", "", "{}", (200, "=")),
    row("setting activeSetting", "PUT", "", r#"{"value": "http://s.example"}"#, (200, "=")),

    row(SERVICES, "DELETE", "", "", (200, "=")),
    row("stack host project projectMember account apiKey registrationToken registry registryCredential certificate secret volume webhookReceiver projectTemplate",
        "DELETE", "", "", (200, "=")),
    row("volumeTemplate", "DELETE", "", "", (200, "=")),
    row("container instance", "DELETE", "", "", (200, "-")),

    row(SERVICES, "update", "", r#"{"description": "d"}"#, (200, "=")),
    row(SERVICES, "remove", "", "", (202, "=")),
    row(SERVICES, "activate", "deactivate settle", "", (202, "=")),
    row(SERVICES, "deactivate", "", "", (202, "=")),
    row(SERVICES, "restart", "", r#"{"rollingRestartStrategy": {"batchSize": 1, "intervalMillis": 0}}"#, (202, "=")),
    row(SERVICES, "setservicelinks", "", r#"{"serviceLinks": [{"serviceId": "$db", "name": "a"}]}"#, (200, "=")),
    row(SERVICES, "addservicelink", "", r#"{"serviceLink": {"serviceId": "$db"}}"#, (200, "=")),
    row(SERVICES, "removeservicelink", "", r#"{"serviceLink": {"serviceId": "$db"}}"#, (200, "=")),
    row(SERVICES, "upgrade", "", LAUNCH, (202, "=")),
    row(SERVICES, "cancelupgrade", "upgrade", "", (202, "=")),
    row(SERVICES, "continueupgrade", "upgrade cancelupgrade settle", "", (202, "=")),
    row(SERVICES, "finishupgrade", "upgrade settle", "", (202, "=")),
    row(SERVICES, "rollback", "upgrade settle", "{}", (202, "=")),

    row("stack", "update", "", r#"{"description": "d"}"#, (200, "=")),
    row("stack", "remove", "", "", (202, "=")),
    row("stack", "activateservices", "", "", (202, "=")),
    row("stack", "deactivateservices", "", "", (202, "=")),
    row("stack", "addoutputs", "", r#"{"outputs": {"a": "b"}}"#, (202, "=")),
    row("stack", "exportconfig", "", "{}", (200, "-")),
    row("stack", "upgrade", "", TEXTS, (202, "=")),
    row("stack", "cancelupgrade", "upgrade", "", (202, "=")),
    row("stack", "finishupgrade", "upgrade end", "", (202, "=")),
    row("stack", "rollback", "upgrade end", "", (202, "=")),
    row("stack", "upgradeservices", "", r#"{"services": [{"serviceId": "$web", "inServiceStrategy":
        {"launchConfig": {"imageUuid": "docker:x:2"}}}]}"#, (202, "=")),

    row("host", "update", "", r#"{"labels": {"a": "b"}}"#, (200, "=")),
    row("host", "activate", "deactivate", "", (202, "=")),
    row("host", "deactivate evacuate remove", "", "", (202, "=")),
    row("host", "dockersocket", "", "", (200, "-")),

    row("project", "update", "", r#"{"description": "d"}"#, (200, "=")),
    row("project", "activate", "deactivate", "", (202, "=")),
    row("project", "deactivate remove", "", "", (202, "=")),
    row("project", "setmembers", "", r#"{"members": []}"#, (200, "collection")),
    row("project", "networkdoctor", "", "", (200, "-")),
    row("project", "forecast", "", r#"{"stackName": "new"}"#, (200, "forecast")),
    row("project", "rebalance", "", r#"{"dryRun": true}"#, (200, "rebalancePlan")),
    row("project", "cancelrebalance", "", "{}", (200, "=")),

    row(SWITCHED, "activate", "deactivate", "", (202, "=")),
    row(SWITCHED, "deactivate remove", "", "", (202, "=")),
    row("account apiKey registrationToken registry registryCredential", "update", "", r#"{"description": "d"}"#, (200, "=")),
    row("volumeTemplate", "update", "", "{}", (200, "=")),
    row("webhookReceiver", "renew", "", "", (200, "=")),
    row("certificate secret volume webhookReceiver projectTemplate", "update", "", r#"{"description": "d"}"#, (200, "=")),
    row("projectMember", "update", "", r#"{"role": "owner"}"#, (200, "=")),
    row("certificate secret volume projectMember webhookReceiver projectTemplate", "remove", "", "", (202, "=")),

    row("container instance", "execute", "", r#"{"command": ["ls"]}"#, (200, "-")),
    row("container instance", "logs", "", "{}", (200, "-")),
    row("container instance", "stop", "", r#"{"timeout": 5}"#, (200, "-")),
    row("container instance", "restart", "", r#"{"timeout": 5}"#, (200, "-")),
    row("container instance", "remove", "", "", (200, "-")),
    row("container instance", "update", "", "{}", (200, "=")),
    // Its service keeps it stopped.
    row("container instance", "start", "stopped", "", (422, "error")),
];

/// A project with one of everything, two hosts, and everything started that can be.
fn busy() -> Bench {
    let mut bench = full();
    bench.add_host(2);
    for held in bench.get("~/services?state=inactive")["data"].as_array().unwrap().clone() {
        let id = held["id"].as_str().unwrap();
        bench.ask(&format!("POST ~/services/{id}/?action=activate"), Value::Null, 202);
    }
    bench.settle();
    bench
}

/// The row for a pair; what is named twice, or not at all, is a mistake.
fn row_of(kind: &str, deed: &str) -> Result<&'static Row, String> {
    let has = |list: &str, word: &str| list.split_whitespace().any(|held| held == word);
    let found: Vec<&Row> =
        ROWS.iter().filter(|row| has(row.kinds, kind) && has(row.deed, deed)).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(format!("{kind} {deed}: no row says what it answers")),
        _ => Err(format!("{kind} {deed}: {} rows", found.len())),
    }
}

/// A text, with the ids of what is there.
pub(crate) fn named(bench: &mut Bench, text: &str) -> String {
    let mut text = text.to_owned();
    if !text.contains('$') {
        return text;
    }
    let mut ids = vec![];
    for plural in ["stacks", "services", "registries", "containers", "projecttemplates"] {
        for held in bench.get(&format!("~/{plural}"))["data"].as_array().unwrap() {
            let name = held["serverAddress"].as_str().or(held["name"].as_str()).unwrap_or_default();
            let name = if plural == "containers" { "container" } else { name };
            ids.push((format!("${name}"), held["id"].as_str().unwrap().to_owned()));
        }
    }
    // Longer names first: `$s` begins `$storage`.
    ids.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    for (name, id) in ids {
        text = text.replace(&name, &id);
    }
    text
}

/// A body, with the ids of what is there.
pub(crate) fn body(bench: &mut Bench, text: &str) -> Value {
    match named(bench, text).as_str() {
        "$certificate" => certificates::body("new"),
        "" => Value::Null,
        text => serde_json::from_str(text).unwrap(),
    }
}

/// The URL of a living row of a type that is in a state to be acted on.
fn url(bench: &mut Bench, kind: &Kind, action: Option<&str>) -> Option<String> {
    let lower = kind.plural.to_lowercase();
    ["~", "/v2-beta"].iter().find_map(|tree| {
        let rows = bench.get(&format!("{tree}/{lower}"))["data"].clone();
        let rows = rows.as_array().unwrap().clone();
        let fits = |row: &&Value| action.is_none_or(|name| row["actions"].get(name).is_some());
        let found = rows.iter().rev().find(|row| fits(row) && row["type"] == kind.name.as_str());
        let found = found.or_else(|| rows.iter().find(fits));
        found.map(|row| format!("{tree}/{lower}/{}", row["id"].as_str().unwrap()))
    })
}

/// Bring what a URL leads to into the state that a deed begins from.
fn prepare(bench: &mut Bench, kind: &Kind, at: &str, before: &str) {
    for step in before.split_whitespace() {
        match step {
            "settle" => bench.settle(),
            "end" => crate::stacks::end(bench, at.rsplit('/').next().unwrap(), Ok(())),
            "remove" => drop(bench.ask(&format!("DELETE {at}"), Value::Null, 200)),
            "stopped" => {
                let id = bench.get(at)["serviceId"].as_str().unwrap().to_owned();
                let url = format!("POST ~/services/{id}/?action=deactivate");
                bench.ask(&url, Value::Null, 202);
                bench.settle();
            }
            action => {
                let row = row_of(&kind.name, action).unwrap();
                let given = body(bench, row.body);
                bench.ask(&format!("POST {at}/?action={action}"), given, row.status);
            }
        }
    }
}

/// A row's request, with all done that comes before it.
fn begin(
    bench: &mut Bench,
    kind: &Kind,
    deed: &str,
) -> Result<(&'static Row, String, Value), String> {
    let row = row_of(&kind.name, deed)?;
    let action = if deed.chars().all(char::is_uppercase) { None } else { Some(deed) };
    let first = row.before.split_whitespace().next();
    let from = first.filter(|step| *step != "remove" && *step != "stopped");
    let at = url(bench, kind, if row.before.is_empty() { action } else { from });
    let at = at.ok_or_else(|| format!("{} {deed}: no row offers it", kind.name))?;
    prepare(bench, kind, &at, row.before);
    let given = body(bench, row.body);
    let request = match (deed, action) {
        ("POST", _) => format!("POST {}", at.rsplit_once('/').unwrap().0),
        (_, Some(action)) => format!("POST {at}/?action={action}"),
        (method, None) => format!("{method} {at}"),
    };
    Ok((row, request, given))
}

/// What a row says, asked for.
fn check(bench: &mut Bench, kind: &Kind, deed: &str) -> Result<(), String> {
    let held = bench.world.clone();
    let (row, request, given) = begin(bench, kind, deed)?;
    let answer = bench.request(&request, &given);
    bench.world = held;
    let kind_of = answer.body.as_ref().map_or("-", |body| body["type"].as_str().unwrap_or("?"));
    let want = if row.answer == "=" { kind.name.as_str() } else { row.answer };
    // A row of a base type is of its own.
    let is_base = row.answer == "=" && kind.name == "instance" && kind_of == "container";
    if answer.status == row.status && (kind_of == want || is_base) {
        return Ok(());
    }
    let (status, body) = (answer.status, &answer.body);
    Err(format!("{request} {given}: {status} {kind_of}, not {} {want}: {body:?}", row.status))
}

/// Everything that takes a body, in the state it takes it in: the request, a body that is taken, the schema it is held to, and
/// which fields of that are given (none: all that are given at all).
pub(crate) fn requests(mut each: impl FnMut(&mut Bench, &str, &Value, &Value, &str)) {
    let bench = &mut busy();
    let schemas = bench.get("~/schemas")["data"].clone();
    let named = |name: &str| schemas.as_array().unwrap().iter().find(|held| held["id"] == name);
    for kind in kinds(bench) {
        for (list, deed, flag) in
            [("collectionMethods", "POST", "create"), ("resourceMethods", "PUT", "update")]
        {
            if kind.has(list, deed) {
                let held = bench.world.clone();
                let (_, request, given) = begin(bench, &kind, deed).unwrap();
                each(bench, &request, &given, &kind.schema, flag);
                bench.world = held;
            }
        }
        for (action, ends) in kind.schema["resourceActions"].as_object().unwrap() {
            let Some(input) = ends["input"].as_str().and_then(named) else { continue };
            let held = bench.world.clone();
            let (_, request, given) = begin(bench, &kind, action).unwrap();
            each(bench, &request, &given, input, "");
            bench.world = held;
        }
    }
}

#[test]
fn what_a_schema_offers_is_answered_as_its_row_says() {
    let mut bench = busy();
    let (mut wrong, mut asked) = (Vec::new(), BTreeSet::new());
    for kind in kinds(&mut bench) {
        let methods = ["POST"].iter().filter(|method| kind.has("collectionMethods", method));
        let more = ["PUT", "DELETE"].iter().filter(|method| kind.has("resourceMethods", method));
        let deeds = methods.chain(more).map(|method| (*method).to_owned()).chain(kind.actions());
        for deed in deeds {
            wrong.extend(check(&mut bench, &kind, &deed).err());
            asked.insert((kind.name.clone(), deed));
        }
    }
    for row in ROWS {
        for kind in row.kinds.split_whitespace() {
            for deed in row.deed.split_whitespace() {
                if !asked.contains(&(kind.to_owned(), deed.to_owned())) {
                    wrong.push(format!("{kind} {deed}: in no schema"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_can_be_read_is_what_it_is_called() {
    let mut bench = full();
    let mut links = 0;
    for kind in kinds(&mut bench) {
        let lower = kind.plural.to_lowercase();
        assert_eq!(bench.get(&format!("~/{lower}"))["resourceType"], kind.name.as_str());
        let Some(at) = url(&mut bench, &kind, None) else {
            assert!(EMPTY.contains(&kind.name.as_str()), "{}", kind.name);
            continue;
        };
        let own = bench.get(&at);
        for link in kind.schema["includeableLinks"].as_array().unwrap() {
            let link = link.as_str().unwrap();
            let (status, found) =
                tried(&mut bench, &format!("GET {at}/{}", link.to_lowercase()), &Value::Null);
            // A parent that it has not got.
            let is_none = status == 404 && found["code"] == "NotFound" && says_why(&found);
            assert!(own["links"][link].is_string(), "{at}: {link}");
            assert!(
                is_none || (status == 200 && found["type"].is_string()),
                "{at}/{link}: {status} {found}"
            );
            links += usize::from(status == 200);
        }
        let (status, error) = tried(&mut bench, &format!("GET {at}/nonsense"), &Value::Null);
        assert_eq!((status, &error["code"]), (404, &json!("NotFound")), "{at}/nonsense");
    }
    assert!(links > 60, "{links}");
}

/// Words that say more than the code does.
fn says_why(error: &Value) -> bool {
    error["type"] == "error"
        && error["message"].as_str().is_some_and(|text| text.split(' ').count() > 3)
}

#[test]
fn what_a_schema_does_not_offer_is_answered_in_words() {
    let mut bench = full();
    let mut refused = 0;
    for kind in kinds(&mut bench) {
        let lower = kind.plural.to_lowercase();
        let at = url(&mut bench, &kind, None).unwrap_or_else(|| format!("~/{lower}/1x1"));
        let status = if EMPTY.contains(&kind.name.as_str()) { 404 } else { 405 };
        let mut wanted = vec![
            (format!("PUT ~/{lower}"), 405, "MethodNotAllowed"),
            (format!("DELETE ~/{lower}"), 405, "MethodNotAllowed"),
            (format!("POST {at}"), 405, "MethodNotAllowed"),
            (format!("PUT {at}/self"), 405, "MethodNotAllowed"),
            (format!("DELETE {at}/self"), 405, "MethodNotAllowed"),
            (format!("POST ~/{lower}?action=nonsense"), 405, "MethodNotAllowed"),
        ];
        if status == 405 {
            wanted.push((format!("POST {at}/?action=nonsense"), 422, "InvalidAction"));
        }
        if !kind.has("collectionMethods", "POST") {
            wanted.push((format!("POST ~/{lower}"), 405, "MethodNotAllowed"));
        }
        for method in ["PUT", "DELETE"].iter().filter(|m| !kind.has("resourceMethods", m)) {
            let code = if status == 405 { "MethodNotAllowed" } else { "NotFound" };
            wanted.push((format!("{method} {at}"), status, code));
        }
        for (request, status, code) in wanted {
            for body in [Value::Null, json!({}), json!({ "name": "x" })] {
                let (got, error) = tried(&mut bench, &request, &body);
                assert_eq!(
                    (got, error["code"].as_str()),
                    (status, Some(code)),
                    "{request} {body}: {error}"
                );
                assert!(says_why(&error), "{request}: {error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 900, "{refused}");
}

/// One of everything is stored as rows, and is the same when it is read again.
#[test]
fn one_of_everything_outlives_a_restart() {
    let world = full().world;
    let again = drover_core::World::load(world.all_rows()).unwrap();
    assert_eq!(again, world);
    assert!(!world.project_templates.is_empty() && !world.webhooks.is_empty());
}
