//! The commands a person or a CI job types: compose files on one side, Drover's API on the other.
//!
//! What differs, what to do about it and whether a service has arrived is `drover-rollout`'s. Around that: files (`project`),
//! requests over HTTP (`client`), and saying what happens (`progress`). It knows the API and nothing else of the server.
//!
//! Read in this order: [`Command`] (what can be asked), `session` (what a command begins with), `up` (what most is about).

// This crate is the one that talks to people.
#![allow(clippy::print_stdout)]

mod args;
mod ask;
mod between;
mod certificate;
mod client;
mod evacuate;
mod failure;
mod history;
mod lifecycle;
mod logs;
mod network;
mod operator;
mod outcome;
mod people;
mod progress;
mod project;
mod ps;
mod pull;
pub mod rancher;
mod rebalance;
mod requests;
mod secret;
mod session;
mod settings;
mod stats;
mod status;
mod steer;
mod table;
mod up;
mod watch;
mod webhook;
mod why;

pub use args::{Before, Command};
pub use client::ConnectError;
pub use drover_rollout::{CallError, Program};
pub use failure::{Failure, INTERRUPTED};
pub use outcome::{Ending, WAITS};
pub use project::ProjectError;
pub use settings::SettingsError;

use args::{NetworkCommand, Up, Upgrade, UpgradeCommand};
use progress::{Reporter, Voice};

/// Carry a command out. Ctrl-C ends it; the server goes on with what it was asked.
pub async fn run(command: &Command, program: Program) -> Result<Ending, Failure> {
    let voice = match program {
        Program::RancherCompose => Voice::Rancher,
        Program::Drover if command.output().json => Voice::Json,
        Program::Drover => Voice::Drover,
    };
    let reporter = Reporter::new(voice);
    let outcome = tokio::select! {
        outcome = dispatch(command, program, &reporter) => outcome,
        _ = tokio::signal::ctrl_c() => {
            Err(Failure::Interrupted(command.left_behind(program, reporter.has_asked())))
        }
    };
    match &outcome {
        Ok(Ending::Done) => reporter.ended(0, ""),
        Ok(ending @ Ending::Waits(sentence)) => reporter.ended(ending.status(program), sentence),
        Err(failure) => reporter.ended(failure.status(), &failure.to_string()),
    }
    outcome
}

async fn dispatch(command: &Command, program: Program, to: &Reporter) -> Result<Ending, Failure> {
    let done = match command {
        Command::Up(options) => return up::up(options, program, to).await,
        Command::Plan(options) => return up::up(&options.into(), program, to).await,
        Command::Create(options) => up::create(options, program, to).await,
        Command::Start(options) => lifecycle::start(options, program, to).await,
        Command::Stop(options) => lifecycle::stop(options, program, to).await,
        Command::Restart(options) => lifecycle::restart(options, program, to).await,
        Command::Scale(options) => lifecycle::scale(options, program, to).await,
        Command::Rm(options) => lifecycle::rm(options, program, to).await,
        Command::Pull(options) => pull::pull(options, program, to).await,
        Command::Ps(options) => ps::ps(options, program, to).await,
        Command::Logs(options) => logs::logs(options, program, to).await,
        Command::Upgrade(upgrade) => match (&upgrade.command, &upgrade.between) {
            (Some(UpgradeCommand::Status(options)), _) => {
                status::status(options, program, to).await
            }
            (Some(UpgradeCommand::Cancel(options)), _) => steer::cancel(options, program, to).await,
            (Some(UpgradeCommand::Continue(options)), _) => {
                return steer::go_on(options, program, to).await;
            }
            (None, Some(options)) => {
                return between::upgrade(options, &upgrade.common, program, to).await;
            }
            // Without either there is nothing to parse.
            (None, None) => Ok(()),
        },
        Command::History(options) => history::history(options, program, to).await,
        Command::Diff(options) => history::diff(options, program, to).await,
        Command::Why(options) => why::why(options, program, to).await,
        Command::Rollback(options) => return up::rollback_to(options, program, to).await,
        Command::Wait(options) => return watch::watch(options, program, to).await,
        Command::Certificate(command) => certificate::certificate(command, to).await,
        Command::Secret(command) => secret::secret(command, to).await,
        Command::Webhook(command) => webhook::webhook(command, to).await,
        Command::Stats(options) => stats::stats(options).await,
        Command::Host(command) => operator::host(command, to).await,
        Command::Rebalance(command) => rebalance::rebalance(command, to).await,
        Command::Network(command) => network::network(command, to).await,
        Command::Token(command) => operator::token(command, to).await,
        Command::Key(command) => operator::key(command).await,
        Command::Account(command) => people::account(command, to).await,
        Command::Member(command) => people::member(command, to).await,
    };
    done.map(|()| Ending::Done)
}

impl Command {
    /// What is said after Ctrl-C: the server works on, if anything was asked of it, and how to come back to it.
    fn left_behind(&self, program: Program, has_asked: bool) -> String {
        let program = program.name();
        if !has_asked && self.tells_what_it_asks() {
            return "stopped; nothing was changed".to_owned();
        }
        match self {
            Self::Up(up) if up.is_upgrade() => format!(
                "stopped watching; the server goes on with what it was asked. The same command again goes on watching, \
                 {program} up --rollback goes back"
            ),
            Self::Upgrade(Upgrade { between: Some(between), .. }) => format!(
                "stopped watching; the server goes on with what it was asked. The same command with --wait goes on \
                 watching, {program} up --rollback {} goes back",
                between.from
            ),
            Self::Rebalance(_) => "stopped watching; the server goes on with what it was asked. drover rebalance --cancel \
                                   calls off what has not moved"
                .to_owned(),
            Self::Logs(_) | Self::Stats(_) => "stopped reading".to_owned(),
            Self::Network(NetworkCommand::Doctor(_)) => "stopped; nothing was changed".to_owned(),
            _ => "stopped watching; the server goes on with what it was asked. The same command again goes on watching"
                .to_owned(),
        }
    }
}

impl Command {
    /// Whether nothing is changed before an event says so.
    fn tells_what_it_asks(&self) -> bool {
        matches!(
            self,
            Self::Up(_)
                | Self::Plan(_)
                | Self::Create(_)
                | Self::Rm(_)
                | Self::Rebalance(_)
                | Self::Ps(_)
                | Self::History(_)
                | Self::Diff(_)
                | Self::Why(_)
        )
    }
}

impl Up {
    fn is_upgrade(&self) -> bool {
        (self.upgrade || self.force_upgrade) && !self.rollback
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(subcommand)]
        command: Command,
    }

    #[test]
    fn what_is_said_after_an_interruption() {
        let nothing = "stopped; nothing was changed";
        let goes_on = "the server goes on";
        for (line, has_asked, want) in [
            ("drover plan", false, nothing),
            ("drover up --upgrade --dry-run", false, nothing),
            ("drover up --upgrade", false, nothing),
            ("drover up --upgrade", true, goes_on),
            ("drover rebalance", false, nothing),
            ("drover rebalance", true, goes_on),
            ("drover rm web", false, nothing),
            ("drover wait", false, goes_on),
            ("drover host evacuate node1", false, goes_on),
        ] {
            let command = Cli::try_parse_from(line.split(' ')).unwrap().command;
            let said = command.left_behind(Program::Drover, has_asked);
            assert!(said.contains(want), "{line}: {said}");
        }
    }
}
