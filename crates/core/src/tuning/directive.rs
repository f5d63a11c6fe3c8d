//! Single directives, as they stand in several sections: what each is mapped to, and what is said of those that are
//! not.

use super::line::time_ms;
use super::{BackendTuning, Balance, Tuning};

/// What a line is, if it is not mapped.
pub(super) enum Line {
    Unheeded(String),
    Refused(String),
}

impl Line {
    pub(super) fn refused(why: impl Into<String>) -> Self {
        Self::Refused(why.into())
    }

    pub(super) fn unheeded(why: impl Into<String>) -> Self {
        Self::Unheeded(why.into())
    }
}

pub(super) type Mapped = Result<(), Line>;

pub(super) const OWN_LOG: &str = "the balancer writes an access log of its own";
pub(super) const NO_STATS: &str =
    "there is no page of statistics: ask the server's API, and remove the line";
pub(super) const CHECKS: &str = "checks are the target service's: write a `health_check` there";
pub(super) const TIMEOUTS: &str = "of timeouts only connect, client, server and tunnel are known: remove the line; `timeout client` \
                        bounds how long a client may be silent, also between two requests";

/// Lines that may stand in any section but `global`.
pub(super) fn everywhere(words: &[&str]) -> Option<Mapped> {
    let unheeded = |why: &str| Some(Err(Line::unheeded(why)));
    match words {
        [
            "option",
            "httplog"
            | "tcplog"
            | "dontlognull"
            | "dontlog-normal"
            | "log-health-checks"
            | "log-separate-errors"
            | "logasap",
            ..,
        ]
        | ["no", "log", ..]
        | [
            "log" | "log-format" | "log-format-sd" | "log-tag" | "capture" | "unique-id-format",
            ..,
        ] => unheeded(OWN_LOG),
        ["option", "forwardfor", ..] => {
            unheeded("the balancer sets X-Forwarded-For on every request")
        }
        ["option", "redispatch", ..] | ["retries", _] => unheeded(
            "a connection that fails is tried on the other targets in any case, as long as that is safe",
        ),
        [
            "option",
            "http-server-close" | "http-keep-alive" | "httpclose" | "forceclose" | "http-tunnel"
            | "tcpka" | "clitcpka" | "srvtcpka" | "splice-auto" | "nolinger" | "socket-stats"
            | "contstats" | "prefer-last-server" | "tcp-smart-accept" | "tcp-smart-connect",
            ..,
        ] => {
            unheeded("the balancer keeps and closes connections as clients and targets ask for it")
        }
        ["mode", "http" | "tcp"] => unheeded("the rules' protocol says it"),
        [
            "option",
            "httpchk" | "tcp-check" | "ssl-hello-chk" | "mysql-check" | "redis-check"
            | "pgsql-check",
            ..,
        ]
        | ["http-check" | "tcp-check", ..] => Some(Err(Line::refused(CHECKS))),
        ["errorfile" | "errorloc" | "errorloc302" | "errorloc303", ..] => Some(Err(Line::refused(
            "the balancer's own answers can't be replaced: remove the line",
        ))),
        ["http-request" | "http-response", ..] => Some(Err(Line::refused(
            "of these only set-header, add-header and del-header are known: do it in the service, or remove the line",
        ))),
        _ => None,
    }
}

pub(super) fn unknown(section: &str, known: &str) -> Line {
    Line::refused(format!("is not known in {section}; known there: {known}. Remove the line"))
}

pub(super) fn time_of(text: &str) -> Result<u64, Line> {
    time_ms(text).filter(|ms| *ms > 0).ok_or_else(|| {
        Line::refused(format!("`{text}` is not a time: write 5000 (milliseconds), 30s, 10m or 1h"))
    })
}

