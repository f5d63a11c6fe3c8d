//! `host`, `token` and `key`: what whoever runs the cluster needs besides stacks. Through the same API.

use std::io::Write as _;

use drover_rollout::{Event, list, nothing, text};
use serde_json::{Value, json};

use crate::args::{HostCommand, Hosts, KeyCommand, Named, NewToken, Operator, TokenCommand};
use crate::client::Client;
use crate::evacuate::evacuate;
use crate::failure::Failure;
use crate::progress::Reporter;
use crate::session::reach;
use crate::settings;
use crate::table::print;

const COLUMNS: [&str; 8] =
    ["ID", "NAME", "STATE", "ADDRESS", "CONTAINERS", "DOCKER", "LABELS", "DETAIL"];

/// `host …`.
pub(crate) async fn host(command: &HostCommand, reporter: &Reporter) -> Result<(), Failure> {
    match command {
        HostCommand::Ls(operator) => list_hosts(operator).await,
        HostCommand::Rm(hosts) => each(hosts, reporter, "remove", "removed").await,
        HostCommand::Activate(hosts) => each(hosts, reporter, "activate", "active").await,
        HostCommand::Deactivate(hosts) => each(hosts, reporter, "deactivate", "inactive").await,
        HostCommand::Evacuate(command) => evacuate(command, reporter).await,
    }
}

/// `token …`.
pub(crate) async fn token(command: &TokenCommand, reporter: &Reporter) -> Result<(), Failure> {
    let TokenCommand::Create(NewToken { reusable, named }) = command;
    let (client, mut body) = (connect(&named.operator).await?, body(named));
    body["reusable"] = json!(reusable);
    let made = client.create("create a registration token", "registrationtokens", &body).await?;
    if named.operator.output.json {
        return say(&made.to_string());
    }
    let command = text(&made, "agentCommand");
    let command = if command.is_empty() { text(&made, "command") } else { command };
    // The token alone on stdout, for `$(drover token create)`.
    say(&text(&made, "token"))?;
    let again = if *reusable {
        "It serves any number of hosts, until it is removed."
    } else {
        "It is shown this once."
    };
    reporter
        .tell(&Event::aside(format!("{again} On the machine that is to become a host: {command}")));
    Ok(())
}

/// `key …`.
pub(crate) async fn key(command: &KeyCommand) -> Result<(), Failure> {
    let KeyCommand::Create(named) = command;
    let (client, body) = (connect(&named.operator).await?, body(named));
    let made = client.create("create an API key", "apikeys", &body).await?;
    say_key(&made, named.operator.output.json)
}

/// A new key, for a shell to take in.
pub(crate) fn say_key(made: &Value, json: bool) -> Result<(), Failure> {
    if json {
        return say(&made.to_string());
    }
    let (access, secret) = (text(made, "publicValue"), text(made, "secretValue"));
    say(&format!("export DROVER_ACCESS_KEY={access}\nexport DROVER_SECRET_KEY={secret}"))
}

async fn list_hosts(operator: &Operator) -> Result<(), Failure> {
    let client = connect(operator).await?;
    let hosts = all_hosts(&client).await?;
    if operator.output.json {
        let lines: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        return if lines.is_empty() { Ok(()) } else { say(&lines.join("\n")) };
    }
    print(&COLUMNS, &hosts.iter().map(cells).collect::<Vec<_>>())
}

/// The same for several hosts, all of them known before the first is touched.
async fn each(
    hosts: &Hosts,
    reporter: &Reporter,
    action: &'static str,
    state: &str,
) -> Result<(), Failure> {
    let client = connect(&hosts.operator).await?;
    let all = all_hosts(&client).await?;
    for host in choose(&all, &hosts.hosts).map_err(Failure::Failed)? {
        switch(&client, reporter, (host, "host", &name(host)), (action, state)).await?;
    }
    Ok(())
}

