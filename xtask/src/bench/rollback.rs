//! `bench rollback`: back and forth between two revisions long confirmed, with the tag moved and the registry gone: whether each
//! time all containers run the very image and configuration of the revision, and how long it takes.

use std::collections::BTreeSet;
use std::time::Instant;

use clap::Args;
use serde_json::Value;

use super::stage::{Measured, Stage};
use super::table::{Spread, table};
use super::{BenchError, io};
use crate::cluster::Cluster;
use crate::images;
use crate::registry::Registry;

/// Containers of the service.
const SCALE: usize = 6;
const STACK: &str = "shop";

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
    let folder = tempfile::tempdir().map_err(io("make a folder"))?;
    let registry = Registry::start(stage.bed.server, &folder.path().join("registry"))?;
    let image = registry.name_of("shop/web:latest");
    let engine = stage.engines[0].clone();
    let shop = Shop { cluster: stage.start_cluster()?, folder };
    let mut revisions: Vec<BTreeSet<Seen>> = Vec::new();
    for release in ["v1", "v2"] {
        registry.push(&engine, &format!("demo/web:{release}"), &image)?;
        shop.write(&image, release)?;
        shop.run("up -d --upgrade --pull --confirm-upgrade")?;
        revisions.push(shop.look()?);
    }
    registry.stop()?;
    let mut seconds = Vec::new();
    let mut wrong = 0_u32;
    for round in 0..arguments.rounds {
        let back = usize::from(!round.is_multiple_of(2));
        let began = Instant::now();
        shop.run(&format!("rollback web --to {} -c --batch-size {SCALE} --interval 0", back + 1))?;
        seconds.push(began.elapsed().as_secs_f64());
        wrong += u32::from(shop.look()? != revisions[back]);
    }
    seconds.sort_by(f64::total_cmp);
    let p95 = seconds[(seconds.len() * 95).div_ceil(100) - 1];
    let head = ["rollbacks", "not the very same", "seconds", "p95 s"].map(str::to_owned).to_vec();
    let row = vec![
        arguments.rounds.to_string(),
        wrong.to_string(),
        Spread::of(seconds).to_string(),
        format!("{p95:.2}"),
    ];
    println!("{SCALE} containers, tag moved, registry stopped:\n\n{}", table(&[head, row]));
    if wrong == 0 {
        return Ok(());
    }
    let what = format!("{wrong} rollbacks did not lead to the very same images and configuration");
    Err(BenchError::Stuck { who: "Drover", what })
}

/// What a container runs: Docker's id of its image, and its configuration but for what is one container's own.
type Seen = (String, String);

struct Shop {
    cluster: Cluster,
    folder: tempfile::TempDir,
}

impl Shop {
    fn write(&self, image: &str, release: &str) -> Result<(), BenchError> {
        let compose = format!(
            "web:\n  image: {image}\n  environment:\n    RELEASE: {release}\n  labels:\n    release: {release}\n"
        );
        let rancher = format!("web:\n  scale: {SCALE}\n");
        for (name, text) in [("docker-compose.yml", compose), ("rancher-compose.yml", rancher)] {
            std::fs::write(self.folder.path().join(name), text)
                .map_err(io(format!("write {name}")))?;
        }
        Ok(())
    }

    fn run(&self, line: &str) -> Result<(), BenchError> {
        let mut words = vec!["--project-name", STACK];
        words.extend(line.split(' '));
        let done = self.cluster.run(self.folder.path(), &words)?;
        if done.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        Err(BenchError::Stuck { who: "Drover", what: format!("`drover {line}` failed: {said}") })
    }

    /// What runs: as many as there shall be, else nothing equals it.
    fn look(&self) -> Result<BTreeSet<Seen>, BenchError> {
        let mut seen = BTreeSet::new();
        let mut count = 0;
        for (host, container) in self.cluster.containers()? {
            let of_web = container.labels.get("io.rancher.stack_service.name");
            if container.state != "running" || of_web.is_none_or(|name| name != "shop/web") {
                continue;
            }
            count += 1;
            let whole = self.cluster.engine(host).inspect(&container.id)?;
            let text = |value: &Value| value.to_string();
            // Not the name it was made by: that is the tag the first time, and the digest later.
            let config = ["Env", "Cmd", "Entrypoint"].map(|key| text(&whole["Config"][key]));
            let release = text(&whole["Config"]["Labels"]["release"]);
            seen.insert((text(&whole["Image"]), config.join(" ") + &release));
        }
        if count == SCALE { Ok(seen) } else { Ok(BTreeSet::new()) }
    }
}
