//! What becomes of a host's network, as tables.

use drover_core::Peer;

use super::super::lanes::{Sealing, lanes};
use super::*;

fn network(peers: &[(u8, &str)]) -> HostNetwork {
    let peer = |(n, address): &(u8, &str)| Peer {
        host: u64::from(*n),
        address: (*address).to_owned(),
        subnet: format!("10.42.{n}.0/24"),
        ..Peer::default()
    };
    HostNetwork {
        range: "10.42.0.0/16".into(),
        subnet: "10.42.1.0/24".into(),
        vni: 7,
        peers: peers.iter().map(peer).collect(),
        ..HostNetwork::default()
    }
}

/// Carry the steps out on a kernel that is a few maps.
fn carry_out(seen: &mut Seen, steps: &[Step]) {
    for step in steps {
        match step.clone() {
            Step::RemoveWire => {
                assert!(!seen.tunnels.contains_key(&Tunnel::Sealed));
                seen.wire = None;
            }
            Step::SetWire { mtu, address } => {
                let wire = seen.wire.as_mut().unwrap();
                (wire.mtu, wire.up) = (mtu, true);
                // As the kernel does: an address is added to those there are.
                if !wire.addresses.contains(&address) {
                    wire.addresses.push(address);
                }
            }
            Step::RemoveAddress(address) => {
                let addresses = &mut seen.wire.as_mut().unwrap().addresses;
                let place = addresses.iter().position(|held| *held == address);
                addresses.remove(place.unwrap());
            }
            Step::RemoveTunnel(tunnel) => {
                seen.tunnels.remove(&tunnel).unwrap();
                seen.ends.retain(|(of, _), _| *of != tunnel);
                seen.ports.retain(|_, of| *of != tunnel);
            }
            Step::MakeTunnel { tunnel, vni, below } => {
                let port = drover_core::VXLAN_PORT;
                assert!(below.is_none() || seen.wire.as_ref().is_some_and(|wire| wire.up));
                let (mtu, attached, up) = (1500, false, false);
                let made = SeenTunnel { vni, port, below, mtu, attached, up };
                assert!(seen.tunnels.insert(tunnel, made).is_none());
            }
            Step::SetMtu(tunnel, mtu) => seen.tunnels.get_mut(&tunnel).unwrap().mtu = mtu,
            Step::Attach(tunnel) => {
                let tunnel = seen.tunnels.get_mut(&tunnel).unwrap();
                (tunnel.attached, tunnel.up) = (true, true);
            }
            Step::SetBridgeMac(mac) => seen.bridge.as_mut().unwrap().mac = mac,
            Step::SetNamesRoute { source } => {
                seen.bridge.as_mut().unwrap().names_from = Some(source);
            }
            Step::SetOwnRoute { subnet, .. } => {
                assert!(seen.bridge.as_mut().unwrap().own.insert(subnet));
            }
            Step::SetEnd(tunnel, mac, host) => drop(seen.ends.insert((tunnel, mac), host)),
            Step::RemoveEnd(tunnel, mac, host) => {
                assert_eq!(seen.ends.remove(&(tunnel, mac)), Some(host));
            }
            Step::SetPort(tunnel, mac) => {
                assert!(seen.tunnels[&tunnel].attached);
                assert!(seen.ends.contains_key(&(tunnel, mac)));
                seen.ports.insert(mac, tunnel);
            }
            Step::RemovePort(tunnel, mac) => assert_eq!(seen.ports.remove(&mac), Some(tunnel)),
            Step::SetNeighbour(gateway, mac) => drop(seen.neighbours.insert(gateway, mac)),
            Step::RemoveNeighbour(gateway) => {
                assert!(seen.neighbours.remove(&gateway).is_some());
            }
            Step::SetRoute { subnet, gateway, source } => {
                assert!(seen.neighbours.contains_key(&gateway));
                seen.routes.insert(subnet, (gateway, Some(source)));
            }
            Step::RemoveRoute { subnet, gateway } => {
                assert_eq!(seen.routes.remove(&subnet).unwrap().0, gateway);
            }
        }
    }
}

fn fresh() -> Seen {
    let mac = Mac([2, 0x42, 1, 2, 3, 4]);
    // Docker made its bridge, and the route to what is there.
    let own = ["10.42.1.0/24".parse().unwrap()].into();
    Seen { bridge: Some(SeenBridge { mac, names_from: None, own }), ..Seen::default() }
}

fn room(mtu: u32) -> Room {
    Room::between(&[], mtu)
}

/// The steps in short, after which nothing is left to do.
fn follow(seen: &mut Seen, network: &HostNetwork, mtu: u32) -> String {
    change(seen, network, mtu, &Sealing::default())
}

