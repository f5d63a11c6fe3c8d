//! Docker Swarm over the same engines, its services without virtual addresses (this kernel may lack them).

use serde_json::{Value, json};

use super::BenchError;
use super::contender::Contender;
use super::stage::IMAGE;
use crate::docker::Engine;
use crate::testbed::Testbed;

/// Docker Swarm.
pub(super) struct Swarm {
    manager: Engine,
}

impl Swarm {
    /// Make the engines a swarm; an error where Swarm doesn't run.
    pub(super) fn new(bed: &Testbed, engines: &[Engine]) -> Result<Self, BenchError> {
        for host in &bed.hosts {
            // Swarm refuses engines that keep containers alive over their own restart.
            bed.set_live_restore(host.number, false)?;
        }
        let manager = &engines[0];
        let port = format!("{}:2377", bed.hosts[0].address);
        post(manager, "/swarm/init", &json!({ "ListenAddr": port, "AdvertiseAddr": port }))?;
        let swarm = manager.ask("GET", "/swarm", "", &[])?.json();
        for (host, engine) in bed.hosts.iter().zip(engines).skip(1) {
            let own = format!("{}:2377", host.address);
            let join = json!({
                "ListenAddr": own, "AdvertiseAddr": own, "RemoteAddrs": [port],
                "JoinToken": swarm["JoinTokens"]["Worker"],
            });
            post(engine, "/swarm/join", &join)?;
        }
        Ok(Self { manager: manager.clone() })
    }

    /// Make them single engines again, as they were.
    pub(super) fn leave(bed: &Testbed, engines: &[Engine]) -> Result<(), BenchError> {
        for engine in engines.iter().rev() {
            post(engine, "/swarm/leave?force=1", &json!({}))?;
        }
        bed.hosts.iter().try_for_each(|host| Ok(bed.set_live_restore(host.number, true)?))
    }
}

impl Swarm {
    /// Whether so many nodes are ready.
    pub(super) fn is_whole(&self, nodes: usize) -> bool {
        let all = self.manager.ask("GET", "/nodes", "", &[]).map(|answer| answer.json());
        let all = all.ok().and_then(|all| all.as_array().cloned()).unwrap_or_default();
        all.iter().filter(|node| node["Status"]["State"] == "ready").count() == nodes
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
        post(&self.manager, "/services/create", &service)
    }

    fn remove(&mut self) -> Result<(), BenchError> {
        self.manager.ask("DELETE", "/services/bench", "", &[])?;
        Ok(())
    }
}

pub(super) fn post(engine: &Engine, path: &str, body: &Value) -> Result<(), BenchError> {
    engine.ask("POST", path, "application/json", body.to_string().as_bytes())?;
    Ok(())
}
