//! What went wrong between the agent and Docker, in one clear sentence each. Docker's own text is kept where it says
//! more.

use std::path::PathBuf;

use bollard::errors::Error;

use crate::reference::Reference;

/// Why something that was asked of Docker did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The engine can't be talked to.
    #[error(
        "can't talk to Docker at {}: {problem}; check that the engine runs and that the agent may use its \
         socket", socket.display()
    )]
    Engine {
        /// Where.
        socket: PathBuf,
        /// What happened.
        problem: String,
    },
    /// An image did not arrive.
    #[error("image {image} can't be pulled from {registry}: {reason}")]
    Pull {
        /// The image.
        image: String,
        /// Where from.
        registry: String,
        /// Why.
        reason: String,
    },
    /// Docker said no.
    #[error("{what}: {reason}")]
    Refused {
        /// What was attempted.
        what: String,
        /// Why not.
        reason: String,
    },
}

impl Trouble {
    /// Docker refused a step.
    pub(super) fn refused(what: impl Into<String>, error: &Error) -> Self {
        Self::Refused { what: what.into(), reason: reason(&text(error)) }
    }

    /// A pull failed.
    pub(super) fn pull(image: &str, error: &Error, with_login: bool) -> Self {
        let registry = Reference::parse(image).registry;
        let reason = pull_reason(&text(error), &registry, with_login);
        Self::Pull { image: image.to_owned(), registry, reason }
    }
}

/// Why the engine can't be talked to.
pub(super) fn connect_words(error: &Error) -> String {
    match error {
        Error::SocketNotFoundError(_) => "there is no such socket".to_owned(),
        other => text(other),
    }
}

/// Docker's text without the client's wrapping.
fn text(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::DockerStreamError { error } => error.trim().to_owned(),
        Error::RequestTimeoutError => "Docker did not answer in time".to_owned(),
        other => chain(other),
    }
}

/// An error and its causes; the innermost one is usually what happened.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}

/// Why a container can't be made or started.
fn reason(text: &str) -> String {
    let low = text.to_ascii_lowercase();
    if low.contains("port is already allocated") || low.contains("address already in use") {
        let port = port(text).map_or("a port".to_owned(), |port| format!("port {port}"));
        return format!(
            "{port} of this host is taken by another container or program: free it or publish another one"
        );
    }
    if low.contains("no space left on device") {
        return "the disk of this host is full: free some space, for instance with docker system prune"
            .to_owned();
    }
    if let Some(path) = between(text, "bind source path does not exist: ", "\n") {
        return format!("{path} is to be mounted but doesn't exist on this host");
    }
    if low.contains("executable file not found")
        || low.contains("no such file or directory: unknown")
    {
        let program = between(text, "exec: \"", "\"").unwrap_or("its program");
        return format!("{program} is not in the image: correct command or entrypoint");
    }
    if low.contains("permission denied: unknown") {
        let program = between(text, "exec: \"", "\"").unwrap_or("its program");
        return format!("{program} may not be executed: it lacks the permission in the image");
    }
    text.to_owned()
}

fn pull_reason(text: &str, registry: &str, with_login: bool) -> String {
    let low = text.to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| low.contains(part));
    if has(&["no such host", "connection refused", "i/o timeout", "tls handshake timeout"])
        || has(&[
            "network is unreachable",
            "no route to host",
            "deadline exceeded",
            "server misbehaving",
        ])
    {
        return format!("{registry} can't be reached from this host ({text})");
    }
    if has(&["unauthorized", "denied", "authentication required", "no basic auth credentials"]) {
        return if with_login {
            format!("the login kept for {registry} was refused, or it may not read this image")
        } else {
            format!("it doesn't exist there or needs a login; add one for {registry} if it does")
        };
    }
    if has(&["manifest unknown", "not found"]) {
        return "there is no such image or tag".to_owned();
    }
    if has(&["no space left on device"]) {
        return "the disk of this host is full".to_owned();
    }
    text.to_owned()
}

/// The port in "Bind for 0.0.0.0:8080 failed" or "listen tcp4 0.0.0.0:8080: bind".
fn port(text: &str) -> Option<u16> {
    let after = text.split("Bind for ").nth(1).or_else(|| text.split("listen ").nth(1))?;
    let mut words = after.split_whitespace();
    words.find_map(|word| word.trim_end_matches(':').rsplit_once(':')?.1.parse().ok())
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = text.split_once(before)?.1;
    Some(rest.split(after).next().unwrap_or(rest).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_in_words() {
        let check = |text: &str, want: &str| assert_eq!(reason(text), want);
        check(
            "driver failed programming external connectivity on endpoint r-a-1 (4f): Bind for \
             0.0.0.0:8080 failed: port is already allocated",
            "port 8080 of this host is taken by another container or program: free it or publish \
             another one",
        );
        check(
            "driver failed: Error starting userland proxy: listen tcp4 0.0.0.0:81: bind: address \
             already in use",
            "port 81 of this host is taken by another container or program: free it or publish \
             another one",
        );
        check(
            "failed to create shim: exec: \"nope\": executable file not found in $PATH: unknown",
            "nope is not in the image: correct command or entrypoint",
        );
        check(
            "invalid mount config for type \"bind\": bind source path does not exist: /srv/x",
            "/srv/x is to be mounted but doesn't exist on this host",
        );
        check(
            "write /var/lib/docker/x: no space left on device",
            "the disk of this host is full: free some space, for instance with docker system prune",
        );
        check("something new", "something new");
    }

    #[test]
    fn pulls_in_words() {
        let check = |text: &str, with_login, want: &str| {
            assert_eq!(pull_reason(text, "r.example", with_login), want);
        };
        check(
            "manifest for r.example/a:1 not found: manifest unknown",
            false,
            "there is no such image or tag",
        );
        let denied =
            "pull access denied for a, repository does not exist or may require 'docker login'";
        check(
            denied,
            false,
            "it doesn't exist there or needs a login; add one for r.example if it does",
        );
        check(
            denied,
            true,
            "the login kept for r.example was refused, or it may not read this image",
        );
        let lookup = "Get \"https://r.example/v2/\": dial tcp: lookup r.example: no such host";
        check(lookup, true, &format!("r.example can't be reached from this host ({lookup})"));
    }
}
