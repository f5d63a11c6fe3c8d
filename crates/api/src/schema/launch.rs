//! The types that containers and balancers are described in: what may stand in them. How they are read and written is in
//! [`crate::launch_config`] and [`crate::lb_config`].

use super::inputs::part;
use super::{Field, Schema};

/// What a container is made from, beside its image.
pub(crate) const LAUNCH_CONFIG: &[Field] = &[
    Field::cr("kind", "enum").default("\"container\"").options(&["container"]),
    Field::cr("command", "array[string]"),
    Field::cr("entryPoint", "array[string]"),
    Field::cr("environment", "map[string]"),
    Field::cr("labels", "map[string]"),
    Field::cr("workingDir", "string"),
    Field::cr("user", "string"),
    Field::cr("tty", "boolean"),
    Field::cr("stdinOpen", "boolean"),
    Field::cr("runInit", "boolean"),
    Field::cr("stopSignal", "string"),
    Field::cr("stopTimeout", "int").range(0, u32::MAX as i64),
    Field::cr("drainTimeoutMs", "int").min(0),
    Field::cr("onHostLoss", "string").about(
        "when its host is given up: move, wait, fence, or how long to wait before it is moved",
    ),
    Field::cr("requestedHostId", "reference[host]"),
    Field::cr("logConfig", "logConfig"),
    Field::cr("restartPolicy", "restartPolicy"),
    Field::cr("healthCheck", "instanceHealthCheck"),
    Field::cr("healthCmd", "array[string]"),
    Field::cr("healthInterval", "int").min(0).about("seconds"),
    Field::cr("healthIntervalMs", "int").min(0).about("counts where healthInterval stands too"),
    Field::cr("healthTimeout", "int").min(0).about("seconds"),
    Field::cr("healthTimeoutMs", "int").min(0).about("counts where healthTimeout stands too"),
    Field::cr("healthStartPeriod", "int").min(0).about("seconds"),
    Field::cr("healthStartPeriodMs", "int")
        .min(0)
        .about("counts where healthStartPeriod stands too"),
    Field::cr("healthRetries", "int").range(0, u32::MAX as i64),
    Field::cr("networkMode", "string")
        .default("\"managed\"")
        .about("managed, host, bridge, none, or container with networkLaunchConfig"),
    Field::cr("ports", "array[string]"),
    Field::cr("expose", "array[string]"),
    Field::cr("hostname", "string"),
    Field::cr("domainName", "string"),
    Field::cr("dns", "array[string]"),
    Field::cr("dnsSearch", "array[string]"),
    Field::cr("dnsOpt", "array[string]"),
    Field::cr("extraHosts", "array[string]"),
    Field::cr("macAddress", "string"),
    Field::cr("dataVolumes", "array[string]"),
    Field::cr("dataVolumeMounts", "map[reference[volume]]"),
    Field::cr("volumeDriver", "string"),
    Field::cr("tmpfs", "map[string]"),
    Field::cr("readOnly", "boolean"),
    Field::cr("secrets", "array[secretReference]"),
    Field::cr("memory", "int"),
    Field::cr("memorySwap", "int"),
    Field::cr("memoryReservation", "int"),
    Field::cr("memorySwappiness", "int"),
    Field::cr("milliCpuReservation", "int"),
    Field::cr("cpuShares", "int"),
    Field::cr("cpuQuota", "int"),
    Field::cr("cpuPeriod", "int"),
    Field::cr("cpuSet", "string"),
    Field::cr("cpuSetMems", "string"),
    Field::cr("blkioWeight", "int").range(0, u16::MAX as i64),
    Field::cr("blkioDeviceOptions", "map[blkioDeviceOption]"),
    Field::cr("shmSize", "int"),
    Field::cr("pidsLimit", "int"),
    Field::cr("oomKillDisable", "boolean"),
    Field::cr("oomScoreAdj", "int").range(-1000, 1000),
    Field::cr("ulimits", "array[ulimit]"),
    Field::cr("privileged", "boolean"),
    Field::cr("capAdd", "array[string]"),
    Field::cr("capDrop", "array[string]"),
    Field::cr("securityOpt", "array[string]"),
    Field::cr("groupAdd", "array[string]"),
    Field::cr("devices", "array[string]"),
    Field::cr("pidMode", "string"),
    Field::cr("ipcMode", "string"),
    Field::cr("uts", "string"),
    Field::cr("usernsMode", "string"),
    Field::cr("cgroupParent", "string"),
    Field::cr("sysctls", "map[string]"),
    Field::cr("isolation", "string"),
];

