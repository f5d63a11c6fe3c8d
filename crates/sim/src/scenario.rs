//! Scripts in the product's own words, with the output they shall have: `scenarios/*.txt` and the folders below.
//!
//! A line beginning with `>` is a command; the lines that follow, up to the next command, comment or empty line,
//! are what it prints. `#` begins a comment. Run with `UPDATE_SCENARIOS=1`, the files are written anew.
//!
//! `host add NAME [label=value…]` · `service NAME image=… [scale=N] [policy=MIN-MAX/STEP] [port=…] [label=K=V] [volume=data:/path] [global]
//! [once] [check]` · `upgrade NAME image=… [batch=N] [interval=MS] [port=…] [start_first] [on_failure=pause|rollback]
//! [max_failures=N] [deadline=TIME] [verify=TIME] [try_stop] [finish=auto]` · `shift FROM TO [scale=N]
//! [batch=N] [interval=MS]` · `balancer NAME TARGET… [scale=N]` · `rollback|finish|cancel|continue|
//! restart|start|stop|rm NAME` · `scale NAME N` · `crash|hang|remove CONTAINER` · `break|mend HOST HOST` · `blind|sight HOST` ·
//! `cut|heal|kill|boot|activate|deactivate|evacuate HOST` · `rebalance [plan|off]` · `server crash|start N` · `run TIME` · `show`
//!
//! For many: `hosts N` adds h1 to hN, `judge rests` judges the world after each command instead of each step. For what is over
//! before anyone looks: `clients TIME` lets one come to each balancer that often, `requests` tells what became of them since
//! the last look; `watch NAME` counts who serves at every moment, `lowest` tells the fewest since the last look; `churn` what
//! engines did since then. `targets NAME` prints whom the processes of a balancer send to, `addresses NAME` how many there are.

mod counts;
mod show;
mod stage;
mod words;

use std::fmt::Write as _;

use self::stage::Stage;

/// A script that can't be run: which line, and why.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: `{command}`: {why}")]
pub struct BadScript {
    /// Number of the line.
    pub line: usize,
    /// The command.
    pub command: String,
    /// What is wrong with it.
    pub why: String,
}

/// Run a script; returns it with what its commands print now.
pub fn run(script: &str) -> Result<String, BadScript> {
    let mut stage = Stage::new();
    let mut out = String::new();
    for (number, line) in (1..).zip(script.lines()) {
        if let Some(command) = line.strip_prefix("> ") {
            let printed = stage.command(command).map_err(|why| BadScript {
                line: number,
                command: command.to_owned(),
                why,
            })?;
            let _ = writeln!(out, "{line}");
            out.push_str(&printed);
        } else if line.is_empty() || line.starts_with('#') {
            let _ = writeln!(out, "{line}");
        }
    }
    Ok(out)
}
