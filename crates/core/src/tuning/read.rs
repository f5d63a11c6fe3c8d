//! HAProxy text, line by line: each is mapped, understood as changing nothing, or refused with the way out.
//!
//! The rule for what may change nothing: a request can't tell. Everything else that is not mapped is refused; a
//! setting that is dropped in silence would be found out under load.

use super::directive::{
    CHECKS, Line, Mapped, NO_STATS, OWN_LOG, TIMEOUTS, balance, everywhere, headers,
    max_connections, redirect, server, time_of, unknown,
};
use super::line::words;
use super::{BackendTuning, BadTuning, ListenerTuning, Tuning, TuningText, Unheeded};

impl Tuning {
    /// Read a custom text to its end.
    pub fn read(text: &str) -> TuningText {
        let mut reader = Reader { read: TuningText::default(), section: Section::None };
        for (number, line) in (1..).zip(text.lines()) {
            let text = line.trim().to_owned();
            match words(line).map_err(Line::refused).and_then(|words| reader.line(&words)) {
                Ok(()) => {}
                Err(Line::Unheeded(why)) => {
                    reader.read.unheeded.push(Unheeded { line: number, text, why });
                }
                Err(Line::Refused(why)) => {
                    reader.read.refused.push(BadTuning { line: number, text, why });
                }
            }
        }
        reader.read
    }
}

impl std::str::FromStr for Tuning {
    type Err = BadTuning;

    fn from_str(text: &str) -> Result<Self, BadTuning> {
        let TuningText { tuning, refused, .. } = Self::read(text);
        refused.into_iter().next().map_or(Ok(tuning), Err)
    }
}

/// What the lines that follow are about.
enum Section {
    None,
    Global,
    Defaults,
    Frontend(u16),
    Backend(String),
    /// Its heading was refused, and its lines with it.
    Refused,
}

struct Reader {
    read: TuningText,
    section: Section,
}

impl Reader {
    fn line(&mut self, line: &[String]) -> Mapped {
        let words: Vec<&str> = line.iter().map(String::as_str).collect();
        let [first, rest @ ..] = words.as_slice() else { return Ok(()) };
        if let Some(section) = heading(first, rest) {
            self.section = Section::Refused;
            self.section = section?;
            return Ok(());
        }
        let tuning = &mut self.read.tuning;
        match &self.section {
            Section::None => Err(Line::refused(
                "stands before any section: begin with `global`, `defaults`, `frontend PORT` or `backend NAME`",
            )),
            Section::Refused => Ok(()),
            Section::Global => global(tuning, &words),
            Section::Defaults => defaults(tuning, &words),
            Section::Frontend(port) => frontend(tuning.listeners.entry(*port).or_default(), &words),
            Section::Backend(name) => {
                backend(tuning.backends.entry(name.clone()).or_default(), &words)
            }
        }
    }
}

/// The section a line opens, if it opens one.
fn heading(first: &str, rest: &[&str]) -> Option<Result<Section, Line>> {
    let refuse = |why: &str| Some(Err(Line::refused(why)));
    match (first, rest) {
        ("global", []) => Some(Ok(Section::Global)),
        ("defaults", [] | [_]) => Some(Ok(Section::Defaults)),
        ("frontend", [name]) => match name.parse() {
            Ok(port @ 1..) => Some(Ok(Section::Frontend(port))),
            _ => refuse(
                "no rule makes such a frontend: a frontend is called by the port it listens on, and a port rule makes it",
            ),
        },
        ("backend", []) => Some(Ok(Section::Backend(String::new()))),
        ("backend", [name]) => Some(Ok(Section::Backend((*name).to_owned()))),
        ("global" | "defaults" | "frontend" | "backend", _) => refuse(
            "is not the heading of a section: write `global`, `defaults`, `frontend PORT` or `backend NAME`",
        ),
        ("listen", _) => refuse(
            "listeners are made by port rules: add a rule with this port, and put settings under `frontend PORT`",
        ),
        ("userlist", _) => refuse("the balancer checks no passwords: let the service do so"),
        ("peers" | "mailers" | "resolvers" | "cache" | "program" | "ring" | "http-errors", _) => {
            refuse("the balancer has nothing of this kind: remove the section")
        }
        _ => None,
    }
}

