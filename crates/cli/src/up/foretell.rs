//! `plan` and `up --dry-run`: what would come of it, as the server foretells it, shown; and `up --plan`, which does nothing if that is no longer what a plan said.

use std::path::Path;

use drover_rollout::Event;
use drover_rollout::text;
use serde_json::Value;

use crate::failure::Failure;
use crate::operator::say;
use crate::session::Session;
use crate::table::print;

const COLUMNS: [&str; 6] = ["SERVICE", "DO", "SERVING", "AT LEAST", "THEN", "HOSTS"];

/// Show what would come of it: a table, then what would be pulled, what is to be known, and what stands in the way.
pub(super) fn show(session: &Session<'_>, told: &Value, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return say(&told.to_string());
    }
    let services = list(told, "services");
    if !services.is_empty() {
        print(&COLUMNS, &services.iter().map(cells).collect::<Vec<_>>())?;
    }
    for pull in list(told, "pulls") {
        let text = format!("{} would pull {}", text(pull, "host"), texts(pull, "images"));
        session.reporter.tell(&Event::note(text));
    }
    for service in services {
        for warning in list(service, "warnings") {
            let text = format!("{}: {}", text(service, "name"), text(warning, "text"));
            session.reporter.tell(&Event::warning(text));
        }
    }
    for obstacle in list(told, "obstacles").iter().filter_map(Value::as_str) {
        session.reporter.tell(&Event::warning(format!("it would get stuck: {obstacle}")));
    }
    Ok(())
}

fn cells(service: &Value) -> Vec<String> {
    let number = |member: &str| service[member].to_string();
    let hosts = list(service, "made").iter().map(|made| {
        let (container, host) = (text(made, "container"), text(made, "host"));
        match made["from"].as_str() {
            Some(from) if from != host => format!("{container} {from}→{host}"),
            _ => format!("{container} {host}"),
        }
    });
    let hosts: Vec<String> = hosts.collect();
    let gone = list(service, "removed").len();
    let gone = if gone == 0 { String::new() } else { format!("{gone} removed") };
    let hosts = if hosts.is_empty() { gone } else { hosts.join(", ") };
    vec![
        text(service, "name"),
        text(service, "action"),
        number("servingNow"),
        number("servingLeast"),
        number("servingThen"),
        hosts,
    ]
}

