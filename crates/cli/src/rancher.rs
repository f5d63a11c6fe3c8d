//! The command line of `rancher-compose`: global options before the command, its option names and defaults.
//! Everything is turned into [`Command`], so that there is one meaning behind both spellings.
//!
//! Where Rancher's program hid a failure (exit 0 after a failed upgrade or scale) this one does not.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::args::{
    Before, Between, Command, Common, Logs, OutputOptions, Pull, Restart, Rm, Scale, Selected,
    ServerOptions, StackOptions, Up, Upgrade, parse_scale,
};

/// The whole command line.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "rancher-compose",
    about = "Docker Compose files on a Rancher-compatible server",
    after_help = "This is drover under Rancher's name. `drover --help` shows what else it can do.",
    version,
    disable_help_subcommand = false
)]
pub struct Rancher {
    /// Say more
    #[arg(long)]
    pub verbose: bool,
    /// Say everything
    #[arg(long)]
    pub debug: bool,
    /// Compose file; may be repeated; `-` is stdin [env: COMPOSE_FILE] [default: docker-compose.yml]
    #[arg(short, long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Name of the stack [env: COMPOSE_PROJECT_NAME] [default: the directory's name]
    #[arg(short, long, value_name = "NAME")]
    project_name: Option<String>,
    /// URL of the server [env: RANCHER_URL]
    #[arg(long)]
    url: Option<String>,
    /// Access key [env: RANCHER_ACCESS_KEY]
    #[arg(long, value_name = "KEY")]
    access_key: Option<String>,
    /// Secret key [env: RANCHER_SECRET_KEY]
    #[arg(long, value_name = "KEY")]
    secret_key: Option<String>,
    /// Companion file [default: rancher-compose.yml beside the compose file]
    #[arg(short = 'r', long = "rancher-file", value_name = "FILE")]
    companion: Option<PathBuf>,
    /// File with values for variables in the files
    #[arg(short, long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Accepted and not used
    #[arg(short, long, value_name = "FILE")]
    bindings_file: Option<PathBuf>,
    #[command(subcommand)]
    task: Task,
}

#[derive(Clone, Debug, Subcommand)]
enum Task {
    /// Create all services but do not start them
    Create(Names),
    /// Bring all services up
    Up(RancherUp),
    /// Start services
    Start(Start),
    /// Show the output of containers
    Logs(RancherLogs),
    /// Restart services
    Restart(RancherRestart),
    /// Stop services
    #[command(alias = "down")]
    Stop(Stop),
    /// Set the number of containers of a service
    Scale(RancherScale),
    /// Remove services
    Rm(RancherRm),
    /// Pull images on all hosts
    Pull(RancherPull),
    /// Move the load from one service to another
    Upgrade(RancherUpgrade),
    /// List containers
    #[command(hide = true)]
    Ps(Names),
}

#[derive(Args, Clone, Debug)]
struct Names {
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
}

#[derive(Args, Clone, Debug)]
struct RancherUp {
    /// Pull images before upgrading
    #[arg(short, long)]
    pull: bool,
    /// Do not stay and show the output of containers
    #[arg(short = 'd')]
    detach: bool,
    /// Upgrade services that differ from the files
    #[arg(short, long, alias = "recreate")]
    upgrade: bool,
    /// Upgrade services even if they don't differ
    #[arg(long, alias = "force-recreate")]
    force_upgrade: bool,
    /// Remove the old containers of upgraded services
    #[arg(short, long)]
    confirm_upgrade: bool,
    /// Go back to the previous version
    #[arg(short, long)]
    rollback: bool,
    /// Containers to upgrade at once
    #[arg(long, default_value_t = 2)]
    batch_size: u32,
    /// Milliseconds between batches
    #[arg(long, default_value_t = 1000)]
    interval: u64,
    #[command(flatten)]
    names: Names,
}

#[derive(Args, Clone, Debug)]
struct Start {
    /// Accepted: start never stays
    #[arg(short = 'd')]
    _detach: bool,
    #[command(flatten)]
    names: Names,
}

#[derive(Args, Clone, Debug)]
struct RancherLogs {
    /// Go on as lines come
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    names: Names,
}

#[derive(Args, Clone, Debug)]
struct RancherRestart {
    /// Containers to restart at once
    #[arg(long, default_value_t = 1)]
    batch_size: u32,
    /// Milliseconds between batches
    #[arg(long, default_value_t = 0)]
    interval: u64,
    #[command(flatten)]
    names: Names,
}

