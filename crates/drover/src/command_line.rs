//! The command line: roles and commands, grouped by what people come for.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use drover_cli::{Before, Command};
use drover_core::DISCOVERY_ADDRESS;
use drover_dataplane::balancer::AccessFormat;

use crate::trace::LogFormat;

/// Hosts that can be simulated at most: more would be no test of anything.
const MOST_SIMULATED: i64 = 10_000;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "drover",
    version,
    about = "Runs compose stacks on plain Docker hosts and replaces running versions without losing a request",
    after_help = EXAMPLES,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Drover {
    #[command(flatten)]
    before: Before,
    /// How log lines on stderr look [default: human on a terminal, else compact]
    #[arg(long, value_name = "FORMAT", global = true, help_heading = "Output")]
    pub(crate) log: Option<LogFormat>,
    /// What to do.
    #[command(subcommand)]
    pub(crate) role: Role,
}

/// What the program is to be.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// Run the server: the API, the agents' hub and the planner
    ///
    /// Keeps everything in one SQLite file in its data directory. At the first start it prints an
    /// administrator's key, once.
    #[command(
        after_help = "Example:\n  drover server --listen 0.0.0.0:8080 --data-dir /var/lib/drover-server"
    )]
    Server(Server),
    /// Run the agent that makes this machine a host
    ///
    /// The token is needed for the first start only; after that the agent has a credential of its own in its
    /// state directory. Containers run on while neither it nor the server does.
    #[command(
        after_help = "Examples:\n  drover agent --server http://server:8080 --token TOKEN --label tier=front\n  drover agent --simulate 3 --server http://server:8080 --token REUSABLE"
    )]
    Agent(Agent),
    /// Run one load balancer; agents start these, not people
    #[command(hide = true)]
    Balancer(Balancer),
    /// Run the name service of a host; agents start these, not people
    #[command(hide = true)]
    Discovery(Discovery),
    /// Encrypt what goes from a host to others; agents start these, not people
    #[command(hide = true)]
    Cipher(Cipher),
    /// Anything about stacks, hosts and keys.
    #[command(flatten)]
    Command(Command),
}

/// `server`.
#[derive(Args, Debug)]
pub(crate) struct Server {
    /// Address to listen on
    #[arg(
        long,
        env = "DROVER_LISTEN",
        hide_env_values = true,
        default_value = "0.0.0.0:8080",
        value_name = "ADDRESS:PORT"
    )]
    pub(crate) listen: SocketAddr,
    /// Directory of everything it keeps; made if need be
    #[arg(
        long,
        env = "DROVER_DATA_DIR",
        hide_env_values = true,
        default_value = "/var/lib/drover-server",
        value_name = "DIR"
    )]
    pub(crate) data_dir: PathBuf,
    /// URL under which clients and agents reach it, where it is another than the one in their requests
    #[arg(long, env = "DROVER_PUBLIC_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// Directory of a catalog whose templates it offers, laid out as Rancher's
    #[arg(long, env = "DROVER_CATALOG", hide_env_values = true, value_name = "DIR")]
    pub(crate) catalog: Option<PathBuf>,
}

