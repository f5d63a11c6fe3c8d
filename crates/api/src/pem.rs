//! What a certificate's PEM says, and whether it can be served at all: it is read, its key opens it, and the chain
//! leads from each certificate to the next.
//!
//! Not whether anybody trusts it, and not whether it is out of date: both are for clients to say, and an expired
//! certificate must still be replaceable.

use std::collections::BTreeMap;
use std::fmt::Write;

use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

/// Why a certificate can't be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPem {
    /// `cert` is not one.
    #[error(
        "this is no certificate in PEM form: give the text from `-----BEGIN CERTIFICATE-----` to its END ({0})"
    )]
    Certificate(String),
    /// `certChain` holds something else.
    #[error(
        "this is no chain of certificates in PEM form: give the intermediate certificates one after the other, or \
         nothing ({0})"
    )]
    Chain(String),
    /// The chain is in disorder.
    #[error(
        "`{below}` was issued by `{issuer}`, but the next certificate is `{next}`: give the chain in the order in \
         which each is signed by the next"
    )]
    Order {
        /// A certificate.
        below: String,
        /// Who signed it.
        issuer: String,
        /// Who stands there instead.
        next: String,
    },
    /// `key` is not one.
    #[error(
        "this is no private key that can be used: give it in PEM form, without a passphrase: RSA, ECDSA (P-256 or \
         P-384) or Ed25519"
    )]
    Key,
    /// They don't belong together.
    #[error("the key is another certificate's: give the one that this certificate was made with")]
    Mismatch,
}

impl BadPem {
    /// The member of a certificate it is about.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Certificate(_) => "cert",
            Self::Chain(_) | Self::Order { .. } => "certChain",
            Self::Key | Self::Mismatch => "key",
        }
    }
}

/// Check a certificate, its chain (may be empty) and its key, and say what is in it, as the API shows it.
pub fn read(cert: &str, chain: &str, key: &str) -> Result<BTreeMap<String, Value>, BadPem> {
    let mut all = certificates(cert).map_err(BadPem::Certificate)?;
    if all.is_empty() {
        return Err(BadPem::Certificate("there is none in it".to_owned()));
    }
    all.extend(certificates(chain).map_err(BadPem::Chain)?);
    let mut parsed = Vec::new();
    for (index, der) in all.iter().enumerate() {
        let bad = |why: String| {
            if index == 0 { BadPem::Certificate(why) } else { BadPem::Chain(why) }
        };
        let (_, one) = X509Certificate::from_der(der).map_err(|error| bad(error.to_string()))?;
        parsed.push(one);
    }
    for pair in parsed.windows(2) {
        in_order(&pair[0], &pair[1])?;
    }
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| BadPem::Key)?;
    let key = any_supported_type(&key).map_err(|_| BadPem::Key)?;
    let first = all.first().map(|der| facts(&parsed[0], der)).unwrap_or_default();
    CertifiedKey::new(all, key).keys_match().map_err(|_| BadPem::Mismatch)?;
    Ok(first)
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    if found.is_empty() && !pem.trim().is_empty() {
        return Err("there is none in it".to_owned());
    }
    Ok(found)
}

fn in_order(below: &X509Certificate<'_>, next: &X509Certificate<'_>) -> Result<(), BadPem> {
    if below.issuer() == next.subject() {
        return Ok(());
    }
    Err(BadPem::Order {
        below: below.subject().to_string(),
        issuer: below.issuer().to_string(),
        next: next.subject().to_string(),
    })
}

/// Rancher's derived members.
fn facts(cert: &X509Certificate<'_>, der: &[u8]) -> BTreeMap<String, Value> {
    let name = cert.subject().iter_common_name().find_map(|cn| cn.as_str().ok());
    let bits = cert.public_key().parsed().map(|key| key.key_size()).unwrap_or_default();
    let facts = [
        ("CN", json!(name)),
        ("issuer", json!(cert.issuer().to_string())),
        ("issuedAt", json!(moment(cert.validity().not_before))),
        ("expiresAt", json!(moment(cert.validity().not_after))),
        ("serialNumber", json!(cert.tbs_certificate.serial.to_string())),
        ("algorithm", json!(algorithm(&cert.signature_algorithm.algorithm.to_id_string()))),
        ("keySize", json!(bits)),
        ("version", json!((cert.version().0 + 1).to_string())),
        ("certFingerprint", json!(fingerprint(der))),
        ("subjectAlternativeNames", json!(names(cert))),
    ];
    facts.map(|(name, value)| (name.to_owned(), value)).into()
}

