//! Which certificate a client gets, by the name of the server it asks for. An exact name goes before a wildcard,
//! and of two certificates for a name the one that the listener lists first.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::names::normal;
use super::shelf::Certificate;

/// The certificates of one listener.
#[derive(Debug, Default)]
pub(in super::super) struct Offer {
    /// By name; that of a wildcard without its star: `.example.com`.
    names: BTreeMap<String, Arc<CertifiedKey>>,
    default: Option<Arc<CertifiedKey>>,
}

impl Offer {
    /// Of certificates in their order, and one for clients that name none of theirs.
    pub(in super::super) fn new<'a>(
        certificates: impl IntoIterator<Item = &'a Arc<Certificate>>,
        default: Option<&'a Arc<Certificate>>,
    ) -> Self {
        let mut names = BTreeMap::new();
        for certificate in certificates.into_iter().chain(default) {
            for name in &certificate.names {
                let name = name.strip_prefix('*').unwrap_or(name).to_owned();
                names.entry(name).or_insert_with(|| certificate.key.clone());
            }
        }
        Self { names, default: default.map(|certificate| certificate.key.clone()) }
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.default.is_none()
    }

    /// The certificate for a client that asks for `server`. A wildcard stands for one label (RFC 6125).
    pub(in super::super) fn choose(&self, server: Option<&str>) -> Option<&Arc<CertifiedKey>> {
        let server = server.map(normal).unwrap_or_default();
        let wildcard = || server.find('.').and_then(|dot| self.names.get(&server[dot..]));
        self.names.get(&server).or_else(wildcard).or(self.default.as_ref())
    }
}

impl ResolvesServerCert for Offer {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use drover_core::{CertificatePem, Secret};

    use super::super::shelf::Shelf;

    #[test]
    fn certificates_by_server_name() {
        let shelf = shelf(&[
            ("shop", &["shop.example", "*.shop.example"]),
            ("late", &["shop.example", "late.example"]),
            ("exact", &["one.shop.example"]),
            ("spare", &["spare.example"]),
        ]);
        let get = |name| shelf.get(name).unwrap();
        let listed = ["shop", "late", "exact"].map(get);
        for (default, server, want) in [
            (None, Some("shop.example"), Some("shop")),
            (None, Some("SHOP.example."), Some("shop")),
            (None, Some("late.example"), Some("late")),
            (None, Some("any.shop.example"), Some("shop")),
            (None, Some("one.shop.example"), Some("exact")),
            (None, Some("a.b.shop.example"), None),
            (None, Some(".shop.example"), Some("shop")),
            (None, Some("example"), None),
            (None, Some("spare.example"), None),
            (None, Some(""), None),
            (None, None, None),
            (Some("spare"), Some("spare.example"), Some("spare")),
            (Some("spare"), Some("unknown.example"), Some("spare")),
            (Some("spare"), None, Some("spare")),
            (Some("shop"), Some("late.example"), Some("late")),
        ] {
            let offer = Offer::new(listed, default.map(get));
            let chosen = offer.choose(server).map(Arc::as_ptr);
            let want = want.map(|name| Arc::as_ptr(&get(name).key));
            assert_eq!(chosen, want, "{server:?}, default {default:?}");
        }
    }

    fn shelf(certificates: &[(&str, &[&str])]) -> Shelf {
        let made = certificates.iter().map(|(name, names)| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            let made = rcgen::generate_simple_self_signed(names).unwrap();
            let key = Secret::new(made.signing_key.serialize_pem());
            ((*name).to_owned(), CertificatePem { chain: made.cert.pem(), key })
        });
        let mut shelf = Shelf::default();
        shelf.fill(&made.collect());
        shelf
    }
}
