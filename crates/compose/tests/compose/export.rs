//! There and back: a stack that is exported and read again is the same stack.

use std::collections::BTreeMap;

use drover_compose::{
    LinkSpec, NamedBalancer, NamedRule, NeedSpec, Place, ServiceSpec, StackSpec, VolumeSpec, export,
};
use drover_core::{
    BlkioDevice, Condition, ContainerSpec, DockerHealth, External, FinishPolicy, HealthCheck,
    HealthStrategy, NetworkMode, OnFailure, OnHostLoss, Pace, PortSpec, Protocol, RequestBounds,
    RuleProtocol, Selector, ServiceKind, Template, Ulimit, UpgradeDefaults, UpgradePolicy, Verify,
    VerifyAsk, VerifyProbe,
};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;

use super::{both, lines};

/// Without places: an exported file has its own.
fn unplaced(mut stack: StackSpec) -> StackSpec {
    for service in &mut stack.services {
        service.at = Place::default();
    }
    for volume in stack.volumes.values_mut() {
        volume.at = Place::default();
    }
    stack
}

fn there_and_back(stack: &StackSpec) -> StackSpec {
    let written = export(stack);
    let parsed = both(&written.docker_compose, &written.rancher_compose);
    let parsed = parsed.unwrap_or_else(|said| {
        panic!("{}\n{}\n{}", written.docker_compose, written.rancher_compose, lines(&said))
    });
    unplaced(parsed.stack)
}

/// Text that a careless writer would break.
fn text() -> impl Strategy<Value = String> {
    let awkward = [
        "yes",
        "null",
        "~",
        "",
        " ",
        "1.10",
        "0x1f",
        "<<",
        "$HOME",
        "$${x}",
        "${",
        "a: b",
        "# a",
        "- a",
        "'",
        "\"",
        "\\",
        "a\nb\n",
        "a\n\n",
        "\n a",
        " a ",
        "a\r\nb",
        "\ttab",
        "{{ x }}",
        "[a",
        "é☃🦀",
        "\u{7f}\u{85}\u{2028}\u{feff}",
        "%a",
        "@a",
        "`a`",
        "*a",
        "&a",
        "!a",
        "|",
        ">",
        "?",
        "a #b",
        "---",
    ];
    prop_oneof![
        proptest::sample::select(awkward.to_vec()).prop_map(str::to_owned),
        "[ -~\n]{0,20}",
        "\\PC{0,8}",
    ]
}

fn word() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9_.-]{0,8}"
}

fn texts() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(
        prop_oneof![word(), "[A-Za-z_.:/ -]{1,12}".prop_map(|k| format!("k{k}"))],
        text(),
        0..4,
    )
}

fn words() -> impl Strategy<Value = Vec<String>> {
    btree_map(word(), Just(()), 0..3).prop_map(|map| map.into_keys().collect())
}

fn ports() -> impl Strategy<Value = Vec<PortSpec>> {
    let ip = prop_oneof![
        Just(None),
        Just(Some("10.0.0.5".to_owned())),
        Just(Some("fe80::1".to_owned()))
    ];
    let udp = any::<bool>();
    btree_map(1_u16.., (ip, any::<bool>(), 1_u16.., udp), 0..4).prop_map(|map| {
        let port =
            |(public, (ip, random, private, udp)): (u16, (Option<String>, bool, u16, bool))| {
                let protocol = if udp { Protocol::Udp } else { Protocol::Tcp };
                PortSpec { ip, public: (!random).then_some(public), private, protocol }
            };
        let mut ports: Vec<PortSpec> = map.into_iter().map(port).collect();
        ports.sort();
        ports.dedup();
        ports
    })
}

