//! The network doctor names exactly what is broken: a firewall, a narrow cable, a changed kernel, a name service, a host
//! that is cut off, an address that is nobody's.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use xtask::cluster::Ending;
use xtask::command;
use xtask::docker::Container;
use xtask::testbed::Layout;
use xtask::wait::wait;

use super::stage::{Done, Stage};

/// Hosts are told of each other, and name services start, after the hosts are active.
const SETTLED: Duration = Duration::from_mins(1);

impl Stage {
    /// A stack on all hosts, and a doctor who has nothing to say of it.
    fn set_healthy() -> Option<Self> {
        let stage = Self::set()?;
        stage.web("v1", 3);
        stage.ok("up -d");
        let mut last = String::new();
        let well = wait(SETTLED, || {
            let done = stage.drover("network doctor");
            last = done.text;
            done.status == Some(0)
        });
        assert!(well, "{last}");
        assert!(
            last.contains("All 3 hosts reach each other (6 ways, packets of up to 1,450 bytes)"),
            "{last}"
        );
        assert!(!last.contains("error:") && !last.contains("warning:"), "{last}");
        Some(stage)
    }

    /// Run a command on a host.
    pub(super) fn on(&self, host: u8, line: &str) {
        let mut words = line.split(' ');
        let program = Path::new(words.next().unwrap());
        let output = self.cluster.bed.command(host, program).unwrap().args(words).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn doctor(&self) -> Done {
        self.drover("network doctor")
    }

    /// The machine's end of a host's cable.
    fn cable(&self, host: u8) -> String {
        Layout { bed: self.cluster.bed.bed }.cable(host)
    }

    pub(super) fn host_address(&self, host: u8) -> String {
        self.cluster.port(host, 0).ip().to_string()
    }

    /// The doctor says this one thing and nothing else.
    #[track_caller]
    fn only(&self, said: &[&str]) {
        let done = self.doctor();
        done.must(1, said);
        assert_eq!(done.text.matches("error: ").count(), 1, "one:\n{}", done.text);
    }

    /// What the doctor finds of what a host's agent puts right by itself: its round may come before the doctor does, and
    /// then it is broken again.
    fn found_of(&self, host: u8, breaks: &str) -> Done {
        let mut found = None;
        wait(SETTLED, || {
            self.on(host, breaks);
            found = Some(self.doctor()).filter(|done| done.status == Some(1));
            found.is_some()
        });
        found.expect("the doctor finds what is broken")
    }
}

#[test]
fn a_firewall_is_named_with_its_direction() {
    let Some(stage) = Stage::set_healthy() else { return };
    let one = stage.host_address(1);
    let rule = format!("INPUT -p udp --dport 4789 -s {one} -j DROP");
    stage.on(2, &format!("iptables --wait -I {rule}"));
    let words = format!("error: UDP 4789 from host1 ({one}) to host2");
    stage.only(&[&words, "while host1 hears host2", "1 of 2"]);
    stage.on(2, &format!("iptables --wait -D {rule}"));

    let rule = "INPUT -p udp --dport 4789 -j DROP";
    stage.on(3, &format!("iptables --wait -I {rule}"));
    stage.only(&[
        "error: UDP 4789 from any other host to host3",
        "what host3 sends does arrive",
        "0 of 2",
    ]);
    stage.on(3, &format!("iptables --wait -D {rule}"));

    let rule = "FORWARD -i drover0 -o drover0 -j DROP";
    stage.on(2, &format!("iptables --wait -I {rule}"));
    stage.only(&[
        "error: from any other host to host2",
        "no container behind them: it is not forwarded",
    ]);
    stage.on(2, &format!("iptables --wait -D {rule}"));

    stage.doctor().must(0, &["All 3 hosts reach each other"]);
}

#[test]
fn a_narrow_cable_is_measured() {
    let Some(stage) = Stage::set_healthy() else { return };
    let cable = stage.cable(3);
    command::run(&format!("ip link set {cable} mtu 1400")).unwrap();
    let done = stage.doctor();
    command::run(&format!("ip link set {cable} mtu 1500")).unwrap();
    done.must(
        1,
        &[
            "host3",
            // A cable of the kernel's takes a few bytes more than it says, for a VLAN's sake.
            " bytes pass, 1,450 don't",
            "where hosts send 1,500",
        ],
    );
    assert_eq!(done.text.matches("error: ").count(), 1, "{}", done.text);
    stage.doctor().must(0, &[]);
}

#[test]
fn what_someone_did_to_the_kernel_is_named() {
    let Some(stage) = Stage::set_healthy() else { return };
    let shown = stage.drover("network doctor --json").text;
    let shown: Value = serde_json::from_str(shown.lines().next().unwrap()).unwrap();
    // Hosts stand in the order in which they came.
    let subnet_of = |name: &str| {
        let hosts = shown["hosts"].as_array().unwrap();
        let host = hosts.iter().find(|host| host["name"] == name).unwrap();
        host["subnet"].as_str().unwrap().to_owned()
    };
    let (one, two) = (subnet_of("host1"), subnet_of("host2"));
    let through = format!("route {two} through");
    for (gone, said) in [
        (&two, [through.as_str(), "(host2)"]),
        // Nothing is sent to a single container of it: that is said once.
        (&one, [&format!("route {one} to drover0"), "of host1 "]),
    ] {
        let done = stage.found_of(1, &format!("ip route del {gone}"));
        done.must(1, &["behind the agent's back", said[0], said[1]]);
        assert_eq!(done.text.matches("error: ").count(), 1, "one:\n{}", done.text);
        let healed = wait(SETTLED, || stage.doctor().status == Some(0));
        assert!(healed, "{}", stage.doctor().text);
    }

    let (_, container) = stage.running("web").into_iter().find(|(host, _)| *host == 1).unwrap();
    let told = stage.cluster.engine(1).inspect(&container.id).unwrap();
    let address =
        told["NetworkSettings"]["Networks"]["drover"]["IPAddress"].as_str().unwrap().to_owned();
    let wrong = "lladdr 02:00:00:00:00:99 nud permanent dev drover0";
    let done = stage.found_of(1, &format!("ip neigh replace {address} {wrong}"));
    done.must(
        1,
        &[&format!("host1 takes 02:00:00:00:00:99 for the neighbour {address}, but r-shop-web-")],
    );
    let healed = wait(SETTLED, || stage.doctor().status == Some(0));
    assert!(healed, "{}", stage.doctor().text);

    let body = serde_json::json!({ "Container": container.id, "Force": true }).to_string();
    let engine = stage.cluster.engine(1);
    engine.ask("POST", "/networks/drover/disconnect", "application/json", body.as_bytes()).unwrap();
    stage.doctor().must(
        1,
        &[
            &format!("{address} on host1 is where names and balancers lead for shop-web-"),
            "no container has it",
        ],
    );
}

#[test]
fn a_name_service_and_a_host_that_are_gone_are_named() {
    let Some(mut stage) = Stage::set_healthy() else { return };
    let containers = stage.cluster.containers().unwrap();
    let names = |host: u8| {
        let is_it = |(on, c): &&(u8, _)| *on == host && is_name_service(c);
        containers.iter().find(is_it).unwrap().1.id.clone()
    };
    // A process that is there and says nothing.
    let names = names(2);
    let engine = stage.cluster.engine(2);
    engine.ask("POST", &format!("/containers/{names}/pause"), "", &[]).unwrap();
    stage.only(&["the name service of host2 doesn't answer at 169.254.169.250, neither for names nor for metadata", "no answer"]);
    engine.ask("POST", &format!("/containers/{names}/unpause"), "", &[]).unwrap();

    stage.cluster.stop_agent(3, Ending::Crash).unwrap();
    let named =
        wait(SETTLED, || stage.doctor().text.contains("the agent of host3 is not connected"));
    assert!(named, "{}", stage.doctor().text);
    stage.only(&["not asked", "other hosts reach it and its containers go on"]);
    let cable = stage.cable(3);
    command::run(&format!("ip link set {cable} down")).unwrap();
    let done = stage.doctor();
    command::run(&format!("ip link set {cable} up")).unwrap();
    done.must(1, &["the agent of host3 is not connected", "it is off or cut off"]);
    assert_eq!(done.text.matches("error: ").count(), 1, "{}", done.text);
}

fn is_name_service(container: &Container) -> bool {
    container.labels.contains_key("io.drover.system")
}
