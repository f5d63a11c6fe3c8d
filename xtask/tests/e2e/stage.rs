//! What every test stands on: a fresh cluster on the testbed, images on every host, a folder with compose files, and
//! words for looking at containers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use xtask::cluster::Cluster;
use xtask::docker::Container;
use xtask::testbed::Testbed;
use xtask::wait::wait;
use xtask::{checkout, images, load};

/// The stack of every test.
pub(crate) const STACK: &str = "shop";

/// A cluster and a folder.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) folder: TempDir,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Done {
    /// Its exit status.
    pub(crate) status: Option<i32>,
    /// Everything it printed.
    pub(crate) text: String,
}

/// A container's identity and its life: the same again only if nothing touched it.
pub(crate) type Lives = BTreeMap<String, (String, Value)>;

impl Stage {
    /// Set it; none where there is no testbed.
    pub(crate) fn set() -> Option<Self> {
        Self::set_with(|bed| Cluster::start(bed, &drover()).unwrap())
    }

    /// Set it with a cluster of one's own.
    pub(crate) fn set_with(start: impl FnOnce(Testbed) -> Cluster) -> Option<Self> {
        let Some(bed) = Testbed::from_environment().unwrap() else {
            eprintln!("no testbed (DROVER_TESTBED is not set): nothing tested");
            return None;
        };
        let program = test_app();
        let cluster = start(bed);
        for host in cluster.host_numbers() {
            let engine = cluster.engine(host);
            if engine.ask("GET", "/images/demo/sleep:1/json", "", &[]).is_err() {
                images::import_all(&engine, &program).unwrap();
            }
        }
        Some(Self { cluster, folder: tempfile::tempdir().unwrap() })
    }

    /// Write the compose file and Rancher's beside it.
    pub(crate) fn files(&self, compose: &str, rancher: &str) {
        std::fs::write(self.folder.path().join("docker-compose.yml"), compose).unwrap();
        std::fs::write(self.folder.path().join("rancher-compose.yml"), rancher).unwrap();
    }

    /// Write the files of a plain web service.
    pub(crate) fn web(&self, version: &str, scale: u32) {
        self.files(
            &format!("web:\n  image: demo/web:{version}\n"),
            &format!("web:\n  scale: {scale}\n"),
        );
    }

    /// Run drover on the files, whatever becomes of it.
    pub(crate) fn drover(&self, line: &str) -> Done {
        let mut words = vec!["--project-name", STACK];
        words.extend(line.split(' '));
        let output = self.cluster.run(self.folder.path(), &words).unwrap();
        Done::of(&output)
    }

    /// Run drover on the files; it must succeed.
    pub(crate) fn ok(&self, line: &str) -> Done {
        let done = self.drover(line);
        assert_eq!(done.status, Some(0), "drover {line}:\n{}", done.text);
        done
    }

    /// What the product calls the host of that number.
    pub(crate) fn host_name(&self, number: u8) -> String {
        let address = self.cluster.port(number, 80).ip().to_string();
        let hosts = self.cluster.api().list("/v2-beta/hosts").unwrap();
        let host = hosts.iter().find(|host| host["agentIpAddress"] == address.as_str());
        host.unwrap()["hostname"].as_str().unwrap().to_owned()
    }

    /// Where the stack's balancer answers on port 80, once it does.
    pub(crate) fn balancer(&self) -> SocketAddr {
        let hosts = self.cluster.host_numbers().into_iter();
        let places: Vec<SocketAddr> = hosts.map(|host| self.cluster.port(host, 80)).collect();
        load::first_to_answer(&places).unwrap()
    }

    /// The containers of a service, by name, with their hosts.
    pub(crate) fn containers(&self, service: &str) -> Vec<(u8, Container)> {
        let label = format!("{STACK}/{service}");
        let mut all = self.cluster.containers().unwrap();
        all.retain(|(_, c)| c.labels.get("io.rancher.stack_service.name") == Some(&label));
        all
    }

    /// Those that run.
    pub(crate) fn running(&self, service: &str) -> Vec<(u8, Container)> {
        let mut all = self.containers(service);
        all.retain(|(_, c)| c.state == "running");
        all
    }

    /// Ids of those that run.
    pub(crate) fn running_ids(&self, service: &str) -> BTreeSet<String> {
        self.running(service).into_iter().map(|(_, c)| c.id).collect()
    }

    /// Kill one of a service's containers behind the product's back, on a host if one is named, and see as many run again;
    /// how long that took.
    pub(crate) fn crash_one(&self, service: &str, on: Option<u8>) -> Duration {
        let running = self.running(service);
        let mut choice = running.iter().filter(|(host, _)| on.is_none_or(|on| on == *host));
        let (host, victim) = choice.next().unwrap();
        let engine = self.cluster.engine(*host);
        let life = || engine.inspect(&victim.id).map(|c| c["State"]["StartedAt"].clone()).ok();
        let before = life();
        engine.kill(&victim.id).unwrap();
        let killed = Instant::now();
        let back = wait(Duration::from_secs(20), || {
            self.running(service).len() == running.len() && life() != before
        });
        assert!(back, "a killed container of {service} did not come back");
        killed.elapsed()
    }

    /// The lives of all Drover's containers.
    pub(crate) fn lives(&self) -> Lives {
        let containers = self.cluster.containers().unwrap();
        let life = |(host, c): (u8, Container)| {
            let seen = self.cluster.engine(host).inspect(&c.id).unwrap();
            (c.id, (c.state, seen["State"]["StartedAt"].clone()))
        };
        containers.into_iter().map(life).collect()
    }
}

impl Done {
    fn of(output: &std::process::Output) -> Self {
        let text = [output.stdout.clone(), output.stderr.clone()].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        Self { status: output.status.code(), text }
    }

    /// It must have ended with this status and said all of these.
    #[track_caller]
    pub(crate) fn must(&self, status: i32, said: &[&str]) {
        assert_eq!(self.status, Some(status), "{}", self.text);
        for words in said {
            assert!(self.text.contains(words), "`{words}` is missing in:\n{}", self.text);
        }
    }
}

/// The product's program.
pub(crate) fn drover() -> PathBuf {
    built("DROVER_TEST_BINARY", || checkout::build("--workspace --bin drover").unwrap())
}

/// The program that images are made of.
pub(crate) fn test_app() -> PathBuf {
    built("DROVER_TEST_APP", || images::build_program().unwrap())
}

/// A program that whoever runs the tests has built, or else is built now.
fn built(variable: &str, build: impl FnOnce() -> PathBuf) -> PathBuf {
    std::env::var_os(variable).map_or_else(build, PathBuf::from)
}
