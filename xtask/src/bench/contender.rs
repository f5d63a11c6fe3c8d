//! Three ways to have containers on three engines: straight through Docker's API, by Drover, by Docker Swarm. Same
//! image, same network, same moment at which they count as running: when the engines say so.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::BenchError;
use crate::cluster::Cluster;
use crate::docker::Engine;
use crate::testbed::Testbed;
use crate::wait::wait;

/// What every contender runs. The registry in its name is this host's own and nobody is there: who insists on a pull
/// is refused at once.
pub(super) const IMAGE: &str = "127.0.0.1:5000/demo/sleep:1";

/// How long a deployment or its removal may take.
const PATIENCE: Duration = Duration::from_mins(10);

/// One way.
pub(super) trait Contender {
    /// What it is called.
    fn name(&self) -> &'static str;
    /// Begin to bring `count` containers up.
    fn deploy(&mut self, count: usize) -> Result<(), BenchError>;
    /// Begin to remove them.
    fn remove(&mut self) -> Result<(), BenchError>;
}

/// Deploy, measure, remove.
pub(super) fn measure(
    contender: &mut dyn Contender,
    engines: &[Engine],
    count: usize,
) -> Result<Duration, BenchError> {
    let who = contender.name();
    let started = Instant::now();
    contender.deploy(count)?;
    let there = wait_for(engines, |running, _| running == count);
    let took = started.elapsed();
    contender.remove()?;
    if !wait_for(engines, |_, all| all == 0) {
        return Err(BenchError::Stuck { who, what: "its containers did not go away".to_owned() });
    }
    if !there {
        return Err(BenchError::Stuck { who, what: format!("{count} containers did not run") });
    }
    Ok(took)
}

/// Wait until the benchmark's containers, running and all, are as wanted.
fn wait_for(engines: &[Engine], is_so: impl Fn(usize, usize) -> bool) -> bool {
    wait(PATIENCE, || {
        std::thread::sleep(Duration::from_millis(90));
        let containers: Vec<_> =
            engines.iter().flat_map(|e| e.containers().unwrap_or_default()).collect();
        let ours = || containers.iter().filter(|c| c.image.starts_with(IMAGE));
        is_so(ours().filter(|c| c.state == "running").count(), ours().count())
    })
}

/// Straight through Docker's API, some requests at a time on each engine: nothing can be faster.
pub(super) struct Floor {
    engines: Vec<Engine>,
    /// Requests at a time on each engine.
    pub(super) at_a_time: usize,
}

impl Floor {
    pub(super) fn new(engines: &[Engine], at_a_time: usize) -> Self {
        Self { engines: engines.to_vec(), at_a_time }
    }

    /// Do something to every engine's share of work, `at_a_time` threads each.
    fn each(
        &self,
        work: &[Vec<String>],
        act: impl Fn(&Engine, &str) -> Result<(), BenchError> + Sync,
    ) -> Result<(), BenchError> {
        std::thread::scope(|scope| {
            let mut threads = Vec::new();
            for (engine, work) in self.engines.iter().zip(work) {
                let next = std::sync::Arc::new(AtomicUsize::new(0));
                for _ in 0..self.at_a_time {
                    let (next, act) = (next.clone(), &act);
                    threads.push(scope.spawn(move || {
                        while let Some(item) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                            act(engine, item)?;
                        }
                        Ok(())
                    }));
                }
            }
            threads.into_iter().try_for_each(|thread| match thread.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })
    }
}

impl Contender for Floor {
    fn name(&self) -> &'static str {
        "Docker's API"
    }

    fn deploy(&mut self, count: usize) -> Result<(), BenchError> {
        let mut work = vec![Vec::new(); self.engines.len()];
        for number in 0..count {
            work[number % self.engines.len()].push(format!("floor-{number}"));
        }
        self.each(&work, |engine, name| {
            let id = engine.create(name, &json!({ "Image": IMAGE }))?;
            Ok(engine.start(&id)?)
        })
    }

    fn remove(&mut self) -> Result<(), BenchError> {
        let ids = |engine: &Engine| -> Result<Vec<String>, BenchError> {
            let containers = engine.containers()?.into_iter();
            Ok(containers.filter(|c| c.image == IMAGE).map(|c| c.id).collect())
        };
        let work = self.engines.iter().map(ids).collect::<Result<Vec<_>, _>>()?;
        self.each(&work, |engine, id| Ok(engine.remove(id)?))
    }
}

/// Drover, by its command line.
pub(super) struct Drover<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) folder: tempfile::TempDir,
}

impl Drover<'_> {
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
            std::fs::write(self.folder.path().join(name), text).map_err(BenchError::Files)
        };
        write("docker-compose.yml", format!("sleep:\n  image: {IMAGE}\n"))?;
        write("rancher-compose.yml", format!("sleep:\n  scale: {count}\n"))?;
        self.run("-p bench up -d")
    }

    fn remove(&mut self) -> Result<(), BenchError> {
        self.run("-p bench rm --force")
    }
}

/// Docker Swarm over the same engines, its services without virtual addresses (this kernel may lack them).
pub(super) struct Swarm {
    engines: Vec<Engine>,
}

impl Swarm {
    /// Make the engines a swarm; an error where Swarm doesn't run.
    pub(super) fn new(bed: &Testbed, engines: &[Engine]) -> Result<Self, BenchError> {
        for host in &bed.hosts {
            // Swarm refuses engines that keep containers alive over their own restart.
            bed.set_live_restore(host.number, false)?;
        }
        let manager = bed.hosts[0].address;
        let ask = |engine: &Engine, path: &str, body: &Value| -> Result<Value, BenchError> {
            Ok(engine.ask("POST", path, "application/json", body.to_string().as_bytes())?.json())
        };
        let port = format!("{manager}:2377");
        ask(&engines[0], "/swarm/init", &json!({ "ListenAddr": port, "AdvertiseAddr": port }))?;
        let swarm = engines[0].ask("GET", "/swarm", "", &[])?.json();
        for (host, engine) in bed.hosts.iter().zip(engines).skip(1) {
            let own = format!("{}:2377", host.address);
            let join = json!({
                "ListenAddr": own, "AdvertiseAddr": own, "RemoteAddrs": [port],
                "JoinToken": swarm["JoinTokens"]["Worker"],
            });
            ask(engine, "/swarm/join", &join)?;
        }
        Ok(Self { engines: engines.to_vec() })
    }
}

impl Contender for Swarm {
    fn name(&self) -> &'static str {
        "Docker Swarm"
    }

    fn deploy(&mut self, count: usize) -> Result<(), BenchError> {
        let service = json!({
            "Name": "bench",
            "TaskTemplate": { "ContainerSpec": { "Image": IMAGE } },
            "Mode": { "Replicated": { "Replicas": count } },
            "EndpointSpec": { "Mode": "dnsrr" },
        });
        let body = service.to_string();
        self.engines[0].ask("POST", "/services/create", "application/json", body.as_bytes())?;
        Ok(())
    }

    fn remove(&mut self) -> Result<(), BenchError> {
        self.engines[0].ask("DELETE", "/services/bench", "", &[])?;
        Ok(())
    }
}
