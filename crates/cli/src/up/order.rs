//! Which services are replaced together and which after others: those that depend on nothing being replaced go
//! first, and the next begin when they are through. Pure.

use std::collections::BTreeMap;

use drover_compose::{ServiceSpec, StackSpec};

/// Services of the stack that a service needs.
pub(super) fn needs(spec: &ServiceSpec) -> impl Iterator<Item = &str> {
    let links =
        spec.links.iter().filter(|link| link.stack.is_none()).map(|link| link.service.as_str());
    let rules = spec.balancer.iter().flat_map(|balancer| &balancer.rules);
    let targets = rules.filter_map(|rule| rule.service.as_deref());
    links.chain(targets).chain(spec.depends_on.iter().map(String::as_str))
}

/// The chosen services in waves. Relies on the stack's order: those others need stand first.
pub(super) fn waves(stack: &StackSpec, chosen: &[String]) -> Vec<Vec<String>> {
    let mut wave_of: BTreeMap<&str, usize> = BTreeMap::new();
    let mut waves: Vec<Vec<String>> = Vec::new();
    for spec in stack.services.iter().filter(|spec| chosen.contains(&spec.name)) {
        // What is not replaced itself hands on what it waits for: nothing.
        let wave = needs(spec).filter_map(|name| wave_of.get(name)).map(|wave| wave + 1).max();
        let wave = wave.unwrap_or(0);
        wave_of.insert(&spec.name, wave);
        if waves.len() <= wave {
            waves.resize(wave + 1, Vec::new());
        }
        waves[wave].push(spec.name.clone());
    }
    waves
}

/// The chosen services, and those they need that are not there yet, in the stack's order.
pub(super) fn with_missing_needs(
    stack: &StackSpec,
    chosen: &[String],
    is_there: &dyn Fn(&str) -> bool,
) -> Vec<String> {
    let mut all: Vec<&str> = chosen.iter().map(String::as_str).collect();
    let mut next = 0;
    while let Some(name) = all.get(next).copied() {
        next += 1;
        let Some(spec) = stack.service(name) else { continue };
        for need in needs(spec) {
            if !all.contains(&need) && !is_there(need) && stack.service(need).is_some() {
                all.push(need);
            }
        }
    }
    let ordered = stack.services.iter().map(|spec| spec.name.as_str());
    ordered.filter(|name| all.contains(name)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use drover_compose::LinkSpec;

    use super::*;

    fn stack() -> StackSpec {
        let service = |name: &str, needs: &[&str]| ServiceSpec {
            name: name.into(),
            depends_on: needs.iter().map(|n| (*n).to_owned()).collect(),
            ..ServiceSpec::default()
        };
        let mut lb = service("lb", &[]);
        lb.links.push(LinkSpec { service: "web".into(), ..LinkSpec::default() });
        let services =
            vec![service("db", &[]), service("cache", &[]), service("web", &["db", "cache"]), lb];
        StackSpec { services, ..StackSpec::default() }
    }

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn in_waves() {
        let of = |chosen: &str| waves(&stack(), &names(chosen));
        assert_eq!(of("lb web db cache"), [names("db cache"), names("web"), names("lb")]);
        assert_eq!(of("web lb"), [names("web"), names("lb")]);
        assert_eq!(of("lb db"), [names("db lb")]);
        assert!(of("").is_empty());
    }

    #[test]
    fn what_is_needed_and_missing_comes_along() {
        let of = |chosen: &str, there: &str| {
            let there = names(there);
            with_missing_needs(&stack(), &names(chosen), &|name| there.iter().any(|t| t == name))
        };
        assert_eq!(of("lb", ""), names("db cache web lb"));
        assert_eq!(of("lb", "web"), names("lb"));
        assert_eq!(of("web", "db"), names("cache web"));
    }
}
