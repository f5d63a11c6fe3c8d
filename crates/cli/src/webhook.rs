//! `webhook`: URLs that have one thing done when they are called. The URL is shown when it is made, and never again.

use drover_rollout::{Event, nothing, text};
use serde_json::{Map, Value, json};

use crate::args::{NewWebhook, Operator, WebhookCommand, Webhooks};
use crate::client::Client;
use crate::failure::Failure;
use crate::operator::{connect, say};
use crate::progress::Reporter;
use crate::rebalance::find_service;
use crate::table::print;

const COLUMNS: [&str; 5] = ["ID", "NAME", "DOES", "CREATED", "DESCRIPTION"];

/// `webhook …`.
pub(crate) async fn webhook(command: &WebhookCommand, reporter: &Reporter) -> Result<(), Failure> {
    match command {
        WebhookCommand::Ls(operator) => ls(operator).await,
        WebhookCommand::Create(new) => create(new, reporter).await,
        WebhookCommand::Renew(some) => renew(some, reporter).await,
        WebhookCommand::Rm(some) => rm(some, reporter).await,
    }
}

async fn ls(operator: &Operator) -> Result<(), Failure> {
    let client = connect(operator).await?;
    let all = all(&client).await?;
    if operator.output.json {
        return all.iter().try_for_each(|held| say(&held.to_string()));
    }
    let services = client.list("list the services", "services", &[("removed_null", "1")]).await?;
    let cells = |held: &Value| {
        let does = does(held, &services);
        vec![
            text(held, "id"),
            text(held, "name"),
            does,
            text(held, "created"),
            text(held, "description"),
        ]
    };
    print(&COLUMNS, &all.iter().map(cells).collect::<Vec<_>>())
}

async fn create(new: &NewWebhook, reporter: &Reporter) -> Result<(), Failure> {
    let client = connect(&new.operator).await?;
    let (up, service) = match (&new.scale_up, &new.scale_down) {
        (Some(service), _) => ("up", Some(service)),
        (None, service) => ("down", service.as_ref()),
    };
    let service = match service {
        Some(asked) => {
            let living = [("removed_null", "1")];
            let services = client.list("list the services", "services", &living).await?;
            let stacks = client.list("list the stacks", "stacks", &living).await?;
            Some(find_service(&services, &stacks, asked).map_err(Failure::Failed)?)
        }
        None => None,
    };
    let body = body(new, up, service.as_deref())?;
    let doing = format!("make the webhook {}", new.name);
    let made = client.create(&doing, "webhookreceivers", &body).await?;
    shown(&made, new.operator.output.json, reporter)
}

/// What is asked of the server.
fn body(new: &NewWebhook, action: &str, service: Option<&str>) -> Result<Value, Failure> {
    let mut body = json!({ "name": new.name, "description": new.description });
    if let Some(service) = service {
        body["driver"] = json!("scaleService");
        body["scaleServiceConfig"] = json!({
            "serviceId": service, "action": action,
            "amount": new.amount, "min": new.min, "max": new.max,
        });
        return Ok(body);
    }
    let pair = |text: &String| match text.split_once('=') {
        Some((label, value)) if !label.is_empty() => Ok((label.to_owned(), json!(value))),
        _ => Err(Failure::Usage(format!(
            "`{text}` is no label and its value: write --upgrade LABEL=VALUE"
        ))),
    };
    let selector: Map<String, Value> = new.upgrade.iter().map(pair).collect::<Result<_, _>>()?;
    body["driver"] = json!("serviceUpgrade");
    body["serviceUpgradeConfig"] = json!({
        "serviceSelector": selector,
        "tag": new.tag,
        "payloadFormat": new.payload,
        "batchSize": new.batch_size,
        "intervalMillis": new.interval,
        "startFirst": new.start_first.then_some(true),
    });
    Ok(body)
}

async fn renew(some: &Webhooks, reporter: &Reporter) -> Result<(), Failure> {
    let client = connect(&some.operator).await?;
    for held in chosen(&client, &some.webhooks).await? {
        let doing = format!("renew the webhook {}", text(&held, "name"));
        let path = format!("webhookreceivers/{}", text(&held, "id"));
        let renewed = client.act(&doing, &path, "renew", &nothing()).await?;
        shown(&renewed, some.operator.output.json, reporter)?;
    }
    Ok(())
}

async fn rm(some: &Webhooks, reporter: &Reporter) -> Result<(), Failure> {
    let client = connect(&some.operator).await?;
    for held in chosen(&client, &some.webhooks).await? {
        let name = text(&held, "name");
        let doing = format!("remove the webhook {name}");
        client.delete(&doing, &format!("webhookreceivers/{}", text(&held, "id"))).await?;
        reporter.tell(&Event::general("remove", format!("{name}: removed")));
    }
    Ok(())
}

/// The URL alone on stdout, for `$(drover webhook create …)`.
fn shown(made: &Value, json: bool, reporter: &Reporter) -> Result<(), Failure> {
    if json {
        return say(&made.to_string());
    }
    say(&text(made, "url"))?;
    let told =
        format!("The URL of {} is shown this once. It is called with POST.", text(made, "name"));
    reporter.tell(&Event::aside(told));
    Ok(())
}

/// What it does, in words.
fn does(held: &Value, services: &[Value]) -> String {
    let scale = &held["scaleServiceConfig"];
    if scale.is_object() {
        let id = text(scale, "serviceId");
        let service = services.iter().find(|service| text(service, "id") == id);
        let name = service.map_or(id, |service| text(service, "name"));
        let (action, amount) = (text(scale, "action"), &scale["amount"]);
        return format!("scales {name} {action} by {amount}, {} to {}", scale["min"], scale["max"]);
    }
    let upgrade = &held["serviceUpgradeConfig"];
    let labels = upgrade["serviceSelector"].as_object().into_iter().flatten();
    let labels: Vec<String> =
        labels.map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect();
    let (tag, format) = (text(upgrade, "tag"), text(upgrade, "payloadFormat"));
    format!("upgrades {} to {tag} ({format})", labels.join(", "))
}

/// Receivers by id or name, all of them known before the first is touched.
async fn chosen(client: &Client, asked: &[String]) -> Result<Vec<Value>, Failure> {
    let all = all(client).await?;
    let one = |asked: &String| {
        let is_it = |held: &&Value| {
            text(held, "id") == *asked || text(held, "name").eq_ignore_ascii_case(asked)
        };
        let found = all.iter().find(is_it).cloned();
        found.ok_or_else(|| Failure::Failed(format!("there is no webhook `{asked}`")))
    };
    asked.iter().map(one).collect()
}

async fn all(client: &Client) -> Result<Vec<Value>, Failure> {
    Ok(client.list("list the webhooks", "webhookreceivers", &[("removed_null", "1")]).await?)
}