/// Given for the process and for each port, the lower one bounds both.
pub(super) fn max_connections(tuning: &mut Tuning, text: &str) -> Mapped {
    let count = text.parse::<u32>().ok().filter(|count| *count > 0);
    let count =
        count.ok_or_else(|| Line::refused("maxconn needs a number of connections from 1"))?;
    let lower = tuning.max_connections.map_or(count, |held| held.min(count));
    tuning.max_connections = Some(lower);
    Ok(())
}

pub(super) fn balance(how: &str, words: &[&str]) -> Result<Balance, Line> {
    match (how, words.len()) {
        ("roundrobin" | "static-rr", 2) => Ok(Balance::RoundRobin),
        ("leastconn", 2) => Ok(Balance::LeastConnections),
        ("source", 2) => Ok(Balance::Source),
        _ => Err(Line::refused(
            "targets are chosen by roundrobin, leastconn or source: write one of them",
        )),
    }
}

/// `scheme https`, with the condition that HAProxy needs to keep from going round in circles: here only plain
/// requests are redirected anyway.
pub(super) fn redirect(how: &[&str]) -> Mapped {
    let how = match how {
        [front @ .., "if", "!{", "ssl_fc", "}"] | [front @ .., "unless", "{", "ssl_fc", "}"] => {
            front
        }
        other => other,
    };
    match how {
        ["scheme", "https"]
        | ["scheme", "https", "code", "301" | "302" | "303" | "307" | "308"] => Ok(()),
        _ => Err(Line::refused(
            "of redirections only `redirect scheme https` is known: do others in the service",
        )),
    }
}

pub(super) fn server(backend: &mut BackendTuning, options: &[&str]) -> Mapped {
    for option in options {
        match *option {
            "send-proxy" => backend.send_proxy = Some(1),
            "send-proxy-v2" => backend.send_proxy = Some(2),
            "check" => return Err(Line::refused(CHECKS)),
            "ssl" => {
                return Err(Line::refused(
                    "the balancer speaks plain HTTP or TCP to targets; to pass TLS through use a rule of protocol sni or tcp",
                ));
            }
            _ => {
                return Err(Line::refused(
                    "of servers' options only send-proxy and send-proxy-v2 are known; a share of the traffic is a rule's `weight`",
                ));
            }
        }
    }
    Ok(())
}

type Headers = Vec<(String, String)>;

/// `http-request set-header NAME VALUE` and the like; `None` if it is none.
pub(super) fn headers(
    requests: &mut Headers,
    answers: &mut Headers,
    words: &[&str],
) -> Option<Mapped> {
    let (to, what) = match words {
        ["http-request", what @ ..] => (requests, what),
        ["http-response", what @ ..] => (answers, what),
        _ => return None,
    };
    match what {
        [.., "if" | "unless", _]
        | ["set-header" | "add-header", _, _, _, ..]
        | ["del-header", _, _, ..] => Some(Err(Line::refused(
            "conditions are not known: a header is changed on all requests of a port or backend, or on none; \
                 put a value with spaces in quotes",
        ))),
        ["set-header" | "add-header", _, value] if value.contains("%[") || value.contains('%') => {
            Some(Err(Line::refused(
                "values are taken as they stand: `%` is not replaced. X-Forwarded-For, -Proto and -Port are set already",
            )))
        }
        ["set-header", name, value] => Some(header(to, name, value)),
        ["add-header", name, value] => Some(header(to, name, value).and_then(|()| {
            Err(Line::unheeded(
                "mapped, but a header of this name that is there already is replaced",
            ))
        })),
        ["del-header", name] => Some(header(to, name, "")),
        _ => None,
    }
}

fn header(to: &mut Headers, name: &str, value: &str) -> Mapped {
    let is_name = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c);
    if name.is_empty() || !name.bytes().all(is_name) || value.chars().any(char::is_control) {
        return Err(Line::refused(
            "is not a header: write a name of letters, digits and -, then its value",
        ));
    }
    to.push((name.to_owned(), value.to_owned()));
    Ok(())
}
