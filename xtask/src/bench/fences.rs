//! `bench fences`: what must never run twice (`on_host_loss: fence`), on a host whose cable is pulled, again and again: whether two
//! ever run at once, and how soon it runs elsewhere. Engines are looked at all the time, and the writers themselves write into one
//! file that they run, which shows what is too short for a look.

mod lines;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use self::lines::Story;
use super::lookout::Lookout;
use super::shop::{Shop, service_of, stuck, until};
use super::stage::{Measured, Stage};
use super::table::{Spread, percentile, table};
use super::{BenchError, io};
use crate::docker::{Container, Engine};
use crate::wait::wait;

/// Whose errors these are.
const WHO: &str = "fences";
/// Between two looks at all engines.
const LOOK: Duration = Duration::from_millis(100);
/// How long it may take until it runs elsewhere; it should be 11.5 s and a start.
const ELSEWHERE_WITHIN: Duration = Duration::from_mins(1);
/// How long the host may take to be back and rid of the old one: its agent tries again every few seconds.
const BACK_WITHIN: Duration = Duration::from_secs(90);

const RANCHER: &str = "version: '2'\nservices:\n  writer:\n    scale: 1\n    on_host_loss: fence\n";

/// The command line.
#[derive(Args, Clone)]
pub struct Arguments {
    /// How often the cable is pulled of the host that runs it.
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
    stage.import_all()?;
    let desk = Desk::open(Shop::new(stage.start_cluster()?)?)?;
    let mut heals = Vec::new();
    let mut wrong = None;
    for number in 1..=arguments.rounds {
        match desk.pull(heals.len() + 1)? {
            Ok(heal) => {
                println!("{number}: {}", heal.words());
                heals.push(heal);
            }
            Err(what) => {
                wrong = Some(format!("round {number}: {what}; {}", desk.what_stands()));
                break;
            }
        }
    }
    // The last round may have ended before the last word.
    let overlaps = desk.overlaps()?;
    print(&heals, overlaps.len());
    println!("Engines were looked at {}.", desk.watch.pace());
    let at_last = || overlaps.first().map(|overlap| format!("two ran at once: {overlap}"));
    wrong.or_else(at_last).map_or(Ok(()), |what| Err(stuck(WHO, what)))
}

/// A cable that was pulled, the writer elsewhere, and the host back.
struct Heal {
    from: u8,
    to: u8,
    /// From before the cable was pulled until it served elsewhere.
    elsewhere: Duration,
    /// From when the cable was in again until the host was connected and the old one gone.
    back: Duration,
    /// From the old one's last line to the new one's first, seconds.
    gap_s: f64,
}

impl Heal {
    fn words(&self) -> String {
        let (elsewhere, back) = (self.elsewhere.as_secs_f64(), self.back.as_secs_f64());
        format!(
            "host{} to host{}: serves there after {elsewhere:.2} s, {:.2} s after the old one's end; back after {back:.2} s",
            self.from, self.to, self.gap_s
        )
    }
}

/// What was seen of writers.
#[derive(Default)]
struct Watched {
    /// All there were at the last look, stopped ones too.
    now: Vec<(u8, Container)>,
    /// Two that ran at once, in words.
    overlaps: Vec<String>,
}

impl Watched {
    fn running(&self) -> impl Iterator<Item = &(u8, Container)> {
        self.now.iter().filter(|(_, container)| container.state == "running")
    }
}

/// Where the writer works, and who looks on.
struct Desk {
    shop: Shop,
    watch: Lookout<Watched>,
    /// The file that all writers write to: hosts of a testbed share the machine's disk.
    file: PathBuf,
}

impl Desk {
    fn open(shop: Shop) -> Result<Self, BenchError> {
        let folder = shop.cluster.folder().join("beats");
        std::fs::create_dir_all(&folder).map_err(io("make a folder for what the writer writes"))?;
        let place = folder.display();
        let compose = format!(
            "version: '2'\nservices:\n  writer:\n    image: demo/web:v1\n    environment:\n      TESTAPP_BEAT: /beats/lines\n    volumes:\n      - {place}:/beats\n"
        );
        let watch = watch(&shop);
        shop.write(&compose, RANCHER)?;
        shop.run("up -d")?;
        let desk = Self { shop, watch, file: folder.join("lines") };
        until(WHO, "the writer to serve", || desk.serving(|_| true).is_some())?;
        Ok(desk)
    }