prop_compose! {
    fn process()(
        image in "[a-z]{1,8}(/[a-z]{1,5})?(:[a-z0-9.]{1,5})?",
        (command, entrypoint) in (vec(text(), 0..3), vec(text(), 0..3)),
        (environment, labels) in (texts(), texts()),
        (working_dir, user, stop_signal) in (of(word()), of(word()), of(word())),
        (tty, stdin_open, init, read_only) in any::<(bool, bool, bool, bool)>(),
        stop_grace_s in of(any::<u32>()),
    ) -> ContainerSpec {
        ContainerSpec {
            image, command, entrypoint, environment, labels, working_dir, user, stop_signal, tty, stdin_open,
            init, read_only, stop_grace_s, ..ContainerSpec::default()
        }
    }
}

prop_compose! {
    fn reached()(
        base in process(),
        network in prop_oneof![
            Just(NetworkMode::Managed), Just(NetworkMode::Host), Just(NetworkMode::Bridge), Just(NetworkMode::None)
        ],
        ports in ports(),
        (dns, dns_search, dns_options) in (words(), words(), words()),
        (hostname, domainname, mac_address) in (of(word()), of(word()), of(word())),
        mounts in btree_map("/[a-z]{1,6}", (of("/[a-z]{1,5}|[a-z]{1,5}"), any::<bool>()), 0..3),
        (volume_driver, tmpfs) in (of(word()), btree_map("/[a-z]{1,6}", "(size=[1-9]m)?", 0..3)),
    ) -> ContainerSpec {
        let mount = |(target, (source, ro)): (String, (Option<String>, bool))| match source {
            None => target,
            Some(source) => format!("{source}:{target}{}", if ro { ":ro" } else { "" }),
        };
        ContainerSpec {
            network, ports, dns, dns_search, dns_options, hostname, domainname, mac_address, volume_driver, tmpfs,
            volumes: mounts.into_iter().map(mount).collect(),
            expose: vec!["80".into(), "53/udp".into()],
            extra_hosts: vec!["a:10.0.0.1".into()],
            ..base
        }
    }
}

prop_compose! {
    fn limited()(
        base in reached(),
        (memory, memory_reservation, shm_size) in (of(0_i64..), of(0_i64..), of(0_i64..)),
        (swap, memory_swappiness, pids_limit) in (of(-1_i64..), of(0_i64..=100), of(any::<i64>())),
        (milli_cpu_reservation, cpu_shares, cpu_quota, cpu_period) in (of(0_i64..), of(0_i64..), of(any::<i64>()), of(0_i64..)),
        (cpu_set, cpu_set_mems, blkio_weight) in (of("[0-9]"), of("[0-9]-[0-9]"), of(10_u16..=1000)),
        device in of((of(1_u16..), of(0_i64..), of(0_i64..), of(0_i64..), 0_i64..)),
        (oom_kill_disable, oom_score_adj) in (any::<bool>(), of(-1000_i64..=1000)),
        limits in btree_map("[a-z]{1,6}", (-1_i64.., -1_i64..), 0..3),
    ) -> ContainerSpec {
        let device = device.map(|(weight, read_bps, write_bps, read_iops, write_iops)| {
            BlkioDevice { weight, read_bps, write_bps, read_iops, write_iops: Some(write_iops) }
        });
        let limit = |(name, (soft, hard))| Ulimit { name, soft, hard };
        ContainerSpec {
            memory_swap: swap.filter(|_| memory.is_some()),
            memory, memory_reservation, shm_size, memory_swappiness, pids_limit, milli_cpu_reservation, cpu_shares,
            cpu_quota, cpu_period, cpu_set, cpu_set_mems, blkio_weight, oom_kill_disable, oom_score_adj,
            blkio_device_options: device.map(|d| ("/dev/sda".to_owned(), d)).into_iter().collect(),
            ulimits: limits.into_iter().map(limit).collect(),
            ..base
        }
    }
}

