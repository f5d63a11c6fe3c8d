//! What a proxy does to headers: drop those of the connection (RFC 9110, 7.6.1), say who asked.

use std::net::{IpAddr, SocketAddr};

use http::header::{
    CONNECTION, COOKIE, EXPECT, Entry, HOST, HeaderMap, HeaderName, HeaderValue, UPGRADE,
};

/// How a connection came in, and what of it is said in headers: the same for all its requests, so it is put into
/// words once.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) client: SocketAddr,
    /// The address that was called.
    pub(super) called: SocketAddr,
    /// The balancer's port.
    pub(super) port: u16,
    /// By TLS, which ended here.
    pub(super) is_secure: bool,
    said: Said,
}

/// Values of headers.
#[derive(Debug)]
struct Said {
    client: HeaderValue,
    scheme: HeaderValue,
    port: HeaderValue,
    /// Of `forwarded`, without the host.
    forwarded: String,
}

const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The protocol the client asks to change to on this connection, if it does.
pub(super) fn upgrade_asked(headers: &HeaderMap) -> Option<HeaderValue> {
    let protocol = headers.get(UPGRADE)?;
    let asks = tokens(headers).any(|token| token.eq_ignore_ascii_case("upgrade"));
    asks.then(|| protocol.clone())
}

/// Let the connection change to that protocol.
pub(super) fn set_upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol);
}

/// Whether it belongs to one connection, not to the message. There is mostly none: comparing the names that are there
/// costs less than looking all of these up.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "keep-alive"
            | "proxy-connection"
    )
}

/// Whether that is all a `connection` header says: none names another header.
fn is_nameless(value: &HeaderValue) -> bool {
    let known: [&[u8]; 3] = [b"keep-alive", b"close", b"upgrade"];
    known.iter().any(|known| value.as_bytes().eq_ignore_ascii_case(known))
}

/// Drop what belongs to the connection it came on.
pub(super) fn strip(headers: &mut HeaderMap) {
    if !headers.get_all(CONNECTION).iter().all(is_nameless) {
        let named = tokens(headers).filter_map(|token| token.parse().ok());
        for name in named.collect::<Vec<HeaderName>>() {
            headers.remove(name);
        }
    }
    while let Some(name) = headers.keys().find(|name| is_hop_by_hop(name)).cloned() {
        headers.remove(name);
    }
}

impl Arrival {
    /// Of a connection.
    pub(super) fn new(client: SocketAddr, called: SocketAddr, port: u16, is_secure: bool) -> Self {
        let scheme = if is_secure { "https" } else { "http" };
        let address = client.ip().to_canonical();
        // RFC 7239: what needs quotes is quoted.
        let forwarded = match address {
            IpAddr::V4(address) => format!("for={address};proto={scheme}"),
            IpAddr::V6(address) => format!("for=\"[{address}]\";proto={scheme}"),
        };
        // An address has no characters that a header may not have.
        let address = HeaderValue::try_from(address.to_string());
        let said = Said {
            client: address.unwrap_or_else(|_| HeaderValue::from_static("unknown")),
            scheme: HeaderValue::from_static(scheme),
            port: port.into(),
            forwarded,
        };
        Self { client, called, port, is_secure, said }
    }

    /// Of `forwarded`. A host that can't be quoted is left out.
    fn forwarded(&self, host: &str) -> Option<HeaderValue> {
        let said = &self.said.forwarded;
        let mut text = String::with_capacity(said.len() + host.len() + ";host=\"\"".len());
        text.push_str(said);
        if !host.is_empty() && !host.contains(['"', '\\']) {
            text.push_str(";host=\"");
            text.push_str(host);
            text.push('"');
        }
        HeaderValue::try_from(text).ok()
    }
}

/// Make a request's headers fit for a target: `host` is what the client asked for.
pub(super) fn prepare(headers: &mut HeaderMap, arrival: &Arrival, host: &str) {
    strip(headers);
    // We read the body as soon as the target does, and that says "continue".
    headers.remove(EXPECT);
    join_cookies(headers);
    let said = &arrival.said;
    append(headers, FORWARDED_FOR, said.client.clone());
    if let Some(forwarded) = arrival.forwarded(host) {
        append(headers, FORWARDED, forwarded);
    }
    // What a balancer before this one said of the rest stays: it knows better.
    headers.entry(FORWARDED_PROTO).or_insert_with(|| said.scheme.clone());
    headers.entry(FORWARDED_PORT).or_insert_with(|| said.port.clone());
    let held = headers.get(HOST).filter(|held| held.as_bytes() == host.as_bytes()).cloned();
    let value = held.or_else(|| HeaderValue::from_str(host).ok());
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        // There may have been several.
        headers.insert(HOST, value.clone());
        headers.entry(FORWARDED_HOST).or_insert(value);
    }
}

/// One more value at the end of a list, in one line.
fn append(headers: &mut HeaderMap, name: HeaderName, last: HeaderValue) {
    match headers.entry(name) {
        Entry::Vacant(place) => {
            place.insert(last);
        }
        Entry::Occupied(mut held) => {
            let all = held.iter().chain([&last]).map(HeaderValue::as_bytes);
            let all = all.collect::<Vec<_>>().join(&b", "[..]);
            if let Ok(value) = HeaderValue::from_bytes(&all) {
                held.insert(value);
            }
        }
    }
}

/// HTTP/2 splits cookies; HTTP/1.1 must not.
fn join_cookies(headers: &mut HeaderMap) {
    let held = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    let all: Vec<&[u8]> = held.collect();
    if all.len() > 1
        && let Ok(value) = HeaderValue::from_bytes(&all.join(&b"; "[..]))
    {
        headers.insert(COOKIE, value);
    }
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
        let arrival = Arrival::new(client, called, 80, false);
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
