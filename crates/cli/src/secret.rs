//! `secret`: what containers read as files in `/run/secrets`. A value goes in and never comes out; another one means
//! `rm` and `add` under the same name.

use std::io::Read as _;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use drover_rollout::{Event, text};
use serde_json::{Value, json};

use crate::args::{AddSecret, Operator, SecretCommand, Secrets};
use crate::client::Client;
use crate::failure::Failure;
use crate::operator::{connect, say};
use crate::progress::Reporter;
use crate::table::print;

const COLUMNS: [&str; 4] = ["ID", "NAME", "CREATED", "DESCRIPTION"];

/// `secret …`.
pub(crate) async fn secret(command: &SecretCommand, reporter: &Reporter) -> Result<(), Failure> {
    match command {
        SecretCommand::Ls(operator) => ls(operator).await,
        SecretCommand::Add(add) => add_one(add, reporter).await,
        SecretCommand::Rm(some) => rm(some, reporter).await,
    }
}

async fn ls(operator: &Operator) -> Result<(), Failure> {
    let all = all(&connect(operator).await?).await?;
    if operator.output.json {
        return all.iter().try_for_each(|held| say(&held.to_string()));
    }
    let cells =
        |held: &Value| ["id", "name", "created", "description"].map(|name| text(held, name));
    print(&COLUMNS, &all.iter().map(|held| cells(held).to_vec()).collect::<Vec<_>>())
}

async fn add_one(add: &AddSecret, reporter: &Reporter) -> Result<(), Failure> {
    let value = STANDARD.encode(read(&add.file)?);
    let body = json!({ "name": add.name, "value": value, "description": add.description });
    let client = connect(&add.operator).await?;
    client.create(&format!("add the secret {}", add.name), "secrets", &body).await?;
    reporter.tell(&Event::general("secret", format!("{}: added", add.name)));
    Ok(())
}

async fn rm(some: &Secrets, reporter: &Reporter) -> Result<(), Failure> {
    let client = connect(&some.operator).await?;
    let all = all(&client).await?;
    for asked in &some.secrets {
        let is_it = |held: &&Value| {
            text(held, "id") == *asked || text(held, "name").eq_ignore_ascii_case(asked)
        };
        let Some(held) = all.iter().find(is_it) else {
            return Err(Failure::Failed(format!("there is no secret `{asked}`")));
        };
        let doing = format!("remove the secret {asked}");
        client.delete(&doing, &format!("secrets/{}", text(held, "id"))).await?;
        reporter.tell(&Event::general("remove", format!("{asked}: removed")));
    }
    Ok(())
}

async fn all(client: &Client) -> Result<Vec<Value>, Failure> {
    Ok(client.list("list the secrets", "secrets", &[("removed_null", "1")]).await?)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    read.map_err(|error| Failure::Failed(format!("{} can't be read: {error}", path.display())))
}
