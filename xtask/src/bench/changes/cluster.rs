//! A service of one container behind a balancer, scaled to two and back on three hosts. Up: from the engine's word that
//! the new container is healthy to the first answer by it through the balancer. Down: from before the request for
//! fewer to the first answer on every host that no longer names the container: planning is in it.

use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use super::Times;
use super::names::Names;
use crate::bench::stage::Stage;
use crate::bench::watch::Watch;
use crate::bench::{BenchError, io};
use crate::cluster::Cluster;
use crate::http::{Answer, Place, Request};
use crate::wait::wait;

const IMAGE: &str = "demo/web:v1";
const DOCKER_COMPOSE: &str = "version: '2'
services:
  web:
    image: demo/web:v1
  balancer:
    image: rancher/lb-service-haproxy
    ports:
      - 80:80/tcp
";
const RANCHER_COMPOSE: &str = "version: '2'
services:
  web:
    scale: 1
  balancer:
    scale: 1
    lb_config:
      port_rules:
        - protocol: http
          source_port: 80
          target_port: 80
          service: web
";
const NAME: &str = "web.changes.rancher.internal";
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(40);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(2);

/// Scale so many times.
pub(super) fn scale(stage: Stage, times: u32) -> Result<Vec<Times>, BenchError> {
    stage.import_all()?;
    let watch = Watch::new(&stage.sockets(), IMAGE)?;
    let cluster = stage.start_cluster()?;
    let mut shop = Shop::open(cluster, watch)?;
    let (mut answered, mut on_one, mut on_all) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..times {
        answered.push(shop.up()?);
        let mut gone = shop.down()?;
        gone.sort_unstable();
        on_all.extend(gone.last().copied());
        on_one.extend(gone);
    }
    Ok(vec![
        ("healthy → first answer through the balancer", answered),
        ("fewer asked for → name gone, each host", on_one),
        ("fewer asked for → name gone, last host", on_all),
    ])
}

/// The two services.
struct Shop {
    cluster: Cluster,
    watch: Watch,
    balancer: SocketAddr,
    /// Path of the service in the API.
    web: String,
    /// Who answers while there is one.
    one: String,
}

impl Shop {
    fn open(cluster: Cluster, watch: Watch) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir().map_err(io("make a folder for compose files"))?;
        for (name, text) in
            [("docker-compose.yml", DOCKER_COMPOSE), ("rancher-compose.yml", RANCHER_COMPOSE)]
        {
            let file = folder.path().join(name);
            std::fs::write(file, text).map_err(io(format!("write {name}")))?;
        }
        let done = cluster.run(folder.path(), &["-p", "changes", "up", "-d"])?;
        if !done.status.success() {
            return Err(stuck(String::from_utf8_lossy(&done.stderr).into_owned()));
        }
        let hosts: Vec<_> =
            cluster.host_numbers().into_iter().map(|host| cluster.port(host, 80)).collect();
        let mut found = None;
        wait(PATIENCE, || {
            found = hosts.iter().find_map(|place| Some((*place, who(*place)?)));
            found.is_some()
        });
        let (balancer, one) = found.ok_or_else(|| stuck("no balancer answers".to_owned()))?;
        let id = cluster.service("changes", "web")?["id"].as_str().unwrap_or_default().to_owned();
        let web = format!("/v2-beta/services/{id}");
        let shop = Self { cluster, watch, balancer, web, one };
        shop.names(1)?.into_iter().try_for_each(|asked| join(asked).map(drop))?;
        Ok(shop)
    }

    /// Once more; how long after it was healthy the new one answered.
    fn up(&mut self) -> Result<Duration, BenchError> {
        self.watch.begin();
        self.cluster.api().put(&self.web, &json!({"scale": 2}))?;
        let mut at = None;
        let deadline = Instant::now() + PATIENCE;
        while at.is_none() && Instant::now() < deadline {
            std::thread::sleep(LOOK);
            at = who(self.balancer).filter(|who| *who != self.one).map(|_| SystemTime::now());
        }
        let at = at.ok_or_else(|| stuck("the second container never answers".to_owned()))?;
        let healthy = self.watch.wait_until_healthy(PATIENCE);
        let healthy = healthy.ok_or_else(|| stuck("the engine knows of no health".to_owned()))?;
        self.names(2)?.into_iter().try_for_each(|asked| join(asked).map(drop))?;
        Ok(at.duration_since(healthy).unwrap_or_default())
    }

    /// One less; how long it took on each host until the name led to one only.
    fn down(&mut self) -> Result<Vec<Duration>, BenchError> {
        let asked = self.names(1)?;
        self.cluster.api().put(&self.web, &json!({"scale": 1}))?;
        let gone = asked.into_iter().map(join).collect::<Result<_, _>>()?;
        let is_so = |web: &Value| web["state"] == "active" && web["currentScale"] == 1;
        self.cluster.wait_for_service("changes", "web", is_so)?;
        self.one = who(self.balancer).ok_or_else(|| stuck("nobody answers".to_owned()))?;
        Ok(gone)
    }

    /// Ask on every host until the name leads to so many.
    fn names(&self, count: u16) -> Result<Vec<Asked>, BenchError> {
        let hosts = self.cluster.host_numbers().into_iter();
        let began = Instant::now();
        hosts
            .map(|host| {
                let names = Names::of(&self.cluster.bed, host)?;
                Ok(std::thread::spawn(move || {
                    let is_so = || names.count(NAME) == Some(count);
                    while !is_so() {
                        if began.elapsed() > PATIENCE {
                            return None;
                        }
                        std::thread::sleep(LOOK);
                    }
                    Some(began.elapsed())
                }))
            })
            .collect()
    }
}

type Asked = JoinHandle<Option<Duration>>;

fn join(asked: Asked) -> Result<Duration, BenchError> {
    let took = asked.join().ok().flatten();
    took.ok_or_else(|| stuck(format!("{NAME} never leads to as many as it should")))
}

fn stuck(what: String) -> BenchError {
    BenchError::Stuck { who: "Drover", what }
}

/// The host name of who answers through a balancer.
fn who(balancer: SocketAddr) -> Option<String> {
    let request = Request { patience: Duration::from_secs(5), ..Request::new("GET", "/") };
    let answer = request.send(&Place::Tcp(balancer)).ok().filter(Answer::is_success)?;
    Some(answer.text().lines().nth(1)?.to_owned())
}
