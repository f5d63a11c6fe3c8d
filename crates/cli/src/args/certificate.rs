//! `certificate`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Operator;

/// `certificate`.
#[derive(Clone, Debug, Subcommand)]
pub enum CertificateCommand {
    /// List certificates: names, for what, until when
    Ls(Operator),
    /// Add a certificate, or renew the one of this name in place
    Add(AddCertificate),
    /// Remove certificates that no balancer serves
    Rm(Certificates),
}

/// `certificate add`.
#[derive(Args, Clone, Debug)]
pub struct AddCertificate {
    /// Name that balancers and files use
    pub name: String,
    /// The certificate, PEM; those it was signed with may follow in the same file
    #[arg(long, value_name = "FILE")]
    pub cert: PathBuf,
    /// Its private key, PEM, without a passphrase
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The certificates it was signed with, PEM
    #[arg(long, value_name = "FILE")]
    pub chain: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub operator: Operator,
}

/// Certificates by name.
#[derive(Args, Clone, Debug)]
pub struct Certificates {
    /// Certificates, by name or id
    #[arg(value_name = "CERTIFICATE", required = true)]
    pub certificates: Vec<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub operator: Operator,
}

impl CertificateCommand {
    pub(super) fn operator_mut(&mut self) -> &mut Operator {
        match self {
            Self::Ls(operator) => operator,
            Self::Add(add) => &mut add.operator,
            Self::Rm(some) => &mut some.operator,
        }
    }
}
