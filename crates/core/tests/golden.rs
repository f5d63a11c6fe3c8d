//! The stored rows and the agent protocol, pinned: a change of shape shows as a change of these files, and
//! then needs a migration and an agent that still understands the old one.
// A test may read and write its own golden files; core itself may not.
#![allow(clippy::disallowed_methods)]
#![allow(clippy::unwrap_used)] // a sample that can't be written is a failed test

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use drover_core::doctor::{
    Deviation, Endpoint, Examined, Heard, Hindered, ProbeTarget, Probed, Way, WrongNeighbour,
};
use drover_core::protocol::{Ask, FromAgent, FromServer, HostEvent, Register, Registered, Report};
use drover_core::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

fn pinned<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(name: &str, value: &T) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.json"));
    let text = serde_json::to_string_pretty(value).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let held = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(text, held, "{name} changed shape; UPDATE_GOLDEN=1 accepts it");
    assert_eq!(&serde_json::from_str::<T>(&held).unwrap(), value, "{name} reads back");
}

fn key() -> UnitKey {
    UnitKey {
        service: ServiceId(12),
        slot: Slot::Number(1),
        revision: RevisionNo(2),
        incarnation: 1,
    }
}

fn template() -> Arc<Template> {
    let primary = ContainerSpec {
        image: "app:v2".into(),
        environment: BTreeMap::from([("MODE".into(), "prod".into())]),
        ports: vec!["8080:80".parse().unwrap()],
        stop_grace_s: Some(20),
        health_check: Some(HealthCheck { port: 80, ..HealthCheck::default() }),
        docker_health: Some(DockerHealth {
            test: vec!["CMD".into(), "/app".into()],
            ..DockerHealth::default()
        }),
        ..ContainerSpec::default()
    };
    let helper = ContainerSpec {
        image: "helper:1".into(),
        network: NetworkMode::Container(String::new()),
        ..ContainerSpec::default()
    };
    Arc::new(Template { primary, sidekicks: BTreeMap::from([("helper".into(), helper)]) })
}

fn policy() -> UpgradePolicy {
    let command = VerifyAsk::Command(vec!["check".into()]);
    UpgradePolicy {
        on_failure: OnFailure::Rollback,
        max_failures: Some(1),
        deadline_ms: Some(90_000),
        verify: Verify {
            for_ms: Some(5_000),
            requests: Some(RequestBounds { p99_percent: Some(150), ..RequestBounds::default() }),
            probe: Some(VerifyProbe { ask: command, failures: 2 }),
            stop: true,
        },
        finish: FinishPolicy::Auto,
        back: Pace { batch_size: Some(4), interval_ms: Some(0), start_first: Some(false) },
    }
}

fn observed() -> Observed {
    let container = ObservedContainer {
        docker_id: "abc".into(),
        running: true,
        starts: 1,
        health: Health::Healthy,
        address: "10.42.1.2".into(),
        digest: "sha256:1".into(),
        image_id: "sha256:2".into(),
        ..ObservedContainer::default()
    };
    Observed {
        generation: 4,
        tick: 9,
        phase: Phase::Running,
        ready: true,
        attempt: 1,
        failed: Failed { times: 2, out_of_memory: true, how: "exited with code 137".into() },
        verified: Some(Tally { passed: 3, failed: 1, why: "no answer".into() }),
        message: String::new(),
        containers: BTreeMap::from([(String::new(), container)]),
        since: Time(1_700_000_000_000),
    }
}

