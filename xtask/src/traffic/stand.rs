//! The shop on a cluster, with the load upon it: phases are gone through here, and after each step who answers must be
//! who should.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::files::Shop;
use super::phase;
use super::phases::{Phase, Step};
use super::trouble::{Trouble, lives};
use super::who::{Runs, Seen, Who, differs};
use super::{BALANCERS, Mix, STACK, Tally, TrafficError, io};
use crate::cluster::Cluster;
use crate::http::{Place, Request};
use crate::wait::wait;

/// How long the balancers may take to answer, or to answer as the files say once a change is through.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long a command may take, and what it begins.
const COMMAND: Duration = Duration::from_mins(4);
/// Answers that show who answers: each of nine processes gives some of these.
const ANSWERS: u64 = 150;

/// The shop, the load, and who answers now.
pub(super) struct Stand<'a> {
    cluster: &'a mut Cluster,
    folder: TempDir,
    shop: Shop,
    pub(super) mix: Mix,
    /// A host with a balancer.
    host: u8,
    who: BTreeSet<Who>,
}

impl<'a> Stand<'a> {
    /// Set the shop up and begin the load.
    pub(super) fn open(cluster: &'a mut Cluster, per_second: u32) -> Result<Self, TrafficError> {
        let folder = tempfile::tempdir().map_err(io("make a folder for compose files"))?;
        let shop = Shop::default();
        write(&folder, &shop)?;
        let up = begin(cluster, &folder, "up -d")?;
        wait_for(up, &folder, "up -d")?;
        let balancers = balancers(cluster)?;
        let host = balancers[0].0;
        let places = balancers.into_iter().map(|(_, place)| place).collect();
        let ear = SocketAddr::from((cluster.bed.server, 0));
        let mix =
            Mix::start(places, per_second, ear, phase::QUIET).map_err(io("start the load"))?;
        Ok(Self { cluster, folder, shop, mix, host, who: BTreeSet::new() })
    }

    /// Do what a phase says, hold it for a while, and see that who answers stays who should.
    pub(super) fn go_through(&mut self, part: &Phase, least: Duration) -> Result<(), TrafficError> {
        self.mix.begin(part.name);
        let until = Instant::now() + least;
        for step in &part.steps {
            self.take(part.name, step)?;
        }
        self.mix.look();
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
        let line = part.steps.last().map_or("", |step| step.line);
        self.must_answer(part.name, line)
    }

    /// No more load; what became of all.
    pub(super) fn close(self) -> Result<Tally, TrafficError> {
        self.mix.finish().map_err(io("carry the load to its end"))
    }

    fn take(&mut self, phase: &str, step: &Step) -> Result<(), TrafficError> {
        (step.change)(&mut self.shop);
        write(&self.folder, &self.shop)?;
        match step.trouble {
            None => self.command(step.line)?,
            Some(trouble) => self.amid(phase, step.line, trouble)?,
        }
        self.must_come_to_answer(phase, step)
    }

    /// Run a command to its end, if there is one.
    fn command(&mut self, line: &str) -> Result<(), TrafficError> {
        if line.is_empty() {
            return Ok(());
        }
        wait_for(begin(self.cluster, &self.folder, line)?, &self.folder, line)
    }

    /// Run a command while something happens, which the balancers must not notice.
    fn amid(&mut self, phase: &str, line: &str, trouble: Trouble) -> Result<(), TrafficError> {
        let before = lives(self.cluster, "balancer")?;
        trouble.prepare(self.cluster, self.host);
        self.mix.look();
        let child = match line {
            "" => None,
            line => Some(begin(self.cluster, &self.folder, line)?),
        };
        if trouble.comes_halfway() && !wait(COMMAND, || self.somebody_is_new()) {
            let what = format!("anybody new to answer after `drover {line}`");
            return Err(TrafficError::Endless { what });
        }
        trouble.happen(self.cluster, self.host)?;
        let ended = child.map_or(Ok(()), |child| wait_for(child, &self.folder, line));
        match ended {
            Err(TrafficError::Refused { .. }) if trouble.may_stop_watching() => {
                self.wait_until_upgraded()?;
            }
            ended => ended?,
        }
        let now = lives(self.cluster, "balancer")?;
        if now == before {
            return Ok(());
        }
        let (before, now) = (format!("{before:?}"), format!("{now:?}"));
        Err(TrafficError::Touched { phase: phase.to_owned(), before, now })
    }

