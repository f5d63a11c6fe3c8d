//! Every key of every map in a compose file, and what becomes of it.
//!
//! The tables are the whole truth: the readers only ever see honoured keys, so that a key can't be dropped
//! in silence. A key that is in no table is an error, with the nearest key as a suggestion.

/// A key and what becomes of it.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It does what it says.
    Honoured,
    /// It has no effect, and a note says why.
    Ignored(&'static str),
    /// A file with it can't be used, and an error says why.
    Refused(&'static str),
}

const fn honoured(name: &'static str) -> Key {
    Key { name, fate: Fate::Honoured }
}

const fn ignored(name: &'static str, why: &'static str) -> Key {
    Key { name, fate: Fate::Ignored(why) }
}

const fn refused(name: &'static str, why: &'static str) -> Key {
    Key { name, fate: Fate::Refused(why) }
}

const NO_VM: &str = "virtual machines are not supported";
const NO_NETWORK_DRIVERS: &str = "network drivers are not supported: the network is built in";
const FROM_FILE: &str = "values are not taken from files here: make the secret first (`drover secret add NAME FILE`), \
     and write `external: true`";
const NO_CONFIGS: &str = "configs are not supported; mount a file or put it into the image";
const NO_STACK_PARTS: &str = "not supported; write it as a service below `services`";

/// Top level of a file with a version.
pub const TOP_LEVEL: &[Key] = &[
    honoured("version"),
    honoured("services"),
    honoured("volumes"),
    ignored("networks", "all services share the managed network of their environment"),
    ignored("name", "the stack's name is given on the command line or by the directory"),
    ignored("catalog", "catalog entries are for the catalog"),
    ignored(".catalog", "catalog entries are for the catalog"),
    honoured("secrets"),
    refused("configs", NO_CONFIGS),
    refused("include", "not supported; give several files with -f"),
    refused("hosts", "hosts are not made from compose files"),
    refused("dependencies", "stacks do not install other stacks; deploy that stack first"),
    refused("containers", NO_STACK_PARTS),
    refused("load_balancers", NO_STACK_PARTS),
    refused("external_services", NO_STACK_PARTS),
    refused("aliases", NO_STACK_PARTS),
    refused("storage_drivers", NO_STACK_PARTS),
    refused("network_drivers", NO_NETWORK_DRIVERS),
    refused("virtual_machines", NO_VM),
];

/// A service, in either file: Docker's keys, then Rancher's.
pub const SERVICE: &[Key] = &[
    honoured("image"),
    honoured("build"),
    ignored("dockerfile", "images are not built here"),
    honoured("command"),
    honoured("entrypoint"),
    honoured("environment"),
    honoured("env_file"),
    honoured("labels"),
    honoured("working_dir"),
    honoured("user"),
    honoured("tty"),
    honoured("stdin_open"),
    honoured("init"),
    honoured("stop_signal"),
    honoured("stop_grace_period"),
    honoured("links"),
    honoured("external_links"),
    honoured("depends_on"),
    honoured("ports"),
    honoured("expose"),
    honoured("net"),
    honoured("network_mode"),
    ignored("networks", "all services share the managed network of their environment"),
    honoured("hostname"),
    honoured("domainname"),
    honoured("dns"),
    honoured("dns_search"),
    honoured("dns_opt"),
    honoured("extra_hosts"),
    honoured("mac_address"),
    honoured("volumes"),
    honoured("volumes_from"),
    honoured("volume_driver"),
    honoured("tmpfs"),
    honoured("read_only"),
    honoured("shm_size"),
    honoured("mem_limit"),
    honoured("memswap_limit"),
    honoured("mem_reservation"),
    honoured("mem_swappiness"),
    honoured("milli_cpu_reservation"),
    honoured("cpus"),
    honoured("cpu_shares"),
    honoured("cpu_quota"),
    honoured("cpu_period"),
    honoured("cpuset"),
    honoured("cpuset_mems"),
    refused("cpu_count", "this counts Windows CPUs; use `cpus`"),
    refused("cpu_percent", "this limits Windows CPUs; use `cpus`"),
    refused("cpu_rt_runtime", "real-time scheduling is not supported"),
    refused("cpu_rt_period", "real-time scheduling is not supported"),
    honoured("blkio_weight"),
    honoured("blkio_weight_device"),
    honoured("device_read_bps"),
    honoured("device_write_bps"),
    honoured("device_read_iops"),
    honoured("device_write_iops"),
    honoured("blkio_config"),
    honoured("pids_limit"),
    honoured("oom_kill_disable"),
    honoured("oom_score_adj"),
    honoured("ulimits"),
    honoured("privileged"),
    honoured("cap_add"),
    honoured("cap_drop"),
    honoured("security_opt"),
    honoured("group_add"),
    honoured("devices"),
    refused("device_cgroup_rules", "not supported; list the devices under `devices`"),
    refused("gpus", "GPUs are not supported; list the devices under `devices`"),
    honoured("pid"),
    honoured("ipc"),
    honoured("uts"),
    honoured("userns_mode"),
    honoured("cgroup_parent"),
    refused("cgroup", "not supported; use `cgroup_parent`"),
    honoured("sysctls"),
    honoured("isolation"),
    refused("runtime", "other runtimes are not supported"),
    refused("platform", "not supported; place it by host labels"),
    refused("credential_spec", "Windows credentials are not supported"),
    honoured("log_driver"),
    honoured("log_opt"),
    honoured("logging"),
    honoured("healthcheck"),
    honoured("deploy"),
    honoured("container_name"),
    honoured("restart"),
    honoured("extends"),
    refused(
        "pull_policy",
        "not supported; use the label `io.rancher.container.pull_image: always`",
    ),
    refused("profiles", "profiles are not supported; name the services on the command line"),
    ignored("annotations", "the container runtime's annotations are not set; use labels"),
    ignored("attach", "logs are asked for, not attached to"),
    ignored("develop", "this is for development on one machine"),
    honoured("secrets"),
    refused("configs", NO_CONFIGS),
    // Rancher's.
    honoured("scale"),
    honoured("start_on_create"),
    honoured("health_check"),
    honoured("metadata"),
    honoured("upgrade_strategy"),
    honoured("retain_ip"),
    honoured("external_ips"),
    honoured("scale_policy"),
    honoured("drain_timeout_ms"),
    honoured("on_host_loss"),
    honoured("lb_config"),
    honoured("load_balancer_config"),
    honoured("default_cert"),
    honoured("certs"),
    ignored("description", "services have none when they come from a file"),
    ignored("service_schemas", "there are no custom screens"),
    refused("network_driver", NO_NETWORK_DRIVERS),
    honoured("storage_driver"),
    refused("type", NO_VM),
    refused("disks", NO_VM),
    refused("vcpu", NO_VM),
    refused("memory", "virtual machines are not supported; a container's limit is `mem_limit`"),
    refused("userdata", NO_VM),
];

/// A declared volume.
pub const VOLUME: &[Key] = &[
    honoured("driver"),
    honoured("driver_opts"),
    honoured("external"),
    honoured("per_container"),
    honoured("name"),
    ignored("labels", "volumes carry no labels of their own"),
];

/// A declared secret.
pub const SECRET: &[Key] = &[
    honoured("external"),
    honoured("name"),
    refused("file", FROM_FILE),
    refused("environment", FROM_FILE),
    ignored("labels", "secrets carry no labels of their own"),
];

/// `external` of a secret, as a map.
pub const SECRET_EXTERNAL: &[Key] = &[honoured("name")];

/// A secret as a service reads it.
pub const SECRET_FILE: &[Key] =
    &[honoured("source"), honoured("target"), honoured("uid"), honoured("gid"), honoured("mode")];

/// Where the base of `extends` is.
pub const EXTENDS: &[Key] = &[honoured("file"), honoured("service")];

/// What must be so of a service that another depends on.
pub const DEPENDS_ON: &[Key] = &[honoured("condition"), honoured("required"), honoured("restart")];

/// Docker's health check.
pub const DOCKER_HEALTH: &[Key] = &[
    honoured("test"),
    honoured("interval"),
    honoured("timeout"),
    honoured("retries"),
    honoured("start_period"),
    honoured("disable"),
    ignored("start_interval", "checks run at `interval` from the start"),
];

/// Rancher's health check.
pub const HEALTH: &[Key] = &[
    honoured("port"),
    honoured("request_line"),
    honoured("interval"),
    honoured("response_timeout"),
    honoured("healthy_threshold"),
    honoured("unhealthy_threshold"),
    honoured("initializing_timeout"),
    honoured("reinitializing_timeout"),
    honoured("strategy"),
    honoured("recreate_on_quorum_strategy_config"),
    ignored("name", "a service has one health check"),
];

/// Its quorum.
pub const QUORUM: &[Key] = &[honoured("quorum")];

/// `logging`.
pub const LOGGING: &[Key] = &[honoured("driver"), honoured("options")];

/// One of `ulimits`.
pub const ULIMIT: &[Key] = &[honoured("soft"), honoured("hard")];

/// `blkio_config`.
pub const BLKIO: &[Key] = &[
    honoured("weight"),
    honoured("weight_device"),
    honoured("device_read_bps"),
    honoured("device_write_bps"),
    honoured("device_read_iops"),
    honoured("device_write_iops"),
];

/// A device in `blkio_config`.
pub const BLKIO_DEVICE: &[Key] = &[honoured("path"), honoured("rate"), honoured("weight")];

/// The long form of a port.
pub const PORT: &[Key] = &[
    honoured("target"),
    honoured("published"),
    honoured("protocol"),
    honoured("host_ip"),
    ignored("mode", "a port is published on every host that runs the service"),
    ignored("name", "ports are known by their number"),
    ignored("app_protocol", "ports carry any protocol"),
];

/// The long form of a mount.
pub const MOUNT: &[Key] = &[
    honoured("type"),
    honoured("source"),
    honoured("target"),
    honoured("read_only"),
    honoured("bind"),
    honoured("volume"),
    ignored("consistency", "it is for Docker on a Mac"),
    refused("tmpfs", "write it under the service's `tmpfs`"),
];

/// `bind` of a mount.
pub const MOUNT_BIND: &[Key] = &[
    honoured("propagation"),
    honoured("selinux"),
    ignored("create_host_path", "a missing host directory is always made"),
];

/// `volume` of a mount.
pub const MOUNT_VOLUME: &[Key] = &[honoured("nocopy")];

/// `upgrade_strategy`.
pub const UPGRADE: &[Key] = &[
    honoured("start_first"),
    honoured("batch_size"),
    honoured("interval_millis"),
    honoured("on_failure"),
    honoured("max_failures"),
    honoured("deadline"),
    honoured("verify"),
    honoured("finish"),
    honoured("rollback"),
];

/// Its `rollback`.
pub const UPGRADE_BACK: &[Key] =
    &[honoured("start_first"), honoured("batch_size"), honoured("interval_millis")];

/// Its `verify`.
pub const VERIFY: &[Key] = &[
    honoured("for"),
    honoured("requests"),
    honoured("request"),
    honoured("command"),
    honoured("failures"),
    honoured("stop"),
];

/// The `requests` of that.
pub const VERIFY_REQUESTS: &[Key] =
    &[honoured("failed"), honoured("server_errors"), honoured("p99_factor"), honoured("at_least")];

/// `scale_policy`.
pub const SCALE_POLICY: &[Key] = &[honoured("min"), honoured("max"), honoured("increment")];

/// `storage_driver`. Its keys are spelled one way and the other in the files that there are.
pub const STORAGE_DRIVER: &[Key] = &[
    honoured("name"),
    honoured("description"),
    honoured("scope"),
    honoured("volume_access_mode"),
    honoured("volumeAccessMode"),
    honoured("block_device_path"),
    honoured("blockDevicePath"),
    honoured("volume_capabilities"),
    honoured("volumeCapabilities"),
];

/// `lb_config`.
pub const LB_CONFIG: &[Key] = &[
    honoured("port_rules"),
    honoured("certs"),
    honoured("default_cert"),
    honoured("config"),
    honoured("stickiness_policy"),
];

const NO_OTHER_ENVIRONMENT: &str = "a balancer reaches the services of its own environment only";

/// One of `port_rules`.
pub const PORT_RULE: &[Key] = &[
    honoured("source_port"),
    honoured("protocol"),
    honoured("hostname"),
    honoured("path"),
    honoured("target_port"),
    honoured("service"),
    honoured("selector"),
    honoured("priority"),
    honoured("backend_name"),
    honoured("weight"),
    refused("container", "a rule names a service; containers without a service are not known here"),
    refused("environment", NO_OTHER_ENVIRONMENT),
    refused("region", NO_OTHER_ENVIRONMENT),
];

/// `stickiness_policy`, and `lb_cookie_stickiness_policy`.
pub const STICKINESS: &[Key] = &[
    honoured("name"),
    honoured("cookie"),
    honoured("domain"),
    honoured("indirect"),
    honoured("nocache"),
    honoured("postonly"),
    honoured("mode"),
];

/// `load_balancer_config`.
pub const LEGACY_LB: &[Key] = &[
    ignored("name", "a balancer has the name of its service"),
    honoured("haproxy_config"),
    honoured("lb_cookie_stickiness_policy"),
    refused(
        "app_cookie_stickiness_policy",
        "stickiness by the application's cookie is not supported",
    ),
];

/// `haproxy_config`.
pub const HAPROXY: &[Key] = &[honoured("global"), honoured("defaults")];

/// `deploy` of version 3.
pub const DEPLOY: &[Key] = &[
    honoured("mode"),
    honoured("replicas"),
    honoured("update_config"),
    honoured("rollback_config"),
    honoured("resources"),
    honoured("placement"),
    ignored("labels", "they are for the service, not for its containers"),
    ignored(
        "restart_policy",
        "services are kept running; see the label io.rancher.container.start_once",
    ),
    ignored("endpoint_mode", "names resolve to the containers' own addresses"),
];

/// `update_config` of `deploy`.
pub const UPDATE: &[Key] = &[
    honoured("parallelism"),
    honoured("delay"),
    honoured("order"),
    honoured("failure_action"),
    honoured("monitor"),
    honoured("max_failure_ratio"),
];

/// `rollback_config` of `deploy`.
pub const ROLLBACK: &[Key] = &[
    honoured("parallelism"),
    honoured("delay"),
    honoured("order"),
    ignored("failure_action", "a rollback that fails tries again, and keeps all that serves"),
    ignored("monitor", "a rollback waits until each container serves"),
    ignored("max_failure_ratio", "a rollback waits until each container serves"),
];

/// `resources` of `deploy`.
pub const RESOURCES: &[Key] = &[honoured("limits"), honoured("reservations")];

/// `limits` and `reservations`.
pub const RESOURCE: &[Key] = &[
    honoured("cpus"),
    honoured("memory"),
    honoured("pids"),
    refused("devices", "devices are not reserved; list them under the service's `devices`"),
    refused("generic_resources", "generic resources are not known"),
];

/// `placement` of `deploy`.
pub const PLACEMENT: &[Key] = &[
    honoured("constraints"),
    ignored("preferences", "units are spread over the hosts by load"),
    refused(
        "max_replicas_per_node",
        "use the label io.rancher.scheduler.affinity:container_label_ne",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_stands_twice() {
        for table in [TOP_LEVEL, SERVICE, VOLUME, HEALTH, PORT_RULE, DEPLOY, MOUNT] {
            let names: std::collections::BTreeSet<_> = table.iter().map(|k| k.name).collect();
            assert_eq!(names.len(), table.len());
        }
    }
}
