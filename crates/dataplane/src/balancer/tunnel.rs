//! Connections that changed their protocol (WebSocket): bytes both ways until both sides have ended, the time of the
//! target is over, or nobody says anything for longer than is allowed.

use std::sync::Arc;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::Shared;
use super::stream::join::join;
use super::target::InFlight;

/// Where users allow any silence.
const EVER: Duration = Duration::from_hours(24 * 365);

/// Carry bytes both ways. Counted as in flight until it ends.
pub(super) async fn tunnel(
    client: OnUpgrade,
    service: OnUpgrade,
    in_flight: InFlight,
    silence: Option<Duration>,
    shared: Arc<Shared>,
) {
    let (client, service) = match tokio::try_join!(client, service) {
        Ok(both) => both,
        Err(error) => return tracing::debug!(%error, "a tunnel was not built"),
    };
    let unit = in_flight.target().unit;
    let target = in_flight.target().clone();
    let over = target.over(&shared);
    let (mut client, mut service) = (TokioIo::new(client), TokioIo::new(service));
    let joined = join(&mut client, &mut service, silence.unwrap_or(EVER), over).await;
    tracing::debug!(%unit, ?joined, "a tunnel ended");
}