    fn somebody_is_new(&self) -> bool {
        !self.mix.seen().who().is_subset(&self.who)
    }

    fn wait_until_upgraded(&self) -> Result<(), TrafficError> {
        let state = || self.cluster.service(STACK, "web").unwrap_or_default()["state"].clone();
        if wait(COMMAND, || state() == "upgraded") {
            return Ok(());
        }
        Err(TrafficError::Endless { what: format!("web to be upgraded; it is {}", state()) })
    }

    /// Wait until those answer who shall, and nobody else; they are the ones from then on.
    fn must_come_to_answer(&mut self, phase: &str, step: &Step) -> Result<(), TrafficError> {
        let wanted = self.shop.answering();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self.look().who();
            match differs(&wanted, step.runs, &self.who, &now) {
                None => {
                    self.who = now;
                    return Ok(());
                }
                Some(why) if Instant::now() > deadline => {
                    return Err(unchanged(phase, step.line, why));
                }
                Some(_) => {}
            }
        }
    }

    /// Those who have answered since the last look must be who should.
    fn must_answer(&self, phase: &str, line: &str) -> Result<(), TrafficError> {
        wait(PATIENCE, || self.mix.seen().count() >= ANSWERS);
        let seen = self.mix.seen().who();
        let why = differs(&self.shop.answering(), Runs::Same, &self.who, &seen);
        why.map_or(Ok(()), |why| Err(unchanged(phase, line, why)))
    }

    /// Who answers from now on.
    fn look(&self) -> Seen {
        self.mix.look();
        wait(PATIENCE, || self.mix.seen().count() >= ANSWERS);
        self.mix.seen()
    }
}

fn unchanged(phase: &str, line: &str, why: String) -> TrafficError {
    TrafficError::Unchanged { phase: phase.to_owned(), line: line.to_owned(), why }
}

fn write(folder: &TempDir, shop: &Shop) -> Result<(), TrafficError> {
    let files = [
        ("docker-compose.yml", shop.docker_compose()),
        ("rancher-compose.yml", shop.rancher_compose()),
    ];
    files.into_iter().try_for_each(|(name, text)| {
        std::fs::write(folder.path().join(name), text).map_err(io("write a file"))
    })
}

/// Begin a command; what it says is kept in the folder.
fn begin(cluster: &Cluster, folder: &TempDir, line: &str) -> Result<Child, TrafficError> {
    let log = File::create(folder.path().join("said")).map_err(io("keep what a command says"))?;
    let again = log.try_clone().map_err(io("keep what a command says"))?;
    let mut words = vec!["--project-name", STACK];
    words.extend(line.split(' '));
    let mut command = cluster.command(folder.path(), &words);
    command.stdin(Stdio::null()).stdout(log).stderr(again).spawn().map_err(io("run drover"))
}

/// Wait for a command's end, which must be a good one.
fn wait_for(mut child: Child, folder: &TempDir, line: &str) -> Result<(), TrafficError> {
    let mut status = None;
    wait(COMMAND, || {
        status = child.try_wait().ok().flatten();
        status.is_some()
    });
    let said = std::fs::read_to_string(folder.path().join("said")).unwrap_or_default();
    match status {
        Some(status) if status.success() => Ok(()),
        Some(_) => Err(TrafficError::Refused { line: line.to_owned(), said }),
        None => {
            let _ = child.kill();
            let _ = child.wait();
            let what = format!("the end of `drover {line}`, which said:\n{said}");
            Err(TrafficError::Endless { what })
        }
    }
}

/// Where the balancers answer.
fn balancers(cluster: &Cluster) -> Result<Vec<(u8, SocketAddr)>, TrafficError> {
    let hosts = cluster.host_numbers();
    let mut found = Vec::new();
    wait(PATIENCE, || {
        let places = hosts.iter().map(|host| (*host, cluster.port(*host, 80)));
        found = places.filter(|(_, place)| answers(*place)).collect();
        found.len() == BALANCERS
    });
    if found.len() == BALANCERS {
        Ok(found)
    } else {
        Err(TrafficError::Unanswered { found: found.len() })
    }
}

fn answers(place: SocketAddr) -> bool {
    let request = Request { patience: Duration::from_secs(5), ..Request::new("GET", "/") };
    request.send(&Place::Tcp(place)).is_ok_and(|answer| answer.is_success())
}
