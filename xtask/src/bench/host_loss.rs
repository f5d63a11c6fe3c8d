//! `bench host-loss`: a host that loses its power or its cable under load: how soon requests avoid it, and how soon what
//! it ran serves elsewhere, beside Docker Swarm.

use std::time::{Duration, Instant};

use clap::Args;

use super::contender::Contender;
use super::shop::{self, Shop};
use super::stage::{Measured, Stage};
use super::swarm::Swarm;
use super::table::{Spread, table};
use super::{BenchError, io};
use crate::docker::Engine;
use crate::testbed::Testbed;
use crate::traffic::Tally;

/// Whose errors these are.
const WHO: &str = "host-loss";
/// Containers of the service.
const SCALE: usize = 6;
/// Requests for each second.
const RATE: u32 = 100;
/// What requests may fail in: the host is gone, and nobody knows yet.
const BLIND: Duration = Duration::from_secs(2);

const COMPOSE: &str = "version: '2'\nservices:\n  web:\n    image: demo/web:v1\n  balancer:\n    image: rancher/lb-service-haproxy\n    ports:\n      - 80:80/tcp\n";
const RANCHER: &str = "version: '2'\nservices:\n  web:\n    scale: 6\n  balancer:\n    scale: 2\n    lb_config:\n      port_rules:\n        - protocol: http\n          source_port: 80\n          target_port: 80\n          service: web\n";

/// Parts of a round.
const QUIET: &str = "all hosts there";
const AT_FIRST: &str = "the first 2 s";
const AFTER: &str = "after that";

/// The command line.
#[derive(Args, Clone)]
pub struct Arguments {
    /// Hosts that are lost, half of them by power, half by cable.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// The same for Docker Swarm, by power; 0 leaves it out.
    #[arg(long, default_value_t = 3)]
    swarm_rounds: u32,
    #[command(flatten)]
    measured: Measured,
}

/// Run it.
pub(super) fn run(arguments: &Arguments) -> Result<(), BenchError> {
    let all = arguments.clone();
    arguments.measured.on_hosts(move |stage| on_stage(&all, stage))
}

fn on_stage(arguments: &Arguments, stage: Stage) -> Result<(), BenchError> {
    stage.import_all()?;
    let engines = stage.engines.clone();
    let mut shop = Shop::open(stage.start_cluster()?, COMPOSE, RANCHER)?;
    let mut rounds = Vec::new();
    for number in 0..arguments.rounds {
        rounds.push(lose(&mut shop, Way::of(number))?);
    }
    print_drover(&rounds);
    let bed = shop.close()?;
    // Last, for an engine that lost its swarm's manager by force is of no use to anybody afterwards.
    print_swarm(&swarm_rounds(&bed, &engines, arguments.swarm_rounds)?);
    Ok(())
}

/// How a host is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Power,
    Cable,
}

impl Way {
    fn of(number: u32) -> Self {
        if number.is_multiple_of(2) { Self::Power } else { Self::Cable }
    }

    fn lose(self, bed: &Testbed, host: u8) -> Result<(), BenchError> {
        match self {
            Self::Power => Ok(bed.kill(host)?),
            Self::Cable => Ok(bed.pull_cable(host)?),
        }
    }
}

/// What one loss came to.
struct Round {
    way: Way,
    /// Containers that the host had.
    lost: usize,
    /// Until as many run elsewhere, by Docker.
    running: Duration,
    /// Until all of them answer through a balancer.
    serving: Duration,
    tally: Tally,
}

/// Lose a host that runs most, under load by way of another one, and have it back.
fn lose(shop: &mut Shop, way: Way) -> Result<Round, BenchError> {
    let front = shop.front(None)?;
    let hosts = shop.cluster.host_numbers();
    let count = |host: u8| on(shop, |h| h == host);
    let victim = hosts.iter().copied().filter(|host| *host != front).max_by_key(|h| count(*h));
    let Some(victim) = victim else { return Err(stuck("there is but one host".to_owned())) };
    let lost = count(victim);
    let mix = shop.load(front, RATE, QUIET)?;
    std::thread::sleep(BLIND);

    let began = Instant::now();
    way.lose(&shop.cluster.bed, victim)?;
    mix.begin(AT_FIRST);
    std::thread::sleep(BLIND.saturating_sub(began.elapsed()));
    mix.begin(AFTER);
    mix.look();
    until("containers to run elsewhere", || on(shop, |host| host != victim) >= SCALE)?;
    let running = began.elapsed();
    until("all to answer", || mix.seen().who().len() >= SCALE)?;
    let serving = began.elapsed();
    std::thread::sleep(BLIND);
    let tally = mix.finish().map_err(io("carry the load to its end"))?;
    bring_back(shop, way, victim)?;
    println!(
        "{way:?}: {lost} containers run elsewhere after {:.2} s, serve after {:.2} s",
        running.as_secs_f64(),
        serving.as_secs_f64()
    );
    Ok(Round { way, lost, running, serving, tally })
}

