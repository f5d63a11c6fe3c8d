//! The host's Docker engine: watching it and carrying out what was decided. Nothing is decided here.

mod execute;
mod image;
mod image_lease;
mod read;
mod system;
mod system_image;
mod trouble;
mod watch;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bollard::Docker;
use tokio::sync::Semaphore;

use crate::surroundings::Surroundings;

pub use execute::{Done, Failure};
pub(crate) use image_lease::Leased;
pub use read::Looked;
pub(crate) use read::{Brief, briefs, list, look};
pub(crate) use system::{SystemDone, folder, status_file};
pub use trouble::Trouble;
pub(crate) use watch::{EngineEvent, watch};

/// How long Docker may take to answer a question, or to begin a long answer.
pub(crate) const ANSWER: Duration = Duration::from_mins(1);
/// How long Docker may take to make, start or remove a container. Slow disks and network plugins are common, and
/// giving up early leaves a container behind that has to be found again.
pub(crate) const WORK: Duration = Duration::from_mins(3);
/// Containers made and started at a time. The engine (20.10, two cores) takes 11 s for 40 containers one by one, 6 s
/// for 8 at a time, 5.5 s for 16, and no less for 40: then its own locks decide.
const LANES: usize = 16;

/// A connection to an engine, with what is shared by all work on it.
pub struct Engine {
    docker: Docker,
    pub(crate) surroundings: Surroundings,
    /// Containers of this cluster are ours.
    pub(crate) cluster: String,
    /// Version of the engine.
    pub version: String,
    /// API spoken with it.
    pub api: (usize, usize),
    state: PathBuf,
    lanes: Semaphore,
    /// Digests by image id, as Docker last told them.
    digests: Mutex<HashMap<String, Vec<String>>>,
    /// One pull at a time for each reference; the others find the image there.
    pulls: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    system_image: tokio::sync::OnceCell<String>,
}

impl Engine {
    /// Connect to the engine. `state` is the agent's own folder.
    pub(crate) async fn connect(
        surroundings: &Surroundings,
        cluster: &str,
        state: &Path,
    ) -> Result<Self, Trouble> {
        let failed = |problem: String| Trouble::Engine { socket: surroundings.socket(), problem };
        let docker = surroundings
            .docker(ANSWER)
            .map_err(|error| failed(trouble::connect_words(&error)))?
            .with_request_modifier(readable_login);
        let docker = in_time(ANSWER, docker.negotiate_version()).await;
        let docker = docker.map_err(|error| failed(trouble::connect_words(&error)))?;
        let version = in_time(ANSWER, docker.version()).await;
        let version = version.map_err(|error| failed(trouble::connect_words(&error)))?;
        let api = docker.client_version();
        Ok(Self {
            docker,
            surroundings: surroundings.clone(),
            cluster: cluster.to_owned(),
            version: version.version.unwrap_or_default(),
            api: (api.major_version, api.minor_version),
            state: state.to_owned(),
            lanes: Semaphore::new(LANES),
            digests: Mutex::default(),
            pulls: Mutex::default(),
            system_image: tokio::sync::OnceCell::new(),
        })
    }

    /// The client, for what needs no more than it.
    pub(crate) fn client(&self) -> &Docker {
        &self.docker
    }

    /// The client, for calls whose answer may take as long as `patience`.
    fn patient(&self, patience: Duration) -> Docker {
        self.docker.clone().with_timeout(patience)
    }

    /// The file a container has as its `/etc/resolv.conf`.
    fn resolv_file(&self, docker_name: &str) -> PathBuf {
        self.state.join("resolv").join(docker_name)
    }

    /// The folder a container has as its `/run/secrets`.
    fn secrets_folder(&self, docker_name: &str) -> PathBuf {
        crate::secret_files::folder(&self.state, docker_name)
    }

    /// The folder a balancer unit shares with its agent.
    pub(crate) fn balancer_folder(&self, unit: drover_core::UnitKey) -> PathBuf {
        crate::balancer_files::folder(&self.state, unit)
    }
}

/// Wait for Docker, but not for ever: its own deadline covers the head of an answer only.
pub(crate) async fn in_time<T>(
    patience: Duration,
    call: impl Future<Output = Result<T, bollard::errors::Error>>,
) -> Result<T, bollard::errors::Error> {
    match tokio::time::timeout(patience, call).await {
        Ok(answer) => answer,
        Err(_) => Err(bollard::errors::Error::RequestTimeoutError),
    }
}

/// Docker reads the login in the URL-safe alphabet of base64 and ignores one it can't read, so that a pull fails
/// as if there were none; the client writes the other alphabet.
fn readable_login<B>(mut request: http::Request<B>) -> http::Request<B> {
    if let Some(login) = request.headers_mut().get_mut("x-registry-auth")
        && let Ok(text) = login.to_str()
        && let Ok(safe) = text.replace('+', "-").replace('/', "_").parse()
    {
        *login = safe;
    }
    request
}
