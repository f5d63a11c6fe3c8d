//! Asking this host's name service, as a container does: a question for a name, and for metadata.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use drover_core::doctor::NamesFound;
use hickory_resolver::proto::op::{Message, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::endpoints::Given;
use crate::network::DISCOVERY;

/// A name that leads to the name service itself, whatever facts it has.
const OWN_NAME: &str = "rancher-metadata.rancher.internal";
/// For one answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// A question that was lost is asked again.
const TIMES: u32 = 2;
/// The largest answer.
const ANSWER: usize = 4096;

/// How the name service does. `name` is one of the project's that it must answer; empty for none.
pub(super) async fn ask(given: &[Given], container: String, name: &str) -> NamesFound {
    let running = given.iter().find(|given| given.answers_names && !given.container.is_empty());
    let Some(running) = running else {
        return NamesFound { container, ..NamesFound::default() };
    };
    let dns = SocketAddr::from((DISCOVERY, 53));
    let (own, asked, metadata) = tokio::join!(
        resolve(dns, OWN_NAME),
        async { if name.is_empty() { Ok(vec![DISCOVERY]) } else { resolve(dns, name).await } },
        metadata(SocketAddr::from((DISCOVERY, 80))),
    );
    let dns = match own {
        Ok(addresses) if addresses == [DISCOVERY] => String::new(),
        Ok(other) => format!("{OWN_NAME} leads to {other:?}, not to {DISCOVERY}"),
        Err(why) => why,
    };
    NamesFound {
        container: running.container.clone(),
        running: true,
        address: running.address.to_string(),
        name: asked.err().filter(|_| dns.is_empty()).unwrap_or_default(),
        dns,
        metadata: metadata.err().unwrap_or_default(),
    }
}

/// The addresses that a name leads to, at least one; why there is none, in words.
async fn resolve(at: SocketAddr, name: &str) -> Result<Vec<Ipv4Addr>, String> {
    let words = |error: &dyn std::fmt::Display| format!("can't ask for {name}: {error}");
    let mut asked = Name::from_ascii(name).map_err(|error| words(&error))?;
    asked.set_fqdn(true);
    let mut question = Message::query();
    question.add_query(Query::query(asked, RecordType::A));
    let bytes = question.to_vec().map_err(|error| words(&error))?;
    let socket = UdpSocket::bind("0.0.0.0:0").await.map_err(|error| words(&error))?;
    socket.connect(at).await.map_err(|error| words(&error))?;
    let mut buffer = vec![0; ANSWER];
    for _ in 0..TIMES {
        socket.send(&bytes).await.map_err(|error| words(&error))?;
        let Ok(received) = timeout(PATIENCE, socket.recv(&mut buffer)).await else { continue };
        let length = received.map_err(|error| words(&error))?;
        let answer = Message::from_vec(&buffer[..length]).map_err(|error| words(&error))?;
        if answer.metadata.id == question.metadata.id {
            return addresses(&answer, name);
        }
    }
    Err(format!("no answer for {name} within {} s", PATIENCE.as_secs() * u64::from(TIMES)))
}

fn addresses(answer: &Message, name: &str) -> Result<Vec<Ipv4Addr>, String> {
    let found = answer.answers.iter().filter_map(|record| match &record.data {
        RData::A(address) => Some(address.0),
        _ => None,
    });
    let found: Vec<Ipv4Addr> = found.collect();
    match answer.metadata.response_code {
        ResponseCode::NoError if !found.is_empty() => Ok(found),
        ResponseCode::NoError => Err(format!("{name} leads to no address")),
        ResponseCode::NXDomain => Err(format!("it doesn't know the name {name}")),
        code => Err(format!("asked for {name}, it says {code}")),
    }
}

/// Whether metadata are given; why not, in words.
async fn metadata(at: SocketAddr) -> Result<(), String> {
    let asked = async {
        let mut stream = TcpStream::connect(at).await?;
        stream.write_all(b"GET / HTTP/1.0\r\nHost: rancher-metadata\r\n\r\n").await?;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await?;
        Ok::<_, std::io::Error>(head)
    };
    let patience = PATIENCE * TIMES;
    match timeout(patience, asked).await {
        Ok(Ok(head)) if head.starts_with(b"HTTP/1.") && head.ends_with(b"200") => Ok(()),
        Ok(Ok(head)) => Err(format!("it answers {}", String::from_utf8_lossy(&head))),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", patience.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::op::OpCode;
    use hickory_resolver::proto::rr::Record;
    use tokio::net::TcpListener;

    use super::*;

    /// What `resolve` makes of a server that answers with these addresses and this code.
    async fn resolved(found: &[Ipv4Addr], code: ResponseCode) -> Result<Vec<Ipv4Addr>, String> {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = server.local_addr().unwrap();
        let found = found.to_vec();
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            let (length, from) = server.recv_from(&mut buffer).await.unwrap();
            let question = Message::from_vec(&buffer[..length]).unwrap();
            let mut answer = Message::response(question.metadata.id, OpCode::Query);
            answer.metadata.response_code = code;
            let name = question.queries[0].name().clone();
            let record = |a: Ipv4Addr| Record::from_rdata(name.clone(), 1, RData::A(a.into()));
            answer.answers.extend(found.into_iter().map(record));
            server.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
        });
        resolve(at, "web.shop.rancher.internal").await
    }

    #[tokio::test]
    async fn names() {
        let one = Ipv4Addr::new(10, 42, 1, 5);
        assert_eq!(resolved(&[one], ResponseCode::NoError).await, Ok(vec![one]));
        let words = |told: Result<Vec<Ipv4Addr>, String>| told.unwrap_err();
        assert_eq!(
            words(resolved(&[], ResponseCode::NXDomain).await),
            "it doesn't know the name web.shop.rancher.internal"
        );
        assert_eq!(
            words(resolved(&[], ResponseCode::NoError).await),
            "web.shop.rancher.internal leads to no address"
        );
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        assert_eq!(
            words(resolve(silent.local_addr().unwrap(), "x.y").await),
            "no answer for x.y within 2 s"
        );
    }

    #[tokio::test]
    async fn metadata_are_answered_or_not() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = server.local_addr().unwrap();
        tokio::spawn(async move {
            for answer in ["HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 503 Service Unavailable\r\n\r\n"] {
                let (mut stream, _) = server.accept().await.unwrap();
                let mut buffer = [0; 512];
                let _ = stream.read(&mut buffer).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        assert_eq!(metadata(at).await, Ok(()));
        assert_eq!(metadata(at).await, Err("it answers HTTP/1.1 503".to_owned()));
        assert!(metadata(at).await.unwrap_err().contains("refused"));
    }
}
