//! Mounts of a container, and the volumes a stack declares.

use std::collections::{BTreeMap, BTreeSet};

use super::{Draft, isolation};
use crate::diagnostic::Report;
use crate::field::Field;
use crate::keys;
use crate::stack::VolumeSpec;
use crate::yaml::{Entry, Value};

/// Read one key. `false`: it isn't one of these.
pub(super) fn read(key: &str, field: &Field<'_>, draft: &mut Draft, to: &mut Report) -> bool {
    let spec = &mut draft.spec;
    match key {
        "volumes" => spec.volumes = mounts(field, to).unwrap_or_default(),
        "volume_driver" => spec.volume_driver = field.word(to),
        "tmpfs" => spec.tmpfs = tmpfs(field, to).unwrap_or_default(),
        "volumes_from" => volumes_from(field, draft, to),
        "container_name" => {
            draft.container_name = field.word(to);
            field.note(to, "ignored: containers are named stack-service-number");
        }
        _ => return false,
    }
    true
}

/// The volumes of the top level.
pub(crate) fn declared(entries: &[Entry], to: &mut Report) -> BTreeMap<String, VolumeSpec> {
    let mut all = BTreeMap::new();
    for entry in entries {
        let field = Field::new(crate::field::join("volumes", &entry.key), &entry.value);
        if !is_volume_name(&entry.key) {
            let text = "a volume's name holds letters, digits, `_`, `.` and `-`";
            to.error(&entry.at, &field.path, text);
        }
        let mut volume = VolumeSpec { at: entry.at.clone(), ..VolumeSpec::default() };
        for (key, field) in field.known(keys::VOLUME, to).unwrap_or_default() {
            match key {
                "driver" => volume.driver = field.word(to).unwrap_or_default(),
                "driver_opts" => {
                    volume.driver_options = isolation::settings(&field, to).unwrap_or_default();
                }
                "per_container" => volume.per_container = field.boolean(to).unwrap_or_default(),
                "external" => volume.external = external(&entry.key, &field, to),
                _ => other_name(&entry.key, &field, to),
            }
        }
        if volume.external && volume.per_container {
            let text = "an external volume is one; it can't be `per_container`";
            to.error(&entry.at, &field.path, text);
        }
        all.insert(entry.key.clone(), volume);
    }
    all
}

fn external(own: &str, field: &Field<'_>, to: &mut Report) -> bool {
    let Value::Map(_) = field.node.value else { return field.boolean(to).unwrap_or_default() };
    for (entry, field) in field.entries(to).unwrap_or_default() {
        if entry.key == "name" {
            other_name(own, &field, to);
        } else {
            field.error(to, "unknown key");
        }
    }
    true
}

fn other_name(own: &str, field: &Field<'_>, to: &mut Report) {
    if field.word(to).is_some_and(|name| name != own) {
        field
            .error(to, "a volume is known by its key; another name is not supported")
            .hint("use that name as the key, here and in the mounts");
    }
}

/// Docker's rule.
fn is_volume_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

const MODES: &[&str] = &[
    "ro",
    "rw",
    "z",
    "Z",
    "shared",
    "rshared",
    "private",
    "rprivate",
    "slave",
    "rslave",
    "nocopy",
    "consistent",
    "cached",
    "delegated",
];

fn mounts(field: &Field<'_>, to: &mut Report) -> Option<Vec<String>> {
    let mut all = Vec::new();
    let mut targets = BTreeSet::new();
    for field in field.items(to)? {
        let mount = match &field.node.value {
            Value::Map(_) => long_mount(&field, to),
            _ => field.word(to).map(|text| text.trim().to_owned()),
        };
        let Some(mount) = mount else { continue };
        let Some(target) = target_of(&mount, &field, to) else { continue };
        if targets.insert(target.trim_end_matches('/').to_owned()) {
            all.push(mount);
        } else {
            field.error(to, "mounts a path that is mounted already");
        }
    }
    Some(all)
}

