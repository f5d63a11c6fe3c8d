//! Mounts and the root file system.

use drover_core::ContainerSpec;
use serde_json::{Map, Value};

use super::{put, put_flag, put_list, put_map};
use crate::ApiError;
use crate::body::Body;

pub(super) fn read(from: &Body<'_>, spec: &mut ContainerSpec) -> Result<(), ApiError> {
    spec.volumes = from.words("dataVolumes")?;
    spec.volume_driver = from.word("volumeDriver")?;
    spec.volumes_from = from.words("dataVolumesFromLaunchConfigs")?;
    spec.tmpfs = from.map("tmpfs")?.unwrap_or_default();
    spec.read_only = from.flag("readOnly")?.unwrap_or(false);
    Ok(())
}

pub(super) fn write(spec: &ContainerSpec, out: &mut Map<String, Value>) {
    put_list(out, "dataVolumes", &spec.volumes);
    put(out, "volumeDriver", spec.volume_driver.as_deref());
    put_list(out, "dataVolumesFromLaunchConfigs", &spec.volumes_from);
    put_map(out, "tmpfs", &spec.tmpfs);
    put_flag(out, "readOnly", spec.read_only);
}
