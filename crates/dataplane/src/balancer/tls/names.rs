//! The names a certificate is for, read from it. Whether it is valid or trusted is the client's business.

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Why a certificate's names could not be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in super::super) enum NamesError {
    /// It is no X.509 certificate.
    #[error("it is no X.509 certificate: {0}")]
    Unreadable(String),
}

/// DNS names of a certificate (DER), in lower case: subject alternative names, and the common name, which old
/// private authorities still use alone.
pub(in super::super) fn names_of(certificate: &[u8]) -> Result<Vec<String>, NamesError> {
    let (_, certificate) = X509Certificate::from_der(certificate)
        .map_err(|error| NamesError::Unreadable(error.to_string()))?;
    let alternatives = certificate.subject_alternative_name();
    let alternatives = alternatives.map_err(|error| NamesError::Unreadable(error.to_string()))?;
    let alternatives = alternatives.iter().flat_map(|found| &found.value.general_names);
    let dns = alternatives.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(*name),
        _ => None,
    });
    let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    let mut names: Vec<String> = Vec::new();
    for name in dns.chain(common).map(normal) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// As names are compared: case and a trailing dot do not count.
pub(in super::super) fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    #[test]
    fn names_are_alternatives_and_the_common_name_once() {
        for (alternatives, common, want) in [
            (&["a.example", "*.B.example"][..], "A.example", &["a.example", "*.b.example"][..]),
            (&[], "old.example", &["old.example"]),
            (&["127.0.0.1", "c.example"], "Some Company", &["c.example", "some company"]),
        ] {
            let names = alternatives.iter().map(|name| (*name).to_owned());
            let mut made = CertificateParams::new(names.collect::<Vec<_>>()).unwrap();
            made.distinguished_name.push(DnType::CommonName, common);
            let made = made.self_signed(&KeyPair::generate().unwrap()).unwrap();
            assert_eq!(names_of(made.der()).unwrap(), want);
        }
    }

    #[test]
    fn nonsense_is_an_error() {
        let NamesError::Unreadable(why) = names_of(b"nonsense").unwrap_err();
        assert!(!why.is_empty());
    }
}
