//! One request to one target, and the beginning of its answer.
//!
//! What was not sent at all can be sent again, whatever it is: hyper hands back a request that met a closing
//! connection before its first byte was written. What was sent is another matter, see `forward`.

use std::pin::pin;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::SendRequest;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::asked::Asked;
use super::pick::Picked;
use super::pool::{self, ConnectError, Line, Pool};
use super::stream::proxy::{self, Ends};
use super::target::Upstream;
use super::upload::{Pace, Turn, Upload};

/// An answer that began, and the connection to be kept after it.
pub(super) struct Begun {
    pub(super) response: Response<Incoming>,
    pub(super) line: Option<SendRequest<Upload>>,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Nothing was sent.
    Unreachable(ConnectError),
    /// It was sent, or a part of it, and the connection broke.
    Broken(hyper::Error),
    /// It was sent, and nothing came.
    TimedOut,
    /// It was sent, and the target's host went silent.
    HostSilent,
    /// The client broke its own body off.
    ClientGone,
    /// The client did not send its body.
    ClientSilent,
}

/// So many closing connections of one target in a row, and another one is asked.
const CLOSING: u32 = 8;

/// Ask the target that was picked.
pub(super) async fn exchange(asked: &mut Asked, picked: &Picked) -> Result<Begun, Trouble> {
    let (route, target) = (&picked.route, picked.in_flight.target());
    let mut closing = 0;
    loop {
        let silent = || target.health.until_host_is_silent();
        let mut line = tokio::select! {
            biased;
            line = line(asked, picked) => line.map_err(Trouble::Unreachable)?,
            () = silent() => return Err(Trouble::Unreachable(ConnectError::HostSilent)),
        };
        target.health.connected();
        let request = asked.request(&route.settings, route.sticky.as_ref());
        let sent = within(send(&mut line, request), asked.pace(), route.settings.server);
        let sent = tokio::select! {
            biased;
            sent = sent => sent,
            () = silent() => return Err(Trouble::HostSilent),
        };
        let mut error = match sent {
            None => return Err(Trouble::TimedOut),
            Some(Ok(response)) => {
                let line = match line {
                    Line::One(line, _) => {
                        Some(line).filter(|_| route.settings.send_proxy.is_none())
                    }
                    Line::Two(_) => None,
                };
                return Ok(Begun { response, line });
            }
            Some(Err(error)) => error,
        };
        if let Some(request) = error.take_message() {
            asked.take_back(request);
            closing += 1;
            if closing < CLOSING && matches!(line, Line::One(_, true) | Line::Two(_)) {
                continue;
            }
            return Err(Trouble::Unreachable(ConnectError::HungUp(error.into_error())));
        }
        return Err(match asked.pace().turn() {
            Turn::Gone => Trouble::ClientGone,
            Turn::Silent => Trouble::ClientSilent,
            Turn::Client | Turn::Target => Trouble::Broken(error.into_error()),
        });
    }
}

/// A connection that fits the request.
async fn line(asked: &Asked, picked: &Picked) -> Result<Line, ConnectError> {
    let target = picked.in_flight.target();
    if asked.is_grpc {
        return target.pool.two(connect(asked, picked, target)).await;
    }
    let kept = picked.route.settings.send_proxy.is_none();
    if let Some(line) = kept.then(|| target.pool.take(asked.recently())).flatten() {
        return Ok(line);
    }
    Pool::open(connect(asked, picked, target).await?).await
}

/// With a PROXY header a connection is one client's and carries one request.
async fn connect(
    asked: &Asked,
    picked: &Picked,
    target: &Upstream,
) -> Result<TcpStream, ConnectError> {
    let settings = &picked.route.settings;
    let mut stream = pool::connect(&target.address, settings.connect).await?;
    if let Some(version) = settings.send_proxy {
        let arrival = &asked.arrival;
        let ends = Ends { client: arrival.client, called: arrival.called };
        stream.write_all(&proxy::header(version, ends)?).await?;
    }
    Ok(stream)
}

async fn send(
    line: &mut Line,
    request: Request<Upload>,
) -> Result<Response<Incoming>, TrySendError<Request<Upload>>> {
    match line {
        Line::One(line, _) => line.try_send_request(request).await,
        Line::Two(line) => line.try_send_request(request).await,
    }
}

/// Until the target was silent for so long. While it is the client's turn, its own time runs, not the target's.
async fn within<T>(answer: impl Future<Output = T>, pace: &Pace, silence: Duration) -> Option<T> {
    let mut answer = pin!(answer);
    let mut wait = silence;
    loop {
        if let Ok(answered) = timeout(wait, &mut answer).await {
            return Some(answered);
        }
        wait = match pace.moved() {
            _ if pace.turn() == Turn::Client => silence,
            Some(ago) if ago < silence => silence.saturating_sub(ago),
            _ => return None,
        };
    }
}
