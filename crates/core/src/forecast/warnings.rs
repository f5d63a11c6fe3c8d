//! What is to be known of a configuration before it runs: nothing is wrong with it, but it will be missed one day.

use crate::{ContainerSpec, NetworkMode, Template};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Warning {
    /// A tag that moves, or none.
    MutableTag,
    /// Nobody would notice that it doesn't work.
    NoHealthCheck,
    /// Two of it can't be on one host.
    FixedHostPort,
    /// Several containers write to the same files.
    SharedFiles,
    /// Requests in flight are cut off when it stops.
    NoDrain,
}

impl Warning {
    /// A word for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::MutableTag => "mutableTag",
            Self::NoHealthCheck => "noHealthCheck",
            Self::FixedHostPort => "fixedHostPort",
            Self::SharedFiles => "singleWriterVolume",
            Self::NoDrain => "drainOff",
        }
    }
}

/// What is to be said of a service that runs this at a scale, upgraded start-first or not, in words.
pub fn warnings(template: &Template, scale: u32, start_first: bool) -> Vec<(Warning, String)> {
    let mut all = Vec::new();
    for (member, spec) in template.members() {
        let of = if member.is_empty() { String::new() } else { format!("{member}: ") };
        let said = member_warnings(spec, member.is_empty(), scale, start_first);
        all.extend(said.into_iter().map(|(warning, text)| (warning, format!("{of}{text}"))));
    }
    all
}

fn member_warnings(
    spec: &ContainerSpec,
    is_primary: bool,
    scale: u32,
    start_first: bool,
) -> Vec<(Warning, String)> {
    let mut all = Vec::new();
    if is_mutable(&spec.image) {
        let image = &spec.image;
        let text = format!(
            "the tag of {image} moves: what it means is kept with this revision once it runs, but the files won't say what \
             that was"
        );
        all.push((Warning::MutableTag, text));
    }
    let serves = is_primary && !spec.is_start_once();
    if serves && spec.health_check.is_none() && spec.docker_health.is_none() {
        let text = "it has no health_check: it counts as good once it runs and its ports accept"
            .to_owned();
        all.push((Warning::NoHealthCheck, text));
    }
    let ports: Vec<String> =
        spec.ports.iter().filter_map(|p| p.public).map(|p| p.to_string()).collect();
    if !ports.is_empty() || is_primary && spec.network == NetworkMode::Host {
        let what = if ports.is_empty() {
            "the host's own network".to_owned()
        } else {
            format!("the fixed host port {}", ports.join(", "))
        };
        let start =
            if start_first { "; start-first needs another host for the new one" } else { "" };
        all.push((Warning::FixedHostPort, format!("it takes {what}: one to a host{start}")));
    }
    let written: Vec<&str> = spec.volumes.iter().filter_map(|mount| writes_to(mount)).collect();
    if !written.is_empty() && (scale > 1 || start_first) {
        let why = if scale > 1 { "several of it run" } else { "old and new run side by side" };
        let files = written.join(", ");
        let text = format!(
            "it writes to {files}, and {why}: `on_host_loss: fence` and `start_first: false` keep writers apart"
        );
        all.push((Warning::SharedFiles, text));
    }
    if is_primary && spec.drain_timeout_ms == Some(0) {
        let text = "drain_timeout_ms is 0: requests in flight are cut off when it stops".to_owned();
        all.push((Warning::NoDrain, text));
    }
    all
}

/// Neither a digest nor a tag but `latest`. Others may move too, but say that they don't.
fn is_mutable(image: &str) -> bool {
    if image.is_empty() || image.contains('@') {
        return false;
    }
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

/// What a mount that is shared and written to mounts.
fn writes_to(mount: &str) -> Option<&str> {
    let (source, rest) = mount.split_once(':')?;
    let read_only =
        rest.split_once(':').is_some_and(|(_, mode)| mode.split(',').any(|m| m == "ro"));
    (!read_only).then_some(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_configuration() {
        let spec = |edit: fn(&mut ContainerSpec)| {
            let mut primary = ContainerSpec { image: "app:1".into(), ..ContainerSpec::default() };
            primary.health_check = Some(crate::HealthCheck::default());
            edit(&mut primary);
            Template { primary, ..Template::default() }
        };
        let codes = |template: &Template, scale, first| {
            let all = warnings(template, scale, first);
            all.iter().map(|(warning, _)| warning.code()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(codes(&spec(|_| {}), 3, true), "");
        assert_eq!(codes(&spec(|s| s.image = "host:5000/app".into()), 1, false), "mutableTag");
        assert_eq!(codes(&spec(|s| s.image = "app:latest".into()), 1, false), "mutableTag");
        assert_eq!(codes(&spec(|s| s.image = "app@sha256:1".into()), 1, false), "");
        assert_eq!(codes(&spec(|s| s.health_check = None), 1, false), "noHealthCheck");
        let port = spec(|s| s.ports.push("80:80".parse().unwrap()));
        assert_eq!(codes(&port, 1, false), "fixedHostPort");
        let written = spec(|s| s.volumes.push("data:/data".into()));
        assert_eq!(codes(&written, 1, false), "");
        assert_eq!(codes(&written, 1, true), "singleWriterVolume");
        assert_eq!(codes(&written, 2, false), "singleWriterVolume");
        assert_eq!(codes(&spec(|s| s.volumes.push("data:/data:ro".into())), 2, true), "");
        assert_eq!(codes(&spec(|s| s.drain_timeout_ms = Some(0)), 1, false), "drainOff");
    }
}
