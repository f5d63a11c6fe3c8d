//! Requests of one client to one target, by cookie, in HAProxy's three ways. The cookie's value names the unit by a
//! hash, which says nothing of what is inside; a unit that is gone is a value that nobody knows, and the client gets
//! another one.

use drover_core::{Stickiness, StickinessMode, UnitKey};
use http::Method;
use http::header::{CACHE_CONTROL, COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use sha2::{Digest, Sha256};

/// A route's policy.
#[derive(Debug)]
pub(super) struct Sticky {
    cookie: String,
    policy: Stickiness,
}

/// Between the balancer's part of a cookie and the target's own.
const PREFIX_END: char = '~';

/// What the cookie of a unit says.
pub(super) fn token(unit: UnitKey) -> String {
    use std::fmt::Write;
    let digest = Sha256::digest(unit.to_string());
    digest.iter().take(8).fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").ok();
        text
    })
}

impl Sticky {
    /// The cookie has the backend's name if users gave none.
    pub(super) fn of(policy: &Stickiness, backend: &str) -> Self {
        let named = policy.cookie.clone().filter(|name| !name.is_empty());
        Self { cookie: named.unwrap_or_else(|| backend.to_owned()), policy: policy.clone() }
    }

    /// The token that a request brings.
    pub(super) fn asked<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let mut values = cookies(headers).filter(|(name, _)| *name == self.cookie);
        let (_, value) = values.next()?;
        match self.policy.mode {
            StickinessMode::Prefix => value.split_once(PREFIX_END).map(|(token, _)| token),
            StickinessMode::Insert | StickinessMode::Rewrite => Some(value),
        }
    }

    /// Make a request's cookies what its target expects.
    pub(super) fn edit_request(&self, headers: &mut HeaderMap) {
        let keep = |name: &str, value: &str| match self.policy.mode {
            _ if name != self.cookie => Some(format!("{name}={value}")),
            StickinessMode::Insert if self.policy.indirect => None,
            StickinessMode::Prefix => {
                let own = value.split_once(PREFIX_END).map_or(value, |(_, own)| own);
                Some(format!("{name}={own}"))
            }
            StickinessMode::Insert | StickinessMode::Rewrite => Some(format!("{name}={value}")),
        };
        if self.asked(headers).is_none() {
            return;
        }
        let kept: Vec<String> = cookies(headers).filter_map(|(n, v)| keep(n, v)).collect();
        match HeaderValue::from_str(&kept.join("; ")) {
            Ok(value) if !value.is_empty() => drop(headers.insert(COOKIE, value)),
            _ => drop(headers.remove(COOKIE)),
        }
    }

    /// Tell the client, if it does not know: `asked` is what its request brought, `token` who answered.
    pub(super) fn edit_response(
        &self,
        headers: &mut HeaderMap,
        method: &Method,
        asked: Option<&str>,
        token: &str,
    ) {
        let set = match self.policy.mode {
            StickinessMode::Insert => self.insert(headers, method, asked, token),
            StickinessMode::Rewrite => self.replace(headers, |_| token.to_owned()),
            StickinessMode::Prefix => {
                self.replace(headers, |own| format!("{token}{PREFIX_END}{own}"))
            }
        };
        if set && self.policy.nocache {
            headers.append(CACHE_CONTROL, HeaderValue::from_static("private"));
        }
    }

    fn insert(
        &self,
        headers: &mut HeaderMap,
        method: &Method,
        asked: Option<&str>,
        token: &str,
    ) -> bool {
        if self.policy.postonly && method != Method::POST
            || self.policy.indirect && asked == Some(token)
        {
            return false;
        }
        let mut cookie = format!("{}={token}; path=/", self.cookie);
        if let Some(domain) = self.policy.domain.as_ref().filter(|domain| !domain.is_empty()) {
            cookie.push_str("; domain=");
            cookie.push_str(domain);
        }
        let value = HeaderValue::from_str(&cookie);
        value.map(|value| headers.append(SET_COOKIE, value)).is_ok()
    }

    /// Change the value of the target's own cookie, where its answer sets it.
    fn replace(&self, headers: &mut HeaderMap, value: impl Fn(&str) -> String) -> bool {
        let mut found = false;
        for held in headers.get_all(SET_COOKIE).iter().cloned().collect::<Vec<_>>() {
            let Some((name, own, rest)) = held.to_str().ok().and_then(set_cookie) else { continue };
            if name != self.cookie {
                continue;
            }
            let changed = HeaderValue::from_str(&format!("{name}={}{rest}", value(own)));
            if let Ok(changed) = changed {
                put(headers, &held, changed);
                found = true;
            }
        }
        found
    }
}

