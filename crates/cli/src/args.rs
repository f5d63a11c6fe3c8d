//! The commands a person or a CI job types, and their options. What they mean is not here.
//!
//! Rancher's own program has the same commands under other option names, see [`crate::rancher`].

mod certificate;
mod host;
mod network;
mod options;
mod people;
mod rebalance;
mod secret;
mod stack;
mod stats;
mod token;
mod upgrade;
mod webhook;

use clap::Subcommand;

pub use certificate::{AddCertificate, CertificateCommand, Certificates};
pub use host::{Evacuate, HostCommand, Hosts};
pub use network::{EncryptionCommand, NetworkCommand};
pub use options::{Before, Common, Operator, OutputOptions, ServerOptions, StackOptions};
pub use people::{AccountCommand, Accounts, MemberCommand, Members, NewAccount, OneAccount, Whom};
pub use rebalance::Rebalance;
pub use secret::{AddSecret, SecretCommand, Secrets};
pub(crate) use stack::parse_scale;
pub use stack::{
    Diff, Foretell, Logs, Pull, Restart, Rm, Rollback, Scale, Selected, Up, Watch, Why,
};
pub use stats::Stats;
pub use token::{KeyCommand, Named, NewToken, TokenCommand};
pub use upgrade::{Between, Continue, Upgrade, UpgradeCommand};
pub use webhook::{NewWebhook, WebhookCommand, Webhooks};

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Create and start the services of the files; with --upgrade, replace what changed
    ///
    /// Brings the stack to what the files say, waits for the outcome and ends. Services that exist and differ
    /// from the files are only reported, unless --upgrade is given. A service's scale is used when it is
    /// created and left alone afterwards.
    #[command(after_help = UP_EXAMPLES)]
    Up(Box<Up>),
    /// Say what `up --upgrade` would come to: what differs, where units would go, how many serve at least, what to know
    #[command(
        after_help = "Examples:\n  drover plan                        look\n  drover plan -o shop.plan           keep it\n  drover up --upgrade --plan shop.plan  do that, or nothing if it would come to something else by now"
    )]
    Plan(Foretell),
    /// Create the services of the files without starting them
    Create(Selected),
    /// Start services that are stopped
    Start(Selected),
    /// Stop services; their containers are kept
    #[command(visible_alias = "down")]
    Stop(Selected),
    /// Restart the containers of services, a batch at a time
    Restart(Restart),
    /// Set how many units of a service run
    #[command(after_help = "Examples:\n  drover scale web=3\n  drover scale web=3 worker=10")]
    Scale(Scale),
    /// Remove services and their containers; volumes stay
    Rm(Rm),
    /// Pull the images of the files on every host
    Pull(Pull),
    /// List the containers of the stack
    Ps(Selected),
    /// Show what the containers print
    #[command(after_help = "Examples:\n  drover logs web\n  drover logs --follow --tail 20")]
    Logs(Logs),
    /// Move the load from one service to another; with `status`, show how upgrades go; with `cancel` and `continue`,
    /// stop them half-way and go on
    Upgrade(Upgrade),
    /// List revisions, newest first: what ran, since when, who made it and why
    History(Selected),
    /// Say what differs between two revisions of a service
    #[command(
        after_help = "Examples:\n  drover diff web 3      what runs now beside revision 3\n  drover diff web 3 4"
    )]
    Diff(Diff),
    /// Go on watching what is under way, and say how the last upgrade ended
    #[command(after_help = WAIT_HELP)]
    Wait(Watch),
    /// Say what a service, a container or a host waits for, what is behind that, and the ways out
    Why(Why),
    /// Go back to revisions of services: the same configuration, the very images they had
    #[command(after_help = ROLLBACK_EXAMPLES)]
    Rollback(Rollback),
    /// Show what containers and hosts use: processors, memory, network, disks
    #[command(
        after_help = "Examples:\n  drover stats                all containers of the environment, every second\n  drover stats shop/web       those of a service\n  drover stats --hosts        the hosts themselves\n  drover stats --no-stream    once, for a script; with --json an object for each"
    )]
    Stats(Stats),
    /// Look at hosts and take them in or out of use
    #[command(subcommand)]
    Host(HostCommand),
    /// Spread units over the hosts again, after one came back or was added; the plan is shown first
    ///
    /// A unit moves only where that spreads its service's units more evenly, or evens out the hosts, and never one whose data
    /// lies on its host. Its next container is made on the other host; when that serves, the old one is drained and removed.
    /// One unit of a service moves at a time.
    #[command(after_help = REBALANCE_EXAMPLES)]
    Rebalance(Rebalance),
    /// Look at the network between hosts
    #[command(subcommand)]
    Network(NetworkCommand),
    /// Add, renew and remove the certificates that balancers serve
    #[command(subcommand, visible_alias = "cert")]
    Certificate(CertificateCommand),
    /// Add and remove the secrets that containers read as files
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Make URLs that scale or upgrade services when they are called
    #[command(subcommand)]
    Webhook(WebhookCommand),
    /// Make tokens with which hosts join
    #[command(subcommand)]
    Token(TokenCommand),
    /// Make keys for the API
    #[command(subcommand)]
    Key(KeyCommand),
    /// Make, list, switch off and remove accounts: who has keys of their own
    #[command(subcommand)]
    Account(AccountCommand),
    /// Say who may do what in the environment
    #[command(subcommand)]
    Member(MemberCommand),
}