#[test]
fn rows() {
    let at = Time(1_700_000_000_000);
    pinned(
        "service",
        &Service {
            id: ServiceId(12),
            project: ProjectId(5),
            stack: StackId(10),
            name: "web".into(),
            description: String::new(),
            kind: ServiceKind::Containers,
            scale: 3,
            wanted: Wanted::Active,
            settled: Some(Wanted::Inactive),
            current: RevisionNo(2),
            links: vec![Link { service: ServiceId(11), alias: "db".into() }],
            balancer: None,
            external: None,
            metadata: serde_json::Map::from_iter([("tier".into(), "front".into())]),
            picked_ports: vec![PickedPort { private: 80, protocol: Protocol::Tcp, public: 49_153 }],
            retain_ip: false,
            selector_link: None,
            selector_container: None,
            depends_on: Vec::new(),
            upgrade_defaults: UpgradeDefaults { start_first: Some(true), ..Default::default() },
            restart: Some(Restart { run: 7, batch_size: 1, interval_ms: 2_000 }),
            remarks: drover_core::Remarks {
                external_id: Some("tool/7".into()),
                ..drover_core::Remarks::default()
            },
            scale_policy: Some(ScalePolicy { min: 1, max: 5, increment: 2 }),
            rebalance: Some(Rebalance { moves: vec![Move { unit: key(), to: HostId(7) }] }),
            driver: None,
            created_at: at,
            removed_at: None,
        },
    );
    pinned(
        "revision",
        &Revision {
            service: ServiceId(12),
            number: RevisionNo(2),
            template: template(),
            pins: BTreeMap::from([("app:v2".into(), "sha256:1".into())]),
            by: "KEY".into(),
            reason: "a fix".into(),
            created_at: at,
        },
    );
    pinned(
        "unit",
        &Unit {
            key: key(),
            host: HostId(7),
            desired: Desired::Running,
            generation: 4,
            drain_until: None,
            run: 0,
            replacements: 0,
            serial: 20,
            created_at: at,
        },
    );
    pinned("observed", &observed());
    pinned(
        "upgrade",
        &Upgrade {
            service: ServiceId(12),
            course: Course::InService { from: RevisionNo(1), to: RevisionNo(2), start_first: true },
            batch_size: 1,
            interval_ms: 2_000,
            phase: UpgradePhase::RollingBack,
            ledger: 31,
            started_at: at,
            by: "KEY".into(),
            policy: policy(),
            phase_at: at,
            verdict: Some("3 failures of new containers".into()),
            approved: Some("all containers serve, watched for 60 s".into()),
            forgiven: 1,
            forgiven_probes: 2,
            together: Some(Together { number: 31, after: vec![ServiceId(11)] }),
        },
    );
    let between = Course::ToService(Shift {
        to_service: ServiceId(13),
        final_scale: 5,
        to_scale: 1,
        update_links: true,
    });
    pinned(
        "upgrade_between",
        &Upgrade { batch_size: 2, ledger: 31, ..Upgrade::begin(ServiceId(12), between, at, "KEY") },
    );
    let webhook = |driver| drover_core::Webhook {
        id: drover_core::WebhookId(14),
        project: ProjectId(5),
        name: "hub".into(),
        description: "d".into(),
        key_sha256: "0f".into(),
        driver,
        created_at: at,
        removed_at: None,
    };
    let scale = ScaleHook { service: ServiceId(12), up: true, amount: 2, min: 1, max: 9 };
    let upgrade = UpgradeHook {
        selector: BTreeMap::from([("deploy".into(), "auto".into())]),
        tag: "latest".into(),
        payload: Payload::DockerHub,
        batch_size: Some(2),
        interval_ms: None,
        start_first: Some(true),
    };
    let drivers = [WebhookDriver::Scale(scale), WebhookDriver::Upgrade(upgrade)];
    pinned("webhook", &drivers.map(webhook).to_vec());
    pinned(
        "change",
        &vec![
            Change::SetDesired { unit: key(), desired: Desired::Stopped, run: None, until: None },
            Change::Settle { service: ServiceId(12), wanted: Wanted::Active },
            Change::EndMove(key()),
            Change::SetScale { service: ServiceId(12), scale: 3 },
            Change::PlaceVolume {
                volume: VolumeKey { template: VolumeTemplateId(9), slot: Some(Slot::Number(1)) },
                host: HostId(7),
            },
        ],
    );
}

