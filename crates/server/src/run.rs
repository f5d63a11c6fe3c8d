//! `drover server`: opens the data directory, binds the address, serves until it is told to stop.
//!
//! Prints nothing: what has to reach the terminal goes through a callback.

use std::fs::DirBuilder;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use drover_store::{CommitError, OpenError, StorageError, Store};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::first_start::{AdminKey, begin};
use crate::serve::{Settings, serve};

/// Name of the database in the data directory.
const DATABASE: &str = "drover.db";

/// How to run a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directory of everything it keeps; made if need be.
    pub data: PathBuf,
    /// Address it listens on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What links in answers start with (`http://host:8080`), where clients reach it by another name than the
    /// one in their requests.
    pub url: Option<String>,
    /// The catalog's directory, as Rancher's catalogs are laid out.
    pub catalog: Option<PathBuf>,
}

/// What whoever started the server should know, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The first administrator's key: said at the first start, and never again.
    AdminKey(AdminKey),
    /// It answers from now on.
    Listening(SocketAddr),
}

/// Why a server did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// No place for the data.
    #[error(
        "the data directory {data} can't be made; make it, writable for the user the server runs \
         as, or give another one"
    )]
    Data {
        /// The directory.
        data: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The database can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The address is taken.
    #[error("another program listens on {listen} already; stop that one, or give another address")]
    InUse {
        /// The address.
        listen: SocketAddr,
    },
    /// The address can't be had.
    #[error("the server can't listen on {listen}; give an address of this machine")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The first start failed half-way.
    #[error("a new cluster could not be made (a key shown before this opens nothing)")]
    Begin(#[source] CommitError),
    /// The operating system won't tell of signals.
    #[error("the server can't be told to stop by a signal")]
    Signals(#[source] io::Error),
    /// The database did not close.
    #[error("the database was not closed; what was answered is stored")]
    Close(#[source] StorageError),
}

/// Run a server until SIGTERM or SIGINT.
pub async fn run(options: Options, tell: impl Fn(Told)) -> Result<(), ServerError> {
    let Options { data, listen, url, catalog } = options;
    let settings = Settings { url, catalog, ..Settings::default() };
    let signals = (stop_signal(SignalKind::terminate())?, stop_signal(SignalKind::interrupt())?);
    let store = open(data).await?;
    let ran = run_on(&store, listen, settings, signals, tell).await;
    let closed = store.close().await.map_err(ServerError::Close);
    ran.and(closed)
}

async fn run_on(
    store: &Store,
    listen: SocketAddr,
    settings: Settings,
    signals: (Signal, Signal),
    tell: impl Fn(Told),
) -> Result<(), ServerError> {
    // Before the first start: a key must not be told by a server that can't run.
    let listener = bind(listen).await?;
    begin(store, |key| tell(Told::AdminKey(key))).await.map_err(ServerError::Begin)?;
    let address = listener.local_addr().unwrap_or(listen);
    tracing::info!(%address, "the server listens");
    tell(Told::Listening(address));
    let stop = CancellationToken::new();
    let watch = tokio::spawn(stop_on(signals, stop.clone()));
    serve(store.clone(), listener, settings, stop).await;
    watch.abort();
    tracing::info!("the server stopped");
    Ok(())
}

async fn open(data: PathBuf) -> Result<Store, ServerError> {
    // It holds the passwords of registries: nobody else's to read.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&data)
        .map_err(|source| ServerError::Data { data: data.clone(), source })?;
    let opening = tokio::task::spawn_blocking(move || Store::open(data.join(DATABASE)));
    // A panic in there is a bug, and its message is on the terminal already.
    Ok(opening.await.unwrap_or(Err(OpenError::Storage(StorageError::Closed)))?)
}

async fn bind(listen: SocketAddr) -> Result<TcpListener, ServerError> {
    TcpListener::bind(listen).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ServerError::InUse { listen },
        _ => ServerError::Listen { listen, source },
    })
}

fn stop_signal(kind: SignalKind) -> Result<Signal, ServerError> {
    signal(kind).map_err(ServerError::Signals)
}

async fn stop_on((mut terminate, mut interrupt): (Signal, Signal), stop: CancellationToken) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping: what is in flight is finished first");
    stop.cancel();
}