fn change(seen: &mut Seen, network: &HostNetwork, mtu: u32, sealing: &Sealing) -> String {
    let lanes = lanes(network, &seen.now(network), sealing);
    let wanted = wanted(network, &lanes, room(mtu)).unwrap();
    let steps = steps(&wanted, seen, !sealing.there);
    carry_out(seen, &steps);
    assert_eq!(super::steps(&wanted, seen, !sealing.there), []);
    steps.iter().map(short).collect::<Vec<_>>().join(", ")
}

fn short(step: &Step) -> String {
    match step {
        Step::RemoveWire => "- wire".into(),
        Step::SetWire { mtu, address } => format!("wire {address} {mtu}"),
        Step::RemoveAddress(address) => format!("- {address}"),
        Step::RemoveTunnel(tunnel) => format!("- {tunnel:?}"),
        Step::MakeTunnel { tunnel, vni, below } => match below {
            None => format!("{tunnel:?} {vni}"),
            Some((index, address)) => format!("{tunnel:?} {vni} on {index} as {address}"),
        },
        Step::SetMtu(_, mtu) => format!("mtu {mtu}"),
        Step::Attach(_) => "attach".into(),
        Step::SetBridgeMac(mac) => format!("bridge is {mac}"),
        Step::SetNamesRoute { .. } => "discovery".into(),
        Step::SetOwnRoute { subnet, .. } => format!("{subnet} here"),
        Step::SetEnd(_, mac, host) => format!("{mac} at {host}"),
        Step::RemoveEnd(_, mac, _) => format!("- {mac}"),
        Step::SetPort(tunnel, _) => format!("port {tunnel:?}"),
        Step::RemovePort(tunnel, _) => format!("- port {tunnel:?}"),
        Step::SetNeighbour(gateway, mac) => format!("{gateway} is {mac}"),
        Step::RemoveNeighbour(gateway) => format!("- {gateway}"),
        Step::SetRoute { subnet, gateway, .. } => format!("{subnet} via {gateway}"),
        Step::RemoveRoute { subnet, .. } => format!("- {subnet}"),
    }
}

#[test]
fn nothing_is_done_before_docker_made_its_bridge() {
    let network = network(&[(2, "10.0.0.2")]);
    let lanes = lanes(&network, &Now::default(), &Sealing::default());
    let wanted = wanted(&network, &lanes, room(1500)).unwrap();
    assert_eq!(steps(&wanted, &Seen::default(), true), []);
}

#[test]
fn hosts_come_move_and_go() {
    let mut seen = fresh();
    insta::assert_snapshot!(follow(&mut seen, &network(&[(2, "10.0.0.2")]), 1500), @"bridge is 02:64:0a:2a:01:01, Clear 7, mtu 1450, attach, discovery, 02:64:0a:2a:02:01 at 10.0.0.2, port Clear, 10.42.2.1 is 02:64:0a:2a:02:01, 10.42.2.0/24 via 10.42.2.1");
    let two = [(2, "10.0.0.2"), (3, "10.0.0.3")];
    insta::assert_snapshot!(follow(&mut seen, &network(&two), 1500), @"02:64:0a:2a:03:01 at 10.0.0.3, port Clear, 10.42.3.1 is 02:64:0a:2a:03:01, 10.42.3.0/24 via 10.42.3.1");
    let moved = [(2, "10.0.0.9"), (3, "10.0.0.3")];
    insta::assert_snapshot!(follow(&mut seen, &network(&moved), 1500), @"02:64:0a:2a:02:01 at 10.0.0.9");
    insta::assert_snapshot!(follow(&mut seen, &network(&two[1..]), 1500), @"- 10.42.2.0/24, - 10.42.2.1, - port Clear, - 02:64:0a:2a:02:01");
    insta::assert_snapshot!(follow(&mut seen, &network(&two[1..]), 1400), @"mtu 1350");
}

#[test]
fn what_was_changed_by_hand_is_put_right() {
    let check = |spoil: fn(&mut Seen), want: &str| {
        let mut seen = fresh();
        follow(&mut seen, &network(&[(2, "10.0.0.2")]), 1500);
        spoil(&mut seen);
        assert_eq!(follow(&mut seen, &network(&[(2, "10.0.0.2")]), 1500), want);
    };
    check(|_| {}, "");
    check(|seen| seen.tunnels.get_mut(&Tunnel::Clear).unwrap().up = false, "attach");
    check(
        |seen| {
            seen.tunnels.get_mut(&Tunnel::Clear).unwrap().attached = false;
            seen.ports.clear();
        },
        "attach, port Clear",
    );
    check(|seen| seen.routes.clear(), "10.42.2.0/24 via 10.42.2.1");
    check(|seen| seen.bridge.as_mut().unwrap().own.clear(), "10.42.1.0/24 here");
    let other = |seen: &mut Seen| seen.tunnels.get_mut(&Tunnel::Clear).unwrap().vni = 8;
    check(other, "- Clear, Clear 7, mtu 1450, attach, 02:64:0a:2a:02:01 at 10.0.0.2, port Clear");
    let source = |seen: &mut Seen| {
        for route in seen.routes.values_mut() {
            route.1 = None;
        }
    };
    check(source, "10.42.2.0/24 via 10.42.2.1");
}