/// The image, which nothing runs without.
pub(crate) const IMAGE: &[Field] = &[Field::cr("imageUuid", "string").required().min_length(1)];

/// The image of a balancer, which runs without.
const BALANCER_IMAGE: &[Field] =
    &[Field::cr("imageUuid", "string").about("Drover's own balancer runs, whatever it says")];

const SHARED: &[Field] = &[
    Field::cr("networkLaunchConfig", "string"),
    Field::cr("dataVolumesFromLaunchConfigs", "array[string]"),
    Field::r("version", "string"),
    Field::gone("build", "hosts do not build images: build it, push it, and name it in imageUuid"),
    Field::gone(
        "dataVolumesFrom",
        "name members of the same service in dataVolumesFromLaunchConfigs",
    ),
    Field::gone("networkContainerId", "name a member of the same service in networkLaunchConfig"),
    Field::gone("networkIds", "each project has one network: use networkMode"),
    Field::gone(
        "requestedIpAddress",
        "addresses are given by the host's subnet; reach services by name",
    ),
    Field::gone("instanceLinks", "link services instead"),
    Field::gone("netAlias", "containers are reached by service and stack name; link with an alias"),
    Field::gone("publishAllPorts", "list the ports to publish in ports"),
    Field::gone("kernelMemory", "Docker dropped this limit: use memory"),
    Field::gone("cpuRealtimePeriod", "real-time scheduling is not supported"),
    Field::gone("cpuRealtimeRuntime", "real-time scheduling is not supported"),
    Field::gone("cpuCount", "it is for Windows hosts: use cpuQuota or cpuSet"),
    Field::gone("cpuPercent", "it is for Windows hosts: use cpuQuota or cpuShares"),
    Field::gone("ioMaximumIOps", "it is for Windows hosts: use blkioDeviceOptions"),
    Field::gone("ioMaximumBandwidth", "it is for Windows hosts: use blkioDeviceOptions"),
    Field::gone("diskQuota", "Docker has no such limit on most storage drivers"),
    Field::gone("storageOpt", "storage options depend on the host's storage driver"),
    Field::gone("lxcConf", "Docker dropped LXC"),
    Field::gone("disks", "virtual machines are not supported"),
    Field::gone("vcpu", "virtual machines are not supported"),
    Field::gone("memoryMb", "virtual machines are not supported; containers use memory, in bytes"),
    Field::gone("userdata", "virtual machines are not supported"),
    Field::gone("hypervisor", "virtual machines are not supported"),
];

