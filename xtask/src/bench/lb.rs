//! `bench lb`: what a core does for requests and bytes in `drover balancer`, beside `HAProxy`, nginx and Caddy, taking
//! turns. A contender has one core; who asks and who answers share another.
//!
//! What counts is requests for each second of the contender's own processor time: that holds even where the core of
//! those who ask is the one that is full.

mod load;
mod proxy;

use std::path::Path;

use clap::Args;

use self::load::{Load, Spoken, press};
use self::proxy::{BEHIND_TCP, Place, Proxy};
use super::pinned::{self, OTHERS, on_core, processor_time_s};
use super::stage::Measured;
use super::table::{Spread, table};
use super::{BenchError, alone, io, iperf};
use crate::packages::{self, Needed};

/// Who asks.
const ASKERS: [Needed; 3] = [("wrk", "wrk"), ("h2load", "nghttp2-client"), iperf::NEEDED];

/// The contender that the others are measured by.
const MEASURE: &str = "HAProxy";

/// The command line.
#[derive(Args, Clone)]
pub struct Arguments {
    /// Connections that are open at a time, in turn.
    #[arg(long, value_delimiter = ',', default_value = "64,512")]
    connections: Vec<u32>,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 3)]
    seconds: u32,
    /// Times each is done.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    rounds: u8,
    #[command(flatten)]
    measured: Measured,
}

/// One turn of one contender.
#[derive(Clone, Copy)]
struct Turn {
    /// Requests, or gigabits, for each second.
    per_second: f64,
    /// The same for each second of processor time of its own.
    per_core_second: f64,
    p99_ms: f64,
}

/// Run it.
pub(super) fn run(arguments: &Arguments) -> Result<(), BenchError> {
    for needed in [&pinned::NEEDED[..], &proxy::NEEDED, &ASKERS] {
        packages::provide(needed)?;
    }
    let drover = arguments.measured.program()?;
    let all = arguments.clone();
    alone(move || compare(&all, &drover))
}

fn compare(arguments: &Arguments, drover: &Path) -> Result<(), BenchError> {
    let folder = tempfile::tempdir().map_err(io("make a folder for the contenders"))?;
    let place = Place::prepare(folder.path())?;
    let _backends = place.backends()?;
    let proxies = [place.haproxy()?, place.drover(drover)?, place.nginx()?, place.caddy()?];
    println!("Least / middle / greatest of {}, {} s each.", arguments.rounds, arguments.seconds);
    for spoken in Spoken::ALL {
        for &connections in &arguments.connections {
            let turns = take_turns(&proxies, arguments.rounds, |proxy| {
                ask(proxy, spoken, connections, arguments.seconds, folder.path())
            })?;
            let title = format!("{}, {connections} connections", spoken.name());
            print(&title, "requests/s", &proxies, &turns);
        }
    }
    let command = on_core(OTHERS, &iperf::server(BEHIND_TCP));
    let log = folder.path().join("iperf3.log");
    let _behind = pinned::start("iperf3", &command, &log, Some(BEHIND_TCP))?;
    // The others carry HTTP only, as Debian's packages set them up.
    let carriers = &proxies[..2];
    let turns = take_turns(carriers, arguments.rounds, |proxy| carry(proxy, arguments.seconds))?;
    print("TCP, one connection", "Gbit/s", carriers, &turns);
    Ok(())
}

/// The turns of each contender.
fn take_turns(
    proxies: &[Proxy],
    rounds: u8,
    turn: impl Fn(&Proxy) -> Result<Turn, BenchError>,
) -> Result<Vec<Vec<Turn>>, BenchError> {
    let mut turns = vec![Vec::new(); proxies.len()];
    for _ in 0..rounds {
        for (proxy, turns) in proxies.iter().zip(&mut turns) {
            turns.push(turn(proxy)?);
        }
    }
    Ok(turns)
}

fn ask(
    proxy: &Proxy,
    spoken: Spoken,
    connections: u32,
    seconds: u32,
    folder: &Path,
) -> Result<Turn, BenchError> {
    let before_s = processor_time_s(&proxy.program).unwrap_or_default();
    let load = press(spoken, proxy.port(spoken), connections, seconds, folder)?;
    let Load { per_second, p99_ms, failures } = load;
    if failures > 0 || per_second == 0.0 {
        let of = format!("{}, {connections} connections", spoken.name());
        let what = format!("{of}: {per_second} requests/s were answered and {failures} failed");
        return Err(BenchError::Stuck { who: proxy.name, what });
    }
    let busy_s = processor_time_s(&proxy.program).unwrap_or_default() - before_s;
    Ok(Turn { per_second, per_core_second: per_second * f64::from(seconds) / busy_s, p99_ms })
}

fn carry(proxy: &Proxy, seconds: u32) -> Result<Turn, BenchError> {
    let before_s = processor_time_s(&proxy.program).unwrap_or_default();
    let line = iperf::client("127.0.0.1", proxy.tcp_port(), seconds);
    let per_second = iperf::gigabits_per_s(&mut on_core(OTHERS, &line))?;
    let busy_s = processor_time_s(&proxy.program).unwrap_or_default() - before_s;
    let per_core_second = per_second * f64::from(seconds) / busy_s;
    Ok(Turn { per_second, per_core_second, p99_ms: f64::NAN })
}

/// Each contender beside the one whose turn in the same round is the measure.
fn print(title: &str, unit: &str, proxies: &[Proxy], turns: &[Vec<Turn>]) {
    let head = [title, &format!("× {MEASURE} per core"), &format!("× {MEASURE}"), unit, "p99 ms"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (proxy, own) in proxies.iter().zip(turns) {
        let beside = |of: fn(&Turn) -> f64| {
            Spread::of(own.iter().zip(&turns[0]).map(|(own, other)| of(own) / of(other)))
        };
        let p99_ms = Spread::of(own.iter().map(|turn| turn.p99_ms));
        rows.push(vec![
            proxy.name.to_owned(),
            beside(|turn| turn.per_core_second).to_string(),
            beside(|turn| turn.per_second).to_string(),
            Spread::of(own.iter().map(|turn| turn.per_second)).to_string(),
            if p99_ms.middle().is_nan() { "–".to_owned() } else { p99_ms.to_string() },
        ]);
    }
    println!("\n{}", table(&rows));
}
