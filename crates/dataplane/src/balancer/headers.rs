//! What a proxy does to headers: drop those of the connection (RFC 9110, 7.6.1), say who asked.

use std::net::{IpAddr, SocketAddr};

use http::header::{
    CONNECTION, COOKIE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

/// How a request came in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) client: SocketAddr,
    /// The address that was called.
    pub(super) called: SocketAddr,
    /// The balancer's port.
    pub(super) port: u16,
    /// By TLS, which ended here.
    pub(super) is_secure: bool,
}

const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Of one connection, not of the message.
static HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// The protocol the client asks to change to on this connection, if it does.
pub(super) fn upgrade_asked(headers: &HeaderMap) -> Option<HeaderValue> {
    let asks = tokens(headers).any(|token| token.eq_ignore_ascii_case("upgrade"));
    headers.get(UPGRADE).filter(|_| asks).cloned()
}

/// Let the connection change to that protocol.
pub(super) fn set_upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol);
}

/// What a `connection` header says that names no header, or one that is dropped anyway.
const NAMELESS: [&str; 3] = ["keep-alive", "close", "upgrade"];

/// Drop what belongs to the connection it came on. There is mostly little of it, and comparing a few names costs less
/// than looking all of these up.
pub(super) fn strip(headers: &mut HeaderMap) {
    let is_name = |token: &&str| !NAMELESS.iter().any(|known| token.eq_ignore_ascii_case(known));
    let named = tokens(headers).filter(is_name).filter_map(|token| token.parse().ok());
    for name in named.collect::<Vec<HeaderName>>() {
        headers.remove(name);
    }
    for name in &HOP_BY_HOP {
        if headers.keys().any(|held| held == name) {
            headers.remove(name);
        }
    }
}

/// Make a request's headers fit for a target: `host` is what the client asked for.
pub(super) fn prepare(headers: &mut HeaderMap, arrival: &Arrival, host: &str) {
    strip(headers);
    // We read the body as soon as the target does, and that says "continue".
    headers.remove(EXPECT);
    join(headers, COOKIE, "; ", None);
    let client = arrival.client.ip().to_canonical();
    let scheme = if arrival.is_secure { "https" } else { "http" };
    join(headers, FORWARDED_FOR, ", ", Some(client.to_string()));
    join(headers, FORWARDED, ", ", Some(forwarded(client, scheme, host)));
    set_once(headers, FORWARDED_PROTO, || HeaderValue::from_static(scheme));
    set_once(headers, FORWARDED_PORT, || arrival.port.into());
    let held = headers.get(HOST).filter(|held| held.as_bytes() == host.as_bytes());
    let value = held.cloned().or_else(|| HeaderValue::from_str(host).ok());
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        set_once(headers, FORWARDED_HOST, || value.clone());
        headers.insert(HOST, value);
    }
}

/// One line instead of many, with one more value at its end. HTTP/2 splits cookies; HTTP/1.1 must not.
fn join(headers: &mut HeaderMap, name: HeaderName, separator: &str, last: Option<String>) {
    if !headers.contains_key(&name) {
        let value = last.and_then(|last| HeaderValue::try_from(last).ok());
        value.map(|value| headers.insert(name, value));
        return;
    }
    let held = headers.get_all(&name).iter().map(|value| value.as_bytes().to_vec());
    let all: Vec<Vec<u8>> = held.chain(last.map(String::into_bytes)).collect();
    if let Ok(value) = HeaderValue::from_bytes(&all.join(separator.as_bytes()))
        && !all.is_empty()
    {
        headers.insert(name, value);
    }
}

/// RFC 7239: what needs quotes is quoted; a host that can't be is left out.
fn forwarded(client: IpAddr, scheme: &str, host: &str) -> String {
    let host = if host.contains(['"', '\\']) { "" } else { host };
    let (before, after) = if host.is_empty() { ("", "") } else { (";host=\"", "\"") };
    match client {
        IpAddr::V4(client) => format!("for={client};proto={scheme}{before}{host}{after}"),
        IpAddr::V6(client) => format!("for=\"[{client}]\";proto={scheme}{before}{host}{after}"),
    }
}

/// What a balancer before this one said stays: it knows better.
fn set_once(headers: &mut HeaderMap, name: HeaderName, value: impl FnOnce() -> HeaderValue) {
    headers.entry(name).or_insert_with(value);
}

fn tokens(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        check(
            "host: www.abc.com:80",
            "forwarded: for=192.0.2.7;proto=http;host=\"www.abc.com:80\"\n\
             host: www.abc.com:80\nx-forwarded-for: 192.0.2.7\nx-forwarded-host: www.abc.com:80\n\
             x-forwarded-port: 80\nx-forwarded-proto: http",
        );
        check(
            "forwarded: for=_a\nx-forwarded-for: 10.0.0.1\nx-forwarded-for: 10.0.0.2, 10.0.0.3\n\
             x-forwarded-proto: https\nx-forwarded-port: 443\nx-forwarded-host: out.side",
            "forwarded: for=_a, for=192.0.2.7;proto=http;host=\"www.abc.com:80\"\n\
             host: www.abc.com:80\n\
             x-forwarded-for: 10.0.0.1, 10.0.0.2, 10.0.0.3, 192.0.2.7\nx-forwarded-host: out.side\n\
             x-forwarded-port: 443\nx-forwarded-proto: https",
        );
        check(
            "connection: close, x-secret\nkeep-alive: 5\nx-secret: 1\nte: trailers\nupgrade: h2c\n\
             transfer-encoding: chunked\nproxy-connection: x\nexpect: 100-continue\ncookie: a=1\n\
             cookie: b=2\naccept: */*",
            "accept: */*\ncookie: a=1; b=2\n\
             forwarded: for=192.0.2.7;proto=http;host=\"www.abc.com:80\"\nhost: www.abc.com:80\nx-forwarded-for: 192.0.2.7\n\
             x-forwarded-host: www.abc.com:80\nx-forwarded-port: 80\nx-forwarded-proto: http",
        );
    }

    #[test]
    fn upgrades() {
        let asked = |text| upgrade_asked(&parse(text)).map(|v| v.to_str().unwrap().to_owned());
        let websocket = Some("websocket".to_owned());
        assert_eq!(asked("connection: keep-alive, Upgrade\nupgrade: websocket"), websocket);
        assert_eq!(asked("connection: keep-alive\nupgrade: websocket"), None);
        assert_eq!(asked("connection: upgrade"), None);
    }

    fn check(came: &str, sent: &str) {
        let mut headers = parse(came);
        let client = SocketAddr::from(([192, 0, 2, 7], 4711));
        let called = SocketAddr::from(([192, 0, 2, 1], 80));
        let arrival = Arrival { client, called, port: 80, is_secure: false };
        prepare(&mut headers, &arrival, "www.abc.com:80");
        let mut lines: Vec<String> =
            headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
        lines.sort();
        assert_eq!(lines.join("\n"), sent);
    }

    fn parse(text: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in text.lines().filter_map(|line| line.split_once(": ")) {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        headers
    }
}
