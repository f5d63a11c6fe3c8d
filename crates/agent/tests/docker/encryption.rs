//! Encryption between hosts, on engines with networks of their own: switched on, keys changed, and off again under
//! traffic that must not lose anything, with somebody listening on the wire.

use std::collections::BTreeSet;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use drover_core::{HostFacts, HostNetwork, Observed, Peer, VXLAN_PORT, WIREGUARD_PORT};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, timeout};

use crate::overlay::{Hosts, address, fetch, subnet};
use crate::site::{Site, app};
use crate::wiretap::{Wiretap, forge, holds, port};

/// Nothing that is waited for takes this long.
const PATIENCE: Duration = Duration::from_mins(1);
/// Packets that may be under way when it is over: a quarter of a second's.
const UNDER_WAY: u16 = 50;
/// What nobody may read.
const SECRET: &str = "the-cat-is-in-the-sack-and-nobody-sees-it";

/// Be the server: tell each host what the other says, until that is as it should be.
async fn until(
    hosts: &mut Hosts,
    network: &HostNetwork,
    what: &str,
    is_so: impl Fn(&HostFacts) -> bool,
) {
    let began = Instant::now();
    loop {
        let facts: Vec<HostFacts> =
            hosts.sites.iter().map(|site| site.server().told.borrow().facts.clone()).collect();
        for n in 0..2 {
            tell(hosts, n, network, &facts[1 - n]);
        }
        if facts.iter().all(&is_so) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "in vain for: {what}; told: {facts:#?}");
        let [one, two] = [0, 1].map(|n| hosts.sites[n].server().told.clone());
        let (mut one, mut two) = (one, two);
        let either = async {
            tokio::select! { _ = one.changed() => {}, _ = two.changed() => {} }
        };
        // What changed before is seen in the next round.
        let _ = timeout(Duration::from_millis(100), either).await;
    }
}

fn tell(hosts: &mut Hosts, n: usize, network: &HostNetwork, facts: &HostFacts) {
    let (other, own) = (1 - n, n as u64 + 1);
    let peer = Peer {
        host: other as u64 + 1,
        address: hosts.addresses[other].to_string(),
        subnet: subnet(other),
        public_key: facts.public_key.clone(),
        clear: facts.tunnels.clear,
        sealed: facts.tunnels.sealed_to.contains(&own),
    };
    let network = HostNetwork { subnet: subnet(n), peers: vec![peer], ..network.clone() };
    let site = &mut hosts.sites[n];
    if site.assignment.network.as_ref() != Some(&network) {
        site.assignment.network = Some(network);
        site.assign();
    }
}

fn network(encrypted: bool, key_number: u64) -> HostNetwork {
    HostNetwork {
        range: "10.42.0.0/16".into(),
        vni: 7,
        encrypted,
        key_number,
        ..HostNetwork::default()
    }
}

fn is_sealed(facts: &HostFacts) -> bool {
    !facts.tunnels.clear && facts.tunnels.sealed_to.len() == 1
}

fn is_clear(facts: &HostFacts) -> bool {
    facts.tunnels.clear && facts.tunnels.sealed_to.is_empty()
}

/// Where a container's network is: the engine's process, and the path that the engine has it at.
type Place = (u32, String);

/// A command in a container's network.
fn inside((engine, path): &Place, line: &str) -> Command {
    let mut command = Command::new("nsenter");
    // That path is there only in the host's own mounts.
    command.arg(format!("--net=/proc/{engine}/root{path}")).args(line.split(' '));
    command
}

/// Packets every few milliseconds, until stopped.
struct Ping {
    program: Child,
    /// What it says is read all the time: it would wait for that, and send nothing.
    told: JoinHandle<String>,
}

impl Ping {
    fn begin(from: &Place, to: &str) -> Self {
        let mut command = inside(from, &format!("ping -n -i 0.005 -p 7365637265742e21 {to}"));
        let mut program = command.stdout(Stdio::piped()).spawn().expect("ping is installed");
        let mut said = program.stdout.take().unwrap();
        let told = std::thread::spawn(move || {
            let mut told = String::new();
            said.read_to_string(&mut told).unwrap();
            told
        });
        Self { program, told }
    }

