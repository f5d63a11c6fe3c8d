//! Drafts into a stack: sidekicks go into their primaries, names find what they mean, and what others depend
//! on comes first.

use std::collections::{BTreeMap, BTreeSet};

use drover_core::{Condition, NetworkMode, ServiceKind, label};

use crate::diagnostic::Report;
use crate::field::Named;
use crate::order::in_order;
use crate::service::{Draft, Needed};
use crate::stack::{NeedSpec, ServiceSpec};
use crate::suggest::nearest;

/// The services of a stack, those others depend on first.
pub(crate) fn assemble(drafts: Vec<Draft>, to: &mut Report) -> Vec<ServiceSpec> {
    let names = Names::of(&drafts, to);
    let primaries = primaries(&drafts, &names, to);
    let mut drafts = drafts;
    for index in 0..drafts.len() {
        join_members(index, &mut drafts, &names, &primaries, to);
        join_services(index, &mut drafts, &names, &primaries, to);
    }
    check_member_cycles(&drafts, &primaries, to);
    in_order(fold(drafts, &primaries, to), to)
}

/// Services by name; names are one whatever their case.
struct Names {
    by_name: BTreeMap<String, usize>,
    by_container: BTreeMap<String, usize>,
    all: Vec<String>,
}

impl Names {
    fn of(drafts: &[Draft], to: &mut Report) -> Self {
        let mut names =
            Self { by_name: BTreeMap::new(), by_container: BTreeMap::new(), all: Vec::new() };
        for (index, draft) in drafts.iter().enumerate() {
            let name = &draft.service.name;
            let held = names.by_name.entry(name.to_ascii_lowercase()).or_insert(index);
            if *held != index {
                let other = &drafts[*held].service.name;
                let text = format!(
                    "differs from `{other}` in case only; names are one whatever their case"
                );
                to.error(&draft.service.at, &draft.path(), text);
            }
            if let Some(container) = &draft.container_name {
                names.by_container.insert(container.to_ascii_lowercase(), index);
            }
            names.all.push(name.clone());
        }
        names
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(&name.to_ascii_lowercase()).copied()
    }

    fn find_container(&self, name: &str) -> Option<usize> {
        self.find(name).or_else(|| self.by_container.get(&name.to_ascii_lowercase()).copied())
    }

    fn meant(&self, name: &str) -> Option<String> {
        let meant = nearest(name, self.all.iter().map(String::as_str))?;
        Some(format!("did you mean `{meant}`?"))
    }
}

/// The primary of each draft: its own index unless it is a sidekick.
fn primaries(drafts: &[Draft], names: &Names, to: &mut Report) -> Vec<usize> {
    let mut primaries: Vec<usize> = (0..drafts.len()).collect();
    for (index, draft) in drafts.iter().enumerate() {
        for named in &draft.sidekicks {
            let mut refuse = |text: String, hint: Option<String>| {
                let said = to.error(&named.at, &named.path, text);
                if let Some(hint) = hint {
                    said.hint(hint);
                }
            };
            let shown = &named.shown;
            let Some(sidekick) = names.find(&named.name) else {
                let text = format!("there is no service `{shown}` to be the sidekick");
                refuse(text, names.meant(&named.name));
                continue;
            };
            let held = primaries[sidekick];
            if sidekick == index {
                refuse("a service can't be its own sidekick".into(), None);
            } else if held != sidekick {
                let other = &drafts[held].service.name;
                refuse(format!("`{shown}` is a sidekick of `{other}` already"), None);
            } else if !drafts[sidekick].sidekicks.is_empty() {
                refuse(format!("the sidekick `{shown}` has sidekicks of its own"), None);
            } else if drafts[sidekick].service.kind != ServiceKind::Containers {
                refuse(
                    format!("`{shown}` has no containers of its own and can't be a sidekick"),
                    None,
                );
            } else {
                primaries[sidekick] = index;
            }
        }
        if !draft.sidekicks.is_empty() && draft.service.kind != ServiceKind::Containers {
            to.error(
                &draft.service.at,
                &draft.path(),
                "only services with containers have sidekicks",
            );
        }
    }
    primaries
}

/// Whose volumes and whose network: members of the same unit.
fn join_members(
    index: usize,
    drafts: &mut [Draft],
    names: &Names,
    primaries: &[usize],
    to: &mut Report,
) {
    let wanted = std::mem::take(&mut drafts[index].volumes_from);
    let mut members = Vec::new();
    for named in wanted {
        let Some(member) = member(&named, "volumes", index, drafts, names, primaries, to) else {
            continue;
        };
        if members.contains(&member) {
            to.error(&named.at, &named.path, format!("`{}` stands here twice", named.shown));
        } else {
            members.push(member);
        }
    }
    drafts[index].spec.volumes_from = members;
    if let Some(named) = drafts[index].network_of.take()
        && let Some(member) = member(&named, "network", index, drafts, names, primaries, to)
    {
        drafts[index].spec.network = NetworkMode::Container(member);
    }
}

