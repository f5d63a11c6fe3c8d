//! `network …`: the network between hosts.

mod doctor;

use crate::args::NetworkCommand;
use crate::failure::Failure;

/// `network …`.
pub(crate) async fn network(command: &NetworkCommand) -> Result<(), Failure> {
    match command {
        NetworkCommand::Doctor(operator) => doctor::doctor(operator).await,
    }
}
