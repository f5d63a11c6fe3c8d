//! Connections that changed their protocol (WebSocket): bytes both ways until both sides have ended, the time of the
//! target is over, or nobody says anything for longer than is allowed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, sink, split};
use tokio::time::{sleep, timeout};

use super::Shared;
use super::clock::{millis, now_ms};
use super::target::InFlight;

/// After we ended both sides, their last words are waited for so long.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Read at a time.
const CHUNK: usize = 16 * 1024;

/// Carry bytes both ways. Counted as in flight until it ends.
pub(super) async fn tunnel(
    client: OnUpgrade,
    service: OnUpgrade,
    in_flight: InFlight,
    silence: Option<Duration>,
    shared: Arc<Shared>,
) {
    let (client, service) = match tokio::try_join!(client, service) {
        Ok(both) => both,
        Err(error) => return tracing::debug!(%error, "a tunnel was not built"),
    };
    let unit = in_flight.target().unit;
    let end = shared.leaving.over(unit);
    join(TokioIo::new(client), TokioIo::new(service), silence, end).await;
    tracing::debug!(%unit, "a tunnel ended");
}

/// Carry bytes both ways until both sides have ended, or `end`, or silence. Then both sides are told by the end of
/// what they read; what they still say is heard for a moment and goes nowhere.
async fn join<A, B>(one: A, two: B, silence: Option<Duration>, end: impl Future<Output = ()>)
where
    A: AsyncRead + AsyncWrite,
    B: AsyncRead + AsyncWrite,
{
    let (mut read_one, mut write_one) = split(one);
    let (mut read_two, mut write_two) = split(two);
    let spoke_ms = AtomicU64::new(now_ms());
    let is_over = {
        let there = carry(&mut read_one, &mut write_two, &spoke_ms);
        let back = carry(&mut read_two, &mut write_one, &spoke_ms);
        tokio::select! {
            _ = futures_util::future::try_join(there, back) => false,
            () = end => true,
            () = silent(silence, &spoke_ms) => true,
        }
    };
    if is_over {
        let ended = async {
            write_one.shutdown().await.ok();
            write_two.shutdown().await.ok();
            let (mut here, mut there) = (sink(), sink());
            tokio::join!(
                tokio::io::copy(&mut read_one, &mut here),
                tokio::io::copy(&mut read_two, &mut there)
            )
        };
        timeout(LAST_WORDS, ended).await.ok();
    }
}

/// One way, until the end of what is read; that is handed on too.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    spoke_ms: &AtomicU64,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = from.read(&mut chunk).await?;
        spoke_ms.store(now_ms(), Ordering::Relaxed);
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&chunk[..length]).await?;
        to.flush().await?;
    }
}

/// Wait until nobody has spoken for so long.
async fn silent(silence: Option<Duration>, spoke_ms: &AtomicU64) {
    let Some(silence) = silence else { return std::future::pending().await };
    loop {
        let since = now_ms().saturating_sub(spoke_ms.load(Ordering::Relaxed));
        let Some(left) = millis(silence).checked_sub(since).filter(|left| *left > 0) else {
            return;
        };
        sleep(Duration::from_millis(left)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::io::duplex;
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[tokio::test]
    async fn each_side_ends_by_itself() {
        let (mut client, one) = duplex(64);
        let (mut service, two) = duplex(64);
        let joined = tokio::spawn(join(one, two, None, pending()));
        client.write_all(b"ask").await.unwrap();
        client.shutdown().await.unwrap();
        let mut text = String::new();
        service.read_to_string(&mut text).await.unwrap();
        service.write_all(b"answer").await.unwrap();
        drop(service);
        client.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "askanswer");
        joined.await.unwrap();
    }

    #[tokio::test]
    async fn an_end_tells_both_and_hears_their_last_words() {
        let (mut client, one) = duplex(64);
        let (mut service, two) = duplex(64);
        let over = CancellationToken::new();
        let joined = tokio::spawn(join(one, two, None, over.clone().cancelled_owned()));
        over.cancel();
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        service.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "");
        client.write_all(b"bye").await.expect("it is still heard");
        drop((client, service));
        joined.await.unwrap();
    }

    #[tokio::test]
    async fn silence_ends_it_if_that_is_said() {
        let (mut client, one) = duplex(64);
        let (mut service, two) = duplex(64);
        let silence = Duration::from_millis(50);
        let joined = tokio::spawn(join(one, two, Some(silence), pending()));
        service.write_all(b".").await.unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, ".");
        drop((client, service));
        joined.await.unwrap();
    }
}
