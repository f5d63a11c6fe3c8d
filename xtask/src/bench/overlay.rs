//! `bench overlay`: bytes between containers on two hosts, through the overlay, in the clear and then encrypted, beside
//! VXLAN tunnels made by hand between the same hosts, without and with what containers have around them, and beside no
//! tunnel at all, taking turns; then once more with bridged frames kept from the hosts' firewalls, which tells what those
//! cost. The hosts share one machine and one kernel: what is compared is the work for each byte, not wires.

mod bridged;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use clap::Args;

use self::bridged::{Bridged, MTU};
use super::contender::Contender;
use super::product::Drover;
use super::stage::{IMAGE, Measured, Stage};
use super::table::{Spread, table};
use super::{BenchError, iperf};
use crate::cluster::{Cluster, Program};
use crate::testbed::Testbed;
use crate::wait::wait;
use crate::{command, packages};

/// Who receives, and who sends.
const ENDS: [u8; 2] = [1, 2];
/// Port of whoever receives.
const PORT: u16 = 5_201;
/// How long containers may take to run.
const PATIENCE: Duration = Duration::from_mins(1);
/// Of the tunnel made by hand: its name, number and UDP port are nobody else's.
const PLAIN: [&str; 3] = ["plain0", "4711", "4711"];

/// Whether a host's firewall sees what its bridges carry, as Docker has it, besides what is routed.
const FILTER: &str = "net.bridge.bridge-nf-call-iptables";

/// What is told of each way.
const HEAD: [&str; 3] = ["container to container", "× plain VXLAN", "Gbit/s"];

/// The command line.
#[derive(Args, Clone)]
pub struct Arguments {
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 4)]
    seconds: u32,
    /// Times each is done.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    rounds: u8,
    #[command(flatten)]
    measured: Measured,
}

/// A way between the two.
struct Way {
    name: String,
    /// Where who receives is found.
    address: String,
    sender: Sender,
    /// Ends with it.
    _receiver: Program,
}

/// A prepared command to send on this host, with more arguments.
type Sender = Box<dyn Fn(&str) -> Result<Command, BenchError>>;

/// Run it.
pub(super) fn run(arguments: &Arguments) -> Result<(), BenchError> {
    packages::provide(&[iperf::NEEDED])?;
    let all = arguments.clone();
    arguments.measured.on_hosts(move |stage| on_stage(&all, stage))
}

fn on_stage(arguments: &Arguments, stage: Stage) -> Result<(), BenchError> {
    let cluster = stage.start_cluster()?;
    let bed = &cluster.bed;
    let mut drover = Drover::new(&cluster)?;
    drover.deploy(bed.hosts.len())?;
    let mut rows = vec![HEAD.map(str::to_owned).to_vec()];
    let mut ways =
        vec![by_hand(bed)?, bridged(bed)?, overlay(&cluster, "in the clear")?, no_tunnel(bed)?];
    rows.extend(measure(arguments, &ways)?);
    ways.truncate(1);
    ways.push(overlay(&cluster, "in the clear, bridged frames not filtered")?);
    filter(bed, false)?;
    // The first is what all are compared with, and is in the table already.
    rows.extend(measure(arguments, &ways)?.into_iter().skip(1));
    filter(bed, true)?;
    ways.truncate(1);
    encrypt(&cluster)?;
    ways.push(overlay(&cluster, "encrypted")?);
    rows.extend(measure(arguments, &ways)?.into_iter().skip(1));
    println!("\nLeast / middle / greatest of {}:\n\n{}", arguments.rounds, table(&rows));
    drop(ways);
    drover.remove()
}

/// Every way in turn, again and again; a row for each, beside the first.
fn measure(arguments: &Arguments, ways: &[Way]) -> Result<Vec<Vec<String>>, BenchError> {
    let mut rates = vec![Vec::new(); ways.len()];
    for _ in 0..arguments.rounds {
        for (way, rates) in ways.iter().zip(&mut rates) {
            let line = iperf::client(&way.address, PORT, arguments.seconds);
            rates.push(iperf::gigabits_per_s(&mut (way.sender)(&line)?)?);
        }
    }
    let rows = ways.iter().zip(&rates).map(|(way, own)| {
        let beside = own.iter().zip(&rates[0]).map(|(own, plain)| own / plain);
        let beside = Spread::of(beside).to_string();
        vec![way.name.clone(), beside, Spread::of(own.iter().copied()).to_string()]
    });
    Ok(rows.collect())
}

/// Whether both hosts' firewalls see bridged frames. The setting is of each host's network and ends with the testbed.
fn filter(bed: &Testbed, on: bool) -> Result<(), BenchError> {
    for host in ENDS {
        let mut sysctl = bed.command(host, Path::new("sysctl"))?;
        command::output(sysctl.args(["-w", &format!("{FILTER}={}", u8::from(on))]))?;
    }
    Ok(())
}