fn health() -> impl Strategy<Value = HealthCheck> {
    let strategy = prop_oneof![
        Just(HealthStrategy::None),
        Just(HealthStrategy::Recreate),
        Just(HealthStrategy::RecreateOnQuorum)
    ];
    let spans = (of(0..9_u64), of(0..9_u64), of(0..9_u64), of(0..9_u64));
    let counts = (of(0..9_u32), of(0..9_u32), of(0..9_u32));
    (1_u16.., of("GET /[a-z]{1,5} HTTP/1[.][01]"), spans, counts, strategy).prop_map(
        |(port, request_line, spans, counts, strategy)| HealthCheck {
            port,
            request_line,
            interval_ms: spans.0,
            response_timeout_ms: spans.1,
            initializing_timeout_ms: spans.2,
            reinitializing_timeout_ms: spans.3,
            healthy_threshold: counts.0,
            unhealthy_threshold: counts.1,
            quorum: counts.2,
            strategy,
        },
    )
}

fn docker_health() -> impl Strategy<Value = DockerHealth> {
    let line = prop_oneof![
        text().prop_map(|line| vec!["CMD-SHELL".into(), line]),
        Just(vec!["NONE".into()]),
        text().prop_map(|word| vec!["CMD".into(), "x".into(), word]),
    ];
    (line, of(0..99_999_u64), of(0..9_u64), of(0..9_u32), of(0..9_u64)).prop_map(
        |(test, interval_ms, timeout_ms, retries, start_period_ms)| DockerHealth {
            test,
            interval_ms,
            timeout_ms,
            retries,
            start_period_ms,
        },
    )
}

