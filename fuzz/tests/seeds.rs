//! Every seed goes through its target, so that targets don't rot and what a fuzzer once found stays found.

use std::fs;
use std::path::Path;

use drover_fuzz::{TARGETS, frames, upload};

#[test]
fn no_seed_breaks_a_rule() {
    for target in &TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target.name);
        let seeds = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let mut fed = 0;
        for seed in seeds {
            let path = seed.expect("a folder of the project").path();
            (target.feed)(&fs::read(&path).expect("a file of the project"));
            fed += 1;
        }
        assert!(fed > 0, "{} has no seeds", target.name);
    }
}

/// A seed from which nothing comes teaches a fuzzer nothing.
#[test]
fn seeds_lead_somewhere() {
    let stage = upload::live(include_bytes!("../seeds/upload/shop"));
    let names: Vec<&str> = stage.world.services.values().map(|held| held.name.as_str()).collect();
    assert_eq!(names, ["db", "web"], "a template is filled in, both are made");
    let upgraded = |name: &str| {
        let service = stage.world.services.values().find(|held| held.name == name);
        stage.world.upgrade(service.expect("it is made").id).is_some()
    };
    assert!(upgraded("web") && !upgraded("db"), "the second texts change one of them");

    let stage = frames::live(include_bytes!("../seeds/frames/ill"));
    let replaced = stage.world.units.values().filter(|unit| unit.replacements > 0).count();
    assert_eq!(replaced, 2, "what is said to be ill is replaced");
}
