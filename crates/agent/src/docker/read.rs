//! Reading what Docker tells of a container. Only containers with this cluster's label are read at all.

use std::collections::HashMap;

use bollard::errors::Error;
use bollard::models::{
    ContainerInspectResponse, ContainerState as DockerState, ContainerStateStatusEnum,
    ContainerSummary, ContainerSummaryStateEnum, HealthStatusEnum, NetworkSettings,
};
use bollard::query_parameters::{InspectContainerOptions, ListContainersOptionsBuilder};
use drover_core::{Health, Time, UnitKey, label};
use futures_util::{StreamExt, TryStreamExt, stream};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{ANSWER, Engine, in_time, system};
use crate::clock;
use crate::network::NETWORK;
use crate::reference::Reference;
use crate::system::SeenSystem;
use crate::view::{ContainerState, SeenContainer, VolumeCleanup};

/// Label of users that says which volumes go with a container.
const CLEANUP: &str = "io.rancher.container.volume_cleanup_strategy";
/// Docker's grace for a container that has none of its own, s.
const DEFAULT_GRACE_S: u32 = 10;
/// Containers looked at at a time.
const LOOKS: usize = 8;

/// What a look at a container found.
#[derive(Clone, Debug)]
pub struct Looked {
    /// Docker's id.
    pub id: String,
    /// When Docker was asked, ns since the epoch: an event from before is old news.
    pub asked_ns: u64,
    /// The container and its unit; `None` if there is no such container of ours.
    pub found: Option<(UnitKey, SeenContainer)>,
    /// It is of a process of Drover's own instead.
    pub system: Option<SeenSystem>,
}

/// As much of a container as Docker's list tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Brief {
    /// Docker's id.
    pub(crate) id: String,
    state: ContainerState,
    health: Health,
}

impl Brief {
    /// The same of a process of Drover's own.
    pub(crate) fn of_system(seen: &SeenSystem) -> Self {
        Self { id: seen.id.clone(), state: seen.state, health: Health::None }
    }

    /// What the list would tell of a container that was looked at.
    pub(crate) fn of(seen: &SeenContainer) -> Self {
        // The list tells nothing of the health of what doesn't run.
        let health = if seen.is_up() { seen.health } else { Health::None };
        Self { id: seen.id.clone(), state: seen.state, health }
    }
}

/// Every container of ours, at a glance.
pub(crate) async fn briefs(engine: &Engine) -> Result<Vec<Brief>, Error> {
    Ok(summaries(engine).await?.into_iter().filter_map(brief).collect())
}

/// Every container of ours, looked at.
pub(crate) async fn list(engine: &Engine) -> Result<Vec<Looked>, Error> {
    let ids = summaries(engine).await?.into_iter().filter_map(|summary| summary.id);
    stream::iter(ids.map(|id| async move { look(engine, id).await }))
        .buffer_unordered(LOOKS)
        .try_collect()
        .await
}

