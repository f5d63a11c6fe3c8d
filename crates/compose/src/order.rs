//! The order services are made in.
//!
//! A service comes after those it links to, balances to or names under `depends_on`. A circle has no order: it
//! is told and cut where it closes.

use std::collections::{BTreeMap, BTreeSet};

use drover_core::Condition;

use crate::diagnostic::Report;
use crate::stack::ServiceSpec;

/// Those others depend on first; otherwise as in the files.
pub(crate) fn in_order(services: Vec<ServiceSpec>, to: &mut Report) -> Vec<ServiceSpec> {
    let index: BTreeMap<String, usize> =
        services.iter().enumerate().map(|(i, s)| (s.name.clone(), i)).collect();
    let needs: Vec<Vec<usize>> = services
        .iter()
        .map(|s| dependencies(s).filter_map(|name| index.get(name).copied()).collect())
        .collect();
    let mut order = Vec::new();
    let mut state = vec![Visit::New; services.len()];
    for start in 0..services.len() {
        visit(start, &needs, &mut state, &mut order, &services, to);
    }
    let mut slots: Vec<Option<ServiceSpec>> = services.into_iter().map(Some).collect();
    let mut made = BTreeSet::new();
    let mut ordered: Vec<ServiceSpec> = order.into_iter().filter_map(|i| slots[i].take()).collect();
    for service in &mut ordered {
        // In a circle nobody could be the first to start.
        let (name, at) = (&service.name, &service.at);
        service.depends_on.retain(|need| {
            let is_made = made.contains(&need.service);
            if !is_made && need.condition != Condition::ServiceStarted {
                let text = format!("`{name}` starts without waiting for `{}`", need.service);
                to.warn(at, &crate::field::join("services", name), text);
            }
            is_made
        });
        made.insert(service.name.clone());
    }
    ordered
}

fn dependencies(service: &ServiceSpec) -> impl Iterator<Item = &str> {
    let links = service.links.iter().filter(|l| l.stack.is_none()).map(|l| l.service.as_str());
    let rules = service.balancer.iter().flat_map(|b| &b.rules);
    let targets = rules.filter_map(|r| r.service.as_deref());
    links.chain(targets).chain(service.depends_on.iter().map(|need| need.service.as_str()))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    New,
    Open,
    Done,
}

/// Depth first, without recursion: a chain may be as long as a file.
fn visit(
    start: usize,
    needs: &[Vec<usize>],
    state: &mut [Visit],
    order: &mut Vec<usize>,
    services: &[ServiceSpec],
    to: &mut Report,
) {
    if state[start] != Visit::New {
        return;
    }
    let mut path = vec![(start, 0)];
    state[start] = Visit::Open;
    while let Some((at, next)) = path.last_mut() {
        let at = *at;
        let Some(&need) = needs[at].get(*next) else {
            state[at] = Visit::Done;
            order.push(at);
            path.pop();
            continue;
        };
        *next += 1;
        match state[need] {
            Visit::Done => {}
            Visit::New => {
                state[need] = Visit::Open;
                path.push((need, 0));
            }
            Visit::Open => tell_circle(need, &path, services, to),
        }
    }
}

fn tell_circle(need: usize, path: &[(usize, usize)], services: &[ServiceSpec], to: &mut Report) {
    let from = path.iter().position(|(i, _)| *i == need).unwrap_or_default();
    let mut names: Vec<&str> =
        path[from..].iter().map(|(i, _)| services[*i].name.as_str()).collect();
    names.push(&services[need].name);
    let service = &services[need];
    let text = if names.len() > 12 {
        "depends on itself in a circle, which has no order".to_owned()
    } else {
        format!("depends on itself in a circle, which has no order: {}", names.join(" → "))
    };
    to.warn(&service.at, &crate::field::join("services", &service.name), text);
}
