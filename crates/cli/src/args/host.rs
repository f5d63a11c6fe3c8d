//! `host`.

use clap::{Args, Subcommand};

use super::Operator;

/// `host`.
#[derive(Clone, Debug, Subcommand)]
pub enum HostCommand {
    /// List hosts
    Ls(Operator),
    /// Remove hosts for good; what ran there is started elsewhere
    Rm(Hosts),
    /// Let hosts take new units
    Activate(Hosts),
    /// Let hosts take no new units; what runs there stays
    Deactivate(Hosts),
    /// Empty hosts without losing a request: each unit leaves once another serves in its place
    ///
    /// The hosts take no new units. Units are made elsewhere, a batch of a service at a time; when the new one serves,
    /// the old one is withdrawn from traffic, drained and removed. What can't be made elsewhere stays, and why is said:
    /// `drover host ls` and the exit status tell. `drover host activate` calls it off; what has not left then stays.
    Evacuate(Evacuate),
}

/// `host evacuate`.
#[derive(Args, Clone, Debug)]
pub struct Evacuate {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub hosts: Hosts,
    /// Don't wait until they are empty
    #[arg(short, long)]
    pub detach: bool,
}

/// Hosts by name.
#[derive(Args, Clone, Debug)]
pub struct Hosts {
    /// Hosts, by name, host name or id
    #[arg(value_name = "HOST", required = true)]
    pub hosts: Vec<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub operator: Operator,
}

impl HostCommand {
    pub(super) fn operator_mut(&mut self) -> &mut Operator {
        match self {
            Self::Ls(operator) => operator,
            Self::Rm(hosts)
            | Self::Activate(hosts)
            | Self::Deactivate(hosts)
            | Self::Evacuate(Evacuate { hosts, .. }) => &mut hosts.operator,
        }
    }
}
