//! `bench verdicts`: releases of all kinds, one after another under load, good ones in between: whether each bad one is
//! recognised for what it is and taken back, whether a good one ever is, how long that takes and what it costs requests.

use std::collections::BTreeMap;
use std::time::Instant;

use clap::Args;

use super::BenchError;
use super::shop::{Shop, stuck};
use super::stage::{Measured, Stage};
use super::table::{Spread, table};
use crate::load::Load;
use crate::releases::{BAD, GOOD, RANCHER, Release};

const ROLLED_BACK: i32 = 20;

/// The command line.
#[derive(Args, Clone)]
pub struct Arguments {
    /// Of each kind of bad release.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Good releases in each of them.
    #[arg(long, default_value_t = 8)]
    good: u32,
    #[command(flatten)]
    measured: Measured,
}

/// Run it.
pub(super) fn run(arguments: &Arguments) -> Result<(), BenchError> {
    let all = arguments.clone();
    arguments.measured.on_hosts(move |stage| on_stage(&all, stage))
}

/// What came of one kind.
#[derive(Default)]
struct Kind {
    right: u32,
    wrong: u32,
    seconds: Vec<f64>,
    failed: u64,
    asked: u64,
}

/// Where releases come and customers ask.
struct Counter {
    shop: Shop,
    load: Option<Load>,
    /// Which image is next, so that every release differs from what runs.
    turn: bool,
}

fn on_stage(arguments: &Arguments, stage: Stage) -> Result<(), BenchError> {
    stage.import_all()?;
    let shop = Shop::new(stage.start_cluster()?)?;
    let mut counter = Counter { shop, load: None, turn: false };
    counter.deploy(&GOOD)?;
    let front = counter.shop.front(None)?;
    counter.load = Some(Load::start(counter.shop.cluster.port(front, 80), 4));
    let mut kinds: BTreeMap<usize, Kind> = BTreeMap::new();
    for _ in 0..arguments.rounds {
        for (number, bad) in BAD.iter().enumerate() {
            counter.release(bad, kinds.entry(number).or_default())?;
        }
        for _ in 0..arguments.good {
            counter.release(&GOOD, kinds.entry(BAD.len()).or_default())?;
        }
    }
    report(kinds)
}

impl Counter {
    /// The next release: whether what came of it is right.
    fn release(&mut self, release: &Release, kind: &mut Kind) -> Result<(), BenchError> {
        drop(self.load.as_ref().map(Load::take));
        let began = Instant::now();
        let (status, said) = self.deploy(release)?;
        kind.seconds.push(began.elapsed().as_secs_f64());
        let is_good = release.verdict.is_empty();
        let right =
            status == if is_good { 0 } else { ROLLED_BACK } && said.contains(release.verdict);
        kind.right += u32::from(right);
        kind.wrong += u32::from(!right);
        if !right {
            println!("{release} ended with {status}: {said}");
        }
        if let Some(counts) = self.load.as_ref().map(Load::take) {
            kind.failed += counts.failed();
            kind.asked += counts.failed() + counts.answered();
        }
        Ok(())
    }

    /// `up --upgrade`: its exit status, and what it said last.
    fn deploy(&mut self, release: &Release) -> Result<(i32, String), BenchError> {
        self.turn = !self.turn;
        let image = if self.turn { "demo/web:v1" } else { "demo/web:v2" };
        self.shop.write(&release.compose(image), RANCHER)?;
        let done = self.shop.drover("up -d --upgrade")?;
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        Ok((done.status.code().unwrap_or(-1), said))
    }
}

fn report(kinds: BTreeMap<usize, Kind>) -> Result<(), BenchError> {
    let head =
        ["release", "times", "right", "seconds", "requests failed"].map(str::to_owned).to_vec();
    let mut rows = vec![head];
    let mut wrong = 0;
    for (number, kind) in kinds {
        wrong += kind.wrong;
        let name = BAD.get(number).map_or(GOOD.name, |bad| bad.name);
        rows.push(vec![
            name.to_owned(),
            (kind.right + kind.wrong).to_string(),
            kind.right.to_string(),
            Spread::of(kind.seconds).to_string(),
            format!("{} of {}", kind.failed, kind.asked),
        ]);
    }
    println!("{}", table(&rows));
    if wrong == 0 {
        return Ok(());
    }
    Err(stuck("Drover", format!("{wrong} verdicts were wrong")))
}
