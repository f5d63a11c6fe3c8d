//! Docker's own API for a user: the bytes of one connection to it, carried both ways. Whoever may ask for that may do
//! anything on the host; who may is the server's to know.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::Asked;

/// Bytes carried at a time.
const PIECE: usize = 32 << 10;

impl Asked {
    pub(super) async fn docker_socket(
        &self,
        mut input: mpsc::Receiver<Bytes>,
    ) -> Result<(), String> {
        let surroundings = &self.engine.surroundings;
        let failed = |error| format!("{}: {error}", surroundings.socket().display());
        let (mut reader, mut writer) =
            tokio::io::split(surroundings.connect().await.map_err(failed)?);
        let mut piece = BytesMut::with_capacity(PIECE);
        loop {
            tokio::select! {
                read = reader.read_buf(&mut piece) => {
                    if read.map_err(failed)? == 0 {
                        return Ok(());
                    }
                    if !self.sender.stream(self.number, piece.split().freeze()).await {
                        return Ok(());
                    }
                    piece.reserve(PIECE);
                }
                data = input.recv() => match data {
                    Some(data) => writer.write_all(&data).await.map_err(failed)?,
                    None => return Ok(()),
                }
            }
        }
    }
}
