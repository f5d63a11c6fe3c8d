//! Hosts that are joined: addresses, names and the way between them, on engines with networks of their own.
//!
//! The network's name is the same on every engine, so these tests take turns.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::query_parameters::RemoveContainerOptionsBuilder;
use drover_core::{
    Desired, DiscoveryUpdate, HostNetwork, Observed, Peer, PortSpec, UnitKey, label,
};
use futures_util::StreamExt;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{Mutex, MutexGuard};

use crate::site::{Site, app, key, sockets, web};

static TURN: Mutex<()> = Mutex::const_new(());

/// Two hosts with their addresses.
pub(crate) struct Hosts {
    pub(crate) sites: Vec<Site>,
    pub(crate) addresses: Vec<Ipv4Addr>,
    _turn: MutexGuard<'static, ()>,
}

impl Hosts {
    /// Hosts that know each other; `None` where there are no two engines.
    pub(crate) async fn open() -> Option<Self> {
        let sockets = sockets()?;
        if sockets.len() < 2 {
            return None;
        }
        let turn = TURN.lock().await;
        let (mut sites, mut addresses) = (Vec::new(), Vec::new());
        for socket in sockets.into_iter().take(2) {
            let (process, address) = host_of(&socket).await;
            let machine = Ipv4Addr::from(u32::from(address) & !0xff | 1);
            addresses.push(address);
            let site = Site::open_on(socket, Some((process, IpAddr::V4(machine)))).await;
            site.clear().await;
            sites.push(site);
        }
        let mut hosts = Self { sites, addresses, _turn: turn };
        for n in 0..2 {
            hosts.join(n, &[1 - n]);
        }
        Some(hosts)
    }

    /// Tell a host which others there are.
    fn join(&mut self, n: usize, others: &[usize]) {
        let peers = others.iter().map(|&other| Peer {
            host: other as u64 + 1,
            address: self.addresses[other].to_string(),
            subnet: subnet(other),
            ..Peer::default()
        });
        let network = HostNetwork {
            range: "10.42.0.0/16".into(),
            subnet: subnet(n),
            vni: 7,
            peers: peers.collect(),
            ..HostNetwork::default()
        };
        self.sites[n].assignment.network = Some(network);
        self.sites[n].assign();
    }

    pub(crate) async fn close(self) {
        for site in self.sites {
            site.close().await;
        }
    }
}

pub(crate) fn subnet(n: usize) -> String {
    format!("10.42.{}.0/24", n + 1)
}

pub(crate) fn address(seen: &Observed) -> String {
    seen.containers[""].address.clone()
}

/// A process in the engine's network, and the host's address there.
async fn host_of(socket: &PathBuf) -> (u32, Ipv4Addr) {
    let engine = UnixStream::connect(socket).await.unwrap().peer_cred().unwrap();
    let process = engine.pid().unwrap().cast_unsigned();
    // Local addresses stand two lines below what they are.
    let told = std::fs::read_to_string(format!("/proc/{process}/net/fib_trie")).unwrap();
    let lines: Vec<&str> = told.lines().collect();
    let local = lines.windows(2).filter(|two| two[1].contains("/32 host LOCAL"));
    let mut addresses =
        local.filter_map(|two| two[0].split_whitespace().last()?.parse::<Ipv4Addr>().ok());
    let ours = |address: &Ipv4Addr| {
        let octets = address.octets();
        // Containers' gateways end in 1.
        !address.is_loopback() && !address.is_link_local() && octets[3] != 1
    };
    (process, addresses.find(ours).unwrap())
}

/// What a container prints for a command.
async fn run_in(site: &Site, container: &str, command: &[&str]) -> Vec<u8> {
    let options = CreateExecOptions {
        cmd: Some(command.iter().map(|word| (*word).to_owned()).collect()),
        attach_stdout: Some(true),
        ..CreateExecOptions::default()
    };
    let exec = site.docker.create_exec(container, options).await.unwrap();
    let started = site.docker.start_exec(&exec.id, None).await.unwrap();
    let StartExecResults::Attached { mut output, .. } = started else { panic!("detached") };
    let mut bytes = Vec::new();
    while let Some(piece) = output.next().await {
        bytes.extend_from_slice(&piece.unwrap().into_bytes());
    }
    bytes
}

/// What a container gets from an address.
pub(crate) async fn fetch(site: &Site, container: &str, from: &str, path: &str) -> Vec<u8> {
    run_in(site, container, &["/testapp", "get", &format!("{from}:80"), path]).await
}

/// Whether somebody answers at an address, from here.
async fn answers(address: IpAddr, port: u16) -> bool {
    let tried = TcpStream::connect((address, port));
    matches!(tokio::time::timeout(Duration::from_secs(5), tried).await, Ok(Ok(_)))
}

