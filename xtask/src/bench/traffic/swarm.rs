//! The same load upon the same images under Docker Swarm, as people set it up who want requests balanced by HTTP: a service
//! in DNS round robin mode on an overlay network, and on every node `HAProxy` in a container, which asks Docker's own name
//! server for it. Its configuration is the one that `HAProxy`'s own guide to Swarm gives.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::super::stage::Stage;
use super::super::swarm::{Swarm, post};
use super::super::{BenchError, io};
use crate::command;
use crate::docker::Engine;
use crate::packages::{self, Needed};
use crate::traffic::{Amount, Mix, Tally, phase};
use crate::wait::wait;

/// How long it may take to come up, and an update to be through.
const PATIENCE: Duration = Duration::from_mins(4);
/// `HAProxy` may trust an answer for ten seconds: what an update breaks shows until then.
const AFTERWARDS: Duration = Duration::from_secs(12);
/// Nodes that are asked, as many as Drover has balancers.
const ASKED: usize = 2;
const NEEDED: [Needed; 1] = [("haproxy", "haproxy")];
const IMAGE: &str = "demo/haproxy:1";
const NETWORK: &str = "shop";

const CONFIGURATION: &str = "\
resolvers docker
    nameserver dns1 127.0.0.11:53
    resolve_retries 3
    timeout resolve 1s
    timeout retry   1s
    hold other      10s
    hold refused    10s
    hold nx         10s
    hold timeout    10s
    hold valid      10s
    hold obsolete   10s

defaults
    timeout connect 10s
    timeout client 30s
    timeout server 30s
    mode http

frontend fe_web
    bind *:80
    default_backend be_web

backend be_web
    balance roundrobin
    server-template web- 12 web:80 check resolvers docker init-addr libc,none
";

/// A change, the version that answers after it, and what of the service's specification it changes.
struct Phase {
    name: &'static str,
    version: &'static str,
    rolls_back: bool,
    change: fn(&mut Value),
}

/// What Swarm can do of what Drover is asked for.
const PHASES: [Phase; 6] = [
    Phase {
        name: phase::START_FIRST,
        version: "v2",
        rolls_back: false,
        change: |spec| image(spec, "v2", "start-first"),
    },
    Phase {
        name: phase::STOP_FIRST,
        version: "v1",
        rolls_back: false,
        change: |spec| image(spec, "v1", "stop-first"),
    },
    Phase { name: phase::ROLLBACK, version: "v2", rolls_back: true, change: |_| () },
    Phase {
        name: phase::FEWER,
        version: "v2",
        rolls_back: false,
        change: |spec| replicas(spec, 3),
    },
    Phase { name: phase::MORE, version: "v2", rolls_back: false, change: |spec| replicas(spec, 6) },
    Phase {
        name: phase::RESTART,
        version: "v2",
        rolls_back: false,
        change: |spec| spec["TaskTemplate"]["ForceUpdate"] = json!(1),
    },
];

/// Go through its phases; what became of the requests.
pub(super) fn run(
    stage: &Stage,
    amount: &Amount,
    tell: &mut dyn FnMut(&str),
) -> Result<Tally, BenchError> {
    packages::provide(&NEEDED)?;
    for engine in &stage.engines {
        import_haproxy(engine)?;
    }
    Swarm::new(&stage.bed, &stage.engines)?;
    let shop = Shop { manager: &stage.engines[0] };
    shop.open()?;
    let hosts = stage.bed.hosts.iter().take(ASKED);
    let places: Vec<_> = hosts.map(|host| SocketAddr::from((host.address, 80))).collect();
    wait_for(|| places.iter().all(|place| crate::load::ask(*place).is_ok()), "HAProxy to answer")?;
    let ear = SocketAddr::from((stage.bed.server, 0));
    let mix =
        Mix::start(places, amount.per_second, ear, phase::QUIET).map_err(io("start the load"))?;
    std::thread::sleep(Duration::from_secs(amount.phase_s * 3));
    for phase in &PHASES {
        mix.begin(phase.name);
        shop.go_through(phase, &mix)?;
        tell(&format!("Docker Swarm, {}", mix.words(phase.name)));
    }
    let tally = mix.finish().map_err(io("carry the load to its end"))?;
    Swarm::leave(&stage.bed, &stage.engines)?;
    Ok(tally)
}

/// The shop's services, by the manager's API.
struct Shop<'a> {
    manager: &'a Engine,
}