    /// Which packets were answered, by number from 1, and which before the last of these were not: it may be stopped
    /// between a packet and its answer, so its own count of what was lost can be too high.
    fn end(mut self) -> (BTreeSet<u16>, Vec<u16>) {
        kill_process(Pid::from_child(&self.program), Signal::INT).unwrap();
        self.program.wait().unwrap();
        let told = self.told.join().unwrap();
        // Others say that something could not be reached.
        let number = |line: &str| {
            let (_, answer) = line.split_once(" bytes from ")?;
            answer.split_once("icmp_seq=")?.1.split(' ').next()?.parse::<u16>().ok()
        };
        let answered: BTreeSet<u16> = told.lines().filter_map(number).collect();
        let last = answered.last().copied().unwrap_or_default();
        let lost = (1..last).filter(|number| !answered.contains(number)).collect();
        let line = told.lines().find(|line| line.contains("transmitted")).expect("a summary");
        let sent: u16 = line.split(' ').find_map(|word| word.parse().ok()).unwrap();
        assert!(
            sent.saturating_sub(last) < UNDER_WAY,
            "{last} of {sent} was the last that came back"
        );
        (answered, lost)
    }
}

/// How many UDP packets came that nobody wanted.
fn unwanted(place: &Place) -> u32 {
    let told = inside(place, "cat /proc/net/snmp").output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    let line = told.lines().filter(|line| line.starts_with("Udp:")).nth(1).unwrap();
    line.split(' ').nth(2).unwrap().parse().unwrap()
}

struct Container {
    id: String,
    address: String,
    place: Place,
    mac: [u8; 6],
}

impl Container {
    async fn of(site: &Site, seen: &Observed) -> Self {
        let id = seen.containers[""].docker_id.clone();
        let told = site.inspect(&id).await;
        let settings = told.network_settings.unwrap();
        let place = (site.elsewhere.unwrap(), settings.sandbox_key.unwrap());
        let networks = settings.networks.unwrap();
        let mac = networks["drover"].mac_address.clone().unwrap();
        let mac: Vec<u8> = mac.split(':').map(|b| u8::from_str_radix(b, 16).unwrap()).collect();
        Self { id, address: address(seen), place, mac: mac.try_into().unwrap() }
    }

    /// Whether a packet that somebody on the wire made up reaches it.
    fn can_be_fooled(&self, host: IpAddr) -> bool {
        let before = unwanted(&self.place);
        let from = Ipv4Addr::new(10, 42, 2, 99);
        forge(host, 7, self.mac, from, self.address.parse().unwrap());
        // The kernel takes it in before this one is answered, which goes the same way.
        let ping = inside(&self.place, "ping -q -c 3 -i 0.05 127.0.0.1").output().unwrap();
        assert!(ping.status.success());
        unwanted(&self.place) > before
    }
}

/// Two containers that answer, on hosts that are joined in the clear.
async fn two_containers(hosts: &mut Hosts) -> [Container; 2] {
    for site in &mut hosts.sites {
        site.put(1, app(&["serve", "--text", SECRET])).ready_ports = vec![80];
        site.assign();
    }
    until(hosts, &network(false, 0), "the clear", is_clear).await;
    let one = hosts.sites[0].until_ready(1).await;
    let two = hosts.sites[1].until_ready(1).await;
    [Container::of(&hosts.sites[0], &one).await, Container::of(&hosts.sites[1], &two).await]
}

/// What containers read from each other arrives, whole.
async fn reads(hosts: &Hosts, [one, two]: &[Container; 2]) {
    let told = fetch(&hosts.sites[0], &one.id, &two.address, "/").await;
    assert!(holds(&told, SECRET.as_bytes()), "{}", String::from_utf8_lossy(&told));
    let path = "/read?path=/testapp";
    let far = fetch(&hosts.sites[0], &one.id, &two.address, path).await;
    let near = fetch(&hosts.sites[1], &two.id, "127.0.0.1", path).await;
    assert!(far.len() > 1 << 20 && far == near, "{} of {}", far.len(), near.len());
}

/// Containers of Drover's own that encrypt, and since when they run.
async fn ciphers(site: &Site) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for id in site.containers().await {
        // One that was just removed is none.
        let Some(told) = site.look_at(&id).await else { continue };
        if told.name.unwrap().contains("drover-cipher-") {
            found.push((id, told.state.unwrap().started_at.unwrap()));
        }
    }
    found
}

