//! `rebalance`.

use clap::Args;

use super::Operator;

/// `rebalance`.
#[derive(Args, Clone, Debug)]
pub struct Rebalance {
    /// Services, as SERVICE or STACK/SERVICE [default: all of the environment]
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Show what would be done, change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Don't ask
    #[arg(short, long)]
    pub yes: bool,
    /// Don't wait for the outcome
    #[arg(short, long)]
    pub detach: bool,
    /// Call off what was asked for and has not moved yet
    #[arg(long, conflicts_with_all = ["dry_run", "yes", "detach"])]
    pub cancel: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub operator: Operator,
}