async fn summaries(engine: &Engine) -> Result<Vec<ContainerSummary>, Error> {
    let ours = format!("{}={}", label::CLUSTER, engine.cluster);
    let filters = HashMap::from([("label", vec![ours])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    in_time(ANSWER, engine.client().list_containers(Some(options))).await
}

/// Look at one container.
pub(crate) async fn look(engine: &Engine, id: String) -> Result<Looked, Error> {
    let asked_ns = clock::now_ns();
    let asked = engine.client().inspect_container(&id, None::<InspectContainerOptions>);
    match in_time(ANSWER, asked).await {
        Ok(told) => {
            let found = match read(engine, &told) {
                Some((unit, mut seen)) => {
                    seen.digest = digest(engine, &told).await;
                    Some((unit, seen))
                }
                None => None,
            };
            let system = system::read(engine, &told);
            let id = told.id.unwrap_or(id);
            Ok(Looked { id, asked_ns, found, system })
        }
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => {
            Ok(Looked { id, asked_ns, found: None, system: None })
        }
        Err(error) => Err(error),
    }
}

fn brief(summary: ContainerSummary) -> Option<Brief> {
    let state = match summary.state? {
        ContainerSummaryStateEnum::RUNNING | ContainerSummaryStateEnum::STOPPING => {
            ContainerState::Running
        }
        ContainerSummaryStateEnum::PAUSED => ContainerState::Paused,
        ContainerSummaryStateEnum::EXITED | ContainerSummaryStateEnum::RESTARTING => {
            ContainerState::Exited
        }
        ContainerSummaryStateEnum::REMOVING => ContainerState::Removing,
        ContainerSummaryStateEnum::DEAD => ContainerState::Dead,
        ContainerSummaryStateEnum::CREATED | ContainerSummaryStateEnum::EMPTY => {
            ContainerState::Created
        }
    };
    // "Up 5 minutes (healthy)"
    let status = summary.status.unwrap_or_default();
    let health = match status.rsplit_once('(').map(|(_, word)| word.trim_end_matches(')')) {
        Some("healthy") => Health::Healthy,
        Some("unhealthy") => Health::Unhealthy,
        Some("health: starting") => Health::Starting,
        Some(_) | None => Health::None,
    };
    Some(Brief { id: summary.id?, state, health })
}

fn read(engine: &Engine, told: &ContainerInspectResponse) -> Option<(UnitKey, SeenContainer)> {
    let config = told.config.as_ref()?;
    let labels = config.labels.as_ref()?;
    if labels.get(label::CLUSTER) != Some(&engine.cluster) {
        return None;
    }
    let unit = labels.get(label::UNIT)?.parse().ok()?;
    let state = told.state.as_ref()?;
    let grace = config.stop_timeout.and_then(|s| u32::try_from(s).ok());
    let seen = SeenContainer {
        id: told.id.clone()?,
        member: labels.get(label::MEMBER).cloned().unwrap_or_default(),
        state: state_of(state),
        created_at: moment(told.created.as_deref()),
        started_at: moment(state.started_at.as_deref()),
        ended_at: moment(state.finished_at.as_deref()),
        exit_code: state.exit_code.unwrap_or_default(),
        oom_killed: state.oom_killed.unwrap_or_default(),
        health: health(state),
        address: told.network_settings.as_ref().map(address).unwrap_or_default(),
        requested: told.network_settings.as_ref().map(requested).unwrap_or_default(),
        image_id: told.image.clone().unwrap_or_default(),
        digest: String::new(),
        stop_grace_s: grace.unwrap_or(DEFAULT_GRACE_S),
        cleanup: VolumeCleanup::from_label(labels.get(CLEANUP).map(String::as_str)),
    };
    Some((unit, seen))
}

pub(super) fn state_of(state: &DockerState) -> ContainerState {
    match state.status {
        Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::STOPPING) => {
            ContainerState::Running
        }
        Some(ContainerStateStatusEnum::PAUSED) => ContainerState::Paused,
        Some(ContainerStateStatusEnum::REMOVING) => ContainerState::Removing,
        Some(ContainerStateStatusEnum::DEAD) => ContainerState::Dead,
        // "restarting" is down until it is up again; Docker restarts none of ours.
        Some(ContainerStateStatusEnum::EXITED | ContainerStateStatusEnum::RESTARTING) => {
            ContainerState::Exited
        }
        Some(ContainerStateStatusEnum::CREATED | ContainerStateStatusEnum::EMPTY) | None => {
            ContainerState::Created
        }
    }
}

fn health(state: &DockerState) -> Health {
    match state.health.as_ref().and_then(|h| h.status) {
        Some(HealthStatusEnum::STARTING) => Health::Starting,
        Some(HealthStatusEnum::HEALTHY) => Health::Healthy,
        Some(HealthStatusEnum::UNHEALTHY) => Health::Unhealthy,
        Some(HealthStatusEnum::NONE | HealthStatusEnum::EMPTY) | None => Health::None,
    }
}

/// The container's own address; it has at most one network.
fn address(settings: &NetworkSettings) -> String {
    let networks = settings.networks.iter().flatten();
    let mut addresses = networks.filter_map(|(_, endpoint)| endpoint.ip_address.clone());
    addresses.find(|address| !address.is_empty()).unwrap_or_default()
}

/// The address it was made with.
fn requested(settings: &NetworkSettings) -> String {
    let endpoint = settings.networks.as_ref().and_then(|all| all.get(NETWORK));
    let chosen = endpoint.and_then(|endpoint| endpoint.ipam_config.as_ref()?.ipv4_address.clone());
    chosen.unwrap_or_default()
}

/// Docker's text for a moment; its "never" is a year 1, and 0 here.
pub(super) fn moment(text: Option<&str>) -> Time {
    let parsed = text.and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
    let ms = parsed.map_or(0, |at| at.unix_timestamp_nanos() / 1_000_000);
    Time(u64::try_from(ms).unwrap_or_default())
}

/// Digest of the image in the repository its container was made from; empty if it came from no registry.
async fn digest(engine: &Engine, told: &ContainerInspectResponse) -> String {
    let (Some(image), Some(config)) = (&told.image, &told.config) else { return String::new() };
    let reference = Reference::parse(config.image.as_deref().unwrap_or_default());
    let known = crate::lock::lock(&engine.digests).get(image).cloned();
    let digests = if let Some(digests) = known {
        digests
    } else {
        // The digest can be told later; what matters now is that the container is seen.
        let Ok(told) = in_time(ANSWER, engine.client().inspect_image(image)).await else {
            return String::new();
        };
        let digests = told.repo_digests.unwrap_or_default();
        crate::lock::lock(&engine.digests).insert(image.clone(), digests.clone());
        digests
    };
    let mut known = digests.iter().map(|text| Reference::parse(text));
    known.find(|d| d.same_repository(&reference)).and_then(|d| d.digest).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        assert_eq!(moment(Some("1970-01-01T00:00:01.234567891Z")), Time(1_234));
        assert_eq!(moment(Some("1970-01-01T02:00:00+02:00")), Time(0));
        assert_eq!(moment(Some("0001-01-01T00:00:00Z")), Time(0));
        assert_eq!(moment(Some("yesterday")), Time(0));
        assert_eq!(moment(None), Time(0));
    }
}
