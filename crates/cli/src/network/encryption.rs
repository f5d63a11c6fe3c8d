//! `network encryption …` and `network rotate-keys`: two settings, and what hosts say of what follows from them.

use drover_core::{ENCRYPTION_SETTING, KEYS_SETTING};
use drover_rollout::{Event, text};
use serde_json::{Value, json};

use crate::args::{EncryptionCommand, Operator};
use crate::client::Client;
use crate::failure::Failure;
use crate::operator::{connect, say};
use crate::progress::Reporter;
use crate::table::print;

const COLUMNS: [&str; 4] = ["FROM", "TO", "IS", "BECAUSE"];

/// `network encryption …`.
pub(crate) async fn encryption(command: &EncryptionCommand, to: &Reporter) -> Result<(), Failure> {
    match command {
        EncryptionCommand::On(operator) => switch(operator, "wireguard", to).await,
        EncryptionCommand::Off(operator) => switch(operator, "none", to).await,
        EncryptionCommand::Status(operator) => status(operator).await,
    }
}

/// `network rotate-keys`.
pub(crate) async fn rotate_keys(operator: &Operator, to: &Reporter) -> Result<(), Failure> {
    let client = connect(operator).await?;
    let held = client.get("read which keys hosts have", &path(KEYS_SETTING)).await?;
    let next = text(&held, "value").parse::<u64>().unwrap_or_default() + 1;
    let body = json!({ "value": next.to_string() });
    client.update("ask for new keys", &path(KEYS_SETTING), &body).await?;
    to.tell(&Event::general(
        "network",
        "every host makes a new key; the old ones go when all others know the new ones, an hour from now at the latest"
            .to_owned(),
    ));
    Ok(())
}

async fn switch(operator: &Operator, value: &str, to: &Reporter) -> Result<(), Failure> {
    let client = connect(operator).await?;
    let body = json!({ "value": value });
    client.update("switch encryption", &path(ENCRYPTION_SETTING), &body).await?;
    let told = if value == "none" {
        "encryption is off: hosts change over one by one"
    } else {
        "encryption is on: hosts change over one by one, and in two minutes nothing is sent in the clear"
    };
    let next = "drover network encryption status says how far they are";
    to.tell(&Event::general("network", format!("{told}; {next}")));
    Ok(())
}

async fn status(operator: &Operator) -> Result<(), Failure> {
    let client = connect(operator).await?;
    let setting = client.get("read whether encryption is on", &path(ENCRYPTION_SETTING)).await?;
    let encrypted = text(&setting, "value") == "wireguard";
    let pairs = pairs(&hosts(&client).await?);
    if operator.output.json {
        let lines = pairs.iter().map(|pair| {
            json!({ "from": pair.from, "to": pair.to, "encrypted": pair.encrypted, "trouble": pair.trouble })
        });
        { lines }.try_for_each(|line| say(&line.to_string()))?;
    } else {
        let rows: Vec<_> = pairs.iter().map(Pair::cells).collect();
        print(&COLUMNS, &rows)?;
    }
    let wrong = pairs.iter().filter(|pair| !pair.is_as(encrypted)).count();
    let shall = if encrypted { "encrypted" } else { "in the clear" };
    if wrong == 0 {
        return Ok(());
    }
    Err(Failure::Failed(format!("{wrong} of {} are not {shall} as they shall be", pairs.len())))
}

fn path(setting: &str) -> String {
    format!("settings/{setting}")
}

async fn hosts(client: &Client) -> Result<Vec<Value>, Failure> {
    Ok(client.list("list the hosts", "hosts", &[("removed_null", "1")]).await?)
}

/// What goes from one host to another.
#[derive(Debug, PartialEq, Eq)]
struct Pair {
    from: String,
    to: String,
    encrypted: bool,
    /// Why nothing arrives; empty if it does.
    trouble: String,
}

impl Pair {
    fn is_as(&self, encrypted: bool) -> bool {
        self.encrypted == encrypted && self.trouble.is_empty()
    }

    fn cells(&self) -> Vec<String> {
        let is = match (self.encrypted, self.trouble.is_empty()) {
            (_, false) => "cut off",
            (true, true) => "encrypted",
            (false, true) => "in the clear",
        };
        let because = if self.trouble.is_empty() { "-" } else { &self.trouble };
        [&self.from, &self.to, is, because].map(str::to_owned).to_vec()
    }
}

/// Every two hosts, both ways.
fn pairs(hosts: &[Value]) -> Vec<Pair> {
    let name = |host: &Value| {
        let given = text(host, "name");
        if given.is_empty() { text(host, "hostname") } else { given }
    };
    let pair = |from: &Value, to: &Value| {
        let (told, id) = (&from["info"]["networkInfo"], text(to, "id"));
        let encrypted =
            told["encryptedTo"].as_array().is_some_and(|all| all.iter().any(|h| h == &id));
        let trouble = told["trouble"][id.as_str()].as_str().unwrap_or_default().to_owned();
        Pair { from: name(from), to: name(to), encrypted, trouble }
    };
    let mut all = Vec::new();
    for from in hosts {
        let others = hosts.iter().filter(|to| to["id"] != from["id"]);
        all.extend(others.map(|to| pair(from, to)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hosts_say_of_each_other() {
        let host = |id: &str, info: Value| json!({ "id": id, "hostname": id, "info": info });
        let trouble = json!({ "1h3": "no session" });
        let hosts = [
            host(
                "1h1",
                json!({ "networkInfo": { "encryptedTo": ["1h2", "1h3"], "trouble": trouble } }),
            ),
            host("1h2", json!({ "networkInfo": { "encryptedTo": [], "trouble": {} } })),
            // An agent from before says nothing of it.
            host("1h3", json!({})),
        ];
        let pairs = pairs(&hosts);
        let rows: Vec<_> = pairs.iter().map(|pair| pair.cells().join(" | ")).collect();
        assert_eq!(
            rows,
            [
                "1h1 | 1h2 | encrypted | -",
                "1h1 | 1h3 | cut off | no session",
                "1h2 | 1h1 | in the clear | -",
                "1h2 | 1h3 | in the clear | -",
                "1h3 | 1h1 | in the clear | -",
                "1h3 | 1h2 | in the clear | -",
            ]
        );
        let right = |encrypted| pairs.iter().filter(|pair| pair.is_as(encrypted)).count();
        assert_eq!((right(true), right(false)), (1, 4));
    }
}
