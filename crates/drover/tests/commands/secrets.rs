//! Secrets from the command line to a file in a container's `/run/secrets`: the real agent, on hosts that are simulated.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use drover_core::{Phase, World};

use crate::simulated::Simulated;

const VALUE: &str = "hunter2 of the shop";

/// Every file below a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// The files of secrets on all hosts, by the end of their path.
fn secret_files(simulated: &Simulated) -> Vec<PathBuf> {
    let mut all = Vec::new();
    files(&simulated.cluster.home().join("hosts"), &mut all);
    all.retain(|path| path.components().any(|part| part.as_os_str() == "secrets"));
    all
}

/// Hosts whose agent was told the value.
fn told(simulated: &Simulated) -> usize {
    let mut all = Vec::new();
    files(&simulated.cluster.home().join("hosts"), &mut all);
    let value = "aHVudGVyMiBvZiB0aGUgc2hvcA==";
    all.iter()
        .filter(|path| path.ends_with("assignment.json"))
        .filter(|path| std::fs::read_to_string(path).is_ok_and(|text| text.contains(value)))
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_becomes_a_file_where_it_is_read_and_nowhere_else() {
    let simulated = Simulated::start().await;
    let cluster = &simulated.cluster;
    cluster.write("value", VALUE);
    cluster.drover("secret add db value").await.with(0).said(&["db: added"]);
    let listed = cluster.drover("secret ls --json").await.with(0).out;
    assert!(listed.contains("\"db\""), "{listed}");
    assert!(!listed.contains("hunter2") && !listed.contains("aHVudGVy"), "{listed}");
    cluster.write(
        "docker-compose.yml",
        "version: '2'\nsecrets: {db: {external: true}}\nservices:\n  web:\n    image: a:1\n    secrets: [{source: \
         db, target: password, mode: '0400'}]\n  other: {image: a:1}\n",
    );
    cluster.drover("up").await.with(0).said(&["web: running"]);

    let [file] = &secret_files(&simulated)[..] else { panic!("{:?}", secret_files(&simulated)) };
    assert!(
        file.parent().unwrap().file_name().unwrap().to_string_lossy().starts_with("r-shop-web-1-")
    );
    assert!(file.ends_with("password"));
    assert_eq!(std::fs::read_to_string(file).unwrap(), VALUE);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(file), 0o400);
    assert_eq!(
        mode(file.parent().unwrap().parent().unwrap()),
        0o700,
        "nobody but the agent gets there"
    );
    assert_eq!(told(&simulated), 1, "one host needs it");

    // The files say what runs: nothing to do. What is written from the cluster says the same.
    cluster.drover("up").await.with(0).said(&["nothing to do: web, other are as in the files"]);

    // Made again under its name, it is what is read from the next start on.
    cluster.drover("secret rm db").await.with(0);
    assert_eq!(std::fs::read_to_string(file).unwrap(), VALUE, "what runs keeps it");
    cluster.write("value", "another");
    cluster.drover("secret add db value").await.with(0);
    cluster.drover("restart web").await.with(0);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "another");

    // It goes with the container.
    cluster.drover("rm --force").await.with(0);
    let gone = |world: &World| world.units.is_empty();
    cluster.comes_to("no unit is left", gone).await;
    assert_eq!(secret_files(&simulated), Vec::<PathBuf>::new());
    assert_eq!(told(&simulated), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_secret_a_container_is_not_made_and_says_why() {
    let simulated = Simulated::start().await;
    let cluster = &simulated.cluster;
    cluster.write("value", VALUE);
    cluster.write(
        "docker-compose.yml",
        "version: '2'\nsecrets: {db: {external: true}}\nservices:\n  web: {image: a:1, secrets: [db]}\n",
    );
    cluster.drover("up").await.said(&["there is no secret `db`"]);
    cluster.drover("secret add db value").await.with(0);
    cluster.drover("create").await.with(0);
    cluster.drover("secret rm db").await.with(0);
    let started = cluster.drover("start --timeout 2").await;
    started.said(&["there is no secret `db`, or it was removed"]);
    // Once it is there again, so is the container.
    cluster.drover("secret add db value").await.with(0);
    let service = cluster.service("web").id;
    let runs = move |world: &World| {
        let mut units = world.units_of(service).filter_map(|unit| world.observed(unit.key));
        units.any(|seen| seen.phase == Phase::Running)
    };
    cluster.comes_to("it runs", runs).await;
}