/// Bring one resource, of this type and name, to a state by an action; one that is there already is only said to be.
pub(crate) async fn switch(
    client: &Client,
    reporter: &Reporter,
    (held, kind, name): (&Value, &str, &str),
    (action, state): (&'static str, &str),
) -> Result<(), Failure> {
    if text(held, "state") == state {
        reporter.tell(&Event::note(format!("{name} is {state} already")));
        return Ok(());
    }
    let (doing, path) =
        (format!("{action} {kind} {name}"), format!("{kind}s/{}", text(held, "id")));
    if action == "remove" {
        client.delete(&doing, &path).await?;
    } else {
        client.act(&doing, &path, action, &nothing()).await?;
    }
    reporter.tell(&Event::general(action, format!("{name}: {state}")));
    Ok(())
}

/// The server an operator means.
pub(crate) async fn connect(operator: &Operator) -> Result<Client, Failure> {
    reach(&operator.server, &|name| std::env::var(name).ok()).await
}

/// The same, outside of any environment.
pub(crate) fn connect_outside(operator: &Operator) -> Result<Client, Failure> {
    let server = settings::server(&operator.server, &|name| std::env::var(name).ok())?;
    Ok(Client::outside(&server)?)
}

pub(crate) async fn all_hosts(client: &Client) -> Result<Vec<Value>, Failure> {
    Ok(client.list("list the hosts", "hosts", &[("removed_null", "1")]).await?)
}

/// Hosts by id, name or host name; a name that several have is no name.
pub(crate) fn choose<'a>(all: &'a [Value], asked: &[String]) -> Result<Vec<&'a Value>, String> {
    let one = |asked: &String| {
        let is_it = |host: &&Value| {
            text(host, "id") == *asked
                || text(host, "name") == *asked
                || text(host, "hostname") == *asked
        };
        let found: Vec<&Value> = all.iter().filter(is_it).collect();
        match found.as_slice() {
            [host] => Ok(*host),
            [] => {
                let names: Vec<String> = all.iter().map(name).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                Err(format!("there is no host `{asked}`; there are {}", list(&names)))
            }
            _ => {
                let ids: Vec<String> = found.iter().map(|host| text(host, "id")).collect();
                Err(format!(
                    "several hosts are called `{asked}`: use an id, one of {}",
                    ids.join(", ")
                ))
            }
        }
    };
    asked.iter().map(one).collect()
}

pub(crate) fn name(host: &Value) -> String {
    let given = text(host, "name");
    if given.is_empty() { text(host, "hostname") } else { given }
}

fn cells(host: &Value) -> Vec<String> {
    let agent = text(host, "agentState");
    let state = match (text(host, "state"), agent.as_str()) {
        (state, "" | "active") => state,
        (state, agent) => format!("{state} ({agent})"),
    };
    let labels = host["labels"].as_object().into_iter().flatten();
    let labels: Vec<String> =
        labels.map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect();
    let message = text(host, "transitioningMessage");
    let count = host["instanceIds"].as_array().map_or(0, Vec::len);
    let docker = host["info"]["osInfo"]["dockerVersion"].as_str().unwrap_or("-");
    vec![
        text(host, "id"),
        name(host),
        state,
        text(host, "agentIpAddress"),
        count.to_string(),
        docker.to_owned(),
        if labels.is_empty() { "-".to_owned() } else { labels.join(", ") },
        if message.is_empty() { "-".to_owned() } else { message },
    ]
}

fn body(named: &Named) -> Value {
    match &named.name {
        Some(name) => json!({ "name": name }),
        None => json!({}),
    }
}

/// A line on stdout.
pub(crate) fn say(what: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout().lock(), "{what}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(Failure::Output),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_by_any_name() {
        let all = [
            json!({ "id": "1h1", "hostname": "a" }),
            json!({ "id": "1h2", "hostname": "b", "name": "front" }),
            json!({ "id": "1h3", "hostname": "b" }),
        ];
        let chosen = |asked: &str| choose(&all, &[asked.to_owned()]).map(|h| text(h[0], "id"));
        assert_eq!(chosen("a"), Ok("1h1".into()));
        assert_eq!(chosen("front"), Ok("1h2".into()));
        assert_eq!(chosen("1h3"), Ok("1h3".into()));
        assert_eq!(
            chosen("b"),
            Err("several hosts are called `b`: use an id, one of 1h2, 1h3".into())
        );
        assert_eq!(chosen("x"), Err("there is no host `x`; there are a, front and b".into()));
    }

    #[test]
    fn a_host_as_a_row() {
        let host = json!({
            "id": "1h1", "hostname": "node1", "state": "active", "agentState": "disconnected",
            "agentIpAddress": "10.0.0.1", "labels": { "tier": "front" }, "instanceIds": ["1i1", "1i2"],
            "info": { "osInfo": { "dockerVersion": "20.10.24" } },
        });
        assert_eq!(
            cells(&host).join(" | "),
            "1h1 | node1 | active (disconnected) | 10.0.0.1 | 2 | 20.10.24 | tier=front | -"
        );
    }
}
