//! `bench blips`: hosts whose cable is out for five seconds, one after another, and now and then an agent that stands still for
//! as long, under load: what is away for a moment only must move nothing. Counted is what became another: units, containers,
//! their lives.

mod moves;

use std::fmt;
use std::time::{Duration, Instant};

use clap::Args;

use self::moves::{Moves, Passing, Scene};
use super::lookout::Lookout;
use super::shop::{Shop, stuck};
use super::stage::{Measured, Stage};
use super::table::{Spread, table};
use super::{BenchError, io};
use crate::cluster::Cluster;
use crate::traffic::{Mix, Tally};
use crate::wait::wait;

/// Whose errors these are.
const WHO: &str = "blips";
/// Containers that answer `/`.
const SCALE: usize = 6;
/// Requests for each second.
const RATE: u32 = 100;
/// How long a blip takes: less than the time after which a host is given up.
const BLIP: Duration = Duration::from_secs(5);
/// Of so many blips one is an agent's.
const AGENT_EVERY: u32 = 10;
/// How long it may take until everything is well again.
const WELL_WITHIN: Duration = Duration::from_secs(90);
/// How long it is looked after the last blip whether something moves late: as long as what a planner or an agent puts off.
const LINGER: Duration = Duration::from_secs(20);
/// Causes of failed requests that are printed for a blip, at most.
const CAUSES: usize = 5;

const COMPOSE: &str = "version: '2'
services:
  web:
    image: demo/web:v1
    environment:
      VERSION: web
  orders:
    image: demo/web:v1
    environment:
      VERSION: orders
  database:
    image: demo/database:1
  balancer:
    image: rancher/lb-service-haproxy
    ports:
      - 80:80/tcp
";
const RANCHER: &str = "version: '2'
services:
  web:
    scale: 6
  orders:
    scale: 3
  database:
    scale: 2
  balancer:
    scale: 2
    lb_config:
      port_rules:
        - {protocol: http, source_port: 80, target_port: 80, path: /order, service: orders}
        - {protocol: http, source_port: 80, target_port: 80, service: web}
";

/// Parts of a blip.
const DURING: &str = "the blip";
const AFTER: &str = "after it";

/// The command line.
#[derive(Args, Clone)]
pub struct Arguments {
    /// Blips; every tenth is a frozen agent's, the others are cables'.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
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
    let shop = Shop::open(stage.start_cluster()?, COMPOSE, RANCHER)?;
    let mut lacks = None;
    let is_well = wait(WELL_WITHIN, || {
        lacks = ill(&shop);
        lacks.is_none()
    });
    if !is_well {
        return Err(stuck(
            WHO,
            format!("not all was well at first: {}", lacks.unwrap_or_default()),
        ));
    }
    let mut yard =
        Yard { before: Scene::of(&shop.cluster)?, watch: moves::watch(&shop.cluster), shop };
    let mut blips = Vec::new();
    for number in 0..arguments.rounds {
        let blip = yard.blip(number)?;
        println!("{blip}");
        let goes_on = blip.well.is_ok();
        blips.push(blip);
        // The next one would say nothing about itself.
        if !goes_on {
            break;
        }
    }
    let late = yard.linger()?;
    print(&blips, &late);
    println!("What there is was looked at {}.", yard.watch.pace());
    judge(&blips, &late)
}

/// What a blip is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Cable,
    Agent,
}

impl Way {
    const ALL: [Self; 2] = [Self::Cable, Self::Agent];

    fn of(number: u32) -> Self {
        if number % AGENT_EVERY == AGENT_EVERY - 1 { Self::Agent } else { Self::Cable }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Cable => "cable out",
            Self::Agent => "agent frozen",
        }
    }

    /// Let it happen, and pass after its time; how long it took.
    fn happen(self, cluster: &Cluster, host: u8) -> Result<Duration, BenchError> {
        let began = Instant::now();
        match self {
            Self::Cable => cluster.bed.pull_cable(host)?,
            Self::Agent => cluster.freeze_agent(host),
        }
        std::thread::sleep(BLIP.saturating_sub(began.elapsed()));
        match self {
            Self::Cable => cluster.bed.plug_cable(host)?,
            Self::Agent => cluster.thaw_agent(host),
        }
        Ok(began.elapsed())
    }
}

/// What one blip came to.
struct Blip {
    number: u32,
    way: Way,
    host: u8,
    /// From before the cable was pulled until it was in again: on a busy machine more than it should be.
    lasted: Duration,
    /// From its end until everything was well, or what was not when the time was over.
    well: Result<Duration, String>,
    moves: Moves,
    tally: Tally,
}

/// The shop, and who looks what comes and goes.
struct Yard {
    shop: Shop,
    watch: Lookout<Passing>,
    /// What there was before the next blip.
    before: Scene,
}

impl Yard {
    /// One blip under load by way of another host, until everything is well again.
    fn blip(&mut self, number: u32) -> Result<Blip, BenchError> {
        let hosts = self.shop.cluster.host_numbers();
        let turn = usize::try_from(number).unwrap_or_default().checked_rem(hosts.len());
        let host = turn.and_then(|turn| hosts.get(turn)).copied();
        let host = host.ok_or_else(|| stuck(WHO, "there are no hosts".to_owned()))?;
        let front = self.shop.front(Some(host))?;
        let way = Way::of(number);
        let mix = self.shop.load(front, RATE, DURING)?;
        let lasted = way.happen(&self.shop.cluster, host)?;
        let ended = Instant::now();
        mix.begin(AFTER);
        mix.look();
        let mut lacks = None;
        let is_well = wait(WELL_WITHIN, || {
            lacks = unwell(&self.shop, &mix);
            lacks.is_none()
        });
        let well = if is_well { Ok(ended.elapsed()) } else { Err(lacks.unwrap_or_default()) };
        let tally = mix.finish().map_err(io("carry the load to its end"))?;
        let moves = self.moves()?;
        Ok(Blip { number, way, host, lasted, well, moves, tally })
    }

