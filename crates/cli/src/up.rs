//! `up` and `create`: bring a stack to what its files say.
//!
//! What that takes is `drover-rollout`'s; here is which files, what was asked for, and what is said.

mod foretell;
mod rollback;

use drover_rollout::{Asked, Event, Plan};

use crate::Program;
use crate::args::{Selected, Up};
use crate::failure::Failure;
use crate::outcome::{Ending, waits};
use crate::progress::Reporter;
use crate::pull;
use crate::session::Session;
pub(crate) use rollback::rollback_to;

/// `up`.
pub(crate) async fn up(
    options: &Up,
    program: Program,
    reporter: &Reporter,
) -> Result<Ending, Failure> {
    let mut session = Session::begin(&options.selected.common, program, reporter).await?;
    if options.rollback {
        rollback::rollback(&session, &options.selected.services).await?;
        return Ok(Ending::Done);
    }
    let asked = Asked {
        upgrade: options.upgrade || options.force_upgrade,
        force: options.force_upgrade,
        confirm: options.confirm_upgrade,
        names: options.selected.services.clone(),
        prune: options.prune,
        batch_size: options.batch_size,
        interval_ms: options.interval,
        reason: options.reason.clone(),
        since: None,
        program,
    };
    let waits_to_be_confirmed = asked.upgrade && !asked.confirm;
    let plan = Plan::make(&session, session.project()?, asked).await?;
    plan.say(&session);
    if options.dry_run {
        plan.say_what_would_be_done(&session);
        let told = plan.foretell(&session).await?;
        if let Some(file) = &options.out {
            foretell::keep(&told, file)?;
        }
        foretell::show(&session, &told, options.selected.common.output.json)?;
        return Ok(Ending::Done);
    }
    if let Some(file) = &options.plan {
        foretell::check(&plan.foretell(&session).await?, file)?;
    }
    if options.pull {
        pull::pull_specs(&session, plan.replaced(), false).await?;
    }
    plan.carry_out(&mut session).await?;
    if program == Program::RancherCompose && !options.detach {
        // As Rancher's program does; only Ctrl-C ends it.
        crate::logs::follow_all(&session, &options.selected.services).await?;
    }
    if !waits_to_be_confirmed {
        return Ok(Ending::Done);
    }
    let views = session.services().await?;
    let views = views.iter().filter(|view| plan.had(view));
    Ok(waits(views, options.waiting_ok))
}

/// `create`.
pub(crate) async fn create(
    options: &Selected,
    program: Program,
    reporter: &Reporter,
) -> Result<(), Failure> {
    let mut session = Session::begin(&options.common, program, reporter).await?;
    let asked = Asked { names: options.services.clone(), program, ..Asked::default() };
    let plan = Plan::make(&session, session.project()?, asked).await?;
    if plan.has_all() {
        reporter.tell(&Event::note("nothing to create: all services are there"));
    }
    Ok(plan.create(&mut session).await?)
}