/// Put another line in the place of one.
fn put(headers: &mut HeaderMap, held: &HeaderValue, changed: HeaderValue) {
    if let http::header::Entry::Occupied(mut lines) = headers.entry(SET_COOKIE)
        && let Some(line) = lines.iter_mut().find(|line| *line == held)
    {
        *line = changed;
    }
}

/// Name, value and attributes.
fn set_cookie(line: &str) -> Option<(&str, &str, &str)> {
    let end = line.find(';').unwrap_or(line.len());
    let (name, value) = line.get(..end)?.split_once('=')?;
    Some((name.trim(), value.trim(), line.get(end..)?))
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';'));
    pairs.filter_map(|pair| pair.trim().split_once('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `policy`: words of `rewrite insert prefix indirect nocache postonly domain`. Request cookies → what is asked,
    /// what the target sees; answer cookies → what the client gets.
    #[track_caller]
    fn check(policy: &str, request: &str, asks: Option<&str>, sees: &str, own: &str, gets: &str) {
        let is = |word: &str| policy.split(' ').any(|given| given == word);
        let mode = match policy {
            _ if is("rewrite") => StickinessMode::Rewrite,
            _ if is("prefix") => StickinessMode::Prefix,
            _ => StickinessMode::Insert,
        };
        let sticky = Sticky::of(
            &Stickiness {
                mode,
                indirect: is("indirect"),
                nocache: is("nocache"),
                postonly: is("postonly"),
                domain: is("domain").then(|| ".abc.com".to_owned()),
                ..Stickiness::default()
            },
            "S",
        );
        let mut headers = HeaderMap::new();
        for line in request.split('|').filter(|line| !line.is_empty()) {
            headers.append(COOKIE, line.parse().unwrap());
        }
        let asked = sticky.asked(&headers).map(str::to_owned);
        assert_eq!(asked.as_deref(), asks);
        sticky.edit_request(&mut headers);
        let lines = |headers: &HeaderMap, name| {
            let lines = headers.get_all(name).iter().map(|v| v.to_str().unwrap().to_owned());
            lines.collect::<Vec<_>>().join("|")
        };
        assert_eq!(lines(&headers, COOKIE), sees);
        let mut headers = HeaderMap::new();
        for line in own.split('|').filter(|line| !line.is_empty()) {
            headers.append(SET_COOKIE, line.parse().unwrap());
        }
        sticky.edit_response(&mut headers, &Method::GET, asked.as_deref(), "aa");
        let private = lines(&headers, CACHE_CONTROL);
        assert_eq!(format!("{}{private}", lines(&headers, SET_COOKIE)), gets);
    }

    #[test]
    fn insert() {
        check("insert", "", None, "", "", "S=aa; path=/");
        check("insert", "a=1; S=aa", Some("aa"), "a=1; S=aa", "", "S=aa; path=/");
        check("insert indirect", "a=1; S=aa; b=2", Some("aa"), "a=1; b=2", "", "");
        check("insert indirect", "S=aa", Some("aa"), "", "", "");
        check("insert indirect", "S=gone", Some("gone"), "", "", "S=aa; path=/");
        check("insert indirect domain", "", None, "", "x=1", "x=1|S=aa; path=/; domain=.abc.com");
        check("insert nocache", "", None, "", "", "S=aa; path=/private");
        check("insert postonly nocache", "", None, "", "", "");
    }

    #[test]
    fn rewrite() {
        check("rewrite", "", None, "", "", "");
        check("rewrite", "S=aa|a=1", Some("aa"), "S=aa; a=1", "", "");
        check(
            "rewrite",
            "",
            None,
            "",
            "x=S|S=own; Path=/a; HttpOnly",
            "x=S|S=aa; Path=/a; HttpOnly",
        );
        check("rewrite nocache", "", None, "", "S=", "S=aaprivate");
    }

    #[test]
    fn prefix() {
        check("prefix", "S=own", None, "S=own", "", "");
        check("prefix", "S=aa~own; a=1", Some("aa"), "S=own; a=1", "", "");
        check("prefix", "", None, "", "S=own; Path=/", "S=aa~own; Path=/");
    }

    #[test]
    fn a_token_is_the_unit_s_and_says_nothing_of_it() {
        let unit = |slot| UnitKey {
            service: drover_core::ServiceId(1),
            slot: drover_core::Slot::Number(slot),
            revision: drover_core::RevisionNo(1),
            incarnation: 1,
        };
        assert_eq!(token(unit(1)).len(), 16);
        assert_eq!(token(unit(1)), token(unit(1)));
        assert_ne!(token(unit(1)), token(unit(2)));
    }
}
