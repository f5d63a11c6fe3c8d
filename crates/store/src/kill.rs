//! `kill -9` at any moment loses no acknowledged write.
//!
//! The test runs itself again as a child that works on the database from several tasks and prints what was
//! acknowledged; kills it after a random number of lines; and looks whether all of that is there. Two
//! hundred times on the same database.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use drover_core::{
    Change, Desired, Phase, Revision, RowKey, Service, ServiceId, Slot, UnitKey, World,
    check::check,
};

use crate::fixture::{Disk, HOST, NOW, WEB, cluster, event, key, seen, unit};
use crate::{CommitError, EventFilter, Store};

const KILLS: u64 = 200;
const TASKS: u64 = 6;

/// Where the child finds the database; set for the child alone.
const CHILD: &str = "DROVER_STORE_KILL_TEST";

#[tokio::test]
async fn a_kill_loses_no_acknowledged_write() {
    let disk = Disk::new();
    let mut acknowledged = Acknowledged::default();
    let mut random = 0x5eed;
    for kill in 0..KILLS {
        let lines = next(&mut random) % 60;
        // Anywhere in the writing of a group, not always just after one.
        let moment = Duration::from_micros(next(&mut random) % 3000);
        run_and_kill(&disk.path, lines, moment, &mut acknowledged);
        let store = disk.open();
        let found = acknowledged.missing_in(&store).await;
        assert_eq!(found, "", "after kill {kill}, at {lines} lines");
        acknowledged.made_at_least(&store.world());
        store.close().await.unwrap();
    }
    // Or the test would have shown nothing.
    assert!(acknowledged.revision > KILLS * 10, "only {} commits", acknowledged.revision);
}

/// The child. Does nothing when run as a test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_until_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    say("opening");
    let store = Store::open(path).unwrap();
    if store.world().services.is_empty() {
        store.commit(Some(0), "child", NOW, services()).await.unwrap();
    }
    let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(work(store.clone(), task))).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// One task's endless work: make a unit, see it, tell of it, remove the one before.
async fn work(store: Store, task: u64) {
    let counter = |side| RowKey::Setting(format!("{task}-{side}"));
    let mut n = count_of(&store.world(), &counter("left")).unwrap_or(0);
    let put = |side: &str, n: u32| Change::SetSetting {
        name: format!("{task}-{side}"),
        value: Some(n.to_string()),
    };
    loop {
        n += 1;
        let new = unit_key(task, n);
        let made = commit(&store, |world| {
            let unit = drover_core::Unit { key: new, ..unit(n, world.next_id) };
            vec![put("left", n), Change::CreateUnit(unit), put("right", n)]
        })
        .await;
        say(&format!("made {task} {n} {}", made.revision));

        let generation = made.unit(new).unwrap().generation;
        let units = BTreeMap::from([(new, seen(generation, u64::from(n), Phase::Running))]);
        store.report(HOST, units, NOW).await.unwrap();
        say(&format!("seen {task} {n} 0"));

        store.add_events(HOST, &[about(task, n)]).await.unwrap();
        say(&format!("told {task} {n} 0"));

        // All before it: a run that was killed may have left one behind.
        let dropped = commit(&store, |world| {
            let old = world.units_of(service(task)).map(|u| u.key).filter(|key| *key != new);
            let remove = |unit| {
                let removed = Desired::Removed;
                [
                    Change::SetDesired { unit, desired: removed, run: None, until: None },
                    Change::DropUnit(unit),
                ]
            };
            old.flat_map(remove).collect()
        })
        .await;
        say(&format!("dropped {task} {} {}", n - 1, dropped.revision));
    }
}

