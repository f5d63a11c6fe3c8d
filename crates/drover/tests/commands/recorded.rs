//! What real, unmodified clients of Rancher were seen to ask, played against a server with simulated hosts: the same
//! requests in the same order, ids and tokens exchanged for those that are given out here. Every answer has the status
//! that went on with, the headers every client needs, and the fields that clients were seen to be given, of the same kinds.
//!
//! The recordings are in `tests/recorded`. What is not as recorded is listed beside them, a file each: a list that is to
//! become empty. `UPDATE_GOLDEN=1` writes it anew.

mod names;
mod player;
mod recording;
mod shape;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::simulated::Simulated;
use player::Player;
use recording::Recording;

/// Play a recording on a cluster of its own, and hold what was not as recorded against the list of that.
async fn play(name: &str, before: &[(&str, serde_json::Value)]) {
    let simulated = Simulated::start().await;
    let mut player = Player::new(&simulated.cluster).await;
    for (path, body) in before {
        player.prepare(path, body).await;
    }
    let recording = Recording::read(&folder().join(format!("{name}.json")));
    let mut wrong = Vec::new();
    for (flow, requests) in &recording.0 {
        for request in requests {
            let found = player.ask(request).await;
            wrong.extend(found.into_iter().map(|what| format!("{flow}: {}: {what}", request.what)));
        }
    }
    hold_against(&folder().join(format!("{name}.wrong.txt")), &wrong);
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded")
}

/// A line of a list that begins with `#` says why the next one is there.
fn hold_against(file: &Path, wrong: &[String]) {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let known: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    if known == wrong {
        return;
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return write(file, &text, wrong);
    }
    let new: Vec<&String> = wrong.iter().filter(|line| !known.contains(&line.as_str())).collect();
    let gone: Vec<&&str> = known.iter().filter(|line| !wrong.iter().any(|w| w == *line)).collect();
    panic!("not as recorded, and not known: {new:#?}\nas recorded by now, to be struck: {gone:#?}");
}

fn write(file: &Path, old: &str, wrong: &[String]) {
    let lines: Vec<&str> = old.lines().collect();
    let pairs = lines.windows(2).filter(|pair| pair[0].starts_with('#'));
    let reasons: BTreeMap<&str, &str> = pairs.map(|pair| (pair[1], pair[0])).collect();
    let line = |line: &String| match reasons.get(line.as_str()) {
        Some(why) => format!("{why}\n{line}\n"),
        None => format!("{line}\n"),
    };
    let text: String = wrong.iter().map(line).collect();
    if text.is_empty() {
        std::fs::remove_file(file).unwrap();
    } else {
        std::fs::write(file, text).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_go_program_rancher_compose() {
    play("rancher-compose", &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_go_program_rancher_compose_with_drivers_and_certificates() {
    play("rancher-compose-extra", &what_is_there_before()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_go_program_rancher() {
    play("rancher-cli", &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_go_program_rancher_with_drivers_and_certificates() {
    play("rancher-cli-extra", &what_is_there_before()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_terraform_provider() {
    play("terraform", &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_packages_cattle_and_gdapi() {
    play("python", &[]).await;
}

/// What the files of two of the recordings refer to: certificates, and a service of another stack.
fn what_is_there_before() -> Vec<(&'static str, serde_json::Value)> {
    let (cert, key) = (include_str!("../recorded/cert.pem"), include_str!("../recorded/key.pem"));
    let certificate = |name: &str| json!({ "name": name, "cert": cert, "key": key });
    let launch = json!({ "imageUuid": "docker:postgres:15" });
    vec![
        ("certificates", certificate("c0")),
        ("certificates", certificate("c1")),
        ("stacks", json!({ "name": "other" })),
        ("services", json!({ "name": "db", "stackId": "@stacks", "launchConfig": launch })),
    ]
}
