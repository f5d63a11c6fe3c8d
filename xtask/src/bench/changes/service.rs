//! A unit that answers: `GET /` in two bytes, and whoever asks for another protocol with their own words. All its
//! connections break when it is dropped.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A service that listens.
pub(super) struct Unit {
    /// Its name in configurations.
    pub(super) key: String,
    pub(super) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Unit {
    /// Listen on any port.
    pub(super) async fn start(slot: u32) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        Ok(Self { key: format!("1/{slot}/1/1"), address, task: tokio::spawn(welcome(listener)) })
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn welcome(listener: TcpListener) {
    // They end with it.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(answer(stream));
        while connections.try_join_next().is_some() {}
    }
}

/// Until the other side goes.
async fn answer(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await? == 0 {
                return Ok(());
            }
        }
        if !head.contains("\r\nupgrade: echo\r\n") {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await?;
            continue;
        }
        let agreed =
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
        stream.write_all(agreed).await?;
        let (mut from, mut to) = tokio::io::split(stream);
        copy(&mut from, &mut to).await?;
        return to.shutdown().await;
    }
}