fn moment(at: ASN1Time) -> String {
    let at = OffsetDateTime::from_unix_timestamp(at.timestamp()).ok();
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

/// The signature's, in the words that certificate tools use.
fn algorithm(oid: &str) -> &str {
    match oid {
        "1.2.840.113549.1.1.5" => "SHA1WITHRSA",
        "1.2.840.113549.1.1.11" => "SHA256WITHRSA",
        "1.2.840.113549.1.1.12" => "SHA384WITHRSA",
        "1.2.840.113549.1.1.13" => "SHA512WITHRSA",
        "1.2.840.10045.4.3.2" => "SHA256WITHECDSA",
        "1.2.840.10045.4.3.3" => "SHA384WITHECDSA",
        "1.3.101.112" => "ED25519",
        other => other,
    }
}

/// SHA-256 of the certificate, as browsers show it.
fn fingerprint(der: &[u8]) -> String {
    Sha256::digest(der).iter().fold(String::with_capacity(95), |mut text, byte| {
        let colon = if text.is_empty() { "" } else { ":" };
        // Writing to a string can't fail.
        let _ = write!(text, "{colon}{byte:02X}");
        text
    })
}

fn names(cert: &X509Certificate<'_>) -> Vec<String> {
    let extension = cert.subject_alternative_name().ok().flatten();
    let names = extension.into_iter().flat_map(|held| &held.value.general_names);
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
            Some((*name).to_owned())
        }
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    };
    names.filter_map(text).collect()
}

fn address(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|four| std::net::Ipv4Addr::from(four).to_string());
    let v6 = || <[u8; 16]>::try_from(bytes).map(|all| std::net::Ipv6Addr::from(all).to_string());
    v4.or_else(|_| v6()).ok()
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

    use super::*;

    struct Made {
        root: String,
        cert: String,
        key: String,
    }

    fn made() -> Made {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "Shop CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let names = vec!["shop.example.com".to_owned(), "10.0.0.7".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "shop.example.com");
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &issuer).unwrap();
        Made { root: issuer.pem(), cert: cert.pem(), key: key.serialize_pem() }
    }

    #[test]
    fn what_is_in_a_certificate() {
        let Made { root, cert, key } = made();
        let facts = read(&cert, &root, &key).unwrap();
        assert_eq!(facts["CN"], "shop.example.com");
        assert_eq!(facts["subjectAlternativeNames"], json!(["shop.example.com", "10.0.0.7"]));
        assert!(facts["issuer"].as_str().unwrap().contains("Shop CA"), "{facts:?}");
        assert_eq!(
            (&facts["algorithm"], &facts["keySize"]),
            (&json!("SHA256WITHECDSA"), &json!(256))
        );
        assert_eq!(facts["certFingerprint"].as_str().unwrap().len(), 95);
        assert_eq!(facts["issuedAt"], "1975-01-01T00:00:00Z");
        // All in one text is as good.
        assert_eq!(read(&format!("{cert}{root}"), "", &key).unwrap(), facts);
    }

    #[test]
    fn what_cannot_be_served() {
        let (one, other) = (made(), made());
        let check = |cert: &str, chain: &str, key: &str, field: &str, words: &str| {
            let bad = read(cert, chain, key).unwrap_err();
            assert_eq!(bad.field(), field, "{bad}");
            assert!(bad.to_string().contains(words), "{bad}");
        };
        let Made { root, cert, key } = &one;
        check("", "", key, "cert", "no certificate in PEM form");
        check("hello", "", key, "cert", "no certificate in PEM form");
        let broken = cert.replace("MII", "AII");
        check(&broken, "", key, "cert", "no certificate in PEM form");
        check(cert, "hello", key, "certChain", "no chain of certificates");
        check(cert, &format!("{root}{cert}"), key, "certChain", "the next certificate is");
        check(cert, root, "hello", "key", "no private key");
        check(cert, root, &other.key, "key", "another certificate's");
        check(key, "", key, "cert", "there is none in it");
    }
}