    /// Pull the cable of the host that runs it until it serves elsewhere, and plug it in again; or why that did not go well. So many
    /// processes of it there were before: one more at each heal, and not one besides.
    fn pull(&self, before: usize) -> Result<Result<Heal, String>, BenchError> {
        let Some((from, _)) = self.serving(|_| true) else {
            return Ok(Err("the writer serves nowhere".to_owned()));
        };
        let bed = &self.shop.cluster.bed;
        let began = Instant::now();
        bed.pull_cable(from)?;
        let mut there = None;
        wait(ELSEWHERE_WITHIN, || {
            there = self.serving(|host| host != from);
            there.is_some()
        });
        let elsewhere = began.elapsed();
        let Some((to, new)) = there else {
            return Ok(Err(format!(
                "not elsewhere within {} s after the cable of host{from} was pulled",
                ELSEWHERE_WITHIN.as_secs()
            )));
        };
        bed.plug_cable(from)?;
        let plugged = Instant::now();
        let is_back = wait(BACK_WITHIN, || {
            let is_alone = self.watch.ask(|seen| seen.now.len() == 1);
            is_alone && self.shop.cluster.hosts_ready() == bed.hosts.len()
        });
        if !is_back {
            let within = BACK_WITHIN.as_secs();
            return Ok(Err(format!(
                "host{from} is not back, or not rid of the old one, within {within} s"
            )));
        }
        let back = plugged.elapsed();
        if let Some(overlap) = self.overlaps()?.into_iter().next() {
            return Ok(Err(format!("two ran at once: {overlap}")));
        }
        let story = self.story()?;
        let there_were = story.runs.len();
        let stays = self.serving(|_| true).is_some_and(|now| now == (to, new));
        if there_were != before + 1 || !stays {
            return Ok(Err(format!(
                "it moved, or was started, without need: {there_were} processes so far instead of {}, and what runs is {}what ran on host{to}",
                before + 1,
                if stays { "" } else { "not " }
            )));
        }
        let gap_s = story.gap_s().unwrap_or(f64::NAN);
        Ok(Ok(Heal { from, to, elsewhere, back, gap_s }))
    }

    /// Host and id of a writer that runs on hosts of a kind and that Docker calls healthy.
    fn serving(&self, is_meant: impl Fn(u8) -> bool) -> Option<(u8, String)> {
        let (host, id) = self.watch.ask(|seen| {
            let mut running = seen.running().filter(|(host, _)| is_meant(*host));
            running.next().map(|(host, container)| (*host, container.id.clone()))
        })?;
        let seen = self.shop.cluster.engine(host).inspect(&id).ok()?;
        (seen["State"]["Health"]["Status"] == "healthy").then_some((host, id))
    }

    fn story(&self) -> Result<Story, BenchError> {
        Story::read(&self.file).map_err(io("read what the writer wrote"))
    }

    /// Two that ran at once, by engines and by what they wrote.
    fn overlaps(&self) -> Result<Vec<String>, BenchError> {
        let mut overlaps = self.watch.ask(|seen| seen.overlaps.clone());
        overlaps.extend(self.story()?.overlaps);
        Ok(overlaps)
    }

    /// What there is of writers and hosts, in words.
    fn what_stands(&self) -> String {
        let writers = self.watch.ask(|seen| {
            let words =
                |(host, c): &(u8, Container)| format!("{} on host{host} {}", c.name, c.state);
            seen.now.iter().map(words).collect::<Vec<_>>().join(", ")
        });
        let said = match self.shop.drover("why writer") {
            Ok(done) => String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned(),
            Err(error) => error.to_string(),
        };
        format!("there is: {writers}; `drover why writer`: {}", said.trim())
    }
}