/// `agent`.
#[derive(Args, Debug)]
pub(crate) struct Agent {
    /// URL of the server [default: the one used last]
    #[arg(long, env = "DROVER_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Registration token, as `drover token create` makes it; needed for the first start only
    #[arg(long, env = "DROVER_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Directory of what it must not forget; made if need be [default: /var/lib/drover; with --simulate one that goes
    /// in the end]
    #[arg(long, env = "DROVER_STATE_DIR", hide_env_values = true, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Socket of the Docker engine
    #[arg(
        long,
        env = "DOCKER_HOST",
        hide_env_values = true,
        default_value = "unix:///var/run/docker.sock",
        value_name = "SOCKET",
        value_parser = socket
    )]
    pub(crate) docker: PathBuf,
    /// Address at which other hosts reach this one [default: the one it reaches the server from]
    #[arg(long, env = "DROVER_ADDRESS", hide_env_values = true)]
    pub(crate) address: Option<IpAddr>,
    /// Name of this host [default: the machine's own]
    #[arg(long, env = "DROVER_HOSTNAME", hide_env_values = true, value_name = "NAME")]
    pub(crate) hostname: Option<String>,
    /// Label for placement; may be repeated; used at the first start only
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub(crate) labels: Vec<(String, String)>,
    /// Simulate hosts, one or so many: Docker is not needed, and nothing really runs
    ///
    /// Each registers as a host of its own: sim-0001 and so on, or --hostname and a
    /// number. Several need a reusable token. Labels of a container say how it fails:
    ///
    ///   io.drover.simulate.fail: never-starts, never-healthy or crash
    ///   io.drover.simulate.crash-after: 5s (or 500ms, 2m)
    #[arg(
        long,
        value_name = "HOSTS",
        num_args = 0..=1,
        default_missing_value = "1",
        value_parser = clap::value_parser!(u32).range(1..=MOST_SIMULATED),
        help_heading = "Simulation",
        verbatim_doc_comment
    )]
    pub(crate) simulate: Option<u32>,
    /// How long a simulated container takes to start, and an image to arrive, ms
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 400,
        requires = "simulate",
        help_heading = "Simulation"
    )]
    pub(crate) simulate_start_ms: u64,
    /// How long one takes to stop, ms [default: as long as to start]
    #[arg(long, value_name = "MS", requires = "simulate", help_heading = "Simulation")]
    pub(crate) simulate_stop_ms: Option<u64>,
}

/// `balancer`.
#[derive(Args, Debug)]
pub(crate) struct Balancer {
    /// The config file it follows
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// The status file it writes
    #[arg(long, value_name = "FILE")]
    pub(crate) status: PathBuf,
    /// Write a line for each request and connection to standard output: text or json [default: none]
    #[arg(long, env = "DROVER_ACCESS_LOG", hide_env_values = true, value_name = "FORMAT")]
    pub(crate) access_log: Option<AccessFormat>,
}

/// `discovery`.
#[derive(Args, Debug)]
pub(crate) struct Discovery {
    /// The file of facts it follows
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// The status file it writes
    #[arg(long, value_name = "FILE")]
    pub(crate) status: PathBuf,
    /// Address it answers on
    #[arg(long, value_name = "ADDRESS", default_value = DISCOVERY_ADDRESS)]
    pub(crate) listen: IpAddr,
    /// Port of DNS
    #[arg(long, value_name = "PORT", default_value_t = 53)]
    pub(crate) dns_port: u16,
    /// Port of metadata
    #[arg(long, value_name = "PORT", default_value_t = 80)]
    pub(crate) metadata_port: u16,
}

/// `cipher`.
#[derive(Args, Debug)]
pub(crate) struct Cipher {
    /// The file of keys it follows
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// The status file it writes
    #[arg(long, value_name = "FILE")]
    pub(crate) status: PathBuf,
    /// The device it takes packets from; made if there is none
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: String,
}

impl Drover {
    /// Read a command line. What was written before a command counts for it.
    pub(crate) fn read(words: &[OsString]) -> Result<Self, clap::Error> {
        let mut asked = Self::from_arg_matches(&command().try_get_matches_from(words)?)?;
        if let Role::Command(command) = &mut asked.role {
            command.inherit(&asked.before);
        }
        Ok(asked)
    }
}

const EXAMPLES: &str = "Start a cluster:
  drover server                  on one machine; prints a key once
  drover token create            for each machine that is to become a host
  drover agent --server http://server:8080 --token TOKEN

Run a stack:
  export DROVER_URL=http://server:8080 DROVER_ACCESS_KEY=… DROVER_SECRET_KEY=…
  drover up                      in the directory of a docker-compose.yml
  drover up --upgrade            after a change; then --confirm-upgrade or --rollback

Options of a command may stand before it too, as rancher-compose wants them.
Under that name (ln -s drover rancher-compose) it behaves as that program.";

/// What people come for, in this order.
const GROUPS: &[(&str, &[&str])] = &[
    (
        "Stacks",
        &[
            "up", "plan", "wait", "create", "start", "stop", "restart", "scale", "rm", "pull",
            "upgrade", "rollback",
        ],
    ),
    ("Looking", &["ps", "logs", "stats", "why", "history", "diff"]),
    (
        "Cluster",
        &[
            "server",
            "agent",
            "account",
            "member",
            "host",
            "rebalance",
            "network",
            "token",
            "key",
            "certificate",
            "secret",
            "webhook",
        ],
    ),
];

