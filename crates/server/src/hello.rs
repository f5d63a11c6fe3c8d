//! The first words on an agent's connection: who it is by now, and whether this server can serve it.

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use drover_core::protocol::{FromAgent, FromServer, PROTOCOL};
use drover_core::{HostFacts, HostId, World};
use tokio::time::timeout;

/// What an agent says first.
pub(crate) struct Hello {
    /// Generation of the assignment on its disk.
    pub(crate) assigned: u64,
    /// Address other hosts reach it by.
    pub(crate) address: String,
    /// What the machine is.
    pub(crate) facts: HostFacts,
}

/// Wait for the hello; or why the connection is refused.
pub(crate) async fn hello(
    socket: &mut WebSocket,
    world: &World,
    patience: Duration,
) -> Result<Hello, String> {
    let late = |_| Err("the agent did not say hello".to_owned());
    let hello = timeout(patience, first(socket)).await.unwrap_or_else(late)?;
    fits(world, &hello).map(|()| hello)
}

/// Say why, and close.
pub(crate) async fn refuse(mut socket: WebSocket, host: HostId, reason: String) {
    tracing::warn!(%host, "an agent was refused: {reason}");
    let refused = FromServer::Refused { reason };
    let text = serde_json::to_string(&refused).expect("plain data is always JSON");
    // It may be gone already: then it needs no reason.
    let _ = socket.send(Message::Text(text.into())).await;
    let _ = socket.send(Message::Close(None)).await;
}

async fn first(socket: &mut WebSocket) -> Result<Hello, String> {
    loop {
        let text = match socket.recv().await {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            _ => return Err("the agent did not say hello".to_owned()),
        };
        return match serde_json::from_str(&text) {
            Ok(FromAgent::Hello { protocol: PROTOCOL, assigned, address, facts }) => {
                Ok(Hello { assigned, address, facts })
            }
            Ok(FromAgent::Hello { protocol, .. }) => Err(other_protocol(&protocol.to_string())),
            _ => Err(other_protocol("it does not say")),
        };
    }
}

fn other_protocol(theirs: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "this agent and this server don't speak the same protocol (server: {PROTOCOL}, agent: \
         {theirs}); install version {version} of Drover on this host, as on the server"
    )
}

/// An agent must never be given orders older than those it follows.
fn fits(world: &World, hello: &Hello) -> Result<(), String> {
    if hello.assigned <= world.version {
        return Ok(());
    }
    Err(format!(
        "this host follows generation {} of its assignment, and the server's database knows no \
         more than {}: the database was lost or restored from an older backup; restore a newer one \
         (the host's containers are left as they are)",
        hello.assigned, world.version
    ))
}
