//! What Docker is asked to make, as JSON. The full spec has every field set, so that one that is dropped on the way
//! shows.
// Helpers outside of `#[test]` functions fail as tests do.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use drover_agent::create::{BadSpec, GivenNames, Making, create_body, named_volumes};
use drover_core::{
    AssignedTemplate, AssignedUnit, AssignedVolume, BlkioDevice, ContainerSpec, Desired,
    DockerHealth, HostAssignment, HostId, NetworkMode, PortSpec, Protocol, RevisionNo, Role,
    SecretFile, ServiceId, Slot, Template, Ulimit, UnitKey,
};
use serde_json::Value;

fn key(slot: Slot) -> UnitKey {
    UnitKey { service: ServiceId(7), slot, revision: RevisionNo(2), incarnation: 1 }
}

fn assignment(slot: Slot, template: Template, role: Role) -> HostAssignment {
    let data = AssignedVolume {
        name: "app_data_12".into(),
        driver: String::new(),
        options: BTreeMap::new(),
        external: false,
        kept: false,
    };
    let theirs = AssignedVolume { name: "theirs".into(), external: true, ..data.clone() };
    let unit = AssignedUnit {
        verify: None,
        desired: Desired::Running,
        generation: 4,
        template: "7/2".into(),
        stack: "app".into(),
        service: "web".into(),
        number: "1".into(),
        serial: 30,
        volumes: [("data".to_owned(), data), ("theirs".to_owned(), theirs)].into(),
        retain_ip: false,
        ready_ports: Vec::new(),
    };
    let template = AssignedTemplate {
        template: Arc::new(template),
        role,
        ports: BTreeMap::new(),
        pins: BTreeMap::new(),
    };
    HostAssignment {
        cluster: "c".into(),
        host: 3,
        generation: 9,
        units: [(key(slot), unit)].into(),
        templates: [("7/2".into(), template)].into(),
        ..HostAssignment::default()
    }
}

fn alone(primary: ContainerSpec) -> HostAssignment {
    let template = Template { primary, sidekicks: BTreeMap::new() };
    assignment(Slot::Number(1), template, Role::Image)
}

fn body(assignment: &HostAssignment, member: &str, siblings: &[(&str, &str)]) -> Value {
    let siblings = siblings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let unit = *assignment.units.keys().next().unwrap();
    let mut making = Making::of(assignment, unit, member, &siblings).unwrap();
    making.balancer_folder = Some(Path::new("/state/balancers/7"));
    let reads = !making.spec.secrets.is_empty();
    making.secrets_folder = reads.then_some(Path::new("/state/secrets/c"));
    let mut value = serde_json::to_value(create_body(&making).unwrap()).unwrap();
    value.sort_all_objects();
    value
}

/// Text for list fields.
fn list(items: &[&str]) -> Vec<String> {
    items.iter().map(|i| (*i).to_owned()).collect()
}

