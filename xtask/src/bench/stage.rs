//! What every benchmark stands on: three hosts with the image, a server, three agents, from a release build.

use std::path::PathBuf;

use clap::Args;

use super::{BenchError, io};
use crate::cluster::Cluster;
use crate::docker::Engine;
use crate::interrupt::unless_interrupted;
use crate::testbed::Testbed;
use crate::{checkout, images};

/// Its hosts.
const HOSTS: u8 = 3;

/// What all containers run. The registry in its name is this host's own and nobody is there: who insists on a pull
/// is refused at once.
pub(super) const IMAGE: &str = "127.0.0.1:5000/demo/sleep:1";

/// Which program is measured.
#[derive(Args, Clone)]
pub(super) struct Measured {
    /// The `drover` to measure; built in the release profile if left out.
    #[arg(long)]
    drover: Option<PathBuf>,
    /// Number of the testbed, where there is one.
    #[arg(long, default_value_t = 3)]
    bed: u8,
}

impl Measured {
    /// The program, built if it has to be.
    pub(super) fn program(&self) -> Result<PathBuf, BenchError> {
        match &self.drover {
            Some(drover) => Ok(drover.clone()),
            None => Ok(checkout::build("--release --bin drover")?),
        }
    }

    /// Build what is missing, raise the hosts, hand them to `act`, and take them down whatever comes of it.
    pub(super) fn on_hosts(
        &self,
        act: impl FnOnce(Stage) -> Result<(), BenchError> + Send + 'static,
    ) -> Result<(), BenchError> {
        let drover = self.program()?;
        let bed = self.bed;
        let outcome = unless_interrupted(move || Stage::raise(bed, drover).and_then(act));
        Testbed::release(bed)?;
        outcome.map_err(io("listen for Ctrl-C"))?.unwrap_or(Err(BenchError::Interrupted))
    }
}

/// Hosts with the image, and nothing else on them yet.
pub(super) struct Stage {
    pub(super) bed: Testbed,
    pub(super) engines: Vec<Engine>,
    drover: PathBuf,
}

impl Stage {
    fn raise(bed: u8, drover: PathBuf) -> Result<Self, BenchError> {
        let program = images::build_program()?;
        let bed = Testbed::up(bed, HOSTS, true)?;
        let engines: Vec<Engine> = bed.hosts.iter().map(|h| Engine::at(&h.socket)).collect();
        for engine in &engines {
            images::import_sleeper_as(engine, &program, IMAGE)?;
        }
        Ok(Self { bed, engines, drover })
    }

    /// Where the engines listen.
    pub(super) fn sockets(&self) -> Vec<PathBuf> {
        self.bed.hosts.iter().map(|h| h.socket.clone()).collect()
    }

    /// Have the images of demo and tests on every host, too.
    pub(super) fn import_all(&self) -> Result<(), BenchError> {
        let program = images::build_program()?;
        Ok(self.engines.iter().try_for_each(|engine| images::import_all(engine, &program))?)
    }

    /// Start server and agents.
    pub(super) fn start_cluster(self) -> Result<Cluster, BenchError> {
        Ok(Cluster::start(self.bed, &self.drover)?)
    }
}
