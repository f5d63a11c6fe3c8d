//! ICMP echo as bytes: requests that say whose they are, and what comes in. Pure, but for the socket beside.
//!
//! A request carries the host it is from and the level it is meant to test, so that whoever hears it can say what arrived,
//! whatever address it seems to come from.

mod socket;

use std::net::Ipv4Addr;

pub(crate) use socket::EchoSocket;

/// First bytes of every request's data.
const MAGIC: [u8; 8] = *b"drover/1";
/// Magic, run, host, level.
const DATA: usize = 8 + 8 + 8 + 1;
const IP_HEADER: usize = 20;
const ICMP_HEADER: usize = 8;
const ECHO_REPLY: u8 = 0;
const UNREACHABLE: u8 = 3;
const ECHO_REQUEST: u8 = 8;
const TIME_EXCEEDED: u8 = 11;
/// Code of "unreachable": it does not fit and may not be cut.
const DOES_NOT_FIT: u8 = 4;

/// The smallest packet that is sent, bytes.
pub(crate) const SMALLEST: u32 = 100;

/// Which way a request tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// From host address to host address.
    Underlay,
    /// From gateway to gateway.
    Overlay,
    /// To a container.
    Container,
    /// None: it asks whether the host is there, again and again.
    Presence,
}

/// What a request says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Which round of probing.
    pub(crate) run: u64,
    /// The host that asks.
    pub(crate) host: u64,
    /// What it tests.
    pub(crate) level: Level,
}

/// What came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// Another host's request; bytes of the packet.
    Request(Mark, u32),
    /// The answer to the request with this number.
    Reply(u64, u16),
    /// Someone on the way says, of the request with this number, that it goes no further.
    Refusal(u16, u16, String),
}

/// An echo request that makes a packet of so many bytes.
pub(crate) fn request(mark: Mark, number: u16, bytes: u32) -> Vec<u8> {
    let bytes = usize::try_from(bytes).unwrap_or_default();
    let mut message = vec![0; bytes.saturating_sub(IP_HEADER).max(ICMP_HEADER + DATA)];
    message[0] = ECHO_REQUEST;
    message[4..6].copy_from_slice(&identifier(mark.run).to_be_bytes());
    message[6..8].copy_from_slice(&number.to_be_bytes());
    message[8..16].copy_from_slice(&MAGIC);
    message[16..24].copy_from_slice(&mark.run.to_be_bytes());
    message[24..32].copy_from_slice(&mark.host.to_be_bytes());
    message[32] = match mark.level {
        Level::Underlay => 1,
        Level::Overlay => 2,
        Level::Container => 3,
        Level::Presence => 4,
    };
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// What a packet, IP header and all, means to us; `None` if nothing.
pub(crate) fn read(packet: &[u8]) -> Option<Came> {
    let (source, icmp) = split(packet)?;
    let bytes = u32::try_from(packet.len()).ok()?;
    match *icmp.first()? {
        ECHO_REQUEST => Some(Came::Request(mark(icmp)?, bytes)),
        ECHO_REPLY => Some(Came::Reply(mark(icmp)?.run, number(icmp)?)),
        kind @ (UNREACHABLE | TIME_EXCEEDED) => {
            let (_, about) = split(icmp.get(ICMP_HEADER..)?)?;
            let of_echo = *about.first()? == ECHO_REQUEST;
            let words = refusal(source, kind, *icmp.get(1)?, two(icmp, 6)?);
            of_echo.then_some(Came::Refusal(two(about, 4)?, number(about)?, words))
        }
        _ => None,
    }
}

/// By what refusals name a run: all that is certain to be quoted in them.
pub(crate) fn identifier(run: u64) -> u16 {
    let [.., high, low] = run.to_be_bytes();
    u16::from_be_bytes([high, low])
}

fn mark(icmp: &[u8]) -> Option<Mark> {
    let data = icmp.get(ICMP_HEADER..ICMP_HEADER + DATA)?;
    let eight = |at: usize| data[at..at + 8].try_into().ok().map(u64::from_be_bytes);
    let level = match data[24] {
        1 => Level::Underlay,
        2 => Level::Overlay,
        3 => Level::Container,
        4 => Level::Presence,
        _ => return None,
    };
    let ours = data[..8] == MAGIC;
    ours.then_some(Mark { run: eight(8)?, host: eight(16)?, level })
}

/// Source and content of an IPv4 packet.
fn split(packet: &[u8]) -> Option<(Ipv4Addr, &[u8])> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let source: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
    Some((source.into(), packet.get(header..)?))
}

