//! `host evacuate`: have hosts emptied, and stay until they are. The server does it; whoever goes away misses the news.

use std::time::Duration;

use drover_rollout::{Event, nothing, text};
use serde_json::Value;
use tokio::time::Instant;

use crate::args::Evacuate;
use crate::client::Client;
use crate::failure::Failure;
use crate::operator::{all_hosts, choose, connect, name};
use crate::progress::Reporter;
use crate::session::deadline;

/// Between two questions.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// What stands in the way may be gone a moment later: another host comes back, a port is freed.
const HELD_FOR: Duration = Duration::from_secs(10);

/// `host evacuate HOST…`.
pub(crate) async fn evacuate(command: &Evacuate, reporter: &Reporter) -> Result<(), Failure> {
    let operator = &command.hosts.operator;
    let deadline = deadline(operator.output);
    let client = connect(operator).await?;
    let all = all_hosts(&client).await?;
    let chosen = choose(&all, &command.hosts.hosts).map_err(Failure::Failed)?;
    for host in &chosen {
        // One that is on its way is waited for.
        if text(host, "state") != "evacuating" {
            let doing = format!("evacuate host {}", name(host));
            client.act(&doing, &path(host), "evacuate", &nothing()).await?;
        }
        let asked = format!("{}: takes no new units; those on it leave", name(host));
        reporter.tell(&Event::general("evacuate", asked));
    }
    if command.detach {
        return Ok(());
    }
    for host in chosen {
        wait(&client, host, deadline, reporter).await?;
    }
    Ok(())
}

/// How far a host is.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Empty,
    Going(String),
    /// What is left waits for someone to act.
    Held(String),
    /// Somebody called it off.
    Elsewhere(String),
}

fn judge(host: &Value) -> Verdict {
    let message = text(host, "transitioningMessage");
    match text(host, "state").as_str() {
        "inactive" => Verdict::Empty,
        "evacuating" if text(host, "transitioning") == "error" => Verdict::Held(message),
        "evacuating" => Verdict::Going(message),
        state => Verdict::Elsewhere(state.to_owned()),
    }
}

/// Until nothing is left on it.
async fn wait(
    client: &Client,
    host: &Value,
    deadline: Instant,
    reporter: &Reporter,
) -> Result<(), Failure> {
    let (name, path) = (name(host), path(host));
    let (mut told, mut held_since) = (String::new(), None);
    loop {
        let seen = look(client, &name, &path, deadline).await?;
        let (held, message) = match judge(&seen) {
            Verdict::Empty => {
                reporter.tell(&Event::general("evacuate", format!("{name}: empty")));
                return Ok(());
            }
            Verdict::Elsewhere(state) => {
                let why = format!("host {name} is {state} now: it is no longer to be emptied");
                return Err(Failure::Failed(why));
            }
            Verdict::Going(message) => (false, message),
            Verdict::Held(message) => (true, message),
        };
        if message != told {
            reporter.tell(&Event::general("evacuate", format!("{name}: {message}")));
            told.clone_from(&message);
        }
        held_since = held.then(|| held_since.unwrap_or_else(Instant::now));
        if held_since.is_some_and(|since| since.elapsed() >= HELD_FOR) {
            return Err(Failure::Failed(format!(
                "host {name} is not empty: {message}. What stays leaves when it can; drover host activate {name} \
                 calls it off"
            )));
        }
        if Instant::now() >= deadline {
            return Err(Failure::TimedOut(format!(
                "host {name} is not empty yet: {message}. The server goes on; the same command again goes on watching"
            )));
        }
        tokio::time::sleep_until((Instant::now() + ASK_EVERY).min(deadline)).await;
    }
}

/// The host as it is now; a server that can't be reached for a while is asked again.
async fn look(
    client: &Client,
    name: &str,
    path: &str,
    deadline: Instant,
) -> Result<Value, Failure> {
    let doing = format!("see how host {name} does");
    loop {
        match client.find(&doing, path).await {
            Ok(seen) => return Ok(seen.unwrap_or_default()),
            Err(error) if error.is_passing() && Instant::now() < deadline => {
                tokio::time::sleep(ASK_EVERY).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn path(host: &Value) -> String {
    format!("hosts/{}", text(host, "id"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn how_far_a_host_is() {
        let check = |state: &str, transitioning: &str, want| {
            let host = json!({
                "state": state, "transitioning": transitioning, "transitioningMessage": "m",
            });
            assert_eq!(judge(&host), want);
        };
        check("evacuating", "yes", Verdict::Going("m".into()));
        check("evacuating", "error", Verdict::Held("m".into()));
        check("inactive", "no", Verdict::Empty);
        check("active", "no", Verdict::Elsewhere("active".into()));
        check("removed", "no", Verdict::Elsewhere("removed".into()));
    }
}
