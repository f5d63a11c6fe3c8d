//! `cargo xtask clients`: programs that others wrote for Rancher's API, from PyPI and unmodified, against this server with
//! simulated hosts. The Python packages `cattle` and `gdapi-python` live through a service's life; `schemathesis` sends to
//! every operation of the server's own OpenAPI document what nobody would, and no answer may be a 5xx. With `--docker` the
//! service lives once more, on three Docker hosts.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use crate::api::{ApiError, Key};
use crate::checkout::{BuildError, build, outputs, root};
use crate::cluster::{Cluster, ClusterError};
use crate::command::{CommandError, output, run as run_line, show};
use crate::docker::{Engine, EngineError};
use crate::images;
use crate::packages::{self, PackagesError};
use crate::simulated::{Hosts, Solo, SoloError};
use crate::testbed::{Testbed, TestbedError};

/// As they were when this was last looked at.
const PACKAGES: [&str; 4] =
    ["cattle==0.5.4", "gdapi-python==0.5.3", "schemathesis==4.32.5", "websocket-client==1.9.0"];
/// The command line.
#[derive(Args)]
pub struct Arguments {
    /// Requests that are made up for each operation.
    #[arg(long, default_value_t = 15)]
    examples: u32,
    /// Let the service live on three Docker hosts on this machine, too.
    #[arg(long)]
    docker: bool,
    /// Number of the testbed that is made for that, 0 to 9.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=9))]
    bed: u8,
}

/// Why it did not go well.
#[derive(Debug, thiserror::Error)]
pub enum ClientsError {
    /// The product could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Python is not there.
    #[error(transparent)]
    Packages(#[from] PackagesError),
    /// A client, or its installation, failed; it has said why.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The server did not start.
    #[error(transparent)]
    Server(#[from] SoloError),
    /// The hosts did not, or a cluster on Docker.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The Docker hosts were not made.
    #[error(transparent)]
    Testbed(#[from] TestbedError),
    /// Their images were not.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// No token for the hosts.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// No folder to work in.
    #[error("no room for a server: {0}")]
    Room(#[from] std::io::Error),
}

/// Run them all.
pub fn run(arguments: &Arguments) -> Result<(), ClientsError> {
    let drover = build("--workspace --bin drover")?;
    let python = python()?;
    let home = tempfile::tempdir()?;
    let server = Solo::start(&drover, home.path())?;
    // Where things take next to no time.
    let state = home.path().join("hosts");
    let more = ["--simulate-start-ms", "20"];
    let hosts = Hosts { count: 3, name: "hosts", state: &state, more: &more };
    let _hosts = server.start_hosts(&server.make_token("1a5")?, hosts)?;
    println!("== cattle and gdapi-python");
    live(&python, &server.url(), &server.key, &SIMULATED)?;
    println!("== schemathesis");
    let document = format!("{}/v2-beta/projects/1a5/openapi.json", server.url());
    let auth = format!("{}:{}", server.key.access, server.key.secret);
    let examples = arguments.examples.to_string();
    let mut fuzz = Command::new(python.with_file_name("schemathesis"));
    fuzz.args(["run", &document, "--auth", &auth, "--checks", "not_a_server_error"]);
    fuzz.args(["--phases", "fuzzing", "--max-examples", &examples, "--request-timeout", "20"]);
    fuzz.args(["--suppress-health-check", "all"]).current_dir(home.path());
    show(&mut fuzz)?;
    if arguments.docker { on_docker(arguments.bed, &drover, &python) } else { Ok(()) }
}

/// What a service is made of, where it lives.
struct Stuff {
    /// Image, without its tag; there are 1, 2 and 3.
    image: &'static str,
    /// A command that works in it.
    command: &'static str,
}

/// Simulated hosts have any image, in which any command works.
const SIMULATED: Stuff = Stuff { image: "docker:nginx:", command: "true" };
const DOCKER: Stuff = Stuff { image: "docker:demo/web:", command: "/testapp health" };

fn live(python: &Path, url: &str, key: &Key, stuff: &Stuff) -> Result<(), ClientsError> {
    let mut script = Command::new(python);
    script.arg(root().join("xtask/clients/service_life.py"));
    script.env("IMAGE", stuff.image).env("COMMAND", stuff.command);
    Ok(show(with_key(&mut script, url, key))?)
}

fn on_docker(bed: u8, drover: &Path, python: &Path) -> Result<(), ClientsError> {
    println!("== cattle and gdapi-python, on Docker");
    let app = images::build_program()?;
    let lived = || {
        let hosts = Testbed::up(bed, 3, true)?;
        for host in &hosts.hosts {
            let engine = Engine::at(&host.socket);
            for tag in ["1", "2", "3"] {
                images::import_web(&engine, &app, tag)?;
            }
        }
        let cluster = Cluster::start(hosts, drover)?;
        live(python, &cluster.url(), cluster.key(), &DOCKER)
    };
    let outcome = lived();
    Testbed::release(bed)?;
    outcome
}

/// A Python with the clients, made once.
fn python() -> Result<PathBuf, ClientsError> {
    packages::provide(&[("python3", "python3-venv")])?;
    let folder = outputs().join("clients");
    let python = folder.join("bin/python");
    if !python.exists() {
        run_line(&format!("python3 -m venv {}", folder.display()))?;
    }
    output(Command::new(&python).args(["-m", "pip", "install", "-q"]).args(PACKAGES))?;
    Ok(python)
}

fn with_key<'a>(command: &'a mut Command, url: &str, key: &Key) -> &'a mut Command {
    command
        .env("DROVER_URL", url)
        .env("DROVER_ACCESS_KEY", &key.access)
        .env("DROVER_SECRET_KEY", &key.secret)
}
