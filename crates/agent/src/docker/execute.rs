//! Carrying out what was decided for one unit, step by step, and looking at the result.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, VolumeCreateRequest};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, RemoveContainerOptionsBuilder,
    RemoveVolumeOptions, StartContainerOptions, StopContainerOptionsBuilder,
};
use drover_core::{AssignedVolume, HostAssignment, Phase, UnitKey, label, pinned};

use super::{ANSWER, Engine, Looked, Trouble, WORK, in_time, look};
use crate::create::{GivenNames, Making, create_body, named_volumes};
use crate::network::names;
use crate::op::{DockerOp, UnitOps};
use crate::secret_files;
use crate::view::VolumeCleanup;

/// What came of the steps for a unit.
#[derive(Debug)]
pub struct Done {
    /// The unit.
    pub unit: UnitKey,
    /// The step that failed, if one did.
    pub failure: Option<Failure>,
    /// The containers that were touched, as they are now.
    pub looked: Vec<Looked>,
}

/// A step that failed.
#[derive(Debug)]
pub struct Failure {
    /// The member it was about.
    pub member: String,
    /// Why.
    pub trouble: Trouble,
}

/// The steps for one unit, on their way.
struct Work<'a> {
    engine: &'a Engine,
    assignment: &'a HostAssignment,
    unit: UnitKey,
    /// Addresses chosen for containers to be made, by member.
    addresses: BTreeMap<String, Ipv4Addr>,
    doing: Phase,
    tell: &'a (dyn Fn(Phase) + Send + Sync),
    /// Ids of the containers to look at in the end.
    touched: BTreeSet<String>,
    /// Names of those that were made, whose ids are among them.
    made: BTreeSet<String>,
}

impl Engine {
    /// Do the steps, in order, up to the first that fails. Containers are made with the `addresses` chosen for them, by
    /// member. `tell` hears when what is going on changes.
    pub async fn carry_out(
        self: Arc<Self>,
        assignment: Arc<HostAssignment>,
        ops: UnitOps,
        addresses: BTreeMap<String, Ipv4Addr>,
        tell: impl Fn(Phase) + Send + Sync,
    ) -> Done {
        let mut work = Work {
            engine: &self,
            assignment: &assignment,
            unit: ops.unit,
            addresses,
            doing: ops.doing,
            tell: &tell,
            touched: BTreeSet::new(),
            made: BTreeSet::new(),
        };
        let mut failure = None;
        for op in &ops.ops {
            if let Err(trouble) = work.step(op).await {
                failure = Some(Failure { member: op.member().to_owned(), trouble });
                break;
            }
        }
        let mut looked = Vec::new();
        for id in std::mem::take(&mut work.touched) {
            // What can't be looked at now is found by the next sweep.
            looked.extend(look(&self, id).await);
        }
        Done { unit: ops.unit, failure, looked }
    }
}

