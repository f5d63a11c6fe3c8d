//! Programs that scrape find here what they would find in Consul: what comes and goes comes and goes there. Debian's
//! packages are taken for it, unpacked and not installed: Prometheus where it is built with `consul_sd_configs` (in Debian
//! 12 it is not), else VictoriaMetrics, which reads the same configuration and answers in the same way. Says so where
//! neither can be had.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use xtask::cluster::Program;
use xtask::command::output;
use xtask::http::{Place, Request};
use xtask::packages;
use xtask::wait::wait;

use super::stage::Stage;

/// Until a change is seen: containers that start and stop, and the half minute between two looks at the list of names.
const PATIENCE: Duration = Duration::from_mins(1);

/// What is told of a target besides its address.
const FOUND: [&str; 3] = ["node", "service", "tags"];

/// A target as `address node service tags health`.
type Targets = BTreeSet<String>;

#[test]
fn a_scraper_finds_what_runs_and_forgets_what_goes() {
    let Some(stage) = Stage::set() else { return };
    let folder = stage.folder.path().join("scraping");
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("config.yml");
    std::fs::write(&file, config(&stage).to_string()).unwrap();
    let Some(scraper) = scraper(&folder, &file) else { return };
    let deploy = |version: &str, scale: u32| {
        let compose = format!(
            "web:\n  image: demo/web:{version}\n  ports:\n    - 9100:80\n  labels:\n    SERVICE_NAME: site\n    \
             SERVICE_TAGS: blue,{version}\n"
        );
        stage.files(&compose, &format!("web:\n  scale: {scale}\n"));
    };
    deploy("v1", 2);
    stage.ok("up -d");
    let running = Running::start(&scraper, &file, &folder);
    running.shows("two", &expected(&stage, "v1", 2));

    deploy("v1", 3);
    stage.ok("scale web=3");
    running.shows("a third", &expected(&stage, "v1", 3));

    deploy("v2", 3);
    stage.ok("up -d --upgrade --waiting-ok");
    running.shows("the new version", &expected(&stage, "v2", 3));
    stage.ok("up -d --confirm-upgrade");

    stage.ok("scale web=1");
    running.shows("the last", &expected(&stage, "v2", 1));

    // A wrong key finds nothing, and the log says why.
    assert_eq!(running.targets("wrong"), Targets::new());
    let log = std::fs::read_to_string(&running.log).unwrap();
    assert!(log.contains("403") && log.contains("secret key is wrong"), "{log}");
}

/// A program that scrapes, and its flags for where it listens, its configuration and its data.
struct Scraper {
    program: PathBuf,
    flags: [&'static str; 3],
    more: &'static [&'static str],
}

/// The first of Debian's that can be had and knows Consul.
fn scraper(folder: &Path, config: &Path) -> Option<Scraper> {
    let have = |package: &str| {
        let folder = folder.join(package);
        std::fs::create_dir(&folder).unwrap();
        let unpacked = packages::unpack(package, &folder);
        unpacked.map(|()| folder.join("usr/bin")).map_err(|error| error.to_string())
    };
    let prometheus = have("prometheus").and_then(|programs| {
        let mut check = Command::new(programs.join("promtool"));
        let checked = output(check.args(["check", "config"]).arg(config));
        checked.map(|_| programs.join("prometheus")).map_err(|error| error.to_string())
    });
    match prometheus {
        Ok(program) => {
            let flags = ["--web.listen-address", "--config.file", "--storage.tsdb.path"];
            return Some(Scraper { program, flags, more: &[] });
        }
        Err(why) => eprintln!("SKIPPED, Debian's Prometheus finds nothing in a Consul: {why}"),
    }
    match have("victoria-metrics") {
        Ok(programs) => {
            let program = programs.join("victoria-metrics");
            let flags = ["-httpListenAddr", "-promscrape.config", "-storageDataPath"];
            Some(Scraper { program, flags, more: &["-promscrape.consulSDCheckInterval=1s"] })
        }
        Err(why) => {
            eprintln!("SKIPPED, finding services is not tested with VictoriaMetrics either: {why}");
            None
        }
    }
}

/// What must be found: every running container at its host, and scraped.
fn expected(stage: &Stage, version: &str, scale: usize) -> Targets {
    let running = stage.running("web");
    assert_eq!(running.len(), scale);
    let hosts = running.iter().map(|(host, _)| (*host, stage.cluster.port(*host, 9100)));
    hosts.map(|(host, at)| format!("{at} host{host} site ,blue,{version}, up")).collect()
}

/// One that runs.
struct Running {
    at: SocketAddr,
    log: PathBuf,
    _program: Program,
}

/// Ask with an API key, and once more with a wrong one.
fn config(stage: &Stage) -> Value {
    let key = stage.cluster.api().post("/v2-beta/projects/1a5/apikeys", &json!({})).unwrap();
    let part = |name: &str| key[name].as_str().unwrap().to_owned();
    let right = format!("{}:{}", part("publicValue"), part("secretValue"));
    let wrong = format!("{}:guess", part("publicValue"));
    let server = stage.cluster.url().trim_start_matches("http://").to_owned();
    // What nobody makes a label of is not followed: VictoriaMetrics goes on with a target of which only that changed.
    let relabel = FOUND.map(
        |name| json!({ "source_labels": [format!("__meta_consul_{name}")], "target_label": name }),
    );
    let job = |name: &str, token: &str| {
        json!({
            "job_name": name,
            "scrape_interval": "1s",
            "consul_sd_configs": [{ "server": server, "token": token }],
            "relabel_configs": relabel,
        })
    };
    json!({ "scrape_configs": [job("right", &right), job("wrong", &wrong)] })
}

impl Running {
    fn start(scraper: &Scraper, config: &Path, folder: &Path) -> Self {
        let at = free_port();
        let data = folder.join("scraped");
        let values = [at.to_string(), config.display().to_string(), data.display().to_string()];
        let mut command = Command::new(&scraper.program);
        let flags = scraper.flags.iter().zip(values).map(|(flag, value)| format!("{flag}={value}"));
        command.args(flags).args(scraper.more);
        let log = folder.join("scraper.log");
        let running = Program::start("the scraper", &command, &log).unwrap();
        Self { at, log, _program: running }
    }

    /// Wait until it shows these targets and no others.
    #[track_caller]
    fn shows(&self, what: &str, wanted: &Targets) {
        let mut last = Targets::new();
        let so = wait(PATIENCE, || {
            last = self.targets("right");
            last == *wanted
        });
        assert!(so, "{what}: it shows {last:#?}, not {wanted:#?}");
    }

    /// The targets of a job; none while it does not answer yet.
    fn targets(&self, job: &str) -> Targets {
        let all = self.get("/api/v1/targets").unwrap_or_default();
        let all = all["data"]["activeTargets"].as_array().cloned().unwrap_or_default();
        all.iter().filter(|target| target["scrapePool"] == job).map(line).collect()
    }

    fn get(&self, path: &str) -> Option<Value> {
        Some(Request::new("GET", path).send(&Place::Tcp(self.at)).ok()?.json())
    }
}

fn line(target: &Value) -> String {
    let word = |name: &str| target["labels"][name].as_str().unwrap_or("-").to_owned();
    let health = target["health"].as_str().unwrap_or("-");
    format!("{} {} {health}", word("instance"), FOUND.map(word).join(" "))
}

/// A loopback port that was free a moment ago.
fn free_port() -> SocketAddr {
    let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    held.local_addr().unwrap()
}
