//! `rebalance`: show which units would stand better elsewhere, ask, have them moved, and stay until they have. The server
//! decides and does it; what was shown is what is asked for.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::args::Rebalance;
use crate::client::Client;
use crate::failure::Failure;
use crate::operator::{connect, say};
use crate::progress::{Event, Reporter};
use crate::session::{deadline, list};
use crate::table::print;
use crate::wire::text;

/// Between two questions.
const ASK_EVERY: Duration = Duration::from_millis(500);

const COLUMNS: [&str; 5] = ["SERVICE", "CONTAINER", "FROM", "TO", "WHY"];

/// `rebalance …`.
pub(crate) async fn rebalance(command: &Rebalance, to: &Reporter) -> Result<(), Failure> {
    let operator = &command.operator;
    let deadline = deadline(operator.output);
    let client = connect(operator).await?;
    let ids = services(&client, &command.services).await?;
    let project = format!("projects/{}", client.environment());
    if command.cancel {
        let body = json!({ "serviceIds": ids });
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
        to.tell(&Event::note("nothing to move: every unit stands as well as it can"));
        return Ok(());
    }
    if command.dry_run {
        return Ok(());
    }
    if !command.yes && !confirmed(moves.len())? {
        return Err(Failure::Failed("nothing was moved".to_owned()));
    }
    let body = json!({ "moves": moves });
    let begun = client.act("begin the rebalancing", &project, "rebalance", &body).await?;
    for note in notes(&begun) {
        to.tell(&Event::note(note));
    }
    let begun = rows(&begun);
    to.tell(&Event::general("rebalance", format!("{} to move", units(begun.len()))));
    if command.detach {
        return Ok(());
    }
    let last = wait(&client, begun, deadline, to).await?;
    judge(&client, moves, &last, to).await
}

/// The ids of services by name; a name that several have is no name.
async fn services(client: &Client, asked: &[String]) -> Result<Vec<String>, Failure> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let all = client.list("list the services", "services", &[("removed_null", "1")]).await?;
    let stacks = client.list("list the stacks", "stacks", &[("removed_null", "1")]).await?;
    asked.iter().map(|name| find(&all, &stacks, name).map_err(Failure::Failed)).collect()
}

fn find(all: &[Value], stacks: &[Value], asked: &str) -> Result<String, String> {
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
fn confirmed(count: usize) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        let why = "nothing was moved: there is no terminal to ask on; --yes does it without asking";
        return Err(Failure::Failed(why.to_owned()));
    }
    print!("Move {}? [y/N] ", units(count));
    std::io::stdout().flush().map_err(Failure::Output)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(Failure::Output)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Until no move is left; the last that was said of what moves.
async fn wait(
    client: &Client,
    begun: &[Value],
    deadline: Instant,
    to: &Reporter,
) -> Result<Vec<String>, Failure> {
    let mut ids: Vec<String> = begun.iter().map(|held| text(held, "serviceId")).collect();
    ids.sort();
    ids.dedup();
    let mut told: Vec<String> = Vec::new();
    loop {
        let mut left = Vec::new();
        for id in &ids {
            let Some(seen) = look(client, id, deadline).await? else { continue };
            let message =
                format!("{}: {}", text(&seen, "name"), text(&seen, "transitioningMessage"));
            if seen["rebalance"].is_null() {
                continue;
            }
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
            assert_eq!(find(&all, &stacks, asked), want);
        };
        check("db", Ok("1s3"));
        check("shop/web", Ok("1s1"));
        check("web", Err("several services are called `web`: shop/web and blog/web"));
        check("x", Err("there is no service `x`"));
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
