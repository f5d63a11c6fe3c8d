//! Many kinds of requests flow through two balancers while services change in every way there is, and while agents and
//! server are killed, replaced and late: none fails, no order arrives twice, and every change is seen in who answers. The
//! same as `cargo xtask bench upgrade-traffic`, shorter; nothing here looks at time.

use xtask::traffic::{self, Amount};

use super::stage::Stage;

/// Requests of all phases together, at least.
const REQUESTS: u64 = 100_000;

#[test]
fn no_change_loses_or_repeats_a_request() {
    let Some(mut stage) = Stage::set() else { return };
    let amount = Amount { per_second: 600, requests: REQUESTS, phase_s: 2, delays_s: vec![12] };
    let tally = traffic::run(&mut stage.cluster, &amount, &mut |line| eprintln!("{line}")).unwrap();
    assert_eq!(tally.failed(), 0, "{}", tally.causes().join("\n"));
    assert_eq!(tally.orders.replays(), Vec::<usize>::new(), "orders that arrived more than once");
    assert_eq!(tally.orders.unheard(), 0, "orders of which the service did not tell");
    assert!(tally.requests() >= REQUESTS, "{}", tally.requests());
}
