//! When and how often this machine asks to be a host: until it is one, and again when the server has forgotten it.
//! The call itself is in [`crate::register`].

use std::time::Duration;

use drover_core::Secret;
use drover_core::protocol::{Register, Registered};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::dial::{ServerUrl, dial, reachable_address};
use crate::ledger::Ledger;
use crate::register::{RegisterError, register};
use crate::run::{AgentError, Options};
use crate::surroundings::Surroundings;
use crate::{backoff, facts};

/// The longest pause between two tries to register, ms.
const LONGEST_PAUSE_MS: u64 = 10_000;

/// Register, trying again for as long as the failure may pass.
pub(crate) async fn become_host(
    options: &Options,
    surroundings: &Surroundings,
    server: &ServerUrl,
    ledger: &Ledger,
) -> Result<Registered, AgentError> {
    let token = options.token.clone().ok_or(AgentError::NoToken)?;
    let identity = ledger.identity()?;
    for failures in 1.. {
        match register_once(options, surroundings, server, &token, &identity).await {
            Ok(registered) => return Ok(registered),
            Err(error) if error.may_pass() => {
                tracing::warn!("{error}; trying again");
                let pause = backoff::reconnect_delay_ms(failures, LONGEST_PAUSE_MS, 0);
                sleep(Duration::from_millis(pause)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(AgentError::NoToken)
}

async fn register_once(
    options: &Options,
    surroundings: &Surroundings,
    server: &ServerUrl,
    token: &Secret,
    identity: &str,
) -> Result<Registered, RegisterError> {
    let connection = dial(server).await?;
    let address = options.address.unwrap_or_else(|| reachable_address(connection.from));
    let asked = Register {
        token: token.clone(),
        identity: identity.to_owned(),
        hostname: options.hostname.clone().unwrap_or_else(facts::hostname),
        address: address.to_string(),
        labels: options.labels.clone(),
        facts: surroundings.facts("", ""),
    };
    register(server, connection, &asked).await
}

/// The server has forgotten this agent: with a token at hand, try once to become its host again. Meanwhile the host
/// is kept as it shall be.
pub(crate) fn register_again(
    options: &Options,
    surroundings: &Surroundings,
    server: &ServerUrl,
    identity: String,
) -> Option<oneshot::Receiver<Registered>> {
    let token = options.token.clone()?;
    let (options, server) = (options.clone(), server.clone());
    let surroundings = surroundings.clone();
    let (born, newborn) = oneshot::channel();
    tokio::spawn(async move {
        match register_once(&options, &surroundings, &server, &token, &identity).await {
            Ok(registered) => drop(born.send(registered)),
            Err(error) => tracing::error!("{error}"),
        }
    });
    Some(newborn)
}
