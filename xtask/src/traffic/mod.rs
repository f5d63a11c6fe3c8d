//! The proof that changes lose no request: a load of many kinds of requests through two balancers while a service is
//! upgraded, rolled back, scaled, restarted and exchanged for another, and while agents and server are killed, replaced
//! and late. Benchmark and tests share it; what counts is what the load saw, from outside: that nothing failed, and that
//! each change really was one.

mod files;
mod histogram;
mod mix;
mod orders;
pub mod phase;
mod phases;
mod stand;
mod tally;
mod trouble;
mod who;
pub(crate) mod wire;

use std::time::Duration;

pub use histogram::Histogram;
pub use mix::{Kind, Mix};
pub use orders::Orders;
pub use tally::{Counts, Phase, Tally};
pub use who::{Seen, Who};

use self::stand::Stand;
use crate::cluster::{Cluster, ClusterError};

/// Balancers.
const BALANCERS: usize = 2;
/// Name of the stack.
const STACK: &str = "shop";

/// How much.
#[derive(Clone, Debug)]
pub struct Amount {
    /// Requests for each second.
    pub per_second: u32,
    /// Requests in all, at least: the cycle of phases is repeated until there are so many.
    pub requests: u64,
    /// How long a phase is held at least, and the quiet one three times.
    pub phase_s: u64,
    /// How many seconds a balancer is late, a phase for each.
    pub delays_s: Vec<u64>,
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
    /// A command did not end, or what it had begun did not.
    #[error("in vain it was waited for {what}")]
    Endless {
        /// What did not come to be.
        what: String,
    },
    /// The balancers don't answer.
    #[error("only {found} of {BALANCERS} balancers answer on port 80")]
    Unanswered {
        /// Those that do.
        found: usize,
    },
    /// A change changed nothing, or something else than it should.
    #[error("phase \"{phase}\", after `{line}`: {why}")]
    Unchanged {
        /// The phase.
        phase: String,
        /// The command.
        line: String,
        /// How who answers differs from who should.
        why: String,
    },
    /// What was none of its business was touched.
    #[error(
        "phase \"{phase}\": the balancers' containers were touched: {before} before, {now} now"
    )]
    Touched {
        /// The phase.
        phase: String,
        /// Containers and when they were started.
        before: String,
        /// The same afterwards.
        now: String,
    },
    /// Newer agents did not exchange the name service.
    #[error("not every name service is of the newer agent's image: {before} before, {now} now")]
    Unexchanged {
        /// Images by host.
        before: String,
        /// The same afterwards.
        now: String,
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

/// Do all of it on a cluster whose hosts have the demo's images, again and again until there are requests enough;
/// `tell` hears of each phase.
pub fn run(
    cluster: &mut Cluster,
    amount: &Amount,
    tell: &mut dyn FnMut(&str),
) -> Result<Tally, TrafficError> {
    let mut stand = Stand::open(cluster, amount.per_second)?;
    for round in 1.. {
        for part in phases::cycle(&amount.delays_s) {
            let least_s =
                if part.name == phase::QUIET { amount.phase_s * 3 } else { amount.phase_s };
            stand.go_through(&part, Duration::from_secs(least_s))?;
            tell(&format!("{round}: {}", stand.mix.words(part.name)));
        }
        if stand.mix.sent() >= amount.requests {
            break;
        }
    }
    stand.close()
}

fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> TrafficError {
    move |source| TrafficError::Io { what, source }
}
