//! What there is of units and containers, and what of it became another: a unit that was made or is gone, a container that was
//! made, is gone or was started anew. The server tells of units, engines of containers, and both are looked at meanwhile, too.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::api::Api;
use crate::bench::BenchError;
use crate::bench::lookout::Lookout;
use crate::cluster::{Cluster, Lives, OWNER_LABEL};
use crate::docker::{Container, Engine};

/// Between two looks meanwhile: nothing that is made is gone again that soon.
const LOOK: Duration = Duration::from_millis(250);

/// Units by the server's ids, in words.
type Units = BTreeMap<String, String>;

/// What there is at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scene {
    units: Units,
    lives: Lives,
}

/// What was there at any moment since one began to look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Passing {
    units: Units,
    /// By Docker's ids, in words.
    containers: BTreeMap<String, String>,
}

/// What became another, each in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Moves {
    pub(super) units: Vec<String>,
    pub(super) containers: Vec<String>,
}

impl Scene {
    pub(super) fn of(cluster: &Cluster) -> Result<Self, BenchError> {
        Ok(Self { units: units(&cluster.api())?, lives: cluster.lives(is_drovers)? })
    }
}

/// Begin to look what comes and goes. What does not answer shows nothing this time: a scene is looked at afterwards anyway.
pub(super) fn watch(cluster: &Cluster) -> Lookout<Passing> {
    let api = cluster.api();
    let engines = cluster.host_numbers().into_iter().map(|host| (host, cluster.engine(host)));
    let engines: Vec<(u8, Engine)> = engines.collect();
    let look = move || {
        let units = units(&api).ok()?;
        let mut containers = BTreeMap::new();
        for (host, engine) in &engines {
            let found = engine.containers().ok()?.into_iter().filter(is_drovers);
            containers.extend(found.map(|c| (c.id, words(&c.name, *host))));
        }
        Some(Passing { units, containers })
    };
    Lookout::start(LOOK, look, |seen: &mut Passing, found| {
        seen.units.extend(found.units);
        seen.containers.extend(found.containers);
    })
}

impl Passing {
    /// Whether something was there that was not in a scene.
    pub(super) fn has_news(&self, scene: &Scene) -> bool {
        let is_new = |id: &String| !scene.units.contains_key(id);
        let was_made = |id: &String| !scene.lives.contains_key(id);
        self.units.keys().any(is_new) || self.containers.keys().any(was_made)
    }
}

impl Moves {
    /// What became another from one scene to the next; what passed between them was made.
    pub(super) fn between(before: &Scene, passing: Passing, after: &Scene) -> Self {
        let (mut units, mut containers) = (Vec::new(), Vec::new());
        let mut there = passing.units;
        there.extend(after.units.clone());
        let made = there.iter().filter(|(id, _)| !before.units.contains_key(*id));
        units.extend(made.map(|(id, unit)| format!("unit {id}, {unit}, was made")));
        let gone = before.units.iter().filter(|(id, _)| !after.units.contains_key(*id));
        units.extend(gone.map(|(id, unit)| format!("unit {id}, {unit}, is gone")));

        let mut there = passing.containers;
        there.extend(after.lives.iter().map(|(id, l)| (id.clone(), words(&l.name, l.host))));
        let made = there.iter().filter(|(id, _)| !before.lives.contains_key(*id));
        containers.extend(made.map(|(id, which)| format!("{which} was made, as {id:.12}")));
        for (id, life) in &before.lives {
            let which = words(&life.name, life.host);
            match after.lives.get(id) {
                None => containers.push(format!("{which} is gone, which was {id:.12}")),
                Some(now) if now.began != life.began => {
                    containers.push(format!("{which} was started anew"));
                }
                Some(_) => {}
            }
        }
        Self { units, containers }
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        self.units.iter().chain(&self.containers).map(String::as_str)
    }

    /// How many.
    pub(super) fn count(&self) -> usize {
        self.units.len() + self.containers.len()
    }
}

/// Units' containers by the server's ids, which are never given twice: a replacement has another.
fn units(api: &Api) -> Result<Units, BenchError> {
    let rows = api.list("/v2-beta/containers?limit=-1")?;
    let unit = |row: &serde_json::Value| {
        let text = |key: &str| row[key].as_str().unwrap_or("?").to_owned();
        (text("id"), format!("{} on {}", text("name"), text("hostId")))
    };
    Ok(rows.iter().map(unit).collect())
}

fn is_drovers(container: &Container) -> bool {
    container.labels.contains_key(OWNER_LABEL)
}

fn words(name: &str, host: u8) -> String {
    format!("{name} on host{host}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::Life;

    /// `unit` is `id:name`, `container` is `id:began`.
    fn scene(units: &str, containers: &str) -> Scene {
        let life = |began: &str| Life { host: 1, name: "c".to_owned(), began: json!(began) };
        let lives = pairs(containers).into_iter().map(|(id, began)| (id, life(&began)));
        Scene { units: pairs(units), lives: lives.collect() }
    }

    fn pairs(text: &str) -> BTreeMap<String, String> {
        let pairs = text.split_whitespace().filter_map(|word| word.split_once(':'));
        pairs.map(|(id, value)| (id.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn a_move_is_what_is_made_gone_or_started_anew_also_for_a_moment() {
        let before = scene("u1:web", "c1:noon");
        let check = |passing: (&str, &str), after: Scene, want: &[&str]| {
            let passing = Passing { units: pairs(passing.0), containers: pairs(passing.1) };
            let moves = Moves::between(&before, passing, &after);
            assert_eq!(moves.all().collect::<Vec<_>>(), want);
            assert_eq!(moves.count(), want.len());
        };
        check(("u1:web", "c1:x"), before.clone(), &[]);
        check(("", ""), scene("u1:web", "c1:one"), &["c on host1 was started anew"]);
        check(
            ("", ""),
            scene("u2:web", "c2:noon"),
            &[
                "unit u2, web, was made",
                "unit u1, web, is gone",
                "c on host1 was made, as c2",
                "c on host1 is gone, which was c1",
            ],
        );
        check(
            ("u3:web", "c3:it"),
            before.clone(),
            &["unit u3, web, was made", "it was made, as c3"],
        );
    }

    #[test]
    fn news_is_what_a_scene_did_not_have() {
        let before = scene("u1:web", "c1:noon");
        let passing =
            |units, containers| Passing { units: pairs(units), containers: pairs(containers) };
        assert!(!passing("u1:web", "c1:c").has_news(&before));
        assert!(passing("u2:web", "").has_news(&before));
        assert!(passing("", "c2:c").has_news(&before));
    }
}
