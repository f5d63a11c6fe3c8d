//! What is asked of a stack about its texts: others, to keep them, to go back. Here it is only written down on the stack; doing it
//! is the server's, and what its state is then `state`'s.

use drover_core::{Rollout, RolloutPhase, Stack};

use crate::body::Body;
use crate::context::Context;
use crate::error::ApiError;
use crate::texts;

/// The stack after one of these actions; none if it is another one's.
pub(super) fn act(
    ctx: &Context<'_>,
    stack: &Stack,
    action: &str,
    body: Body<'_>,
) -> Result<Option<Stack>, ApiError> {
    Ok(Some(match action {
        "upgrade" => upgraded(ctx, stack, body)?,
        "rollback" => rolled_back(ctx, stack),
        "finishupgrade" => going(ctx, stack, RolloutPhase::Finishing),
        "cancelupgrade" => going(ctx, stack, RolloutPhase::Canceling),
        _ => return Ok(None),
    }))
}

/// What its key asks for now.
pub(super) fn begin(ctx: &Context<'_>, phase: RolloutPhase) -> Rollout {
    Rollout::begin(phase, &ctx.caller.access, ctx.now)
}

/// The same stack, on its way somewhere else.
fn going(ctx: &Context<'_>, stack: &Stack, phase: RolloutPhase) -> Stack {
    Stack { rollout: Some(begin(ctx, phase)), ..stack.clone() }
}

/// The stack with its next texts. What was before an upgrade is what was before the first that nobody decided.
fn upgraded(ctx: &Context<'_>, stack: &Stack, body: Body<'_>) -> Result<Stack, ApiError> {
    let next = texts::read_next(stack, body)?;
    let previous = stack.previous.clone().or_else(|| Some(Box::new(stack.texts())));
    let next = Stack { previous, ..going(ctx, stack, RolloutPhase::Upgrading).made_of(next) };
    texts::stack_spec(ctx.world, &next)?;
    Ok(next)
}

/// The stack with its texts from before; asked for again, what is left of the way back.
fn rolled_back(ctx: &Context<'_>, stack: &Stack) -> Stack {
    let back = going(ctx, stack, RolloutPhase::RollingBack);
    match stack.previous.as_deref() {
        Some(before) => Stack { previous: None, ..back.made_of(before.clone()) },
        None => back,
    }
}

/// Why a stack doesn't offer an action in this state, and the way out.
pub(super) fn why_not(state: &str, action: &str) -> Option<&'static str> {
    Some(match (state, action) {
        ("active", "finishupgrade" | "rollback" | "cancelupgrade") => {
            "no upgrade of the stack is in progress or waits for a decision"
        }
        ("upgraded", "upgrade" | "cancelupgrade") => {
            "its last upgrade waits for a decision; finishupgrade keeps the new version, rollback returns to the old one"
        }
        ("canceled-upgrade", "finishupgrade") => {
            "its upgrade stands half-way: upgrade goes on with it, rollback returns to the old version"
        }
        ("activating" | "upgrading", "upgrade" | "finishupgrade") => {
            "its services are still being brought to its texts; wait for that"
        }
        ("rolling-back" | "finishing-upgrade" | "canceling-upgrade", _) => {
            "it is on its way to another state; wait for that"
        }
        _ => return None,
    })
}
