//! `network …`: the network between hosts.

mod doctor;
mod encryption;

use crate::args::NetworkCommand;
use crate::failure::Failure;
use crate::progress::Reporter;

/// `network …`.
pub(crate) async fn network(command: &NetworkCommand, to: &Reporter) -> Result<(), Failure> {
    match command {
        NetworkCommand::Doctor(operator) => doctor::doctor(operator).await,
        NetworkCommand::Encryption(command) => encryption::encryption(command, to).await,
        NetworkCommand::RotateKeys(operator) => encryption::rotate_keys(operator, to).await,
    }
}