/// The path in the container, after a look at all parts of a mount.
fn target_of<'m>(mount: &'m str, field: &Field<'_>, to: &mut Report) -> Option<&'m str> {
    let parts: Vec<&str> = mount.split(':').collect();
    let (source, target, modes) = match parts[..] {
        [target] => (None, target, ""),
        [source, target] => (Some(source), target, ""),
        [source, target, modes] => (Some(source), target, modes),
        _ => return field.expected("a mount like name:/path, /host:/path:ro or /path", to),
    };
    if !target.starts_with('/') {
        return field.expected("a mount like name:/path, /host:/path:ro or /path", to);
    }
    if let Some(source) = source.filter(|source| !source.starts_with('/')) {
        if source.starts_with(['.', '~']) {
            field
                .error(to, "a relative path has no meaning: the container may run on any host")
                .hint("write an absolute path or the name of a volume");
            return None;
        }
        if !is_volume_name(source) {
            return field.expected("a mount from an absolute path or the name of a volume", to);
        }
    }
    let unknown = modes.split(',').find(|mode| !mode.is_empty() && !MODES.contains(mode));
    if unknown.is_some() {
        field
            .error(to, "the mode of this mount is not known")
            .hint(format!("known are {}", MODES.join(", ")));
        return None;
    }
    Some(target)
}

/// The long form, as the short one.
fn long_mount(field: &Field<'_>, to: &mut Report) -> Option<String> {
    let (mut source, mut target, mut modes) = (None, None, Vec::new());
    for (key, field) in field.known(keys::MOUNT, to)? {
        match key {
            "type" => match field.scalar().map(|s| s.text.as_str()) {
                Some("bind" | "volume") => {}
                Some("tmpfs") => {
                    field.error(to, "not supported here").hint("write it under `tmpfs`");
                    return None;
                }
                _ => return field.expected("bind or volume", to),
            },
            "source" => source = field.word(to),
            "target" => target = field.word(to),
            "read_only" if field.boolean(to) == Some(true) => modes.push("ro".to_owned()),
            "read_only" => {}
            "bind" => {
                for (key, field) in field.known(keys::MOUNT_BIND, to)? {
                    let mode = field.word(to);
                    debug_assert!(matches!(key, "propagation" | "selinux"));
                    modes.extend(mode);
                }
            }
            _ => {
                for (_, field) in field.known(keys::MOUNT_VOLUME, to)? {
                    if field.boolean(to) == Some(true) {
                        modes.push("nocopy".to_owned());
                    }
                }
            }
        }
    }
    let Some(target) = target else {
        field.error(to, "needs a `target`");
        return None;
    };
    let mut mount = source.map_or_else(String::new, |source| source + ":") + &target;
    if !modes.is_empty() {
        mount = format!("{mount}:{}", modes.join(","));
    }
    Some(mount)
}

/// `/path` or `/path:options`.
fn tmpfs(field: &Field<'_>, to: &mut Report) -> Option<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for field in field.one_or_more(to)? {
        let Some(text) = field.word(to) else { continue };
        let (path, options) = text.split_once(':').unwrap_or((&text, ""));
        if path.starts_with('/') {
            all.insert(path.to_owned(), options.to_owned());
        } else {
            field.wrong("/path or /path:options", to);
        }
    }
    Some(all)
}

/// `service`, `service:ro` or `container:name`; which member of the unit that is, is found out later.
fn volumes_from(field: &Field<'_>, draft: &mut Draft, to: &mut Report) {
    for field in field.items(to).unwrap_or_default() {
        let Some(text) = field.word(to) else { continue };
        let text = text.trim();
        let name = text.strip_prefix("container:").unwrap_or(text);
        let name = match name.rsplit_once(':') {
            None | Some((_, "rw")) => name.trim_end_matches(":rw"),
            Some((name, "ro")) => {
                field.warn(to, "mounted as the other container has it: `:ro` has no effect");
                name
            }
            Some(_) => {
                field.wrong("the name of a service", to);
                continue;
            }
        };
        draft.volumes_from.push(field.as_named(name));
    }
}