/// Compare and set until it succeeds, as every author does.
async fn commit(store: &Store, changes: impl Fn(&World) -> Vec<Change>) -> std::sync::Arc<World> {
    loop {
        let world = store.world();
        match store.commit(Some(world.revision), "child", NOW, changes(&world)).await {
            Ok(world) => return world,
            Err(CommitError::Conflict) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn say(line: &str) {
    // One write, so that a kill leaves whole lines; what is cut off was not said.
    std::io::stdout().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// Run the child until it has said that many lines and a moment longer, kill it, and take down all it said.
fn run_and_kill(database: &Path, lines: u64, moment: Duration, acknowledged: &mut Acknowledged) {
    let mut child: Child = Command::new(std::env::current_exe().unwrap())
        .args(["kill::work_until_killed", "--exact", "--nocapture"])
        .env(CHILD, database)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    said.by_ref().find(|line| line == "opening").expect("the child starts");
    for line in said.by_ref().take(usize::try_from(lines).unwrap()) {
        acknowledged.take(&line);
    }
    std::thread::sleep(moment);
    child.kill().unwrap();
    said.for_each(|line| acknowledged.take(&line));
    let end = child.wait().unwrap();
    assert_eq!(end.signal(), Some(9), "the child ended by itself: {end}");
}

/// The last thing of each kind that each task was told is done.
#[derive(Default)]
struct Acknowledged {
    last: BTreeMap<(String, u64), u32>,
    revision: u64,
}

impl Acknowledged {
    fn take(&mut self, line: &str) {
        let mut words = line.split(' ');
        let kind = words.next().unwrap().to_owned();
        let mut number = || words.next().unwrap().parse::<u64>().unwrap();
        let (task, n, revision) = (number(), number(), number());
        self.last.insert((kind, task), u32::try_from(n).unwrap());
        self.revision = self.revision.max(revision);
    }

    /// The one write of each task that a kill left without its answer counts from now on: the next run goes on
    /// from it, and may be killed before it says its own.
    fn made_at_least(&mut self, world: &World) {
        for task in 0..TASKS {
            let found = count_of(world, &RowKey::Setting(format!("{task}-left")));
            let made = self.last.entry(("made".to_owned(), task)).or_default();
            *made = (*made).max(found.unwrap_or(0));
        }
    }

    /// What is not there, in words; empty if all is.
    async fn missing_in(&self, store: &Store) -> String {
        let world = store.world();
        if world.revision < self.revision {
            return format!("revision {} of {}", world.revision, self.revision);
        }
        // Each commit has its entries; so the newest entry tells the last whole commit.
        let logged = store.log(None, 1).await.unwrap().first().map_or(0, |entry| entry.revision);
        if logged != world.revision {
            return format!("half a commit: revision {}, log of {logged}", world.revision);
        }
        for task in 0..TASKS {
            if let Some(what) = self.missing_of(task, store).await {
                return format!("task {task}: {what}");
            }
        }
        let violations: Vec<_> = check(&world).iter().map(ToString::to_string).collect();
        violations.join("; ")
    }

    async fn missing_of(&self, task: u64, store: &Store) -> Option<String> {
        let world = store.world();
        let count = |side: &str| count_of(&world, &RowKey::Setting(format!("{task}-{side}")));
        let last = |kind: &str| self.last.get(&(kind.to_owned(), task)).copied().unwrap_or(0);
        let (left, right) = (count("left").unwrap_or(0), count("right").unwrap_or(0));
        let wrong = |what: String| Some(what);
        if left != right {
            return wrong(format!("half a commit: {left} and {right}"));
        }
        // What was asked may be done, whether or not the answer was heard: at most one ahead.
        if left < last("made") || left > last("made") + 1 {
            return wrong(format!("made {}, found {left}", last("made")));
        }
        let newest = world.units_of(service(task)).next_back().map_or(0, |u| number(u.key));
        if newest != left {
            return wrong(format!("half a commit: {left}, newest unit {newest}"));
        }
        let seen = unit_key(task, last("seen"));
        if world.unit(seen).is_some() && world.observed(seen).is_none() {
            return wrong(format!("observation of {seen}"));
        }
        let dropped = last("dropped");
        if let Some(unit) = world.units_of(service(task)).find(|u| number(u.key) <= dropped) {
            return wrong(format!("{} is back", unit.key));
        }
        let filter = EventFilter { service: Some(service(task)), ..EventFilter::default() };
        let newest = store.events(&filter, 1).await.unwrap();
        let newest = newest.first().map_or(0, |e| number(e.event.unit));
        (newest < last("told")).then(|| format!("event {}, found {newest}", last("told")))
    }
}

/// A service of each task's own, beside the cluster's.
fn services() -> Vec<Change> {
    let mut changes = cluster();
    let [.., Change::PutService(one), Change::AddRevision(first)] = &changes[..] else {
        unreachable!("the cluster ends with its service and revision")
    };
    let (one, first) = (one.clone(), first.clone());
    for task in 0..TASKS {
        let (id, name) = (service(task), format!("s{task}"));
        changes.push(Change::PutService(Box::new(Service { id, name, ..(*one).clone() })));
        changes.push(Change::AddRevision(Box::new(Revision { service: id, ..(*first).clone() })));
    }
    changes
}

fn service(task: u64) -> ServiceId {
    ServiceId(WEB.0 + 1 + task)
}

fn unit_key(task: u64, n: u32) -> UnitKey {
    UnitKey { service: service(task), ..key(n) }
}

fn number(key: UnitKey) -> u32 {
    match key.slot {
        Slot::Number(n) => n,
        Slot::Host(_) => 0,
    }
}

fn about(task: u64, n: u32) -> drover_core::protocol::HostEvent {
    let number = task << 32 | u64::from(n);
    drover_core::protocol::HostEvent { unit: unit_key(task, n), ..event(number, 0) }
}

fn count_of(world: &World, key: &RowKey) -> Option<u32> {
    let RowKey::Setting(name) = key else { return None };
    world.settings.get(name).map(|text| text.parse().unwrap())
}

/// A small generator (xorshift64*): the kills fall at the same lines in every run.
fn next(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33
}
