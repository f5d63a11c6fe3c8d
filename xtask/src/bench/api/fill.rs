//! Fills the cluster: stacks of five services, made of their files as a user's are, a few at a time in each project.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::stand::{Stand, text};
use crate::api::Api;
use crate::bench::BenchError;
use crate::wait::wait_looking;

/// Services of a stack, and the containers of each.
const SERVICES: [(&str, &str, u32); 5] = [
    ("web", "api", 20),
    ("api", "cache", 15),
    ("worker", "db", 10),
    ("cache", "", 3),
    ("db", "", 2),
];
/// Containers of a stack.
const EACH: u32 = 50;
/// Stacks that are made at a time.
const AT_A_TIME: usize = 64;
/// How long one stack may take to be there.
const PATIENCE: Duration = Duration::from_mins(3);
/// Between two looks at a stack.
const LOOK: Duration = Duration::from_millis(100);

/// Make stacks of at least so many containers, and wait until all run; how many they are, and the seconds it took.
pub(super) fn fill(
    stand: &mut Stand,
    containers: u32,
    patience_s: u64,
) -> Result<(u64, f64), BenchError> {
    let began = Instant::now();
    let deadline = began + Duration::from_secs(patience_s);
    let stacks = u64::from(containers.div_ceil(EACH));
    let (next, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let failed: Mutex<Option<BenchError>> = Mutex::new(None);
    let projects = u64::try_from(stand.projects.len()).unwrap_or(1);
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let is_over = failed.lock().is_ok_and(|failed| failed.is_some());
                    if number >= stacks || is_over {
                        return;
                    }
                    let project = usize::try_from(number % projects).unwrap_or_default();
                    let made = if Instant::now() > deadline {
                        let what = format!("{number} of {stacks} stacks after {patience_s} s");
                        Err(BenchError::Stuck { who: "the cluster", what })
                    } else {
                        make(&stand.solo.api(), &stand.projects[project], number)
                    };
                    if let Err(error) = made
                        && let Ok(mut failed) = failed.lock()
                    {
                        failed.get_or_insert(error);
                    }
                    let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                    eprint!(
                        "\rstacks: {done} of {stacks}, {:.0} s  ",
                        began.elapsed().as_secs_f64()
                    );
                }
            });
        }
    });
    eprintln!();
    if let Some(error) = failed.into_inner().ok().flatten() {
        return Err(error);
    }
    let count = stacks * u64::from(EACH);
    let running = || stand.count("/v2-beta/containers?state=running");
    Stand::wait_for("containers", count, patience_s, running)?;
    Ok((count, began.elapsed().as_secs_f64()))
}

/// Make a stack and wait until the server has it where it shall be.
fn make(api: &Api, project: &str, number: u64) -> Result<(), BenchError> {
    let (docker, rancher) = files();
    let body = json!({
        "name": format!("stack-{number}"), "startOnCreate": true,
        "dockerCompose": docker, "rancherCompose": rancher,
    });
    let made = api.post(&format!("/v2-beta/projects/{project}/stacks"), &body)?;
    let path = format!("/v2-beta/projects/{project}/stacks/{}", text(&made["id"]));
    let mut last = Ok(made);
    let there = wait_looking(PATIENCE, LOOK, || {
        last = api.get(&path);
        last.as_ref().map_or(true, |stack| stack["transitioning"] != "yes")
    });
    let last = last?;
    if there && last["state"] == "active" {
        return Ok(());
    }
    let (name, state) = (text(&last["name"]), text(&last["state"]));
    let what = format!("{name} is {state}: {}", last["transitioningMessage"]);
    Err(BenchError::Stuck { who: "a stack", what })
}

/// The two files of a stack.
fn files() -> (String, String) {
    let mut docker = "version: '2'\nservices:\n".to_owned();
    let mut rancher = docker.clone();
    for (name, link, scale) in SERVICES {
        let links = if link.is_empty() { String::new() } else { format!("    links: [{link}]\n") };
        docker.extend([
            format!("  {name}:\n    image: shop/{name}:1\n    environment:\n      MODE: prod\n"),
            format!("    labels:\n      com.example.tier: {name}\n{links}"),
        ]);
        rancher.extend([format!("  {name}:\n    scale: {scale}\n")]);
    }
    (docker, rancher)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_has_as_many_containers_as_is_said() {
        assert_eq!(SERVICES.iter().map(|(_, _, scale)| scale).sum::<u32>(), EACH);
        let (docker, rancher) = files();
        assert!(docker.contains("  worker:\n    image: shop/worker:1\n"));
        assert!(rancher.contains("  worker:\n    scale: 10\n"));
    }
}
