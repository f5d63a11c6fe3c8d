//! `network`.

use clap::Subcommand;

use super::Operator;

/// `network`.
#[derive(Clone, Debug, Subcommand)]
pub enum NetworkCommand {
    /// Have every host probe every other, and say what is wrong, where, and what to do
    ///
    /// Looks at host addresses, the tunnel, packet sizes, names, metadata, addresses and what the kernel holds.
    /// Takes a few seconds where something is wrong, and changes nothing.
    #[command(after_help = DOCTOR_HELP)]
    Doctor(Operator),
    /// Encrypt what goes from host to host, or don't
    #[command(subcommand)]
    Encryption(EncryptionCommand),
    /// Have every host make a new key; nothing is lost meanwhile
    RotateKeys(Operator),
}

const DOCTOR_HELP: &str =
    "Exit status: 0 all is well, warnings aside; 1 something is wrong, or the server
could not be asked; 2 usage.";

/// `network encryption`.
#[derive(Clone, Debug, Subcommand)]
pub enum EncryptionCommand {
    /// Encrypt with WireGuard
    ///
    /// Hosts change over one by one without losing a packet. Two minutes later at the latest nothing is sent in the
    /// clear: hosts that can't encrypt by then reach nobody. UDP 51820 has to be open between hosts.
    On(Operator),
    /// Send in the clear
    Off(Operator),
    /// Say what is encrypted, host by host
    #[command(
        after_help = "Exit status: 0 it is as it shall be, 1 it is not (yet), or the server could not be asked."
    )]
    Status(Operator),
}

impl NetworkCommand {
    pub(super) fn operator_mut(&mut self) -> &mut Operator {
        match self {
            Self::Doctor(operator)
            | Self::RotateKeys(operator)
            | Self::Encryption(
                EncryptionCommand::On(operator)
                | EncryptionCommand::Off(operator)
                | EncryptionCommand::Status(operator),
            ) => operator,
        }
    }
}
