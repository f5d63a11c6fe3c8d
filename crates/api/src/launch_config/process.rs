//! The image and its process, labels, and where it must run.

use drover_core::{BadOnHostLoss, ContainerSpec, HostId};
use serde_json::{Map, Value};

use super::{put, put_flag, put_list, put_map};
use crate::body::Body;
use crate::{ApiError, Code, Kind};

const DOCKER: &str = "docker:";

pub(super) fn read(from: &Body<'_>, spec: &mut ContainerSpec) -> Result<(), ApiError> {
    let image = from.required("imageUuid")?;
    image.strip_prefix(DOCKER).unwrap_or(&image).clone_into(&mut spec.image);
    if spec.image.is_empty() {
        return Err(from.lacks("imageUuid"));
    }
    spec.command = from.words("command")?;
    spec.entrypoint = from.words("entryPoint")?;
    spec.environment = from.map("environment")?.unwrap_or_default();
    spec.labels = from.map("labels")?.unwrap_or_default();
    spec.working_dir = from.word("workingDir")?;
    spec.user = from.word("user")?;
    spec.tty = from.flag("tty")?.unwrap_or(false);
    spec.stdin_open = from.flag("stdinOpen")?.unwrap_or(false);
    spec.init = from.flag("runInit")?.unwrap_or(false);
    spec.stop_signal = from.word("stopSignal")?;
    spec.stop_grace_s = from.number("stopTimeout")?;
    spec.drain_timeout_ms = from.number("drainTimeoutMs")?;
    spec.on_host_loss = match from.word("onHostLoss")? {
        None => None,
        Some(text) => Some(text.parse().map_err(|why: BadOnHostLoss| {
            from.refuse(Code::InvalidOption, "onHostLoss", &why.to_string())
        })?),
    };
    if let Some(log) = from.inner("logConfig")? {
        spec.log_driver = log.word("driver")?;
        spec.log_options = log.map("config")?.unwrap_or_default();
    }
    spec.requested_host = match from.word("requestedHostId")? {
        None => None,
        Some(id) => Some(Kind::Host.parse(&id).map(HostId).ok_or_else(|| {
            let why = format!("`{id}` is not a host id, like 1h5");
            from.refuse(Code::InvalidReference, "requestedHostId", &why)
        })?),
    };
    Ok(())
}

pub(super) fn write(spec: &ContainerSpec, out: &mut Map<String, Value>) {
    put(out, "imageUuid", Some(format!("{DOCKER}{}", spec.image)));
    put_list(out, "command", &spec.command);
    put_list(out, "entryPoint", &spec.entrypoint);
    put_map(out, "environment", &spec.environment);
    // Always there: scripts look labels up without asking whether there are any.
    out.insert("labels".to_owned(), Value::Object(Map::new()));
    put_map(out, "labels", &spec.labels);
    put(out, "workingDir", spec.working_dir.as_deref());
    put(out, "user", spec.user.as_deref());
    put_flag(out, "tty", spec.tty);
    put_flag(out, "stdinOpen", spec.stdin_open);
    put_flag(out, "runInit", spec.init);
    put(out, "stopSignal", spec.stop_signal.as_deref());
    put(out, "stopTimeout", spec.stop_grace_s);
    put(out, "drainTimeoutMs", spec.drain_timeout_ms);
    put(out, "onHostLoss", spec.on_host_loss.map(|what| what.to_string()));
    if spec.log_driver.is_some() || !spec.log_options.is_empty() {
        let mut log = Map::new();
        log.insert("type".to_owned(), "logConfig".into());
        put(&mut log, "driver", spec.log_driver.as_deref());
        put_map(&mut log, "config", &spec.log_options);
        put(out, "logConfig", Some(log));
    }
    put(out, "requestedHostId", spec.requested_host.map(|host| Kind::Host.id(host.0)));
}
