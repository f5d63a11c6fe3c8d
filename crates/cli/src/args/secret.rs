//! `secret`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Operator;

/// `secret`.
#[derive(Clone, Debug, Subcommand)]
pub enum SecretCommand {
    /// List secrets by name; values are never shown
    Ls(Operator),
    /// Add a secret, its value from a file
    Add(AddSecret),
    /// Remove secrets; what runs keeps what it has read
    Rm(Secrets),
}

/// `secret add`.
#[derive(Args, Clone, Debug)]
pub struct AddSecret {
    /// Name that services and files use
    pub name: String,
    /// File with the value, taken as it is; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What is said of it
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub operator: Operator,
}

/// Secrets by name.
#[derive(Args, Clone, Debug)]
pub struct Secrets {
    /// Secrets, by name or id
    #[arg(value_name = "SECRET", required = true)]
    pub secrets: Vec<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub operator: Operator,
}

impl SecretCommand {
    pub(super) fn operator_mut(&mut self) -> &mut Operator {
        match self {
            Self::Ls(operator) => operator,
            Self::Add(add) => &mut add.operator,
            Self::Rm(some) => &mut some.operator,
        }
    }
}
