//! One line of the access log, as text or JSON.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use drover_core::UnitKey;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;

use super::super::clock::millis;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessFormat {
    /// Words with spaces between them, always as many; `-` for what is not known.
    Text,
    /// One object.
    Json,
}

/// `text` or `json` was expected.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no format of an access log; use text or json")]
pub struct BadAccessFormat(String);

/// A request, a connection or a client's datagrams, from beginning to end.
#[derive(Clone, Debug)]
pub(in super::super) struct Visit {
    pub(in super::super) client: SocketAddr,
    /// The balancer's port.
    pub(in super::super) port: u16,
    /// GET and so on; TCP, TLS, SNI, UDP where no HTTP is spoken.
    pub(in super::super) method: String,
    /// Host asked for, or TLS server name.
    pub(in super::super) host: String,
    pub(in super::super) path: String,
    pub(in super::super) status: Option<u16>,
    /// Sent to the client: the body's, without headers.
    pub(in super::super) bytes: u64,
    /// Who answered.
    pub(in super::super) unit: Option<UnitKey>,
    /// Why it did not end well.
    pub(in super::super) cause: Option<String>,
    began: Instant,
    at: OffsetDateTime,
}

impl std::str::FromStr for AccessFormat {
    type Err = BadAccessFormat;

    fn from_str(text: &str) -> Result<Self, BadAccessFormat> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(BadAccessFormat(text.to_owned())),
        }
    }
}

impl Visit {
    /// One that begins now.
    pub(in super::super) fn begin(client: SocketAddr, port: u16, method: &str) -> Self {
        Self {
            client,
            port,
            method: method.to_owned(),
            host: String::new(),
            path: String::new(),
            status: None,
            bytes: 0,
            unit: None,
            cause: None,
            began: Instant::now(),
            at: OffsetDateTime::now_utc(),
        }
    }

    /// Add the line for a visit that ends now.
    pub(super) fn write(&self, format: AccessFormat, to: &mut String) {
        self.write_after(self.began.elapsed(), format, to);
    }

    fn write_after(&self, duration: Duration, format: AccessFormat, to: &mut String) {
        let duration_ms = millis(duration);
        let time = self.at.replace_nanosecond(u32::from(self.at.millisecond()) * 1_000_000);
        let time = time.unwrap_or(self.at).format(&Rfc3339).unwrap_or_default();
        let unit = self.unit.map(|unit| unit.to_string());
        let line = match format {
            AccessFormat::Json => json!({
                "time": time,
                "client": self.client,
                "port": self.port,
                "host": self.host,
                "method": self.method,
                "path": self.path,
                "status": self.status,
                "bytes": self.bytes,
                "unit": unit,
                "duration_ms": duration_ms,
                "cause": self.cause,
            })
            .to_string(),
            AccessFormat::Text => [
                time,
                self.client.to_string(),
                self.port.to_string(),
                word(&self.host),
                word(&self.method),
                word(&self.path),
                word(&self.status.map(|status| status.to_string()).unwrap_or_default()),
                self.bytes.to_string(),
                word(unit.as_deref().unwrap_or_default()),
                duration_ms.to_string(),
                word(self.cause.as_deref().unwrap_or_default()),
            ]
            .join(" "),
        };
        writeln!(to, "{line}").ok();
    }
}

/// A word of its own, whatever a client put into it.
fn word(text: &str) -> String {
    match text {
        "" => "-".to_owned(),
        _ if text.chars().all(|c| c.is_ascii_graphic() && c != '"') => text.to_owned(),
        _ => format!("{text:?}"),
    }
}

#[cfg(test)]
impl Visit {
    pub(super) fn example() -> Self {
        use drover_core::{RevisionNo, ServiceId, Slot};
        let slot = Slot::Number(1);
        let unit = UnitKey { service: ServiceId(5), slot, revision: RevisionNo(2), incarnation: 1 };
        Self {
            host: "shop.example".to_owned(),
            path: "/cart".to_owned(),
            status: Some(200),
            bytes: 512,
            unit: Some(unit),
            at: OffsetDateTime::UNIX_EPOCH,
            ..Self::begin(([192, 0, 2, 7], 51_000).into(), 80, "GET")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let odd = Visit {
            host: "a b\"\n".to_owned(),
            path: String::new(),
            status: None,
            unit: None,
            cause: Some("no target".to_owned()),
            ..Visit::example()
        };
        let mut text = String::new();
        for format in ["text", "json"] {
            for visit in [Visit::example(), odd.clone()] {
                visit.write_after(Duration::from_millis(38), format.parse().unwrap(), &mut text);
            }
        }
        assert_eq!(text, WANT);
        assert_eq!("xml".parse::<AccessFormat>(), Err(BadAccessFormat("xml".to_owned())));
    }

    const WANT: &str = r#"1970-01-01T00:00:00Z 192.0.2.7:51000 80 shop.example GET /cart 200 512 5/1/2/1 38 -
1970-01-01T00:00:00Z 192.0.2.7:51000 80 "a b\"\n" GET - - 512 - 38 "no target"
{"time":"1970-01-01T00:00:00Z","client":"192.0.2.7:51000","port":80,"host":"shop.example","method":"GET","path":"/cart","status":200,"bytes":512,"unit":"5/1/2/1","duration_ms":38,"cause":null}
{"time":"1970-01-01T00:00:00Z","client":"192.0.2.7:51000","port":80,"host":"a b\"\n","method":"GET","path":"","status":null,"bytes":512,"unit":null,"duration_ms":38,"cause":"no target"}
"#;
}
