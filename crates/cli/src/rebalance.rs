//! `rebalance`: show which units would stand better elsewhere, ask, have them moved, and stay until they have. The server
//! decides and does it; what was shown is what is asked for.

use std::io::IsTerminal as _;
use std::time::Duration;

use drover_rollout::{Event, list, text};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::args::Rebalance;
use crate::ask;
use crate::client::Client;
use crate::failure::Failure;
use crate::operator::{connect, say};
use crate::progress::Reporter;
use crate::session::deadline;
use crate::table::print;

/// Between two questions.
const ASK_EVERY: Duration = Duration::from_millis(500);

const COLUMNS: [&str; 5] = ["SERVICE", "CONTAINER", "FROM", "TO", "WHY"];

/// `rebalance …`.
pub(crate) async fn rebalance(command: &Rebalance, to: &Reporter) -> Result<(), Failure> {
    let operator = &command.operator;
    let client = connect(operator).await?;
    let ids = services(&client, &command.services).await?;
    let project = format!("projects/{}", client.environment());
    if command.cancel {
        let body = json!({ "serviceIds": ids });
        to.asks();
        client.act("call off the rebalancing", &project, "cancelrebalance", &body).await?;
        let told = "called off: what has not moved stays where it is".to_owned();
        to.tell(&Event::general("rebalance", told));
        return Ok(());
    }
    let body = json!({ "dryRun": true, "serviceIds": ids });
    let plan = client.act("plan the rebalancing", &project, "rebalance", &body).await?;
    show(&plan, operator.output.json, to)?;
    let moves = rows(&plan);
    if moves.is_empty() {
        return nothing(&client, command, &ids, &plan, to).await;
    }
    if command.dry_run {
        return Ok(());
    }
    if !command.yes && !confirmed(moves.len()).await? {
        return Err(Failure::Failed("nothing was moved".to_owned()));
    }
    let body = json!({ "moves": moves });
    to.asks();
    let begun = client.act("begin the rebalancing", &project, "rebalance", &body).await?;
    for note in notes(&begun) {
        to.tell(&Event::note(note));
    }
    let begun = rows(&begun);
    to.tell(&Event::general("rebalance", format!("{} to move", units(begun.len()))));
    if command.detach {
        return Ok(());
    }
    // Not before: nobody is to be hurried at a question.
    let last = wait(&client, &services_of(begun), deadline(operator.output), to).await?;
    judge(&client, moves, &last, to).await
}

/// There is nothing that could be begun; what was begun before, also by someone else, is waited for.
async fn nothing(
    client: &Client,
    command: &Rebalance,
    ids: &[String],
    plan: &Value,
    to: &Reporter,
) -> Result<(), Failure> {
    to.tell(&Event::note(nothing_to_move(plan)));
    if command.dry_run || command.detach {
        return Ok(());
    }
    let all = client.list("list the services", "services", &[("removed_null", "1")]).await?;
    let moving = all.iter().filter(|service| !service["rebalance"].is_null());
    let moving = moving.map(|service| text(service, "id"));
    let moving: Vec<String> = moving.filter(|id| ids.is_empty() || ids.contains(id)).collect();
    if moving.is_empty() {
        return Ok(());
    }
    wait(client, &moving, deadline(command.operator.output), to).await?;
    to.tell(&Event::general("rebalance", "what was asked for before is over"));
    Ok(())
}

/// Where something holds units back, it was said what.
fn nothing_to_move(plan: &Value) -> &'static str {
    if notes(plan).is_empty() {
        "nothing to move: every unit stands as well as it can"
    } else {
        "nothing to move now"
    }
}

/// The ids of services by name; a name that several have is no name.
async fn services(client: &Client, asked: &[String]) -> Result<Vec<String>, Failure> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let all = client.list("list the services", "services", &[("removed_null", "1")]).await?;
    let stacks = client.list("list the stacks", "stacks", &[("removed_null", "1")]).await?;
    asked.iter().map(|name| find_service(&all, &stacks, name).map_err(Failure::Failed)).collect()
}

