//! An agent as a program of its own, for tests on hosts that are network namespaces: its network is the one it is
//! started in. As `discovery` it is a name service that answers nothing, but says what it follows; as `cipher` it is
//! the data plane's own.
//!
//! ```text
//! agent run SERVER STATE SOCKET
//! agent discovery --config FILE --status FILE
//! agent cipher --config FILE --status FILE --device DEVICE
//! ```
#![allow(clippy::print_stderr)] // it is a program

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use drover_agent::Options;
use drover_core::{Discovery, DiscoveryStatus, Secret};
use drover_dataplane::cipher;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["run", server, state, socket] => run(server, state, socket),
        ["discovery", "--config", config, "--status", status] => discovery(config, status),
        ["cipher", "--config", config, "--status", status, "--device", device] => {
            encrypt(config, status, device)
        }
        _ => {
            eprintln!("agent run | discovery | cipher, as agents call it");
            ExitCode::from(2)
        }
    }
}

fn run(server: &str, state: &str, socket: &str) -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    let ran = runtime.block_on(drover_agent::run(Options {
        server: Some(server.to_owned()),
        token: Some(Secret::new("good")),
        state: state.into(),
        docker: socket.into(),
        address: None,
        labels: BTreeMap::new(),
        hostname: None,
    }));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn encrypt(config: &str, status: &str, device: &str) -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let Ok(runtime) = runtime else { return ExitCode::FAILURE };
    let options = cipher::Options::new(config.into(), status.into(), device.to_owned());
    match runtime.block_on(cipher::run(options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Follow the file, until somebody ends it.
fn discovery(config: &str, status: &str) -> ExitCode {
    let mut said = None;
    loop {
        let read = std::fs::read(config).ok();
        let facts = read.and_then(|bytes| serde_json::from_slice::<Discovery>(&bytes).ok());
        let routing = facts.map(|facts| facts.routing);
        if routing.is_some() && routing != said {
            said = routing;
            let routing = routing.unwrap_or_default();
            let told = DiscoveryStatus { routing, ..DiscoveryStatus::default() };
            let new = format!("{status}.new");
            let written = serde_json::to_vec(&told).map_err(std::io::Error::other);
            let written = written.and_then(|bytes| std::fs::write(&new, bytes));
            if let Err(error) = written.and_then(|()| std::fs::rename(&new, status)) {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
