//! A name service to ask, and facts for it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use drover_core::{
    DiscoveredContainer, DiscoveredMember, DiscoveredService, DiscoveredStack, Discovery,
    DiscoveryStatus, External, Health, HostId, Phase, RevisionNo, ServiceId, ServiceKind, Slot,
    StackId, UnitKey, Wanted,
};
use drover_dataplane::discovery::{Options, serve};
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RData, RecordType};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// Nothing takes so long unless it hangs.
const LONG: Duration = Duration::from_secs(20);

/// Before a question is asked again: what was sent while a process ended may be lost.
const AGAIN: Duration = Duration::from_secs(1);

const DNS: u16 = 10_053;
const METADATA: u16 = 10_080;

/// A running name service.
pub struct Desk {
    /// The address questions come from.
    pub asker: Ipv4Addr,
    options: Options,
    dir: Arc<TempDir>,
    written: AtomicU64,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Desk {
    /// At a loopback address that no other test has, nor another run of this one.
    pub fn open(test: u8) -> Self {
        let run = u8::try_from(std::process::id() % 250 + 1).unwrap();
        Self::at([127, run, test, 1].into())
    }

    pub fn at(listen: IpAddr) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        Self::start(listen, dir, "status.json")
    }

    /// Another with the same file, at the same address; returns once it has acknowledged.
    pub async fn beside(&self) -> Self {
        let other = Self::start(self.options.listen, self.dir.clone(), "other.json");
        let routing = self.newest();
        other.wait_for(|status| status.routing == routing).await;
        other
    }

    fn start(listen: IpAddr, dir: Arc<TempDir>, status: &str) -> Self {
        let options = Options {
            config: dir.path().join("discovery.json"),
            status: dir.path().join(status),
            listen,
            dns_port: DNS,
            metadata_port: METADATA,
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let ended = tokio::spawn(serve(options.clone(), async {
            stopped.await.ok();
        }));
        let asker = match listen {
            IpAddr::V4(v4) if v4.is_loopback() => {
                let [a, b, c, _] = v4.octets();
                Ipv4Addr::new(a, b, c, 2)
            }
            _ => Ipv4Addr::LOCALHOST,
        };
        Self { asker, options, dir, written: AtomicU64::new(0), stop, ended }
    }

    pub async fn close(self) {
        self.stop.send(()).ok();
        self.ended.await.unwrap();
    }

    /// Routing of the newest facts written.
    fn newest(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }

    /// Give it other facts, and wait until it has acknowledged them.
    pub async fn replace(&self, facts: &Discovery) {
        self.write(facts);
        self.wait_for(|status| status.routing == facts.routing).await;
    }

    pub fn write(&self, facts: &Discovery) {
        self.written.store(facts.routing, Ordering::SeqCst);
        self.write_text(&serde_json::to_string(facts).unwrap());
    }

    pub fn write_text(&self, text: &str) {
        let new: PathBuf = self.dir.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &self.options.config).unwrap();
    }

    pub async fn wait_for(&self, done: impl Fn(&DiscoveryStatus) -> bool) -> DiscoveryStatus {
        let read = || -> Option<DiscoveryStatus> {
            serde_json::from_slice(&std::fs::read(&self.options.status).ok()?).ok()
        };
        self.wait_until(|| read().is_some_and(|status| done(&status))).await;
        read().unwrap()
    }

    pub async fn wait_until(&self, done: impl Fn() -> bool) {
        let deadline = Instant::now() + LONG;
        while !done() {
            assert!(Instant::now() < deadline, "it never came");
            sleep(Duration::from_millis(2)).await;
        }
    }

    pub async fn udp(&self, name: &str, kind: RecordType) -> Message {
        let (request, bytes) = question(name, kind);
        let asking = async {
            loop {
                let socket = UdpSocket::bind((self.asker, 0)).await.unwrap();
                socket.connect(self.dns()).await.unwrap();
                socket.send(&bytes).await.unwrap();
                let mut buffer = vec![0; 65_535];
                if let Ok(received) = timeout(AGAIN, socket.recv(&mut buffer)).await {
                    break Message::from_vec(&buffer[..received.unwrap()]).unwrap();
                }
            }
        };
        let reply = timeout(LONG, asking).await.expect("an answer by UDP");
        assert_eq!(reply.metadata.id, request.metadata.id);
        reply
    }

