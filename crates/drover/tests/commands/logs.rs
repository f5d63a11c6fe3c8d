//! Logs, over real WebSockets, from an agent that is played: every container of its host printed two lines.

use drover_core::protocol::{Ask, FromAgent, FromServer, PROTOCOL};
use drover_core::{Change, Credential, CredentialId, Grant, HostFacts, Time};
use futures_util::{SinkExt, StreamExt};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::cluster::Cluster;

const SECRET: &str = "secret of an agent";

/// A stack of two containers on hosts whose agents answer.
async fn talking() -> Cluster {
    let cluster = Cluster::start().await;
    for number in [1, 2] {
        connect(&cluster, number).await;
    }
    cluster.write("docker-compose.yml", "web:\n  image: web:1\n");
    cluster.write("rancher-compose.yml", "web: {scale: 2}\n");
    cluster.drover("up").await.with(0);
    cluster
}

async fn connect(cluster: &Cluster, number: usize) {
    let world = cluster.store.world();
    let host = *world.hosts.keys().nth(number - 1).unwrap();
    let public = format!("agent{number}");
    let secret_sha256 = hex(&Sha256::digest(SECRET));
    let credential = Credential {
        id: CredentialId(world.next_id),
        grants: Grant::Agent(host),
        name: String::new(),
        description: String::new(),
        public: public.clone(),
        secret_sha256,
        readable: None,
        active: true,
        created_at: Time(0),
        removed_at: None,
    };
    let changes = vec![Change::PutCredential(credential)];
    cluster.store.commit(None, "test", Time(0), changes).await.unwrap();
    let url = format!("{}/agent/connect", cluster.url.replace("http", "ws"));
    let mut request = url.into_client_request().unwrap();
    let key = base64(&format!("{public}:{SECRET}"));
    request.headers_mut().insert("authorization", format!("Basic {key}").parse().unwrap());
    let (socket, _) = Box::pin(tokio_tungstenite::connect_async(request)).await.unwrap();
    tokio::spawn(answer(socket));
}

/// The agent's side: an introduction, and two lines for every log that is asked for.
async fn answer<S>(socket: S)
where
    S: SinkExt<Message> + StreamExt<Item = Result<Message, tokio_tungstenite::tungstenite::Error>>,
    S::Error: std::fmt::Debug,
{
    let (mut sink, mut stream) = socket.split();
    let facts = HostFacts::default();
    let hello =
        FromAgent::Hello { protocol: PROTOCOL, assigned: 0, address: "10.0.0.1".into(), facts };
    sink.send(text(&hello)).await.unwrap();
    while let Some(Ok(message)) = stream.next().await {
        let Message::Text(message) = message else { continue };
        let FromServer::Ask { ask, what: Ask::Logs { follow, timestamps, .. } } =
            serde_json::from_str(&message).unwrap()
        else {
            continue;
        };
        assert!(timestamps);
        for (kind, line) in [(1_u8, "hello"), (2, "oh no")] {
            let line = format!("2026-11-21T03:04:05.{kind}00000000Z {line}");
            let frame = [&ask.to_be_bytes()[..], &[kind], line.as_bytes()].concat();
            sink.send(Message::binary(frame)).await.unwrap();
        }
        if !follow {
            sink.send(text(&FromAgent::Done { ask, error: String::new() })).await.unwrap();
        }
    }
}

fn text(message: &FromAgent) -> Message {
    Message::text(serde_json::to_string(message).unwrap())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_line_behind_its_container() {
    let cluster = talking().await;
    let done = cluster.drover("logs").await.with(0);
    let mut lines: Vec<&str> = done.out.lines().collect();
    lines.sort_unstable();
    let want =
        ["shop-web-1 | hello", "shop-web-1 | oh no", "shop-web-2 | hello", "shop-web-2 | oh no"];
    assert_eq!(lines, want, "{}", done.err);
    let json = cluster.drover("logs --json web --tail 5").await.with(0);
    let line = r#"{"container":"shop-web-2","stream":"stderr","line":"oh no"}"#;
    assert!(json.out.lines().any(|l| l == line), "{}", json.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followed_until_interrupted_and_new_containers_join() {
    let cluster = talking().await;
    let drover = std::path::Path::new(env!("CARGO_BIN_EXE_drover"));
    let rancher = cluster.rancher_link();
    for (program, line) in [(drover, "logs --follow"), (rancher.as_path(), "up")] {
        let mut child = cluster.command(program, line).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let scale = if program == drover { "scale web=3" } else { "scale web=4" };
        let new = if program == drover { "shop-web-3 | hello" } else { "shop-web-4 | hello" };
        let mut scaled = false;
        while let Some(read) = lines.next_line().await.unwrap() {
            if read == new {
                break;
            }
            if !scaled {
                cluster.drover(scale).await.with(0);
                scaled = true;
            }
        }
        let pid = child.id().unwrap().to_string();
        tokio::process::Command::new("kill").args(["-INT", &pid]).status().await.unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(130));
    }
}
