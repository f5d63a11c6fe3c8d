//! Asks what was recorded, as the client it was recorded from would go on here: with the ids, tokens and pages it was
//! given, and not before that has come to rest which it waited for.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::cluster::{Cluster, PATIENCE};
use crate::simulated::spawn_agents;

use super::names::Names;
use super::recording::Request;
use super::shape;

/// Between two looks at what is awaited, as clients do it.
const LOOK: Duration = Duration::from_millis(20);
/// The hosts that recordings speak of.
const HOSTS: [&str; 2] = ["node1", "node2"];

/// A client.
pub(super) struct Player<'a> {
    cluster: &'a Cluster,
    /// Agents of the projects that were made.
    agents: Vec<Child>,
    client: Client,
    base: String,
    access: String,
    secret: String,
    project: String,
    first_host: String,
    names: Names,
    /// The latest answer: of a hostAccess, where to connect.
    last: Value,
}

/// What came back.
struct Answer {
    status: u16,
    /// Whether `X-API-Schemas` is there and absolute.
    leads_to_schemas: bool,
    body: Value,
}

impl<'a> Player<'a> {
    /// A client with the first key of a cluster, whose hosts get the names that recordings speak of.
    pub(super) async fn new(cluster: &'a Cluster) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (access, secret) = cluster.key();
        let mut player = Self {
            cluster,
            agents: Vec::new(),
            client: Client::builder().timeout(PATIENCE).build().unwrap(),
            base: cluster.url.clone(),
            access: access.to_owned(),
            secret: secret.to_owned(),
            project: String::new(),
            first_host: String::new(),
            names: Names::default(),
            last: Value::Null,
        };
        let projects = player.get("/v2-beta/projects?name=Default").await.body;
        player.project = text(&projects["data"][0]["id"]);
        player.names.bind("1a5", &player.project.clone());
        let hosts = player.get(&player.scoped("hosts?sort=id")).await.body;
        player.first_host = text(&hosts["data"][0]["id"]);
        for (n, name) in HOSTS.into_iter().enumerate() {
            let id = text(&hosts["data"][n]["id"]);
            let path = player.scoped(&format!("hosts/{id}"));
            let named = player.call("PUT", &path, &json!({ "name": name })).await;
            assert_eq!(named.status, 200, "{}", named.body);
            player.names.bind(&format!("1h{}", n + 1), &id);
        }
        player
    }

    /// Make what a recording takes to be there. `@stacks` in the body is the id of what was made last.
    pub(super) async fn prepare(&mut self, plural: &str, body: &Value) {
        let mut body = body.clone();
        if body["stackId"] == "@stacks" {
            body["stackId"] = self.last["id"].clone();
        }
        let path = self.scoped(plural);
        let made = self.call("POST", &path, &body).await;
        assert_eq!(made.status, 201, "{}", made.body);
        self.last = made.body;
    }

    /// Ask what was recorded; what is not as it was recorded, in words.
    pub(super) async fn ask(&mut self, request: &Request) -> Vec<String> {
        let (method, path, query) = request.parts();
        let answered = match method {
            "WS" if path.ends_with("/subscribe") => self.subscribe(path, query).await,
            "WS" => self.open().await,
            // What came over it is what was waited for.
            "WSDATA" => Ok(()),
            "DOCKER" => self.ask_engine(path).await,
            _ => self.answer(request).await,
        };
        answered
            .err()
            .into_iter()
            .flat_map(|what| what.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }

    async fn answer(&mut self, request: &Request) -> Result<(), String> {
        let (method, path, query) = request.parts();
        let path = self.path(path, query, request.answer)?;
        let body = self.names.translate_body(&request.body).map_err(|id| unknown(&id))?;
        if method != "GET" {
            self.rested(path.split('?').next().unwrap_or_default()).await?;
        }
        let answer = match request.answer {
            401 => self.call_as((&self.access, "wrong"), method, &path, &body).await,
            _ => self.call(method, &path, &body).await,
        };
        if answer.status != request.answer {
            // Not the message, which names things by their ids.
            let (status, code) = (answer.status, text(&answer.body["code"]));
            return Err(format!(
                "{} and not {}",
                format!("{status} {code}").trim(),
                request.answer
            ));
        }
        // What is only translated is no resource.
        let is_resource = !path.ends_with("/scripts/transform");
        let mut found =
            if is_resource { shape::wrong(&answer.body, &self.base) } else { Vec::new() };
        if !answer.leads_to_schemas {
            found.push("no absolute X-API-Schemas".into());
        }
        self.names.note(&answer.body);
        if let Some(recorded) = &request.makes {
            self.names.bind(recorded, &text(&answer.body["id"]));
        }
        self.last = answer.body;
        if self.last["type"] == "project" && answer.status == 201 {
            self.add_hosts().await;
        }
        if request.times > 1 {
            self.rested(&path).await?;
        }
        if found.is_empty() { Ok(()) } else { Err(found.join("\n")) }
    }

    /// What was recorded went on as if a project that was just made had hosts.
    async fn add_hosts(&mut self) {
        let project = text(&self.last["id"]);
        let path = format!("/v2-beta/projects/{project}/registrationtokens");
        let token = text(&self.call("POST", &path, &json!({})).await.body["token"]);
        self.agents.push(spawn_agents(self.cluster, &token, 3, &project));
        let path = format!("/v2-beta/projects/{project}/hosts");
        let until = Instant::now() + PATIENCE;
        while self.get(&path).await.body["data"][2]["agentState"] != "active" {
            assert!(Instant::now() < until, "its hosts should have joined");
            sleep(LOOK).await;
        }
    }

    /// Wait as clients do until a resource is not in transition. What there is no resource at has nothing to rest from.
    async fn rested(&self, path: &str) -> Result<(), String> {
        let until = Instant::now() + PATIENCE;
        loop {
            let seen = self.get(path.trim_end_matches('/')).await.body;
            if seen["transitioning"] != "yes" {
                return Ok(());
            }
            if Instant::now() > until {
                let (state, message) = (&seen["state"], &seen["transitioningMessage"]);
                return Err(format!("it is {state} and never came to rest: {message}"));
            }
            sleep(LOOK).await;
        }
    }

    /// Path and query with the ids of here. Of what shall not be found it doesn't matter that nothing here stands for it.
    fn path(&mut self, path: &str, query: &str, answer: u16) -> Result<String, String> {
        let path = match self.names.translate(path) {
            Ok(path) => path,
            Err(_) if answer == 404 => path.to_owned(),
            Err(id) => return Err(unknown(&id)),
        };
        let mut pairs = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = self.names.translate(value).unwrap_or_else(|_| value.to_owned());
            pairs.push(format!("{name}={}", encoded(&value)));
        }
        Ok(if pairs.is_empty() { path } else { format!("{path}?{}", pairs.join("&")) })
    }

