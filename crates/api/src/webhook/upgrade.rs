//! `serviceUpgrade`: what was pushed becomes the image of those services that run it already, of the selected ones. The
//! upgrade is one as any other, by the service's own policy, and confirms itself.

use drover_core::{Change, FinishPolicy, Service, Template, UpgradeHook, Webhook, World, label};
use serde_json::{Value, json};

use super::push::{Pushed, Repository, read, tagged};
use super::{Fired, answer, refused};
use crate::context::Context;
use crate::error::ApiError;
use crate::ids::Kind;
use crate::launch_config::template_to_wire;
use crate::route;

pub(super) fn fire(
    ctx: &Context<'_>,
    held: &Webhook,
    hook: &UpgradeHook,
    said: &Value,
) -> Result<Fired, ApiError> {
    let pushed = read(hook.payload, said).map_err(|why| {
        refused(format!(
            "nothing was changed: the body can't be read as a push to webhook {}: {why}",
            held.name
        ))
    })?;
    let nothing =
        |message: String| Ok(Fired { changes: Vec::new(), answer: answer(held, &message, &[]) });
    let meant: Vec<&Pushed> = pushed.iter().filter(|one| one.tag == hook.tag).collect();
    if meant.is_empty() {
        let tags: Vec<&str> = pushed.iter().map(|one| one.tag.as_str()).collect();
        let tags = if tags.is_empty() { "nothing with a tag".to_owned() } else { tags.join(", ") };
        return nothing(format!(
            "nothing was changed: {tags} was pushed, and webhook {} is for {}",
            held.name, hook.tag
        ));
    }
    let mut done =
        Done { world: ctx.world.clone(), changes: Vec::new(), rows: Vec::new(), begun: 0 };
    for service in ctx.world.services.values() {
        if is_selected(ctx.world, service, held, hook) {
            done.upgrade(ctx, service, hook, &meant);
        }
    }
    if done.rows.is_empty() {
        let names: Vec<String> = meant.iter().map(|one| one.repository.to_string()).collect();
        return nothing(format!(
            "nothing was changed: no service that webhook {} selects runs {}",
            held.name,
            names.join(" or ")
        ));
    }
    let words: Vec<&str> = done.rows.iter().filter_map(|row| row["message"].as_str()).collect();
    let message = words.join("; ");
    if done.begun == 0 {
        return Err(refused(format!("nothing was changed: {message}")));
    }
    Ok(Fired { answer: answer(held, &message, &done.rows), changes: done.changes })
}

/// What was begun, on the snapshot that it leads to.
struct Done {
    world: World,
    changes: Vec<Change>,
    rows: Vec<Value>,
    begun: usize,
}

impl Done {
    /// Upgrade one service, if any of its containers has one of these images.
    fn upgrade(
        &mut self,
        ctx: &Context<'_>,
        service: &Service,
        hook: &UpgradeHook,
        pushed: &[&Pushed],
    ) {
        let Some(template) = self.world.current_template(service).cloned() else { return };
        let Some((strategy, images)) = strategy(service, &template, hook, pushed) else { return };
        let id = Kind::Service.id(service.id.0);
        let stack = ctx.world.stacks.get(&service.stack).map_or("", |stack| &stack.name);
        let shown = format!("{stack}/{}", service.name);
        let body = json!({ "inServiceStrategy": strategy, "reason": format!("pushed to {}", ctx.caller.access) });
        let begun = {
            let inside = Context { world: &self.world, ..ctx.clone() };
            route::action(&inside, &["services", &id], "upgrade", &body)
        };
        let begun = begun.and_then(|outcome| {
            let changes = confirming_itself(outcome.changes);
            let (after, _) = self.world.commit(&changes)?;
            Ok((changes, after))
        });
        let images: Vec<String> =
            images.iter().map(|(from, to)| format!("{from} → {to}")).collect();
        let shown_images = images.join(", ");
        let (result, message) = match begun {
            Ok((changes, after)) => {
                self.changes.extend(changes);
                self.world = after;
                self.begun += 1;
                ("upgrading", format!("{shown}: {shown_images}"))
            }
            Err(error) => ("refused", format!("{shown}: {error}")),
        };
        self.rows.push(json!({
            "id": id,
            "name": service.name,
            "stack": stack,
            "result": result,
            "images": images,
            "message": message,
            "links": { "self": ctx.resource_url("services", &id) },
        }));
    }
}

/// Whether a service lives, and has all the labels.
fn is_selected(world: &World, service: &Service, held: &Webhook, hook: &UpgradeHook) -> bool {
    let Some(template) = world.current_template(service) else { return false };
    let labels = &template.primary.labels;
    service.project == held.project
        && service.removed_at.is_none()
        && service.kind.has_units()
        && hook.selector.iter().all(|(name, value)| labels.get(name) == Some(value))
}

/// The members whose image was pushed, with it; from which image to which. `None` if it was none's.
fn strategy(
    service: &Service,
    template: &Template,
    hook: &UpgradeHook,
    pushed: &[&Pushed],
) -> Option<(Value, Vec<(String, String)>)> {
    let next = |image: &str| {
        let repository = Repository::of(image);
        let one = pushed.iter().find(|one| one.repository == repository)?;
        Some(tagged(image, &one.tag))
    };
    let (launch, secondaries) = template_to_wire(&service.name, template);
    let mut images = Vec::new();
    let mut renew = |mut config: Value| {
        let uuid = config["imageUuid"].as_str().unwrap_or_default().to_owned();
        let image = uuid.strip_prefix("docker:").unwrap_or(&uuid);
        let to = next(image)?;
        images.push((image.to_owned(), to.clone()));
        config["imageUuid"] = json!(format!("docker:{to}"));
        // What a host has under this tag is what was pushed before.
        config["labels"][label::PULL_IMAGE] = json!("always");
        Some(config)
    };
    let launch = renew(launch);
    let secondaries: Vec<Value> = secondaries.into_iter().filter_map(renew).collect();
    if images.is_empty() {
        return None;
    }
    let mut strategy = json!({ "secondaryLaunchConfigs": secondaries });
    let pace = [
        ("launchConfig", launch),
        ("batchSize", hook.batch_size.map(|n| json!(n))),
        ("intervalMillis", hook.interval_ms.map(|n| json!(n))),
        ("startFirst", hook.start_first.map(|n| json!(n))),
    ];
    for (name, value) in pace {
        if let Some(value) = value {
            strategy[name] = value;
        }
    }
    Some((strategy, images))
}

/// Nobody is there to confirm it. What the service does by itself otherwise stays its own.
fn confirming_itself(mut changes: Vec<Change>) -> Vec<Change> {
    for change in &mut changes {
        if let Change::StartUpgrade(upgrade) = change {
            upgrade.policy.finish = FinishPolicy::Auto;
        }
    }
    changes
}
