//! `cargo xtask testbed …`: the commands of a testbed that stays up until it is taken down.

use clap::{Args, Subcommand};

use super::{HostState, MOST_HOSTS, Testbed, TestbedError};

/// The command line.
#[derive(Args)]
pub struct Arguments {
    /// Number of the testbed, 0 to 9: beds with different numbers don't meet.
    #[arg(long, global = true, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=9))]
    bed: u8,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Bring hosts up; installs what is missing (needs root).
    Up {
        /// How many.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=i64::from(MOST_HOSTS)))]
        hosts: u8,
    },
    /// Remove the hosts and every trace of them.
    Down,
    /// Show the hosts and how they are.
    Status,
    /// Silence everything between one host and the server; its containers go on.
    Cut {
        /// Number of the host.
        host: u8,
    },
    /// Undo `cut`.
    Heal {
        /// Number of the host.
        host: u8,
    },
    /// Cut one host's power.
    Kill {
        /// Number of the host.
        host: u8,
    },
    /// Switch one host on again.
    Boot {
        /// Number of the host.
        host: u8,
    },
}

/// Do it.
pub fn run(arguments: &Arguments) -> Result<(), TestbedError> {
    let bed = arguments.bed;
    match arguments.action {
        Action::Up { hosts } => print_status(&Testbed::up(bed, hosts, false)?),
        Action::Down => {
            Testbed::down(bed)?;
            println!("Testbed {bed} is gone.");
        }
        Action::Status => print_status(&Testbed::attach(bed)?),
        Action::Cut { host } => {
            Testbed::attach(bed)?.cut(host)?;
            println!("Host {host} and the server no longer hear each other.");
        }
        Action::Heal { host } => {
            Testbed::attach(bed)?.heal(host)?;
            println!("Host {host} and the server hear each other.");
        }
        Action::Kill { host } => {
            Testbed::attach(bed)?.kill(host)?;
            println!("Host {host} is off.");
        }
        Action::Boot { host } => {
            Testbed::attach(bed)?.boot(host)?;
            println!("Host {host} is on and its engine answers.");
        }
    }
    Ok(())
}

fn print_status(testbed: &Testbed) {
    println!("HOST  NAME    ADDRESS       CONTAINERS      STATE    ENGINE");
    for host in &testbed.hosts {
        let (state, engine) = match testbed.state(host.number) {
            HostState::Off => ("off", String::new()),
            HostState::On { cut, engine } => (
                if cut { "cut off" } else { "on" },
                engine.map_or("doesn't answer".to_owned(), |(version, running)| {
                    format!("{version}, {running} running, unix://{}", host.socket.display())
                }),
            ),
        };
        let (number, address) = (host.number, host.address.to_string());
        let (name, containers) = (&host.name, &host.containers);
        println!("{number:<5} {name:<7} {address:<13} {containers:<15} {state:<8} {engine}");
    }
    println!("server side: {}   record: {}", testbed.server, testbed.record().display());
}
