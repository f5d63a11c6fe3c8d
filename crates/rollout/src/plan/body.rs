//! The bodies of the requests `up` makes, from the files' words. Pure.

use std::collections::BTreeMap;

use drover_api::launch_config;
use drover_compose::{ServiceSpec, VolumeSpec};
use drover_core::{Driver, ServiceId, ServiceKind};
use serde_json::{Map, Value, json};

use super::decide::Replace;
use crate::diff::{balancer_to_wire, needs_to_wire, resolve, scale_policy_to_wire};

/// Image that stands for "this sidekick goes".
const NO_IMAGE: &str = "docker:rancher/none";
/// Rancher's defaults for `up`.
const BATCH_SIZE: u32 = 2;
const INTERVAL_MS: u64 = 1000;
/// The server's greatest number, as it is Rancher's. More units than that at a time are all of them anyway.
const MOST: u32 = i32::MAX.unsigned_abs();

/// The collection that such a service is created in.
pub(super) fn collection(spec: &ServiceSpec) -> &'static str {
    match (spec.kind, &spec.driver) {
        (ServiceKind::Containers, Some(Driver::Storage(_))) => "storagedriverservices",
        (ServiceKind::Containers, Some(Driver::Network(_))) => "networkdriverservices",
        (ServiceKind::Containers, None) => "services",
        (ServiceKind::Balancer, _) => "loadbalancerservices",
        (ServiceKind::Alias, _) => "dnsservices",
        (ServiceKind::External, _) => "externalservices",
    }
}

/// A new service, not started: its links come first.
pub(super) fn service(
    spec: &ServiceSpec,
    stack: &str,
    find: &dyn Fn(&str) -> Option<ServiceId>,
) -> Value {
    let mut body = json!({
        "name": spec.name,
        "stackId": stack,
        "startOnCreate": false,
        "metadata": spec.metadata,
    });
    let mut put = |name: &str, value: Value| body[name] = value;
    if spec.kind.has_units() {
        let (launch, secondaries) = launch_config::template_to_wire(&spec.name, &spec.template);
        put("launchConfig", launch);
        put("scale", json!(spec.scale.unwrap_or(1)));
        put("retainIp", json!(spec.retain_ip));
        if !secondaries.is_empty() {
            put("secondaryLaunchConfigs", secondaries.into());
        }
    }
    let needs = needs_to_wire(spec, find);
    if !needs.is_empty() {
        put("dependsOn", needs.into());
    }
    if let Some(named) = &spec.balancer {
        put("lbConfig", balancer_to_wire(spec.kind, &resolve(named, find)));
    }
    if let Some(external) = &spec.external {
        put("externalIpAddresses", json!(external.addresses));
        put("hostname", json!(external.hostname));
        put("healthCheck", json!(external.health_check.as_ref().map(launch_config::write_check)));
    }
    match &spec.driver {
        Some(Driver::Storage(said)) => put("storageDriver", json!(said)),
        Some(Driver::Network(said)) => put("networkDriver", json!(said)),
        None => {}
    }
    if let Some(selector) = &spec.selector_link {
        put("selectorLink", json!(selector));
    }
    if let Some(selector) = &spec.selector_container {
        put("selectorContainer", json!(selector));
    }
    if spec.scale_policy.is_some() {
        put("scalePolicy", scale_policy_to_wire(spec));
    }
    body
}

/// An upgrade of the containers that are to be replaced; what is not mentioned stays untouched.
pub(super) fn upgrade(
    spec: &ServiceSpec,
    replace: &Replace,
    batch_size: Option<u32>,
    interval_ms: Option<u64>,
) -> Value {
    let (launch, secondaries) = launch_config::template_to_wire(&spec.name, &spec.template);
    let mut strategy = Map::new();
    let batch_size = batch_size.or(spec.upgrade.batch_size).unwrap_or(BATCH_SIZE);
    if batch_size > 0 {
        strategy.insert("batchSize".into(), batch_size.min(MOST).into());
    }
    let interval_ms = interval_ms.or(spec.upgrade.interval_ms).unwrap_or(INTERVAL_MS);
    strategy.insert("intervalMillis".into(), interval_ms.into());
    if let Some(start_first) = spec.upgrade.start_first {
        strategy.insert("startFirst".into(), start_first.into());
    }
    // Also where the files say nothing of it: the server would go by what they said the last time.
    strategy.insert("policy".into(), drover_api::write_policy(&spec.upgrade.policy));
    if replace.primary {
        strategy.insert("launchConfig".into(), launch);
    }
    let is_replaced = |config: &Value| {
        config["name"].as_str().is_some_and(|name| replace.sidekicks.iter().any(|s| s == name))
    };
    let mut sidekicks: Vec<Value> = secondaries.into_iter().filter(is_replaced).collect();
    sidekicks
        .extend(replace.removed.iter().map(|name| json!({ "name": name, "imageUuid": NO_IMAGE })));
    if !sidekicks.is_empty() {
        strategy.insert("secondaryLaunchConfigs".into(), sidekicks.into());
    }
    json!({ "inServiceStrategy": strategy })
}

