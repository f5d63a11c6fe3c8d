//! Certificates ready to be served: read once from their PEM, kept while that stays the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use drover_core::CertificatePem;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::names::{NamesError, names_of};

/// A certificate with its key and the names it is for.
#[derive(Debug)]
pub(in super::super) struct Certificate {
    pub(in super::super) key: Arc<CertifiedKey>,
    /// In lower case; some are wildcards.
    pub(in super::super) names: Vec<String>,
}

/// Why a certificate can't be served.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum BadCertificate {
    #[error("its chain is no PEM")]
    Chain(#[source] rustls::pki_types::pem::Error),
    #[error("its PEM holds no certificate")]
    Empty,
    #[error("its key is no PEM of a private key without a password")]
    Key(#[source] rustls::pki_types::pem::Error),
    #[error("its private key is not the one of its certificate")]
    Mismatch,
    #[error("key and certificate can't be used")]
    Unfit(#[source] rustls::Error),
    #[error(transparent)]
    Names(#[from] NamesError),
}

/// All certificates of a config, by name.
#[derive(Default)]
pub(in super::super) struct Shelf {
    held: BTreeMap<String, Held>,
    is_new: bool,
}

struct Held {
    pem: CertificatePem,
    read: Result<Arc<Certificate>, String>,
}

impl Shelf {
    /// Hold these and no others; those that did not change are not read again.
    pub(in super::super) fn fill(&mut self, wanted: &BTreeMap<String, CertificatePem>) {
        let before = self.held.len();
        self.held.retain(|name, held| wanted.get(name) == Some(&held.pem));
        self.is_new = before != self.held.len() || self.held.len() != wanted.len();
        for (name, pem) in wanted {
            self.held.entry(name.clone()).or_insert_with(|| {
                let read = read(pem).map(Arc::new);
                Held { pem: pem.clone(), read: read.map_err(|error| in_words(&error)) }
            });
        }
    }

    /// Whether it was last filled with something else than before.
    pub(in super::super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// The certificate of this name, if it is there and can be served.
    pub(in super::super) fn get(&self, name: &str) -> Option<&Arc<Certificate>> {
        self.held.get(name)?.read.as_ref().ok()
    }

    /// What can't be served, and why.
    pub(in super::super) fn problems(&self) -> impl Iterator<Item = String> {
        self.held.iter().filter_map(|(name, held)| {
            let why = held.read.as_ref().err()?;
            Some(format!("certificate {name} can't be served: {why}; give it anew"))
        })
    }
}

/// Make a certificate of its PEM.
fn read(pem: &CertificatePem) -> Result<Certificate, BadCertificate> {
    let chain = CertificateDer::pem_slice_iter(pem.chain.as_bytes());
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(BadCertificate::Chain)?;
    let names = names_of(chain.first().ok_or(BadCertificate::Empty)?)?;
    let key = PrivateKeyDer::from_pem_slice(pem.key.reveal().as_bytes());
    let key = key.map_err(BadCertificate::Key)?;
    let provider = rustls::crypto::ring::default_provider();
    let key = CertifiedKey::from_der(chain, key, &provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => BadCertificate::Mismatch,
        other => BadCertificate::Unfit(other),
    })?;
    Ok(Certificate { key: Arc::new(key), names })
}

fn in_words(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use drover_core::Secret;

    #[test]
    fn what_is_wrong_is_named_and_the_others_are_there() {
        let (good, other) = (made("good.example"), made("other.example"));
        let with_key = |key: &str| CertificatePem { key: Secret::new(key), ..good.clone() };
        let chain = |chain: &str| CertificatePem { chain: chain.to_owned(), ..good.clone() };
        let cut = good.chain.replace("-----END CERTIFICATE-----", "");
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let wanted = BTreeMap::from([
            ("cut".to_owned(), chain(&cut)),
            ("empty".to_owned(), chain("")),
            ("garbage".to_owned(), chain(garbage)),
            ("good".to_owned(), good.clone()),
            ("mismatch".to_owned(), with_key(other.key.reveal())),
            ("no-key".to_owned(), with_key("")),
        ]);
        let mut shelf = Shelf::default();
        shelf.fill(&wanted);
        let problems: Vec<_> = shelf.problems().collect();
        let begins = [
            "certificate cut can't be served: its chain is no PEM: ",
            "certificate empty can't be served: its PEM holds no certificate; give it anew",
            "certificate garbage can't be served: it is no X.509 certificate: ",
            "certificate mismatch can't be served: its private key is not the one of its certificate;",
            "certificate no-key can't be served: its key is no PEM of a private key without a password: ",
        ];
        assert_eq!(problems.len(), begins.len(), "{problems:#?}");
        for (problem, begin) in problems.iter().zip(begins) {
            assert!(problem.starts_with(begin), "{problem}");
        }
        assert_eq!(shelf.get("good").unwrap().names[0], "good.example");
        assert!(shelf.get("mismatch").is_none());
    }

    #[test]
    fn what_stays_the_same_is_not_read_again() {
        let wanted = |pem: CertificatePem| BTreeMap::from([("a".to_owned(), pem)]);
        let (first, second) = (made("a.example"), made("a.example"));
        let mut shelf = Shelf::default();
        shelf.fill(&wanted(first.clone()));
        let held = shelf.get("a").unwrap().clone();
        shelf.fill(&wanted(first));
        assert!(!shelf.is_new() && Arc::ptr_eq(&held, shelf.get("a").unwrap()));
        shelf.fill(&wanted(second));
        assert!(shelf.is_new() && !Arc::ptr_eq(&held, shelf.get("a").unwrap()));
        shelf.fill(&BTreeMap::new());
        assert!(shelf.get("a").is_none());
    }

    fn made(name: &str) -> CertificatePem {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let key = Secret::new(made.signing_key.serialize_pem());
        CertificatePem { chain: made.cert.pem(), key }
    }
}
