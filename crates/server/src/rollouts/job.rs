//! What each phase of a rollout comes to, step by step; the steps are `drover-rollout`'s, the same as the command line's.

use std::sync::Arc;
use std::time::Duration;

use drover_api::Kind;
use drover_core::{Rollout, RolloutPhase, Stack};
use drover_rollout::{
    Asked, CANCEL, Event, Failure, Goal, Plan, Program, Report, Rest, ServiceView, Session, Wanted,
    confirm, goes_back, roll_back,
};
use tokio::time::Instant;

use super::inside::Inside;
use crate::clock;
use crate::server::Server;

/// Do what is to be done now; why it was not, in words.
pub(super) async fn work(
    server: &Arc<Server>,
    stack: &Stack,
    rollout: &Rollout,
) -> Result<(), String> {
    let until = rollout.begun_at + server.timing.rollout_ms;
    let left = Duration::from_millis(until - clock::now());
    let mut session = Session {
        api: Arc::new(Inside::of(server, stack, rollout)),
        reporter: &Log,
        name: stack.name.clone(),
        // By its id: it may get another name meanwhile.
        stack: Some(drover_rollout::Stack {
            id: Kind::Stack.id(stack.id.0),
            name: stack.name.clone(),
            answers: stack.environment.clone(),
        }),
        program: Program::Drover,
        deadline: Instant::now() + left,
        failing_for: Duration::from_millis(server.timing.trouble_ms),
    };
    let done = match rollout.phase {
        RolloutPhase::Creating => create(&mut session, server, stack).await,
        RolloutPhase::Upgrading => upgrade(&mut session, server, stack, rollout).await,
        RolloutPhase::Finishing => finish(&session).await,
        RolloutPhase::RollingBack => go_back(&mut session, server, stack).await,
        RolloutPhase::Canceling => cancel(&session).await,
        RolloutPhase::Upgraded | RolloutPhase::Canceled => Ok(()),
    };
    done.map_err(|failure| failure.to_string())
}

/// Make the services, and start them if that was asked for.
async fn create(session: &mut Session<'_>, server: &Server, stack: &Stack) -> Result<(), Failure> {
    let plan = plan(session, server, stack, Asked::default()).await?;
    if stack.start_on_create { plan.carry_out(session).await } else { plan.create(session).await }
}

/// Bring the services to new texts, as `up --upgrade` does. What was begun already is only waited for.
async fn upgrade(
    session: &mut Session<'_>,
    server: &Server,
    stack: &Stack,
    rollout: &Rollout,
) -> Result<(), Failure> {
    let asked = Asked { upgrade: true, since: Some(rollout.begun_at.0), ..Asked::default() };
    plan(session, server, stack, asked).await?.carry_out(session).await
}

/// Confirm what waits for it.
async fn finish(session: &Session<'_>) -> Result<(), Failure> {
    let mut views = session.services().await?;
    views.retain(|view| matches!(view.state.as_str(), "upgraded" | "finishing-upgrade"));
    confirm(session, &views, Rest::Nothing).await
}

/// Back to the containers of before, then to what the texts of before say of all else.
async fn go_back(session: &mut Session<'_>, server: &Server, stack: &Stack) -> Result<(), Failure> {
    let mut views = session.services().await?;
    views.retain(goes_back);
    roll_back(session, &views).await?;
    plan(session, server, stack, Asked::default()).await?.carry_out(session).await
}

/// Stop half-way what is on its way, there or to the end of it. What has come to its end by itself stays as it is.
async fn cancel(session: &Session<'_>) -> Result<(), Failure> {
    let stands = |view: &ServiceView| {
        matches!(view.state.as_str(), "canceling-upgrade" | "canceled-upgrade" | "upgraded")
    };
    let is_over = |view: &ServiceView| view.state == "active" || stands(view);
    let moves =
        |view: &&ServiceView| matches!(view.state.as_str(), "upgrading" | "finishing-upgrade");
    for view in session.services().await?.iter().filter(moves) {
        CANCEL.take_unless(session, view, is_over).await?;
    }
    let views = session.services().await?;
    let wanted = views.iter().filter(|view| stands(view));
    session.wait(wanted.map(|view| Wanted::new(view, Goal::Canceled)).collect()).await
}

/// What is to be done to come to the stack's texts.
async fn plan(
    session: &Session<'_>,
    server: &Server,
    stack: &Stack,
    asked: Asked,
) -> Result<Plan, Failure> {
    let spec = drover_api::stack_spec(&server.store.world(), stack)
        .map_err(|error| Failure::Refused(error.to_string()))?;
    let plan = Plan::make(session, spec, asked).await?;
    plan.say(session);
    Ok(plan)
}

/// The server's log is told what happens.
struct Log;

impl Report for Log {
    fn tell(&self, event: &Event) {
        tracing::debug!(?event, "rollout");
    }
}