    pub async fn tcp(&self, name: &str, kind: RecordType) -> Message {
        let (request, bytes) = question(name, kind);
        let asking = async {
            let mut stream = self.connect(self.dns()).await;
            stream.write_u16(u16::try_from(bytes.len()).unwrap()).await.unwrap();
            stream.write_all(&bytes).await.unwrap();
            let mut buffer = vec![0; usize::from(stream.read_u16().await.unwrap())];
            stream.read_exact(&mut buffer).await.unwrap();
            Message::from_vec(&buffer).unwrap()
        };
        let reply = timeout(LONG, asking).await.expect("an answer by TCP");
        assert_eq!(reply.metadata.id, request.metadata.id);
        reply
    }

    /// The whole HTTP answer as text.
    pub async fn get(&self, method: &str, path: &str) -> String {
        let asking = async {
            let address = SocketAddr::new(self.options.listen, METADATA);
            let mut stream = self.connect(address).await;
            let request =
                format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        timeout(LONG, asking).await.expect("an answer by HTTP")
    }

    fn dns(&self) -> SocketAddr {
        SocketAddr::new(self.options.listen, DNS)
    }

    async fn connect(&self, address: SocketAddr) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((self.asker, 0).into()).unwrap();
        socket.connect(address).await.unwrap()
    }
}

/// The addresses in an answer, in order of their text: which is the first changes.
pub fn addresses(message: &Message) -> Vec<String> {
    let records = message.answers.iter().filter(|r| matches!(r.data, RData::A(_)));
    let mut found: Vec<String> = records.map(|record| record.data.to_string()).collect();
    found.sort();
    found
}

/// Services of the stack `shop` on host 1, with the addresses of containers that serve.
pub fn facts(routing: u64, services: &[(&str, &[&str])]) -> Discovery {
    let mut facts = Discovery { routing, host: 1, ..Discovery::default() };
    let stack = DiscoveredStack { name: "shop".into(), uuid: "st-1".into() };
    facts.stacks.insert(StackId(1), Arc::new(stack));
    for (id, (name, addresses)) in (10..).map(ServiceId).zip(services) {
        let mut service = service(name, ServiceKind::Containers);
        let containers = (1..).zip(addresses.iter()).map(|(n, a)| container(id, name, n, a));
        service.containers = containers.collect();
        facts.services.insert(id, Arc::new(service));
    }
    facts
}

pub fn add_external(facts: &mut Discovery, name: &str, hostname: &str) {
    let external = External { hostname: Some(hostname.into()), ..External::default() };
    let service =
        DiscoveredService { external: Some(external), ..service(name, ServiceKind::External) };
    facts.services.insert(ServiceId(99), Arc::new(service));
}

fn service(name: &str, kind: ServiceKind) -> DiscoveredService {
    DiscoveredService {
        stack: StackId(1),
        name: name.into(),
        uuid: format!("s-{name}"),
        kind,
        wanted: Wanted::Active,
        scale: 1,
        links: Vec::new(),
        external: None,
        sidekicks: BTreeSet::new(),
        members: BTreeMap::from([(String::new(), DiscoveredMember::default())]),
        metadata: serde_json::Map::new(),
        lb_config: serde_json::Value::Null,
        containers: Vec::new(),
    }
}

fn container(service: ServiceId, name: &str, number: u32, address: &str) -> DiscoveredContainer {
    let slot = Slot::Number(number);
    DiscoveredContainer {
        unit: UnitKey { service, slot, revision: RevisionNo(1), incarnation: 0 },
        member: String::new(),
        name: format!("shop-{name}-{number}"),
        uuid: format!("i-{name}-{number}"),
        serial: number.into(),
        index: number.to_string(),
        host: HostId(1),
        docker_id: String::new(),
        address: address.into(),
        phase: Phase::Running,
        running: true,
        serving: true,
        withdrawn: false,
        health: Health::Healthy,
        starts: 1,
    }
}

fn question(name: &str, kind: RecordType) -> (Message, Vec<u8>) {
    let mut request = Message::query();
    request.metadata.recursion_desired = true;
    request.queries.push(Query::query(Name::from_ascii(name).unwrap(), kind));
    let bytes = request.to_vec().unwrap();
    (request, bytes)
}
