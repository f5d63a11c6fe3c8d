//! The types that containers and balancers are described in. As documents only: what is read and written is in
//! [`crate::launch_config`] and [`crate::lb_config`].

use super::inputs::part;
use super::{Field, Schema};

/// What a container is made from.
pub(crate) const LAUNCH_CONFIG: &[Field] = &[
    Field::cr("imageUuid", "string").required(),
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
    Field::cr("stopTimeout", "int"),
    Field::cr("drainTimeoutMs", "int"),
    Field::cr("requestedHostId", "reference[host]"),
    Field::cr("logConfig", "logConfig"),
    Field::cr("restartPolicy", "restartPolicy"),
    Field::cr("healthCheck", "instanceHealthCheck"),
    Field::cr("healthCmd", "array[string]"),
    Field::cr("healthInterval", "int"),
    Field::cr("healthTimeout", "int"),
    Field::cr("healthRetries", "int"),
    Field::cr("networkMode", "enum").default("\"managed\"").options(&[
        "managed",
        "host",
        "bridge",
        "none",
        "container",
    ]),
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
    Field::cr("blkioWeight", "int"),
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

const SHARED: &[Field] = &[
    Field::cr("networkLaunchConfig", "string"),
    Field::cr("dataVolumesFromLaunchConfigs", "array[string]"),
    Field::r("version", "string"),
];

/// All of them.
pub(crate) static ALL: &[Schema] = &[
    part("launchConfig", &[LAUNCH_CONFIG, SHARED]),
    part(
        "secondaryLaunchConfig",
        &[LAUNCH_CONFIG, SHARED, &[Field::cr("name", "string").required()]],
    ),
    part(
        "instanceHealthCheck",
        &[&[
            Field::cr("port", "int").required().range(1, 65535),
            Field::cr("requestLine", "string"),
            Field::cr("interval", "int").min(0),
            Field::cr("responseTimeout", "int").min(0),
            Field::cr("healthyThreshold", "int").min(0),
            Field::cr("unhealthyThreshold", "int").min(0),
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
    part("recreateOnQuorumStrategyConfig", &[&[Field::cr("quorum", "int").default("1").min(0)]]),
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
            Field::cr("name", "string").required(),
            Field::cr("soft", "int"),
            Field::cr("hard", "int"),
        ]],
    ),
    part(
        "blkioDeviceOption",
        &[&[
            Field::cr("weight", "int"),
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
            Field::cr("command", "array[string]").required(),
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
        ]],
    ),
    part("hostAccess", &[&[Field::r("url", "string"), Field::r("token", "string")]]),
    part("statsAccess", &[&[Field::r("url", "string"), Field::r("token", "string")]]),
    part(
        "instanceStop",
        &[&[Field::cr("remove", "boolean").default("false"), Field::cr("timeout", "int").min(0)]],
    ),
];

const PORT_RULE: &[Field] = &[
    Field::cru("sourcePort", "int").required().range(1, 65535),
    Field::cru("protocol", "enum")
        .default("\"http\"")
        .options(&["http", "https", "tcp", "tls", "sni"]),
    Field::cru("priority", "int").min(1),
    Field::cru("serviceId", "reference[service]"),
    Field::cru("selector", "string"),
    Field::cru("weight", "int").range(0, 256),
];

const TARGET_RULE: &[Field] = &[
    Field::cru("hostname", "string"),
    Field::cru("path", "string"),
    Field::cru("targetPort", "int").range(1, 65535),
    Field::cru("backendName", "string"),
];
