//! Two streams joined: what one side sends the other gets, and an end of one direction is an end of that direction
//! alone.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{
    AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional_with_sizes, sink,
};
use tokio::time::{interval, timeout};

/// What became of a joined pair.
#[derive(Debug)]
pub(in super::super) struct Joined {
    /// Bytes to the client.
    pub(in super::super) received: u64,
    pub(in super::super) end: End,
}

/// Why it ended.
#[derive(Debug)]
pub(in super::super) enum End {
    /// Both sides were done.
    Done,
    /// Both were silent for too long.
    Idle,
    /// The unit drains and its time is over.
    Over,
    /// One side broke off.
    Broken(io::Error),
}

/// What is read at a time, for each direction.
const BUFFER: usize = 32 * 1_024;

/// How long the sides may take to hear that they are parted.
const PARTING: Duration = Duration::from_secs(1);

/// Silence is looked for this often within the time allowed, so it is noticed at most a quarter late.
const LOOKS: u32 = 4;

/// Copy both ways until both sides are done, both are silent for `idle`, or it is `over`.
pub(in super::super) async fn join<A, B>(
    client: &mut A,
    target: &mut B,
    idle: Duration,
    over: impl Future<Output = ()>,
) -> Joined
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (sent, received) = (AtomicU64::new(0), AtomicU64::new(0));
    let end = {
        let mut from = Watched { stream: &mut *client, read: &sent };
        let mut to = Watched { stream: &mut *target, read: &received };
        tokio::select! {
            copied = copy_bidirectional_with_sizes(&mut from, &mut to, BUFFER, BUFFER) => {
                copied.map_or_else(End::Broken, |_| End::Done)
            }
            () = silence(idle, &sent, &received) => End::Idle,
            () = over => End::Over,
        }
    };
    if matches!(end, End::Idle | End::Over) {
        timeout(PARTING, part(client, target)).await.ok();
    }
    Joined { received: received.into_inner(), end }
}

/// Wait until nothing moves for so long.
async fn silence(idle: Duration, sent: &AtomicU64, received: &AtomicU64) {
    let mut looks = interval((idle / LOOKS).max(Duration::from_millis(1)));
    let (mut moved, mut quiet) = (None, 0);
    while quiet < LOOKS {
        looks.tick().await;
        let now = Some((sent.load(Relaxed), received.load(Relaxed)));
        quiet = if moved == now { quiet + 1 } else { 0 };
        moved = now;
    }
}

/// Say to both that no more comes, and hear them out: closing on bytes unread would take back what was sent.
async fn part<A, B>(client: &mut A, target: &mut B)
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    tokio::join!(farewell(client), farewell(target));
}

async fn farewell<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    stream.shutdown().await.ok();
    tokio::io::copy(stream, &mut sink()).await.ok();
}

/// A stream that counts what is read from it.
struct Watched<'a, S> {
    stream: &'a mut S,
    read: &'a AtomicU64,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut *self.stream).poll_read(context, buffer);
        let read = u64::try_from(buffer.filled().len() - before).unwrap_or_default();
        self.read.fetch_add(read, Relaxed);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<'_, S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use tokio::io::{AsyncReadExt, duplex};

    #[tokio::test]
    async fn an_end_of_one_direction_leaves_the_other() {
        let (mut client, mut near) = duplex(64);
        let (mut far, mut target) = duplex(64);
        let joined = tokio::spawn(async move {
            join(&mut near, &mut far, Duration::from_mins(1), pending()).await
        });
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut heard = String::new();
        target.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "question");
        target.write_all(b"the answer").await.unwrap();
        drop(target);
        heard.clear();
        client.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "the answer");
        let joined = joined.await.unwrap();
        assert!(matches!(joined.end, End::Done), "{joined:?}");
        assert_eq!(joined.received, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_it_and_both_hear_of_it() {
        let (mut client, mut near) = duplex(64);
        let (mut far, mut target) = duplex(64);
        let idle = Duration::from_secs(50);
        let joined =
            tokio::spawn(async move { join(&mut near, &mut far, idle, pending()).await.end });
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_secs(40)).await;
            client.write_all(b"x").await.unwrap();
            target.read_u8().await.unwrap();
        }
        assert!(!joined.is_finished());
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(target.read(&mut [0]).await.unwrap(), 0);
        drop((client, target));
        assert!(matches!(joined.await.unwrap(), End::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn when_it_is_over_what_was_sent_arrives() {
        let (client, mut near) = duplex(64);
        let (mut far, mut target) = duplex(64);
        let idle = Duration::from_secs(50);
        let joined = join(&mut near, &mut far, idle, ready(())).await;
        assert!(matches!(joined.end, End::Over));
        assert_eq!(target.read(&mut [0]).await.unwrap(), 0);
        drop(client);
    }
}
