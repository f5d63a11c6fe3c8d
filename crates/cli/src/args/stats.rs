//! `stats`.

use clap::Args;

use super::Operator;

/// `stats`.
#[derive(Args, Clone, Debug)]
pub struct Stats {
    /// Services (SERVICE or STACK/SERVICE), containers or hosts [default: all containers of the environment]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// All hosts of the environment
    #[arg(long, conflicts_with = "names")]
    pub hosts: bool,
    /// Say it once and end
    #[arg(long)]
    pub no_stream: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub operator: Operator,
}
