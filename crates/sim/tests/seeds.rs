//! A few seeds in every test run; `cargo xtask sim` lives through many more.

use drover_sim::chaos;
use drover_sim::mutation::Mutation;

#[test]
fn a_handful_of_seeds_ends_well() {
    for seed in 0..50 {
        let outcome = chaos::run(seed, None, false);
        assert!(outcome.violations.is_empty(), "seed {seed}: {:?}", outcome.violations);
    }
}

#[test]
fn a_seed_is_a_history() {
    let [once, again] = [(); 2].map(|()| chaos::run(11, None, true).trace);
    assert!(once.len() > 50, "something happened");
    assert_eq!(once, again);
}

#[test]
fn the_checker_can_be_offended() {
    let caught =
        |seed| !chaos::run(seed, Some(Mutation::NoBatchLimit), false).violations.is_empty();
    assert!((0..50).any(caught));
}