impl Work<'_> {
    async fn step(&mut self, op: &DockerOp) -> Result<(), Trouble> {
        match op {
            DockerOp::Create { member, siblings } => {
                let making = Making::of(self.assignment, self.unit, member, siblings);
                let Some(making) = making else {
                    return Err(Trouble::Refused {
                        what: "can't make a container".to_owned(),
                        reason: format!("the assignment holds no member `{member}` of this unit"),
                    });
                };
                let name = making.unit.docker_name(member);
                let id = self.create(making).await?;
                self.touched.insert(id);
                self.made.insert(name);
                Ok(())
            }
            DockerOp::Start { member, container } => {
                // It may be gone with the agent's folder.
                self.write_names(member)?;
                self.write_secrets(member)?;
                self.start(container).await
            }
            DockerOp::Stop { container, grace_s, paused, .. } => {
                self.touched.insert(container.clone());
                self.stop(container, *grace_s, *paused).await
            }
            DockerOp::Remove { member, container, cleanup } => {
                self.touched.insert(container.clone());
                self.remove(member, container, *cleanup).await
            }
        }
    }

    async fn create(&mut self, mut making: Making<'_>) -> Result<String, Trouble> {
        let folder = self.engine.balancer_folder(self.unit);
        let image = if making.is_balancer() {
            making.balancer_folder = Some(&folder);
            self.engine.system_image().await?
        } else {
            let pin = making.template.pins.get(&making.spec.image).map(String::as_str);
            let image = pinned(&making.spec.image, pin);
            if making.spec.pulls_always() && !image.contains('@') {
                self.pull(&image).await?;
            }
            image
        };
        making.image = &image;
        making.api = self.engine.api;
        for volume in volumes(&making) {
            self.make_volume(volume).await?;
        }
        let name = making.unit.docker_name(making.member);
        let search = self.write_names(making.member)?;
        let file = self.engine.resolv_file(&name);
        making.names = search.as_ref().map(|search| GivenNames { search, file: &file });
        let secrets = self.write_secrets(making.member)?;
        making.secrets_folder = secrets.as_deref();
        making.address = self.addresses.get(making.member).copied();
        let body = create_body(&making).map_err(|bad| Trouble::Refused {
            what: format!("can't make container {name}"),
            reason: bad.to_string(),
        })?;
        match self.create_container(&name, &body).await {
            Err(error) if lacks_image(&error) => {
                if let Some(held) = self.engine.held_as(&image).await? {
                    // `docker image prune -a` takes any of the names of an image in use, and may have left this one.
                    let body = ContainerCreateBody { image: Some(held), ..body.clone() };
                    self.create_container(&name, &body).await
                } else {
                    self.fetch(&image).await?;
                    self.create_container(&name, &body).await
                }
            }
            Err(error) if is_conflict(&error) => self.adopt(&name, making.member, error).await,
            made => made,
        }
        .map_err(|error| Trouble::refused(format!("can't make container {name}"), &error))
    }

    /// Write the file with a member's name servers, if they are the platform's; its search domains.
    fn write_names(&self, member: &str) -> Result<Option<Vec<String>>, Trouble> {
        let siblings = BTreeMap::new();
        let making = Making::of(self.assignment, self.unit, member, &siblings);
        let Some(making) = making.filter(|making| making.joined) else { return Ok(None) };
        let Making { spec, unit, .. } = making;
        let host = self.engine.surroundings.names();
        let Some(search) = names::search(spec, &unit.stack, &unit.service, &host) else {
            return Ok(None);
        };
        let file = self.engine.resolv_file(&unit.docker_name(member));
        let written = names::write(&file, &names::resolv_conf(&search, &spec.dns_options));
        written.map_err(|error| Trouble::Refused {
            what: format!("can't write {}", file.display()),
            reason: error.to_string(),
        })?;
        Ok(Some(search))
    }

    /// Write the files with a member's secrets, if it reads any; their folder.
    fn write_secrets(&self, member: &str) -> Result<Option<PathBuf>, Trouble> {
        let siblings = BTreeMap::new();
        let making = Making::of(self.assignment, self.unit, member, &siblings);
        let Some(making) = making.filter(|making| !making.spec.secrets.is_empty()) else {
            return Ok(None);
        };
        let folder = self.engine.secrets_folder(&making.unit.docker_name(member));
        let owns = self.engine.surroundings.gives_files_away();
        let values = &self.assignment.secrets;
        let written = secret_files::write(&folder, &making.spec.secrets, values, owns);
        written.map_err(|why| Trouble::Refused {
            what: "it can't have its secrets".to_owned(),
            reason: why.to_string(),
        })?;
        Ok(Some(folder))
    }

    async fn create_container(
        &self,
        name: &str,
        body: &ContainerCreateBody,
    ) -> Result<String, Error> {
        let _lane = self.engine.lanes.acquire().await;
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        let client = self.engine.patient(WORK);
        let made = client.create_container(Some(options), body.clone());
        in_time(WORK, made).await.map(|made| made.id)
    }

    /// The name is taken: by the container itself if an earlier answer got lost, else by a stranger.
    async fn adopt(&self, name: &str, member: &str, error: Error) -> Result<String, Error> {
        let asked = self.engine.client().inspect_container(name, None::<InspectContainerOptions>);
        let told = in_time(ANSWER, asked).await?;
        let labels = told.config.and_then(|c| c.labels).unwrap_or_default();
        let ours = labels.get(label::CLUSTER) == Some(&self.engine.cluster)
            && labels.get(label::UNIT) == Some(&self.unit.to_string())
            && labels.get(label::MEMBER).map(String::as_str) == Some(member);
        match told.id {
            Some(id) if ours => Ok(id),
            Some(_) | None => Err(error),
        }
    }

    /// Wait for a turn, then pull unless somebody else just did.
    async fn fetch(&mut self, image: &str) -> Result<(), Trouble> {
        let turn = self.engine.pull_turn(image);
        self.say(Phase::Pulling);
        let _turn = turn.lock().await;
        if self.engine.has_image(image).await? {
            self.say(Phase::Starting);
            return Ok(());
        }
        self.pull(image).await
    }

    async fn pull(&mut self, image: &str) -> Result<(), Trouble> {
        self.say(Phase::Pulling);
        self.engine.pull(image, self.assignment, |_| {}).await?;
        self.say(Phase::Starting);
        Ok(())
    }

    fn say(&mut self, doing: Phase) {
        if self.doing != doing {
            self.doing = doing;
            (self.tell)(doing);
        }
    }

    /// Make a declared volume. Docker leaves one that is there as it is.
    async fn make_volume(&self, volume: &AssignedVolume) -> Result<(), Trouble> {
        let AssignedVolume { name, driver, options, external, kept: _ } = volume;
        if *external {
            let there = in_time(ANSWER, self.engine.client().inspect_volume(name)).await;
            return match there {
                Ok(_) => Ok(()),
                Err(Error::DockerResponseServerError { status_code: 404, .. }) => {
                    Err(Trouble::Refused {
                        what: format!("can't mount volume {name}"),
                        reason: format!(
                            "it is declared external and this host has none: make it with docker volume \
                             create {name}"
                        ),
                    })
                }
                Err(error) => {
                    Err(Trouble::refused(format!("can't look for volume {name}"), &error))
                }
            };
        }
        let options = options.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        let labels = [(label::CLUSTER.to_owned(), self.engine.cluster.clone())];
        let request = VolumeCreateRequest {
            name: Some(name.clone()),
            driver: Some(if driver.is_empty() { "local" } else { driver }.to_owned()),
            driver_opts: Some(options),
            labels: Some(labels.into()),
            cluster_volume_spec: None,
        };
        let made = in_time(WORK, self.engine.client().create_volume(request)).await;
        made.map(drop)
            .map_err(|error| Trouble::refused(format!("can't make volume {name}"), &error))
    }

    async fn start(&mut self, container: &str) -> Result<(), Trouble> {
        let _lane = self.engine.lanes.acquire().await;
        if !self.made.contains(container) {
            self.touched.insert(container.to_owned());
        }
        let client = self.engine.patient(WORK);
        let started = client.start_container(container, None::<StartContainerOptions>);
        in_time(WORK, started).await.map_err(|error| Trouble::refused("can't start it", &error))
    }

    async fn stop(&self, container: &str, grace_s: u32, paused: bool) -> Result<(), Trouble> {
        if paused {
            // Whether it thawed shows when it ends.
            let _ = in_time(ANSWER, self.engine.client().unpause_container(container)).await;
        }
        let patience = WORK + Duration::from_secs(u64::from(grace_s));
        let grace = i32::try_from(grace_s).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::new().t(grace).build();
        let client = self.engine.patient(patience);
        let stopped = in_time(patience, client.stop_container(container, Some(options))).await;
        unless_gone(stopped).map_err(|error| Trouble::refused("can't stop it", &error))
    }

    async fn remove(
        &self,
        member: &str,
        container: &str,
        cleanup: VolumeCleanup,
    ) -> Result<(), Trouble> {
        {
            let _lane = self.engine.lanes.acquire().await;
            let v = cleanup != VolumeCleanup::None;
            let options = RemoveContainerOptionsBuilder::new().v(v).build();
            let client = self.engine.patient(WORK);
            let removed = in_time(WORK, client.remove_container(container, Some(options))).await;
            unless_gone(removed).map_err(|error| Trouble::refused("can't remove it", &error))?;
        }
        if let Some(unit) = self.assignment.units.get(&self.unit) {
            secret_files::remove(&self.engine.secrets_folder(&unit.docker_name(member)));
        }
        if cleanup == VolumeCleanup::All {
            self.remove_volumes(member).await;
        }
        Ok(())
    }

    /// Remove the volumes a member mounted by name. Docker keeps those that another container uses.
    async fn remove_volumes(&self, member: &str) {
        let siblings = BTreeMap::new();
        let making = Making::of(self.assignment, self.unit, member, &siblings);
        let names = making.map_or(Vec::new(), |m| named_volumes(m.unit, m.spec));
        for name in names {
            let removed = self.engine.client().remove_volume(&name, None::<RemoveVolumeOptions>);
            if let Err(error) = in_time(ANSWER, removed).await {
                tracing::info!(volume = name, %error, "volume is kept");
            }
        }
    }
}

/// The declared volumes that a member mounts.
fn volumes<'a>(making: &Making<'a>) -> Vec<&'a AssignedVolume> {
    let sources = making.spec.volumes.iter().filter_map(|mount| Some(mount.split_once(':')?.0));
    sources.filter_map(|source| making.unit.volumes.get(source)).collect()
}

fn lacks_image(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 404, message }
        if message.to_ascii_lowercase().contains("image"))
}

fn is_conflict(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 409, message }
        if message.contains("already in use"))
}

/// A container that is gone, or is being removed, needs neither stopping nor removing.
fn unless_gone(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
        Err(Error::DockerResponseServerError { status_code: 409, message })
            if message.contains("already in progress") =>
        {
            Ok(())
        }
        other => other,
    }
}
