//! The commands a person or a CI job types, and their options. What they mean is not here.
//!
//! Rancher's own program has the same commands under other option names, see [`crate::rancher`].

mod options;

use std::path::PathBuf;

use clap::{Args, Subcommand};

pub use options::{Before, Common, Operator, OutputOptions, ServerOptions, StackOptions};

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
    /// Move the load from one service to another; with `status`, show how upgrades go
    Upgrade(Upgrade),
    /// Look at hosts and take them in or out of use
    #[command(subcommand)]
    Host(HostCommand),
    /// Look at the network between hosts
    #[command(subcommand)]
    Network(NetworkCommand),
    /// Add, renew and remove the certificates that balancers serve
    #[command(subcommand, visible_alias = "cert")]
    Certificate(CertificateCommand),
    /// Make tokens with which hosts join
    #[command(subcommand)]
    Token(TokenCommand),
    /// Make keys for the API
    #[command(subcommand)]
    Key(KeyCommand),
}

const UP_EXAMPLES: &str = "Examples:
  drover up                              create and start what isn't there yet
  drover up --upgrade                    replace what changed; old containers are kept, stopped
  drover up --confirm-upgrade            the new ones are good: remove the old ones
  drover up --rollback                   they are not: go back to the old ones
  drover up --upgrade --confirm-upgrade  both in one go
  drover up --upgrade --dry-run          say what would be done, change nothing

Exit status: 0 done, 1 failed, 2 usage, 3 timed out waiting. Ctrl-C leaves the
server working; the same command again goes on watching.";

