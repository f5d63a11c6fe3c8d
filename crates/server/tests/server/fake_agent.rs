//! An agent played by a test: registers, connects, says what it is told to say.

use std::collections::BTreeMap;

use axum::http::Request;
use drover_core::protocol::{FromAgent, FromServer, PROTOCOL, Register, Registered, Report};
use drover_core::{
    Health, HostAssignment, HostFacts, Observed, ObservedContainer, Phase, Secret, Time, UnitKey,
};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::cluster::{Cluster, Got, basic, soon};

/// A WebSocket as a client holds it.
pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A connected agent.
pub(crate) struct FakeAgent {
    pub(crate) host: Registered,
    pub(crate) socket: Socket,
    pub(crate) tick: u64,
}

/// Make a registration token for one machine.
pub(crate) async fn token(cluster: &Cluster) -> Secret {
    let path = "/v2-beta/projects/1a5/registrationtokens";
    let made = cluster.post(path, &serde_json::json!({ "reusable": false })).await;
    assert_eq!(made.status, 201, "{}", made.json);
    Secret::new(made.json["token"].as_str().expect("a token"))
}

/// Ask to register a machine.
pub(crate) async fn register(cluster: &Cluster, token: &Secret, identity: &str) -> Got {
    let register = Register {
        token: token.clone(),
        identity: identity.to_owned(),
        hostname: format!("{identity}.example"),
        address: "10.0.0.1".to_owned(),
        labels: BTreeMap::new(),
        facts: HostFacts::default(),
    };
    let body = serde_json::to_string(&register).unwrap();
    cluster.send(axum::http::Method::POST, "/agent/register", &[], &body).await
}

/// Open a WebSocket with a key.
pub(crate) async fn open(
    cluster: &Cluster,
    path: &str,
    key: Option<&str>,
) -> Result<Socket, tungstenite::Error> {
    let mut request = Request::builder()
        .uri(format!("ws://{}{path}", cluster.address))
        .header("host", &cluster.address)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    if let Some(key) = key {
        request = request.header("authorization", basic(key));
    }
    let request = request.body(()).unwrap();
    soon(Box::pin(tokio_tungstenite::connect_async(request))).await.map(|(socket, _)| socket)
}

impl FakeAgent {
    /// Register a new machine and connect it.
    pub(crate) async fn join(cluster: &Cluster, identity: &str) -> Self {
        let token = token(cluster).await;
        let registered = register(cluster, &token, identity).await;
        assert_eq!(registered.status, 201, "{}", registered.json);
        Self::connect(cluster, serde_json::from_value(registered.json).unwrap()).await
    }

    /// Connect a registered machine, up to the welcome.
    pub(crate) async fn connect(cluster: &Cluster, host: Registered) -> Self {
        let key = format!("{}:{}", host.access, host.secret.reveal());
        let socket = open(cluster, "/agent/connect", Some(&key)).await.unwrap();
        let mut agent = Self { host, socket, tick: 0 };
        agent.hello(PROTOCOL, 0).await;
        let FromServer::Welcome { tick } = agent.hear().await else { panic!("no welcome") };
        agent.tick = tick;
        agent
    }

    pub(crate) async fn hello(&mut self, protocol: u32, assigned: u64) {
        let facts = HostFacts { agent_version: "test".into(), cpus: 2, ..HostFacts::default() };
        let address = "10.0.0.1".to_owned();
        self.say(&FromAgent::Hello { protocol, assigned, address, facts }).await;
    }

    pub(crate) async fn say(&mut self, message: &FromAgent) {
        let text = serde_json::to_string(message).unwrap();
        soon(self.socket.send(Message::text(text))).await.unwrap();
    }

    /// The next message; pings are answered on the way.
    pub(crate) async fn hear(&mut self) -> FromServer {
        loop {
            match soon(self.socket.next()).await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("instead of a message: {other:?}"),
            }
        }
    }

    /// The next assignment that is as wanted.
    pub(crate) async fn assigned(
        &mut self,
        wanted: impl Fn(&HostAssignment) -> bool,
    ) -> HostAssignment {
        loop {
            match self.hear().await {
                FromServer::Assign(assignment) if wanted(&assignment) => return *assignment,
                _ => {}
            }
        }
    }

    /// Report every assigned unit as running and ready.
    pub(crate) async fn run_all(&mut self, assignment: &HostAssignment) {
        self.tick += 1;
        let units = assignment.units.iter().map(|(key, unit)| {
            let container = ObservedContainer {
                docker_id: format!("docker-{key}"),
                running: true,
                starts: 1,
                health: Health::None,
                address: "172.17.0.2".into(),
                ..ObservedContainer::default()
            };
            let observed = Observed {
                generation: unit.generation,
                tick: self.tick,
                phase: Phase::Running,
                ready: true,
                containers: BTreeMap::from([(String::new(), container)]),
                since: Time(0),
                ..Observed::default()
            };
            (*key, observed)
        });
        let units: BTreeMap<UnitKey, Observed> = units.collect();
        let assigned = assignment.generation;
        self.say(&FromAgent::Report(Report { assigned, units, ..Report::default() })).await;
    }

    /// How the connection ended.
    pub(crate) async fn end(mut self) -> Option<Message> {
        let mut last = None;
        while let Some(Ok(frame)) = soon(self.socket.next()).await {
            last = Some(frame);
        }
        last
    }
}
