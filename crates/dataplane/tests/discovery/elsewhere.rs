//! A name server outside, that knows a few names: `one.example` has an address, `big.example` more than a datagram holds,
//! `broken.example` none it can find; there is no other.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hickory_proto::op::{Message, Metadata, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

pub struct Elsewhere {
    pub address: SocketAddr,
    asked: Arc<AtomicU64>,
}

impl Elsewhere {
    pub async fn open() -> Self {
        // A port that is free both ways.
        let (udp, tcp) = loop {
            let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let asked = Arc::new(AtomicU64::new(0));
        let counted = asked.clone();
        tokio::spawn(async move {
            let mut buffer = vec![0; 4096];
            while let Ok((length, client)) = udp.recv_from(&mut buffer).await {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut reply = answer(&buffer[..length]);
                if reply.answers.len() > 10 {
                    reply.answers.clear();
                    reply.metadata.truncation = true;
                }
                udp.send_to(&reply.to_vec().unwrap(), client).await.ok();
            }
        });
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                let mut buffer = vec![0; usize::from(stream.read_u16().await.unwrap())];
                stream.read_exact(&mut buffer).await.unwrap();
                let reply = answer(&buffer).to_vec().unwrap();
                stream.write_u16(u16::try_from(reply.len()).unwrap()).await.unwrap();
                stream.write_all(&reply).await.unwrap();
            }
        });
        Self { address, asked }
    }

    /// Questions by UDP so far.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

fn answer(bytes: &[u8]) -> Message {
    let request = Message::from_vec(bytes).unwrap();
    let mut reply = Message::response(request.metadata.id, request.metadata.op_code);
    reply.metadata = Metadata::response_from_request(&request.metadata);
    let name = request.queries[0].name().clone();
    let count = match name.to_lowercase().to_ascii().as_str() {
        "one.example." => 1,
        "big.example." => 100,
        "broken.example." => {
            reply.metadata.response_code = ResponseCode::ServFail;
            0
        }
        _ => {
            reply.metadata.response_code = ResponseCode::NXDomain;
            0
        }
    };
    let record = |n| Record::from_rdata(name.clone(), 30, RData::A(A::new(192, 0, 2, n)));
    reply.answers.extend((1..=count).map(record));
    reply.queries = request.queries;
    reply
}
