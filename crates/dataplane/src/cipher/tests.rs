//! Two processes, or three, on this machine's loopback, each with a device that is a pair of queues.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex as Lock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use boringtun::noise::{Tunn, TunnResult};
use boringtun::x25519::{PublicKey, StaticSecret};
use drover_core::{CipherConfig, CipherLink, CipherPeer, CipherStatus, Secret};
use tokio::net::UdpSocket;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use super::*;

/// Nothing that is waited for takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A device whose other end is the test's.
#[derive(Clone)]
struct Pipe {
    out: Arc<Mutex<mpsc::Receiver<Vec<u8>>>>,
    back: mpsc::Sender<Vec<u8>>,
}

impl Device for Pipe {
    async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let packet = self.out.lock().await.recv().await;
        let packet = packet.ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer[..packet.len()].copy_from_slice(&packet);
        Ok(packet.len())
    }

    async fn write(&self, packet: &[u8]) -> io::Result<usize> {
        let sent = self.back.send(packet.to_vec()).await;
        sent.map(|()| packet.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// A host with its process.
struct Host {
    number: u16,
    folder: tempfile::TempDir,
    port: u16,
    secrets: Vec<[u8; 32]>,
    peers: BTreeMap<u64, CipherPeer>,
    into: mpsc::Sender<Vec<u8>>,
    from: mpsc::Receiver<Vec<u8>>,
    pipe: Pipe,
    process: Option<Process>,
}

struct Process {
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

fn inner(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, number)
}

fn public(secret: [u8; 32]) -> String {
    keys::text(&PublicKey::from(&StaticSecret::from(secret)))
}

/// A packet of UDP in IPv6 with a number and a payload.
fn packet(from: u16, to: u16, number: u32) -> Vec<u8> {
    let payload = [number.to_be_bytes().as_slice(), &[7; 96]].concat();
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [0x60, 0, 0, 0, length[0], length[1], 17, 64];
    [&head, inner(from).octets().as_slice(), &inner(to).octets(), &payload].concat()
}

fn number(packet: &[u8]) -> u32 {
    u32::from_be_bytes(packet[40..44].try_into().unwrap())
}

/// A port that is free now; the process opens it again.
fn free_port() -> u16 {
    let socket = socket::open(0).unwrap();
    socket.local_addr().unwrap().port()
}

impl Host {
    fn new(number: u16, secret: u8) -> Self {
        let ((into, out), (back, from)) = (mpsc::channel(4096), mpsc::channel(4096));
        let pipe = Pipe { out: Arc::new(Mutex::new(out)), back };
        Self {
            number,
            folder: tempfile::tempdir().unwrap(),
            port: free_port(),
            secrets: vec![[secret; 32]],
            peers: BTreeMap::new(),
            into,
            from,
            pipe,
            process: None,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn options(&self) -> Options {
        let (config, status) = (self.file("config"), self.file("status"));
        Options { config, status, device: String::new(), port: self.port }
    }

    fn begin(&mut self) {
        let (end, ended) = oneshot::channel::<()>();
        let (options, pipe) = (self.options(), self.pipe.clone());
        let task = tokio::spawn(async move {
            let stop = async move { drop(ended.await) };
            serve(options, move || Ok(pipe.clone()), stop).await;
        });
        self.process = Some(Process { end, task });
    }

    async fn end(&mut self) {
        let Process { end, task } = self.process.take().unwrap();
        end.send(()).unwrap();
        timeout(PATIENCE, task).await.expect("it ends").unwrap();
    }

    /// Know another one, by its key and place.
    fn knows(&mut self, other: &Self, secret: [u8; 32]) {
        let address = SocketAddr::from(([127, 0, 0, 1], other.port));
        let (inner, key) = (inner(other.number), public(secret));
        self.peers.insert(other.number.into(), CipherPeer { address, inner, key });
    }

    fn write(&self) {
        let keys = self.secrets.iter().map(|key| Secret::new(STANDARD.encode(key))).collect();
        let config = CipherConfig { keys, peers: self.peers.clone() };
        std::fs::write(self.file("new"), serde_json::to_vec(&config).unwrap()).unwrap();
        std::fs::rename(self.file("new"), self.file("config")).unwrap();
    }

    fn status(&self) -> CipherStatus {
        let read = std::fs::read(self.file("status")).unwrap_or_default();
        serde_json::from_slice(&read).unwrap_or_default()
    }

    async fn until(&self, what: &str, is_so: impl Fn(&CipherStatus) -> bool) {
        let began = Instant::now();
        while !is_so(&self.status()) {
            assert!(began.elapsed() < PATIENCE, "in vain for {what}: {:?}", self.status());
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Until there is a session with another host that is as it should be.
    async fn until_up(&self, other: u16, is_so: impl Fn(&CipherLink) -> bool) {
        let up = |status: &CipherStatus| {
            status.peers.get(&other.into()).is_some_and(|link| link.up && is_so(link))
        };
        self.until("a session", up).await;
    }

    async fn send(&self, to: u16, number: u32) {
        self.into.send(packet(self.number, to, number)).await.unwrap();
    }

    /// The number of the next packet that arrives.
    async fn next(&mut self) -> u32 {
        let arrived = timeout(PATIENCE, self.from.recv()).await;
        number(&arrived.expect("a packet arrives").unwrap())
    }

    /// Everything that arrived before a packet of this number, in the order of arrival.
    async fn all_before(&mut self, last: u32) -> Vec<u32> {
        let mut numbers = Vec::new();
        loop {
            match self.next().await {
                number if number == last => return numbers,
                number => numbers.push(number),
            }
        }
    }
}

/// Two hosts that know each other.
async fn two() -> (Host, Host) {
    let (mut one, mut two) = (Host::new(1, 1), Host::new(2, 2));
    one.knows(&two, [2; 32]);
    two.knows(&one, [1; 32]);
    for host in [&mut one, &mut two] {
        host.write();
        host.begin();
    }
    one.until_up(2, |_| true).await;
    two.until_up(1, |_| true).await;
    (one, two)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_arrive_whole_and_those_for_nobody_are_dropped() {
    let (one, mut two) = two().await;
    one.send(9, 1).await;
    one.into.send(vec![0x45; 40]).await.unwrap();
    one.into.send(vec![]).await.unwrap();
    let whole = packet(1, 2, 2);
    one.into.send(whole.clone()).await.unwrap();
    let arrived = timeout(PATIENCE, two.from.recv()).await.unwrap().unwrap();
    assert_eq!(arrived, whole);
    one.until("counters", |status| status.peers[&2].sent > 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_before_there_is_a_session_arrives_after() {
    let (mut one, mut two) = (Host::new(1, 1), Host::new(2, 2));
    one.knows(&two, [2; 32]);
    two.knows(&one, [1; 32]);
    one.write();
    one.begin();
    one.until("its file applied", |status| !status.applied.is_empty()).await;
    for number in 1..=20 {
        one.send(2, number).await;
    }
    assert!(one.status().peers.values().all(|link| !link.up));
    two.write();
    two.begin();
    let mut arrived = Vec::new();
    for _ in 1..=20 {
        arrived.push(two.next().await);
    }
    arrived.sort_unstable();
    assert_eq!(arrived, (1..=20).collect::<Vec<_>>());
}

/// Someone between the two, who sees every packet and can send others.
struct Middle {
    port: u16,
    seen: Arc<Lock<Vec<Vec<u8>>>>,
    socket: Arc<UdpSocket>,
}

impl Middle {
    /// Between whoever writes to it and `to`.
    fn new(to: SocketAddr) -> Self {
        let socket = UdpSocket::from_std(socket::open(0).unwrap()).unwrap();
        let port = socket.local_addr().unwrap().port();
        let (socket, seen) = (Arc::new(socket), Arc::new(Lock::new(Vec::new())));
        let (through, record) = (socket.clone(), seen.clone());
        tokio::spawn(async move {
            let (mut buffer, mut asker) = (vec![0; 65_535], None);
            while let Ok((length, from)) = through.recv_from(&mut buffer).await {
                let datagram = buffer[..length].to_vec();
                let on = if from.port() == to.port() { asker } else { Some(to) };
                if from.port() != to.port() {
                    asker = Some(from);
                }
                record.lock().unwrap().push(datagram.clone());
                if let Some(on) = on {
                    let _ = through.send_to(&datagram, on).await;
                }
            }
        });
        Self { port, seen, socket }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_between_learns_nothing_and_can_neither_repeat_nor_change_nor_forge() {
    let (mut one, mut two) = (Host::new(1, 1), Host::new(2, 2));
    let to = SocketAddr::from((std::net::Ipv4Addr::LOCALHOST.to_ipv6_mapped(), two.port));
    let middle = Middle::new(to);
    one.knows(&two, [2; 32]);
    one.peers.get_mut(&2).unwrap().address.set_port(middle.port);
    two.knows(&one, [1; 32]);
    // The second waits to be asked, by the one between.
    two.peers.get_mut(&1).unwrap().address.set_port(free_port());
    for host in [&mut one, &mut two] {
        host.write();
        host.begin();
    }
    one.until_up(2, |_| true).await;
    two.until_up(1, |link| link.address.ends_with(&middle.port.to_string())).await;
    one.send(2, 1).await;
    assert_eq!(two.next().await, 1);
    let seen = middle.seen.lock().unwrap().clone();
    let data: Vec<_> = seen.iter().filter(|d| d[0] == 4 && d.len() > 100).collect();
    assert!(!data.is_empty());
    for datagram in &seen {
        assert!(!datagram.windows(16).any(|piece| piece == [7; 16]), "the payload, in the clear");
    }
    // Everything again, everything with one bit changed, and packets that were never anything else.
    for datagram in &seen {
        middle.socket.send_to(datagram, to).await.unwrap();
        let mut changed = datagram.clone();
        *changed.last_mut().unwrap() ^= 1;
        middle.socket.send_to(&changed, to).await.unwrap();
    }
    middle.socket.send_to(&packet(1, 2, 3), to).await.unwrap();
    middle.socket.send_to(&[4; 200], to).await.unwrap();
    one.send(2, 2).await;
    assert_eq!(two.all_before(2).await, [0; 0], "only what was sent arrives, once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_host_does_not_speak_for_another() {
    let (one, mut two) = two().await;
    one.into.send(packet(3, 2, 1)).await.unwrap();
    one.send(2, 2).await;
    assert_eq!(two.all_before(2).await, [0; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_is_found_where_it_was_last_heard_from() {
    let (mut one, mut two) = two().await;
    one.end().await;
    one.port = free_port();
    one.begin();
    // Nobody told the other where it is now.
    let port = one.port.to_string();
    two.until_up(1, |link| link.address.ends_with(&port)).await;
    two.send(1, 1).await;
    assert_eq!(one.next().await, 1);
    one.send(2, 2).await;
    assert_eq!(two.next().await, 2);
}

/// Numbers without end from one host to another, until told.
fn stream(from: &Host, to: u16) -> (oneshot::Sender<()>, JoinHandle<u32>) {
    let (end, mut ended) = oneshot::channel();
    let (into, own) = (from.into.clone(), from.number);
    let task = tokio::spawn(async move {
        let mut count = 0;
        while ended.try_recv().is_err_and(|e| e == oneshot::error::TryRecvError::Empty) {
            count += 1;
            into.send(packet(own, to, count)).await.unwrap();
            sleep(Duration::from_micros(500)).await;
        }
        count
    });
    (end, task)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_change_on_both_sides_without_a_packet_lost() {
    let (mut one, mut two) = two().await;
    let streams = [stream(&one, 2), stream(&two, 1)];
    // Each has its new key before the other hears of it, in an order that leaves none of the four pairs out.
    one.secrets.insert(0, [11; 32]);
    one.write();
    two.secrets.insert(0, [12; 32]);
    two.write();
    two.knows(&one, [11; 32]);
    two.write();
    two.until_up(1, |link| link.key == public([11; 32])).await;
    one.knows(&two, [12; 32]);
    one.write();
    for (host, other, keys) in [(&one, 2, [11, 12]), (&two, 1, [12, 11])] {
        let keys = keys.map(|key| public([key; 32]));
        host.until_up(other, |link| [&link.own_key, &link.key] == [&keys[0], &keys[1]]).await;
    }
    one.secrets.truncate(1);
    one.write();
    two.secrets.truncate(1);
    two.write();
    let mut sent = Vec::new();
    for (end, task) in streams {
        end.send(()).unwrap();
        sent.push(task.await.unwrap());
    }
    one.send(2, u32::MAX).await;
    two.send(1, u32::MAX).await;
    for (host, sent) in [(&mut two, sent[0]), (&mut one, sent[1])] {
        let mut arrived = host.all_before(u32::MAX).await;
        arrived.sort_unstable();
        assert_eq!(arrived, (1..=sent).collect::<Vec<_>>(), "each once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_takes_over_from_another_and_a_bad_file_changes_nothing() {
    let (mut one, mut two) = two().await;
    std::fs::write(one.file("config"), "{\"keys\":[\"nonsense\"]}").unwrap();
    one.until("it says so", |status| status.problem.contains("no WireGuard key")).await;
    one.send(2, 1).await;
    assert_eq!(two.next().await, 1);
    one.write();
    one.until("it goes on", |status| status.problem.is_empty()).await;
    // A newer one waits until the older has ended.
    let older = one.process.take().unwrap();
    one.begin();
    one.until("it waits", |status| !status.open && status.problem.contains("can't be had")).await;
    older.end.send(()).unwrap();
    one.until_up(2, |_| true).await;
    one.send(2, 2).await;
    assert_eq!(two.next().await, 2);
    two.send(1, 3).await;
    assert_eq!(one.next().await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_carrying_stopped_is_said() {
    let (mut one, _two) = two().await;
    // Its device ends, each time it is taken hold of.
    one.into = mpsc::channel(1).0;
    one.until("the device's words", |s| s.problem.contains("the device can't be read")).await;
}

#[tokio::test]
async fn the_first_that_is_over_says_why() {
    for (first, second, want) in [
        ("goes on", "goes on", None),
        ("no device", "goes on", Some("no device")),
        ("goes on", "no port", Some("no port")),
        ("no device", "no port", Some("no device")),
        (
            "goes on",
            "panic: boom",
            Some("carrying packets failed by a mistake in Drover: panic: boom"),
        ),
    ] {
        let tasks = [first, second].map(|word| {
            tokio::spawn(async move {
                match word {
                    "goes on" => std::future::pending().await,
                    word if word.starts_with("panic") => panic!("{word}"),
                    word => word.to_owned(),
                }
            })
        });
        for (task, word) in tasks.iter().zip([first, second]) {
            while word != "goes on" && !task.is_finished() {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(super::end(tasks).await.as_deref(), want);
    }
}

/// A question for a session with `to`, by a key, that carries a number.
fn question(secret: [u8; 32], to: [u8; 32], index: u32) -> Vec<u8> {
    let to = PublicKey::from(&StaticSecret::from(to));
    let mut tunn = Tunn::new(StaticSecret::from(secret), to, None, None, index, None);
    let mut buffer = [0; 256];
    match tunn.format_handshake_initiation(&mut buffer, false) {
        TunnResult::WriteToNetwork(datagram) => datagram.to_vec(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_nobody_told_of_is_not_answered() {
    let mut two = Host::new(2, 2);
    let one = Host::new(1, 1);
    two.knows(&one, [1; 32]);
    two.secrets.push([22; 32]);
    two.write();
    two.begin();
    two.until("its file applied", |status| status.open && !status.applied.is_empty()).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let to = SocketAddr::from(([127, 0, 0, 1], two.port));
    // A stranger, the stranger by an older key of ours, and who is known by that: in this order, and so answered.
    for datagram in [
        question([3; 32], [2; 32], 7),
        question([3; 32], [22; 32], 8),
        question([1; 32], [22; 32], 9),
        question([1; 32], [2; 32], 10),
    ] {
        socket.send_to(&datagram, to).await.unwrap();
    }
    for asked in [9_u32, 10] {
        let mut answer = [0; 256];
        let length = timeout(PATIENCE, socket.recv(&mut answer)).await.unwrap().unwrap();
        let index = u32::from_le_bytes(answer[8..12].try_into().unwrap()) >> 8;
        assert_eq!((length, answer[0], index), (92, 2, asked));
    }
}