/// The name a member goes by inside the unit; empty for the primary.
fn member(
    named: &Named,
    what: &str,
    index: usize,
    drafts: &[Draft],
    names: &Names,
    primaries: &[usize],
    to: &mut Report,
) -> Option<String> {
    let shown = &named.shown;
    let Some(other) = names.find_container(&named.name) else {
        let said = to.error(&named.at, &named.path, format!("there is no service `{shown}`"));
        if let Some(hint) = names.meant(&named.name) {
            said.hint(hint);
        }
        return None;
    };
    if other == index {
        to.error(&named.at, &named.path, format!("a container can't take its {what} from itself"));
        return None;
    }
    if primaries[other] != primaries[index] {
        let own = &drafts[index].service.name;
        to.error(
            &named.at,
            &named.path,
            format!("`{shown}` may run on another host, so its {what} can't be shared"),
        )
        .hint(format!(
            "make one a sidekick of the other: `io.rancher.sidekicks: {own}` on `{shown}`, or the other way round"
        ));
        return None;
    }
    Some(if primaries[other] == other { String::new() } else { drafts[other].service.name.clone() })
}

/// Links, order and balancer targets: services of the stack, under their exact names.
fn join_services(
    index: usize,
    drafts: &mut [Draft],
    names: &Names,
    primaries: &[usize],
    to: &mut Report,
) {
    let mut links = Vec::new();
    for (mut link, named) in std::mem::take(&mut drafts[index].links) {
        if link.stack.is_none() {
            match names.find(&link.service) {
                Some(other) if primaries[other] != other => {
                    let inside = primaries[other] == primaries[index];
                    link_to_sidekick(inside, &link.alias, &drafts[primaries[other]], &named, to);
                    continue;
                }
                Some(other) => link.service.clone_from(&drafts[other].service.name),
                None => missing(&named, names, to),
            }
        }
        links.push(link);
    }
    drafts[index].service.links = links;
    join_needs(index, drafts, names, primaries, to);
    join_targets(index, drafts, names, to);
}

/// What it depends on: services of the stack, each once, with the stricter of two conditions.
fn join_needs(
    index: usize,
    drafts: &mut [Draft],
    names: &Names,
    primaries: &[usize],
    to: &mut Report,
) {
    let mut before: Vec<NeedSpec> = Vec::new();
    for Needed { name: named, condition, is_optional } in
        std::mem::take(&mut drafts[index].depends_on)
    {
        let Some(other) = names.find(&named.name) else {
            if is_optional {
                continue;
            }
            let said =
                to.error(&named.at, &named.path, format!("there is no service `{}`", named.shown));
            if let Some(hint) = names.meant(&named.name) {
                said.hint(hint);
            }
            continue;
        };
        if primaries[other] == primaries[index] {
            if condition != Condition::ServiceStarted {
                let text = "not waited for: containers of one unit start together";
                to.warn(&named.at, &named.path, text);
            }
            continue;
        }
        if condition == Condition::ServiceCompletedSuccessfully {
            run_once(&mut drafts[other], primaries[other] == other, &named, to);
        }
        let service = drafts[primaries[other]].service.name.clone();
        match before.iter_mut().find(|held| held.service == service) {
            Some(held) => held.condition = held.condition.max(condition),
            None => before.push(NeedSpec { service, condition }),
        }
    }
    drafts[index].service.depends_on = before;
}

/// What is to end is not run again when it has.
fn run_once(job: &mut Draft, is_primary: bool, named: &Named, to: &mut Report) {
    let shown = &named.shown;
    if !is_primary || job.service.kind != ServiceKind::Containers {
        let text = format!("`{shown}` never ends: only a service of its own with containers can");
        to.error(&named.at, &named.path, text);
        return;
    }
    if job.spec.is_start_once() {
        return;
    }
    let text = format!("`{shown}` is run once, as it is waited for to end");
    to.note(&named.at, &named.path, text);
    job.spec.labels.insert(label::START_ONCE.to_owned(), "true".to_owned());
}

fn join_targets(index: usize, drafts: &mut [Draft], names: &Names, to: &mut Report) {
    let mut told = BTreeSet::new();
    for named in std::mem::take(&mut drafts[index].targets) {
        if !named.name.contains('/')
            && names.find(&named.name).is_none()
            && told.insert(named.name.clone())
        {
            missing(&named, names, to);
        }
    }
    let exact: Vec<String> = drafts.iter().map(|d| d.service.name.clone()).collect();
    let rules = drafts[index].service.balancer.iter_mut().flat_map(|b| &mut b.rules);
    for target in rules.filter_map(|rule| rule.service.as_mut()) {
        if let Some(other) = names.find(target) {
            target.clone_from(&exact[other]);
        }
    }
}

