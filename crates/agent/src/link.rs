//! The connection to the server: made by the agent, kept alive, made again when it breaks. It carries messages and
//! judges none.
//!
//! Reports and streams have queues of their own, so that nobody's log holds up a report.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use drover_core::HostFacts;
use drover_core::protocol::{FromAgent, FromServer, PROTOCOL, Registered};
use futures_util::stream::SplitStream;
use futures_util::{Sink, SinkExt, StreamExt};
use http::header::AUTHORIZATION;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use crate::dial::{ServerUrl, Stream, dial, reachable_address};
use crate::{backoff, register};

/// Between pings. Each is answered by a server that still counts on this host, which units may depend on.
const PING_EVERY: Duration = Duration::from_secs(1);
/// A server from which nothing comes for so long is gone.
const SILENCE: Duration = Duration::from_secs(10);
/// How long a step of getting acquainted, or one write, may take.
const STEP: Duration = Duration::from_secs(30);
/// The longest pause before the next try, ms.
const LONGEST_PAUSE_MS: u64 = 15_000;
/// The largest message taken; an assignment of thousands of units is far smaller, bytes.
const LARGEST: usize = 256 << 20;
/// Bytes read at a time. The library's own are eight times as many, held by each of thousands of simulated hosts.
const READ_BUFFER: usize = 16 << 10;
/// Frames of streams that may wait to be sent.
const STREAM_FRAMES: usize = 64;

/// What the link tells the agent.
pub(crate) enum LinkEvent {
    /// Connected and welcome.
    Up {
        /// Where to put what is to be sent.
        sender: LinkSender,
        /// The observation counter goes on above this.
        tick: u64,
    },
    /// The server answered what was sent at that moment.
    Acknowledged(Instant),
    /// A message came.
    Heard(Box<FromServer>),
    /// Bytes of a stream came.
    Stream {
        /// The ask they belong to.
        ask: u64,
        /// The bytes.
        data: Bytes,
    },
    /// Not connected.
    Down {
        /// Why.
        reason: String,
        /// The server doesn't know this agent, so that it has to register again.
        unknown: bool,
    },
}

/// What waits to be sent over one connection.
#[derive(Clone)]
pub(crate) struct LinkSender {
    messages: mpsc::UnboundedSender<FromAgent>,
    streams: mpsc::Sender<Frame>,
}

/// What waits in the queue of streams.
enum Frame {
    /// Bytes of an ask's stream.
    Data { ask: u64, data: Bytes },
    /// No more of it comes; the error is empty if that is well. It waits with the bytes, so that it can't overtake them.
    End { ask: u64, error: String },
}

/// What is said of this host at the start of every connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Introduction {
    /// Generation of the assignment on disk.
    pub(crate) assigned: u64,
    /// What the machine is.
    pub(crate) facts: HostFacts,
    /// Address other hosts reach it by, if it was set by hand.
    pub(crate) address: Option<std::net::IpAddr>,
}

/// Why a connection ended or didn't come about.
#[derive(Debug)]
struct Ended {
    reason: String,
    unknown: bool,
    /// It was up, so the next try may come soon.
    was_up: bool,
}

impl LinkSender {
    /// Send a message; lost if the connection is, and said again over the next one.
    pub(crate) fn send(&self, message: FromAgent) {
        let _ = self.messages.send(message);
    }

    /// Send bytes of a stream, waiting for room; false if the connection is gone.
    pub(crate) async fn stream(&self, ask: u64, data: Bytes) -> bool {
        self.streams.send(Frame::Data { ask, data }).await.is_ok()
    }

    /// Say that an ask is over, after everything that was streamed for it.
    pub(crate) async fn end(&self, ask: u64, error: String) {
        let _ = self.streams.send(Frame::End { ask, error }).await;
    }
}

/// Keep the connection up until nobody listens any more.
pub(crate) async fn keep(
    server: ServerUrl,
    credential: watch::Receiver<Registered>,
    introduction: watch::Receiver<Introduction>,
    events: mpsc::Sender<LinkEvent>,
) {
    let mut failures = 0;
    while !events.is_closed() {
        let known = credential.borrow().clone();
        let met = introduction.borrow().clone();
        let ended = match meet(&server, &known, met).await {
            Ok(welcome) => talk(welcome, &events).await,
            Err(ended) => ended,
        };
        failures = if ended.was_up { 1 } else { failures + 1 };
        let Ended { reason, unknown, .. } = ended;
        if events.send(LinkEvent::Down { reason, unknown }).await.is_err() {
            return;
        }
        let mut dice = [0];
        // Without dice the agents come back together, which is no reason not to come back.
        let _ = getrandom::fill(&mut dice);
        let pause = backoff::reconnect_delay_ms(failures, LONGEST_PAUSE_MS, dice[0]);
        sleep(Duration::from_millis(pause)).await;
    }
}