fn number(icmp: &[u8]) -> Option<u16> {
    two(icmp, 6)
}

fn two(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes)
}

fn refusal(source: Ipv4Addr, kind: u8, code: u8, next_mtu: u16) -> String {
    let why = match (kind, code) {
        (UNREACHABLE, DOES_NOT_FIT) => format!("more than {next_mtu} bytes don't fit"),
        (UNREACHABLE, 0 | 6) => "there is no route".to_owned(),
        (UNREACHABLE, 1 | 7) => "that host doesn't answer".to_owned(),
        (UNREACHABLE, 9 | 10 | 13) => "a firewall prohibits it".to_owned(),
        (UNREACHABLE, _) => "it is refused".to_owned(),
        _ => "it goes in circles".to_owned(),
    };
    format!("{source} says: {why}")
}

/// The Internet's checksum.
fn checksum(bytes: &[u8]) -> u16 {
    let pairs = bytes.chunks(2).map(|pair| {
        u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or_default()]))
    });
    let mut sum: u32 = pairs.sum();
    while let Ok(high @ 1..) = u16::try_from(sum >> 16) {
        sum = (sum & 0xffff) + u32::from(high);
    }
    !u16::try_from(sum).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark { run: 0x0102_0304_0506_0708, host: 7, level: Level::Overlay };

    /// A packet from 10.0.0.9.
    fn packet(icmp: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45; IP_HEADER];
        packet[12..16].copy_from_slice(&[10, 0, 0, 9]);
        packet.extend_from_slice(icmp);
        packet
    }

    #[test]
    fn a_request_says_whose_it_is_and_how_large() {
        for bytes in [100, 101, 1450] {
            let sent = request(MARK, 3, bytes);
            assert_eq!(read(&packet(&sent)), Some(Came::Request(MARK, bytes)));
            assert_eq!(checksum(&sent), 0, "a right checksum sums up to nothing");
        }
    }

    #[test]
    fn answers_find_their_request() {
        let mut reply = request(MARK, 300, 120);
        reply[0] = ECHO_REPLY;
        assert_eq!(read(&packet(&reply)), Some(Came::Reply(MARK.run, 300)));
        let quoted = packet(&request(MARK, 300, 1450)[..ICMP_HEADER]);
        let refused = |kind: u8, code: u8| {
            let mut icmp = vec![kind, code, 0, 0, 0, 0, 0x05, 0x78];
            icmp.extend_from_slice(&quoted);
            match read(&packet(&icmp)) {
                Some(Came::Refusal(0x0708, 300, words)) => words,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(refused(3, 4), "10.0.0.9 says: more than 1400 bytes don't fit");
        assert_eq!(refused(3, 13), "10.0.0.9 says: a firewall prohibits it");
        assert_eq!(refused(11, 0), "10.0.0.9 says: it goes in circles");
    }

    #[test]
    fn what_is_not_ours_means_nothing() {
        let whole = packet(&request(MARK, 3, 100));
        for end in 0..whole.len() - 60 {
            assert_eq!(read(&whole[..end]), None, "{end}");
        }
        let mut other = request(MARK, 3, 100);
        other[8] = b'D';
        assert_eq!(read(&packet(&other)), None);
    }
}
