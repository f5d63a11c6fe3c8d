//! A server that is one agent's: hands out an assignment, keeps what it is told. As small as the protocol allows.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::{BufMut, Bytes, BytesMut};
use drover_core::protocol::{Ask, FromAgent, FromServer, HostEvent, Register, Registered};
use drover_core::{
    DiscoveryUpdate, Followed, HostAssignment, HostFacts, HostId, Observed, Secret, UnitKey,
};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

/// What the agent said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) units: BTreeMap<UnitKey, Observed>,
    pub(crate) events: Vec<HostEvent>,
    pub(crate) facts: HostFacts,
    pub(crate) address: String,
    /// What the name service acknowledged.
    pub(crate) names: Option<Followed>,
    /// Connections so far.
    pub(crate) hellos: u32,
    /// Bytes of streams, by ask.
    pub(crate) streams: BTreeMap<u64, Vec<Bytes>>,
    /// Asks that are over, and how.
    pub(crate) done: BTreeMap<u64, String>,
}

/// The server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) told: watch::Receiver<Told>,
    assignment: watch::Sender<HostAssignment>,
    asks: mpsc::UnboundedSender<Message>,
    task: JoinHandle<()>,
    /// Tokens that are good for one registration.
    pub(crate) registered: Arc<Mutex<Vec<Register>>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Start at `address`, or anywhere.
    pub(crate) async fn start(address: Option<SocketAddr>, assignment: HostAssignment) -> Self {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = TcpListener::bind(address.unwrap_or(anywhere)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let cluster = assignment.cluster.clone();
        let (assignment, assigned) = watch::channel(assignment);
        let (tell, told) = watch::channel(Told::default());
        let (asks, mut asked) = mpsc::unbounded_channel();
        let registered = Arc::new(Mutex::new(Vec::new()));
        let registrations = registered.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut start = [0; 4];
                stream.peek(&mut start).await.unwrap();
                if &start == b"POST" {
                    register(stream, &cluster, &registrations).await;
                } else {
                    serve(stream, assigned.clone(), &tell, &mut asked).await;
                }
            }
        });
        Self { address, told, assignment, asks, task, registered }
    }

    pub(crate) fn assign(&self, assignment: HostAssignment) {
        self.assignment.send_replace(assignment);
    }

    pub(crate) fn discover(&self, update: DiscoveryUpdate) {
        let text = serde_json::to_string(&FromServer::Discover(Box::new(update))).unwrap();
        self.asks.send(Message::text(text)).unwrap();
    }

    pub(crate) fn ask(&self, ask: u64, what: Ask) {
        let text = serde_json::to_string(&FromServer::Ask { ask, what }).unwrap();
        self.asks.send(Message::text(text)).unwrap();
    }

    pub(crate) fn cancel(&self, ask: u64) {
        let text = serde_json::to_string(&FromServer::Cancel { ask }).unwrap();
        self.asks.send(Message::text(text)).unwrap();
    }

    pub(crate) fn send(&self, ask: u64, data: &[u8]) {
        let mut frame = BytesMut::new();
        frame.put_u64(ask);
        frame.put_slice(data);
        self.asks.send(Message::Binary(frame.freeze())).unwrap();
    }
}

async fn serve(
    stream: TcpStream,
    mut assigned: watch::Receiver<HostAssignment>,
    tell: &watch::Sender<Told>,
    asked: &mut mpsc::UnboundedReceiver<Message>,
) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
    let say = |message: &FromServer| Message::text(serde_json::to_string(message).unwrap());
    let mut met = false;
    loop {
        let out = tokio::select! {
            Ok(()) = assigned.changed(), if met => {
                let assignment = assigned.borrow_and_update().clone();
                vec![say(&FromServer::Assign(Box::new(assignment)))]
            }
            Some(message) = asked.recv(), if met => vec![message],
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    match hear(serde_json::from_str(&text).unwrap(), tell) {
                        Heard::Hello => {
                            met = true;
                            let tick = tell.borrow().units.values().map(|seen| seen.tick).max();
                            let assignment = assigned.borrow_and_update().clone();
                            vec![
                                say(&FromServer::Welcome { tick: tick.unwrap_or(0) }),
                                say(&FromServer::Assign(Box::new(assignment))),
                            ]
                        }
                        Heard::Events(number) => vec![say(&FromServer::EventsStored { number })],
                        Heard::Nothing => Vec::new(),
                    }
                }
                Some(Ok(Message::Binary(data))) => {
                    let ask = u64::from_be_bytes(*data.first_chunk().unwrap());
                    tell.send_modify(|told| told.streams.entry(ask).or_default().push(data.slice(8..)));
                    Vec::new()
                }
                Some(Ok(_)) => Vec::new(),
                Some(Err(_)) | None => return,
            }
        };
        for message in out {
            if socket.send(message).await.is_err() {
                return;
            }
        }
    }
}

enum Heard {
    Hello,
    Events(u64),
    Nothing,
}

fn hear(message: FromAgent, tell: &watch::Sender<Told>) -> Heard {
    let mut heard = Heard::Nothing;
    tell.send_modify(|told| match message {
        FromAgent::Hello { address, facts, .. } => {
            told.hellos += 1;
            (told.address, told.facts) = (address, facts);
            heard = Heard::Hello;
        }
        FromAgent::Report(report) => {
            for (unit, seen) in report.units {
                let held = told.units.get(&unit);
                if held.is_none_or(|held| held.clock() < seen.clock()) {
                    told.units.insert(unit, seen);
                }
            }
            told.names = report.names.or(told.names.take());
            if let Some(last) = report.events.last() {
                heard = Heard::Events(last.number);
            }
            told.events.extend(report.events);
            told.facts = report.facts.unwrap_or(told.facts.clone());
        }
        FromAgent::Done { ask, error } => {
            told.done.insert(ask, error);
        }
        FromAgent::Progress { .. } => {}
    });
    heard
}

async fn register(mut stream: TcpStream, cluster: &str, registered: &Mutex<Vec<Register>>) {
    let mut request = Vec::new();
    let body = loop {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await.unwrap();
        request.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&request);
        let Some((_, body)) = text.split_once("\r\n\r\n") else { continue };
        if let Ok(body) = serde_json::from_str::<Register>(body) {
            break body;
        }
    };
    let (status, answer) = if body.token.reveal() == "good" {
        let registered = Registered {
            host: HostId(3),
            access: "agent".into(),
            secret: Secret::new("secret"),
            cluster: cluster.to_owned(),
        };
        ("201 Created", serde_json::to_string(&registered).unwrap())
    } else {
        ("401 Unauthorized", r#"{"message":"this registration token is not valid"}"#.to_owned())
    };
    registered.lock().unwrap().push(body);
    let length = answer.len();
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{answer}");
    stream.write_all(answer.as_bytes()).await.unwrap();
}