type Socket = WebSocketStream<Box<dyn Stream>>;

/// A connection that is up.
struct Welcome {
    socket: Socket,
    tick: u64,
    /// What the server had to say before it said welcome.
    early: Vec<FromServer>,
}

/// Connect, say hello, be welcome.
async fn meet(
    server: &ServerUrl,
    credential: &Registered,
    met: Introduction,
) -> Result<Welcome, Ended> {
    let connection = dial(server).await.map_err(|error| ended(error.to_string()))?;
    let address = met.address.unwrap_or_else(|| reachable_address(connection.from));
    let request = request(server, credential).map_err(|error| ended(error.to_string()))?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(LARGEST))
        .max_frame_size(Some(LARGEST))
        .read_buffer_size(READ_BUFFER);
    let shaken =
        tokio_tungstenite::client_async_with_config(request, connection.stream, Some(config));
    let shaken = timeout(STEP, shaken).await.map_err(|_| slow("open the connection"))?;
    let (mut socket, _) = shaken.map_err(refused)?;
    let hello = FromAgent::Hello {
        protocol: PROTOCOL,
        assigned: met.assigned,
        address: address.to_string(),
        facts: met.facts,
    };
    write(&mut socket, text(&hello)?).await.map_err(ended)?;
    let welcome = timeout(STEP, welcome(&mut socket)).await;
    let welcome = welcome.map_err(|_| slow("answer the hello"))?;
    let (tick, early) = welcome.map_err(ended)?;
    Ok(Welcome { socket, tick, early })
}

/// Wait for the answer to the hello.
async fn welcome(socket: &mut Socket) -> Result<(u64, Vec<FromServer>), String> {
    let mut early = Vec::new();
    loop {
        let text = match socket.next().await {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(_)) => continue,
            Some(Err(error)) => return Err(error.to_string()),
            None => return Err("the server closed it".to_owned()),
        };
        match read(&text)? {
            FromServer::Welcome { tick } => return Ok((tick, early)),
            FromServer::Refused { reason } => return Err(format!("the server refuses: {reason}")),
            other => early.push(other),
        }
    }
}

/// Carry messages until the connection ends.
async fn talk(welcome: Welcome, events: &mpsc::Sender<LinkEvent>) -> Ended {
    let Welcome { socket, tick, early } = welcome;
    let (sink, stream) = socket.split();
    let (messages, outgoing) = mpsc::unbounded_channel();
    let (streams, frames) = mpsc::channel(STREAM_FRAMES);
    let sender = LinkSender { messages, streams };
    let early = early.into_iter().map(|message| LinkEvent::Heard(Box::new(message)));
    for event in std::iter::once(LinkEvent::Up { sender, tick }).chain(early) {
        // A failure shows in the first read.
        let _ = events.send(event).await;
    }
    let began = Instant::now();
    // Two halves, so that a full buffer one way doesn't stop the other.
    let reason = tokio::select! {
        reason = listen(stream, events, began) => reason,
        reason = speak(sink, outgoing, frames, began) => reason,
    };
    Ended { reason, unknown: false, was_up: true }
}

async fn listen(
    mut stream: SplitStream<Socket>,
    events: &mpsc::Sender<LinkEvent>,
    began: Instant,
) -> String {
    loop {
        let event = match timeout(SILENCE, stream.next()).await {
            Err(_) => return format!("nothing came from the server for {} s", SILENCE.as_secs()),
            Ok(None) => return "the server closed the connection".to_owned(),
            Ok(Some(Err(error))) => return error.to_string(),
            Ok(Some(Ok(Message::Text(text)))) => match read(&text) {
                Ok(message) => LinkEvent::Heard(Box::new(message)),
                Err(reason) => return reason,
            },
            Ok(Some(Ok(Message::Binary(data)))) => match data.first_chunk::<8>() {
                Some(number) => {
                    LinkEvent::Stream { ask: u64::from_be_bytes(*number), data: data.slice(8..) }
                }
                None => return "the server sent a stream's frame without a number".to_owned(),
            },
            Ok(Some(Ok(Message::Close(_)))) => {
                return "the server closed the connection".to_owned();
            }
            Ok(Some(Ok(Message::Pong(data)))) => match data.first_chunk::<8>() {
                Some(ms) => {
                    LinkEvent::Acknowledged(began + Duration::from_millis(u64::from_be_bytes(*ms)))
                }
                None => continue,
            },
            Ok(Some(Ok(Message::Ping(_) | Message::Frame(_)))) => continue,
        };
        if events.send(event).await.is_err() {
            return "the agent stops".to_owned();
        }
    }
}

