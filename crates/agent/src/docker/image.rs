//! Getting an image onto the host: pulled by digest where the digest is known, with the login kept for its
//! registry, once for everybody who waits for it.

use std::sync::Arc;
use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::errors::Error;
use bollard::query_parameters::CreateImageOptionsBuilder;
use drover_core::{HostAssignment, RegistryLogin};
use futures_util::StreamExt;

use super::{Engine, Trouble};
use crate::lock::lock;
use crate::reference::{Reference, registry_of_login};

/// A pull without any progress for so long is given up.
const SILENCE: Duration = Duration::from_mins(5);

impl Engine {
    /// Whether the host has an image.
    pub(crate) async fn has_image(&self, image: &str) -> Result<bool, Trouble> {
        match super::in_time(super::ANSWER, self.client().inspect_image(image)).await {
            Ok(_) => Ok(true),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
            Err(error) => Err(Trouble::refused(format!("can't look for image {image}"), &error)),
        }
    }

    /// Pull an image, line by line telling how it goes.
    pub(crate) async fn pull(
        &self,
        image: &str,
        assignment: &HostAssignment,
        mut tell: impl FnMut(String),
    ) -> Result<(), Trouble> {
        let login = login(assignment, image);
        let with_login = login.is_some();
        let options = CreateImageOptionsBuilder::new().from_image(image).build();
        let mut lines = self.client().create_image(Some(options), None, login);
        loop {
            match tokio::time::timeout(SILENCE, lines.next()).await {
                Ok(None) => break,
                Ok(Some(Ok(line))) => {
                    let layer = line.id.map_or(String::new(), |id| format!("{id}: "));
                    tell(format!("{layer}{}", line.status.unwrap_or_default()));
                }
                Ok(Some(Err(error))) => return Err(Trouble::pull(image, &error, with_login)),
                Err(_) => {
                    return Err(Trouble::pull(image, &Error::RequestTimeoutError, with_login));
                }
            }
        }
        // An image that was here already may have got another digest.
        lock(&self.digests).clear();
        Ok(())
    }

    /// The right to pull an image while others wait.
    pub(super) fn pull_turn(&self, image: &str) -> Arc<tokio::sync::Mutex<()>> {
        lock(&self.pulls).entry(image.to_owned()).or_default().clone()
    }
}

fn login(assignment: &HostAssignment, image: &str) -> Option<DockerCredentials> {
    let registry = Reference::parse(image).registry;
    let mut logins = assignment.registries.iter();
    let (server, RegistryLogin { username, password }) =
        logins.find(|(server, _)| registry_of_login(server) == registry)?;
    Some(DockerCredentials {
        username: Some(username.clone()),
        password: Some(password.reveal().to_owned()),
        serveraddress: Some(server.clone()),
        ..DockerCredentials::default()
    })
}
