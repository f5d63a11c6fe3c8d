//! The PROXY protocol, both versions, in and out: the first bytes of a connection say who really called whom.
//! Read to the byte, for what follows belongs to somebody else.

use std::io;
use std::net::SocketAddr;

use ppp::{HeaderResult, v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Who called whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Ends {
    pub(in super::super) client: SocketAddr,
    /// The address that was called.
    pub(in super::super) called: SocketAddr,
}

/// Why a connection's header was not read.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum ProxyError {
    #[error("the connection broke within its PROXY header")]
    Broken(#[from] io::Error),
    #[error("it begins with no PROXY header, which this port expects of every client")]
    Missing,
    #[error("its PROXY header makes no sense: {0}")]
    Nonsense(String),
    #[error("its PROXY header is {0} bytes long; {LONGEST} are allowed")]
    TooLong(usize),
}

/// What version 2 begins with.
const SIGNATURE: &[u8] = v2::PROTOCOL_PREFIX;

/// The part of version 2 that is always there; the length of the rest is at its end.
const FIXED: usize = 16;

/// What version 1 begins with.
const PREFIX: &[u8] = b"PROXY ";

/// The longest line of version 1.
const LONGEST_LINE: usize = 107;

/// The longest header of version 2: addresses of Unix sockets with room for what else is told.
const LONGEST: usize = 2_048;

/// Read the header. `None`: the proxy speaks for itself (a health check), or does not know.
pub(in super::super) async fn read<S>(stream: &mut S) -> Result<Option<Ends>, ProxyError>
where
    S: AsyncRead + Unpin,
{
    let mut header = vec![0; SIGNATURE.len()];
    stream.read_exact(&mut header).await?;
    if header == SIGNATURE {
        read_rest_of_v2(stream, &mut header).await?;
    } else if header.starts_with(PREFIX) {
        read_rest_of_line(stream, &mut header).await?;
    } else {
        return Err(ProxyError::Missing);
    }
    ends(&header)
}

/// The header that tells these ends, in the version 1 or else 2.
pub(in super::super) fn header(version: u8, ends: Ends) -> io::Result<Vec<u8>> {
    let addresses = (ends.client, ends.called);
    if version == 1 {
        return Ok(v1::Addresses::from(addresses).to_string().into_bytes());
    }
    let command = v2::Version::Two | v2::Command::Proxy;
    v2::Builder::with_addresses(command, v2::Protocol::Stream, addresses).build()
}

async fn read_rest_of_v2<S>(stream: &mut S, header: &mut Vec<u8>) -> Result<(), ProxyError>
where
    S: AsyncRead + Unpin,
{
    let mut fixed = [0; FIXED - SIGNATURE.len()];
    stream.read_exact(&mut fixed).await?;
    header.extend(fixed);
    let length = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    if length > LONGEST {
        return Err(ProxyError::TooLong(length));
    }
    header.resize(FIXED + length, 0);
    stream.read_exact(&mut header[FIXED..]).await?;
    Ok(())
}

/// Byte for byte: where the line ends is known only there.
async fn read_rest_of_line<S>(stream: &mut S, header: &mut Vec<u8>) -> Result<(), ProxyError>
where
    S: AsyncRead + Unpin,
{
    while header.last() != Some(&b'\n') {
        if header.len() == LONGEST_LINE {
            return Err(ProxyError::Nonsense("its line has no end".to_owned()));
        }
        header.push(stream.read_u8().await?);
    }
    Ok(())
}

fn ends(header: &[u8]) -> Result<Option<Ends>, ProxyError> {
    let found = match HeaderResult::parse(header) {
        HeaderResult::V1(Ok(header)) => match header.addresses {
            v1::Addresses::Tcp4(a) => Some((
                SocketAddr::from((a.source_address, a.source_port)),
                SocketAddr::from((a.destination_address, a.destination_port)),
            )),
            v1::Addresses::Tcp6(a) => Some((
                SocketAddr::from((a.source_address, a.source_port)),
                SocketAddr::from((a.destination_address, a.destination_port)),
            )),
            v1::Addresses::Unknown => None,
        },
        HeaderResult::V2(Ok(header)) if header.command == v2::Command::Local => None,
        HeaderResult::V2(Ok(header)) => match header.addresses {
            v2::Addresses::IPv4(a) => Some((
                SocketAddr::from((a.source_address, a.source_port)),
                SocketAddr::from((a.destination_address, a.destination_port)),
            )),
            v2::Addresses::IPv6(a) => Some((
                SocketAddr::from((a.source_address, a.source_port)),
                SocketAddr::from((a.destination_address, a.destination_port)),
            )),
            v2::Addresses::Unix(_) | v2::Addresses::Unspecified => None,
        },
        HeaderResult::V1(Err(error)) => return Err(ProxyError::Nonsense(error.to_string())),
        HeaderResult::V2(Err(error)) => return Err(ProxyError::Nonsense(error.to_string())),
    };
    Ok(found.map(|(client, called)| Ends { client, called }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "192.0.2.7:51000 > 198.51.100.1:443";
    const V6: &str = "[2001:db8::7]:51000 > [2001:db8::1]:443";

    #[tokio::test]
    async fn headers() {
        let sixteen = |rest: &[u8]| [SIGNATURE, rest].concat();
        let addresses = [192, 0, 2, 7, 198, 51, 100, 1, 0xc7, 0x38, 1, 187];
        for (header, want) in [
            (b"PROXY TCP4 192.0.2.7 198.51.100.1 51000 443\r\n".to_vec(), V4),
            (b"PROXY TCP6 2001:db8::7 2001:db8::1 51000 443\r\n".to_vec(), V6),
            (b"PROXY UNKNOWN\r\n".to_vec(), "unknown"),
            (b"PROXY UNKNOWN whatever stands here\r\n".to_vec(), "unknown"),
            (b"PROXY TCP4 192.0.2.700 198.51.100.1 51000 443\r\n".to_vec(), "makes no sense"),
            (b"PROXY TCP4 192.0.2.7 198.51.100.1 510000 443\r\n".to_vec(), "makes no sense"),
            (b"PROXY TCP4 192.0.2.7\r\n".to_vec(), "makes no sense"),
            (b"PROXY SCTP 192.0.2.7 198.51.100.1 51000 443\r\n".to_vec(), "makes no sense"),
            ([b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat(), "no end"),
            (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "no PROXY header"),
            (b"PROXY".to_vec(), "broke"),
            (b"PROXY UNKNOWN".to_vec(), "broke"),
            (sixteen(&[&[0x21, 0x11, 0, 12][..], &addresses].concat()), V4),
            (sixteen(&[&[0x21, 0x11, 0, 16][..], &addresses, &[4, 0, 1, 9]].concat()), V4),
            (sixteen(&[0x20, 0, 0, 0]), "unknown"),
            (sixteen(&[0x21, 0, 0, 0]), "unknown"),
            (sixteen(&[&[0x20, 0x11, 0, 12][..], &addresses].concat()), "unknown"),
            (sixteen(&[0x31, 0x11, 0, 0]), "makes no sense"),
            (sixteen(&[0x21, 0x11, 0, 4, 1, 2, 3, 4]), "makes no sense"),
            (sixteen(&[0x21, 0x11, 0xff, 0xff]), "65535 bytes long"),
            (sixteen(&[0x21, 0x11, 0, 12, 192]), "broke"),
        ] {
            let sent = [&header[..], b"rest"].concat();
            let mut stream = if want == "broke" { &header[..] } else { &sent[..] };
            let read = read(&mut stream).await;
            let text = String::from_utf8_lossy(&header);
            assert!(read.is_err() || stream == b"rest", "what follows is for others: {text:?}");
            let said = match read {
                Ok(Some(Ends { client, called })) => format!("{client} > {called}"),
                Ok(None) => "unknown".to_owned(),
                Err(error) => error.to_string(),
            };
            assert!(said.contains(want), "{text:?}: {said}");
        }
    }

    #[tokio::test]
    async fn what_is_written_is_read() {
        for (client, called) in [V4, V6]
            .map(|text| text.split_once(" > ").unwrap())
            .map(|(a, b)| (a.parse(), b.parse()))
        {
            let ends = Ends { client: client.unwrap(), called: called.unwrap() };
            for version in [1, 2] {
                let header = header(version, ends).unwrap();
                assert_eq!(read(&mut &header[..]).await.unwrap(), Some(ends), "{version}");
            }
        }
    }

    #[tokio::test]
    async fn no_bytes_are_too_strange() {
        // Every header of the table's kinds, with one byte at a time changed to each of some values.
        let ends = V4.split_once(" > ").unwrap();
        let ends = Ends { client: ends.0.parse().unwrap(), called: ends.1.parse().unwrap() };
        for version in [1, 2] {
            let good = header(version, ends).unwrap();
            for position in 0..good.len() {
                for byte in [0, 1, b'\n', b' ', b'9', 0x7f, 0x80, 0xff] {
                    let mut bad = good.clone();
                    bad[position] = byte;
                    read(&mut &bad[..]).await.ok();
                }
            }
        }
    }
}