    /// What became another since this was called last.
    fn moves(&mut self) -> Result<Moves, BenchError> {
        let after = Scene::of(&self.shop.cluster)?;
        let moves = Moves::between(&self.before, self.watch.take(), &after);
        self.before = after;
        Ok(moves)
    }

    /// What moves after the last blip.
    fn linger(&mut self) -> Result<Moves, BenchError> {
        wait(LINGER, || self.watch.ask(|passing| passing.has_news(&self.before)));
        self.moves()
    }
}

/// What is not well yet: who does not answer, which host is not connected, what the server says of services.
fn unwell(shop: &Shop, mix: &Mix) -> Option<String> {
    // Cheap to ask, and mostly the last to come true.
    let all = mix.seen().who();
    let answer = all.iter().filter(|who| who.what.starts_with("web ")).count();
    if answer < SCALE {
        return Some(format!("{answer} of {SCALE} answer through the balancer"));
    }
    ill(shop)
}

fn ill(shop: &Shop) -> Option<String> {
    let (ready, all) = (shop.cluster.hosts_ready(), shop.cluster.host_numbers().len());
    if ready < all {
        return Some(format!("{ready} of {all} hosts are connected"));
    }
    let services = match shop.cluster.api().list("/v2-beta/services") {
        Ok(services) => services,
        Err(error) => return Some(error.to_string()),
    };
    let is_well = |s: &&serde_json::Value| s["state"] == "active" && s["healthState"] == "healthy";
    let ill = services.iter().find(|service| !is_well(service))?;
    let [name, state, health, says] =
        ["name", "state", "healthState", "transitioningMessage"].map(|key| &ill[key]);
    Some(format!("service {name} is {state} and {health}: {says}"))
}

impl fmt::Display for Blip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (way, lasted) = (self.way.words(), self.lasted.as_secs_f64());
        write!(f, "{}: host{}, {way} for {lasted:.2} s; ", self.number + 1, self.host)?;
        match &self.well {
            Ok(took) => write!(f, "all well {:.2} s later", took.as_secs_f64())?,
            Err(lacks) => write!(f, "NOT WELL within {} s: {lacks}", WELL_WITHIN.as_secs())?,
        }
        let (sent, failed) = (self.tally.requests(), self.tally.failed());
        write!(f, "; {} moves; {sent} requests, {failed} failed", self.moves.count())?;
        self.moves.all().try_for_each(|what| write!(f, "\n  MOVED: {what}"))?;
        let mut causes = self.tally.causes().into_iter().take(CAUSES);
        causes.try_for_each(|cause| write!(f, "\n  - {cause}"))
    }
}

fn print(blips: &[Blip], late: &Moves) {
    let head = [
        "blip of",
        "blips",
        "longest, s",
        "moves",
        "requests",
        "failed",
        "of those begun after it",
        "all well again, s later",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for way in Way::ALL {
        let own: Vec<&Blip> = blips.iter().filter(|blip| blip.way == way).collect();
        if own.is_empty() {
            continue;
        }
        let longest = own.iter().map(|blip| blip.lasted).max().unwrap_or_default();
        let well = own.iter().filter_map(|blip| blip.well.as_ref().ok());
        let sum = |of: fn(&Blip) -> u64| own.iter().map(|blip| of(blip)).sum::<u64>().to_string();
        let moves: usize = own.iter().map(|blip| blip.moves.count()).sum();
        rows.push(vec![
            way.words().to_owned(),
            own.len().to_string(),
            format!("{:.2}", longest.as_secs_f64()),
            moves.to_string(),
            sum(|blip| blip.tally.requests()),
            sum(|blip| blip.tally.failed()),
            sum(failed_after),
            Spread::of(well.map(Duration::as_secs_f64)).to_string(),
        ]);
    }
    println!("\nTimes: least / middle / greatest.\n\n{}", table(&rows));
    let units: usize = blips.iter().map(|blip| blip.moves.units.len()).sum();
    let containers: usize = blips.iter().map(|blip| blip.moves.containers.len()).sum();
    println!("Units made or gone: {units}; containers made, gone or started anew: {containers}.");
    println!("In the {} s after the last one: {} moves.", LINGER.as_secs(), late.count());
    late.all().for_each(|what| println!("- {what}"));
}

fn failed_after(blip: &Blip) -> u64 {
    let after = blip.tally.phases.iter().filter(|phase| phase.name == AFTER);
    after.map(|phase| phase.failed).sum()
}

/// The first blip that moved something, or after which not all was well.
fn judge(blips: &[Blip], late: &Moves) -> Result<(), BenchError> {
    for blip in blips {
        let number = blip.number + 1;
        if let Some(what) = blip.moves.all().next() {
            return Err(stuck(WHO, format!("blip {number} (host{}) moved: {what}", blip.host)));
        }
        if let Err(lacks) = &blip.well {
            let what = format!("not all was well in time after blip {number}: {lacks}");
            return Err(stuck(WHO, what));
        }
    }
    late.all().next().map_or(Ok(()), |what| Err(stuck(WHO, format!("moved late: {what}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tenth_is_an_agents() {
        let ways: Vec<Way> = (0..20).map(Way::of).collect();
        assert_eq!(ways.iter().filter(|way| **way == Way::Agent).count(), 2);
        assert_eq!((ways[9], ways[19]), (Way::Agent, Way::Agent));
    }
}