#[derive(Args, Clone, Debug)]
struct Stop {
    /// Accepted and not used, as ever
    #[arg(short = 't', long = "timeout", default_value_t = 10)]
    _timeout: u64,
    #[command(flatten)]
    names: Names,
}

#[derive(Args, Clone, Debug)]
struct RancherScale {
    /// Accepted and not used, as ever
    #[arg(short = 't', long = "timeout", default_value_t = 10)]
    _timeout: u64,
    #[arg(value_name = "SERVICE=N", required = true, value_parser = parse_scale)]
    scales: Vec<(String, u32)>,
}

#[derive(Args, Clone, Debug)]
struct RancherRm {
    /// Don't ask
    #[arg(short, long)]
    force: bool,
    /// Accepted: volumes stay
    #[arg(short = 'v')]
    volumes: bool,
    #[command(flatten)]
    names: Names,
}

#[derive(Args, Clone, Debug)]
struct RancherPull {
    /// Only on hosts that have the image
    #[arg(short, long)]
    cached: bool,
    #[command(flatten)]
    names: Names,
}

#[derive(Args, Clone, Debug)]
struct RancherUpgrade {
    /// Units to move at a time
    #[arg(long, default_value_t = 2)]
    batch_size: u32,
    /// Units in the end; -1 is as many as there are
    #[arg(long, default_value_t = -1, allow_hyphen_values = true)]
    scale: i64,
    /// Pause between batches in milliseconds
    #[arg(long, default_value_t = 2000)]
    interval: u64,
    /// Let whatever names the old service reach the new one
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    update_links: Option<bool>,
    /// Wait until all is moved
    #[arg(short, long)]
    wait: bool,
    /// Pull the new images first
    #[arg(short, long)]
    pull: bool,
    /// Wait, and remove the old service
    #[arg(short, long)]
    cleanup: bool,
    /// Service that loses its units
    from: String,
    /// Service that gets them
    to: String,
}

impl Rancher {
    /// The same in Drover's words.
    pub fn into_command(self) -> Command {
        let companion = self.companion;
        let common = Common {
            stack: StackOptions {
                files: self.files,
                project_name: self.project_name,
                env_file: self.env_file,
                rancher_file: None,
            },
            server: ServerOptions {
                url: self.url,
                access_key: self.access_key,
                secret_key: self.secret_key,
                environment: None,
            },
            output: OutputOptions::default(),
        };
        let mut command = self.task.into_command();
        command.inherit(&Before { common, companion });
        command
    }
}

impl Task {
    fn into_command(self) -> Command {
        match self {
            Self::Create(names) => Command::Create(names.into()),
            Self::Up(up) => Command::Up(Box::new(up.into())),
            Self::Start(start) => Command::Start(start.names.into()),
            Self::Stop(stop) => Command::Stop(stop.names.into()),
            Self::Ps(names) => Command::Ps(names.into()),
            Self::Logs(logs) => {
                Command::Logs(Logs { follow: logs.follow, tail: None, selected: logs.names.into() })
            }
            Self::Restart(restart) => Command::Restart(Restart {
                batch_size: restart.batch_size,
                interval: restart.interval,
                selected: restart.names.into(),
            }),
            Self::Scale(scale) => {
                Command::Scale(Scale { scales: scale.scales, common: Common::default() })
            }
            // Rancher's program never asked, with or without --force.
            Self::Rm(rm) => Command::Rm(Rm {
                force: true,
                volumes: rm.volumes,
                stack_too: false,
                selected: rm.names.into(),
            }),
            Self::Pull(pull) => {
                Command::Pull(Pull { cached: pull.cached, selected: pull.names.into() })
            }
            Self::Upgrade(between) => {
                let between = Some(between.into());
                Command::Upgrade(Upgrade { command: None, between, common: Box::default() })
            }
        }
    }
}

impl From<Names> for Selected {
    fn from(names: Names) -> Self {
        Self { services: names.services, common: Common::default() }
    }
}