/// Not an error: the service may be in the stack from an earlier file.
fn missing(named: &Named, names: &Names, to: &mut Report) {
    let text = format!("`{}` is not in these files; it must be in the stack already", named.shown);
    let said = to.warn(&named.at, &named.path, text);
    if let Some(hint) = names.meant(&named.name) {
        said.hint(hint);
    }
}

fn link_to_sidekick(inside: bool, alias: &str, primary: &Draft, named: &Named, to: &mut Report) {
    let shown = &named.shown;
    if inside && (alias.is_empty() || alias == named.name) {
        let text = format!(
            "ignored: `{shown}` is of the same unit and reached by its name without a link"
        );
        to.note(&named.at, &named.path, text);
    } else if inside {
        let text =
            format!("ignored: `{shown}` is of the same unit and reached by its own name only");
        to.warn(&named.at, &named.path, text);
    } else {
        let text = format!("ignored: `{shown}` is a sidekick and can't be linked to");
        let primary = &primary.service.name;
        to.warn(&named.at, &named.path, text).hint(format!("it is reached as {shown}.{primary}"));
    }
}

/// Members start in the order of whose volumes and network they take; a circle has no order.
fn check_member_cycles(drafts: &[Draft], primaries: &[usize], to: &mut Report) {
    for (index, draft) in drafts.iter().enumerate() {
        let own = if primaries[index] == index { "" } else { draft.service.name.as_str() };
        let group: BTreeMap<&str, &Draft> = (0..drafts.len())
            .filter(|i| primaries[*i] == primaries[index])
            .map(|i| {
                if primaries[i] == i {
                    ("", &drafts[i])
                } else {
                    (drafts[i].service.name.as_str(), &drafts[i])
                }
            })
            .collect();
        let mut open: Vec<&str> = needs(draft);
        let mut seen = BTreeSet::new();
        while let Some(name) = open.pop() {
            if name == own {
                let text = "takes volumes or network from a container that takes them from it";
                to.error(&draft.service.at, &draft.path(), text);
                break;
            }
            if seen.insert(name) {
                open.extend(group.get(name).map(|d| needs(d)).unwrap_or_default());
            }
        }
    }
}

fn needs(draft: &Draft) -> Vec<&str> {
    let mut all: Vec<&str> = draft.spec.volumes_from.iter().map(String::as_str).collect();
    if let NetworkMode::Container(name) = &draft.spec.network {
        all.push(name);
    }
    all
}

/// Containers into the templates of their primaries.
fn fold(drafts: Vec<Draft>, primaries: &[usize], to: &mut Report) -> Vec<ServiceSpec> {
    let mut services: BTreeMap<usize, ServiceSpec> = BTreeMap::new();
    let mut sidekicks = Vec::new();
    for (index, draft) in drafts.into_iter().enumerate() {
        let path = draft.path();
        let mut service = draft.service;
        if primaries[index] == index {
            service.template.primary = draft.spec;
            services.insert(index, service);
        } else {
            told_of_sidekick(&service, &path, to);
            sidekicks.push((primaries[index], service, draft.spec));
        }
    }
    for (primary, sidekick, spec) in sidekicks {
        let Some(service) = services.get_mut(&primary) else { continue };
        // What a member waits for, the unit waits for.
        for need in sidekick.depends_on {
            match service.depends_on.iter_mut().find(|held| held.service == need.service) {
                Some(held) => held.condition = held.condition.max(need.condition),
                None => service.depends_on.push(need),
            }
        }
        service.template.sidekicks.insert(sidekick.name, spec);
    }
    services.into_values().collect()
}

/// What a sidekick says of itself that only a service can have.
fn told_of_sidekick(service: &ServiceSpec, path: &str, to: &mut Report) {
    let mut ignored = |what: &str| {
        to.note(&service.at, path, format!("`{what}` is ignored: it is the primary's to say"));
    };
    if service.scale.is_some() {
        ignored("scale");
    }
    if service.scale_policy.is_some() {
        ignored("scale_policy");
    }
    if !service.metadata.is_empty() {
        ignored("metadata");
    }
    if service.driver.is_some() {
        ignored("storage_driver");
    }
    if service.upgrade != drover_core::UpgradeDefaults::default() {
        ignored("upgrade_strategy");
    }
    if service.balancer.is_some() {
        ignored("lb_config");
    }
    if service.links.iter().any(|link| !link.alias.is_empty()) {
        to.warn(
            &service.at,
            path,
            "`links` of a sidekick are ignored: the aliases in them don't resolve",
        );
    } else if !service.links.is_empty() {
        ignored("links");
    }
}