const UP_EXAMPLES: &str = "Examples:
  drover up                              create and start what isn't there yet
  drover up --upgrade                    replace what changed; old containers are kept, stopped
  drover up --confirm-upgrade            the new ones are good: remove the old ones
  drover up --rollback                   they are not: go back to the old ones
  drover up --upgrade --confirm-upgrade  both in one go
  drover up --upgrade --dry-run          say what would be done, change nothing

Ctrl-C leaves the server working; `drover wait` goes on watching.

An upgrade that serves and waits for its confirmation ends with 10, also where
the shell stops at anything but 0: say --waiting-ok there.

Exit status:
  0  done               4  refused by the server     10  upgraded, waits for its confirmation
  1  failed             5  no server answers         20  rolled back
  2  usage              6  the key is not accepted  130  interrupted
  3  timed out waiting  7  blocked: someone has to decide, or to make room";

const WAIT_HELP: &str = "A job that was ended, or lost its machine, comes back with this: it waits for upgrades, rollbacks, starts, stops and
scalings that are under way, and says what came of the last upgrade of each service, with the status `drover up
--upgrade` would have had: 0 confirmed or never upgraded, 10 waits for its confirmation, 20 rolled back, 7 blocked.
What was never asked of the server it does not know of: a command that ended before it had asked for all says so.";

const ROLLBACK_EXAMPLES: &str = "Examples:
  drover history web                     which revisions there are
  drover rollback web --to 3             the containers it replaces are kept, stopped, until you decide
  drover rollback web --to 3 -c          confirmed when it is done: the containers it replaces are removed
  drover rollback web@3 db@1             several as one: none of them goes back if one can't
  drover rollback web                    undo the upgrade that was not confirmed yet

A tag that moved since changes nothing: revisions keep the digests of their images. A host that has the image needs no
registry.

With --to the exit status is that of `up --upgrade`: 10 when it is done and waits for its confirmation (--waiting-ok
makes it 0), 20 when it was taken back itself, 7 when it is blocked.";

const REBALANCE_EXAMPLES: &str = "Examples:
  drover rebalance --dry-run     which units would move, and why
  drover rebalance               the same, and asks whether to do it
  drover rebalance --yes web     for one service, without asking
  drover rebalance --cancel      what has not moved stays

A service is named as SERVICE, or STACK/SERVICE where several stacks have one of that name.";

impl Command {
    /// Take over what was written before the command, where nothing was written after it.
    pub fn inherit(&mut self, before: &Before) {
        let before = before.common();
        if let Some(own) = self.common_mut() {
            own.inherit(&before);
        } else if let Some(own) = self.operator_mut() {
            own.inherit(&before);
        }
    }

    /// How to say what happens.
    pub(crate) fn output(&self) -> OutputOptions {
        let mut own = self.clone();
        if let Some(common) = own.common_mut() {
            common.output
        } else {
            own.operator_mut().map(|operator| operator.output).unwrap_or_default()
        }
    }

    fn common_mut(&mut self) -> Option<&mut Common> {
        match self {
            Self::Up(up) => Some(&mut up.selected.common),
            Self::Plan(plan) => Some(&mut plan.selected.common),
            Self::Create(s) | Self::Start(s) | Self::Stop(s) | Self::Ps(s) | Self::History(s) => {
                Some(&mut s.common)
            }
            Self::Restart(restart) => Some(&mut restart.selected.common),
            Self::Scale(scale) => Some(&mut scale.common),
            Self::Rm(rm) => Some(&mut rm.selected.common),
            Self::Pull(pull) => Some(&mut pull.selected.common),
            Self::Logs(logs) => Some(&mut logs.selected.common),
            Self::Upgrade(upgrade) => Some(upgrade.common_mut()),
            Self::Diff(diff) => Some(&mut diff.common),
            Self::Why(why) => Some(&mut why.common),
            Self::Wait(watch) => Some(&mut watch.selected.common),
            Self::Rollback(rollback) => Some(&mut rollback.common),
            Self::Stats(_)
            | Self::Host(_)
            | Self::Rebalance(_)
            | Self::Network(_)
            | Self::Certificate(_)
            | Self::Secret(_)
            | Self::Webhook(_)
            | Self::Token(_)
            | Self::Key(_)
            | Self::Account(_)
            | Self::Member(_) => None,
        }
    }

