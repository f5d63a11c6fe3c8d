//! Placement constraints: `io.rancher.scheduler.affinity:…` labels and the older environment forms, read into
//! one shape.

use crate::{ContainerSpec, Template, label};

/// One thing a host must, must not, should or should not have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Constraint {
    /// What is compared.
    pub subject: Subject,
    /// Has to hold; a soft one is only preferred.
    pub hard: bool,
    /// Must be absent instead of present.
    pub negated: bool,
}

/// What a constraint compares. Keys and values are in lower case: comparison ignores it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A label of the host.
    HostLabel(String, String),
    /// A label of any other container on the host.
    ContainerLabel(String, String),
    /// The name of a container on the host.
    Container(String),
}

/// A constraint that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("placement constraint `{key}: {value}` can't be read: {why}")]
pub struct BadConstraint {
    /// The label or variable.
    pub key: String,
    /// Its value.
    pub value: String,
    /// What is wrong.
    pub why: String,
}

/// The constraints of all members, merged: the unit is placed as one. `stack` and `service` fill in the
/// macros `${stack_name}`, `${service_name}` and complete a bare service name.
pub fn constraints(
    template: &Template,
    stack: &str,
    service: &str,
) -> Result<Vec<Constraint>, BadConstraint> {
    let mut found = Vec::new();
    for (_, spec) in template.members() {
        from_labels(spec, stack, service, &mut found)?;
        from_environment(spec, stack, service, &mut found)?;
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn from_labels(
    spec: &ContainerSpec,
    stack: &str,
    service: &str,
    found: &mut Vec<Constraint>,
) -> Result<(), BadConstraint> {
    for (key, value) in &spec.labels {
        let lower = key.to_ascii_lowercase();
        let Some(kind) = lower.strip_prefix(label::AFFINITY) else { continue };
        let bad = |why: &str| BadConstraint {
            key: key.clone(),
            value: value.clone(),
            why: why.to_owned(),
        };
        let (kind, negated, hard) = suffixes(kind);
        for item in value.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let item = expand(item, stack, service);
            let subject = subject(kind, &item, stack).map_err(|why| bad(&why))?;
            found.push(Constraint { subject, hard, negated });
        }
    }
    Ok(())
}

/// `constraint:key==value` and `affinity:container==name`, as they look once split at the first `=`:
/// the key may end in `!`, the value begins with what is left of the operator.
fn from_environment(
    spec: &ContainerSpec,
    stack: &str,
    service: &str,
    found: &mut Vec<Constraint>,
) -> Result<(), BadConstraint> {
    for (key, value) in &spec.environment {
        let (is_host, rest) = match key.split_once(':') {
            Some(("constraint", rest)) => (true, rest),
            Some(("affinity", rest)) => (false, rest),
            _ => continue,
        };
        let (name, negated) = match rest.strip_suffix('!') {
            Some(name) => (name, true),
            None => (rest, false),
        };
        let value_text = if negated { Some(value.as_str()) } else { value.strip_prefix('=') };
        let bad = |why: &str| BadConstraint {
            key: key.clone(),
            value: value.clone(),
            why: why.to_owned(),
        };
        let text = value_text.ok_or_else(|| bad("write ==, !=, ==~ or !=~"))?;
        let (text, hard) = match text.strip_prefix('~') {
            Some(text) => (text, false),
            None => (text, true),
        };
        let text = expand(text.trim(), stack, service);
        let subject = match (is_host, name) {
            (false, "container") => subject("container", &text, stack),
            (false, _) => subject("container_label", &format!("{name}={text}"), stack),
            (true, _) => subject("host_label", &format!("{name}={text}"), stack),
        };
        let subject = subject.map_err(|why| bad(&why))?;
        found.push(Constraint { subject, hard, negated });
    }
    Ok(())
}

fn suffixes(kind: &str) -> (&str, bool, bool) {
    for (suffix, negated, hard) in [("_soft_ne", true, false), ("_soft", false, false)] {
        if let Some(kind) = kind.strip_suffix(suffix) {
            return (kind, negated, hard);
        }
    }
    match kind.strip_suffix("_ne") {
        Some(kind) => (kind, true, true),
        None => (kind, false, true),
    }
}

fn subject(kind: &str, item: &str, stack: &str) -> Result<Subject, String> {
    let pair = || {
        let (key, value) = item.split_once('=').ok_or("write KEY=VALUE")?;
        let (key, value) = (key.trim().to_ascii_lowercase(), value.trim().to_ascii_lowercase());
        if key.is_empty() || value.is_empty() {
            return Err(format!("`{item}` lacks its key or its value"));
        }
        Ok((key, value))
    };
    match kind {
        "host_label" => pair().map(|(k, v)| Subject::HostLabel(k, v)),
        "container_label" => pair().map(|(k, mut v)| {
            if k == label::STACK_SERVICE && !v.contains('/') {
                v = format!("{}/{v}", stack.to_ascii_lowercase());
            }
            Subject::ContainerLabel(k, v)
        }),
        "container" => Ok(Subject::Container(item.to_ascii_lowercase())),
        other => Err(format!(
            "`{other}` is none of host_label, container_label, container (each with _ne, _soft, _soft_ne)"
        )),
    }
}

fn expand(text: &str, stack: &str, service: &str) -> String {
    text.replace("${stack_name}", stack)
        .replace("${project_name}", stack)
        .replace("${service_name}", service)
}

impl std::fmt::Display for Constraint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.subject {
            Subject::HostLabel(k, v) => write!(f, "label {k}={v}"),
            Subject::ContainerLabel(k, v) => write!(f, "a container with label {k}={v}"),
            Subject::Container(name) => write!(f, "container {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(labels: &[(&str, &str)], env: &[(&str, &str)]) -> Result<Vec<String>, BadConstraint> {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()
        };
        let primary =
            ContainerSpec { labels: map(labels), environment: map(env), ..Default::default() };
        let template = Template { primary, ..Default::default() };
        let found = constraints(&template, "Blog", "web")?;
        let show = |c: &Constraint| {
            let strength = if c.hard { "must" } else { "should" };
            format!("{strength}{} {c}", if c.negated { " not" } else { "" })
        };
        Ok(found.iter().map(show).collect())
    }

    #[test]
    fn labels() {
        let prefix = "io.rancher.scheduler.affinity:";
        for (kind, value, want) in [
            ("host_label", "Gpu=Yes", vec!["must label gpu=yes"]),
            ("host_label", "a=b, c=d", vec!["must label a=b", "must label c=d"]),
            ("host_label", "url=http://x/?a=b", vec!["must label url=http://x/?a=b"]),
            ("host_label_ne", "a=b", vec!["must not label a=b"]),
            ("host_label_soft", "a=b", vec!["should label a=b"]),
            ("host_label_soft_ne", "a=b", vec!["should not label a=b"]),
            ("container", "db-1", vec!["must container db-1"]),
            (
                "container_label_ne",
                "io.rancher.stack_service.name=${stack_name}/${service_name}",
                vec!["must not a container with label io.rancher.stack_service.name=blog/web"],
            ),
            (
                "container_label_soft",
                "io.rancher.stack_service.name=db",
                vec!["should a container with label io.rancher.stack_service.name=blog/db"],
            ),
        ] {
            assert_eq!(read(&[(&format!("{prefix}{kind}"), value)], &[]).unwrap(), want);
        }
        for (kind, value) in [("host_label", "gpu"), ("host_label", "gpu="), ("hostlabel", "a=b")] {
            assert!(read(&[(&format!("{prefix}{kind}"), value)], &[]).is_err(), "{kind} {value}");
        }
    }

    #[test]
    fn environment_forms() {
        for (key, value, want) in [
            ("constraint:storage", "=ssd", "must label storage=ssd"),
            ("constraint:storage!", "ssd", "must not label storage=ssd"),
            ("constraint:storage", "=~ssd", "should label storage=ssd"),
            ("constraint:storage!", "~ssd", "should not label storage=ssd"),
            ("affinity:container", "=db", "must container db"),
            ("affinity:role", "=db", "must a container with label role=db"),
        ] {
            assert_eq!(read(&[], &[(key, value)]).unwrap(), [want]);
        }
        assert!(read(&[], &[("constraint:storage", "ssd")]).is_err());
        assert_eq!(read(&[], &[("PATH", "/bin")]).unwrap(), [""; 0]);
    }
}
