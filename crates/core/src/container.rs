//! What one container is to be: image, process, resources, mounts. Docker's terms, Docker's units.
//!
//! Not where it runs or in what state: that is [`crate::Unit`]. A spec is part of an immutable revision, so
//! two equal specs mean the same container.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{DockerHealth, HealthCheck};

/// Everything Docker needs to create one container. `None`, `false` and empty mean "Docker's default".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerSpec {
    /// Image reference as the user wrote it, without Rancher's `docker:` prefix.
    pub image: String,
    /// Arguments; replaces the image's.
    pub command: Vec<String>,
    /// Entry point; replaces the image's.
    pub entrypoint: Vec<String>,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// Labels as given; the agent adds its own beside them.
    pub labels: BTreeMap<String, String>,
    /// Working directory.
    pub working_dir: Option<String>,
    /// `user[:group]`.
    pub user: Option<String>,
    /// Allocate a terminal.
    pub tty: bool,
    /// Keep stdin open.
    pub stdin_open: bool,
    /// Run an init process as PID 1.
    pub init: bool,
    /// Signal that asks it to stop; Docker's default is SIGTERM.
    pub stop_signal: Option<String>,
    /// Seconds between that signal and SIGKILL; default 10.
    pub stop_grace_s: Option<u32>,

    /// Network mode.
    pub network: NetworkMode,
    /// Published ports.
    pub ports: Vec<PortSpec>,
    /// Ports documented as reachable inside the network.
    pub expose: Vec<String>,
    /// Host name inside the container.
    pub hostname: Option<String>,
    /// Domain name inside the container.
    pub domainname: Option<String>,
    /// DNS servers.
    pub dns: Vec<String>,
    /// DNS search domains.
    pub dns_search: Vec<String>,
    /// resolv.conf options.
    pub dns_options: Vec<String>,
    /// `name:address` lines for /etc/hosts.
    pub extra_hosts: Vec<String>,

    /// Mounts, as written: `name:/path[:mode]`, `/host:/path[:mode]` or `/path`.
    pub volumes: Vec<String>,
    /// Default driver for the named volumes above.
    pub volume_driver: Option<String>,
    /// Members of the same unit whose volumes this one mounts too.
    pub volumes_from: Vec<String>,
    /// tmpfs mounts: path to options.
    pub tmpfs: BTreeMap<String, String>,
    /// Root file system is read-only.
    pub read_only: bool,
    /// Secrets it reads as files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<crate::SecretFile>,

    /// Memory limit, bytes.
    pub memory: Option<i64>,
    /// Memory and swap limit, bytes; -1 is unlimited.
    pub memory_swap: Option<i64>,
    /// Memory that the scheduler sets aside and Docker treats as a soft limit, bytes.
    pub memory_reservation: Option<i64>,
    /// 0–100.
    pub memory_swappiness: Option<i64>,
    /// CPU that the scheduler sets aside, in thousandths of a core.
    pub milli_cpu_reservation: Option<i64>,
    /// Relative CPU weight.
    pub cpu_shares: Option<i64>,
    /// CFS quota, µs per period.
    pub cpu_quota: Option<i64>,
    /// CFS period, µs.
    pub cpu_period: Option<i64>,
    /// CPUs, `0-2,4`.
    pub cpu_set: Option<String>,
    /// Memory nodes.
    pub cpu_set_mems: Option<String>,
    /// Block I/O weight, 10–1000.
    pub blkio_weight: Option<u16>,
    /// Per-device block I/O limits.
    pub blkio_device_options: BTreeMap<String, BlkioDevice>,
    /// /dev/shm size, bytes.
    pub shm_size: Option<i64>,
    /// Process limit.
    pub pids_limit: Option<i64>,
    /// Never kill on out of memory.
    pub oom_kill_disable: bool,
    /// -1000–1000.
    pub oom_score_adj: Option<i64>,
    /// Resource limits.
    pub ulimits: Vec<Ulimit>,

    /// All capabilities and devices.
    pub privileged: bool,
    /// Capabilities added.
    pub cap_add: Vec<String>,
    /// Capabilities dropped.
    pub cap_drop: Vec<String>,
    /// seccomp, AppArmor and SELinux options.
    pub security_opt: Vec<String>,
    /// Supplementary groups.
    pub group_add: Vec<String>,
    /// `host:container:permissions`.
    pub devices: Vec<String>,
    /// PID namespace, e.g. `host`.
    pub pid_mode: Option<String>,
    /// IPC namespace.
    pub ipc_mode: Option<String>,
    /// UTS namespace.
    pub uts_mode: Option<String>,
    /// User namespace.
    pub userns_mode: Option<String>,
    /// Parent cgroup.
    pub cgroup_parent: Option<String>,
    /// Kernel parameters.
    pub sysctls: BTreeMap<String, String>,
    /// Isolation technology.
    pub isolation: Option<String>,
    /// MAC address.
    pub mac_address: Option<String>,

    /// Logging driver.
    pub log_driver: Option<String>,
    /// Its options.
    pub log_options: BTreeMap<String, String>,

    /// Rancher's health check (probed by agents).
    pub health_check: Option<HealthCheck>,
    /// Docker's own HEALTHCHECK; overrides the image's.
    pub docker_health: Option<DockerHealth>,
    /// Milliseconds a stop may wait for requests in flight.
    pub drain_timeout_ms: Option<u64>,
    /// What becomes of the unit when its host is lost; the primary's counts.
    pub on_host_loss: Option<crate::OnHostLoss>,
    /// Pin to this host, whatever the scheduler would prefer.
    pub requested_host: Option<crate::HostId>,
}

