//! `stats`: what containers and hosts use, second by second. Each thing that is named is a WebSocket of its own, opened with
//! a token that the server gives for it; what the samples in it come to is [`gauge`]'s.

mod gauge;

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use drover_rollout::text;
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::args::Stats;
use crate::client::Client;
use crate::failure::Failure;
use crate::operator::{connect, name};
use crate::rebalance::find_service;
use crate::table;
use gauge::{COLUMNS, Gauges};

/// Between two tables.
const EVERY: Duration = Duration::from_secs(1);
/// Until a stream stands, and until something is said in it: agents say it every second.
const PATIENCE: Duration = Duration::from_secs(10);
/// Frames that wait to be taken in.
const WAITING: usize = 64;
/// The cursor to the upper left corner, and nothing below it.
const CLEAR: &str = "\u{1b}[H\u{1b}[J";

/// What came over one of the streams.
enum Came {
    Frame(usize, Vec<Value>),
    /// It ended, and why.
    End(usize, String),
}

/// What is called what, and what leads there.
struct Names {
    containers: Vec<Value>,
    hosts: Vec<Value>,
}

/// `stats`.
pub(crate) async fn stats(options: &Stats) -> Result<(), Failure> {
    let client = connect(&options.operator).await?;
    let mut names = Names::list(&client).await?;
    let links = names.links(&client, options).await?;
    let (sender, mut came) = mpsc::channel(WAITING);
    for (place, link) in links.iter().enumerate() {
        let access = client.get("ask what is used", link).await?;
        tokio::spawn(read(place, client.websocket(&access), sender.clone()));
    }
    // The streams end with their readers, and so does what they say.
    drop(sender);
    let mut gauges = Gauges::new(links.len());
    let first_by = Instant::now() + PATIENCE;
    let mut tick = interval(EVERY);
    let (mut ended, mut is_patient) = (BTreeMap::new(), true);
    loop {
        tokio::select! {
            one = came.recv() => match one {
                Some(Came::Frame(place, samples)) => gauges.take(place, &samples),
                Some(Came::End(place, why)) => {
                    gauges.end(place);
                    ended.insert(place, why);
                }
                None => {
                    let why = ended.into_values().next().unwrap_or_default();
                    return Err(Failure::Failed(format!("no more is told of what is used: {why}")));
                }
            },
            _ = tick.tick() => {
                if gauges.knows_others_than(&names.known()) {
                    names = Names::list(&client).await?;
                }
                if (options.no_stream && gauges.is_whole()) || (!options.no_stream && gauges.has_any()) {
                    let shown = show(options, &gauges.rows(&names.known()))?;
                    if options.no_stream || !shown {
                        return Ok(());
                    }
                }
            }
            () = sleep_until(first_by), if is_patient => {
                is_patient = false;
                if !gauges.has_any() {
                    let why = format!(
                        "nothing was told of what is used within {} s: `drover host ls` shows hosts that are away",
                        PATIENCE.as_secs()
                    );
                    return Err(Failure::TimedOut(why));
                }
                // Of some nothing comes; the rest is shown.
                gauges.be_content();
            }
        }
    }
}

impl Names {
    async fn list(client: &Client) -> Result<Self, Failure> {
        let living = [("removed_null", "1")];
        Ok(Self {
            containers: client.list("list the containers", "containers", &living).await?,
            hosts: client.list("list the hosts", "hosts", &living).await?,
        })
    }

    /// Names by id, containers' with the host they are on.
    fn known(&self) -> BTreeMap<String, (String, String)> {
        let hosts = self.hosts.iter().map(|host| (text(host, "id"), name(host)));
        let hosts: BTreeMap<String, String> = hosts.collect();
        let containers = self.containers.iter().map(|held| {
            let on = text(held, "hostId");
            let on = hosts.get(&on).cloned().unwrap_or(on);
            (text(held, "id"), (text(held, "name"), on))
        });
        let own = hosts.iter().map(|(id, name)| (id.clone(), (name.clone(), name.clone())));
        containers.chain(own).collect()
    }

    /// Where statistics of what is meant are asked for.
    async fn links(&self, client: &Client, options: &Stats) -> Result<Vec<String>, Failure> {
        let whole = format!("projects/{}", client.environment());
        if options.hosts {
            return Ok(vec![format!("{whole}/hoststats")]);
        }
        if options.names.is_empty() {
            return Ok(vec![format!("{whole}/containerstats")]);
        }
        let living = [("removed_null", "1")];
        let services = client.list("list the services", "services", &living).await?;
        let stacks = client.list("list the stacks", "stacks", &living).await?;
        let link = |asked: &String| {
            let is_it =
                |held: &&Value| ["name", "hostname", "id"].iter().any(|k| text(held, k) == *asked);
            if let Some(held) = self.containers.iter().find(is_it) {
                return Ok(format!("containers/{}/containerstats", text(held, "id")));
            }
            if let Some(held) = self.hosts.iter().find(is_it) {
                return Ok(format!("hosts/{}/hoststats", text(held, "id")));
            }
            let service = find_service(&services, &stacks, asked).map_err(|why| {
                Failure::Failed(format!("{why}, and no container or host of this name"))
            })?;
            Ok(format!("services/{service}/containerstats"))
        };
        options.names.iter().map(link).collect()
    }
}

/// Hand on the frames of one stream until it ends.
async fn read(place: usize, url: String, came: mpsc::Sender<Came>) {
    let why = match timeout(PATIENCE, tokio_tungstenite::connect_async(url)).await {
        Ok(Ok((mut socket, _))) => loop {
            match socket.next().await {
                Some(Ok(Message::Text(frame))) => {
                    let samples = serde_json::from_str(&frame).unwrap_or_default();
                    if came.send(Came::Frame(place, samples)).await.is_err() {
                        return;
                    }
                }
                Some(Ok(Message::Close(close))) => {
                    break close.map_or_else(String::new, |close| close.reason.to_string());
                }
                Some(Ok(
                    Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_),
                )) => {}
                Some(Err(error)) => break error.to_string(),
                None => break "the server closed the connection".to_owned(),
            }
        },
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("the server did not answer within {} s", PATIENCE.as_secs()),
    };
    // Nobody may listen any more.
    let _ = came.send(Came::End(place, why)).await;
}

/// Whether anyone still reads.
fn show(options: &Stats, rows: &[gauge::Row]) -> Result<bool, Failure> {
    let text = if options.operator.output.json {
        let lines: Vec<String> = rows.iter().map(|row| row.as_json().to_string()).collect();
        if lines.is_empty() { String::new() } else { lines.join("\n") + "\n" }
    } else {
        let cells: Vec<Vec<String>> = rows.iter().map(gauge::Row::cells).collect();
        let clear = !options.no_stream && std::io::stdout().is_terminal();
        format!("{}{}", if clear { CLEAR } else { "" }, table::text(&COLUMNS, &cells))
    };
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true).map_err(Failure::Output),
    }
}