/// The whole list of a service's links, from name to id.
pub(super) fn links(links: &BTreeMap<String, String>) -> Value {
    let link = |(name, id): (&String, &String)| json!({ "serviceId": id, "name": name });
    json!({ "serviceLinks": links.iter().map(link).collect::<Vec<_>>() })
}

/// A declared volume.
pub(super) fn volume(name: &str, spec: &VolumeSpec, stack: &str) -> Value {
    json!({
        "name": name,
        "stackId": stack,
        "driver": if spec.driver.is_empty() { "local" } else { &spec.driver },
        "driverOpts": spec.driver_options,
        "external": spec.external,
        "perContainer": spec.per_container,
    })
}

/// A volume of that name on the server is the one the files mean; else the sentence that says why not.
pub(super) fn check_volume(name: &str, ours: &VolumeSpec, theirs: &Value) -> Result<(), String> {
    let or_local =
        |driver: &str| if driver.is_empty() { "local".to_owned() } else { driver.to_owned() };
    let (ours, theirs) =
        (or_local(&ours.driver), or_local(theirs["driver"].as_str().unwrap_or("")));
    if ours == theirs {
        return Ok(());
    }
    Err(format!(
        "volume {name} has driver {theirs} on the server and {ours} in the files, and a volume's driver can't change: \
         give it another name"
    ))
}

#[cfg(test)]
mod tests {
    use drover_core::{ContainerSpec, UpgradeDefaults};

    use super::*;

    fn spec() -> ServiceSpec {
        let mut spec = ServiceSpec { name: "web".into(), scale: Some(3), ..ServiceSpec::default() };
        spec.template.primary.image = "nginx:2".into();
        for name in ["a", "b"] {
            let image = format!("{name}:1");
            let sidekick = ContainerSpec { image, ..ContainerSpec::default() };
            spec.template.sidekicks.insert(name.into(), sidekick);
        }
        spec
    }

    #[test]
    fn an_upgrade_mentions_only_what_is_replaced() {
        let replace = Replace {
            sidekicks: vec!["b".into()],
            removed: vec!["old".into()],
            ..Replace::default()
        };
        let body = upgrade(&spec(), &replace, None, None);
        let strategy = &body["inServiceStrategy"];
        assert_eq!(strategy["launchConfig"], Value::Null);
        assert_eq!(strategy["secondaryLaunchConfigs"][0]["imageUuid"], "docker:b:1");
        assert_eq!(strategy["secondaryLaunchConfigs"][1]["imageUuid"], NO_IMAGE);
        assert_eq!(
            (&strategy["batchSize"], &strategy["intervalMillis"]),
            (&json!(2), &json!(1000))
        );
        assert_eq!(strategy["startFirst"], Value::Null);
    }

    #[test]
    fn options_beat_the_files_beat_the_defaults() {
        let mut spec = spec();
        spec.upgrade = UpgradeDefaults {
            batch_size: Some(5),
            interval_ms: Some(7),
            start_first: Some(true),
            ..UpgradeDefaults::default()
        };
        let replace = Replace { primary: true, ..Replace::default() };
        let of = |batch, interval| {
            let body = upgrade(&spec, &replace, batch, interval);
            let strategy = &body["inServiceStrategy"];
            (strategy["batchSize"].clone(), strategy["intervalMillis"].clone())
        };
        assert_eq!(of(None, None), (json!(5), json!(7)));
        assert_eq!(of(Some(1), Some(100)), (json!(1), json!(100)));
        assert_eq!(of(Some(0), None), (Value::Null, json!(7)));
        assert_eq!(of(Some(u32::MAX), None).0, json!(i32::MAX), "no more than the server takes");
    }

    #[test]
    fn a_volume_keeps_its_driver() {
        let ours = |driver: &str| VolumeSpec { driver: driver.into(), ..VolumeSpec::default() };
        let local = json!({ "driver": "local" });
        assert_eq!(check_volume("data", &ours(""), &local), Ok(()));
        assert_eq!(check_volume("data", &ours("local"), &json!({ "driver": null })), Ok(()));
        let why = check_volume("data", &ours("nfs"), &local).unwrap_err();
        assert!(why.starts_with("volume data has driver local on the server and nfs in the files"));
    }

    #[test]
    fn a_new_service_is_not_started() {
        let body = service(&spec(), "1st5", &|_| None);
        assert_eq!((&body["startOnCreate"], &body["scale"]), (&json!(false), &json!(3)));
        assert_eq!(body["launchConfig"]["imageUuid"], "docker:nginx:2");
        let alias = ServiceSpec { kind: ServiceKind::Alias, ..spec() };
        assert_eq!(service(&alias, "1st5", &|_| None)["launchConfig"], Value::Null);
        let said = json!({ "name": "nfs" }).as_object().unwrap().clone();
        let driver = ServiceSpec { driver: Some(Driver::Storage(said)), ..spec() };
        assert_eq!(collection(&driver), "storagedriverservices");
        assert_eq!(service(&driver, "1st5", &|_| None)["storageDriver"]["name"], "nfs");
    }
}