/// A service's id by its name, or that of its stack and its own.
pub(crate) fn find_service(all: &[Value], stacks: &[Value], asked: &str) -> Result<String, String> {
    let stack_of = |service: &Value| {
        let id = text(service, "stackId");
        stacks
            .iter()
            .find(|stack| text(stack, "id") == id)
            .map_or(String::new(), |s| text(s, "name"))
    };
    let full = |service: &Value| format!("{}/{}", stack_of(service), text(service, "name"));
    let is_it = |service: &&Value| {
        text(service, "name").eq_ignore_ascii_case(asked)
            || full(service).eq_ignore_ascii_case(asked)
    };
    let found: Vec<&Value> = all.iter().filter(is_it).collect();
    match found.as_slice() {
        [service] => Ok(text(service, "id")),
        [] => Err(format!("there is no service `{asked}`")),
        _ => {
            let names: Vec<String> = found.iter().map(|service| full(service)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            Err(format!("several services are called `{asked}`: {}", list(&names)))
        }
    }
}

/// The plan as a table, or as it came.
fn show(plan: &Value, as_json: bool, to: &Reporter) -> Result<(), Failure> {
    if as_json {
        return say(&plan.to_string());
    }
    let cells: Vec<Vec<String>> = rows(plan).iter().map(cells).collect();
    if !cells.is_empty() {
        print(&COLUMNS, &cells)?;
    }
    for note in notes(plan) {
        to.tell(&Event::note(note));
    }
    Ok(())
}

fn cells(held: &Value) -> Vec<String> {
    let service = format!("{}/{}", text(held, "stack"), text(held, "service"));
    let rest = ["name", "from", "to", "reason"].map(|member| text(held, member));
    std::iter::once(service).chain(rest).collect()
}

fn rows(plan: &Value) -> &[Value] {
    plan["moves"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn notes(plan: &Value) -> Vec<String> {
    let notes = plan["notes"].as_array().into_iter().flatten();
    notes.filter_map(|note| note.as_str().map(str::to_owned)).collect()
}

fn units(count: usize) -> String {
    if count == 1 { "1 unit".to_owned() } else { format!("{count} units") }
}

/// Whether whoever sits there wants it. Nobody does where nobody can be asked.
async fn confirmed(count: usize) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        let why = "nothing was moved: there is no terminal to ask on; --yes does it without asking";
        return Err(Failure::Failed(why.to_owned()));
    }
    ask::confirmed(&format!("Move {}?", units(count))).await
}

/// The services that moves are of.
fn services_of(begun: &[Value]) -> Vec<String> {
    let mut ids: Vec<String> = begun.iter().map(|held| text(held, "serviceId")).collect();
    ids.sort();
    ids.dedup();
    ids
}

/// Until no move of these services is left; the last that was said of what moves.
async fn wait(
    client: &Client,
    ids: &[String],
    deadline: Instant,
    to: &Reporter,
) -> Result<Vec<String>, Failure> {
    let mut told: Vec<String> = Vec::new();
    loop {
        let mut left = Vec::new();
        for id in ids {
            let Some(seen) = look(client, id, deadline).await? else { continue };
            let Some(message) = moving(&seen) else { continue };
            if !told.contains(&message) {
                to.tell(&Event::general("rebalance", message.clone()));
                told.push(message.clone());
            }
            left.push(message);
        }
        if left.is_empty() {
            return Ok(told);
        }
        if Instant::now() >= deadline {
            return Err(Failure::TimedOut(format!(
                "not all have moved yet: {}. The server goes on; drover rebalance --cancel calls off what is left",
                left.join("; ")
            )));
        }
        tokio::time::sleep_until((Instant::now() + ASK_EVERY).min(deadline)).await;
    }
}

/// How far a service is whose units move; nothing if none does. The planner has not always looked at it yet.
fn moving(service: &Value) -> Option<String> {
    let left = service["rebalance"].as_array()?.len();
    let said = text(service, "transitioningMessage");
    let said = if said.is_empty() { format!("{} left to move", units(left)) } else { said };
    Some(format!("{}: {said}", text(service, "name")))
}

/// A service as it is now; a server that can't be reached for a while is asked again.
async fn look(client: &Client, id: &str, deadline: Instant) -> Result<Option<Value>, Failure> {
    loop {
        match client.find("see how far it is", &format!("services/{id}")).await {
            Ok(seen) => return Ok(seen),
            Err(error) if error.is_passing() && Instant::now() < deadline => {
                tokio::time::sleep(ASK_EVERY).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Which of the moves that were shown were made.
async fn judge(
    client: &Client,
    moves: &[Value],
    told: &[String],
    to: &Reporter,
) -> Result<(), Failure> {
    let mut stay = Vec::new();
    for held in moves {
        let path = format!("services/{}/instances", text(held, "serviceId"));
        let there = client.list("see where containers are", &path, &[]).await?;
        if !has_moved(held, &there) {
            stay.push(format!("{} stays on {}", text(held, "name"), text(held, "from")));
        }
    }
    if stay.is_empty() {
        let told = if moves.len() == 1 { "it has moved" } else { "all have moved" };
        to.tell(&Event::general("rebalance", told.to_owned()));
        return Ok(());
    }
    let why = told.last().map(|said| format!(" (last said: {said})")).unwrap_or_default();
    let moved = moves.len() - stay.len();
    Err(Failure::Failed(format!(
        "{moved} of {} moved; {}{why}. drover rebalance plans anew what is left",
        units(moves.len()),
        stay.join("; ")
    )))
}

/// Whether the container that goes by the name now is on the other host.
fn has_moved(held: &Value, there: &[Value]) -> bool {
    let on_its_way_out = ["stopping", "removing", "removed", "stopped"];
    there.iter().any(|container| {
        text(container, "name") == text(held, "name")
            && text(container, "hostId") == text(held, "toHostId")
            && !on_its_way_out.contains(&text(container, "state").as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_by_name_or_by_stack_and_name() {
        let stacks =
            [json!({ "id": "1st1", "name": "shop" }), json!({ "id": "1st2", "name": "blog" })];
        let all = [
            json!({ "id": "1s1", "name": "web", "stackId": "1st1" }),
            json!({ "id": "1s2", "name": "web", "stackId": "1st2" }),
            json!({ "id": "1s3", "name": "db", "stackId": "1st2" }),
        ];
        let check = |asked: &str, want: Result<&str, &str>| {
            let want = want.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(find_service(&all, &stacks, asked), want);
        };
        check("db", Ok("1s3"));
        check("shop/web", Ok("1s1"));
        check("web", Err("several services are called `web`: shop/web and blog/web"));
        check("x", Err("there is no service `x`"));
    }

    #[test]
    fn what_is_said_of_a_service_that_moves() {
        let said = |rebalance: Value, message: Value| {
            moving(
                &json!({ "name": "web", "rebalance": rebalance, "transitioningMessage": message }),
            )
        };
        assert_eq!(said(Value::Null, Value::Null), None);
        assert_eq!(said(json!([{}, {}]), Value::Null), Some("web: 2 units left to move".into()));
        assert_eq!(said(json!([{}]), json!("web-2 moves")), Some("web: web-2 moves".into()));
    }

    #[test]
    fn nothing_to_move_is_no_praise_where_something_holds_units_back() {
        let plan = |notes: Value| json!({ "moves": [], "notes": notes });
        assert_eq!(nothing_to_move(&plan(json!(["web is being upgraded"]))), "nothing to move now");
        assert!(nothing_to_move(&plan(json!([]))).contains("as well as it can"));
    }

    #[test]
    fn a_unit_has_moved_when_its_name_is_on_the_other_host() {
        let held = json!({ "name": "shop-web-2", "toHostId": "1h2" });
        let check = |host: &str, state: &str, want: bool| {
            let there = [json!({ "name": "shop-web-2", "hostId": host, "state": state })];
            assert_eq!(has_moved(&held, &there), want, "{host} {state}");
        };
        check("1h2", "running", true);
        check("1h2", "removing", false);
        check("1h1", "running", false);
    }
}
