//! Containers of Drover's own processes: made, started and removed as decided, and read.

use std::path::Path;

use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, EndpointIpamConfig, EndpointSettings,
    HostConfig, NetworkingConfig, RestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
    StopContainerOptionsBuilder,
};
use drover_core::{DISCOVERY_ADDRESS, label};

use super::read::{moment, state_of};
use super::{Engine, Looked, Trouble, WORK, in_time, look};
use crate::discovery;
use crate::network::NETWORK;
use crate::system::{DISCOVERY, SeenSystem, SystemStep};

/// Where the process finds its folder.
const FOLDER: &str = "/discovery";
/// Seconds it gets to end.
const GRACE_S: i32 = 5;

/// Name of the name service's status file, in its folder: each container has its own, so that none takes another's
/// word for its own.
pub(crate) fn status_file(container: &str) -> String {
    format!("{container}.status.json")
}

/// What came of the steps.
#[derive(Debug)]
pub(crate) struct SystemDone {
    /// Why one failed.
    pub(crate) trouble: Option<Trouble>,
    /// The containers they were about, as they are now.
    pub(crate) looked: Vec<Looked>,
}

impl Engine {
    /// Do the steps, in order, up to the first that fails.
    pub(crate) async fn run_system(&self, image: &str, steps: Vec<SystemStep>) -> SystemDone {
        let mut done = SystemDone { trouble: None, looked: Vec::new() };
        for step in steps {
            let container = match &step {
                SystemStep::Make => name(image),
                SystemStep::Start(id) | SystemStep::Remove(id) => id.clone(),
            };
            let tried = match step {
                SystemStep::Make => self.make_system(image).await,
                SystemStep::Start(id) => self.start_system(&id).await,
                SystemStep::Remove(id) => self.remove_system(&id).await,
            };
            // What can't be looked at now is found by the next sweep.
            done.looked.extend(look(self, container).await);
            if let Err(trouble) = tried {
                done.trouble = Some(trouble);
                break;
            }
        }
        done
    }

    async fn make_system(&self, image: &str) -> Result<(), Trouble> {
        let name = name(image);
        let folder = discovery::folder(&self.state);
        let body = body(&self.cluster, image, &folder, &name);
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let client = self.patient(WORK);
        match in_time(WORK, client.create_container(Some(options), body)).await {
            // An earlier answer got lost: it is there, and a look will show it.
            Ok(_) | Err(Error::DockerResponseServerError { status_code: 409, .. }) => {}
            Err(error) => {
                return Err(Trouble::refused(format!("can't make the container {name}"), &error));
            }
        }
        self.start_system(&name).await
    }

    async fn start_system(&self, container: &str) -> Result<(), Trouble> {
        let client = self.patient(WORK);
        let started = client.start_container(container, None::<StartContainerOptions>);
        let what = "can't start the name service's container";
        in_time(WORK, started).await.map_err(|error| Trouble::refused(what.to_owned(), &error))
    }

    async fn remove_system(&self, container: &str) -> Result<(), Trouble> {
        let client = self.patient(WORK);
        let stop = StopContainerOptionsBuilder::new().t(GRACE_S).build();
        // One that is gone or doesn't run needs no stopping, and removing says the rest.
        let _ = in_time(WORK, client.stop_container(container, Some(stop))).await;
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        match in_time(WORK, client.remove_container(container, Some(options))).await {
            Ok(()) | Err(Error::DockerResponseServerError { status_code: 404 | 409, .. }) => Ok(()),
            Err(error) => {
                let what = "can't remove the name service's old container";
                Err(Trouble::refused(what.to_owned(), &error))
            }
        }
    }
}

/// A container with a process of Drover's own; `None` if it is another.
pub(super) fn read(engine: &Engine, told: &ContainerInspectResponse) -> Option<SeenSystem> {
    let config = told.config.as_ref()?;
    let labels = config.labels.as_ref()?;
    let ours = labels.get(label::CLUSTER) == Some(&engine.cluster)
        && labels.get(label::SYSTEM).map(String::as_str) == Some(DISCOVERY);
    let state = told.state.as_ref()?;
    let seen = SeenSystem {
        id: told.id.clone()?,
        name: told.name.as_deref().unwrap_or_default().trim_start_matches('/').to_owned(),
        image: config.image.clone().unwrap_or_default(),
        state: state_of(state),
        created_at: moment(told.created.as_deref()),
    };
    ours.then_some(seen)
}

/// `drover-discovery-…`, with the image's tag.
fn name(image: &str) -> String {
    let tag = image.rsplit_once(':').map_or(image, |(_, tag)| tag);
    format!("drover-{DISCOVERY}-{tag}")
}

/// On the project's network, with the address that names are asked at beside its own: were it the host's, no container
/// could publish port 80 or 53. Without any right but to listen on low ports.
fn body(cluster: &str, image: &str, folder: &Path, name: &str) -> ContainerCreateBody {
    let file = |file: &str| format!("{FOLDER}/{file}");
    let (config, status) = (file("discovery.json"), file(&status_file(name)));
    let command = ["discovery", "--config", &config, "--status", &status];
    let labels = [(label::CLUSTER, cluster), (label::SYSTEM, DISCOVERY)];
    let one = |text: &str| Some(vec![text.to_owned()]);
    ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: one("/drover"),
        cmd: Some(command.map(str::to_owned).to_vec()),
        labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some([(NETWORK.to_owned(), endpoint())].into()),
        }),
        host_config: Some(HostConfig {
            network_mode: Some(NETWORK.to_owned()),
            binds: Some(vec![format!("{}:{FOLDER}", folder.display())]),
            restart_policy: Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::ALWAYS),
                maximum_retry_count: None,
            }),
            cap_drop: one("ALL"),
            cap_add: one("NET_BIND_SERVICE"),
            security_opt: one("no-new-privileges:true"),
            readonly_rootfs: Some(true),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

fn endpoint() -> EndpointSettings {
    let ipam = EndpointIpamConfig {
        link_local_ips: Some(vec![DISCOVERY_ADDRESS.to_owned()]),
        ..EndpointIpamConfig::default()
    };
    EndpointSettings { ipam_config: Some(ipam), ..EndpointSettings::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_container() {
        let image = "drover/system:0123456789ab";
        let body = body("c", image, Path::new("/state/discovery"), &name(image));
        let mut json = serde_json::to_value(body).unwrap();
        json["Labels"].as_object_mut().unwrap().sort_keys();
        insta::assert_snapshot!(serde_json::to_string_pretty(&json).unwrap(), @r#"
        {
          "Cmd": [
            "discovery",
            "--config",
            "/discovery/discovery.json",
            "--status",
            "/discovery/drover-discovery-0123456789ab.status.json"
          ],
          "Image": "drover/system:0123456789ab",
          "Entrypoint": [
            "/drover"
          ],
          "Labels": {
            "io.drover.cluster": "c",
            "io.drover.system": "discovery"
          },
          "HostConfig": {
            "Binds": [
              "/state/discovery:/discovery"
            ],
            "NetworkMode": "drover",
            "RestartPolicy": {
              "Name": "always"
            },
            "CapAdd": [
              "NET_BIND_SERVICE"
            ],
            "CapDrop": [
              "ALL"
            ],
            "ReadonlyRootfs": true,
            "SecurityOpt": [
              "no-new-privileges:true"
            ]
          },
          "NetworkingConfig": {
            "EndpointsConfig": {
              "drover": {
                "IPAMConfig": {
                  "LinkLocalIPs": [
                    "169.254.169.250"
                  ]
                }
              }
            }
          }
        }
        "#);
    }
}
