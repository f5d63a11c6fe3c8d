//! A service's launch configs ↔ the template of its units: the primary, and the sidekicks by name.
//!
//! On the wire members refer to each other by name, the primary by the service's; inside, the primary's name is
//! empty, so that a service can be renamed.

use std::collections::BTreeMap;

use drover_core::{ContainerSpec, NetworkMode, Template};
use serde_json::{Map, Value};

use super::{BALANCER_IMAGE, read, to_wire};
use crate::body::Body;
use crate::path::Path;
use crate::schema::accept_part;
use crate::{ApiError, Code};

/// Read the launch configs of the service called `service`. `secondaries` is a list or null.
pub fn template_from_wire(
    service: &str,
    launch: &Value,
    secondaries: &Value,
) -> Result<Template, ApiError> {
    let given = accepted("launchConfig", launch, secondaries)?;
    let given = Body::of(&given)?;
    let primary = given.inner("launchConfig")?.ok_or_else(|| given.lacks("launchConfig"))?;
    let primary = without_containers(&primary, read(&primary)?)?;
    let mut sidekicks = BTreeMap::new();
    for fields in given.bodies("secondaryLaunchConfigs")? {
        let name = fields.required("name")?;
        if let Err(bad) = drover_core::name::check_name(&name) {
            return Err(fields.refuse(Code::InvalidCharacters, "name", &bad.to_string()));
        }
        let twice = name.eq_ignore_ascii_case(service)
            || sidekicks.keys().any(|known: &String| known.eq_ignore_ascii_case(&name));
        if twice {
            let why = format!("`{name}` is taken by another container of the service");
            return Err(fields.refuse(Code::NotUnique, "name", &why));
        }
        sidekicks.insert(name, read(&fields)?);
    }
    let mut template = Template { primary, sidekicks };
    resolve_members(service, &mut template)?;
    Ok(template)
}

/// Read the launch config of a balancer: its image may be left out, and a port given once is public too.
pub fn balancer_from_wire(launch: &Value) -> Result<Template, ApiError> {
    let mut given = accepted("loadBalancerLaunchConfig", launch, &Value::Null)?;
    let launch = &mut given["launchConfig"];
    if launch.is_null() {
        *launch = Value::Object(Map::new());
    }
    if launch["imageUuid"].as_str().is_none_or(str::is_empty) {
        launch["imageUuid"] = format!("docker:{BALANCER_IMAGE}").into();
    }
    let mut template = template_from_wire("", launch, &Value::Null)?;
    for port in &mut template.primary.ports {
        port.public.get_or_insert(port.private);
    }
    Ok(template)
}

/// Rancher's word for a service that has none of its own: those are found by labels, and may have been made by anybody.
fn without_containers(body: &Body<'_>, spec: ContainerSpec) -> Result<ContainerSpec, ApiError> {
    let name = spec.image.rsplit_once(':').map_or(spec.image.as_str(), |(name, _)| name);
    if name == "rancher/none" {
        let why = "a service has containers of its own here: for those of other services use `selectorLink` in a dnsService";
        return Err(body.refuse(Code::InvalidOption, "imageUuid", why));
    }
    Ok(spec)
}

/// Both members as their types take them.
fn accepted(kind: &str, launch: &Value, secondaries: &Value) -> Result<Value, ApiError> {
    let mut given = Map::new();
    for (name, kind, value) in [
        ("launchConfig", kind, launch),
        ("secondaryLaunchConfigs", "array[secondaryLaunchConfig]", secondaries),
    ] {
        if !value.is_null() {
            let taken = accept_part(kind, value, Path::default().member(name))?;
            given.insert(name.to_owned(), taken);
        }
    }
    Ok(given.into())
}

/// Write a template: the launch config, and the secondary launch configs in order of their names.
pub fn template_to_wire(service: &str, template: &Template) -> (Value, Vec<Value>) {
    let primary = to_wire(&with_names(service, &template.primary));
    let secondary = |(name, spec): (&String, &ContainerSpec)| {
        let mut value = to_wire(&with_names(service, spec));
        value["type"] = "secondaryLaunchConfig".into();
        value["name"] = name.as_str().into();
        value
    };
    (primary, template.sidekicks.iter().map(secondary).collect())
}

