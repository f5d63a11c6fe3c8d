//! Body<'_> that Rancher knew and Drover can't honour, each with what to do instead.
//!
//! They are refused when they say something: a container without the limit or secret it was asked to have is
//! worse than none. Defaults that clients send along (null, false, 0, empty) pass.

use crate::body::Body;
use crate::{ApiError, Code};

const REFUSED: [(&str, &str); 24] = [
    ("build", "hosts do not build images: build it, push it, and name it in imageUuid"),
    ("dataVolumesFrom", "name members of the same service in dataVolumesFromLaunchConfigs"),
    // Ids of volumes are the server's to know: it has put names in their place by now.
    ("dataVolumeMounts", "mount volumes by name in dataVolumes"),
    ("networkContainerId", "name a member of the same service in networkLaunchConfig"),
    ("networkIds", "each project has one network: use networkMode"),
    ("requestedIpAddress", "addresses are given by the host's subnet; reach services by name"),
    ("instanceLinks", "link services instead"),
    ("netAlias", "containers are reached by service and stack name; link with an alias"),
    ("publishAllPorts", "list the ports to publish in ports"),
    ("kernelMemory", "Docker dropped this limit: use memory"),
    ("cpuRealtimePeriod", "real-time scheduling is not supported"),
    ("cpuRealtimeRuntime", "real-time scheduling is not supported"),
    ("cpuCount", "it is for Windows hosts: use cpuQuota or cpuSet"),
    ("cpuPercent", "it is for Windows hosts: use cpuQuota or cpuShares"),
    ("ioMaximumIOps", "it is for Windows hosts: use blkioDeviceOptions"),
    ("ioMaximumBandwidth", "it is for Windows hosts: use blkioDeviceOptions"),
    ("diskQuota", "Docker has no such limit on most storage drivers"),
    ("storageOpt", "storage options depend on the host's storage driver"),
    ("lxcConf", "Docker dropped LXC"),
    ("disks", "virtual machines are not supported"),
    ("vcpu", "virtual machines are not supported"),
    ("memoryMb", "virtual machines are not supported; containers use memory, in bytes"),
    ("userdata", "virtual machines are not supported"),
    ("hypervisor", "virtual machines are not supported"),
];

pub(super) fn refuse(from: &Body<'_>) -> Result<(), ApiError> {
    if let Some(kind) = from.word("kind")?.filter(|kind| kind == "virtualMachine") {
        let detail = format!("`{kind}`: only containers are supported");
        return Err(from.refuse(Code::InvalidOption, "kind", &detail));
    }
    match REFUSED.iter().find(|(field, _)| from.says_something(field)) {
        None => Ok(()),
        Some((field, instead)) => Err(from.refuse(Code::InvalidOption, field, instead)),
    }
}
