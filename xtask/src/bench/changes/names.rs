//! Asking a host's name service from the host itself, without a program for each question: a socket that was opened in
//! the host's network stays there.

use std::fs::File;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::bench::{BenchError, io};
use crate::testbed::Testbed;

/// Where every host's name service answers.
const SERVICE: &str = "169.254.169.250:53";
/// An answer that takes longer is asked for again.
const PATIENCE: Duration = Duration::from_millis(500);

/// A host's name service.
pub(super) struct Names {
    socket: UdpSocket,
}

impl Names {
    /// Of a host that is on.
    pub(super) fn of(bed: &Testbed, host: u8) -> Result<Self, BenchError> {
        let network = bed.network(host)?;
        // A thread of its own, since a thread is in one network at a time.
        let opened = std::thread::spawn(move || -> std::io::Result<UdpSocket> {
            let network = File::open(network)?;
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            socket.connect(SERVICE)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            Ok(socket)
        });
        let opened = opened.join().unwrap_or_else(|_| Err(std::io::Error::other("it panicked")));
        let socket = opened.map_err(io(format!("open a socket on host {host}")))?;
        Ok(Self { socket })
    }

    /// To how many addresses a name leads; `None` if there was no answer.
    pub(super) fn count(&self, name: &str) -> Option<u16> {
        self.socket.send(&question(name)).ok()?;
        let mut answer = [0; 1_024];
        let length = self.socket.recv(&mut answer).ok()?;
        answers(&answer[..length])
    }
}

/// For a name's IPv4 addresses (RFC 1035, 4.1).
fn question(name: &str) -> Vec<u8> {
    let mut bytes = vec![0x47, 0x11, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        bytes.extend(u8::try_from(label.len()));
        bytes.extend(label.bytes());
    }
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

fn answers(message: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes([*message.get(6)?, *message.get(7)?]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_and_its_answer() {
        let asked = question("a.bc");
        assert_eq!(asked[12..], [1, b'a', 2, b'b', b'c', 0, 0, 1, 0, 1]);
        assert_eq!(answers(&asked), Some(0));
        assert_eq!(answers(&[0; 7]), None);
        assert_eq!(answers(&[0, 0, 0, 0, 0, 1, 0, 2]), Some(2));
    }
}
