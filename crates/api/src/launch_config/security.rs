//! Privileges, devices and namespaces.

use drover_core::ContainerSpec;
use serde_json::{Map, Value};

use super::{put, put_flag, put_list, put_map};
use crate::ApiError;
use crate::body::Body;

pub(super) fn read(from: &Body<'_>, spec: &mut ContainerSpec) -> Result<(), ApiError> {
    spec.privileged = from.flag("privileged")?.unwrap_or(false);
    spec.cap_add = from.words("capAdd")?;
    spec.cap_drop = from.words("capDrop")?;
    spec.security_opt = from.words("securityOpt")?;
    spec.group_add = from.words("groupAdd")?;
    spec.devices = from.words("devices")?;
    spec.pid_mode = from.word("pidMode")?;
    spec.ipc_mode = from.word("ipcMode")?;
    spec.uts_mode = from.word("uts")?;
    spec.userns_mode = from.word("usernsMode")?;
    spec.cgroup_parent = from.word("cgroupParent")?;
    spec.sysctls = from.map("sysctls")?.unwrap_or_default();
    spec.isolation = from.word("isolation")?;
    Ok(())
}

pub(super) fn write(spec: &ContainerSpec, out: &mut Map<String, Value>) {
    put_flag(out, "privileged", spec.privileged);
    put_list(out, "capAdd", &spec.cap_add);
    put_list(out, "capDrop", &spec.cap_drop);
    put_list(out, "securityOpt", &spec.security_opt);
    put_list(out, "groupAdd", &spec.group_add);
    put_list(out, "devices", &spec.devices);
    put(out, "pidMode", spec.pid_mode.as_deref());
    put(out, "ipcMode", spec.ipc_mode.as_deref());
    put(out, "uts", spec.uts_mode.as_deref());
    put(out, "usernsMode", spec.userns_mode.as_deref());
    put(out, "cgroupParent", spec.cgroup_parent.as_deref());
    put_map(out, "sysctls", &spec.sysctls);
    put(out, "isolation", spec.isolation.as_deref());
}
