//! Options that several commands share: which stack, which server, how to say what happens. They may stand before
//! the command, as Rancher's and Docker's users are used to, or after it, which wins.

use std::path::PathBuf;

use clap::Args;

/// Which stack, from which files.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Stack")]
pub struct StackOptions {
    /// Compose file; may be repeated, later files override; `-` is stdin [env: COMPOSE_FILE] [default:
    /// docker-compose.yml and docker-compose.override.yml]
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Name of the stack [env: COMPOSE_PROJECT_NAME] [default: the directory's name]
    #[arg(short, long, value_name = "NAME")]
    pub project_name: Option<String>,
    /// File with values for variables in the files; they beat the environment's
    #[arg(short, long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    /// Rancher's companion file [default: rancher-compose.yml beside the compose file]
    #[arg(long, value_name = "FILE")]
    pub rancher_file: Option<PathBuf>,
}

/// Where the server is and who asks.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Server")]
pub struct ServerOptions {
    /// URL of the server or of an environment on it [env: DROVER_URL, RANCHER_URL]
    #[arg(long)]
    pub url: Option<String>,
    /// Access key [env: DROVER_ACCESS_KEY, RANCHER_ACCESS_KEY]
    #[arg(long, value_name = "KEY")]
    pub access_key: Option<String>,
    /// Secret key; better given in the environment [env: DROVER_SECRET_KEY, RANCHER_SECRET_KEY]
    #[arg(long, value_name = "KEY")]
    pub secret_key: Option<String>,
    /// Environment by name or id, if the key sees several [env: DROVER_ENVIRONMENT]
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
}

/// How to say what happens.
#[derive(Args, Clone, Copy, Debug, Default)]
#[command(next_help_heading = "Output")]
pub struct OutputOptions {
    /// One JSON object per line
    #[arg(long)]
    pub json: bool,
    /// Seconds to wait for the outcome before giving up with status 3 [default: 600]
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
}

/// What every command about a stack takes.
#[derive(Args, Clone, Debug, Default)]
pub struct Common {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub stack: StackOptions,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub server: ServerOptions,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub output: OutputOptions,
}

/// Options before the command, where Rancher's and Docker's users are used to write them.
#[derive(Args, Clone, Debug, Default)]
pub struct Before {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
    /// The same as --rancher-file, before the command only: after `up` it means --rollback
    #[arg(short = 'r', value_name = "FILE", help_heading = "Stack")]
    pub companion: Option<PathBuf>,
}

/// What every command about the server itself takes.
#[derive(Args, Clone, Debug, Default)]
pub struct Operator {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub server: ServerOptions,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub output: OutputOptions,
}

impl Before {
    /// What it says, as if it stood after the command.
    pub(super) fn common(&self) -> Common {
        let mut common = self.common.clone();
        inherit(&mut common.stack.rancher_file, self.companion.as_ref());
        common
    }
}

impl Operator {
    pub(super) fn inherit(&mut self, before: &Common) {
        self.server.inherit(&before.server);
        self.output.inherit(before.output);
    }
}

impl Common {
    pub(super) fn inherit(&mut self, before: &Self) {
        self.stack.inherit(&before.stack);
        self.server.inherit(&before.server);
        self.output.inherit(before.output);
    }
}

impl StackOptions {
    fn inherit(&mut self, before: &Self) {
        if self.files.is_empty() {
            self.files.clone_from(&before.files);
        }
        inherit(&mut self.project_name, before.project_name.as_ref());
        inherit(&mut self.env_file, before.env_file.as_ref());
        inherit(&mut self.rancher_file, before.rancher_file.as_ref());
    }
}

impl ServerOptions {
    fn inherit(&mut self, before: &Self) {
        inherit(&mut self.url, before.url.as_ref());
        inherit(&mut self.access_key, before.access_key.as_ref());
        inherit(&mut self.secret_key, before.secret_key.as_ref());
        inherit(&mut self.environment, before.environment.as_ref());
    }
}

impl OutputOptions {
    fn inherit(&mut self, before: Self) {
        self.json |= before.json;
        inherit(&mut self.timeout, before.timeout.as_ref());
    }
}

fn inherit<T: Clone>(own: &mut Option<T>, before: Option<&T>) {
    if own.is_none() {
        *own = before.cloned();
    }
}
