//! The balancer's own checks: is a target that its service wants checked still well? They only take targets out of
//! rotation and bring them back; a target that joins counts as well, for its agent found it ready.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use drover_core::{HealthCheck, UnitKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Shared;
use super::pool;
use super::table::Table;
use super::target::Upstream;

/// The checks that run, by target.
#[derive(Default)]
pub(super) struct Probes(BTreeMap<(UnitKey, String), Probe>);

struct Probe {
    check: HealthCheck,
    target: Arc<Upstream>,
    /// Ends it when it is dropped.
    _end: DropGuard,
}

/// More of an answer is not looked at.
const STATUS_LINE: usize = 256;

impl Probes {
    /// Run the checks of this table and no others. What goes on is not disturbed.
    pub(super) fn follow(&mut self, table: &Table, shared: &Arc<Shared>) {
        let wanted: BTreeMap<_, _> = table
            .checks()
            .map(|(target, check)| ((target.unit, target.address.clone()), (target, check)))
            .collect();
        self.0.retain(|key, probe| {
            let stays = wanted.get(key).is_some_and(|(target, check)| {
                Arc::ptr_eq(target, &probe.target) && **check == probe.check
            });
            if !stays {
                probe.target.health.unchecked();
            }
            stays
        });
        for (key, (target, check)) in wanted {
            self.0.entry(key).or_insert_with(|| {
                let end = CancellationToken::new();
                let probing = run(target.clone(), check.clone(), shared.clone(), end.clone());
                tokio::spawn(probing);
                let (check, target) = (check.clone(), target.clone());
                Probe { check, target, _end: end.drop_guard() }
            });
        }
    }
}

async fn run(
    target: Arc<Upstream>,
    check: HealthCheck,
    shared: Arc<Shared>,
    end: CancellationToken,
) {
    let mut ticks = interval(Duration::from_millis(check.interval_ms()));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let probing = async {
            ticks.tick().await;
            probe(&target.address, &check).await
        };
        let result = tokio::select! {
            result = probing => result,
            () = end.cancelled() => return,
        };
        if target.health.checked(result, &check) {
            shared.board.say(|_| ());
        }
    }
}

/// One check; why it failed, in words.
async fn probe(address: &str, check: &HealthCheck) -> Result<(), String> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let address = format!("{host}:{}", check.port);
    let ms = check.timeout_ms();
    let within = Duration::from_millis(ms);
    let asking = async {
        let mut stream = pool::connect(&address, within)
            .await
            .map_err(|error| format!("its check on port {} {error}", check.port))?;
        let Some(request) = check.request() else { return Ok(()) };
        let broken = |error| {
            format!(
                "its check `{}` broke: {error}",
                check.request_line.as_deref().unwrap_or_default()
            )
        };
        stream.write_all(request.as_bytes()).await.map_err(broken)?;
        let mut head = Vec::new();
        while head.len() < STATUS_LINE && !head.contains(&b'\n') {
            if stream.read_buf(&mut head).await.map_err(broken)? == 0 {
                break;
            }
        }
        check.judge(&head)
    };
    timeout(within, asking).await.unwrap_or_else(|_| {
        Err(format!("its check on port {} took longer than {ms} ms", check.port))
    })
}