async fn speak<S>(
    mut sink: S,
    mut messages: mpsc::UnboundedReceiver<FromAgent>,
    mut frames: mpsc::Receiver<Frame>,
    began: Instant,
) -> String
where
    S: Sink<Message, Error = SocketError> + Unpin,
{
    let mut ping_at = began;
    loop {
        let message = tokio::select! {
            biased;
            message = messages.recv() => match message {
                Some(message) => text(&message),
                None => return "the agent stops".to_owned(),
            },
            () = sleep_until(ping_at) => {
                ping_at = Instant::now() + PING_EVERY;
                // When it was sent, which comes back with the answer.
                let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                Ok(Message::Ping(Bytes::copy_from_slice(&ms.to_be_bytes())))
            }
            Some(frame) = frames.recv() => match frame {
                Frame::Data { ask, data } => Ok(binary(ask, &data)),
                Frame::End { ask, error } => text(&FromAgent::Done { ask, error }),
            },
        };
        let said = match message {
            Ok(message) => write(&mut sink, message).await,
            Err(ended) => Err(ended.reason),
        };
        if let Err(reason) = said {
            return reason;
        }
    }
}

fn binary(ask: u64, data: &[u8]) -> Message {
    let mut frame = BytesMut::with_capacity(8 + data.len());
    frame.put_u64(ask);
    frame.put_slice(data);
    Message::Binary(frame.freeze())
}

async fn write<S>(sink: &mut S, message: Message) -> Result<(), String>
where
    S: Sink<Message, Error = SocketError> + Unpin,
{
    match timeout(STEP, sink.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("the server took nothing for {} s", STEP.as_secs())),
    }
}

fn request(server: &ServerUrl, credential: &Registered) -> Result<http::Request<()>, SocketError> {
    let scheme = if server.secure { "wss" } else { "ws" };
    let url = format!("{scheme}://{}{}/agent/connect", server.authority(), server.path);
    let mut request = url.into_client_request()?;
    let pair = format!("{}:{}", credential.access, credential.secret.reveal());
    let value = format!("Basic {}", STANDARD.encode(pair)).parse();
    let mut value: http::HeaderValue =
        value.map_err(|_| SocketError::Io(std::io::Error::other("the credential is damaged")))?;
    value.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, value);
    Ok(request)
}

fn text(message: &FromAgent) -> Result<Message, Ended> {
    let text = serde_json::to_string(message).map_err(|error| ended(error.to_string()))?;
    Ok(Message::Text(text.into()))
}

fn read(text: &str) -> Result<FromServer, String> {
    serde_json::from_str(text).map_err(|error| {
        format!(
            "the server said something this agent can't read ({error}); are they of one version?"
        )
    })
}

fn ended(reason: String) -> Ended {
    Ended { reason, unknown: false, was_up: false }
}

fn slow(what: &str) -> Ended {
    ended(format!("the server took longer than {} s to {what}", STEP.as_secs()))
}

fn refused(error: SocketError) -> Ended {
    match error {
        SocketError::Http(response) => {
            let status = response.status();
            let body = response.body().as_deref().unwrap_or_default();
            let reason = format!("the server refuses: {}", register::words(status, body));
            let unknown = status == http::StatusCode::UNAUTHORIZED;
            Ended { reason, unknown, was_up: false }
        }
        other => ended(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_a_stream_comes_after_all_of_it_and_a_report_before() {
        let (messages, outgoing) = mpsc::unbounded_channel();
        let (streams, frames) = mpsc::channel(STREAM_FRAMES);
        let sender = LinkSender { messages, streams };
        for line in ["one", "two"] {
            assert!(sender.stream(7, Bytes::from_static(line.as_bytes())).await);
        }
        sender.end(7, String::new()).await;
        sender.send(FromAgent::Done { ask: 8, error: "there is no such container".to_owned() });
        let mut said = Vec::new();
        let sink = futures_util::sink::unfold(&mut said, |said, message: Message| async {
            said.push(message);
            if said.len() < 4 { Ok(said) } else { Err(SocketError::ConnectionClosed) }
        });
        // No ping is due before the last of it is said.
        speak(Box::pin(sink), outgoing, frames, Instant::now() + PING_EVERY).await;
        let done = |ask, error: &str| text(&FromAgent::Done { ask, error: error.to_owned() });
        let want = [
            done(8, "there is no such container").unwrap(),
            binary(7, b"one"),
            binary(7, b"two"),
            done(7, "").unwrap(),
        ];
        assert_eq!(said, want);
    }
}