#[tokio::test]
async fn it_is_switched_on_keys_change_and_it_is_switched_off_without_a_packet_lost() {
    let Some(mut hosts) = Hosts::open().await else { return };
    let containers = two_containers(&mut hosts).await;
    let [one, two] = &containers;
    let wire = Wiretap::begin(&hosts.addresses);
    reads(&hosts, &containers).await;
    let seen = wire.take();
    assert!(seen.iter().any(|f| port(f) == Some(VXLAN_PORT) && holds(f, SECRET.as_bytes())));
    let host = IpAddr::V4(hosts.addresses[0]);
    assert!(one.can_be_fooled(host), "in the clear anybody can");

    let pings = [Ping::begin(&one.place, &two.address), Ping::begin(&two.place, &one.address)];
    until(&mut hosts, &network(true, 0), "everything sealed", is_sealed).await;
    wire.take();
    reads(&hosts, &containers).await;
    let seen = wire.take();
    assert!(seen.iter().any(|frame| port(frame) == Some(WIREGUARD_PORT)), "{} frames", seen.len());
    for frame in &seen {
        assert_ne!(port(frame), Some(VXLAN_PORT), "in the clear");
        assert!(!holds(frame, SECRET.as_bytes()) && !holds(frame, b"secret.!"), "payload");
    }
    assert!(!one.can_be_fooled(host), "a packet made up was taken in");

    // An agent that is away or comes back touches nothing.
    let running = ciphers(&hosts.sites[0]).await;
    assert_eq!(running.len(), 1);
    hosts.sites[0].kill_agent().await;
    reads(&hosts, &containers).await;
    let hellos = hosts.sites[0].server().told.borrow().hellos;
    hosts.sites[0].start_agent();
    hosts.sites[0].until("it is back", |told| told.hellos > hellos && is_sealed(&told.facts)).await;
    assert_eq!(ciphers(&hosts.sites[0]).await, running);

    let keys = |hosts: &Hosts| -> BTreeSet<String> {
        let told =
            hosts.sites.iter().map(|site| site.server().told.borrow().facts.public_key.clone());
        told.collect()
    };
    let old = keys(&hosts);
    let is_new = |facts: &HostFacts| is_sealed(facts) && !old.contains(&facts.public_key);
    until(&mut hosts, &network(true, 1), "new keys", is_new).await;
    reads(&hosts, &containers).await;
    assert!(old.is_disjoint(&keys(&hosts)));

    until(&mut hosts, &network(false, 1), "the clear again", is_clear).await;
    reads(&hosts, &containers).await;
    for ping in pings {
        let (answered, lost) = ping.end();
        let count = answered.len();
        assert!(count > 200 && lost.is_empty(), "{count} came back, but not {lost:?}");
    }
    for site in &hosts.sites {
        let began = Instant::now();
        while !ciphers(site).await.is_empty() {
            assert!(began.elapsed() < PATIENCE, "what encrypted is still there");
        }
    }
    hosts.close().await;
}

#[tokio::test]
async fn a_host_that_cannot_encrypt_is_sent_nothing_when_time_is_over() {
    let Some(mut hosts) = Hosts::open().await else { return };
    let containers = two_containers(&mut hosts).await;
    // The other one's agent is from before.
    hosts.sites[1].kill_agent().await;
    let old = HostFacts {
        tunnels: drover_core::Tunnels { clear: true, ..Default::default() },
        ..HostFacts::default()
    };
    tell(&mut hosts, 0, &network(true, 0), &old);
    let waits = |facts: &HostFacts| facts.tunnels.clear && facts.tunnels.trouble.is_empty();
    let site = &hosts.sites[0];
    site.until("it is prepared", |told| waits(&told.facts)).await;
    reads(&hosts, &containers).await;
    // Two minutes.
    let wire = Wiretap::begin(&hosts.addresses);
    let mut told = site.server().told.clone();
    let cut =
        told.wait_for(|told| is_sealed(&told.facts) && !told.facts.tunnels.trouble.is_empty());
    let cut = timeout(Duration::from_secs(150), cut).await.expect("a deadline").unwrap().clone();
    assert!(cut.facts.tunnels.trouble[&2].contains("too old"), "{:?}", cut.facts.tunnels);
    wire.take();
    let [one, two] = &containers;
    let tried = inside(&one.place, &format!("ping -q -c 5 -i 0.1 -W 1 {}", two.address)).output();
    assert!(!tried.unwrap().status.success());
    assert_eq!(wire.take().iter().filter(|frame| port(frame).is_some()).count(), 0);
    hosts.close().await;
}