impl From<RancherUpgrade> for Between {
    fn from(upgrade: RancherUpgrade) -> Self {
        Self {
            from: upgrade.from,
            to: upgrade.to,
            // As ever, 0 leaves it to the server.
            batch_size: Some(upgrade.batch_size.max(1)),
            interval: Some(upgrade.interval),
            scale: Some(upgrade.scale),
            update_links: upgrade.update_links,
            wait: upgrade.wait,
            pull: upgrade.pull,
            waiting_ok: true,
            cleanup: upgrade.cleanup,
        }
    }
}

impl From<RancherUp> for Up {
    fn from(up: RancherUp) -> Self {
        Self {
            upgrade: up.upgrade,
            force_upgrade: up.force_upgrade,
            confirm_upgrade: up.confirm_upgrade,
            rollback: up.rollback,
            reason: None,
            pull: up.pull,
            batch_size: Some(up.batch_size),
            interval: Some(up.interval),
            prune: false,
            dry_run: false,
            plan: None,
            out: None,
            waiting_ok: true,
            detach: up.detach,
            selected: up.names.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Command {
        let words = std::iter::once("rancher-compose").chain(line.split(' '));
        Rancher::try_parse_from(words).unwrap_or_else(|e| panic!("{line}: {e}")).into_command()
    }

    fn up(line: &str) -> Up {
        match read(line) {
            Command::Up(up) => *up,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn short_options_mean_what_their_place_says() {
        let one = up("-p shop -r r.yml -f c.yml -e vars.env up -d -p -u -c");
        let stack = &one.selected.common.stack;
        assert_eq!(stack.project_name.as_deref(), Some("shop"));
        assert_eq!(stack.rancher_file, Some("r.yml".into()));
        assert_eq!(stack.env_file, Some("vars.env".into()));
        assert!(one.pull && one.upgrade && one.confirm_upgrade && one.detach && !one.rollback);
        let back = up("-p shop up -r web");
        assert!(back.rollback && !back.detach);
        assert_eq!(back.selected.services, ["web"]);
        assert_eq!(back.selected.common.stack.rancher_file, None);
    }

    #[test]
    fn the_jenkins_job() {
        let first =
            up("--url http://h:8080/v1 --access-key a --secret-key s -p app up -d --upgrade");
        assert_eq!(first.selected.common.server.url.as_deref(), Some("http://h:8080/v1"));
        assert_eq!((first.batch_size, first.interval), (Some(2), Some(1000)));
        assert!(up("up -d --upgrade --batch-size 1 --interval 30000").upgrade);
        assert!(up("up --confirm-upgrade -d").confirm_upgrade);
        assert!(up("up --rollback").rollback);
        assert!(up("--debug --verbose up --recreate --pull").upgrade);
        assert!(up("up --force-recreate").force_upgrade);
    }

    #[test]
    fn other_commands() {
        assert!(matches!(read("create"), Command::Create(_)));
        assert!(matches!(read("start -d web"), Command::Start(_)));
        assert!(matches!(read("down -t 5"), Command::Stop(_)));
        assert!(matches!(read("stop --timeout 5 web"), Command::Stop(_)));
        assert!(matches!(read("pull -c"), Command::Pull(Pull { cached: true, .. })));
        assert!(matches!(read("rm -f -v"), Command::Rm(Rm { force: true, .. })));
        assert!(matches!(read("logs --follow"), Command::Logs(Logs { follow: true, .. })));
        let Command::Scale(scale) = read("-p x scale -t 3 web=2 db=1") else { panic!() };
        assert_eq!(scale.scales, [("web".into(), 2), ("db".into(), 1)]);
        assert_eq!(scale.common.stack.project_name.as_deref(), Some("x"));
        let Command::Restart(restart) = read("restart --interval 5") else { panic!() };
        assert_eq!((restart.batch_size, restart.interval), (1, 5));
        let line = "upgrade --batch-size 1 --scale -1 --update-links=false --wait -c v1 v2";
        let Command::Upgrade(Upgrade { between: Some(between), .. }) = read(line) else { panic!() };
        assert_eq!((between.batch_size, between.scale), (Some(1), Some(-1)));
        assert_eq!((between.update_links, between.interval), (Some(false), Some(2000)));
        assert!(between.wait && between.cleanup && !between.pull);
    }

    #[test]
    fn what_it_does_not_know_is_a_usage_error() {
        for line in ["", "up --nonsense", "-x up", "scale web"] {
            let words = std::iter::once("rancher-compose").chain(line.split(' '));
            assert_eq!(Rancher::try_parse_from(words).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
