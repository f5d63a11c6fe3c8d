//! Any container spec there can be, for the property test. Every field is named, so that a new one does not compile
//! until it is generated here.
//!
//! What can't be told apart on the wire is left out: empty text for an absent one, a Docker health check
//! that sets nothing.

use std::collections::BTreeMap;

use drover_core::{
    BlkioDevice, ContainerSpec, DockerHealth, HealthCheck, HealthStrategy, HostId, NetworkMode,
    OnHostLoss, PortSpec, Protocol, SecretFile, Ulimit,
};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;

type Texts = BTreeMap<String, String>;

/// Process, network, storage, resources, security and health, drawn apart and put together.
pub(super) fn any_spec() -> impl Strategy<Value = ContainerSpec> {
    let parts = (process(), network(), storage(), resources(), limits(), security(), health());
    parts.prop_map(|(process, network, storage, resources, limits, security, health)| {
        ContainerSpec {
            image: process.image,
            command: process.command,
            entrypoint: process.entrypoint,
            environment: process.environment,
            labels: process.labels,
            working_dir: process.working_dir,
            user: process.user,
            tty: process.tty,
            stdin_open: process.stdin_open,
            init: process.init,
            stop_signal: process.stop_signal,
            stop_grace_s: process.stop_grace_s,
            log_driver: process.log_driver,
            log_options: process.log_options,
            drain_timeout_ms: process.drain_timeout_ms,
            on_host_loss: process.on_host_loss,
            requested_host: process.requested_host,
            network: network.network,
            ports: network.ports,
            expose: network.expose,
            hostname: network.hostname,
            domainname: network.domainname,
            dns: network.dns,
            dns_search: network.dns_search,
            dns_options: network.dns_options,
            extra_hosts: network.extra_hosts,
            mac_address: network.mac_address,
            volumes: storage.volumes,
            volume_driver: storage.volume_driver,
            volumes_from: storage.volumes_from,
            tmpfs: storage.tmpfs,
            read_only: storage.read_only,
            secrets: storage.secrets,
            memory: resources.memory,
            memory_swap: resources.memory_swap,
            memory_reservation: resources.memory_reservation,
            memory_swappiness: resources.memory_swappiness,
            milli_cpu_reservation: resources.milli_cpu_reservation,
            cpu_shares: resources.cpu_shares,
            cpu_quota: resources.cpu_quota,
            cpu_period: resources.cpu_period,
            cpu_set: resources.cpu_set,
            cpu_set_mems: resources.cpu_set_mems,
            blkio_weight: limits.blkio_weight,
            blkio_device_options: limits.blkio_device_options,
            shm_size: limits.shm_size,
            pids_limit: limits.pids_limit,
            oom_kill_disable: limits.oom_kill_disable,
            oom_score_adj: limits.oom_score_adj,
            ulimits: limits.ulimits,
            privileged: security.privileged,
            cap_add: security.cap_add,
            cap_drop: security.cap_drop,
            security_opt: security.security_opt,
            group_add: security.group_add,
            devices: security.devices,
            pid_mode: security.pid_mode,
            ipc_mode: security.ipc_mode,
            uts_mode: security.uts_mode,
            userns_mode: security.userns_mode,
            cgroup_parent: security.cgroup_parent,
            sysctls: security.sysctls,
            isolation: security.isolation,
            health_check: health.health_check,
            docker_health: health.docker_health,
        }
    })
}

fn process() -> impl Strategy<Value = ContainerSpec> {
    let texts = (word(), words(), words(), map(), map(), of(word()), of(word()));
    let loss = of(millis()).prop_map(|ms| ms.map(OnHostLoss::MoveAfter));
    let rest =
        (of(word()), of(any::<u32>()), of(word()), map(), of(millis()), of(any::<u64>()), loss);
    (texts, rest, any::<[bool; 3]>()).prop_map(|(texts, rest, flags)| ContainerSpec {
        image: texts.0,
        command: texts.1,
        entrypoint: texts.2,
        environment: texts.3,
        labels: texts.4,
        working_dir: texts.5,
        user: texts.6,
        stop_signal: rest.0,
        stop_grace_s: rest.1,
        log_driver: rest.2,
        log_options: rest.3,
        drain_timeout_ms: rest.4,
        requested_host: rest.5.map(|n| HostId(n.max(1))),
        on_host_loss: rest.6,
        tty: flags[0],
        stdin_open: flags[1],
        init: flags[2],
        ..ContainerSpec::default()
    })
}

fn network() -> impl Strategy<Value = ContainerSpec> {
    let mode = prop_oneof![
        Just(NetworkMode::Managed),
        Just(NetworkMode::Host),
        Just(NetworkMode::Bridge),
        Just(NetworkMode::None),
        prop_oneof![Just(String::new()), word()].prop_map(NetworkMode::Container),
    ];
    let names = (words(), of(word()), of(word()), of(word()));
    let dns = (words(), words(), words(), words());
    (mode, vec(port(), 0..3), names, dns).prop_map(|(network, ports, names, dns)| ContainerSpec {
        network,
        ports,
        expose: names.0,
        hostname: names.1,
        domainname: names.2,
        mac_address: names.3,
        dns: dns.0,
        dns_search: dns.1,
        dns_options: dns.2,
        extra_hosts: dns.3,
        ..ContainerSpec::default()
    })
}

fn port() -> impl Strategy<Value = PortSpec> {
    let ip = prop_oneof![
        any::<std::net::Ipv4Addr>()
            .prop_filter("0.0.0.0 is none", |ip| !ip.is_unspecified())
            .prop_map(|ip| ip.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|ip| ip.to_string()),
    ];
    let protocol = prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp)];
    let (public, private) = (of(1..=u16::MAX), 1..=u16::MAX);
    (of(ip), public, private, protocol).prop_map(|(ip, public, private, protocol)| PortSpec {
        ip,
        public,
        private,
        protocol,
    })
}