fn global(tuning: &mut Tuning, words: &[&str]) -> Mapped {
    match words {
        ["maxconn", count] => max_connections(tuning, count),
        ["log" | "log-tag" | "log-send-hostname", ..] => Err(Line::unheeded(OWN_LOG)),
        [
            "daemon" | "user" | "group" | "uid" | "gid" | "chroot" | "pidfile" | "nbproc"
            | "nbthread" | "cpu-map" | "master-worker" | "ulimit-n" | "node" | "description"
            | "quiet",
            ..,
        ] => Err(Line::unheeded(
            "it is about HAProxy's own process, and the balancer is not HAProxy",
        )),
        [word, ..] if word.starts_with("tune.") => {
            Err(Line::unheeded("it sizes HAProxy's own buffers, and the balancer is not HAProxy"))
        }
        [word, ..] if word.starts_with("ssl-") => Err(Line::refused(
            "TLS versions and ciphers can't be chosen: the balancer offers TLS 1.2 and 1.3 with their safe ciphers; remove the line",
        )),
        ["stats", ..] => Err(Line::refused(NO_STATS)),
        _ => Err(unknown("global", "maxconn")),
    }
}

fn defaults(tuning: &mut Tuning, words: &[&str]) -> Mapped {
    match words {
        ["timeout", which, time] => {
            let ms = time_of(time)?;
            match *which {
                "connect" => tuning.connect_ms = ms,
                "client" => tuning.client_ms = ms,
                "server" => tuning.server_ms = ms,
                "tunnel" => tuning.tunnel_ms = Some(ms),
                "check" => return Err(Line::refused(CHECKS)),
                _ => return Err(Line::refused(TIMEOUTS)),
            }
            Ok(())
        }
        ["maxconn", count] => max_connections(tuning, count),
        ["balance", how, ..] => {
            tuning.balance = balance(how, words)?;
            Ok(())
        }
        ["stats", ..] => Err(Line::refused(NO_STATS)),
        _ => everywhere(words).unwrap_or_else(|| {
            Err(unknown(
                "defaults",
                "timeout connect, client, server and tunnel, maxconn and balance",
            ))
        }),
    }
}

fn frontend(listener: &mut ListenerTuning, words: &[&str]) -> Mapped {
    match words {
        ["accept-proxy"] => {
            listener.accept_proxy = true;
            Ok(())
        }
        ["bind", ..] => Err(Line::refused(
            "ports are bound by port rules; of its options only `accept-proxy` is known: write it on a line of its own",
        )),
        ["redirect", how @ ..] | ["http-request", "redirect", how @ ..] => {
            redirect(how)?;
            listener.redirect_https = true;
            Ok(())
        }
        ["timeout", ..] => Err(Line::refused("write it under `defaults`: it holds for all ports")),
        ["acl" | "use_backend" | "default_backend", ..] => Err(Line::refused(
            "requests are routed by port rules: give a rule this `hostname` or `path`",
        )),
        _ => headers(&mut listener.request_headers, &mut listener.response_headers, words)
            .or_else(|| everywhere(words))
            .unwrap_or_else(|| {
                Err(unknown(
                    "a frontend",
                    "accept-proxy, redirect scheme https, http-request and http-response with set-header or del-header",
                ))
            }),
    }
}

