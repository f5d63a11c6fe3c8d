//! Starting and stopping a whole server on a directory.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::mpsc;

use drover_server::{Options, ServerError, Told, run};
use drover_store::OpenError;
use rustix::process::{Signal, getpid, kill_process};

use crate::cluster::soon;

fn options(data: &Path) -> Options {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    Options { data: data.to_owned(), listen, url: None, catalog: None }
}

async fn failed(options: Options) -> String {
    let mut error = &soon(run(options, |_| {})).await.unwrap_err() as &dyn std::error::Error;
    let mut said = error.to_string();
    while let Some(cause) = error.source() {
        error = cause;
        said = format!("{said}: {error}");
    }
    said
}

/// One test, because its servers end by a signal to the whole process.
#[tokio::test]
async fn a_server_begins_once_locks_its_data_and_stops_when_told() {
    let data = tempfile::tempdir().unwrap();
    let mut keys = Vec::new();
    for _ in 0..2 {
        let (tell, told) = mpsc::channel();
        let (listens, listening) = tokio::sync::oneshot::channel();
        let listens = std::sync::Mutex::new(Some(listens));
        let running = tokio::spawn(run(options(data.path()), move |what| match what {
            Told::AdminKey(key) => tell.send(key).unwrap(),
            Told::Listening(at) => {
                listens.lock().unwrap().take().unwrap().send(at).unwrap();
            }
        }));
        let address = soon(listening).await.unwrap();
        assert_ne!(address.port(), 0);
        let second = soon(run(options(data.path()), |_| {})).await;
        assert!(matches!(second, Err(ServerError::Open(OpenError::InUse { .. }))), "{second:?}");
        kill_process(getpid(), Signal::TERM).unwrap();
        soon(running).await.unwrap().unwrap();
        keys.extend(told.try_iter());
    }
    assert_eq!(keys.len(), 1, "the key is told at the first start, and never again");
    assert_eq!((keys[0].access.len(), keys[0].secret.reveal().len()), (20, 40));
}

#[tokio::test]
async fn what_stops_a_start_is_one_sentence() {
    let data = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let said = failed(Options { listen, ..options(data.path()) }).await;
    assert!(said.starts_with(&format!("another program listens on {listen}")), "{said}");
    let listen = SocketAddr::from(([192, 0, 2, 1], 0));
    let said = failed(Options { listen, ..options(data.path()) }).await;
    assert!(said.starts_with("the server can't listen on 192.0.2.1:0"), "{said}");
    let file = data.path().join("file");
    std::fs::write(&file, "").unwrap();
    let said = failed(options(&file.join("data"))).await;
    assert!(said.starts_with("the data directory"), "{said}");
    std::fs::write(data.path().join("drover.db"), "not a database, and too long for none").unwrap();
    let said = failed(options(data.path())).await;
    assert!(said.contains("is not a database"), "{said}");
}
