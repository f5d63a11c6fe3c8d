//! `scaleService`: up or down by so many, never beyond bounds.

use drover_core::{ScaleHook, Service, Webhook, derive};
use serde_json::json;

use super::{Fired, answer, refused};
use crate::context::Context;
use crate::error::ApiError;
use crate::ids::Kind;
use crate::route;

pub(super) fn fire(ctx: &Context<'_>, held: &Webhook, hook: &ScaleHook) -> Result<Fired, ApiError> {
    let service = ctx.world.service(hook.service).filter(|service| service.removed_at.is_none());
    let service = service.ok_or_else(|| {
        let id = Kind::Service.id(hook.service.0);
        refused(format!("the service of webhook {} ({id}) was removed", held.name))
    })?;
    can_scale(ctx, service).map_err(|why| refused(format!("nothing was changed: {why}")))?;
    let from = derive::shown_scale(ctx.world, service);
    let to = next(hook, from, &service.name).map_err(refused)?;
    let id = Kind::Service.id(service.id.0);
    let done = route::update(ctx, &["services", &id], &json!({ "scale": to }))
        .map_err(|error| refused(format!("nothing was changed: {error}")))?;
    let stack = ctx.world.stacks.get(&service.stack).map_or("", |stack| &stack.name);
    let message = format!("{stack}/{}: scale {from} → {to}", service.name);
    let row = json!({
        "id": id,
        "name": service.name,
        "stack": stack,
        "result": "scaled",
        "from": from,
        "to": to,
        "message": message,
        "links": { "self": ctx.resource_url("services", &id) },
    });
    Ok(Fired { changes: done.changes, answer: answer(held, &message, &[row]) })
}

/// Whether a service can be scaled by a webhook, whatever its scale; why not, in words.
pub(crate) fn can_scale(ctx: &Context<'_>, service: &Service) -> Result<(), String> {
    let name = &service.name;
    let template = ctx.world.current_template(service);
    match template.filter(|_| service.kind.has_units()) {
        None => Err(format!("{name} has no containers that could be scaled")),
        Some(template) if template.primary.is_global() => {
            Err(format!("{name} is global: it has one unit on every host, and no scale"))
        }
        Some(_) if service.scale_policy.is_some() => {
            Err(format!("{name} has a scale policy, which finds its scale: take that away first"))
        }
        Some(_) => Ok(()),
    }
}

/// The next scale; why there is none, in words.
fn next(hook: &ScaleHook, from: u32, name: &str) -> Result<u32, String> {
    let ScaleHook { up, amount, min, max, .. } = *hook;
    let to = if up { from.checked_add(amount) } else { from.checked_sub(amount) };
    let shown = to.map_or_else(|| "beyond all bounds".to_owned(), |to| to.to_string());
    let crosses = |bound: &str, at: u32| {
        format!(
            "nothing was changed: {name} would go from {from} to {shown}, and its webhook's {bound} is {at}"
        )
    };
    match to {
        Some(to) if up && to > max => Err(crosses("max", max)),
        Some(to) if !up && to < min => Err(crosses("min", min)),
        Some(to) => Ok(to),
        None if up => Err(crosses("max", max)),
        None => Err(crosses("min", min)),
    }
}

#[cfg(test)]
mod tests {
    use drover_core::ServiceId;

    use super::*;

    #[test]
    fn bounds() {
        let check = |up, amount, from, want: Result<u32, &str>| {
            let hook = ScaleHook { service: ServiceId(1), up, amount, min: 1, max: 5 };
            let got = next(&hook, from, "web");
            match want {
                Ok(to) => assert_eq!(got, Ok(to)),
                Err(part) => assert!(got.as_ref().unwrap_err().contains(part), "{got:?}"),
            }
        };
        check(true, 1, 4, Ok(5));
        check(true, 2, 4, Err("web would go from 4 to 6, and its webhook's max is 5"));
        check(true, 1, u32::MAX, Err("beyond all bounds"));
        check(false, 1, 2, Ok(1));
        check(false, 1, 1, Err("from 1 to 0, and its webhook's min is 1"));
        check(false, 9, 3, Err("beyond all bounds"));
        // Who is beyond a bound already may come back by the way that leads there.
        check(false, 1, 9, Ok(8));
        check(true, 1, 0, Ok(1));
    }
}