fn list<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value[member].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn texts(value: &Value, member: &str) -> String {
    list(value, member).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

/// Keep it for `up --plan`.
pub(super) fn keep(told: &Value, file: &Path) -> Result<(), Failure> {
    let written = std::fs::write(file, format!("{told:#}\n"));
    written.map_err(|error| Failure::Failed(format!("could not write {}: {error}", file.display())))
}

/// Refuse what is not what the plan said.
pub(super) fn check(told: &Value, file: &Path) -> Result<(), Failure> {
    let shown = file.display();
    let unreadable = |why: String| Failure::Usage(format!("{shown} is not a plan: {why}"));
    let held = std::fs::read_to_string(file).map_err(|error| unreadable(error.to_string()))?;
    let held: Value = serde_json::from_str(&held).map_err(|error| unreadable(error.to_string()))?;
    if held["type"] != "forecast" {
        return Err(unreadable("`drover plan -o FILE` makes one".to_owned()));
    }
    if held["digest"] == told["digest"] {
        return Ok(());
    }
    Err(Failure::Refused(format!(
        "nothing was done: what would come of it is not what {shown} says any more: {}. Look at it and make a new one: \
         drover plan -o {shown}",
        differences(&held, told)
    )))
}

/// What two plans say differently, in words.
fn differences(held: &Value, told: &Value) -> String {
    let by_name = |plan: &Value, name: &str| {
        list(plan, "services").iter().find(|service| text(service, "name") == name).cloned()
    };
    let mut names: Vec<String> = [held, told]
        .iter()
        .flat_map(|plan| list(plan, "services").iter().map(|service| text(service, "name")))
        .collect();
    names.sort();
    names.dedup();
    let one = |name: &String| match (by_name(held, name), by_name(told, name)) {
        (Some(was), Some(is)) if was == is => None,
        (Some(_), None) => Some(format!("nothing would be done to {name}")),
        (None, Some(is)) => Some(format!("{name} would be touched ({})", text(&is, "action"))),
        (was, is) => {
            let cells = |service: Option<Value>| service.map_or_else(Vec::new, |s| cells(&s));
            let (was, is) = (cells(was), cells(is));
            let changed = COLUMNS.iter().zip(was.iter().zip(&is)).find(|(_, (was, is))| was != is);
            Some(match changed {
                Some((column, (was, is))) => {
                    format!("{name}, {}: {is}, not {was}", column.to_lowercase())
                }
                None => format!("{name} differs"),
            })
        }
    };
    let mut all: Vec<String> = names.iter().filter_map(one).collect();
    all.extend(pulls(held, told));
    all.extend(obstacles(held, told));
    match all.as_slice() {
        [] => "the files, or the services, have changed".to_owned(),
        all => all.join("; "),
    }
}

/// What hosts would pull by one plan and not by the other.
fn pulls(held: &Value, told: &Value) -> Vec<String> {
    let of = |plan: &Value, host: &str| {
        list(plan, "pulls").iter().find(|pull| text(pull, "host") == host).cloned()
    };
    let mut hosts: Vec<String> = [held, told]
        .iter()
        .flat_map(|plan| list(plan, "pulls").iter().map(|pull| text(pull, "host")))
        .collect();
    hosts.sort();
    hosts.dedup();
    let images = |pull: Option<Value>| match pull.map(|pull| texts(&pull, "images")) {
        Some(images) if !images.is_empty() => images,
        _ => "nothing".to_owned(),
    };
    let one = |host: &String| {
        let (was, is) = (images(of(held, host)), images(of(told, host)));
        (was != is).then(|| format!("{host} would pull {is}, not {was}"))
    };
    hosts.iter().filter_map(one).collect()
}

/// What would stand in the way by one plan and not by the other.
fn obstacles(held: &Value, told: &Value) -> Vec<String> {
    let missing = |from: &Value, other: &Value| {
        let known = list(other, "obstacles");
        let new = list(from, "obstacles").iter().filter(|one| !known.contains(one));
        new.filter_map(|one| one.as_str().map(str::to_owned)).collect::<Vec<String>>()
    };
    let new = missing(told, held).into_iter().map(|why| format!("it would get stuck now: {why}"));
    let old = missing(held, told);
    new.chain(old.into_iter().map(|why| format!("it would no longer get stuck: {why}"))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan(digest: &str, host: &str) -> Value {
        let made = json!([{ "container": "shop-web-1", "host": host, "from": "h1" }]);
        let web = json!({
            "name": "web", "action": "upgrade", "servingNow": 2, "servingLeast": 2, "servingThen": 2,
            "made": made, "removed": [],
        });
        json!({ "type": "forecast", "digest": digest, "services": [web] })
    }

    #[test]
    fn a_row_says_where_it_goes() {
        assert_eq!(
            cells(&plan("1", "h2")["services"][0]),
            ["web", "upgrade", "2", "2", "2", "shop-web-1 h1→h2"]
        );
        assert_eq!(cells(&plan("1", "h1")["services"][0])[5], "shop-web-1 h1");
    }

    #[test]
    fn a_plan_that_does_not_hold_is_refused_with_what_differs() {
        let file = tempfile::NamedTempFile::new().unwrap();
        keep(&plan("1", "h2"), file.path()).unwrap();
        assert!(check(&plan("1", "h2"), file.path()).is_ok());
        let refused = check(&plan("2", "h3"), file.path()).unwrap_err();
        assert_eq!(refused.status(), 4);
        let said = refused.to_string();
        assert!(said.contains("web, hosts: shop-web-1 h1→h3, not shop-web-1 h1→h2"), "{said}");
        let none = json!({ "type": "forecast", "digest": "3", "services": [] });
        assert_eq!(differences(&plan("1", "h2"), &none), "nothing would be done to web");
        assert_eq!(
            differences(&plan("1", "h2"), &plan("2", "h2")),
            "the files, or the services, have changed"
        );
    }

    #[test]
    fn pulls_and_obstacles_differ_in_words_too() {
        let with = |images: Value, obstacles: Value| {
            let mut plan = plan("1", "h2");
            plan["pulls"] = images;
            plan["obstacles"] = obstacles;
            plan
        };
        let pull = |image: &str| json!([{ "host": "h2", "images": [image] }]);
        let (was, is) =
            (with(pull("web:2"), json!([])), with(json!([]), json!(["web: no host fits"])));
        assert_eq!(
            differences(&was, &is),
            "h2 would pull nothing, not web:2; it would get stuck now: web: no host fits"
        );
        assert_eq!(
            differences(&is, &was),
            "h2 would pull web:2, not nothing; it would no longer get stuck: web: no host fits"
        );
    }
}
