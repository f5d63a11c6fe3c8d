//! Mounts. A name that the stack declares becomes the Docker volume made for it; everything else is passed on as it
//! is written. Secrets are a folder of the agent's.

use bollard::models::HostConfig;
use drover_core::{AssignedUnit, ContainerSpec, SECRETS_FOLDER};

use super::{BadSpec, Making, some_flag, some_list, some_text};
use crate::reconcile::named;

/// Fill in the mounts; returns the paths that get a volume without a name.
pub(super) fn fill(making: &Making<'_>, host: &mut HostConfig) -> Result<Vec<String>, BadSpec> {
    let spec = making.spec;
    let (mut binds, mut anonymous) = (Vec::new(), Vec::new());
    for mount in &spec.volumes {
        match mount.split_once(':') {
            None => anonymous.push(mount.clone()),
            Some((source, rest)) => {
                let source = making.unit.volumes.get(source).map_or(source, |v| v.name.as_str());
                binds.push(format!("{source}:{rest}"));
            }
        }
    }
    if let Some(folder) = making.secrets_folder {
        binds.push(format!("{}:{SECRETS_FOLDER}:ro", folder.display()));
    }
    host.binds = some_list(&binds);
    host.volume_driver = some_text(spec.volume_driver.as_ref());
    host.volumes_from = some_list(&volumes_from(making)?);
    host.tmpfs = (!spec.tmpfs.is_empty())
        .then(|| spec.tmpfs.iter().map(|(k, v)| (k.clone(), v.clone())).collect());
    host.readonly_rootfs = some_flag(spec.read_only);
    Ok(anonymous)
}

/// Docker's names of the volumes with a name that a member mounts, those that stay left out.
pub fn named_volumes(unit: &AssignedUnit, spec: &ContainerSpec) -> Vec<String> {
    let sources = spec.volumes.iter().filter_map(|mount| Some(mount.split_once(':')?.0));
    let named = sources.filter(|source| !source.starts_with(['/', '.', '~']));
    named
        .filter_map(|source| match unit.volumes.get(source) {
            Some(volume) if volume.external || volume.kept => None,
            Some(volume) => Some(volume.name.clone()),
            None => Some(source.to_owned()),
        })
        .collect()
}

fn volumes_from(making: &Making<'_>) -> Result<Vec<String>, BadSpec> {
    let from = making.spec.volumes_from.iter().map(|written| {
        let provider = named(making.unit, &making.template.template, written);
        let container = provider.and_then(|p| making.siblings.get(p));
        let mode = if written.ends_with(":ro") { ":ro" } else { "" };
        container.map(|c| format!("{c}{mode}")).ok_or_else(|| BadSpec::NoSuchMember {
            what: "it mounts the volumes",
            name: written.clone(),
        })
    });
    from.collect()
}
