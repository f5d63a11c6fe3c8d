//! The server name a TLS client asks for, read from its first message without taking part in the handshake. What was
//! read is kept, for the target has to get it too.

use std::io;

use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::super::tls::normal;

/// A client's first message.
#[derive(Debug, Default)]
pub(in super::super) struct Hello {
    /// In lower case; `None` if it names none, or begins in a way that can't be read.
    pub(in super::super) server: Option<String>,
    /// All that was read.
    pub(in super::super) bytes: Vec<u8>,
}

/// More is no first message. Post-quantum keys and many extensions come to a few thousand.
const LONGEST: usize = 16 * 1_024;

/// Read until the name is known, or that there is none.
pub(in super::super) async fn read<S>(stream: &mut S) -> io::Result<Hello>
where
    S: AsyncRead + Unpin,
{
    let mut acceptor = Acceptor::default();
    let mut bytes = Vec::new();
    let mut buffer = [0; 2_048];
    while bytes.len() < LONGEST {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&buffer[..read]);
        let mut new = &buffer[..read];
        while !new.is_empty() {
            acceptor.read_tls(&mut new)?;
            match acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => {
                    let server = accepted.client_hello().server_name().map(normal);
                    return Ok(Hello { server, bytes });
                }
                // Whatever it speaks, a route for all names takes it.
                Err(_) => return Ok(Hello { server: None, bytes }),
            }
        }
    }
    Ok(Hello { server: None, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, ClientConnection, RootCertStore};

    #[tokio::test]
    async fn names_are_read_however_the_message_is_cut() {
        let sent = client_hello("Shop.Example");
        for cut in [1, 5, 6, 60, sent.len() - 1, sent.len()] {
            let (first, second) = sent.split_at(cut);
            let mut stream = in_two(first, second);
            let hello = read(&mut stream).await.unwrap();
            assert_eq!(hello.server.as_deref(), Some("shop.example"), "{cut}");
            assert_eq!(hello.bytes, sent, "{cut}");
        }
    }

    #[tokio::test]
    async fn who_names_no_server_is_nobody_s() {
        let by_address = client_hello("192.0.2.1");
        for sent in
            [&by_address[..], b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x04\x01\x00\x00\x00"]
        {
            let hello = read(&mut &sent[..]).await.unwrap();
            assert_eq!((hello.server, &hello.bytes[..]), (None, sent));
        }
        let error = read(&mut &by_address[..50]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    fn in_two<'a>(first: &'a [u8], second: &'a [u8]) -> impl AsyncRead + Unpin + 'a {
        first.chain(second)
    }

    fn client_hello(server: &str) -> Vec<u8> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        let server = ServerName::try_from(server.to_owned()).unwrap();
        let mut client = ClientConnection::new(Arc::new(config), server).unwrap();
        let mut sent = Vec::new();
        client.write_tls(&mut sent).unwrap();
        sent
    }
}
