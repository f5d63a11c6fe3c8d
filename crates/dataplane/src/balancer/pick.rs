//! A target for a request: at once, or as soon as there is one where requests may be held.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::Shared;
use super::choice::Asker;
use super::clock::millis;
use super::ledger::Account;
use super::refusal::Refusal;
use super::sticky::Sticky;
use super::table::LiveRoute;
use super::target::{InFlight, Upstream};

/// What a target is wanted for: a request, a connection, a client's datagrams.
pub(super) trait Want {
    /// The balancer's port.
    fn port(&self) -> u16;
    /// Host asked for, or server name; empty if there is none.
    fn host(&self) -> &str;
    /// Path without its query; empty if there is none.
    fn path(&self) -> &str;
    /// Who asks.
    fn client(&self) -> IpAddr;
    /// What its stickiness cookie says.
    fn token(&self, sticky: Option<&Sticky>) -> Option<&str>;
}

/// A target, and the route that leads to it.
pub(super) struct Picked {
    pub(super) route: Arc<LiveRoute>,
    pub(super) in_flight: InFlight,
}

/// Why there is none.
pub(super) enum Nobody {
    /// No route takes it.
    Unknown,
    /// The route that does has nobody for now.
    Behind(Arc<LiveRoute>),
}

/// The targets of one request that were tried, and since when it waits for one.
#[derive(Default)]
pub(super) struct Tried {
    targets: Vec<Arc<Upstream>>,
    waits_since: Option<Instant>,
}

/// One of the requests that a route may hold at a time.
struct Waiting(Arc<AtomicU32>);

/// How often targets that could not be reached are tried while requests wait for them.
const AGAIN: Duration = Duration::from_millis(100);

/// Pick a target, but none of those that were tried. Held until there is one, if the route says so.
pub(super) async fn pick(
    wanted: &impl Want,
    shared: &Shared,
    tried: &mut Tried,
) -> Result<Picked, (Refusal, Option<Arc<LiveRoute>>)> {
    let route = match look(wanted, shared, &tried.targets, false) {
        Ok(picked) => return Ok(picked),
        Err(Nobody::Unknown) => return Err((Refusal::Unknown, None)),
        Err(Nobody::Behind(route)) => route,
    };
    let Some(hold) = route.hold else { return Err((nobody(&tried.targets), Some(route))) };
    let Some(_place) = Waiting::begin(&route, hold.requests) else {
        return Err((Refusal::HeldTooLong, Some(route)));
    };
    // It may have waited before, for a target that then could not be reached.
    let since = *tried.waits_since.get_or_insert_with(Instant::now);
    let until = since + Duration::from_millis(hold.timeout_ms);
    let mut swaps = shared.swaps.subscribe();
    let mut is_last = false;
    loop {
        // Who could not be reached may be back: what was tried is tried again, when its rest is over.
        let was_tried = std::mem::take(&mut tried.targets);
        match look(wanted, shared, &[], is_last) {
            Ok(picked) => return Ok(picked),
            Err(Nobody::Unknown) => return Err((Refusal::Unknown, None)),
            Err(Nobody::Behind(route)) if is_last => {
                return Err((Refusal::HeldTooLong, Some(route)));
            }
            Err(Nobody::Behind(route)) if route.hold.is_none() => {
                return Err((nobody(&was_tried), Some(route)));
            }
            Err(Nobody::Behind(_)) => {}
        }
        tokio::select! {
            _ = swaps.changed() => {}
            () = sleep(AGAIN) => {}
            () = sleep_until(until) => is_last = true,
        }
    }
}

/// Choose a target and count the request for it. The table is looked at again after counting: either it is
/// still the newest, or whoever replaced it may have read the counts before and we choose again. So a
/// target that left the config and has nothing in flight will get nothing.
fn look(
    wanted: &impl Want,
    shared: &Shared,
    tried: &[Arc<Upstream>],
    is_last: bool,
) -> Result<Picked, Nobody> {
    loop {
        let table = shared.table.load_full();
        let Some(route) = table.route(wanted.port(), wanted.host(), wanted.path()) else {
            return Err(Nobody::Unknown);
        };
        let token = wanted.token(route.sticky.as_ref());
        let asker = Asker { client: wanted.client(), token };
        let may_wait = route.hold.is_some() && !is_last && route.is_unreachable();
        let target =
            if may_wait { route.choose_fit(asker, tried) } else { route.choose_for(asker, tried) };
        let Some(target) = target else { return Err(Nobody::Behind(route.clone())) };
        let in_flight = InFlight::begin(target);
        if Arc::ptr_eq(&table, &shared.table.load()) {
            return Ok(Picked { route: route.clone(), in_flight });
        }
    }
}

fn nobody(tried: &[Arc<Upstream>]) -> Refusal {
    if tried.is_empty() { Refusal::NoTarget } else { Refusal::Unreachable }
}

impl Tried {
    /// This one was.
    pub(super) fn push(&mut self, target: Arc<Upstream>) {
        self.targets.push(target);
    }

    /// It found a target: count how long it was held, if it was.
    pub(super) fn found(&self, account: &Account) {
        if let Some(since) = self.waits_since {
            account.held(millis(since.elapsed()));
        }
    }
}

impl Waiting {
    fn begin(route: &LiveRoute, most: u32) -> Option<Self> {
        let waiting = Self(route.waiting.clone());
        // Counted first, so that two cannot both be the last.
        let before = waiting.0.fetch_add(1, Ordering::Relaxed);
        (before < most).then_some(waiting)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
