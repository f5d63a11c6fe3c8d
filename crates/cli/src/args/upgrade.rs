//! `upgrade`: from one service to another, how upgrades go, and stopping them half-way.

use clap::{Args, Subcommand};

use super::{Common, Selected};

/// `upgrade`.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Upgrade {
    /// What else
    #[command(subcommand)]
    pub command: Option<UpgradeCommand>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub between: Option<Between>,
    // Not among the options of `Between`: whether there are any could not be told then.
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Box<Common>,
}

/// `upgrade …`.
#[derive(Clone, Debug, Subcommand)]
pub enum UpgradeCommand {
    /// Show how upgrades go and what became of the requests meanwhile
    Status(Selected),
    /// Stop upgrades half-way: what has moved stays, and nothing else does
    Cancel(Selected),
    /// Go on with upgrades that stand half-way, and wait
    Continue(Continue),
}

/// `upgrade continue`.
#[derive(Args, Clone, Debug)]
pub struct Continue {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub selected: Selected,
    /// End with 0, not 10, when an upgrade waits for its confirmation
    #[arg(long)]
    pub waiting_ok: bool,
}

/// `upgrade FROM TO`.
#[derive(Args, Clone, Debug)]
pub struct Between {
    /// Service that loses its units
    pub from: String,
    /// Service that gets them; made from the files if it isn't there
    pub to: String,
    /// Units to move at a time [default: 2]
    #[arg(long, value_name = "UNITS", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch_size: Option<u32>,
    /// Pause between batches in milliseconds [default: 2000]
    #[arg(long, value_name = "MS")]
    pub interval: Option<u64>,
    /// Units that TO shall have in the end; -1 is as many as FROM has [default: -1]
    #[arg(long, value_name = "UNITS", allow_hyphen_values = true)]
    pub scale: Option<i64>,
    /// Let links, aliases and balancer rules that name FROM reach TO as well, and in the end instead [default: true]
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[arg(value_name = "BOOL")]
    pub update_links: Option<bool>,
    /// Wait until all is moved
    #[arg(short, long)]
    pub wait: bool,
    /// Pull TO's images on the hosts first
    #[arg(long)]
    pub pull: bool,
    /// Wait, confirm the upgrade, and remove FROM
    #[arg(short, long)]
    pub cleanup: bool,
    /// End with 0, not 10, when an upgrade waits for its confirmation
    #[arg(long)]
    pub waiting_ok: bool,
}

impl Upgrade {
    /// The options of the word after it, or else its own.
    pub(super) fn common_mut(&mut self) -> &mut Common {
        match &mut self.command {
            Some(UpgradeCommand::Status(selected) | UpgradeCommand::Cancel(selected)) => {
                &mut selected.common
            }
            Some(UpgradeCommand::Continue(options)) => &mut options.selected.common,
            None => &mut self.common,
        }
    }
}
