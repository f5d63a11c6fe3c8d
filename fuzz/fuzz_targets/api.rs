//! The API's JSON against any bytes at all: every request is answered with a 2xx or a 4xx, what it would change
//! can be committed, and the cluster stays sound.
//!
//! On files, or on standard input where none is named:
//! `cargo run --manifest-path fuzz/Cargo.toml --bin api -- fuzz/seeds/api/*`. With libFuzzer: see `compose.rs`.
//!
//! An input is a row of requests, parted by lines of `=====`: the first line is `METHOD path?query`, the rest the
//! body.

#![cfg_attr(fuzzing, no_main)]

use std::collections::BTreeMap;

use drover_api::{Address, ApiError, Caller, Context, Fresh, Outcome, Query, answer};
use drover_core::check::{check, check_step};
use drover_core::plan::plan;
use drover_core::{Change, Grant, Project, ProjectId, Scope, Time, World};
use serde_json::Value;

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| feed(data));

/// Feed each file named, or standard input.
#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    use std::io::Read;

    let files: Vec<_> = std::env::args_os().skip(1).collect();
    if files.is_empty() {
        let mut data = Vec::new();
        std::io::stdin().read_to_end(&mut data)?;
        feed(&data);
    }
    for file in files {
        feed(&std::fs::read(&file)?);
        println!("{}: answered", file.display());
    }
    Ok(())
}

const NOW: Time = Time(1_700_000_000_000);

/// One input.
fn feed(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut world = found();
    for request in text.split("\n=====\n").take(32) {
        let (line, body) = request.split_once('\n').unwrap_or((request, ""));
        let Ok(body) = serde_json::from_str(if body.trim().is_empty() { "null" } else { body })
        else {
            continue; // the server refuses it before the API sees it
        };
        match ask(&mut world, line, &body) {
            Ok(()) => {}
            Err(refused) => assert!((400..500).contains(&refused.status()), "{line}: {refused:?}"),
        }
        let planned = plan(&world, &Scope::everything(), NOW).changes;
        commit(&mut world, &planned);
    }
}

fn ask(world: &mut World, line: &str, body: &Value) -> Result<(), ApiError> {
    let (method, url) = line.split_once(' ').unwrap_or(("GET", line));
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let Some(address) = Address::parse(path) else { return Ok(()) };
    let query = Query::parse(query);
    let before = world.clone();
    let path: Vec<&str> = address.path.iter().map(String::as_str).collect();
    let notes = BTreeMap::new();
    let context = |world| Context {
        world,
        notes: &notes,
        events: &[],
        pulls: &[],
        base: "http://server".into(),
        version: address.version,
        scope: address.scope,
        caller: Caller { access: "key".into(), grant: Grant::Admin },
        fresh: Fresh { uuid: "u".into(), public: "p".into(), secret: "s".into() },
        now: NOW,
    };
    let ctx = context(&before);
    let Outcome { changes, then } = match (method, query.get("action")) {
        ("POST", Some(action)) => drover_api::action(&ctx, &path, action, body)?,
        ("POST", None) => drover_api::create(&ctx, &path, body)?,
        ("PUT", _) => drover_api::update(&ctx, &path, body)?,
        ("DELETE", _) => drover_api::delete(&ctx, &path)?,
        _ => return drover_api::get(&ctx, &path, &query).map(|_| ()),
    };
    commit(world, &changes);
    answer(&context(world), &then).transpose().map(|_| ())
}

/// What was decided can be committed, and breaks no rule.
fn commit(world: &mut World, changes: &[Change]) {
    let (next, _) = world.commit(changes).expect("what was decided can be committed");
    let wrong = [check(&next), check_step(world, &next, NOW)].concat();
    assert!(wrong.is_empty(), "{wrong:?} after {changes:?}");
    *world = next;
}

/// One project.
fn found() -> World {
    let project = Project {
        id: ProjectId(1),
        name: "Default".into(),
        description: String::new(),
        created_at: NOW,
        removed_at: None,
    };
    let founded = World::new().commit(&[Change::PutProject(project)]);
    founded.expect("an empty world takes a project").0
}