#[tokio::test]
async fn hosts_reach_each_other_and_the_way_outlives_the_agent() {
    let Some(mut hosts) = Hosts::open().await else { return };
    for (site, text) in hosts.sites.iter_mut().zip(["one", "two"]) {
        let mut spec = app(&["serve", "--text", text]);
        let port = PortSpec { public: Some(8123), private: 80, ..PortSpec::default() };
        spec.ports = vec![port];
        site.put(1, spec).ready_ports = vec![80];
        site.assign();
    }
    let one = hosts.sites[0].until_ready(1).await;
    let two = hosts.sites[1].until_ready(1).await;
    assert!(address(&one).starts_with("10.42.1.") && address(&two).starts_with("10.42.2."));
    let from = one.containers[""].docker_id.clone();
    let told = fetch(&hosts.sites[0], &from, &address(&two), "/").await;
    assert!(told.starts_with(b"two"), "{}", String::from_utf8_lossy(&told));
    // Packets as large as they come.
    let program = fetch(&hosts.sites[0], &from, &address(&two), "/read?path=/testapp").await;
    let here =
        fetch(&hosts.sites[1], &two.containers[""].docker_id, "127.0.0.1", "/read?path=/testapp")
            .await;
    assert!(here.len() > 1 << 20 && program == here, "{} of {}", program.len(), here.len());
    // The other sees who asks.
    let echo = run_in(
        &hosts.sites[0],
        &from,
        &["/testapp", "get", &format!("{}:80", address(&two)), "/echo"],
    )
    .await;
    assert!(!echo.is_empty());
    assert!(answers(hosts.addresses[1].into(), 8123).await, "a published port, from outside");
    let file = run_in(
        &hosts.sites[0],
        &from,
        &["/testapp", "get", "127.0.0.1:80", "/read?path=/etc/resolv.conf"],
    )
    .await;
    let file = String::from_utf8(file).unwrap();
    assert!(file.starts_with("nameserver 169.254.169.250\nsearch t"), "{file}");

    hosts.sites[0].kill_agent().await;
    let told = fetch(&hosts.sites[0], &from, &address(&two), "/").await;
    assert!(told.starts_with(b"two"), "{}", String::from_utf8_lossy(&told));
    hosts.sites[0].start_agent();
    hosts.close().await;
}

#[tokio::test]
async fn a_host_that_leaves_is_not_reached_and_one_that_comes_back_is() {
    let Some(mut hosts) = Hosts::open().await else { return };
    for site in &mut hosts.sites {
        site.put(1, web()).ready_ports = vec![80];
        site.assign();
    }
    let one = hosts.sites[0].until_ready(1).await.containers[""].docker_id.clone();
    let two = address(&hosts.sites[1].until_ready(1).await);
    until(&hosts.sites[0], &one, &two, true).await;
    hosts.join(0, &[]);
    until(&hosts.sites[0], &one, &two, false).await;
    // Back, first where it isn't, then where it is.
    let right = std::mem::replace(&mut hosts.addresses[1], Ipv4Addr::new(10, 255, 255, 1));
    hosts.join(0, &[1]);
    until(&hosts.sites[0], &one, &two, false).await;
    hosts.addresses[1] = right;
    hosts.join(0, &[1]);
    until(&hosts.sites[0], &one, &two, true).await;
    hosts.close().await;
}

/// Wait until a container reaches an address, or doesn't.
async fn until(site: &Site, container: &str, address: &str, reached: bool) {
    for _ in 0..30 {
        let tried = fetch(site, container, address, "/");
        let told = tokio::time::timeout(Duration::from_secs(1), tried).await.unwrap_or_default();
        if told.starts_with(b"v1") == reached {
            return;
        }
    }
    panic!("{address} should be {}", if reached { "reached" } else { "out of reach" });
}

#[tokio::test]
async fn a_slot_keeps_its_address_over_its_replacement() {
    let Some(mut hosts) = Hosts::open().await else { return };
    let site = &mut hosts.sites[0];
    site.put(1, web()).retain_ip = true;
    let mut wish = web();
    wish.labels.insert(label::REQUESTED_IP.into(), "10.99.0.1, 10.42.1.77".into());
    site.put(2, wish);
    site.assign();
    let kept = address(&site.until_ready(1).await);
    assert_eq!(kept, "10.42.1.128");
    assert_eq!(address(&site.until_ready(2).await), "10.42.1.77");
    site.want(1, Desired::Removed);
    site.until_unit(1, "gone", |s| s.containers.is_empty()).await;
    let mut unit = site.assignment.units.remove(&key(1)).unwrap();
    (unit.desired, unit.serial) = (Desired::Running, 99);
    let next = UnitKey { incarnation: 2, ..key(1) };
    site.assignment.units.insert(next, unit);
    site.assign();
    let told = site.until("the next one", |t| t.units.get(&next).is_some_and(|s| s.ready)).await;
    assert_eq!(address(&told.units[&next]), kept);
    hosts.close().await;
}

#[tokio::test]
async fn the_name_service_runs_acknowledges_and_is_made_again() {
    let Some(hosts) = Hosts::open().await else { return };
    let site = &hosts.sites[0];
    let routing = |routing| {
        move |t: &crate::server::Told| t.names.as_ref().is_some_and(|n| n.routing == routing)
    };
    site.until("its first word", |t| t.names.is_some()).await;
    site.server().discover(DiscoveryUpdate { routing: 5, ..DiscoveryUpdate::default() });
    site.until("5 acknowledged", routing(5)).await;
    let containers = site.containers().await;
    assert_eq!(containers.len(), 1, "no unit, one name service");
    let options = RemoveContainerOptionsBuilder::new().force(true).build();
    site.docker.remove_container(&containers[0], Some(options)).await.unwrap();
    site.server().discover(DiscoveryUpdate { routing: 6, ..DiscoveryUpdate::default() });
    site.until("6 acknowledged by another", routing(6)).await;
    assert_ne!(site.containers().await, containers);
    hosts.close().await;
}