#[test]
fn a_host_moves_to_the_sealed_tunnel_and_back() {
    let mut seen = fresh();
    let mut network = network(&[(2, "10.0.0.2")]);
    follow(&mut seen, &network, 1500);
    network.encrypted = true;
    let step = |seen: &mut Seen, network: &HostNetwork, up: &[u64], late| {
        let sessions = Some(up.iter().map(|host| (*host, true)).collect());
        let sealing = Sealing { sessions, late, there: true, ..Sealing::default() };
        change(seen, network, 1500, &sealing)
    };
    // Without the wire there is no sealed tunnel, and the clear one stays.
    assert_eq!(step(&mut seen, &network, &[], false), "");
    seen.wire = Some(SeenWire { index: 9, mtu: 1500, up: false, addresses: Vec::new() });
    insta::assert_snapshot!(step(&mut seen, &network, &[], false), @"wire fe80::a2a:101 1440, Sealed 7 on 9 as fe80::a2a:101, mtu 1370, attach, 02:64:0a:2a:02:01 at fe80::a2a:201");
    assert_eq!(step(&mut seen, &network, &[2], false), "port Sealed");
    network.peers[0].sealed = true;
    assert_eq!(step(&mut seen, &network, &[2], false), "- Clear");
    // Another wire is another tunnel; while there is none nothing is sent.
    seen.wire.as_mut().unwrap().index = 10;
    insta::assert_snapshot!(step(&mut seen, &network, &[], false), @"- Sealed, Sealed 7 on 10 as fe80::a2a:101, mtu 1370, attach, 02:64:0a:2a:02:01 at fe80::a2a:201, port Sealed");
    network.encrypted = false;
    insta::assert_snapshot!(step(&mut seen, &network, &[2], false), @"Clear 7, mtu 1450, attach, 02:64:0a:2a:02:01 at 10.0.0.2");
    network.peers[0].clear = true;
    assert_eq!(step(&mut seen, &network, &[2], false), "port Clear");
    network.peers[0].sealed = false;
    assert_eq!(step(&mut seen, &network, &[2], false), "- Sealed");
    assert_eq!(change(&mut seen, &network, 1500, &Sealing::default()), "- wire");
}

#[test]
fn the_wire_has_this_hosts_address_and_no_other() {
    let check = |held: &[&str], want: &str| {
        let mut seen = fresh();
        let mut network = network(&[(2, "10.0.0.2")]);
        network.encrypted = true;
        let addresses = held.iter().map(|address| address.parse().unwrap()).collect();
        seen.wire = Some(SeenWire { index: 9, mtu: 1440, up: true, addresses });
        let steps = follow(&mut seen, &network, 1500);
        let of_wire = steps.split(", ").filter(|step| step.contains("fe80::"));
        let of_wire = of_wire.filter(|step| step.starts_with(['w', '-']));
        assert_eq!(of_wire.collect::<Vec<_>>().join(", "), want, "{held:?}");
        assert_eq!(seen.wire.unwrap().addresses, [inner("10.42.1.1".parse().unwrap())]);
    };
    check(&[], "wire fe80::a2a:101 1440");
    check(&["fe80::a2a:101"], "");
    // Its subnet was another one, which may be somebody else's now.
    check(&["fe80::a2a:201"], "wire fe80::a2a:101 1440, - fe80::a2a:201");
    check(&["fe80::a2a:201", "fe80::a2a:101", "fe80::1"], "- fe80::a2a:201, - fe80::1");
}

#[test]
fn when_time_is_over_nothing_is_led_into_the_clear() {
    let mut seen = fresh();
    let mut network = network(&[(2, "10.0.0.2")]);
    follow(&mut seen, &network, 1500);
    network.encrypted = true;
    let late = Sealing { late: true, ..Sealing::default() };
    assert_eq!(change(&mut seen, &network, 1500, &late), "- port Clear, - Clear");
    assert_eq!((seen.ports.len(), seen.routes.len()), (0, 1));
}

#[test]
fn peers_that_make_no_sense_are_left_out() {
    let mut network = network(&[(2, "not an address"), (1, "10.0.0.1"), (3, "10.0.0.3")]);
    network.peers.push(Peer { address: "10.0.0.4".into(), ..Peer::default() });
    let lanes = lanes(&network, &Now::default(), &Sealing::default());
    let wanted = wanted(&network, &lanes, room(9000)).unwrap();
    assert_eq!(wanted.ways.keys().map(ToString::to_string).collect::<Vec<_>>(), ["10.42.3.0/24"]);
    assert_eq!(wanted.tunnels, [(Tunnel::Clear, 8950)].into());
    let bad = HostNetwork { subnet: "10.42.1.0".into(), ..network };
    assert!(super::wanted(&bad, &lanes, room(1500)).is_err());
}