/// Turn the service's name into the primary's empty one, and refuse names of nobody.
fn resolve_members(service: &str, template: &mut Template) -> Result<(), ApiError> {
    let names: Vec<String> = template.sidekicks.keys().cloned().collect();
    let resolve = |field: &str, member: &mut String| {
        if member.as_str() == service {
            member.clear();
        }
        if member.is_empty() || names.contains(member) {
            return Ok(());
        }
        let detail =
            format!("`{field}`: `{member}` is neither the service nor one of its sidekicks");
        Err(ApiError::on(Code::InvalidReference, field, detail))
    };
    for spec in std::iter::once(&mut template.primary).chain(template.sidekicks.values_mut()) {
        if let NetworkMode::Container(member) = &mut spec.network {
            resolve("networkLaunchConfig", member)?;
        }
        for member in &mut spec.volumes_from {
            resolve("dataVolumesFromLaunchConfigs", member)?;
        }
    }
    if let Some(name) = in_a_circle(template) {
        let name = if name.is_empty() { service } else { name };
        let why = format!(
            "`{name}` takes volumes or network from a container that takes them from it, so that neither could be started"
        );
        return Err(ApiError::on(Code::InvalidReference, "launchConfig", why));
    }
    Ok(())
}

/// A member that could never be started: what it needs needs it, or is itself such a one.
fn in_a_circle(template: &Template) -> Option<&str> {
    let mut left: BTreeMap<&str, &ContainerSpec> = template.members().collect();
    let needs = |spec: &ContainerSpec, name: &str| {
        let network = matches!(&spec.network, NetworkMode::Container(member) if member == name);
        network || spec.volumes_from.iter().any(|member| member == name)
    };
    loop {
        // Whoever needs nobody that is left can be started.
        let waits = |spec: &ContainerSpec| left.keys().any(|other| needs(spec, other));
        let next = left.iter().find(|(_, spec)| !waits(spec)).map(|(name, _)| *name);
        match next {
            Some(next) => left.remove(next),
            None => return left.into_keys().next(),
        };
    }
}

/// The spec with the service's name where the primary is meant.
fn with_names(service: &str, spec: &ContainerSpec) -> ContainerSpec {
    let mut spec = spec.clone();
    if let NetworkMode::Container(member) = &mut spec.network
        && member.is_empty()
    {
        service.clone_into(member);
    }
    for member in spec.volumes_from.iter_mut().filter(|member| member.is_empty()) {
        service.clone_into(member);
    }
    spec
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Code;

    fn config(name: &str, more: &Value) -> Value {
        let mut config = json!({ "imageUuid": "docker:busybox", "name": name });
        for (key, value) in more.as_object().unwrap() {
            config[key] = value.clone();
        }
        config
    }

    #[test]
    fn members_refer_to_each_other_by_name() {
        let launch = config("", &json!({ "dataVolumesFromLaunchConfigs": ["data"] }));
        let secondaries = json!([
            config("data", &json!({})),
            config("log", &json!({ "dataVolumesFromLaunchConfigs": ["web", "data"] })),
            config("net", &json!({ "networkMode": "container", "networkLaunchConfig": "web" })),
        ]);
        let template = template_from_wire("web", &launch, &secondaries).unwrap();
        assert_eq!(template.primary.volumes_from, ["data"]);
        assert_eq!(template.sidekicks["net"].network, NetworkMode::Container(String::new()));
        assert_eq!(template.sidekicks["log"].volumes_from, ["", "data"]);
        let (launch, secondaries) = template_to_wire("renamed", &template);
        assert_eq!(secondaries[2]["networkLaunchConfig"], "renamed");
        assert_eq!(template_from_wire("renamed", &launch, &secondaries.into()), Ok(template));
    }

    #[test]
    fn bad_members_are_named() {
        let check = |secondaries: Value, code: Code, text: &str| {
            let launch = config("", &json!({}));
            let error = template_from_wire("web", &launch, &secondaries).unwrap_err();
            assert_eq!((error.code, error.message.as_str()), (code, text));
        };
        let none = json!({});
        check(
            json!([{ "imageUuid": "docker:a" }]),
            Code::MissingRequired,
            "`secondaryLaunchConfigs[0].name` is required",
        );
        check(
            json!([config("Web", &none)]),
            Code::NotUnique,
            "`secondaryLaunchConfigs[0].name`: `Web` is taken by another container of the service",
        );
        check(
            json!([config("a_b", &none)]),
            Code::InvalidCharacters,
            "`secondaryLaunchConfigs[0].name` may hold `a-zA-Z0-9-` only, not `_`",
        );
        check(
            json!([config("a", &json!({ "networkMode": "container:b" }))]),
            Code::InvalidReference,
            "`networkLaunchConfig`: `b` is neither the service nor one of its sidekicks",
        );
        let error = template_from_wire("web", &Value::Null, &Value::Null).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("launchConfig"));
    }

    #[test]
    fn a_balancer_needs_no_image_and_publishes_what_it_lists() {
        let template = balancer_from_wire(&json!({ "ports": ["80", "8443:443"] })).unwrap();
        let ports: Vec<_> = template.primary.ports.iter().map(ToString::to_string).collect();
        assert_eq!(ports, ["80:80/tcp", "8443:443/tcp"]);
        assert_eq!(template.primary.image, BALANCER_IMAGE);
        assert!(balancer_from_wire(&Value::Null).is_ok());
    }
}
