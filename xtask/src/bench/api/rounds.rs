//! Rounds of requests: several clients, each of which asks for every kind in turn, beginning with another one, so that all
//! kinds meet the same moments.

use std::time::{Duration, Instant};

use super::kinds::{Class, KINDS, Targets, request};
use super::stand::Stand;
use crate::bench::BenchError;
use crate::bench::table::{Spread, percentile};

/// How long one client goes on with one kind in a round.
const LONGEST: Duration = Duration::from_secs(4);

/// How much is asked in a round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) clients: u8,
    pub(super) asks: u8,
}

/// The times of all requests: by round, then by kind, milliseconds.
#[derive(Default)]
pub(super) struct Rounds(Vec<Vec<Vec<f64>>>);

impl Rounds {
    /// Do one.
    pub(super) fn add(
        &mut self,
        stand: &Stand,
        targets: &Targets,
        size: Size,
    ) -> Result<(), BenchError> {
        eprint!("\rround {}  ", self.0.len() + 1);
        let round = self.0.len();
        let of_clients: Vec<_> = std::thread::scope(|scope| {
            let work = |client: u8| scope.spawn(move || ask(stand, targets, size, client, round));
            let clients: Vec<_> = (0..size.clients).map(work).collect();
            clients.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
        });
        let mut times = vec![Vec::new(); KINDS.len()];
        for of_client in of_clients {
            let what = || "a client of the benchmark gave up".to_owned();
            let of_client =
                of_client.map_err(|_| BenchError::Stuck { who: "a client", what: what() })??;
            for (all, own) in times.iter_mut().zip(of_client) {
                all.extend(own);
            }
        }
        self.0.push(times);
        Ok(())
    }

    /// A row for each kind.
    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        let head = ["request", "times", "p50 ms", "p99 ms", "of all: p99", "aim", "p50 × ping"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for (index, (name, class, ..)) in KINDS.iter().enumerate() {
            let of = |kind: usize, percent| {
                self.0.iter().map(move |round| percentile(&round[kind], percent))
            };
            let all: Vec<f64> = self.0.iter().flat_map(|round| round[index].clone()).collect();
            let beside_ping = of(index, 50).zip(of(0, 50)).map(|(own, ping)| own / ping);
            let p99 = percentile(&all, 99);
            rows.push(vec![
                (*name).to_owned(),
                all.len().to_string(),
                Spread::of(of(index, 50)).to_string(),
                Spread::of(of(index, 99)).to_string(),
                format!("{p99:.2}"),
                aim(*class, p99),
                Spread::of(beside_ping).to_string(),
            ]);
        }
        rows
    }
}

fn aim(class: Class, p99: f64) -> String {
    let said = |aim: f64| format!("{aim} {}", if p99 <= aim { "✓" } else { "✗" });
    class.aim_ms().map_or_else(|| "–".to_owned(), said)
}

/// One client's round.
fn ask(
    stand: &Stand,
    targets: &Targets,
    size: Size,
    client: u8,
    round: usize,
) -> Result<Vec<Vec<f64>>, BenchError> {
    let mut times = vec![Vec::new(); KINDS.len()];
    let mut connection = stand.client();
    let first = usize::from(client) * KINDS.len() / usize::from(size.clients);
    for n in 0..KINDS.len() {
        let index = (first + n) % KINDS.len();
        let kind = &KINDS[index];
        let until = Instant::now() + LONGEST;
        for turn in 0..usize::from(size.asks) {
            let turn = turn + (usize::from(client) + round * 3) * usize::from(size.asks);
            let (path, body) = request(kind, targets, turn);
            let began = Instant::now();
            let answer =
                connection.ask(kind.2, &path, &body).map_err(crate::api::ApiError::from)?;
            times[index].push(began.elapsed().as_secs_f64() * 1000.0);
            if !answer.is_success() {
                let what = format!("{} {path}: {} {}", kind.2, answer.status, answer.text());
                return Err(BenchError::Stuck { who: "the server", what });
            }
            if Instant::now() > until {
                break;
            }
        }
    }
    Ok(times)
}