prop_compose! {
    fn container()(
        base in limited(),
        privileged in any::<bool>(),
        (cap_add, cap_drop, security_opt, group_add, devices) in (words(), words(), words(), words(), words()),
        (pid_mode, ipc_mode, uts_mode, userns_mode) in (of(word()), of(word()), of(word()), of(word())),
        (cgroup_parent, isolation, log_driver) in (of(word()), of(word()), of(word())),
        (sysctls, log_options) in (texts(), texts()),
        (health_check, docker_health) in (of(health()), of(docker_health())),
        drain_timeout_ms in of(0..99_u64),
        on_host_loss in of((0..99_000_u64).prop_map(OnHostLoss::MoveAfter)),
    ) -> ContainerSpec {
        ContainerSpec {
            privileged, cap_add, cap_drop, security_opt, group_add, devices, pid_mode, ipc_mode, uts_mode,
            userns_mode, cgroup_parent, isolation, log_driver, sysctls, log_options, health_check, docker_health,
            drain_timeout_ms, on_host_loss, ..base
        }
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        text().prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Into::into),
            btree_map(text(), inner, 0..3)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

fn rule() -> impl Strategy<Value = NamedRule> {
    let protocol = prop_oneof![
        Just(RuleProtocol::Http),
        Just(RuleProtocol::Https),
        Just(RuleProtocol::Tcp),
        Just(RuleProtocol::Tls),
        Just(RuleProtocol::Sni),
        Just(RuleProtocol::Udp),
    ];
    let target = prop_oneof![
        "[a-z]{1,3}(/[a-z]{1,3})?"
            .prop_filter("own stack", |t| !t.starts_with("shop/"))
            .prop_map(Ok),
        word().prop_filter("a selector", |t| t.parse::<Selector>().is_ok()).prop_map(Err)
    ];
    let place = (of(word()), of("/[a-z]{1,4}"), of(1_u32..), of(word()), of(0_u16..=256));
    let listening = (1_u16..).prop_filter("reserved", |port| *port != 42);
    (listening, protocol, target, 1_u16.., place).prop_map(
        |(source_port, protocol, target, target_port, place)| NamedRule {
            source_port,
            protocol,
            hostname: place.0,
            path: place.1,
            priority: place.2,
            backend_name: place.3,
            weight: place.4,
            service: target.clone().ok(),
            selector: target.err(),
            target_port: Some(target_port),
        },
    )
}

fn balancer() -> impl Strategy<Value = NamedBalancer> {
    let custom = of("(global|defaults)\n( maxconn [1-9]{1,4}(  # [a-z$\"]{1,5})?\n){0,3}");
    (vec(rule(), 1..4), words(), word().prop_map(Some), custom).prop_map(
        |(rules, certificates, default_certificate, custom)| NamedBalancer {
            rules,
            certificates,
            default_certificate,
            custom,
            stickiness: None,
        },
    )
}

prop_compose! {
    /// What upgrades decide without people; as far as `upgrade_strategy` says it.
    fn upgrade_policy()(
        on_failure in of(any::<bool>()),
        (max_failures, deadline_ms) in (of(0..9_u32), of(1..99_999_u64)),
        (for_ms, stop, auto) in (of(0..99_999_u64), any::<bool>(), any::<bool>()),
        bounds in of((0..9_u64, 0..999_u32, of(100..900_u32), 1..999_u64)),
        command in of((vec(word(), 1..3), 0..9_u32)),
        (batch_size, interval_ms, start_first) in (of(1..=2_147_483_647_u32), of(0..99_999_u64), of(any::<bool>())),
    ) -> UpgradePolicy {
        let on_failure = match on_failure {
            None => OnFailure::Retry,
            Some(true) => OnFailure::Pause,
            Some(false) => OnFailure::Rollback,
        };
        let bounds = bounds.map(|(failed, server_errors_per_mille, p99_percent, at_least)| {
            RequestBounds { failed, server_errors_per_mille, p99_percent, at_least }
        });
        let probe = command.map(|(command, failures)| {
            VerifyProbe { ask: VerifyAsk::Command(command), failures }
        });
        UpgradePolicy {
            on_failure, max_failures, deadline_ms,
            verify: Verify { for_ms, requests: bounds, probe, stop },
            finish: if auto { FinishPolicy::Auto } else { FinishPolicy::Manual },
            back: Pace { batch_size, interval_ms, start_first },
        }
    }
}

prop_compose! {
    /// A service as the files would have it; its name and links come later.
    fn service()(
        (kind, balancer) in (0..8_u8, balancer()),
        (primary, mut sidekicks) in (container(), btree_map("k[a-z]{1,3}", container(), 0..2)),
        (scale, retain_ip, start_on_create) in (of(1_u32..), any::<bool>(), any::<bool>()),
        (batch_size, interval_ms, start_first) in (of(1..=2_147_483_647_u32), of(0..99_999_u64), of(any::<bool>())),
        policy in of((1..5_u32, 5..9_u32, 1..3_u32)), upgrade_policy in upgrade_policy(),
        metadata in btree_map(text(), json(), 0..3),
    ) -> ServiceSpec {
        let mut service = ServiceSpec {
            scale, retain_ip, start_on_create,
            upgrade: UpgradeDefaults { batch_size, interval_ms, start_first, policy: upgrade_policy },
            scale_policy: policy.map(|(min, max, increment)| drover_core::ScalePolicy { min, max, increment }),
            template: Template { primary, sidekicks: BTreeMap::new() },
            metadata: metadata.into_iter().collect(),
            ..ServiceSpec::default()
        };
        match kind {
            0 => {
                service.kind = ServiceKind::Alias;
                service.template.primary.image.clear();
            }
            1 => {
                service.kind = ServiceKind::External;
                service.template.primary.image.clear();
                let addresses = vec!["10.0.0.1".to_owned()];
                let health_check = service.template.primary.health_check.take();
                service.external = Some(External { addresses, hostname: None, health_check });
                service.template.primary.hostname = None;
            }
            2 => {
                service.kind = ServiceKind::Balancer;
                service.balancer = Some(balancer);
                for port in &mut service.template.primary.ports {
                    port.public = port.public.or(Some(port.private));
                }
                let mut seen = std::collections::BTreeSet::new();
                service.template.primary.ports.retain(|p| seen.insert((p.public, p.protocol)));
            }
            3 => {
                // The target side of selector rules.
                let rule = NamedRule { target_port: Some(80), hostname: Some("a.b".into()), ..NamedRule::default() };
                service.balancer = Some(NamedBalancer { rules: vec![rule], ..NamedBalancer::default() });
            }
            4 => {
                let names: Vec<&str> = sidekicks.keys().map(String::as_str).collect();
                if !names.is_empty() {
                    let names = names.join(", ");
                    service.template.primary.labels.insert("io.rancher.sidekicks".into(), names);
                }
                for sidekick in sidekicks.values_mut() {
                    sidekick.network = NetworkMode::Container(String::new());
                    sidekick.volumes_from = vec![String::new()];
                }
                service.template.sidekicks = sidekicks;
            }
            _ => {
                let label = ("io.rancher.service.selector.link".to_owned(), "a=b".to_owned());
                service.selector_link = Some(label.1.clone());
                service.template.primary.labels.extend([label]);
            }
        }
        service
    }
}

prop_compose! {
    fn stack()(
        services in vec(service(), 1..4),
        volumes in btree_map("[a-z]{1,6}", (texts(), any::<bool>(), of(word())), 0..3),
    ) -> StackSpec {
        let mut stack = StackSpec::default();
        for (i, mut service) in services.into_iter().enumerate() {
            service.name = format!("svc-{i}");
            // Sidekicks' names are the whole stack's.
            let sidekicks = std::mem::take(&mut service.template.sidekicks);
            let named = sidekicks.into_iter().map(|(name, s)| (format!("{name}-{i}"), s));
            service.template.sidekicks = named.collect();
            if !service.template.sidekicks.is_empty() {
                let names: Vec<_> = service.template.sidekicks.keys().cloned().collect();
                service.template.primary.labels.insert("io.rancher.sidekicks".into(), names.join(", "));
            }
            for earlier in 0..i {
                let alias = if earlier == 0 { String::new() } else { format!("a{earlier}") };
                service.links.push(LinkSpec { stack: None, service: format!("svc-{earlier}"), alias });
                let condition = Condition::ALL[earlier % 2];
                service.depends_on.push(NeedSpec { service: format!("svc-{earlier}"), condition });
            }
            service.links.push(LinkSpec { stack: Some("x".into()), service: "y".into(), alias: String::new() });
            stack.services.push(service);
        }
        for (name, (driver_options, external, driver)) in volumes {
            let driver = driver.unwrap_or_default();
            let at = Place::default();
            let volume = VolumeSpec { driver, driver_options, external, per_container: !external, at };
            stack.volumes.insert(name, volume);
        }
        stack
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_stack_survives_export(stack in stack()) {
        prop_assert_eq!(there_and_back(&stack), stack);
    }
}

#[test]
fn what_the_interface_leaves_out_is_filled_in() {
    let mut web =
        ServiceSpec { name: "web".into(), start_on_create: true, ..ServiceSpec::default() };
    web.template.primary.image = "a".into();
    let helper = ContainerSpec { image: "b".into(), ..ContainerSpec::default() };
    web.template.sidekicks.insert("helper".into(), helper);
    web.selector_link = Some("tier=back".into());
    let balancer = ServiceSpec {
        name: "lb".into(),
        kind: ServiceKind::Balancer,
        balancer: Some(NamedBalancer::default()),
        ..ServiceSpec::default()
    };
    let stack = StackSpec { services: vec![web, balancer], volumes: BTreeMap::new() };
    let back = there_and_back(&stack);
    let web = back.service("web").unwrap();
    assert_eq!(web.template.primary.label("io.rancher.sidekicks"), Some("helper"));
    assert_eq!(web.selector_link.as_deref(), Some("tier=back"));
    assert_eq!(back.service("lb").unwrap().kind, ServiceKind::Balancer);
    assert_eq!(there_and_back(&back), back);
}
