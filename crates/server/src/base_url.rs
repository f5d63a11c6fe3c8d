//! How the client reached this server: every URL in an answer starts with it.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};

/// `http://host:port` as the client sees it: what a proxy says in `X-Forwarded-Proto`, `-Host` and `-Port`,
/// else the `Host` header.
pub(crate) fn base_url(headers: &HeaderMap, uri: &Uri) -> String {
    let scheme = match first(headers, "x-forwarded-proto") {
        Some("https" | "wss") => "https",
        _ => "http",
    };
    let host = first(headers, "x-forwarded-host")
        .or_else(|| first(headers, header::HOST.as_str()))
        .or_else(|| uri.authority().map(Authority::as_str))
        .filter(|host| is_host(host))
        .unwrap_or("localhost");
    let port = first(headers, "x-forwarded-port").and_then(|text| text.parse::<u16>().ok());
    let Some(port) = port else { return format!("{scheme}://{host}") };
    let name = without_port(host);
    match (scheme, port) {
        ("http", 80) | ("https", 443) => format!("{scheme}://{name}"),
        _ => format!("{scheme}://{name}:{port}"),
    }
}

/// The same for WebSockets.
pub(crate) fn socket_url(base: &str) -> String {
    base.replacen("http", "ws", 1)
}

/// Through several proxies a header is a list; the first entry is the client's side.
fn first<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get(name)?.to_str().ok()?;
    value.split(',').next().map(str::trim).filter(|text| !text.is_empty())
}

/// Anything else would be repeated in every link of the answer.
fn is_host(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn bases() {
        let check = |headers: &[(&'static str, &'static str)], want: &str| {
            let headers = headers.iter().map(|(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_static(value))
            });
            assert_eq!(base_url(&headers.collect(), &Uri::from_static("/v2-beta")), want);
        };
        check(&[("host", "h:8080")], "http://h:8080");
        check(&[("host", "[::1]:8080")], "http://[::1]:8080");
        check(&[("host", "h:8080"), ("x-forwarded-proto", "https")], "https://h:8080");
        check(&[("host", "in:1"), ("x-forwarded-host", "out.example, in")], "http://out.example");
        let behind = [("host", "h:8080"), ("x-forwarded-proto", "https")];
        check(&[behind[0], behind[1], ("x-forwarded-port", "443")], "https://h");
        check(&[behind[0], behind[1], ("x-forwarded-port", "8443")], "https://h:8443");
        check(&[("host", "[::1]"), ("x-forwarded-port", "81")], "http://[::1]:81");
        check(&[("host", "h\"><script>")], "http://localhost");
        check(&[], "http://localhost");
        assert_eq!(socket_url("https://http.example"), "wss://http.example");
    }
}