#[test]
fn protocol() {
    let facts = HostFacts { docker_version: "20.10".into(), cpus: 2, ..HostFacts::default() };
    let register = Register {
        token: Secret::new("t"),
        identity: "i".into(),
        hostname: "h1".into(),
        address: "10.77.0.11".into(),
        labels: BTreeMap::from([("disk".into(), "ssd".into())]),
        facts: facts.clone(),
    };
    pinned("register", &register);
    let registered = Registered {
        host: HostId(7),
        access: "A".into(),
        secret: Secret::new("s"),
        cluster: "c".into(),
    };
    pinned("registered", &registered);
    let event = HostEvent { number: 3, at: Time(5), unit: key(), text: "web-1 exited".into() };
    let report = Report {
        assigned: 8,
        whole: true,
        units: BTreeMap::from([(key(), observed())]),
        balancers: BTreeMap::from([(key(), followed())]),
        names: Some(Followed { routing: 31, ..Followed::default() }),
        events: vec![event],
        facts: None,
        hearing: Some(HearingNow {
            heard: [HostId(8)].into(),
            silent_ms: [(HostId(9), 1_250)].into(),
        }),
        witnessed: Some(Witnessed {
            tick: 12,
            verdicts: [(key(), watched().verdict(Some("no answer".into())))].into(),
        }),
    };
    pinned(
        "from_agent",
        &vec![
            FromAgent::Hello { protocol: 1, assigned: 8, address: "10.77.0.11".into(), facts },
            FromAgent::Report(report),
            FromAgent::Done { ask: 1, error: String::new() },
        ],
    );
    pinned(
        "from_server",
        &vec![
            FromServer::Welcome { tick: 9 },
            FromServer::Refused { reason: "upgrade the agent".into() },
            FromServer::Assign(Box::new(assignment())),
            FromServer::Discover(Box::new(update())),
            FromServer::EventsStored { number: 3 },
            FromServer::Ask {
                ask: 1,
                what: Ask::Logs {
                    container: "abc".into(),
                    follow: true,
                    tail: Some(10),
                    timestamps: false,
                    since: None,
                },
            },
            FromServer::Resize { ask: 4, width: 80, height: 24 },
            FromServer::Ask { ask: 5, what: Ask::Docker },
            FromServer::Ask { ask: 2, what: Ask::Examine { name: "web.blog".into() } },
            FromServer::Ask { ask: 3, what: Ask::Probe { targets: vec![ProbeTarget::default()] } },
        ],
    );
}

#[test]
fn doctor() {
    let hinders = Hindered::Subnet("10.42.2.0/24".into());
    pinned(
        "examined",
        &Examined {
            deviations: vec![Deviation { hinders, to_do: "route it".into() }],
            neighbours: vec![WrongNeighbour::default()],
            endpoints: vec![Endpoint { unit: Some(key()), ..Endpoint::default() }],
            kept: BTreeMap::from([("12/1".into(), "10.42.1.128".into())]),
            ..Examined::default()
        },
    );
    pinned(
        "probed",
        &Probed {
            ways: BTreeMap::from([(8, Way { container: Some(true), ..Way::default() })]),
            heard: BTreeMap::from([(8, Heard { underlay: 1500, overlay: 1450 })]),
            ..Probed::default()
        },
    );
}

fn followed() -> Followed {
    let mut counts = Counts::default();
    counts.answer(3);
    counts.failed.insert(Failure::Broken, 1);
    let ledger = Ledger { number: 31, revisions: BTreeMap::from([(RevisionNo(2), counts)]) };
    Followed {
        routing: 31,
        in_flight: BTreeMap::from([(key(), 2)]),
        ledgers: BTreeMap::from([(ServiceId(12), ledger)]),
        problem: String::new(),
    }
}

