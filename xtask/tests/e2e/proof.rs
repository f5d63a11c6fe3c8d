//! Many kinds of requests flow through two balancers while services change in every way there is: none fails, and no
//! order arrives twice. The same as `cargo xtask bench upgrade-traffic`, shorter; nothing here looks at time.

use xtask::traffic::{self, Amount};

use super::stage::Stage;

#[test]
fn no_change_loses_or_repeats_a_request() {
    let Some(stage) = Stage::set() else { return };
    let amount = Amount { per_second: 400, per_phase: 2_000 };
    let tally = traffic::run(&stage.cluster, amount, &mut |line| eprintln!("{line}")).unwrap();
    assert!(tally.failures.is_empty(), "{}", tally.causes().join("\n"));
    assert_eq!(tally.replays(), Vec::<u64>::new(), "orders that arrived more than once");
    assert_eq!(tally.unheard(), 0, "orders of which the service did not tell");
    assert!(tally.requests() > 24_000, "{}", tally.requests());
}
