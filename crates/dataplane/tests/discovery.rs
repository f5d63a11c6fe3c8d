//! The name service process over real sockets: names by UDP and TCP, metadata by HTTP, tables swapped under load. Every
//! test has a loopback address of its own.

#[cfg(test)]
#[path = "discovery/desk.rs"]
mod desk;
#[cfg(test)]
#[path = "discovery/elsewhere.rs"]
mod elsewhere;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType::{A, AAAA, CNAME};
use tokio::task::JoinSet;

use desk::{Desk, addresses, facts};
use elsewhere::Elsewhere;

#[tokio::test(flavor = "multi_thread")]
async fn names_are_answered_by_udp_and_tcp() {
    let desk = Desk::open(1);
    let many: Vec<String> = (0..60).map(|n| format!("10.0.1.{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    desk.replace(&facts(1, &[("web", &["10.0.0.1", "10.0.0.2"]), ("many", &many)])).await;

    let web = desk.udp("WEB.shop.rancher.internal.", A).await;
    assert_eq!(addresses(&web), ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(addresses(&desk.tcp("web.shop", A).await), ["10.0.0.1", "10.0.0.2"]);
    let unknown = desk.udp("x.rancher.internal.", A).await;
    assert_eq!(unknown.metadata.response_code, ResponseCode::NXDomain);

    let cut = desk.udp("many.shop.rancher.internal.", A).await;
    assert!(cut.metadata.truncation, "{cut}");
    let whole = desk.tcp("many.shop.rancher.internal.", A).await;
    assert_eq!(addresses(&whole).len(), 60);

    let mut firsts = std::collections::BTreeSet::new();
    for _ in 0..64 {
        let web = desk.udp("web.shop.rancher.internal.", A).await;
        firsts.insert(web.answers[0].data.to_string());
        // Clients that ask for both kinds must not always meet the same first address.
        desk.udp("web.shop.rancher.internal.", AAAA).await;
    }
    assert_eq!(firsts.len(), 2, "each address is the first at times");
    desk.close().await;
}

/// The acknowledgement is a promise: a question that is asked after it is never answered with what was withdrawn.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_withdrawn_is_never_answered_once_that_is_acknowledged() {
    const SWAPS: u64 = 40;
    let desk = Arc::new(Desk::open(2));
    // With every routing the one unit is withdrawn and another, its address numbered like it, takes its place.
    let config = |routing: u64| facts(routing, &[("web", &[&format!("10.0.0.{routing}")])]);
    desk.replace(&config(1)).await;
    let acknowledged = Arc::new(AtomicU64::new(1));
    let asked = Arc::new(AtomicU64::new(0));
    let mut hammers = JoinSet::new();
    for by_tcp in [false, false, false, true] {
        let (desk, acknowledged, asked) = (desk.clone(), acknowledged.clone(), asked.clone());
        hammers.spawn(async move {
            loop {
                let before = acknowledged.load(Ordering::SeqCst);
                if before > SWAPS {
                    return;
                }
                let name = "web.shop.rancher.internal.";
                let message =
                    if by_tcp { desk.tcp(name, A).await } else { desk.udp(name, A).await };
                let found = addresses(&message);
                let [address] = found.as_slice() else { panic!("{message}") };
                let unit: u64 = address.rsplit('.').next().unwrap().parse().unwrap();
                assert!(unit >= before, "{before} is acknowledged: {message}");
                asked.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    for routing in 2..=SWAPS + 1 {
        let seen = asked.load(Ordering::SeqCst);
        desk.replace(&config(routing)).await;
        acknowledged.store(routing, Ordering::SeqCst);
        desk.wait_until(|| asked.load(Ordering::SeqCst) > seen || routing > SWAPS).await;
    }
    while let Some(ended) = hammers.join_next().await {
        ended.unwrap();
    }
    Arc::into_inner(desk).unwrap().close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_names_are_asked_elsewhere() {
    let elsewhere = Elsewhere::open().await;
    let dead = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let nobody = dead.local_addr().unwrap().to_string();
    drop(dead);
    let desk = Desk::open(3);
    let mut config = facts(1, &[]);
    config.recursers = vec![nobody, elsewhere.address.to_string()];
    desk::add_external(&mut config, "out", "one.example.");
    desk.replace(&config).await;

    let one = desk.udp("one.example.", A).await;
    assert_eq!(addresses(&one), ["192.0.2.1"]);
    assert!(!one.metadata.authoritative);
    let asked = elsewhere.asked();
    assert_eq!(addresses(&desk.udp("One.Example.", A).await), ["192.0.2.1"]);
    assert_eq!(elsewhere.asked(), asked, "it was remembered");

    let out = desk.udp("out.shop.rancher.internal.", A).await;
    assert_eq!(out.answers[0].record_type(), CNAME);
    assert_eq!(addresses(&out), ["192.0.2.1"]);

    let big = desk.tcp("big.example.", A).await;
    assert_eq!(addresses(&big).len(), 100, "cut off by UDP, so asked again by TCP");
    assert!(!big.metadata.truncation);

    for (name, kind, code) in [
        ("gone.example.", A, ResponseCode::NXDomain),
        ("gone.example.", AAAA, ResponseCode::NoError),
        ("broken.example.", A, ResponseCode::ServFail),
    ] {
        let reply = desk.udp(name, kind).await;
        assert_eq!(reply.metadata.response_code, code, "{name}");
    }
    let asked = elsewhere.asked();
    desk.udp("x.rancher.internal.", A).await;
    assert_eq!(elsewhere.asked(), asked, "our names are never asked elsewhere");
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_is_read_by_who_asks_and_waited_for() {
    let desk = Desk::open(4);
    let me = desk.asker.to_string();
    desk.replace(&facts(1, &[("web", &[&me])])).await;
    let name = desk.get("GET", "/latest/self/container/name").await;
    assert!(name.starts_with("HTTP/1.1 200 OK\r\n"), "{name}");
    assert!(name.ends_with("\r\n\r\nshop-web-1"), "{name}");
    assert!(name.contains("access-control-allow-origin: *\r\n"), "{name}");
    let missing = desk.get("GET", "/latest/nothing").await;
    assert!(missing.starts_with("HTTP/1.1 404 ") && missing.ends_with("Not found\n"), "{missing}");
    let head = desk.get("HEAD", "/latest/self/container/name").await;
    assert!(head.contains("content-length: 10\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(desk.get("POST", "/latest").await.starts_with("HTTP/1.1 405 "));

    let body = |answer: &str| answer.split_once("\r\n\r\n").unwrap().1.to_owned();
    let version = body(&desk.get("GET", "/latest/version").await);
    // Nothing changes: the time is over at once, and what is there is said.
    let same = format!("/latest/version?wait=true&value={version}&maxWait=0");
    assert_eq!(body(&desk.get("GET", &same).await), version);
    let wait = format!("/latest/version?wait=true&value={version}&maxWait=60");
    let (changed, ()) = tokio::join!(desk.get("GET", &wait), async {
        desk.replace(&facts(2, &[("web", &[&me]), ("db", &["10.0.0.9"])])).await;
    });
    assert_ne!(body(&changed), version);
    let other = "/latest/services/0/name?wait=true&value=db&maxWait=60";
    assert_eq!(body(&desk.get("GET", other).await), "web", "it differs already");
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_process_takes_over_from_an_old_one() {
    let old = Desk::open(5);
    old.replace(&facts(1, &[("web", &["10.0.0.1"])])).await;
    let new = old.beside().await;
    assert_eq!(addresses(&new.udp("web.shop", A).await), ["10.0.0.1"]);
    old.close().await;
    assert_eq!(addresses(&new.udp("web.shop", A).await), ["10.0.0.1"]);
    assert_eq!(addresses(&new.tcp("web.shop", A).await), ["10.0.0.1"]);
    new.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_there_yet_is_waited_for() {
    let desk = Desk::at([192, 0, 2, 77].into());
    desk.write(&facts(3, &[]));
    let status = desk.wait_for(|status| !status.problem.is_empty()).await;
    assert!(
        status.problem.starts_with("names can't be answered on 192.0.2.77:10053: "),
        "{}",
        status.problem
    );
    assert_eq!(status.routing, 3, "who is not heard names nobody");
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_makes_no_sense_changes_nothing_but_the_status() {
    let desk = Desk::open(6);
    desk.replace(&facts(1, &[("web", &["10.0.0.1"])])).await;
    desk.write_text("{nonsense");
    let status = desk.wait_for(|status| status.problem.contains("makes no sense")).await;
    assert_eq!(status.routing, 1);
    assert_eq!(addresses(&desk.udp("web.shop", A).await), ["10.0.0.1"]);
    desk.replace(&facts(2, &[("web", &["10.0.0.2"])])).await;
    assert_eq!(addresses(&desk.udp("web.shop", A).await), ["10.0.0.2"]);
    desk.close().await;
}
