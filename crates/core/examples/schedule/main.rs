//! What `cargo xtask bench schedule` measures: how many units a plan places each second, and how long it takes to plan one
//! service, in clusters of several sizes; each beside a plain scan of everything.
//!
//! Takes the number of rounds, and a part of the names of what is to be measured if not all is. Prints a line for every
//! number: what was measured, a tab, the number. Not part of the product.

#![allow(clippy::print_stdout, clippy::disallowed_methods)] // it is a program, and no part of core

mod cluster;
mod measure;
#[path = "../../tests/schedule/scan.rs"]
mod scan;

use cluster::{Size, cluster};
use measure::{Labels, Step};

/// The size that is aimed at.
const LARGE: Size = Size { hosts: 1_000, services: 10_000 };
/// As many hosts with a hundredth of the containers, and a hundredth of everything.
const SPARSE: Size = Size { hosts: 1_000, services: 100 };
const SMALL: Size = Size { hosts: 10, services: 100 };

fn main() {
    let mut arguments = std::env::args().skip(1);
    let rounds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(3);
    let part = arguments.next().unwrap_or_default();
    let say = |name: String, measure: &dyn Fn() -> f64| {
        if name.contains(&part) {
            println!("{name}\t{}", measure());
        }
    };
    let large = cluster(LARGE);
    let sizes = [("small", &cluster(SMALL)), ("sparse", &cluster(SPARSE)), ("large", &large)];
    for _ in 0..rounds {
        for labels in [Labels::None, Labels::Many] {
            let name = labels.name();
            let placed = |services, scale| measure::placements(&large, labels, services, scale);
            say(format!("placements, {name}"), &|| placed(500, 4));
            say(format!("one service, {name}"), &|| placed(1, 300));
            say(format!("scan, {name}"), &|| measure::scanned(&large, labels));
        }
        for step in [Step::Up, Step::Down, Step::Upgrade] {
            for (size, world) in sizes {
                say(format!("{}, {size}", step.name()), &|| measure::plan_us(world, step));
            }
        }
        for (size, world) in sizes {
            say(format!("scan of one, {size}"), &|| measure::scan_us(world));
        }
    }
}
