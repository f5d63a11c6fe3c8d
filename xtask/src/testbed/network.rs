//! The bed's network: one bridge in the machine's own namespace, a cable to every host, and routes so that every
//! container can be reached from everywhere by its own address. Every rule added here is removed here.

use super::layout::Layout;
use crate::command::{self, CommandError};

/// Rules in the machine's own namespace: what crosses the bridge passes, and hosts reach the server, whatever
/// Docker or a firewall on this machine thinks. (The kernel sends bridged frames through FORWARD.)
fn machine_rules(layout: Layout) -> [String; 2] {
    let bridge = layout.bridge();
    [format!("FORWARD -i {bridge} -o {bridge} -j ACCEPT"), format!("INPUT -i {bridge} -j ACCEPT")]
}

/// Make the bridge.
pub(super) fn make_bridge(layout: Layout) -> Result<(), CommandError> {
    let (bridge, address) = (layout.bridge(), layout.server());
    command::run(&format!("ip link add {bridge} type bridge"))?;
    command::run(&format!("ip address add {address}/24 dev {bridge}"))?;
    command::run(&format!("ip link set {bridge} up"))?;
    for rule in machine_rules(layout) {
        command::run(&format!("iptables --wait -I {rule}"))?;
    }
    Ok(())
}

/// Remove the bridge and its rules. What isn't there needs no removing.
pub(super) fn remove_bridge(layout: Layout) -> Result<(), CommandError> {
    for rule in machine_rules(layout) {
        while command::run(&format!("iptables --wait -D {rule}")).is_ok() {}
    }
    if bridge_is_there(layout) {
        command::run(&format!("ip link delete {}", layout.bridge()))?;
    }
    Ok(())
}

/// Whether the bridge is there.
pub(super) fn bridge_is_there(layout: Layout) -> bool {
    std::path::Path::new("/sys/class/net").join(layout.bridge()).exists()
}

/// Whether a host's cable is there.
pub(super) fn cable_is_there(layout: Layout, host: u8) -> bool {
    std::path::Path::new("/sys/class/net").join(layout.cable(host)).exists()
}

/// Lay a host's cable and its routes. `init` is the host's first process.
pub(super) fn connect(layout: Layout, host: u8, hosts: u8, init: i32) -> Result<(), CommandError> {
    let (cable, bridge, address) = (layout.cable(host), layout.bridge(), layout.address(host));
    let hardware = layout.hardware_address(host);
    let end = format!("peer name eth0 address {hardware} netns {init}");
    command::run(&format!("ip link add {cable} type veth {end}"))?;
    command::run(&format!("ip link set {cable} master {bridge} up"))?;
    inside(init, "ip link set lo up")?;
    inside(init, &format!("ip address add {address}/24 dev eth0"))?;
    inside(init, "ip link set eth0 up")?;
    for other in (1..=hosts).filter(|other| *other != host) {
        let (subnet, via) = (layout.containers(other), layout.address(other));
        inside(init, &format!("ip route add {subnet} via {via}"))?;
    }
    let subnet = layout.containers(host);
    command::run(&format!("ip route replace {subnet} via {address} dev {bridge}"))?;
    let_containers_be_reached(layout, init)
}

/// Docker drops what it didn't publish, but first asks the chain DOCKER-USER, which it leaves as it finds it.
fn let_containers_be_reached(layout: Layout, init: i32) -> Result<(), CommandError> {
    let containers = layout.all_containers();
    inside(init, "iptables --wait -N DOCKER-USER")?;
    inside(init, &format!("iptables --wait -A DOCKER-USER -d {containers} -j ACCEPT"))?;
    inside(init, &format!("iptables --wait -A DOCKER-USER -s {containers} -j ACCEPT"))?;
    Ok(())
}

/// Take a host's cable out as if someone had pulled it: silence, not a refusal.
pub(super) fn pull_cable(layout: Layout, host: u8) -> Result<(), CommandError> {
    command::run(&format!("ip link set {} down", layout.cable(host))).map(drop)
}

/// Put it back in.
pub(super) fn plug_cable(layout: Layout, host: u8) -> Result<(), CommandError> {
    command::run(&format!("ip link set {} up", layout.cable(host))).map(drop)
}

/// Remove a host's cable. Its network goes away by itself, but not always at once: the kernel keeps it while a
/// connection of the dead waits for a peer that can't hear it.
pub(super) fn remove_cable(layout: Layout, host: u8) -> Result<(), CommandError> {
    let cable = layout.cable(host);
    match command::run(&format!("ip link delete {cable}")) {
        Err(error) if cable_is_there(layout, host) => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The rules that silence everything between a host and the server, both ways.
fn cut_rules(layout: Layout) -> [String; 2] {
    let server = layout.server();
    [format!("PREROUTING -s {server} -j DROP"), format!("POSTROUTING -d {server} -j DROP")]
}

/// Silence everything between a host and the server.
pub(super) fn cut(layout: Layout, init: i32) -> Result<(), CommandError> {
    for rule in cut_rules(layout) {
        inside(init, &format!("iptables --wait -t mangle -A {rule}"))?;
    }
    Ok(())
}

/// Undo [`cut`].
pub(super) fn heal(layout: Layout, init: i32) -> Result<(), CommandError> {
    for rule in cut_rules(layout) {
        inside(init, &format!("iptables --wait -t mangle -D {rule}"))?;
    }
    Ok(())
}

/// Whether [`cut`] is in force.
pub(super) fn is_cut(layout: Layout, init: i32) -> bool {
    let rule = &cut_rules(layout)[0];
    inside(init, &format!("iptables --wait -t mangle -C {rule}")).is_ok()
}

/// Run a command in a host's namespaces, mounts included (so that iptables' lock is the host's own).
fn inside(init: i32, line: &str) -> Result<String, CommandError> {
    command::run(&format!("nsenter --target {init} --net --mount {line}"))
}