/// Have what goes between hosts encrypted, and wait until all of it is.
fn encrypt(cluster: &Cluster) -> Result<(), BenchError> {
    let api = cluster.api();
    let setting = "/v2-beta/settings/drover.network.encryption";
    api.put(setting, &serde_json::json!({ "value": "wireguard" }))?;
    let others = cluster.bed.hosts.len() - 1;
    let is_sealed = |host: &serde_json::Value| {
        let told = &host["info"]["networkInfo"];
        let to = told["encryptedTo"].as_array().map_or(0, Vec::len);
        to == others && told["takesClear"] == false && told["trouble"] == serde_json::json!({})
    };
    let all_are = || {
        let hosts = api.list("/v2-beta/hosts?limit=-1").unwrap_or_default();
        hosts.len() > others && hosts.iter().all(is_sealed)
    };
    if wait(PATIENCE, all_are) {
        return Ok(());
    }
    let what = "hosts do not encrypt what they send to each other".to_owned();
    Err(BenchError::Stuck { who: "Drover", what })
}

/// Between the hosts, as they are.
fn no_tunnel(bed: &Testbed) -> Result<Way, BenchError> {
    let address = bed.host(ENDS[0])?.address.to_string();
    between_hosts(bed, "no tunnel, host to host", address)
}

/// Between the hosts, through a tunnel of two.
fn by_hand(bed: &Testbed) -> Result<Way, BenchError> {
    let [name, vni, port] = PLAIN;
    for (own, other) in [(ENDS[0], ENDS[1]), (ENDS[1], ENDS[0])] {
        let (local, remote) = (bed.host(own)?.address, bed.host(other)?.address);
        for line in [
            format!(
                "link add {name} mtu {MTU} type vxlan id {vni} dstport {port} local {local} remote {remote}"
            ),
            format!("address add 10.99.99.{own}/24 dev {name}"),
            format!("link set {name} up"),
        ] {
            let mut ip = bed.command(own, Path::new("ip"))?;
            command::output(ip.args(line.split(' ')))?;
        }
    }
    between_hosts(bed, "plain VXLAN, host to host", format!("10.99.99.{}", ENDS[0]))
}

/// Between two ends as containers have them, through another tunnel by hand.
fn bridged(bed: &Testbed) -> Result<Way, BenchError> {
    let name = "plain VXLAN, bridge and links on either side";
    let made = Bridged::make(bed)?;
    let receiver = receive(bed, name, &made.command(ENDS[0], &iperf::server(PORT))?)?;
    let sender = move |line: &str| made.command(ENDS[1], line);
    let address = bridged::address(ENDS[0]).to_string();
    Ok(Way { name: name.to_owned(), address, sender: Box::new(sender), _receiver: receiver })
}

fn between_hosts(bed: &Testbed, name: &'static str, address: String) -> Result<Way, BenchError> {
    let line = format!("{} --bind {address}", iperf::server(PORT));
    let receiver = receive(bed, name, &with(bed.command(ENDS[0], Path::new("iperf3"))?, &line))?;
    let on = bed.clone();
    let sender = move |line: &str| Ok(with(on.command(ENDS[1], Path::new("iperf3"))?, line));
    Ok(Way { name: name.to_owned(), address, sender: Box::new(sender), _receiver: receiver })
}

/// Between the networks of two containers of ours.
fn overlay(cluster: &Cluster, how: &str) -> Result<Way, BenchError> {
    let name = "Drover, container to container";
    wait(PATIENCE, || ENDS.iter().all(|host| end(cluster, *host).is_ok()));
    let [(network, address), (from, _)] = [end(cluster, ENDS[0])?, end(cluster, ENDS[1])?];
    let bed = &cluster.bed;
    let iperf3 = Path::new("iperf3");
    let command = with(bed.command_in(ENDS[0], &network, iperf3)?, &iperf::server(PORT));
    let receiver = receive(bed, name, &command)?;
    let on = bed.clone();
    let sender = move |line: &str| Ok(with(on.command_in(ENDS[1], &from, iperf3)?, line));
    let name = format!("{name}, {how}");
    Ok(Way { name, address, sender: Box::new(sender), _receiver: receiver })
}

/// Where the network of a container of ours is, and its address.
fn end(cluster: &Cluster, host: u8) -> Result<(String, String), BenchError> {
    let engine = cluster.engine(host);
    let found = engine.containers()?.into_iter().find(|c| c.image.starts_with(IMAGE));
    let missing =
        |what| BenchError::Stuck { who: "Drover", what: format!("{what} on host {host}") };
    let container = found.ok_or_else(|| missing("no container"))?;
    let settings = engine.inspect(&container.id)?["NetworkSettings"].take();
    let mut networks = settings["Networks"].as_object().into_iter().flat_map(|all| all.values());
    let address = networks.find_map(|network| network["IPAddress"].as_str());
    let (network, address) = settings["SandboxKey"]
        .as_str()
        .zip(address.filter(|address| !address.is_empty()))
        .ok_or_else(|| missing("no address of its container's own"))?;
    Ok((network.to_owned(), address.to_owned()))
}

/// `line` begins with the program, which the command has already.
fn with(mut command: Command, line: &str) -> Command {
    command.args(line.split_whitespace().skip(1));
    command
}

fn receive(bed: &Testbed, name: &'static str, command: &Command) -> Result<Program, BenchError> {
    Ok(Program::start(name, command, &bed.folder.join("iperf3.log"))?)
}
