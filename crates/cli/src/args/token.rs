//! `token` and `key`: what is made and shown once.

use clap::{Args, Subcommand};

use super::Operator;

/// `token`.
#[derive(Clone, Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a registration token and print it, once
    Create(NewToken),
}

/// `token create`.
#[derive(Args, Clone, Debug)]
pub struct NewToken {
    /// It serves any number of hosts, not one
    #[arg(long)]
    pub reusable: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub named: Named,
}

/// `key`.
#[derive(Clone, Debug, Subcommand)]
pub enum KeyCommand {
    /// Make an API key and print it, once
    Create(Named),
}

/// Something new with a name.
#[derive(Args, Clone, Debug)]
pub struct Named {
    /// Name to show for it
    #[arg(long)]
    pub name: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub operator: Operator,
}
