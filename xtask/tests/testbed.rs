//! The testbed, for real: hosts that reach each other, are cut off, lose power, come back, and leave nothing behind.
//! Needs root and may install Docker; runs if `DROVER_TEST_TESTBED` is set, as `cargo xtask test` does.
// Helpers outside of `#[test]` functions fail as tests do.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use xtask::command::output;
use xtask::testbed::{HostState, Testbed};
use xtask::wait::wait;

/// A bed that nothing else uses.
const BED: u8 = 9;

/// Takes the bed down however the test ends.
struct Down;

impl Drop for Down {
    fn drop(&mut self) {
        Testbed::down(BED).unwrap();
    }
}

#[test]
fn hosts_live_and_die_one_by_one_and_leave_nothing() {
    if std::env::var_os("DROVER_TEST_TESTBED").is_none() {
        return;
    }
    let down = Down;
    let bed = Testbed::up(BED, 2, false).unwrap();
    assert_eq!(Testbed::up(BED, 2, false).unwrap(), bed, "a bed that is up is taken as it is");
    assert!(Testbed::up(BED, 3, false).unwrap_err().to_string().contains("is up with 2 hosts"));
    assert_eq!(Testbed::attach(BED).unwrap(), bed);
    Testbed::release(BED).unwrap();
    assert_eq!(Testbed::attach(BED).unwrap(), bed, "what isn't owned is not released");

    // Each has its own name and engine, and reaches the other and the server.
    let name = output(&mut on(&bed, 2, &["hostname"])).unwrap();
    assert_eq!(String::from_utf8(name.stdout).unwrap(), "host2\n");
    assert!(matches!(bed.state(2), HostState::On { cut: false, engine: Some((_, 0)) }));
    assert!(hears(&bed, 1, "10.86.0.12") && hears(&bed, 1, "10.86.0.1"));
    assert!(hears(&bed, 1, "10.69.2.1"), "the other host's container network");

    // Cut off from the server, it still hears its neighbour.
    bed.cut(1).unwrap();
    assert!(!hears(&bed, 1, "10.86.0.1") && hears(&bed, 1, "10.86.0.12"));
    assert!(matches!(bed.state(1), HostState::On { cut: true, engine: Some(_) }));
    bed.heal(1).unwrap();
    assert!(hears(&bed, 1, "10.86.0.1"));

    // An agent on it (anything started through `command`) dies with its host.
    let mut agent = on(&bed, 2, &["sleep", "1000"]).spawn().unwrap();
    // One that is the host's and not in its network, as everything started there is at first.
    let machine = format!("--net=/proc/{}/ns/net", std::process::id());
    let outside = ["nsenter", &machine, "sleep", "1000"];
    let mut early = on(&bed, 2, &outside).spawn().unwrap();
    let program = format!("/proc/{}/comm", early.id());
    let sleeps = || std::fs::read_to_string(&program).unwrap() == "sleep\n";
    assert!(wait(Duration::from_secs(20), sleeps));
    bed.kill(2).unwrap();
    assert!(!agent.wait().unwrap().success());
    assert!(!early.wait().unwrap().success());
    assert_eq!(bed.state(2), HostState::Off);
    assert!(!hears(&bed, 1, "10.86.0.12"));
    assert!(bed.cut(2).unwrap_err().to_string().contains("is off"));
    bed.boot(2).unwrap();
    assert!(hears(&bed, 1, "10.86.0.12"));

    // An engine can crash and come back alone.
    bed.stop_engine(1, true).unwrap();
    assert!(matches!(bed.state(1), HostState::On { engine: None, .. }));
    bed.start_engine(1).unwrap();

    drop(down);
    assert_eq!(Testbed::traces(BED), Vec::<String>::new());
    assert!(Testbed::attach(BED).unwrap_err().to_string().contains("not up"));
}

fn on(bed: &Testbed, host: u8, words: &[&str]) -> Command {
    let mut command = bed.command(host, Path::new(words[0])).unwrap();
    command.args(&words[1..]);
    command
}

/// Whether a TCP connection attempt gets any answer; nothing listens, so the answer is a refusal.
fn hears(bed: &Testbed, host: u8, address: &str) -> bool {
    let script = format!("exec 3<>/dev/tcp/{address}/9");
    let mut bash = on(bed, host, &["timeout", "1", "bash", "-c", &script]);
    let said = output(&mut bash).unwrap_err().to_string();
    said.contains("refused")
}