/// The command line with its help in groups.
fn command() -> clap::Command {
    let whole = Drover::command();
    let groups = groups(&whole);
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}Options:\n{{options}}\n{{after-help}}"
    );
    // They are shown with every command; here they would hide the commands.
    let whole = whole.mut_args(|arg| {
        let shared = arg.get_help_heading().is_some() && arg.get_id() != "log";
        arg.hide(shared)
    });
    whole.help_template(template).override_usage("drover [OPTIONS] <COMMAND>")
}

fn groups(whole: &clap::Command) -> String {
    let mut text = String::new();
    for (title, names) in GROUPS {
        text.push_str(title);
        text.push_str(":\n");
        for name in *names {
            let about = whole.find_subcommand(name).and_then(clap::Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            text.push_str(format!("  {name:<11} {about}").trim_end());
            text.push('\n');
        }
        text.push('\n');
    }
    text
}

/// `unix:///path`, or the path itself.
fn socket(text: &str) -> Result<PathBuf, String> {
    let path = text.strip_prefix("unix://").unwrap_or(text);
    if path.starts_with('/') {
        return Ok(PathBuf::from(path));
    }
    Err("the agent drives the engine of its own machine: give its socket, unix:///path".to_owned())
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, for example tier=front")?;
    if key.trim().is_empty() {
        return Err("a label needs a name before `=`".to_owned());
    }
    Ok((key.trim().to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Drover, clap::Error> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        Drover::read(&words)
    }

    #[test]
    fn the_command_line_holds_together() {
        command().debug_assert();
    }

    #[test]
    fn every_command_has_its_place_in_the_help() {
        let whole = command();
        let shown =
            whole.get_subcommands().filter(|c| !c.is_hide_set()).map(clap::Command::get_name);
        let mut shown: Vec<&str> = shown.collect();
        let mut grouped: Vec<&str> =
            GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        shown.sort_unstable();
        grouped.sort_unstable();
        assert_eq!(shown, grouped);
    }

    #[test]
    fn roles() {
        let Role::Server(server) = read("drover server").unwrap().role else { panic!() };
        assert_eq!(server.listen, SocketAddr::from(([0, 0, 0, 0], 8080)));
        assert_eq!(server.data_dir, PathBuf::from("/var/lib/drover-server"));
        let line = "drover agent --server http://s:8080 --token t --label a=b --label c= --docker unix:///x";
        let Role::Agent(agent) = read(line).unwrap().role else { panic!() };
        assert_eq!(agent.docker, PathBuf::from("/x"));
        assert_eq!(agent.labels, [("a".into(), "b".into()), ("c".into(), String::new())]);
        let Role::Balancer(balancer) = read("drover balancer --config a --status b").unwrap().role
        else {
            panic!()
        };
        assert_eq!(balancer.status, PathBuf::from("b"));
        let Role::Discovery(names) = read("drover discovery --config a --status b").unwrap().role
        else {
            panic!()
        };
        let address = (names.listen.to_string(), names.dns_port, names.metadata_port);
        assert_eq!(address, ("169.254.169.250".to_owned(), 53, 80));
        assert_eq!(read("drover up --log json").unwrap().log, Some(LogFormat::Json));
    }

    #[test]
    fn mistakes_end_with_2_and_help_with_0() {
        for (line, status) in [
            ("drover nonsense", 2),
            ("drover up --nonsense", 2),
            ("drover agent --docker tcp://h:2375", 2),
            ("drover", 2),
            ("drover agent --server http://s --label x", 2),
            ("drover --help", 0),
            ("drover up --help", 0),
            ("drover --version", 0),
        ] {
            assert_eq!(read(line).unwrap_err().exit_code(), status, "{line}");
        }
    }

    #[test]
    fn help_reads_well() {
        insta::assert_snapshot!("drover", command().term_width(100).render_help());
        for name in ["up", "server", "agent", "scale"] {
            let mut whole = command().term_width(100);
            whole.build();
            let help = whole.find_subcommand_mut(name).unwrap().render_help().to_string();
            insta::assert_snapshot!(name, help);
        }
    }
}