impl Shop<'_> {
    fn open(&self) -> Result<(), BenchError> {
        let network = json!({ "Name": NETWORK, "Driver": "overlay", "Attachable": true });
        post(self.manager, "/networks/create", &network)?;
        post(self.manager, "/services/create", &web())?;
        post(self.manager, "/services/create", &haproxy())?;
        self.wait_until_running(6)
    }

    fn go_through(&self, phase: &Phase, mix: &Mix) -> Result<(), BenchError> {
        let seen = self.service()?;
        let mut spec = seen["Spec"].clone();
        (phase.change)(&mut spec);
        let version = seen["Version"]["Index"].to_string();
        let back = if phase.rolls_back { "&rollback=previous" } else { "" };
        post(self.manager, &format!("/services/web/update?version={version}{back}"), &spec)?;
        let scale = spec["Mode"]["Replicated"]["Replicas"].as_u64().unwrap_or_default();
        // A change of the scale is no update, and has no such status.
        let updates = phase.rolls_back || spec["TaskTemplate"] != seen["Spec"]["TaskTemplate"];
        let is_through = || {
            let status = self.service().unwrap_or_default()["UpdateStatus"].clone();
            let ended = ["completed", "rollback_completed"].iter().any(|w| status["State"] == *w);
            let begun = status["StartedAt"] != seen["UpdateStatus"]["StartedAt"];
            (!updates || begun && ended) && self.running(phase.version) == scale
        };
        wait_for(is_through, phase.name)?;
        std::thread::sleep(AFTERWARDS);
        mix.look();
        std::thread::sleep(Duration::from_secs(2));
        let wanted = format!("web {}", phase.version);
        match mix.seen().who().iter().find(|who| who.what != wanted) {
            None => Ok(()),
            Some(who) => Err(stuck(format!("{} still answers after {}", who.what, phase.name))),
        }
    }

    fn wait_until_running(&self, count: u64) -> Result<(), BenchError> {
        wait_for(|| self.running("v1") == count, "its service to run")
    }

    /// How many tasks of a version run, provided that none of another does.
    fn running(&self, version: &str) -> u64 {
        let filter = "%7B%22service%22%3A%5B%22web%22%5D%7D";
        let found = self.manager.ask("GET", &format!("/tasks?filters={filter}"), "", &[]);
        let tasks = found.map(|answer| answer.json()).unwrap_or_default();
        let running = tasks.as_array().into_iter().flatten();
        let images: Vec<_> = running
            .filter(|task| task["Status"]["State"] == "running")
            .map(|task| task["Spec"]["ContainerSpec"]["Image"].as_str().unwrap_or_default())
            .collect();
        let all = images.iter().all(|image| image.ends_with(version));
        if all { u64::try_from(images.len()).unwrap_or_default() } else { 0 }
    }

    fn service(&self) -> Result<Value, BenchError> {
        Ok(self.manager.ask("GET", "/services/web", "", &[])?.json())
    }
}

/// As Drover's: half of the containers at a time, two seconds between.
fn web() -> Value {
    let update = json!({ "Parallelism": 3, "Delay": 2_000_000_000_u64, "Order": "start-first" });
    json!({
        "Name": "web",
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": "demo/web:v1",
                "Env": ["VERSION=web", "TESTAPP_DIE_AT_ONCE=yes"],
            },
            "Networks": [{ "Target": NETWORK }],
        },
        "Mode": { "Replicated": { "Replicas": 6 } },
        "EndpointSpec": { "Mode": "dnsrr" },
        "UpdateConfig": update,
        "RollbackConfig": update,
    })
}

fn haproxy() -> Value {
    json!({
        "Name": "haproxy",
        "TaskTemplate": {
            "ContainerSpec": { "Image": IMAGE },
            "Networks": [{ "Target": NETWORK }],
        },
        "Mode": { "Global": {} },
        "EndpointSpec": {
            "Mode": "dnsrr",
            "Ports": [{ "Protocol": "tcp", "TargetPort": 80, "PublishedPort": 80, "PublishMode": "host" }],
        },
    })
}

fn image(spec: &mut Value, version: &str, order: &str) {
    spec["TaskTemplate"]["ContainerSpec"]["Image"] = json!(format!("demo/web:{version}"));
    spec["UpdateConfig"]["Order"] = json!(order);
}

fn replicas(spec: &mut Value, count: u32) {
    spec["Mode"]["Replicated"]["Replicas"] = json!(count);
}

/// Debian's `HAProxy`, the libraries it needs and the configuration, as an image.
fn import_haproxy(engine: &Engine) -> Result<(), BenchError> {
    let failed = || io("make an image of HAProxy");
    let program = command::run("which haproxy")?;
    let program = Path::new(program.trim());
    let mut tar = tar::Builder::new(Vec::new());
    for file in libraries(program)?.into_iter().chain([program.to_owned()]) {
        let name = file.strip_prefix("/").unwrap_or(&file);
        let mut opened = std::fs::File::open(&file).map_err(failed())?;
        tar.append_file(name, &mut opened).map_err(failed())?;
    }
    let mut header = tar::Header::new_gnu();
    header.set_size(u64::try_from(CONFIGURATION.len()).unwrap_or_default());
    header.set_mode(0o644);
    header.set_cksum();
    tar.append_data(&mut header, "haproxy.cfg", CONFIGURATION.as_bytes()).map_err(failed())?;
    let archive = tar.into_inner().map_err(failed())?;
    let command = format!(r#"CMD ["{}","-db","-f","/haproxy.cfg"]"#, program.display());
    Ok(engine.import_archive(&archive, IMAGE, &[&command])?)
}

/// The libraries that a program is linked with, and what loads them.
fn libraries(program: &Path) -> Result<Vec<PathBuf>, BenchError> {
    let listed = command::run(&format!("ldd {}", program.display()))?;
    let words = listed.split_whitespace().filter(|word| word.starts_with('/'));
    Ok(words.map(PathBuf::from).collect())
}

fn wait_for(is_so: impl FnMut() -> bool, what: &str) -> Result<(), BenchError> {
    if wait(PATIENCE, is_so) {
        return Ok(());
    }
    Err(stuck(format!("it was waited in vain for {what}")))
}

fn stuck(what: String) -> BenchError {
    BenchError::Stuck { who: "Docker Swarm", what }
}