fn map(items: &[(&str, &str)]) -> BTreeMap<String, String> {
    items.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn full() -> ContainerSpec {
    let text = |text: &str| Some(text.to_owned());
    ContainerSpec {
        image: "shop/web:1.2".into(),
        command: list(&["serve", "--fast"]),
        entrypoint: list(&["/entry"]),
        environment: map(&[("A", "1"), ("B", "x y")]),
        labels: map(&[("team", "shop"), ("IO.Rancher.Scheduler.Global", "false")]),
        working_dir: text("/work"),
        user: text("web:web"),
        tty: true,
        stdin_open: true,
        init: true,
        stop_signal: text("SIGQUIT"),
        stop_grace_s: Some(25),
        network: NetworkMode::Managed,
        ports: vec![
            PortSpec { public: Some(8080), private: 80, ..PortSpec::default() },
            PortSpec {
                ip: text("10.0.0.5"),
                public: Some(53),
                private: 53,
                protocol: Protocol::Udp,
            },
        ],
        expose: list(&["9000", "7000-7001/udp"]),
        hostname: text("web"),
        domainname: text("shop.example"),
        dns: list(&["10.0.0.2"]),
        dns_search: list(&["shop.example"]),
        dns_options: list(&["ndots:1"]),
        extra_hosts: list(&["db:10.0.0.9"]),
        volumes: list(&["data:/data:ro", "theirs:/t", "loose:/l", "/srv/x:/x", "/anonymous"]),
        volume_driver: text("local"),
        volumes_from: Vec::new(),
        tmpfs: map(&[("/run", "size=1m")]),
        read_only: true,
        secrets: vec![SecretFile { secret: "db".into(), ..SecretFile::default() }],
        memory: Some(64 << 20),
        memory_swap: Some(-1),
        memory_reservation: Some(32 << 20),
        memory_swappiness: Some(10),
        milli_cpu_reservation: Some(500),
        cpu_shares: Some(512),
        cpu_quota: Some(50_000),
        cpu_period: Some(100_000),
        cpu_set: text("0-1"),
        cpu_set_mems: text("0"),
        blkio_weight: Some(300),
        blkio_device_options: BTreeMap::from([(
            "/dev/sda".to_owned(),
            BlkioDevice {
                weight: Some(200),
                read_bps: Some(1),
                write_bps: Some(2),
                read_iops: Some(3),
                write_iops: Some(4),
            },
        )]),
        shm_size: Some(1 << 20),
        pids_limit: Some(100),
        oom_kill_disable: true,
        oom_score_adj: Some(-500),
        ulimits: vec![Ulimit { name: "nofile".into(), soft: 1024, hard: 4096 }],
        privileged: true,
        cap_add: list(&["NET_ADMIN"]),
        cap_drop: list(&["MKNOD"]),
        security_opt: list(&["no-new-privileges"]),
        group_add: list(&["audio"]),
        devices: list(&["/dev/fuse", "/dev/a:/dev/b:r"]),
        pid_mode: text("host"),
        ipc_mode: text("host"),
        uts_mode: text("host"),
        userns_mode: text("host"),
        cgroup_parent: text("/shop"),
        sysctls: map(&[("net.core.somaxconn", "1024")]),
        isolation: text("default"),
        mac_address: None,
        log_driver: text("json-file"),
        log_options: map(&[("max-size", "1m")]),
        health_check: None,
        docker_health: Some(DockerHealth {
            test: list(&["CMD", "/check"]),
            interval_ms: Some(1_500),
            timeout_ms: Some(500),
            retries: Some(4),
            start_period_ms: Some(2_000),
        }),
        drain_timeout_ms: Some(1),
        on_host_loss: None,
        requested_host: Some(HostId(3)),
    }
}

#[test]
fn a_full_spec() {
    insta::assert_json_snapshot!(body(&alone(full()), "", &[]));
}

#[test]
fn an_empty_spec_leaves_everything_to_docker() {
    let spec = ContainerSpec { image: "x".into(), ..ContainerSpec::default() };
    insta::assert_json_snapshot!(body(&alone(spec), "", &[]));
}

#[test]
fn a_sidekick_stands_on_its_siblings() {
    let sidekick = ContainerSpec {
        image: "x".into(),
        network: NetworkMode::Container("web".into()),
        volumes_from: list(&["data:ro", "web"]),
        hostname: Some("refused by Docker".into()),
        ports: vec![PortSpec { private: 80, ..PortSpec::default() }],
        ..ContainerSpec::default()
    };
    let sidekicks = [("data".to_owned(), ContainerSpec::default()), ("log".to_owned(), sidekick)];
    let template = Template { primary: ContainerSpec::default(), sidekicks: sidekicks.into() };
    let assignment = assignment(Slot::Host(HostId(3)), template, Role::Image);
    let body = body(&assignment, "log", &[("", "id-web"), ("data", "r-app-web-data-1-30")]);
    let host = &body["HostConfig"];
    assert_eq!(host["NetworkMode"], "container:id-web");
    assert_eq!(host["VolumesFrom"], serde_json::json!(["r-app-web-data-1-30:ro", "id-web"]));
    assert_eq!((&body["Hostname"], &host["PortBindings"]), (&Value::Null, &Value::Null));
    let labels = &body["Labels"];
    assert_eq!(labels["io.rancher.stack_service.name"], "app/web/log");
    assert_eq!(labels["io.rancher.service.launch.config"], "log");
    assert_eq!(labels["io.rancher.service.requested.host.id"], "3");
    assert_eq!(labels["io.rancher.container.name"], "app-web-log-1");
    assert_eq!(labels["io.drover.member"], "log");
    let primary = self::body(&assignment, "", &[]);
    let unit = "io.rancher.service.deployment.unit";
    assert_eq!(primary["Labels"][unit], labels[unit]);
    let uuid = "io.rancher.container.uuid";
    assert_ne!(primary["Labels"][uuid], labels[uuid]);
}

#[test]
fn networks() {
    let check = |network: NetworkMode, want: &str, bound: bool| {
        let ports = vec![PortSpec { public: Some(81), private: 80, ..PortSpec::default() }];
        let spec = ContainerSpec { network, ports, ..ContainerSpec::default() };
        let body = body(&alone(spec), "", &[]);
        assert_eq!(body["HostConfig"]["NetworkMode"], want);
        assert_eq!(body["HostConfig"]["PortBindings"].is_object(), bound);
    };
    check(NetworkMode::Managed, "bridge", true);
    check(NetworkMode::Bridge, "bridge", true);
    check(NetworkMode::None, "none", true);
    check(NetworkMode::Host, "host", false);
}

#[test]
fn on_the_project_s_own_network() {
    let make = |network: NetworkMode, volumes: &[&str]| {
        let spec = ContainerSpec {
            network,
            dns: list(&["10.0.0.53"]),
            dns_search: list(&["corp"]),
            volumes: list(volumes),
            ..ContainerSpec::default()
        };
        let mut assignment = alone(spec);
        assignment.network = Some(drover_core::HostNetwork::default());
        let (none, search) = (BTreeMap::new(), list(&["corp", "rancher.internal"]));
        let mut making = Making::of(&assignment, key(Slot::Number(1)), "", &none).unwrap();
        making.address = Some([10, 42, 1, 130].into());
        let managed = making.spec.network == NetworkMode::Managed;
        let file = Path::new("/state/resolv/r-app-web-1-30");
        making.names = managed.then_some(GivenNames { search: &search, file });
        serde_json::to_value(create_body(&making).unwrap()).unwrap()
    };
    let body = make(NetworkMode::Managed, &[]);
    let host = &body["HostConfig"];
    assert_eq!(host["NetworkMode"], "drover");
    assert_eq!(host["Dns"], serde_json::json!(["169.254.169.250"]), "others are asked behind it");
    assert_eq!(host["DnsSearch"], serde_json::json!(["corp", "rancher.internal"]));
    assert_eq!(host["Mounts"][0]["Target"], "/etc/resolv.conf");
    assert_eq!(host["Mounts"][0]["Source"], "/state/resolv/r-app-web-1-30");
    let endpoint = &body["NetworkingConfig"]["EndpointsConfig"]["drover"];
    assert_eq!(endpoint["IPAMConfig"]["IPv4Address"], "10.42.1.130");
    let own = make(NetworkMode::Managed, &["/mine:/etc/resolv.conf:ro"]);
    assert!(own["HostConfig"]["Mounts"].is_null(), "a file of the user's own stays");
    for network in [NetworkMode::Bridge, NetworkMode::Host] {
        let body = make(network, &[]);
        assert_eq!(body["HostConfig"]["Dns"], serde_json::json!(["10.0.0.53"]));
        assert!(body["NetworkingConfig"].is_null() && body["HostConfig"]["Mounts"].is_null());
    }
}

#[test]
fn host_names() {
    let check = |label: Option<&str>, hostname: Option<&str>, want: Option<&str>| {
        let key = drover_core::label::HOSTNAME_OVERRIDE;
        let labels = label.map(|value| (key.to_owned(), value.to_owned()));
        let hostname = hostname.map(str::to_owned);
        let spec =
            ContainerSpec { labels: labels.into_iter().collect(), hostname, ..Default::default() };
        assert_eq!(body(&alone(spec), "", &[])["Hostname"].as_str(), want);
    };
    check(None, None, None);
    check(None, Some("db"), Some("db"));
    check(Some("container_name"), Some("db"), Some("app-web-1"));
    check(Some("something"), None, None);
}

#[test]
fn a_balancer_runs_the_agent_s_own_executable() {
    let primary = ContainerSpec {
        image: "rancher/lb-service-haproxy".into(),
        command: list(&["ignored"]),
        ports: vec![PortSpec { public: Some(80), private: 80, ..PortSpec::default() }],
        ..ContainerSpec::default()
    };
    let template = Template { primary, sidekicks: BTreeMap::new() };
    let body = body(&assignment(Slot::Number(1), template, Role::Balancer), "", &[]);
    assert_eq!(body["Entrypoint"], serde_json::json!(["/drover"]));
    let command =
        ["balancer", "--config", "/balancer/config.json", "--status", "/balancer/status.json"];
    assert_eq!(body["Cmd"], serde_json::json!(command));
    assert_eq!(body["HostConfig"]["Binds"], serde_json::json!(["/state/balancers/7:/balancer"]));
    assert_eq!(body["HostConfig"]["PortBindings"]["80/tcp"][0]["HostPort"], "80");
}

#[test]
fn what_can_t_be_made_is_refused_in_words() {
    let check = |spec: ContainerSpec, want: &str| {
        let assignment = alone(spec);
        let none = BTreeMap::new();
        let making = Making::of(&assignment, key(Slot::Number(1)), "", &none).unwrap();
        let refused: BadSpec = create_body(&making).unwrap_err();
        assert_eq!(refused.to_string(), want);
    };
    check(
        ContainerSpec { volumes_from: list(&["nobody"]), ..ContainerSpec::default() },
        "it mounts the volumes of `nobody`, which is neither the service itself nor one of its sidekicks: \
         correct the name",
    );
    check(
        ContainerSpec { mac_address: Some("02:42:0a:00:00:01".into()), ..ContainerSpec::default() },
        "mac_address needs Docker Engine 25 (API 1.44) or newer; this host's has API 1.41",
    );
}

#[test]
fn volumes_that_can_go_with_a_container() {
    let assignment = alone(full());
    let unit = &assignment.units[&key(Slot::Number(1))];
    assert_eq!(named_volumes(unit, &full()), ["app_data_12", "loose"]);
}