fn update() -> DiscoveryUpdate {
    let host = DiscoveredHost { name: "h1".into(), ..DiscoveredHost::default() };
    let service = DiscoveredService {
        stack: StackId(10),
        name: "web".into(),
        uuid: "u".into(),
        kind: ServiceKind::Containers,
        wanted: Wanted::Active,
        scale: 1,
        links: vec![("db".into(), ServiceId(11))],
        external: None,
        sidekicks: std::collections::BTreeSet::new(),
        members: BTreeMap::from([(String::new(), DiscoveredMember::default())]),
        metadata: serde_json::Map::new(),
        lb_config: serde_json::Value::Null,
        containers: Vec::new(),
    };
    DiscoveryUpdate {
        whole: true,
        routing: 31,
        hosts: BTreeMap::from([(HostId(7), Some(Arc::new(host))), (HostId(8), None)]),
        stacks: BTreeMap::from([(StackId(10), Some(Arc::new(DiscoveredStack::default())))]),
        services: BTreeMap::from([(ServiceId(12), Some(Arc::new(service)))]),
        ..DiscoveryUpdate::default()
    }
}

fn assignment() -> HostAssignment {
    let unit = AssignedUnit {
        verify: Some(VerifyAsk::Command(vec!["check".into()])),
        desired: Desired::Running,
        generation: 4,
        template: "12/2".into(),
        stack: "blog".into(),
        service: "web".into(),
        number: "1".into(),
        serial: 20,
        volumes: BTreeMap::new(),
        retain_ip: true,
        ready_ports: vec![80],
    };
    let template = AssignedTemplate {
        template: template(),
        role: Role::Image,
        ports: BTreeMap::from([(String::new(), vec!["8080:80".parse().unwrap()])]),
        pins: BTreeMap::new(),
    };
    let target =
        Target { unit: key(), address: "10.42.1.2:80".into(), host: None, weight: 1, check: None };
    let route = Route {
        hostname: Some("*.example".into()),
        backend: "443___example_".into(),
        targets: vec![target],
        service: Some(ServiceId(12)),
        hold: Some(Hold::DEFAULT),
        ..Route::default()
    };
    let listener = Listener {
        protocol: RuleProtocol::Https,
        routes: vec![route],
        certificates: vec!["site".into()],
        default_certificate: Some("site".into()),
    };
    let config = BalancerConfig {
        routing: 31,
        listeners: BTreeMap::from([(443, listener)]),
        certificates: BTreeMap::from([("site".into(), CertificatePem::default())]),
        draining: BTreeMap::from([(key(), 30_000)]),
        ledgers: BTreeMap::from([(ServiceId(12), 31)]),
        ..BalancerConfig::default()
    };
    let peer = Peer {
        host: 8,
        address: "10.77.0.12".into(),
        subnet: "10.42.2.0/24".into(),
        public_key: "k".into(),
        clear: true,
        sealed: true,
    };
    let network = HostNetwork {
        range: "10.42.0.0/16".into(),
        subnet: "10.42.1.0/24".into(),
        vni: 6,
        encrypted: true,
        key_number: 2,
        peers: vec![peer],
    };
    HostAssignment {
        cluster: "c".into(),
        host: 7,
        generation: 8,
        units: BTreeMap::from([(key(), unit)]),
        templates: BTreeMap::from([("12/2".into(), template)]),
        balancers: BTreeMap::from([(key(), config)]),
        network: Some(network),
        registries: BTreeMap::new(),
        secrets: BTreeMap::new(),
        watched: BTreeMap::from([(key(), watched())]),
        leases: std::collections::BTreeSet::from(["r.example/app@sha256:1".into()]),
    }
}

fn watched() -> Watched {
    let check = HealthCheck { port: 80, ..HealthCheck::default() };
    Watched { generation: 4, starts: 2, address: "10.42.2.2".into(), check }
}

/// Agents and servers of before others looked at units say nothing of it, and understand nothing of it.
#[test]
fn who_knows_nothing_of_witnesses_is_understood() {
    let text = r#"{ "assigned": 8, "whole": true, "hearing": null }"#;
    assert_eq!(serde_json::from_str::<Report>(text).unwrap().witnessed, None);
    let text = r#"{ "cluster": "c", "host": 7, "generation": 8 }"#;
    let held: HostAssignment = serde_json::from_str(text).unwrap();
    assert!(held.watched.is_empty() && held.leases.is_empty());
    let held: ObservedContainer = serde_json::from_str(r#"{ "health": "unhealthy" }"#).unwrap();
    assert!(!held.probed, "its agent's word alone decides");
}
