//! The demo's story on real hosts, in the order it is told.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::DemoError;
use crate::cluster::Cluster;
use crate::load::{self, Counts, Load};
use crate::testbed::{HostState, Testbed};
use crate::wait::wait;
use crate::{checkout, command, images};

/// Name of the stack.
const STACK: &str = "demo";

/// Hosts.
const HOSTS: u8 = 3;

/// Clients that ask all the time.
const CLIENTS: usize = 4;

/// Tell it. Returns at once at the end if `exit`, otherwise stays until the process ends; `at_the_end` is set then.
pub(super) fn tell(bed: u8, exit: bool, at_the_end: &AtomicBool) -> Result<(), DemoError> {
    let started = Instant::now();
    let mut steps = Chapters::default();
    let bed = steps.next("Three Docker hosts on this machine", || docker_hosts(bed))?;
    let (drover, program) = steps.next("Compile drover and the demo's own service", || {
        Ok((checkout::build("--workspace --bin drover")?, images::build_program()?))
    })?;
    steps.next("Build the demo's images on every host", || make_images(&bed, &program))?;
    let cluster = steps
        .next("A server on its embedded SQLite, three agents joined by token", || {
            Ok(Cluster::start(bed, &drover)?)
        })?;
    say(&format!("the server is at {}", cluster.url()));
    let shop = Shop { cluster: &cluster, drover: &drover };
    steps.next("Deploy: web (3 containers), a database with a volume, a balancer", || {
        shop.drover("v1", "up -d")
    })?;
    let service = steps.next("Ask the balancer", || shop.find_balancer())?;
    steps.next("Upgrade web from v1 to v2, new containers first", || {
        shop.under_load(service, "v2", "up -d --upgrade --waiting-ok")
    })?;
    steps.next("Roll back: the old containers are started again", || {
        shop.under_load(service, "v1", "up -d --rollback")
    })?;
    steps
        .next("Upgrade again", || shop.under_load(service, "v2", "up -d --upgrade --waiting-ok"))?;
    steps.next("Finish: the old containers are removed", || {
        shop.under_load(service, "v2", "up -d --confirm-upgrade")
    })?;
    shop.drover("v2", "ps")?;
    println!("\nDone in {:.1} s.", started.elapsed().as_secs_f64());
    at_the_end.store(true, Ordering::SeqCst);
    if !exit {
        shop.invite(service);
        loop {
            std::thread::park();
        }
    }
    Ok(())
}

/// The numbered steps.
#[derive(Default)]
struct Chapters {
    told: u32,
}

impl Chapters {
    /// Announce a step, take it, say how long it took.
    fn next<T>(
        &mut self,
        title: &str,
        act: impl FnOnce() -> Result<T, DemoError>,
    ) -> Result<T, DemoError> {
        self.told += 1;
        println!("\n[{}] {title}", self.told);
        let started = Instant::now();
        let made = act()?;
        say(&format!("({:.1} s)", started.elapsed().as_secs_f64()));
        Ok(made)
    }
}

fn docker_hosts(bed: u8) -> Result<Testbed, DemoError> {
    let bed = Testbed::up(bed, HOSTS, true)?;
    for host in &bed.hosts {
        if let HostState::On { engine: Some((version, _)), .. } = bed.state(host.number) {
            say(&format!("{} at {}, Docker {version}", host.name, host.address));
        }
    }
    Ok(bed)
}

fn make_images(bed: &Testbed, program: &Path) -> Result<(), DemoError> {
    for host in &bed.hosts {
        images::import_all(&crate::docker::Engine::at(&host.socket), program)?;
    }
    say("demo/web:v1, demo/web:v2, demo/database:1: one static executable each, no registry");
    Ok(())
}

/// The deployed stack.
struct Shop<'a> {
    cluster: &'a Cluster,
    drover: &'a Path,
}

impl Shop<'_> {
    /// Run a drover command on the demo's files, in sight of the user.
    fn drover(&self, version: &str, line: &str) -> Result<(), DemoError> {
        println!("    $ VERSION={version} drover {line}");
        let words: Vec<&str> = line.split(' ').collect();
        let mut command = self.cluster.command(&checkout::root().join(STACK), &words);
        Ok(command::show(command.env("VERSION", version))?)
    }

    /// The same while clients ask all the time; what they got meanwhile, and afterwards.
    fn under_load(&self, service: SocketAddr, version: &str, line: &str) -> Result<(), DemoError> {
        let load = Load::start(service, CLIENTS);
        let done = self.drover(version, line);
        let meanwhile = load.take();
        say(&format!("meanwhile   {meanwhile}"));
        done?;
        let alone = wait(Duration::from_secs(20), || {
            load.take();
            std::thread::sleep(Duration::from_secs(1));
            is_alone(&load.take(), version)
        });
        std::thread::sleep(Duration::from_secs(1));
        say(&format!("afterwards  {}", load.take()));
        if alone { Ok(()) } else { Err(DemoError::Unanswered(format!("{version} is not alone"))) }
    }

    /// Where the balancer is reached: on the host that it was placed on.
    fn find_balancer(&self) -> Result<SocketAddr, DemoError> {
        let places = self.cluster.host_numbers().into_iter().map(|h| self.cluster.port(h, 80));
        let places: Vec<SocketAddr> = places.collect();
        let mut found = None;
        wait(Duration::from_secs(30), || {
            found = places.iter().find(|p| load::ask(**p).is_ok()).copied();
            found.is_some()
        });
        let service =
            found.ok_or_else(|| DemoError::Unanswered("no host answers on port 80".to_owned()))?;
        let answer = load::ask(service).unwrap_or_else(|failure| failure);
        say(&format!("http://{service} answers: {answer}"));
        Ok(service)
    }

    /// How to go on.
    fn invite(&self, service: SocketAddr) {
        let key = self.cluster.key();
        println!("\nThe service:  http://{service}");
        println!("The API:      {}/v2-beta", self.cluster.url());
        println!("The key:      {} / {}", key.access, key.secret);
        println!("\nGo on in another terminal:");
        println!("  export DROVER_URL={}", self.cluster.url());
        println!("  export DROVER_ACCESS_KEY={} DROVER_SECRET_KEY={}", key.access, key.secret);
        println!("  cd {}", checkout::root().join(STACK).display());
        println!("  alias drover={}", self.drover.display());
        println!("  drover ps");
        println!("  drover scale web=5");
        println!("  VERSION=v1 drover up --upgrade");
        println!("  cargo xtask testbed status --bed {}", self.cluster.bed.bed);
        println!("  cargo xtask testbed kill 2 --bed {}   # and boot 2", self.cluster.bed.bed);
        println!("\nIt stays up until Ctrl-C.");
    }
}

fn is_alone(counts: &Counts, version: &str) -> bool {
    counts.failed() == 0 && counts.answers.keys().eq([version])
}

fn say(text: &str) {
    println!("    {text}");
}