/// Begin to look at all engines. One that does not answer makes it no look, so that what it may have run counts as not looked at.
fn watch(shop: &Shop) -> Lookout<Watched> {
    let cluster = &shop.cluster;
    let engines = cluster.host_numbers().into_iter().map(|host| (host, cluster.engine(host)));
    let engines: Vec<(u8, Engine)> = engines.collect();
    let look = move || {
        let now = writers(&engines)?;
        let overlap = overlap(&now, || writers(&engines));
        Some((now, overlap))
    };
    Lookout::start(LOOK, look, |seen: &mut Watched, (now, overlap)| {
        seen.now = now;
        seen.overlaps.extend(overlap);
    })
}

/// All containers of the service.
fn writers(engines: &[(u8, Engine)]) -> Option<Vec<(u8, Container)>> {
    let mut all = Vec::new();
    for (host, engine) in engines {
        let found = engine.containers().ok()?.into_iter();
        let own = found.filter(|c| service_of(c).is_some_and(|name| name.ends_with("/writer")));
        all.extend(own.map(|container| (*host, container)));
    }
    Some(all)
}

/// Whether more than one runs. Engines are asked one after another, so that one may have ended and another begun in between: two
/// run at once only if a second look shows both again.
fn overlap(
    now: &[(u8, Container)],
    look_again: impl FnOnce() -> Option<Vec<(u8, Container)>>,
) -> Option<String> {
    let runs = |(_, container): &&(u8, Container)| container.state == "running";
    let first: Vec<_> = now.iter().filter(runs).collect();
    if first.len() < 2 {
        return None;
    }
    let again = look_again()?;
    let still = |(_, old): &&&(u8, Container)| {
        again.iter().filter(runs).any(|(_, container)| container.id == old.id)
    };
    let both: Vec<_> = first.iter().filter(still).collect();
    let words = both.iter().map(|(host, c)| format!("{} ({:.12}) on host{host}", c.name, c.id));
    (both.len() > 1).then(|| words.collect::<Vec<_>>().join(" and "))
}

fn print(heals: &[Heal], overlaps: usize) {
    let head = [
        "heals",
        "overlaps",
        "serves elsewhere, s: p50",
        "p95",
        "worst",
        "least time between the two, s",
        "host back, s",
    ];
    let elsewhere: Vec<f64> = heals.iter().map(|heal| heal.elsewhere.as_secs_f64()).collect();
    let [p50, p95, worst] = [50, 95, 100].map(|percent| percentile(&elsewhere, percent));
    let gap = heals.iter().map(|heal| heal.gap_s).fold(f64::NAN, f64::min);
    let back = Spread::of(heals.iter().map(|heal| heal.back.as_secs_f64()));
    let row = [
        heals.len().to_string(),
        overlaps.to_string(),
        format!("{p50:.2}"),
        format!("{p95:.2}"),
        format!("{worst:.2}"),
        format!("{gap:.2}"),
        back.to_string(),
    ];
    let head = head.map(str::to_owned).to_vec();
    println!("\nThe last: least / middle / greatest.\n\n{}", table(&[head, row.to_vec()]));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// `1:a` runs on host 1, `1:-a` is there and does not run.
    fn there(text: &str) -> Vec<(u8, Container)> {
        let one = |word: &str| {
            let (host, id) = word.split_once(':').unwrap();
            let state = if id.starts_with('-') { "exited" } else { "running" }.to_owned();
            let id = id.trim_start_matches('-').to_owned();
            let (name, image) = ("writer".to_owned(), String::new());
            (host.parse().unwrap(), Container { id, name, image, state, labels: BTreeMap::new() })
        };
        text.split_whitespace().map(one).collect()
    }

    #[test]
    fn two_run_at_once_only_if_both_are_seen_twice() {
        let check = |now: &str, again: Option<&str>, want: bool| {
            let found = overlap(&there(now), || again.map(there));
            assert_eq!(found.is_some(), want, "{now}, {again:?}: {found:?}");
        };
        check("1:a", None, false);
        check("1:-a 2:b", None, false);
        check("1:a 2:b", None, false);
        check("1:a 2:b", Some("1:-a 2:b"), false);
        check("1:a 2:b", Some("2:b 3:c"), false);
        check("1:a 2:b", Some("1:a 2:b"), true);
    }
}
