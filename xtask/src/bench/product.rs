//! Drover, by its command line, and where its time goes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::contender::{Contender, Run};
use super::stage::IMAGE;
use super::{BenchError, io};
use crate::cluster::Cluster;

/// Drover.
pub(super) struct Drover<'a> {
    cluster: &'a Cluster,
    folder: tempfile::TempDir,
    /// When the planner began to decide on each deployment so far.
    pub(super) planned_at: Vec<SystemTime>,
}

impl<'a> Drover<'a> {
    pub(super) fn new(cluster: &'a Cluster) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir().map_err(io("make a folder for compose files"))?;
        Ok(Self { cluster, folder, planned_at: Vec::new() })
    }

    fn run(&self, line: &str) -> Result<(), BenchError> {
        let words: Vec<&str> = line.split(' ').collect();
        let done = self.cluster.run(self.folder.path(), &words)?;
        if done.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        Err(BenchError::Stuck { who: "Drover", what: format!("`drover {line}` failed: {said}") })
    }
}

impl Contender for Drover<'_> {
    fn name(&self) -> &'static str {
        "Drover"
    }

    fn deploy(&mut self, count: usize) -> Result<(), BenchError> {
        let write = |name: &str, text: String| {
            std::fs::write(self.folder.path().join(name), text).map_err(io(format!("write {name}")))
        };
        write("docker-compose.yml", format!("sleep:\n  image: {IMAGE}\n"))?;
        write("rancher-compose.yml", format!("sleep:\n  scale: {count}\n"))?;
        self.run("-p bench up -d")
    }

    fn look_back(&mut self, _: &Run) -> Result<(), BenchError> {
        let containers = self.cluster.api().list("/v2-beta/containers?sort=createdTS&limit=1")?;
        let planned_ms = containers.first().and_then(|c| c["createdTS"].as_u64());
        let planned = Duration::from_millis(planned_ms.unwrap_or_default());
        self.planned_at.push(UNIX_EPOCH + planned);
        Ok(())
    }

    fn remove(&mut self) -> Result<(), BenchError> {
        self.run("-p bench rm --force")
    }
}

/// Everything Docker knows of one container of a deployment of one.
pub(super) fn specimen(drover: &mut Drover<'_>) -> Result<Value, BenchError> {
    drover.deploy(1)?;
    let missing = || BenchError::Stuck { who: "Drover", what: "no container was made".to_owned() };
    let containers = drover.cluster.containers()?;
    let (host, model) =
        containers.iter().find(|(_, c)| c.image.starts_with(IMAGE)).ok_or_else(missing)?;
    let inspected = drover.cluster.engine(*host).inspect(&model.id)?;
    drover.remove()?;
    Ok(inspected)
}
