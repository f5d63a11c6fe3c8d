//! The proof that changes lose no request: a load of many kinds of requests through two balancers while a service is
//! upgraded, rolled back, scaled, restarted and exchanged for another. Benchmark and tests share it; what counts is
//! what the load saw, from outside.
//!
//! Moving the load from one service to another by `drover upgrade` is not among the changes: it is not offered yet.

mod files;
mod mix;
mod tally;
pub(crate) mod wire;

use std::net::SocketAddr;
use std::time::Duration;

use tempfile::TempDir;

pub use mix::{Kind, Mix};
pub use tally::{Counts, Failure, Phase, Tally};

use self::files::Shop;
use crate::cluster::{Cluster, ClusterError};
use crate::http::{Place, Request};
use crate::wait::wait;

/// The phase in which nothing changes: the measure of the others.
pub const QUIET: &str = "quiet";
/// Balancers.
const BALANCERS: usize = 2;
/// How long the balancers may take to answer.
const PATIENCE: Duration = Duration::from_secs(40);

/// How much.
#[derive(Clone, Copy, Debug)]
pub struct Amount {
    /// Requests for each second.
    pub per_second: u32,
    /// Requests of each phase, at least.
    pub per_phase: u64,
}

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
pub enum TrafficError {
    /// The cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A command failed.
    #[error("`drover {line}` failed:\n{said}")]
    Refused {
        /// The command.
        line: String,
        /// What it printed.
        said: String,
    },
    /// The balancers don't answer.
    #[error("only {found} of {BALANCERS} balancers answer on port 80")]
    Unanswered {
        /// Those that do.
        found: usize,
    },
    /// Files and sockets.
    #[error("could not {what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}

/// A change of the files, and the command that carries it out.
type Step = (fn(&mut Shop), &'static str);

/// What is done, in order; each phase leaves the shop to the next.
const PHASES: [(&str, &[Step]); 12] = [
    (QUIET, &[]),
    ("upgrade, start first", &[(|s| s.web("v2", true), "up -d --upgrade --batch-size 3")]),
    ("finish", &[(|_| (), "up -d --confirm-upgrade")]),
    ("upgrade, stop first", &[(|s| s.web("v1", false), "up -d --upgrade --batch-size 3")]),
    ("rollback of that", &[(|s| s.web("v2", true), "up -d --rollback")]),
    ("upgrade, start first, again", &[(|s| s.web("v1", true), "up -d --upgrade --batch-size 3")]),
    ("rollback of that, too", &[(|s| s.web("v2", true), "up -d --rollback")]),
    (
        "balancer to another service and back",
        &[(|s| s.target("next"), UPGRADE), (|s| s.target("web"), UPGRADE)],
    ),
    ("balancer to an alias", &[(|s| s.target("front"), UPGRADE)]),
    (
        "alias to both, to the other, and back",
        &[
            (|s| s.front(&["web", "next"]), UPGRADE),
            (|s| s.front(&["next"]), UPGRADE),
            (|s| s.front(&["web"]), UPGRADE),
        ],
    ),
    ("scale from 6 to 3", &[(|_| (), "scale web=3")]),
    ("restart", &[(|_| (), "restart web")]),
];

/// `up --upgrade` of what can be changed in place.
const UPGRADE: &str = "up -d --upgrade";

/// Do all of it on a cluster whose hosts have the demo's images; `tell` hears of each phase.
pub fn run(
    cluster: &Cluster,
    amount: Amount,
    tell: &mut dyn FnMut(&str),
) -> Result<Tally, TrafficError> {
    let folder = tempfile::tempdir().map_err(io("make a folder for compose files"))?;
    let stand = Stand { cluster, folder };
    let mut shop = Shop::default();
    stand.drover(&shop, "up -d")?;
    let places = stand.balancers()?;
    let ear = SocketAddr::from((cluster.bed.server, 0));
    let mix = Mix::start(places, amount.per_second, ear, QUIET).map_err(io("start the load"))?;
    for (number, (name, steps)) in PHASES.iter().enumerate() {
        tell(name);
        if number > 0 {
            mix.begin(name);
        }
        for (change, line) in *steps {
            change(&mut shop);
            stand.drover(&shop, line)?;
        }
        let due = amount.per_phase / u64::from(amount.per_second.max(1));
        wait(Duration::from_secs(due * 2 + 30), || mix.sent() >= amount.per_phase);
        tell(&format!("  {} requests, {} failed so far", mix.sent(), mix.failed()));
    }
    mix.finish().map_err(io("carry the load to its end"))
}

/// A cluster and a folder with the shop's files.
struct Stand<'a> {
    cluster: &'a Cluster,
    folder: TempDir,
}

impl Stand<'_> {
    fn drover(&self, shop: &Shop, line: &str) -> Result<(), TrafficError> {
        let files = [
            ("docker-compose.yml", shop.docker_compose()),
            ("rancher-compose.yml", shop.rancher_compose()),
        ];
        for (name, text) in files {
            std::fs::write(self.folder.path().join(name), text).map_err(io("write a file"))?;
        }
        let mut words = vec!["--project-name", "shop"];
        words.extend(line.split(' '));
        let done = self.cluster.run(self.folder.path(), &words)?;
        if done.status.success() {
            return Ok(());
        }
        let said = [done.stdout, done.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        Err(TrafficError::Refused { line: line.to_owned(), said })
    }

    /// Where the balancers answer.
    fn balancers(&self) -> Result<Vec<SocketAddr>, TrafficError> {
        let hosts = self.cluster.host_numbers();
        let mut found = Vec::new();
        wait(PATIENCE, || {
            let places = hosts.iter().map(|host| self.cluster.port(*host, 80));
            found = places.filter(|place| answers(*place)).collect();
            found.len() == BALANCERS
        });
        if found.len() == BALANCERS {
            Ok(found)
        } else {
            Err(TrafficError::Unanswered { found: found.len() })
        }
    }
}

fn answers(place: SocketAddr) -> bool {
    let request = Request { patience: Duration::from_secs(5), ..Request::new("GET", "/") };
    request.send(&Place::Tcp(place)).is_ok_and(|answer| answer.is_success())
}

fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> TrafficError {
    move |source| TrafficError::Io { what, source }
}
