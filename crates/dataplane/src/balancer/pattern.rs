//! Whether a route is for a request. The order of routes is the config's business.
//!
//! Rancher's rules: names and paths ignore case, a port in the host does not count, a path matches all that
//! begins with it.

use drover_core::Route;

/// A route's host name and path, ready to be compared.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    host: Host,
    /// In lower case.
    path: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Host {
    Any,
    Exactly(String),
    EndsWith(String),
    StartsWith(String),
}

impl Pattern {
    pub(super) fn of(route: &Route) -> Self {
        let path = route.path.as_deref().unwrap_or_default().to_ascii_lowercase();
        Self { host: Host::of(route.hostname.as_deref().unwrap_or_default()), path }
    }

    /// `host` as the client sent it, `path` without its query.
    pub(super) fn takes(&self, host: &str, path: &str) -> bool {
        self.host.takes(without_port(host)) && begins(path, &self.path)
    }
}

impl Host {
    fn of(pattern: &str) -> Self {
        let text = pattern.to_ascii_lowercase();
        // A star in the middle, or alone with one character, stands for itself.
        let suffix = text.strip_prefix('*').filter(|rest| text.len() > 2 && !rest.contains('*'));
        let prefix = text.strip_suffix('*').filter(|rest| text.len() > 2 && !rest.contains('*'));
        match (suffix, prefix) {
            _ if text.is_empty() => Self::Any,
            (Some(suffix), _) => Self::EndsWith(suffix.to_owned()),
            (_, Some(prefix)) => Self::StartsWith(prefix.to_owned()),
            (None, None) => Self::Exactly(text),
        }
    }

    fn takes(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(name) => host.eq_ignore_ascii_case(name),
            Self::StartsWith(prefix) => begins(host, prefix),
            Self::EndsWith(suffix) => {
                let start = host.len().checked_sub(suffix.len());
                let end = start.and_then(|start| host.as_bytes().get(start..));
                end.is_some_and(|end| end.eq_ignore_ascii_case(suffix.as_bytes()))
            }
        }
    }
}

fn begins(text: &str, start: &str) -> bool {
    let head = text.as_bytes().get(..start.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
}

/// `name`, `name:port`, `[v6]` or `[v6]:port`.
pub(super) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => {
            name
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for (pattern, host, want) in [
            ("", "anything", true),
            ("", "", true),
            ("www.abc.com", "www.abc.com", true),
            ("www.abc.com", "WWW.ABC.com", true),
            ("WWW.abc.com", "www.abc.com:8080", true),
            ("www.abc.com", "abc.com", false),
            ("www.abc.com", "www.abc.com.evil.net", false),
            ("*.domain.com", "abc.domain.com", true),
            ("*.domain.com", "abc.def.DOMAIN.com:80", true),
            ("*.domain.com", "domain.com", false),
            ("*.domain.com", "abcdomain.com", false),
            ("domain.*", "domain.abc.com", true),
            ("domain.*", "Domain.com:80", true),
            ("domain.*", "domains.com", false),
            ("*.com", "a.com", true),
            ("a*", "a*", true),
            ("a*", "ab", false),
            ("w*w.com", "www.com", false),
            ("w*w.com", "w*w.com", true),
            ("[::1]", "[::1]:8080", true),
            ("[::1]", "[::1]", true),
            ("*.ünï.com", "a", false),
        ] {
            assert_eq!(Host::of(pattern).takes(without_port(host)), want, "{pattern} {host}");
        }
    }

    #[test]
    fn paths() {
        for (pattern, path, want) in [
            ("", "/", true),
            ("/", "/x", true),
            ("/shop", "/shop", true),
            ("/shop", "/shopping/cart", true),
            ("/shop", "/SHOP/1", true),
            ("/Shop", "/shop", true),
            ("/shop", "/sho", false),
            ("/shop", "/a/shop", false),
        ] {
            let route = Route { path: Some(pattern.to_owned()), ..Route::default() };
            assert_eq!(Pattern::of(&route).takes("h", path), want, "{pattern} {path}");
        }
    }
}
