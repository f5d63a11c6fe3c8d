//! `bench rollback`: back and forth between two revisions long confirmed, with the tag moved and the registry gone: whether each
//! time all containers run the very image and configuration of the revision, and how long it takes.

use std::collections::BTreeSet;
use std::time::Instant;

use clap::Args;
use serde_json::Value;

use super::shop::{Shop, stuck};
use super::stage::{Measured, Stage};
use super::table::{Spread, percentile, table};
use super::{BenchError, io};
use crate::images;
use crate::registry::Registry;

/// Containers of the service.
const SCALE: usize = 6;

/// The command line.
#[derive(Args, Clone)]
pub struct Arguments {
    /// Rollbacks.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
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
    let program = images::build_program()?;
    images::import_all(&stage.engines[0], &program)?;
    let folder = tempfile::tempdir().map_err(io("make a folder for the registry"))?;
    let registry = Registry::start(stage.bed.server, &folder.path().join("registry"))?;
    let image = registry.name_of("shop/web:latest");
    let engine = stage.engines[0].clone();
    let shop = Shop::new(stage.start_cluster()?)?;
    let mut revisions: Vec<BTreeSet<Seen>> = Vec::new();
    for release in ["v1", "v2"] {
        registry.push(&engine, &format!("demo/web:{release}"), &image)?;
        write(&shop, &image, release)?;
        shop.run("up -d --upgrade --pull --confirm-upgrade")?;
        revisions.push(look(&shop)?);
    }
    registry.stop()?;
    let (mut serving, mut over) = (Vec::new(), Vec::new());
    let mut wrong = 0_u32;
    for round in 0..arguments.rounds {
        let back = usize::from(!round.is_multiple_of(2));
        let began = Instant::now();
        let to = back + 1;
        let line = format!("rollback web --to {to} --waiting-ok --batch-size {SCALE} --interval 0");
        shop.run(&line)?;
        serving.push(began.elapsed().as_secs_f64());
        shop.run("up -d --confirm-upgrade web")?;
        over.push(began.elapsed().as_secs_f64());
        wrong += u32::from(look(&shop)? != revisions[back]);
    }
    let head = [
        "rollbacks",
        "not the very same",
        "all serve, s",
        "p95",
        "and the old ones are gone, s",
        "p95",
    ];
    let head = head.map(str::to_owned).to_vec();
    let mut row = vec![arguments.rounds.to_string(), wrong.to_string()];
    for seconds in [serving, over] {
        let p95 = percentile(&seconds, 95);
        row.extend([Spread::of(seconds).to_string(), format!("{p95:.2}")]);
    }
    println!("{SCALE} containers, tag moved, registry stopped:\n\n{}", table(&[head, row]));
    if wrong == 0 {
        return Ok(());
    }
    let what = format!("{wrong} rollbacks did not lead to the very same images and configuration");
    Err(stuck("Drover", what))
}

/// What a container runs: Docker's id of its image, and its configuration but for what is one container's own.
type Seen = (String, String);

fn write(shop: &Shop, image: &str, release: &str) -> Result<(), BenchError> {
    let compose = format!(
        "web:\n  image: {image}\n  environment:\n    RELEASE: {release}\n  labels:\n    release: {release}\n"
    );
    shop.write(&compose, &format!("web:\n  scale: {SCALE}\n"))
}

/// What runs: as many as there shall be, else nothing equals it.
fn look(shop: &Shop) -> Result<BTreeSet<Seen>, BenchError> {
    let running = shop.running("web");
    if running.len() != SCALE {
        return Ok(BTreeSet::new());
    }
    let seen = running.iter().map(|(host, container)| {
        let whole = shop.cluster.engine(*host).inspect(&container.id)?;
        let text = |value: &Value| value.to_string();
        // Not the name it was made by: that is the tag the first time, and the digest later.
        let config = ["Env", "Cmd", "Entrypoint"].map(|key| text(&whole["Config"][key]));
        let release = text(&whole["Config"]["Labels"]["release"]);
        Ok((text(&whole["Image"]), config.join(" ") + &release))
    });
    seen.collect()
}