    fn operator_mut(&mut self) -> Option<&mut Operator> {
        match self {
            Self::Stats(stats) => Some(&mut stats.operator),
            Self::Host(command) => Some(command.operator_mut()),
            Self::Rebalance(rebalance) => Some(&mut rebalance.operator),
            Self::Network(command) => Some(command.operator_mut()),
            Self::Certificate(command) => Some(command.operator_mut()),
            Self::Secret(command) => Some(command.operator_mut()),
            Self::Webhook(command) => Some(command.operator_mut()),
            Self::Token(TokenCommand::Create(new)) => Some(&mut new.named.operator),
            Self::Key(KeyCommand::Create(named)) => Some(&mut named.operator),
            Self::Account(command) => Some(command.operator_mut()),
            Self::Member(command) => Some(command.operator_mut()),
            Self::Up(_)
            | Self::Plan(_)
            | Self::Create(_)
            | Self::Start(_)
            | Self::Stop(_)
            | Self::Restart(_)
            | Self::Scale(_)
            | Self::Rm(_)
            | Self::Pull(_)
            | Self::Ps(_)
            | Self::Logs(_)
            | Self::Upgrade(_)
            | Self::History(_)
            | Self::Diff(_)
            | Self::Why(_)
            | Self::Wait(_)
            | Self::Rollback(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        before: Before,
        #[command(subcommand)]
        command: Command,
    }

    fn up(line: &str) -> Up {
        let mut cli = Cli::try_parse_from(line.split(' ')).unwrap();
        cli.command.inherit(&cli.before);
        match cli.command {
            Command::Up(up) => *up,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_stand_before_or_after_the_command() {
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        let before = up("drover -f a.yml -f b.yml -p shop -r r.yml --url http://h --json up -d");
        assert_eq!(before.selected.common.stack.files, paths(&["a.yml", "b.yml"]));
        assert_eq!(before.selected.common.stack.rancher_file, Some("r.yml".into()));
        assert!(before.selected.common.output.json && before.detach && !before.rollback);
        let after = up("drover up -f a.yml --rancher-file r.yml --timeout 5 -r web db");
        assert_eq!(after.selected.common.stack.files, paths(&["a.yml"]));
        assert_eq!(after.selected.services, ["web", "db"]);
        assert_eq!(after.selected.common.output.timeout, Some(5));
        assert!(after.rollback);
        let both = up("drover -p one -f a.yml up -p two");
        assert_eq!(both.selected.common.stack.project_name.as_deref(), Some("two"));
        assert_eq!(both.selected.common.stack.files, paths(&["a.yml"]));
    }

    #[test]
    fn what_contradicts_itself_is_a_usage_error() {
        for line in [
            "drover up --rollback --upgrade",
            "drover scale web",
            "drover scale web=-1",
            "drover rm --stack-too web",
            "drover upgrade",
            "drover upgrade v1",
            "drover certificate add shop --cert c.pem",
            "drover secret add db",
            "drover webhook create hook",
            "drover webhook create hook --upgrade a=b",
            "drover webhook create hook --scale-up web --scale-down web",
            "drover webhook create hook --scale-up web --payload azure",
            "drover rebalance --cancel --dry-run",
            "drover account create",
            "drover member add ann",
            "drover member set ann=",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }

    #[test]
    fn upgrade_is_two_services_or_a_word() {
        let read = |line: &str| Cli::try_parse_from(line.split(' ')).unwrap().command;
        let Command::Upgrade(Upgrade { command: None, between: Some(between), .. }) =
            read("drover upgrade v1 v2")
        else {
            panic!("not two services")
        };
        assert_eq!((between.from.as_str(), between.to.as_str()), ("v1", "v2"));
        assert_eq!((between.update_links, between.wait), (None, false));
        let line =
            "drover upgrade v1 v2 --scale -1 --update-links=false --batch-size 1 -w -c -p shop";
        let Command::Upgrade(Upgrade { between: Some(between), common, .. }) = read(line) else {
            panic!("not two services")
        };
        assert_eq!((between.scale, between.update_links), (Some(-1), Some(false)));
        assert!(between.wait && between.cleanup && !between.pull);
        assert_eq!(common.stack.project_name.as_deref(), Some("shop"));
        let Command::Upgrade(Upgrade {
            command: Some(UpgradeCommand::Status(s)),
            between: None,
            ..
        }) = read("drover upgrade status web")
        else {
            panic!("not the status")
        };
        assert_eq!(s.services, ["web"]);
    }
}