/// Services by name.
#[derive(Args, Clone, Debug, Default)]
pub struct Selected {
    /// Services; none means all
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// `up`.
#[derive(Args, Clone, Debug, Default)]
pub struct Up {
    /// Replace the containers of services that differ from the files
    #[arg(short, long, alias = "recreate")]
    pub upgrade: bool,
    /// Replace them even if nothing differs, for instance because a tag moved
    #[arg(long, alias = "force-recreate")]
    pub force_upgrade: bool,
    /// Finish upgrades: remove the old containers; rollback is not possible afterwards
    #[arg(short, long)]
    pub confirm_upgrade: bool,
    /// Go back to the containers from before the upgrade
    #[arg(short, long, conflicts_with_all = ["upgrade", "force_upgrade", "confirm_upgrade"])]
    pub rollback: bool,
    /// Pull images on every host before anything is replaced
    #[arg(long)]
    pub pull: bool,
    /// Units replaced at a time; 0 leaves it to the server [default: 2, or what the files say]
    #[arg(long, value_name = "UNITS")]
    pub batch_size: Option<u32>,
    /// Milliseconds between batches [default: 1000, or what the files say]
    #[arg(long, value_name = "MS")]
    pub interval: Option<u64>,
    /// Remove services of the stack that are not in the files
    #[arg(long)]
    pub prune: bool,
    /// Say what would be done and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Accepted for compatibility: drover waits for the outcome and ends in any case
    #[arg(short, long = "detach")]
    pub detach: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub selected: Selected,
}

/// `restart`.
#[derive(Args, Clone, Debug)]
pub struct Restart {
    /// Units restarted at a time
    #[arg(long, value_name = "UNITS", default_value_t = 1)]
    pub batch_size: u32,
    /// Milliseconds between batches
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub interval: u64,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub selected: Selected,
}

/// `scale`.
#[derive(Args, Clone, Debug)]
pub struct Scale {
    /// Service and number of units
    #[arg(value_name = "SERVICE=N", required = true, value_parser = parse_scale)]
    pub scales: Vec<(String, u32)>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// `rm`.
#[derive(Args, Clone, Debug, Default)]
pub struct Rm {
    /// Don't ask on a terminal
    #[arg(long)]
    pub force: bool,
    /// Accepted for compatibility: volumes stay
    #[arg(short = 'v')]
    pub volumes: bool,
    /// Remove the stack itself too, with all its services
    #[arg(long, conflicts_with = "services")]
    pub stack_too: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub selected: Selected,
}

/// `pull`.
#[derive(Args, Clone, Debug, Default)]
pub struct Pull {
    /// Only on hosts that have the image already
    #[arg(short, long)]
    pub cached: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub selected: Selected,
}

/// `logs`.
#[derive(Args, Clone, Debug, Default)]
pub struct Logs {
    /// Go on as lines come, new containers included
    #[arg(long)]
    pub follow: bool,
    /// Lines from the end of each container's log [default: 100]
    #[arg(long, value_name = "LINES")]
    pub tail: Option<u32>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub selected: Selected,
}

/// `upgrade`.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Upgrade {
    /// What else
    #[command(subcommand)]
    pub command: Option<UpgradeCommand>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub between: Option<Between>,
    // Not among the options of `Between`: whether there are any could not be told then.
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Box<Common>,
}

/// `upgrade …`.
#[derive(Clone, Debug, Subcommand)]
pub enum UpgradeCommand {
    /// Show how upgrades go and what became of the requests meanwhile
    Status(Selected),
}

/// `upgrade FROM TO`.
#[derive(Args, Clone, Debug)]
pub struct Between {
    /// Service that loses its units
    pub from: String,
    /// Service that gets them; made from the files if it isn't there
    pub to: String,
    /// Units to move at a time [default: 2]
    #[arg(long, value_name = "UNITS", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch_size: Option<u32>,
    /// Pause between batches in milliseconds [default: 2000]
    #[arg(long, value_name = "MS")]
    pub interval: Option<u64>,
    /// Units that TO shall have in the end; -1 is as many as FROM has [default: -1]
    #[arg(long, value_name = "UNITS", allow_hyphen_values = true)]
    pub scale: Option<i64>,
    /// Let links, aliases and balancer rules that name FROM reach TO as well, and in the end instead [default: true]
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[arg(value_name = "BOOL")]
    pub update_links: Option<bool>,
    /// Wait until all is moved
    #[arg(short, long)]
    pub wait: bool,
    /// Pull TO's images on the hosts first
    #[arg(long)]
    pub pull: bool,
    /// Wait, confirm the upgrade, and remove FROM
    #[arg(short, long)]
    pub cleanup: bool,
}

/// `host`.
#[derive(Clone, Debug, Subcommand)]
pub enum HostCommand {
    /// List hosts
    Ls(Operator),
    /// Remove hosts for good; what ran there is started elsewhere
    Rm(Hosts),
    /// Let hosts take new units
    Activate(Hosts),
    /// Let hosts take no new units; what runs there stays
    Deactivate(Hosts),
    /// Empty hosts without losing a request: each unit leaves once another serves in its place
    ///
    /// The hosts take no new units. Units are made elsewhere, a batch of a service at a time; when the new one serves,
    /// the old one is withdrawn from traffic, drained and removed. What can't be made elsewhere stays, and why is said:
    /// `drover host ls` and the exit status tell. `drover host activate` calls it off; what has not left then stays.
    Evacuate(Evacuate),
}

/// `host evacuate`.
#[derive(Args, Clone, Debug)]
pub struct Evacuate {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub hosts: Hosts,
    /// Don't wait until they are empty
    #[arg(short, long)]
    pub detach: bool,
}

/// Hosts by name.
#[derive(Args, Clone, Debug)]
pub struct Hosts {
    /// Hosts, by name, host name or id
    #[arg(value_name = "HOST", required = true)]
    pub hosts: Vec<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub operator: Operator,
}

/// `network`.
#[derive(Clone, Debug, Subcommand)]
pub enum NetworkCommand {
    /// Have every host probe every other, and say what is wrong, where, and what to do
    ///
    /// Looks at host addresses, the tunnel, packet sizes, names, metadata, addresses and what the kernel holds.
    /// Takes a few seconds where something is wrong, and changes nothing.
    #[command(after_help = DOCTOR_HELP)]
    Doctor(Operator),
    /// Encrypt what goes from host to host, or don't
    #[command(subcommand)]
    Encryption(EncryptionCommand),
    /// Have every host make a new key; nothing is lost meanwhile
    RotateKeys(Operator),
}

const DOCTOR_HELP: &str =
    "Exit status: 0 all is well, warnings aside; 1 something is wrong, or the server
could not be asked; 2 usage.";

/// `network encryption`.
#[derive(Clone, Debug, Subcommand)]
pub enum EncryptionCommand {
    /// Encrypt with WireGuard
    ///
    /// Hosts change over one by one without losing a packet. Two minutes later at the latest nothing is sent in the
    /// clear: hosts that can't encrypt by then reach nobody. UDP 51820 has to be open between hosts.
    On(Operator),
    /// Send in the clear
    Off(Operator),
    /// Say what is encrypted, host by host
    #[command(
        after_help = "Exit status: 0 it is as it shall be, 1 it is not (yet), or the server could not be asked."
    )]
    Status(Operator),
}

