//! Which services are replaced after others: those that depend on nothing being replaced go first, and the next begin when
//! they are through. Pure.

use drover_compose::{ServiceSpec, StackSpec};

/// Services of the stack that a service needs.
pub(super) fn needs(spec: &ServiceSpec) -> impl Iterator<Item = &str> {
    let links =
        spec.links.iter().filter(|link| link.stack.is_none()).map(|link| link.service.as_str());
    let rules = spec.balancer.iter().flat_map(|balancer| &balancer.rules);
    let targets = rules.filter_map(|rule| rule.service.as_deref());
    links.chain(targets).chain(spec.depends_on.iter().map(|need| need.service.as_str()))
}

/// Of the chosen services, those that one of them needs: it begins when they are through. Only what stands before it in the
/// stack's order counts, so that two that need each other don't wait for each other.
pub(super) fn after(stack: &StackSpec, chosen: &[String], service: &str) -> Vec<String> {
    let before = stack.services.iter().take_while(|spec| spec.name != service);
    let before: Vec<&str> = before.map(|spec| spec.name.as_str()).collect();
    let needed = stack.service(service).into_iter().flat_map(needs);
    let is_before = |name: &&str| before.contains(name) && chosen.iter().any(|one| one == name);
    let mut needed: Vec<String> = needed.filter(is_before).map(str::to_owned).collect();
    needed.sort();
    needed.dedup();
    needed
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
    use drover_compose::{LinkSpec, NeedSpec};
    use drover_core::Condition;

    use super::*;

    fn need(name: &str) -> NeedSpec {
        NeedSpec { service: name.to_owned(), condition: Condition::ServiceStarted }
    }

    fn stack() -> StackSpec {
        let service = |name: &str, needs: &[&str]| ServiceSpec {
            name: name.into(),
            depends_on: needs.iter().map(|name| need(name)).collect(),
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
    fn who_comes_after_whom() {
        let of = |service: &str, chosen: &str| after(&stack(), &names(chosen), service);
        assert_eq!(of("web", "lb web db cache"), names("cache db"));
        assert_eq!(of("lb", "lb web db cache"), names("web"));
        assert_eq!(of("db", "lb web db cache"), names(""));
        // What is not replaced itself is not waited for, nor what that needs.
        assert_eq!(of("lb", "lb db"), names(""));
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