/// All of them.
pub(crate) static ALL: &[Schema] = &[
    part("launchConfig", &[IMAGE, LAUNCH_CONFIG, SHARED]),
    part("loadBalancerLaunchConfig", &[BALANCER_IMAGE, LAUNCH_CONFIG, SHARED]),
    part(
        "secondaryLaunchConfig",
        &[IMAGE, LAUNCH_CONFIG, SHARED, &[Field::label().not_updated().required()]],
    ),
    part(
        "instanceHealthCheck",
        &[&[
            Field::cr("port", "int").required().range(1, 65535),
            Field::cr("requestLine", "string"),
            Field::cr("interval", "int").min(0),
            Field::cr("responseTimeout", "int").min(0),
            Field::cr("healthyThreshold", "int").range(0, u32::MAX as i64),
            Field::cr("unhealthyThreshold", "int").range(0, u32::MAX as i64),
            Field::cr("initializingTimeout", "int").min(0),
            Field::cr("reinitializingTimeout", "int").min(0),
            Field::cr("strategy", "enum").default("\"recreate\"").options(&[
                "none",
                "recreate",
                "recreateOnQuorum",
            ]),
            Field::cr("recreateOnQuorumStrategyConfig", "recreateOnQuorumStrategyConfig"),
        ]],
    ),
    part(
        "recreateOnQuorumStrategyConfig",
        &[&[Field::cr("quorum", "int").default("1").range(0, u32::MAX as i64)]],
    ),
    part("logConfig", &[&[Field::cr("driver", "string"), Field::cr("config", "map[string]")]]),
    part(
        "secretReference",
        &[&[
            Field::cr("secretId", "reference[secret]"),
            Field::cr("secretName", "string").about("instead of the id; counts where both stand"),
            Field::cr("name", "string")
                .about("the file in /run/secrets; the secret's name if absent"),
            Field::cr("uid", "string").default("\"0\""),
            Field::cr("gid", "string").default("\"0\""),
            Field::cr("mode", "string").default("\"0444\"").about("octal"),
        ]],
    ),
    part("restartPolicy", &[&[Field::cr("name", "string"), Field::cr("maximumRetryCount", "int")]]),
    part(
        "ulimit",
        &[&[
            Field::cr("name", "string").required().min_length(1),
            Field::cr("soft", "int"),
            Field::cr("hard", "int"),
        ]],
    ),
    part(
        "blkioDeviceOption",
        &[&[
            Field::cr("weight", "int").range(0, u16::MAX as i64),
            Field::cr("readBps", "int"),
            Field::cr("writeBps", "int"),
            Field::cr("readIops", "int"),
            Field::cr("writeIops", "int"),
        ]],
    ),
    part(
        "lbConfig",
        &[&[
            Field::cru("portRules", "array[portRule]"),
            Field::cru("certificateIds", "array[reference[certificate]]"),
            Field::cru("defaultCertificateId", "reference[certificate]"),
            Field::r("certificateNames", "array[string]"),
            Field::r("defaultCertificateName", "string"),
            Field::cru("config", "string"),
            Field::cru("stickinessPolicy", "loadBalancerCookieStickinessPolicy"),
        ]],
    ),
    part("lbTargetConfig", &[&[Field::cru("portRules", "array[targetPortRule]")]]),
    part("portRule", &[PORT_RULE, TARGET_RULE]),
    part("targetPortRule", &[TARGET_RULE]),
    part(
        "loadBalancerCookieStickinessPolicy",
        &[&[
            Field::cru("name", "string"),
            Field::cru("cookie", "string"),
            Field::cru("domain", "string"),
            Field::cru("indirect", "boolean"),
            Field::cru("nocache", "boolean"),
            Field::cru("postonly", "boolean"),
            Field::cru("mode", "enum").options(&["rewrite", "insert", "prefix"]),
        ]],
    ),
    part(
        "containerExec",
        &[&[
            Field::cr("command", "array[string]").required().min_length(1),
            Field::cr("attachStdin", "boolean").default("true"),
            Field::cr("attachStdout", "boolean").default("true"),
            Field::cr("tty", "boolean").default("true"),
        ]],
    ),
    part(
        "containerLogs",
        &[&[
            Field::cr("follow", "boolean").default("true"),
            Field::cr("lines", "int").default("100"),
            Field::cr("timestamps", "boolean").default("true"),
            Field::cr("since", "string")
                .about("seconds since 1970, a date, or how long before now: `1h30m`"),
        ]],
    ),
    part("hostAccess", &[&[Field::r("url", "string"), Field::r("token", "string")]]),
    part("statsAccess", &[&[Field::r("url", "string"), Field::r("token", "string")]]),
    part(
        "instanceStop",
        &[&[
            Field::cr("remove", "boolean").default("false"),
            Field::cr("timeout", "int").count(0).about("seconds"),
        ]],
    ),
    part("instanceRestart", &[&[Field::cr("timeout", "int").count(0).about("seconds")]]),
];

const PORT_RULE: &[Field] = &[
    Field::cru("sourcePort", "int").required().range(1, 65535),
    Field::cru("protocol", "enum")
        .default("\"http\"")
        .options(&["http", "https", "tcp", "tls", "sni", "udp"]),
    Field::cru("priority", "int").count(1),
    Field::cru("serviceId", "reference[service]"),
    Field::cru("selector", "string"),
    Field::cru("weight", "int").range(0, 256),
    Field::gone("environment", "a balancer reaches services of its own project only"),
    Field::gone("region", "a balancer reaches services of its own project only"),
];

const TARGET_RULE: &[Field] = &[
    Field::cru("hostname", "string"),
    Field::cru("path", "string"),
    Field::cru("targetPort", "int").range(1, 65535),
    Field::cru("backendName", "string"),
];
