//! A plan to bring a stack to what its files say: everything that is known before the first change.
//!
//! First everything is read and decided ([`mod@decide`], pure), so that what can't be done is refused before the first
//! service is touched. Then it is carried out: volumes, new services, links, the services' own members (`apply`),
//! upgrades as one and their confirmation (`upgrades`); and then the outcome is waited for.

mod apply;
mod body;
mod decide;
mod forecast;
mod links;
mod order;
mod say;
mod targets;
mod upgrades;

use drover_compose::{ServiceSpec, StackSpec};

pub use decide::Asked;

use crate::diff::{Difference, compare};
use crate::error::Failure;
use crate::session::{Session, list, members, view_of};
use crate::view::ServiceView;
use decide::{Decision, decide};
use targets::Targets;

/// Everything that is known before the first change.
pub struct Plan {
    asked: Asked,
    spec: StackSpec,
    /// In the order of the stack.
    chosen: Vec<Chosen>,
    /// On the server, but not in the files.
    strays: Vec<ServiceView>,
}

/// A service to be brought to what the files say.
struct Chosen {
    spec: ServiceSpec,
    /// None: it is to be created.
    held: Option<Held>,
}

/// What the server has of it, and what to do about that.
struct Held {
    view: ServiceView,
    difference: Difference,
    decision: Decision,
}

impl Plan {
    /// Look at the server, and decide. What can't be done is refused here, before the first service is touched.
    pub async fn make(
        session: &Session<'_>,
        spec: StackSpec,
        asked: Asked,
    ) -> Result<Self, Failure> {
        let views = session.services().await?;
        let names = chosen_names(&spec, &asked.names).map_err(Failure::Failed)?;
        let is_there = |name: &str| view_of(&views, name).is_some();
        let names = order::with_missing_needs(&spec, &names, &is_there);
        let targets = Targets::find(session, &spec, &views).await?;
        let mut chosen = Vec::new();
        for spec in spec.services.iter().filter(|spec| names.contains(&spec.name)) {
            let held = match view_of(&views, &spec.name) {
                None => None,
                Some(view) => Some(Held::judge(spec, view, &targets, &asked)?),
            };
            chosen.push(Chosen { spec: spec.clone(), held });
        }
        let is_stray = |view: &&ServiceView| spec.service(&view.name).is_none();
        let strays = views.iter().filter(is_stray).cloned().collect();
        Ok(Self { asked, spec, chosen, strays })
    }

    /// One service of these files that is not there yet, with what it needs.
    pub fn of_one(spec: StackSpec, service: &ServiceSpec) -> Self {
        let chosen = vec![Chosen { spec: service.clone(), held: None }];
        Self { asked: Asked::default(), spec, chosen, strays: Vec::new() }
    }

    /// Whether no service is to be made.
    pub fn has_all(&self) -> bool {
        self.missing().next().is_none()
    }

    /// Whether this is one of the services that were there.
    pub fn had(&self, view: &ServiceView) -> bool {
        self.held().any(|(_, held)| held.view.id == view.id)
    }

    /// The services that exist.
    fn held(&self) -> impl Iterator<Item = (&ServiceSpec, &Held)> {
        self.chosen.iter().filter_map(|chosen| Some((&chosen.spec, chosen.held.as_ref()?)))
    }

    /// The services that don't.
    fn missing(&self) -> impl Iterator<Item = &ServiceSpec> {
        self.chosen.iter().filter(|chosen| chosen.held.is_none()).map(|chosen| &chosen.spec)
    }

    /// The services whose images will be used anew.
    pub fn replaced(&self) -> Vec<ServiceSpec> {
        let replaced = self.held().filter(|(_, held)| held.decision.replace.is_some());
        self.missing().chain(replaced.map(|(spec, _)| spec)).cloned().collect()
    }
}

impl Held {
    fn judge(
        spec: &ServiceSpec,
        view: &ServiceView,
        targets: &Targets,
        asked: &Asked,
    ) -> Result<Self, Failure> {
        let difference = compare(spec, view, &|name| targets.get(name)).map_err(|error| {
            Failure::Failed(format!("{} can't be compared with the server: {error}", spec.name))
        })?;
        let decision = decide(spec, view, &difference, asked).map_err(Failure::Refused)?;
        Ok(Self { view: view.clone(), difference, decision })
    }
}

/// The services meant on the command line; a sidekick's name means the service it belongs to.
fn chosen_names(spec: &StackSpec, names: &[String]) -> Result<Vec<String>, String> {
    let members = members(spec);
    if names.is_empty() {
        return Ok(members.into_iter().map(|(primary, _)| primary).collect());
    }
    let owner = |name: &String| {
        let found = members.iter().find(|(primary, kicks)| primary == name || kicks.contains(name));
        found.map(|(primary, _)| primary.clone()).ok_or_else(|| {
            let all: Vec<&str> = members.iter().map(|(primary, _)| primary.as_str()).collect();
            format!("No such service: {name}; the files have {}", list(&all))
        })
    };
    names.iter().map(owner).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_the_command_line() {
        let mut web = ServiceSpec { name: "web".into(), ..ServiceSpec::default() };
        web.template.sidekicks.insert("log".into(), drover_core::ContainerSpec::default());
        let db = ServiceSpec { name: "db".into(), ..ServiceSpec::default() };
        let stack = StackSpec { services: vec![db, web], ..StackSpec::default() };
        let names = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            chosen_names(&stack, &names)
        };
        assert_eq!(names(&[]), Ok(vec!["db".into(), "web".into()]));
        assert_eq!(names(&["log"]), Ok(vec!["web".into()]));
        assert_eq!(names(&["x"]), Err("No such service: x; the files have db and web".into()));
    }
}
