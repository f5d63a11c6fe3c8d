//! The long-running roles: options in, `run`, and what went wrong as one sentence out.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::IpAddr;
use std::thread::available_parallelism;
use std::time::Duration;

use drover_agent::Simulation;
use drover_agent::environment::host_labels;
use drover_core::Secret;
use drover_server::{AdminKey, Told};

use crate::command_line::{Agent, Balancer, Cipher, Discovery, Server};
use crate::runtime::workers;

/// Workers of a server: it waits for disks and agents, and idle it shall be small.
const SERVER_WORKERS: usize = 2;
/// Workers of an agent: Docker does the work.
const AGENT_WORKERS: usize = 1;
/// Labels of the host, as Rancher's tools give them.
const HOST_LABELS: &str = "CATTLE_HOST_LABELS";
/// Address of the host, likewise.
const AGENT_IP: &str = "CATTLE_AGENT_IP";
/// The agent's folder.
const STATE_DIR: &str = "/var/lib/drover";

/// Workers of what encrypts: one for each direction.
const CIPHER_WORKERS: usize = 2;

/// `drover server`.
pub(crate) fn server(options: Server) -> Result<(), String> {
    let options = drover_server::Options {
        data: options.data_dir,
        listen: options.listen,
        url: options.public_url,
        catalog: options.catalog,
    };
    run(SERVER_WORKERS, drover_server::run(options, tell))
}

/// `drover agent`.
pub(crate) fn agent(asked: Agent) -> Result<(), String> {
    let (address, labels) = given(asked.address, asked.labels, &|name| std::env::var(name).ok())?;
    let options = drover_agent::Options {
        server: asked.server,
        token: asked.token.map(Secret::new),
        state: asked.state_dir.clone().unwrap_or_else(|| STATE_DIR.into()),
        docker: asked.docker,
        address,
        labels,
        hostname: asked.hostname,
    };
    let Some(hosts) = asked.simulate else {
        return run(AGENT_WORKERS, drover_agent::run(options));
    };
    let start = Duration::from_millis(asked.simulate_start_ms);
    let stop = asked.simulate_stop_ms.map_or(start, Duration::from_millis);
    simulate(options, asked.state_dir.is_some(), Simulation { hosts, start, stop })
}

/// Address and labels: options, and what Rancher's tools put into the environment of an agent that is run by their command.
fn given(
    address: Option<IpAddr>,
    labels: Vec<(String, String)>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(Option<IpAddr>, BTreeMap<String, String>), String> {
    let said = |name: &str| env(name).filter(|text| !text.trim().is_empty());
    let address = match (address, said(AGENT_IP)) {
        (None, Some(text)) => {
            let read = text.trim().parse();
            Some(read.map_err(|_| format!("{AGENT_IP} is `{text}`, which is no IP address"))?)
        }
        (address, _) => address,
    };
    let mut all = host_labels(&said(HOST_LABELS).unwrap_or_default());
    all.extend(labels);
    Ok((address, all))
}

/// `drover agent --simulate`. Without a folder of the user's choice its state goes with it.
fn simulate(
    mut options: drover_agent::Options,
    keeps_state: bool,
    simulation: Simulation,
) -> Result<(), String> {
    let passing = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    if !keeps_state {
        passing.path().clone_into(&mut options.state);
    }
    let count = available_parallelism().map_or(1, usize::from);
    run(count, drover_agent::simulate(options, simulation))
}

/// `drover balancer`.
pub(crate) fn balancer(options: Balancer) -> Result<(), String> {
    let Balancer { config, status, access_log } = options;
    let options = drover_dataplane::balancer::Options { config, status, access_log };
    // Every request goes through it: as many workers as there are processors.
    let count = available_parallelism().map_or(1, usize::from);
    run(count, drover_dataplane::balancer::run(options))
}

/// `drover discovery`.
pub(crate) fn discovery(options: Discovery) -> Result<(), String> {
    let options = drover_dataplane::discovery::Options {
        config: options.config,
        status: options.status,
        listen: options.listen,
        dns_port: options.dns_port,
        metadata_port: options.metadata_port,
    };
    // Every container of the host asks it.
    let count = available_parallelism().map_or(1, usize::from);
    run(count, drover_dataplane::discovery::run(options))
}

/// `drover cipher`.
pub(crate) fn cipher(options: Cipher) -> Result<(), String> {
    let Cipher { config, status, device } = options;
    let options = drover_dataplane::cipher::Options::new(config, status, device);
    run(CIPHER_WORKERS, drover_dataplane::cipher::run(options))
}

fn run<E: Error>(count: usize, role: impl Future<Output = Result<(), E>>) -> Result<(), String> {
    let runtime = workers(count).map_err(|error| format!("could not set up a runtime: {error}"))?;
    runtime.block_on(role).map_err(|error| sentence(&error))
}

/// What the server has to say to whoever started it.
fn tell(what: Told) {
    match what {
        Told::AdminKey(AdminKey { access, secret }) => println!(
            "This is a new cluster. Its administrator's key, shown this once:\n\n  export \
             DROVER_ACCESS_KEY={access}\n  export DROVER_SECRET_KEY={}\n",
            secret.reveal()
        ),
        Told::Listening(address) => println!("Listening on http://{address}"),
    }
}

/// A message and what caused it, in one sentence; a cause that the message holds already is not repeated.
fn sentence(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Nested {
        text: &'static str,
        #[source]
        cause: Option<Box<Nested>>,
    }

    #[test]
    fn causes_are_chained_once() {
        let innermost = Nested { text: "disk full", cause: None };
        let inner =
            Nested { text: "could not write a: disk full", cause: Some(Box::new(innermost)) };
        let outer = Nested { text: "the server stopped", cause: Some(Box::new(inner)) };
        assert_eq!(sentence(&outer), "the server stopped: could not write a: disk full");
    }

    #[test]
    fn an_agent_hears_what_ranchers_tools_say() {
        let env = |name: &str| match name {
            HOST_LABELS => Some("tier=front&zone=a".to_owned()),
            AGENT_IP => Some("10.0.0.5".to_owned()),
            _ => None,
        };
        let option = vec![("tier".to_owned(), "back".to_owned())];
        let (address, labels) = given(None, option, &env).unwrap();
        assert_eq!(address, "10.0.0.5".parse().ok());
        let labels: Vec<_> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(labels, ["tier=back", "zone=a"], "an option wins");
        let own = "10.0.0.9".parse().ok();
        assert_eq!(given(own, Vec::new(), &env).unwrap().0, own);
        let wrong = |_: &str| Some("here".to_owned());
        let said = given(None, Vec::new(), &wrong).unwrap_err();
        assert_eq!(said, "CATTLE_AGENT_IP is `here`, which is no IP address");
        assert_eq!(given(None, Vec::new(), &|_| None), Ok((None, BTreeMap::new())));
    }
}
