//! What separates a container from its host: privileges, namespaces, devices, kernel settings, logs.

use std::collections::BTreeMap;

use drover_core::ContainerSpec;

use crate::diagnostic::Report;
use crate::field::Field;
use crate::keys;

/// Read one key. `false`: it isn't one of these.
pub(super) fn read(
    key: &str,
    field: &Field<'_>,
    spec: &mut ContainerSpec,
    to: &mut Report,
) -> bool {
    match key {
        "privileged" => spec.privileged = field.boolean(to).unwrap_or_default(),
        "read_only" => spec.read_only = field.boolean(to).unwrap_or_default(),
        "cap_add" => spec.cap_add = field.distinct(to).unwrap_or_default(),
        "cap_drop" => spec.cap_drop = field.distinct(to).unwrap_or_default(),
        "security_opt" => spec.security_opt = field.distinct(to).unwrap_or_default(),
        "group_add" => spec.group_add = field.distinct(to).unwrap_or_default(),
        "devices" => spec.devices = field.distinct(to).unwrap_or_default(),
        "pid" => spec.pid_mode = field.word(to),
        "ipc" => spec.ipc_mode = field.word(to),
        "uts" => spec.uts_mode = field.word(to),
        "userns_mode" => spec.userns_mode = field.word(to),
        "cgroup_parent" => spec.cgroup_parent = field.word(to),
        "isolation" => spec.isolation = field.word(to),
        "sysctls" => spec.sysctls = settings(field, to).unwrap_or_default(),
        "log_driver" => spec.log_driver = field.word(to),
        "log_opt" => spec.log_options = settings(field, to).unwrap_or_default(),
        "logging" => {
            for (key, field) in field.known(keys::LOGGING, to).unwrap_or_default() {
                match key {
                    "driver" => spec.log_driver = field.word(to),
                    _ => spec.log_options = settings(&field, to).unwrap_or_default(),
                }
            }
        }
        _ => return false,
    }
    true
}

/// A map of texts.
pub(super) fn settings(field: &Field<'_>, to: &mut Report) -> Option<BTreeMap<String, String>> {
    let pairs = field.pairs(to)?.into_iter();
    Some(pairs.map(|p| (p.key, p.value.map(|v| v.text).unwrap_or_default())).collect())
}
