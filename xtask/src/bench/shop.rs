//! One stack on a cluster, asked for by the command line as users do, and what engines have of it. What is in it and what
//! befalls it is each benchmark's own.

use std::net::SocketAddr;
use std::process::Output;
use std::time::Duration;

use tempfile::TempDir;

use super::{BenchError, io};
use crate::cluster::Cluster;
use crate::docker::Container;
use crate::load;
use crate::testbed::Testbed;
use crate::traffic::Mix;
use crate::wait::wait;

/// The stack.
const STACK: &str = "shop";
/// How long anything may take that has no deadline of its own.
const PATIENCE: Duration = Duration::from_mins(2);

/// A cluster and a folder with the stack's files.
pub(super) struct Shop {
    pub(super) cluster: Cluster,
    folder: TempDir,
}

impl Shop {
    /// Nothing is in it yet.
    pub(super) fn new(cluster: Cluster) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir().map_err(io("make a folder for compose files"))?;
        Ok(Self { cluster, folder })
    }

    /// With what these files say, up.
    pub(super) fn open(cluster: Cluster, compose: &str, rancher: &str) -> Result<Self, BenchError> {
        let shop = Self::new(cluster)?;
        shop.write(compose, rancher)?;
        shop.run("up -d")?;
        Ok(shop)
    }

    /// Write the compose file and Rancher's beside it.
    pub(super) fn write(&self, compose: &str, rancher: &str) -> Result<(), BenchError> {
        for (name, text) in [("docker-compose.yml", compose), ("rancher-compose.yml", rancher)] {
            std::fs::write(self.folder.path().join(name), text)
                .map_err(io(format!("write {name}")))?;
        }
        Ok(())
    }

    /// Run drover on the files, whatever becomes of it.
    pub(super) fn drover(&self, line: &str) -> Result<Output, BenchError> {
        let mut words = vec!["--project-name", STACK];
        words.extend(line.split(' '));
        Ok(self.cluster.run(self.folder.path(), &words)?)
    }

    /// Run drover on the files; it must succeed.
    pub(super) fn run(&self, line: &str) -> Result<(), BenchError> {
        let done = self.drover(line)?;
        if done.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&done.stderr);
        Err(stuck("Drover", format!("`drover {line}` failed: {said}")))
    }

    /// Remove it all; the hosts it was on.
    pub(super) fn close(self) -> Result<Testbed, BenchError> {
        self.run("rm --force")?;
        until("Drover", "the shop to be gone", || self.containers(is_of_stack).is_empty())?;
        Ok(self.cluster.bed.clone())
    }

    /// The containers of a service that run; of an engine that does not answer, none.
    pub(super) fn running(&self, service: &str) -> Vec<(u8, Container)> {
        let name = format!("{STACK}/{service}");
        self.containers(|c| c.state == "running" && service_of(c) == Some(name.as_str()))
    }

    fn containers(&self, is_meant: impl Fn(&Container) -> bool) -> Vec<(u8, Container)> {
        let on = |host: u8| {
            let all = self.cluster.engine(host).containers().unwrap_or_default();
            all.into_iter().map(move |container| (host, container))
        };
        let all = self.cluster.host_numbers().into_iter().flat_map(on);
        all.filter(|(_, container)| is_meant(container)).collect()
    }

    /// A host whose balancer answers, and not this one.
    pub(super) fn front(&self, not: Option<u8>) -> Result<u8, BenchError> {
        let mut hosts = self.cluster.host_numbers();
        hosts.retain(|host| not != Some(*host));
        let mut found = None;
        wait(PATIENCE, || {
            found = hosts.iter().copied().find(|h| load::ask(self.cluster.port(*h, 80)).is_ok());
            found.is_some()
        });
        found.ok_or_else(|| stuck("Drover", "no balancer answers".to_owned()))
    }

    /// Begin to ask the balancer of a host.
    pub(super) fn load(&self, front: u8, per_second: u32, phase: &str) -> Result<Mix, BenchError> {
        let place = self.cluster.port(front, 80);
        let ear = SocketAddr::from((self.cluster.bed.server, 0));
        Mix::start(vec![place], per_second, ear, phase).map_err(io("start the load"))
    }
}

/// Stack and service of a container, if it is one's.
pub(super) fn service_of(container: &Container) -> Option<&str> {
    container.labels.get("io.rancher.stack_service.name").map(String::as_str)
}

fn is_of_stack(container: &Container) -> bool {
    service_of(container).and_then(|name| name.split_once('/')).is_some_and(|(s, _)| s == STACK)
}

/// Wait until something is so; that it never came to be is an error.
pub(super) fn until(
    who: &'static str,
    what: &str,
    is_so: impl FnMut() -> bool,
) -> Result<(), BenchError> {
    if wait(PATIENCE, is_so) {
        Ok(())
    } else {
        Err(stuck(who, format!("in vain it was waited for {what}")))
    }
}

/// A contender that did not get there.
pub(super) fn stuck(who: &'static str, what: String) -> BenchError {
    BenchError::Stuck { who, what }
}