fn backend(backend: &mut BackendTuning, words: &[&str]) -> Mapped {
    match words {
        ["balance", how, ..] => {
            backend.balance = Some(balance(how, words)?);
            Ok(())
        }
        ["timeout", "server", time] => {
            backend.server_ms = Some(time_of(time)?);
            Ok(())
        }
        ["timeout", "check", _] => Err(Line::refused(CHECKS)),
        ["timeout", ..] => Err(Line::refused("write it under `defaults`: it holds for all backends")),
        ["server", "$IP" | "$$IP", options @ ..] => server(backend, options),
        ["server" | "server-template" | "default-server", ..] => Err(Line::refused(
            "targets are made by rules: name a service in a rule, an external service for what is not a container; \
             options for all of them are written `server $IP send-proxy`",
        )),
        ["cookie" | "appsession" | "stick" | "stick-table", ..] => {
            Err(Line::refused("use `stickiness_policy` instead"))
        }
        ["redirect", ..] => Err(Line::refused("write it under `frontend PORT`")),
        _ => headers(&mut backend.request_headers, &mut backend.response_headers, words)
            .or_else(|| everywhere(words))
            .unwrap_or_else(|| {
                Err(unknown(
                    "a backend",
                    "balance, timeout server, server $IP with send-proxy or send-proxy-v2, http-request and \
                     http-response with set-header or del-header",
                ))
            }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Balance;

    #[test]
    fn what_is_mapped() {
        let check = |text: &str, want: fn(&mut Tuning)| {
            let mut expected = Tuning::default();
            want(&mut expected);
            assert_eq!(text.parse(), Ok(expected), "{text}");
        };
        check("", |_| {});
        check("# nothing\n\n", |_| {});
        check("global\n  maxconn 3096", |t| t.max_connections = Some(3096));
        check("global\nmaxconn 9\ndefaults\nmaxconn 10", |t| t.max_connections = Some(9));
        check(
            "defaults\n timeout connect 1s\n timeout client 2m # long\n timeout server 3h\n timeout tunnel 1d",
            |t| {
                (t.connect_ms, t.client_ms, t.server_ms) = (1_000, 120_000, 10_800_000);
                t.tunnel_ms = Some(86_400_000);
            },
        );
        check("defaults\nbalance source", |t| t.balance = Balance::Source);
        check("frontend 443\naccept-proxy", |t| {
            t.listeners.entry(443).or_default().accept_proxy = true;
        });
        for line in [
            "redirect scheme https",
            "redirect scheme https code 301 if !{ ssl_fc }",
            "http-request redirect scheme https unless { ssl_fc }",
        ] {
            let read: Tuning = format!("frontend 80\n{line}").parse().unwrap();
            assert!(read.listeners[&80].redirect_https, "{line}");
        }
        check(
            "frontend 80\nhttp-request set-header X-A \"a b\"\nhttp-response del-header Server",
            |t| {
                let listener = t.listeners.entry(80).or_default();
                listener.request_headers.push(("X-A".into(), "a b".into()));
                listener.response_headers.push(("Server".into(), String::new()));
            },
        );
        check(
            "backend shop\nbalance leastconn\ntimeout server 5s\nserver $IP send-proxy-v2",
            |t| {
                let shop = t.backends.entry("shop".into()).or_default();
                shop.balance = Some(Balance::LeastConnections);
                shop.server_ms = Some(5_000);
                shop.send_proxy = Some(2);
            },
        );
        check("backend\nserver $IP send-proxy\nhttp-request del-header Cookie", |t| {
            let all = t.backends.entry(String::new()).or_default();
            all.send_proxy = Some(1);
            all.request_headers.push(("Cookie".into(), String::new()));
        });
        check("frontend 80\nhttp-request add-header X-A b", |t| {
            let listener = t.listeners.entry(80).or_default();
            listener.request_headers.push(("X-A".into(), "b".into()));
        });
    }

    #[test]
    fn what_changes_nothing() {
        let check = |text: &str| {
            let read = Tuning::read(text);
            assert_eq!((read.tuning, &read.refused), (Tuning::default(), &Vec::new()), "{text}");
            assert_eq!(read.unheeded.len(), 1, "{text}");
        };
        for line in
            ["log 127.0.0.1 local0", "daemon", "tune.bufsize 32768", "chroot /var/lib/haproxy"]
        {
            check(&format!("global\n{line}"));
        }
        for line in [
            "option httplog",
            "option dontlognull",
            "option forwardfor except 127.0.0.1",
            "option redispatch",
            "retries 5",
            "mode http",
            "log global",
        ] {
            check(&format!("defaults\n{line}"));
        }
    }

    /// Rancher hands all of this to HAProxy as it stands: sections of its own, options of servers and any directive work
    /// there.
    #[test]
    fn what_is_refused_and_what_to_do() {
        let said: Vec<String> = [
            "maxconn 100",
            "global\nmaxconnrate 100",
            "global\nmaxconn many",
            "global\nssl-default-bind-ciphers ALL",
            "defaults\ntimeout client soon",
            "defaults\ntimeout queue 5s",
            "defaults\nbalance uri",
            "defaults\noption httpchk GET /",
            "defaults\nerrorfile 503 /x",
            "frontend web\naccept-proxy",
            "frontend 80\nbind :80 accept-proxy",
            "frontend 80\nacl a hdr(host) b",
            "frontend 80\nredirect location /x",
            "frontend 80\nhttp-request set-header X %[src]",
            "frontend 80\nhttp-request set-header X a if b",
            "frontend 80\nhttp-request deny",
            "backend b\nserver $IP ssl",
            "backend b\nserver a 10.0.0.1:80",
            "backend b\ncookie SRV insert",
            "listen stats\nbind :9000\nmode http",
            "userlist u\n  user a password b",
            "defaults\nlog-tag \"x",
        ]
        .iter()
        .map(|text| {
            let refused = Tuning::read(text).refused;
            assert_eq!(refused.len(), 1, "{text}");
            refused[0].to_string()
        })
        .collect();
        insta::assert_snapshot!(said.join("\n"), @r#"
        line 1 of the custom balancer configuration, `maxconn 100`: stands before any section: begin with `global`, `defaults`, `frontend PORT` or `backend NAME`
        line 2 of the custom balancer configuration, `maxconnrate 100`: is not known in global; known there: maxconn. Remove the line
        line 2 of the custom balancer configuration, `maxconn many`: maxconn needs a number of connections from 1
        line 2 of the custom balancer configuration, `ssl-default-bind-ciphers ALL`: TLS versions and ciphers can't be chosen: the balancer offers TLS 1.2 and 1.3 with their safe ciphers; remove the line
        line 2 of the custom balancer configuration, `timeout client soon`: `soon` is not a time: write 5000 (milliseconds), 30s, 10m or 1h
        line 2 of the custom balancer configuration, `timeout queue 5s`: of timeouts only connect, client, server and tunnel are known: remove the line; `timeout client` bounds how long a client may be silent, also between two requests
        line 2 of the custom balancer configuration, `balance uri`: targets are chosen by roundrobin, leastconn or source: write one of them
        line 2 of the custom balancer configuration, `option httpchk GET /`: checks are the target service's: write a `health_check` there
        line 2 of the custom balancer configuration, `errorfile 503 /x`: the balancer's own answers can't be replaced: remove the line
        line 1 of the custom balancer configuration, `frontend web`: no rule makes such a frontend: a frontend is called by the port it listens on, and a port rule makes it
        line 2 of the custom balancer configuration, `bind :80 accept-proxy`: ports are bound by port rules; of its options only `accept-proxy` is known: write it on a line of its own
        line 2 of the custom balancer configuration, `acl a hdr(host) b`: requests are routed by port rules: give a rule this `hostname` or `path`
        line 2 of the custom balancer configuration, `redirect location /x`: of redirections only `redirect scheme https` is known: do others in the service
        line 2 of the custom balancer configuration, `http-request set-header X %[src]`: values are taken as they stand: `%` is not replaced. X-Forwarded-For, -Proto and -Port are set already
        line 2 of the custom balancer configuration, `http-request set-header X a if b`: conditions are not known: a header is changed on all requests of a port or backend, or on none; put a value with spaces in quotes
        line 2 of the custom balancer configuration, `http-request deny`: of these only set-header, add-header and del-header are known: do it in the service, or remove the line
        line 2 of the custom balancer configuration, `server $IP ssl`: the balancer speaks plain HTTP or TCP to targets; to pass TLS through use a rule of protocol sni or tcp
        line 2 of the custom balancer configuration, `server a 10.0.0.1:80`: targets are made by rules: name a service in a rule, an external service for what is not a container; options for all of them are written `server $IP send-proxy`
        line 2 of the custom balancer configuration, `cookie SRV insert`: use `stickiness_policy` instead
        line 1 of the custom balancer configuration, `listen stats`: listeners are made by port rules: add a rule with this port, and put settings under `frontend PORT`
        line 1 of the custom balancer configuration, `userlist u`: the balancer checks no passwords: let the service do so
        line 2 of the custom balancer configuration, `log-tag "x`: has a quote that is not closed: close it on the same line
        "#);
    }

    #[test]
    fn one_run_finds_every_line() {
        let read = Tuning::read("global\n foo\ndefaults\n bar\n timeout client 1s\n baz\n");
        let lines: Vec<usize> = read.refused.iter().map(|bad| bad.line).collect();
        assert_eq!(lines, [2, 4, 6]);
        assert_eq!(read.tuning.client_ms, 1_000);
    }
}
