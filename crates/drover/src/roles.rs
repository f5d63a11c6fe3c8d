//! The long-running roles: options in, `run`, and what went wrong as one sentence out.

use std::error::Error;
use std::thread::available_parallelism;

use drover_core::Secret;
use drover_server::{AdminKey, Told};

use crate::command_line::{Agent, Balancer, Cipher, Discovery, Server};
use crate::runtime::workers;

/// Workers of a server: it waits for disks and agents, and idle it shall be small.
const SERVER_WORKERS: usize = 2;
/// Workers of an agent: Docker does the work.
const AGENT_WORKERS: usize = 1;

/// Workers of what encrypts: one for each direction.
const CIPHER_WORKERS: usize = 2;

/// `drover server`.
pub(crate) fn server(options: Server) -> Result<(), String> {
    let options = drover_server::Options {
        data: options.data_dir,
        listen: options.listen,
        url: options.public_url,
    };
    run(SERVER_WORKERS, drover_server::run(options, tell))
}

/// `drover agent`.
pub(crate) fn agent(options: Agent) -> Result<(), String> {
    let options = drover_agent::Options {
        server: options.server,
        token: options.token.map(Secret::new),
        state: options.state_dir,
        docker: options.docker,
        address: options.address,
        labels: options.labels.into_iter().collect(),
        hostname: options.hostname,
    };
    run(AGENT_WORKERS, drover_agent::run(options))
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
}