fn bring_back(shop: &mut Shop, way: Way, victim: u8) -> Result<(), BenchError> {
    match way {
        Way::Power => {
            shop.cluster.stop_agent(victim, crate::cluster::Ending::Crash).ok();
            shop.cluster.bed.boot(victim)?;
            shop.cluster.start_agent(victim)?;
        }
        Way::Cable => shop.cluster.bed.plug_cable(victim)?,
    }
    shop.cluster.wait_for_hosts()?;
    until("what was replaced to be gone", || on(shop, |_| true) == SCALE)?;
    // Spread again: half of what runs goes to the host that came back.
    shop.drover("scale web=3")?;
    shop.drover("scale web=6")?;
    until("all to run again", || on(shop, |_| true) == SCALE)
}

/// Containers of the service that run on hosts of a kind.
fn on(shop: &Shop, is_meant: impl Fn(u8) -> bool) -> usize {
    shop.running("web").iter().filter(|(host, _)| is_meant(*host)).count()
}

/// Until as many containers run on the others, for each round.
fn swarm_rounds(bed: &Testbed, engines: &[Engine], rounds: u32) -> Result<Vec<f64>, BenchError> {
    let mut took = Vec::new();
    if rounds == 0 {
        return Ok(took);
    }
    let mut swarm = Swarm::new(bed, engines)?;
    let run = |engines: &[Engine]| engines.iter().map(|e| running(e, "demo/sleep")).sum::<usize>();
    let (victim, engine) = (bed.hosts[2].number, &engines[2]);
    for _ in 0..rounds {
        swarm.deploy(SCALE)?;
        until("Swarm to run it", || run(engines) == SCALE && running(engine, "demo") > 0)?;
        let began = Instant::now();
        bed.kill(victim)?;
        until("Swarm to replace them", || run(&engines[..2]) >= SCALE)?;
        took.push(began.elapsed().as_secs_f64());
        println!("Docker Swarm: run elsewhere after {:.2} s", began.elapsed().as_secs_f64());
        bed.boot(victim)?;
        swarm.remove()?;
        until("Swarm to remove it", || run(engines) == 0)?;
        until("Swarm's node to be back", || swarm.is_whole(engines.len()))?;
    }
    Ok(took)
}

/// Running containers of an engine whose image's name has this in it; none where the engine is away.
fn running(engine: &Engine, image: &str) -> usize {
    let containers = engine.containers().unwrap_or_default();
    containers.iter().filter(|c| c.state == "running" && c.image.contains(image)).count()
}

fn print_swarm(took: &[f64]) {
    if !took.is_empty() {
        let (rounds, took) = (took.len(), Spread::of(took.iter().copied()));
        println!("Docker Swarm, power, {rounds} rounds: run elsewhere after {took} s");
    }
}

fn print_drover(rounds: &[Round]) {
    let head = ["host lost by", "rounds", "run elsewhere, s", "serve elsewhere, s"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for way in [Way::Power, Way::Cable] {
        let own: Vec<&Round> = rounds.iter().filter(|round| round.way == way).collect();
        if own.is_empty() {
            continue;
        }
        let spread = |of: fn(&Round) -> Duration| {
            Spread::of(own.iter().map(|round| of(round).as_secs_f64())).to_string()
        };
        let name = format!("{way:?}").to_lowercase();
        let (ran, served) = (spread(|round| round.running), spread(|round| round.serving));
        rows.push(vec![name, own.len().to_string(), ran, served]);
    }
    println!("\nLeast / middle / greatest:\n\n{}", table(&rows));
    let head = ["requests begun in", "sent", "failed"].map(str::to_owned).to_vec();
    let mut rows = vec![head];
    for part in [QUIET, AT_FIRST, AFTER] {
        let all = rounds.iter().flat_map(|round| &round.tally.phases).filter(|p| p.name == part);
        let sums = all.fold((0, 0), |(sent, failed), p| (sent + p.requests(), failed + p.failed));
        rows.push(vec![part.to_owned(), sums.0.to_string(), sums.1.to_string()]);
    }
    println!("{}", table(&rows));
    let lost: usize = rounds.iter().map(|round| round.lost).sum();
    println!("{lost} containers were lost with their hosts.");
    let causes: std::collections::BTreeSet<_> =
        rounds.iter().flat_map(|round| round.tally.causes()).collect();
    for cause in causes {
        println!("- {cause}");
    }
}

fn until(what: &str, is_so: impl FnMut() -> bool) -> Result<(), BenchError> {
    shop::until(WHO, what, is_so)
}

fn stuck(what: String) -> BenchError {
    shop::stuck(WHO, what)
}
