//! Ids of the services that balancers' rules name: of this stack by name, of others as `stack/service`.

use std::collections::BTreeMap;

use drover_compose::{ServiceSpec, StackSpec};
use drover_core::ServiceId;

use crate::error::Failure;
use crate::session::{Session, service_number};
use crate::view::ServiceView;

/// The ids that are known.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets(BTreeMap<String, ServiceId>);

impl Targets {
    /// Those of the stack's services, and of the others that its rules name.
    pub(super) async fn find(
        session: &Session<'_>,
        spec: &StackSpec,
        views: &[ServiceView],
    ) -> Result<Self, Failure> {
        let mut targets = Self::default();
        for view in views {
            targets.add(&view.name, view);
        }
        for name in spec.services.iter().flat_map(named) {
            let Some((stack, service)) = name.split_once('/') else { continue };
            if let Some(view) = session.find_service(stack, service).await? {
                targets.add(&name, &view);
            }
        }
        Ok(targets)
    }

    /// One more.
    pub(super) fn add(&mut self, name: &str, view: &ServiceView) {
        if let Some(id) = service_number(view) {
            self.0.insert(name.to_owned(), id);
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<ServiceId> {
        self.0.get(name).copied()
    }

    /// Every target of a service's rules is there; else the sentence that says which isn't.
    pub(super) fn check(&self, spec: &ServiceSpec) -> Result<(), Failure> {
        let missing: Vec<String> =
            named(spec).into_iter().filter(|name| !self.0.contains_key(name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "{} sends requests to {}, which is not there: create it first, or correct the rule",
            spec.name,
            missing.join(", ")
        )))
    }
}

/// The targets of a service's rules.
fn named(spec: &ServiceSpec) -> Vec<String> {
    let rules = spec.balancer.iter().flat_map(|balancer| &balancer.rules);
    rules.filter_map(|rule| rule.service.clone()).collect()
}

#[cfg(test)]
mod tests {
    use drover_compose::{NamedBalancer, NamedRule};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_target_that_is_not_there_is_named() {
        let rule =
            |service: &str| NamedRule { service: Some(service.into()), ..NamedRule::default() };
        let rules = vec![rule("web"), rule("other/api")];
        let balancer = Some(NamedBalancer { rules, ..NamedBalancer::default() });
        let lb = ServiceSpec { name: "lb".into(), balancer, ..ServiceSpec::default() };
        let mut targets = Targets::default();
        targets.add("web", &ServiceView::read(&json!({ "id": "1s7" })));
        assert_eq!(targets.get("web"), Some(ServiceId(7)));
        let why = targets.check(&lb).unwrap_err().to_string();
        assert!(why.starts_with("lb sends requests to other/api, which is not there"), "{why}");
        targets.add("other/api", &ServiceView::read(&json!({ "id": "1s8" })));
        assert!(targets.check(&lb).is_ok());
    }
}