    /// Events: the first comes at once.
    async fn subscribe(&mut self, path: &str, query: &str) -> Result<(), String> {
        let path = self.path(path, query, 101)?;
        let url = format!("{}{path}", self.base.replacen("http", "ws", 1));
        let mut request = url.into_client_request().unwrap();
        let key = base64(&format!("{}:{}", self.access, self.secret));
        request.headers_mut().insert("authorization", format!("Basic {key}").parse().unwrap());
        first_frame(request).await
    }

    /// What a hostAccess leads to: at least one frame comes, or the end.
    async fn open(&self) -> Result<(), String> {
        let (url, token) = (text(&self.last["url"]), text(&self.last["token"]));
        if url.is_empty() {
            return Err("there is no hostAccess to go by".into());
        }
        first_frame(format!("{url}?token={token}").into_client_request().unwrap()).await
    }

    /// A request to a host's engine, over the connection that a hostAccess leads to: base64 of the bytes, both ways.
    async fn ask_engine(&mut self, path: &str) -> Result<(), String> {
        let action = self.scoped(&format!("hosts/{}/?action=dockersocket", self.first_host));
        let access = self.call("POST", &action, &json!({})).await.body;
        let url = format!("{}?token={}", text(&access["url"]), text(&access["token"]));
        let opened = Box::pin(tokio_tungstenite::connect_async(url)).await;
        let (mut socket, _) = opened.map_err(|error| format!("not opened: {error}"))?;
        let (path, _) = path.split_once(' ').unwrap_or((path, ""));
        let request = format!("GET {path} HTTP/1.1\r\nHost: docker\r\n\r\n");
        socket.send(Message::text(base64(&request))).await.unwrap();
        let frame = timeout(PATIENCE, socket.next()).await.map_err(|_| "nothing came")?;
        let Some(Ok(Message::Text(frame))) = frame else { return Err(format!("{frame:?}")) };
        let answer = decoded(&frame);
        if answer.starts_with("HTTP/1.1 ") { Ok(()) } else { Err(answer) }
    }

    fn scoped(&self, rest: &str) -> String {
        format!("/v2-beta/projects/{}/{rest}", self.project)
    }

    async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &Value::Null).await
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.call_as((&self.access, &self.secret), method, path, body).await
    }

    async fn call_as(&self, key: (&str, &str), method: &str, path: &str, body: &Value) -> Answer {
        let method: Method = method.parse().unwrap();
        let request = self.client.request(method, format!("{}{path}", self.base));
        let request = request.basic_auth(key.0, Some(key.1));
        let request = if body.is_null() { request } else { request.json(body) };
        let response: Response = request.send().await.unwrap();
        let schemas = response.headers().get("x-api-schemas").and_then(|url| url.to_str().ok());
        let leads_to_schemas = schemas.is_some_and(|url| url.starts_with(&self.base));
        let status = response.status().as_u16();
        let bytes = response.bytes().await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status, leads_to_schemas, body }
    }
}

async fn first_frame(
    request: tokio_tungstenite::tungstenite::http::Request<()>,
) -> Result<(), String> {
    let opened = Box::pin(tokio_tungstenite::connect_async(request)).await;
    let (mut socket, _) = opened.map_err(|error| format!("not opened: {error}"))?;
    match timeout(PATIENCE, socket.next()).await {
        Ok(Some(Ok(_)) | None) => Ok(()),
        Ok(Some(Err(error))) => Err(format!("broken off: {error}")),
        Err(_) => Err("nothing came".into()),
    }
}

fn unknown(id: &str) -> String {
    format!("nothing here stands for {id}")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn decoded(text: &str) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// As clients encode what they put into a query.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}
