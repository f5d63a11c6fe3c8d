//! Commands for the services of a stack.

use std::path::PathBuf;

use clap::Args;

use super::Common;

/// Services by name.
#[derive(Args, Clone, Debug, Default)]
pub struct Selected {
    /// Services; none means all
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// `up`.
#[derive(Args, Clone, Debug, Default)]
pub struct Up {
    /// Replace the containers of services that differ from the files
    #[arg(short, long, alias = "recreate")]
    pub upgrade: bool,
    /// Replace them even if nothing differs, for instance because a tag moved
    #[arg(long, alias = "force-recreate")]
    pub force_upgrade: bool,
    /// Finish upgrades: remove the old containers; rollback is not possible afterwards
    #[arg(short, long)]
    pub confirm_upgrade: bool,
    /// Go back to the containers from before the upgrade
    #[arg(short, long, conflicts_with_all = ["upgrade", "force_upgrade", "confirm_upgrade"])]
    pub rollback: bool,
    /// Pull images on every host before anything is replaced
    #[arg(long)]
    pub pull: bool,
    /// Why, for `history`; said of every revision that this makes
    #[arg(long, value_name = "TEXT", requires = "upgrade")]
    pub reason: Option<String>,
    /// Units replaced at a time; 0 leaves it to the server [default: 2, or what the files say]
    #[arg(long, value_name = "UNITS")]
    pub batch_size: Option<u32>,
    /// Milliseconds between batches [default: 1000, or what the files say]
    #[arg(long, value_name = "MS")]
    pub interval: Option<u64>,
    /// Remove services of the stack that are not in the files
    #[arg(long)]
    pub prune: bool,
    /// Say what would be done and what would come of it, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do nothing if what would come of it is not what this file says, which `plan -o` made
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dry_run", "rollback"])]
    pub plan: Option<PathBuf>,
    #[arg(skip)]
    #[allow(missing_docs)] // of `plan`
    pub out: Option<PathBuf>,
    /// End with 0, not 10, when an upgrade waits for its confirmation
    #[arg(long)]
    pub waiting_ok: bool,
    /// Accepted for compatibility: drover waits for the outcome and ends in any case
    #[arg(short, long = "detach")]
    pub detach: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub selected: Selected,
}

/// `plan`.
#[derive(Args, Clone, Debug)]
pub struct Foretell {
    /// Keep it in this file, for `up --plan`
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// As `up --force-upgrade` would do it
    #[arg(long, alias = "force-recreate")]
    pub force_upgrade: bool,
    /// As `up --prune` would do it
    #[arg(long)]
    pub prune: bool,
    /// Units replaced at a time; 0 leaves it to the server [default: 2, or what the files say]
    #[arg(long, value_name = "UNITS")]
    pub batch_size: Option<u32>,
    /// Milliseconds between batches [default: 1000, or what the files say]
    #[arg(long, value_name = "MS")]
    pub interval: Option<u64>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub selected: Selected,
}

impl From<&Foretell> for Up {
    fn from(plan: &Foretell) -> Self {
        Self {
            upgrade: true,
            dry_run: true,
            force_upgrade: plan.force_upgrade,
            prune: plan.prune,
            batch_size: plan.batch_size,
            interval: plan.interval,
            out: plan.out.clone(),
            selected: plan.selected.clone(),
            ..Self::default()
        }
    }
}

/// `diff`.
#[derive(Args, Clone, Debug)]
pub struct Diff {
    /// Service
    pub service: String,
    /// Revision, as `history` numbers them
    pub from: u32,
    /// Another one [default: the one that runs]
    pub to: Option<u32>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// `why`.
#[derive(Args, Clone, Debug)]
pub struct Why {
    /// A service of the stack, a container, or a host
    pub name: String,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// `wait`.
#[derive(Args, Clone, Debug)]
pub struct Watch {
    /// End with 0, not 10, when an upgrade waits for its confirmation
    #[arg(long)]
    pub waiting_ok: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub selected: Selected,
}

/// `rollback`.
#[derive(Args, Clone, Debug)]
pub struct Rollback {
    /// Services, each with the revision to go back to, however long ago, as `history` numbers them; several with revisions go
    /// as one. Without any revision the upgrades that were not confirmed yet are undone
    #[arg(value_name = "SERVICE[@REVISION]", required = true, value_parser = parse_past)]
    pub services: Vec<(String, Option<u32>)>,
    /// Revision to go back to, of one service
    #[arg(long, value_name = "REVISION")]
    pub to: Option<u32>,
    /// Confirm it when it is done: remove the containers that it replaced
    #[arg(short, long)]
    pub confirm_upgrade: bool,
    /// Units replaced at a time [default: what the service has, or 1]
    #[arg(long, value_name = "UNITS", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch_size: Option<u32>,
    /// Milliseconds between batches [default: what the service has, or 2000]
    #[arg(long, value_name = "MS")]
    pub interval: Option<u64>,
    /// End with 0, not 10, when an upgrade waits for its confirmation
    #[arg(long)]
    pub waiting_ok: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// `restart`.
#[derive(Args, Clone, Debug)]
pub struct Restart {
    /// Units restarted at a time
    #[arg(long, value_name = "UNITS", default_value_t = 1)]
    pub batch_size: u32,
    /// Milliseconds between batches
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub interval: u64,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub selected: Selected,
}

/// `scale`.
#[derive(Args, Clone, Debug)]
pub struct Scale {
    /// Service and number of units
    #[arg(value_name = "SERVICE=N", required = true, value_parser = parse_scale)]
    pub scales: Vec<(String, u32)>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// `rm`.
#[derive(Args, Clone, Debug, Default)]
pub struct Rm {
    /// Don't ask on a terminal
    #[arg(long)]
    pub force: bool,
    /// Accepted for compatibility: volumes stay
    #[arg(short = 'v')]
    pub volumes: bool,
    /// Remove the stack itself too, with all its services
    #[arg(long, conflicts_with = "services")]
    pub stack_too: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub selected: Selected,
}

/// `pull`.
#[derive(Args, Clone, Debug, Default)]
pub struct Pull {
    /// Only on hosts that have the image already
    #[arg(short, long)]
    pub cached: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub selected: Selected,
}

/// `logs`.
#[derive(Args, Clone, Debug, Default)]
pub struct Logs {
    /// Go on as lines come, new containers included
    #[arg(long)]
    pub follow: bool,
    /// Lines from the end of each container's log [default: 100]
    #[arg(long, value_name = "LINES")]
    pub tail: Option<u32>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub selected: Selected,
}

/// `web=3`.
pub(crate) fn parse_scale(text: &str) -> Result<(String, u32), String> {
    let (name, number) = text.split_once('=').ok_or("write SERVICE=N, for example web=3")?;
    let scale =
        number.trim().parse().map_err(|_| format!("`{number}` is not a number of units"))?;
    if name.is_empty() {
        return Err("write SERVICE=N, for example web=3".to_owned());
    }
    Ok((name.to_owned(), scale))
}

/// `SERVICE`, or `SERVICE@REVISION`.
fn parse_past(text: &str) -> Result<(String, Option<u32>), String> {
    let example = "write SERVICE@REVISION, for example web@3";
    let (name, revision) = match text.split_once('@') {
        None => (text, None),
        Some((name, number)) => {
            let revision = number.parse().ok().filter(|revision| *revision > 0);
            let revision =
                revision.ok_or_else(|| format!("`{number}` is no revision; {example}"))?;
            (name, Some(revision))
        }
    };
    if name.is_empty() { Err(example.to_owned()) } else { Ok((name.to_owned(), revision)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasts() {
        assert_eq!(parse_past("web"), Ok(("web".into(), None)));
        assert_eq!(parse_past("web@3"), Ok(("web".into(), Some(3))));
        for bad in ["web@", "@3", "", "web@0", "web@x", "web@-1"] {
            assert!(parse_past(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn scales() {
        assert_eq!(parse_scale("web=3"), Ok(("web".into(), 3)));
        for bad in ["web", "web=", "=3", "web=x", "web=1.5"] {
            assert!(parse_scale(bad).is_err(), "{bad}");
        }
    }
}
