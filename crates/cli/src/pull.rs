//! `pull`: fetch images on the hosts before anything needs them.

use std::collections::BTreeMap;
use std::time::Duration;

use drover_compose::ServiceSpec;
use drover_core::ServiceKind;
use drover_rollout::{Event, text};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::Program;
use crate::args::Pull;
use crate::failure::Failure;
use crate::progress::Reporter;
use crate::session::Session;

/// Between two questions how far a pull is.
const ASK_EVERY: Duration = Duration::from_millis(400);

/// What a host says when it has the image.
const DONE: &str = "Done";

/// `pull`.
pub(crate) async fn pull(
    options: &Pull,
    program: Program,
    reporter: &Reporter,
) -> Result<(), Failure> {
    let selected = &options.selected;
    let session = Session::begin(&selected.common, program, reporter).await?;
    let names = &selected.services;
    let spec = session.project()?;
    let is_meant = |service: &ServiceSpec| {
        let sidekicks = &service.template.sidekicks;
        names.is_empty() || names.iter().any(|n| *n == service.name || sidekicks.contains_key(n))
    };
    if let Some(unknown) = names.iter().find(|name| {
        !spec.services.iter().any(|s| s.name == **name || s.template.sidekicks.contains_key(*name))
    }) {
        return Err(Failure::Failed(format!("No such service: {unknown}")));
    }
    let specs = spec.services.into_iter().filter(is_meant).collect();
    pull_specs(&session, specs, options.cached).await
}

/// Pull the images of these services on every host they may run on.
pub(crate) async fn pull_specs(
    session: &Session<'_>,
    specs: Vec<ServiceSpec>,
    cached: bool,
) -> Result<(), Failure> {
    let mut tasks = Vec::new();
    for (image, labels) in images(&specs) {
        session.reporter.tell(&Event::general("pull", format!("pulling {image}")));
        let mode = if cached { "cached" } else { "all" };
        let body = json!({ "image": image, "labels": labels, "mode": mode });
        let doing = format!("pull {image}");
        let task = session.client.create(&doing, "pulltasks", &body).await?;
        tasks.push((image, task));
    }
    let mut failed = Vec::new();
    for (image, task) in tasks {
        let task = follow(session, &image, task).await?;
        match verdict(&task) {
            Ok(hosts) => session.reporter.tell(&pulled(&image, hosts)),
            Err(why) => failed.push(format!("{image}: {why}")),
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::Failed(format!("could not pull everywhere: {}", failed.join("; "))))
    }
}

/// Every image once, with the labels that say where it may be needed. A balancer's is the hosts' own affair.
fn images(specs: &[ServiceSpec]) -> BTreeMap<String, BTreeMap<String, String>> {
    let with_containers = specs.iter().filter(|spec| spec.kind == ServiceKind::Containers);
    let mut images = BTreeMap::new();
    for spec in with_containers {
        for (_, member) in spec.template.members() {
            images
                .entry(member.image.clone())
                .or_insert_with(|| spec.template.primary.labels.clone());
        }
    }
    images
}

/// Ask until it is through, saying what the hosts say.
async fn follow(session: &Session<'_>, image: &str, task: Value) -> Result<Value, Failure> {
    let (id, mut task, mut told) = (text(&task, "id"), task, BTreeMap::new());
    loop {
        for (host, said) in statuses(&task) {
            if told.get(&host) != Some(&said) {
                let line = format!("{image} on {host}: {said}");
                session.reporter.tell(&Event::general("pull", line));
                told.insert(host, said);
            }
        }
        if text(&task, "transitioning") != "yes" {
            return Ok(task);
        }
        if Instant::now() >= session.deadline {
            let why =
                format!("time is up, and {image} is still being pulled; the hosts go on with it");
            return Err(Failure::TimedOut(why));
        }
        tokio::time::sleep(ASK_EVERY).await;
        let doing = format!("see how far the pull of {image} is");
        task = session.client.get(&doing, &format!("pulltasks/{id}")).await?;
    }
}

fn pulled(image: &str, hosts: usize) -> Event {
    match hosts {
        0 => Event::warning(format!(
            "{image}: no host pulled it; drover host ls shows which there are"
        )),
        1 => Event::general("pulled", format!("{image}: pulled on 1 host")),
        hosts => Event::general("pulled", format!("{image}: pulled on {hosts} hosts")),
    }
}

/// The number of hosts that have it, or what went wrong.
fn verdict(task: &Value) -> Result<usize, String> {
    let statuses = statuses(task);
    let failed: Vec<String> = statuses
        .iter()
        .filter(|(_, said)| *said != DONE)
        .map(|(host, said)| format!("{host} said {said}"))
        .collect();
    if !failed.is_empty() {
        return Err(failed.join(", "));
    }
    if text(task, "transitioning") == "error" {
        return Err(text(task, "transitioningMessage"));
    }
    Ok(statuses.len())
}

fn statuses(task: &Value) -> BTreeMap<String, String> {
    let all = task["status"].as_object().into_iter().flatten();
    all.map(|(host, said)| (host.clone(), said.as_str().unwrap_or_default().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        let of = |transitioning: &str, status: Value| {
            verdict(&json!({
                "transitioning": transitioning, "transitioningMessage": "no host", "status": status,
            }))
        };
        assert_eq!(of("no", json!({ "h1": "Done", "h2": "Done" })), Ok(2));
        assert_eq!(of("no", json!({})), Ok(0));
        assert_eq!(of("error", json!({})), Err("no host".into()));
        assert_eq!(
            of("error", json!({ "h1": "Done", "h2": "no such image" })),
            Err("h2 said no such image".into())
        );
    }

    #[test]
    fn each_image_once_and_none_for_balancers() {
        let spec = |name: &str, image: &str, kind| {
            let mut spec = ServiceSpec { name: name.into(), kind, ..ServiceSpec::default() };
            spec.template.primary.image = image.into();
            spec
        };
        let specs = [
            spec("a", "nginx", ServiceKind::Containers),
            spec("b", "nginx", ServiceKind::Containers),
            spec("lb", "haproxy", ServiceKind::Balancer),
        ];
        assert_eq!(images(&specs).into_keys().collect::<Vec<_>>(), ["nginx"]);
    }
}