/// `certificate`.
#[derive(Clone, Debug, Subcommand)]
pub enum CertificateCommand {
    /// List certificates: names, for what, until when
    Ls(Operator),
    /// Add a certificate, or renew the one of this name in place
    Add(AddCertificate),
    /// Remove certificates that no balancer serves
    Rm(Certificates),
}

/// `certificate add`.
#[derive(Args, Clone, Debug)]
pub struct AddCertificate {
    /// Name that balancers and files use
    pub name: String,
    /// The certificate, PEM; those it was signed with may follow in the same file
    #[arg(long, value_name = "FILE")]
    pub cert: PathBuf,
    /// Its private key, PEM, without a passphrase
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The certificates it was signed with, PEM
    #[arg(long, value_name = "FILE")]
    pub chain: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub operator: Operator,
}

/// Certificates by name.
#[derive(Args, Clone, Debug)]
pub struct Certificates {
    /// Certificates, by name or id
    #[arg(value_name = "CERTIFICATE", required = true)]
    pub certificates: Vec<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub operator: Operator,
}

/// `token`.
#[derive(Clone, Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a registration token and print it, once
    Create(Named),
}

/// `key`.
#[derive(Clone, Debug, Subcommand)]
pub enum KeyCommand {
    /// Make an API key and print it, once
    Create(Named),
}

/// Something new with a name.
#[derive(Args, Clone, Debug)]
pub struct Named {
    /// Name to show for it
    #[arg(long)]
    pub name: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub operator: Operator,
}

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
            Self::Create(s) | Self::Start(s) | Self::Stop(s) | Self::Ps(s) => Some(&mut s.common),
            Self::Restart(restart) => Some(&mut restart.selected.common),
            Self::Scale(scale) => Some(&mut scale.common),
            Self::Rm(rm) => Some(&mut rm.selected.common),
            Self::Pull(pull) => Some(&mut pull.selected.common),
            Self::Logs(logs) => Some(&mut logs.selected.common),
            Self::Upgrade(Upgrade { command: Some(UpgradeCommand::Status(s)), .. }) => {
                Some(&mut s.common)
            }
            Self::Upgrade(upgrade) => Some(upgrade.common.as_mut()),
            Self::Host(_)
            | Self::Network(_)
            | Self::Certificate(_)
            | Self::Token(_)
            | Self::Key(_) => None,
        }
    }

    fn operator_mut(&mut self) -> Option<&mut Operator> {
        match self {
            Self::Host(HostCommand::Ls(operator))
            | Self::Network(
                NetworkCommand::Doctor(operator)
                | NetworkCommand::RotateKeys(operator)
                | NetworkCommand::Encryption(
                    EncryptionCommand::On(operator)
                    | EncryptionCommand::Off(operator)
                    | EncryptionCommand::Status(operator),
                ),
            )
            | Self::Certificate(CertificateCommand::Ls(operator)) => Some(operator),
            Self::Host(
                HostCommand::Rm(hosts)
                | HostCommand::Activate(hosts)
                | HostCommand::Deactivate(hosts)
                | HostCommand::Evacuate(Evacuate { hosts, .. }),
            ) => Some(&mut hosts.operator),
            Self::Certificate(CertificateCommand::Add(add)) => Some(&mut add.operator),
            Self::Certificate(CertificateCommand::Rm(some)) => Some(&mut some.operator),
            Self::Token(TokenCommand::Create(named)) | Self::Key(KeyCommand::Create(named)) => {
                Some(&mut named.operator)
            }
            _ => None,
        }
    }
}

/// `web=3`.
pub(crate) fn parse_scale(text: &str) -> Result<(String, u32), String> {
    let (name, number) = text.split_once('=').ok_or("write SERVICE=N, for example web=3")?;
    let scale =
        number.trim().parse().map_err(|_| format!("`{number}` is not a number of units"))?;
    if name.is_empty() {
        return Err("write SERVICE=N, for example web=3".to_owned());
    }
    Ok((name.to_owned(), scale))
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

    #[test]
    fn scales() {
        assert_eq!(parse_scale("web=3"), Ok(("web".into(), 3)));
        for bad in ["web", "web=", "=3", "web=x", "web=1.5"] {
            assert!(parse_scale(bad).is_err(), "{bad}");
        }
    }
}