/// How a container is attached to the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkMode {
    /// The project's own network.
    #[default]
    Managed,
    /// The host's network stack.
    Host,
    /// Docker's default bridge.
    Bridge,
    /// No network.
    None,
    /// The network of another member of the unit; an empty name is the primary.
    Container(String),
}

/// Transport protocol of a published port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// A published port: `[ip:][public:]private[/protocol]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortSpec {
    /// Host address to bind; `None` is all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// Port on the host; `None` lets the planner pick one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<u16>,
    /// Port in the container.
    pub private: u16,
    /// Transport protocol.
    #[serde(default)]
    pub protocol: Protocol,
}

/// A port text that isn't `[ip:][public:]private[/protocol]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a port: write [address:][public:]private[/tcp|udp], ports from 1 to 65535")]
pub struct BadPort(pub String);

impl std::str::FromStr for PortSpec {
    type Err = BadPort;

    fn from_str(text: &str) -> Result<Self, BadPort> {
        let bad = || BadPort(text.to_owned());
        let number = |s: &str| match s.parse::<u16>() {
            Ok(0) | Err(_) => Err(bad()),
            Ok(n) => Ok(n),
        };
        let (rest, protocol) = match text.rsplit_once('/') {
            Some((rest, "tcp")) => (rest, Protocol::Tcp),
            Some((rest, "udp")) => (rest, Protocol::Udp),
            Some(_) => return Err(bad()),
            None => (text, Protocol::Tcp),
        };
        let (front, private) = match rest.rsplit_once(':') {
            Some((front, private)) => (Some(front), number(private)?),
            None => (None, number(rest)?),
        };
        let (ip, public) = match front {
            None => (None, None),
            Some(front) => match front.rsplit_once(':') {
                // An address with colons of its own stands in brackets.
                Some((ip, public)) => {
                    let ip = ip.trim_start_matches('[').trim_end_matches(']');
                    ip.parse::<std::net::IpAddr>().map_err(|_| bad())?;
                    let public = if public.is_empty() { None } else { Some(number(public)?) };
                    (Some(ip.to_owned()), public)
                }
                None => (None, Some(number(front)?)),
            },
        };
        Ok(Self { ip: ip.filter(|ip| ip != "0.0.0.0"), public, private, protocol })
    }
}

impl std::fmt::Display for PortSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.ip, self.public) {
            (Some(ip), public) => {
                if ip.contains(':') {
                    write!(f, "[{ip}]:")?;
                } else {
                    write!(f, "{ip}:")?;
                }
                if let Some(public) = public {
                    write!(f, "{public}")?;
                }
                f.write_str(":")?;
            }
            (None, Some(public)) => write!(f, "{public}:")?,
            (None, None) => {}
        }
        write!(f, "{}/{}", self.private, self.protocol)
    }
}

/// Limits for one block device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlkioDevice {
    /// Relative weight.
    pub weight: Option<u16>,
    /// Bytes read per second.
    pub read_bps: Option<i64>,
    /// Bytes written per second.
    pub write_bps: Option<i64>,
    /// Reads per second.
    pub read_iops: Option<i64>,
    /// Writes per second.
    pub write_iops: Option<i64>,
}

/// One resource limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// `nofile`, `nproc`, …
    pub name: String,
    /// Soft limit.
    pub soft: i64,
    /// Hard limit.
    pub hard: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_read_and_print() {
        for (text, printed) in [
            ("80", "80/tcp"),
            ("8080:80", "8080:80/tcp"),
            ("53:53/udp", "53:53/udp"),
            ("10.0.0.5:8080:80", "10.0.0.5:8080:80/tcp"),
            ("10.0.0.5::80", "10.0.0.5::80/tcp"),
            ("0.0.0.0:81:80", "81:80/tcp"),
            ("[fe80::1]:8080:80", "[fe80::1]:8080:80/tcp"),
        ] {
            assert_eq!(text.parse::<PortSpec>().unwrap().to_string(), printed);
        }
        for bad in ["", "0", "70000", "80/sctp", "3000-3005:80", "x:80", "a:1:2", "80:"] {
            assert!(bad.parse::<PortSpec>().is_err(), "{bad}");
        }
    }
}