fn storage() -> impl Strategy<Value = ContainerSpec> {
    let drawn = (words(), of(word()), words(), map(), any::<bool>(), secrets());
    drawn.prop_map(|drawn| ContainerSpec {
        volumes: drawn.0,
        volume_driver: drawn.1,
        volumes_from: drawn.2,
        tmpfs: drawn.3,
        read_only: drawn.4,
        secrets: drawn.5,
        ..ContainerSpec::default()
    })
}

/// One at most: two must not share a file.
fn secrets() -> impl Strategy<Value = Vec<SecretFile>> {
    let numbers = (of(any::<u32>()), of(any::<u32>()), of(0..=0o7777u32));
    let file = ("[a-z]{1,8}", prop_oneof![Just(String::new()), "[A-Z]{1,8}"], numbers);
    let file = file.prop_map(|(secret, file, (uid, gid, mode))| SecretFile {
        secret,
        file,
        uid,
        gid,
        mode,
    });
    vec(file, 0..2)
}

fn resources() -> impl Strategy<Value = ContainerSpec> {
    let numbers = vec(of(any::<i64>()), 8);
    (numbers, of(word()), of(word())).prop_map(|(numbers, cpu_set, cpu_set_mems)| ContainerSpec {
        memory: numbers[0],
        memory_swap: numbers[1],
        memory_reservation: numbers[2],
        memory_swappiness: numbers[3],
        milli_cpu_reservation: numbers[4],
        cpu_shares: numbers[5],
        cpu_quota: numbers[6],
        cpu_period: numbers[7],
        cpu_set,
        cpu_set_mems,
        ..ContainerSpec::default()
    })
}

fn limits() -> impl Strategy<Value = ContainerSpec> {
    let device = (of(any::<u16>()), vec(of(any::<i64>()), 4)).prop_map(|(weight, n)| BlkioDevice {
        weight,
        read_bps: n[0],
        write_bps: n[1],
        read_iops: n[2],
        write_iops: n[3],
    });
    let ulimit = (word(), any::<i64>(), any::<i64>()).prop_map(|(name, soft, hard)| Ulimit {
        name,
        soft,
        hard,
    });
    let numbers = vec(of(any::<i64>()), 2);
    let lists = (btree_map(word(), device, 0..3), vec(ulimit, 0..3));
    let oom = (any::<bool>(), of(-1000_i64..=1000));
    (of(any::<u16>()), numbers, lists, oom).prop_map(
        |(blkio_weight, numbers, lists, (oom_kill_disable, oom_score_adj))| ContainerSpec {
            blkio_weight,
            blkio_device_options: lists.0,
            ulimits: lists.1,
            shm_size: numbers[0],
            pids_limit: numbers[1],
            oom_score_adj,
            oom_kill_disable,
            ..ContainerSpec::default()
        },
    )
}

fn security() -> impl Strategy<Value = ContainerSpec> {
    let lists = (words(), words(), words(), words(), words());
    (lists, vec(of(word()), 6), map(), any::<bool>()).prop_map(
        |(lists, modes, sysctls, privileged)| ContainerSpec {
            privileged,
            cap_add: lists.0,
            cap_drop: lists.1,
            security_opt: lists.2,
            group_add: lists.3,
            devices: lists.4,
            pid_mode: modes[0].clone(),
            ipc_mode: modes[1].clone(),
            uts_mode: modes[2].clone(),
            userns_mode: modes[3].clone(),
            cgroup_parent: modes[4].clone(),
            isolation: modes[5].clone(),
            sysctls,
            ..ContainerSpec::default()
        },
    )
}

fn health() -> impl Strategy<Value = ContainerSpec> {
    let strategy = prop_oneof![
        Just(HealthStrategy::None),
        Just(HealthStrategy::Recreate),
        Just(HealthStrategy::RecreateOnQuorum),
    ];
    let spans = vec(of(millis()), 4);
    let counts = vec(of(any::<u32>()), 3);
    let check = (1..=u16::MAX, of(word()), spans, counts, strategy).prop_map(
        |(port, request_line, spans, counts, strategy)| HealthCheck {
            port,
            request_line,
            interval_ms: spans[0],
            response_timeout_ms: spans[1],
            initializing_timeout_ms: spans[2],
            reinitializing_timeout_ms: spans[3],
            healthy_threshold: counts[0],
            unhealthy_threshold: counts[1],
            strategy,
            quorum: counts[2],
        },
    );
    let docker =
        (words(), vec(of(millis()), 3), of(any::<u32>())).prop_map(|(test, spans, retries)| {
            DockerHealth {
                test,
                interval_ms: spans[0],
                timeout_ms: spans[1],
                start_period_ms: spans[2],
                retries,
            }
        });
    (of(check), of(docker)).prop_map(|(health_check, docker)| ContainerSpec {
        health_check,
        docker_health: docker.filter(|docker| *docker != DockerHealth::default()),
        ..ContainerSpec::default()
    })
}

/// Whole seconds and others. JSON numbers on this wire are signed.
fn millis() -> impl Strategy<Value = u64> {
    prop_oneof![(0u64..10_000).prop_map(|s| s * 1000), 0..=i64::MAX.unsigned_abs()]
}

fn word() -> impl Strategy<Value = String> {
    "[ -~äß√]{1,12}"
}

fn words() -> impl Strategy<Value = Vec<String>> {
    vec("[ -~]{0,8}", 0..3)
}

fn map() -> impl Strategy<Value = Texts> {
    btree_map(word(), "[ -~]{0,8}", 0..3)
}
