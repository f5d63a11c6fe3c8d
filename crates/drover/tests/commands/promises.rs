//! What rancher-compose's own documentation promises, one row each, asked of this binary under that name: a command, how it ends,
//! what it says, and what is so afterwards on a server with simulated hosts. What differs on purpose has its row too, and is said
//! in `docs/rancher-compose.md`.
//!
//! Rows of one story follow each other on one server. Which commands and options there are is listed; one that no row uses is a
//! mistake.

mod facts;
mod rows;

use tokio::io::AsyncWriteExt;

use crate::cluster::{Cluster, Ended};
use crate::simulated::Simulated;
use facts::facts;

/// A promise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    promise: &'static str,
    /// Written before, beside what rows before it wrote. Without a text the file is removed.
    files: &'static [(&'static str, &'static str)],
    /// Beside the server's address and the key; an empty value takes one away.
    env: &'static [(&'static str, &'static str)],
    stdin: &'static str,
    line: &'static str,
    status: i32,
    says: &'static [&'static str],
    /// Found among the facts; with a `!` before it, not found.
    holds: &'static [&'static str],
}

/// A promise about a command line.
pub(super) const fn row(promise: &'static str, line: &'static str, status: i32) -> Row {
    Row { promise, files: &[], env: &[], stdin: "", line, status, says: &[], holds: &[] }
}

impl Row {
    const fn files(self, files: &'static [(&'static str, &'static str)]) -> Self {
        Self { files, ..self }
    }

    const fn env(self, env: &'static [(&'static str, &'static str)]) -> Self {
        Self { env, ..self }
    }

    const fn stdin(self, stdin: &'static str) -> Self {
        Self { stdin, ..self }
    }

    const fn says(self, says: &'static [&'static str]) -> Self {
        Self { says, ..self }
    }

    const fn holds(self, holds: &'static [&'static str]) -> Self {
        Self { holds, ..self }
    }
}

async fn run(cluster: &Cluster, row: &Row) -> Ended {
    for (name, text) in row.files {
        let path = cluster.home().join(name);
        if text.is_empty() {
            std::fs::remove_file(path).unwrap();
        } else {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }
    let (access, secret) = cluster.key();
    let line = row.line.replace("{url}", &cluster.url);
    let line = line.replace("{access}", access).replace("{secret}", secret);
    let mut command = cluster.command(&cluster.rancher_link(), &line);
    for (name, value) in row.env {
        command.env(name, value);
    }
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Who does not read it may have ended.
    let _ = stdin.write_all(row.stdin.as_bytes()).await;
    drop(stdin);
    let done = tokio::time::timeout(crate::cluster::PATIENCE, child.wait_with_output()).await;
    let done = done.unwrap_or_else(|_| panic!("{row:?} should have ended")).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended {
        status: done.status.code().unwrap_or(-1),
        out: text(&done.stdout),
        err: text(&done.stderr),
    }
}

/// Everything that a story's rows are wrong about; all of it, for one run is dear.
async fn tell(story: &[Row]) {
    let simulated = Simulated::start().await;
    let cluster = &simulated.cluster;
    let mut wrong = Vec::new();
    for row in story {
        let ended = run(cluster, row).await;
        let facts = facts(&cluster.store.world());
        let unsaid =
            row.says.iter().filter(|part| !ended.out.contains(*part) && !ended.err.contains(*part));
        let unsaid: Vec<_> = unsaid.collect();
        let untrue = row.holds.iter().filter(|fact| match fact.strip_prefix('!') {
            Some(fact) => facts.contains(fact),
            None => !facts.contains(**fact),
        });
        let untrue: Vec<_> = untrue.collect();
        if ended.status != row.status || !unsaid.is_empty() || !untrue.is_empty() {
            wrong.push(format!(
                "{}\n  rancher-compose {}\n  ended with {}, not {}; unsaid {unsaid:?}; untrue {untrue:?}\n{}{}{facts}",
                row.promise, row.line, ended.status, row.status, ended.out, ended.err
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), story.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn global_options() {
    tell(rows::GLOBAL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_life_of_a_stack() {
    tell(rows::LIFE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upgrades() {
    tell(rows::UPGRADES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files() {
    tell(rows::FILES).await;
}

/// Every command and option of that program.
const WORDS: &str = "--verbose --debug --file -f --project-name -p --url --access-key --secret-key --rancher-file -r --env-file -e \
    --bindings-file -b --help --version create up start logs restart stop down scale rm pull upgrade help -d --pull --upgrade -u \
    --recreate --force-upgrade --force-recreate --confirm-upgrade -c --rollback --batch-size --interval --follow --timeout -t --force \
    -v --cached --scale --update-links --wait -w --cleanup";
/// And every variable.
const VARIABLES: &str =
    "COMPOSE_FILE COMPOSE_PROJECT_NAME RANCHER_URL RANCHER_ACCESS_KEY RANCHER_SECRET_KEY";

#[test]
fn every_command_and_option_has_a_row() {
    let rows = || [rows::GLOBAL, rows::LIFE, rows::UPGRADES, rows::FILES].concat().into_iter();
    let is_word = |held: &str, word: &str| held == word || held.split('=').next() == Some(word);
    let untold = WORDS.split_whitespace().filter(|word| {
        !rows().any(|row| row.line.split_whitespace().any(|held| is_word(held, word)))
    });
    let unset = VARIABLES
        .split_whitespace()
        .filter(|name| !rows().any(|row| row.env.iter().any(|(held, _)| held == name)));
    assert_eq!(untold.chain(unset).collect::<Vec<_>>(), [""; 0]);
}
