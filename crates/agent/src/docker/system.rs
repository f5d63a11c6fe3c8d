//! Containers of Drover's own processes: made, started and removed as decided, and read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, DeviceMapping, EndpointIpamConfig,
    EndpointSettings, HostConfig, NetworkingConfig, RestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
    StopContainerOptionsBuilder,
};
use drover_core::{DISCOVERY_ADDRESS, label};

use super::read::{moment, state_of};
use super::{Engine, Looked, Trouble, WORK, in_time, look};
use crate::network::{NETWORK, WIRE};
use crate::system::{SeenSystem, SystemKind, SystemStep, SystemSteps};

/// Where devices are made.
const TUN: &str = "/dev/net/tun";
/// Seconds it gets to end.
const GRACE_S: i32 = 5;

/// The folder that a process shares with its agent, under the agent's own.
pub(crate) fn folder(state: &Path, kind: SystemKind) -> PathBuf {
    state.join(kind.name())
}

/// Name of a process's status file, in its folder: each container has its own, so that none takes another's word for
/// its own.
pub(crate) fn status_file(container: &str) -> String {
    format!("{container}.status.json")
}

/// What came of a round.
#[derive(Debug)]
pub(crate) struct SystemDone {
    /// The image, or why there is none.
    pub(crate) image: Result<String, Trouble>,
    /// Why each kind's steps were not all done; empty if they were.
    pub(crate) came: BTreeMap<SystemKind, String>,
    /// The containers they were about, as they are now.
    pub(crate) looked: Vec<Looked>,
}

impl Engine {
    /// Do the steps, with this image, or with the one there shall be now (`None`).
    pub(crate) async fn run_system(&self, image: Option<String>, steps: SystemSteps) -> SystemDone {
        let image = match image {
            Some(image) => Ok(image),
            None => self.system_image().await,
        };
        let (came, looked) = in_turn(steps, |kind, step| self.attempt(&image, kind, step)).await;
        SystemDone { image, came, looked }
    }

    async fn attempt(
        &self,
        image: &Result<String, Trouble>,
        kind: SystemKind,
        step: SystemStep,
    ) -> (Result<(), Trouble>, Option<Looked>) {
        let (container, tried) = match (step, image) {
            (SystemStep::Make, Err(trouble)) => return (Err(trouble.clone()), None),
            (SystemStep::Make, Ok(image)) => {
                (name(kind, image), self.make_system(kind, image).await)
            }
            (SystemStep::Start(id), _) => (id.clone(), self.start_system(&id).await),
            (SystemStep::Remove(id), _) => (id.clone(), self.remove_system(&id).await),
        };
        // What can't be looked at now is found by the next sweep.
        (tried, look(self, container).await.ok())
    }

    async fn make_system(&self, kind: SystemKind, image: &str) -> Result<(), Trouble> {
        let name = name(kind, image);
        let body = body(kind, &self.cluster, image, &folder(&self.state, kind), &name);
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
        let what = || format!("can't start the container {container}");
        in_time(WORK, started).await.map_err(|error| Trouble::refused(what(), &error))
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
                Err(Trouble::refused(format!("can't remove the container {container}"), &error))
            }
        }
    }
}

/// Try each kind's steps in order, up to the first that fails: the other kinds' go on. Why each kind's were not all
/// done, empty if they were; and what was found meanwhile.
async fn in_turn<L, F: Future<Output = (Result<(), Trouble>, Option<L>)>>(
    steps: SystemSteps,
    attempt: impl Fn(SystemKind, SystemStep) -> F,
) -> (BTreeMap<SystemKind, String>, Vec<L>) {
    let (mut came, mut found) = (BTreeMap::new(), Vec::new());
    for (kind, steps) in steps {
        let trouble = came.entry(kind).or_insert_with(String::new);
        for step in steps {
            let (tried, seen) = attempt(kind, step).await;
            found.extend(seen);
            if let Err(why) = tried {
                *trouble = why.to_string();
                break;
            }
        }
    }
    (came, found)
}

/// A container with a process of Drover's own; `None` if it is another.
pub(super) fn read(engine: &Engine, told: &ContainerInspectResponse) -> Option<SeenSystem> {
    let config = told.config.as_ref()?;
    let labels = config.labels.as_ref()?;
    let ours = labels.get(label::CLUSTER) == Some(&engine.cluster);
    let kind = labels.get(label::SYSTEM)?;
    let kind = SystemKind::ALL.into_iter().find(|known| known.name() == kind)?;
    let state = told.state.as_ref()?;
    let seen = SeenSystem {
        kind,
        id: told.id.clone()?,
        name: told.name.as_deref().unwrap_or_default().trim_start_matches('/').to_owned(),
        image: config.image.clone().unwrap_or_default(),
        state: state_of(state),
        created_at: moment(told.created.as_deref()),
    };
    ours.then_some(seen)
}

/// `drover-discovery-…`, with the image's tag.
fn name(kind: SystemKind, image: &str) -> String {
    let tag = image.rsplit_once(':').map_or(image, |(_, tag)| tag);
    format!("drover-{}-{tag}", kind.name())
}

/// A process that follows one file and says how it does in another.
fn body(
    kind: SystemKind,
    cluster: &str,
    image: &str,
    folder: &Path,
    name: &str,
) -> ContainerCreateBody {
    let mounted = format!("/{}", kind.name());
    let (config, status) =
        (format!("{mounted}/{}.json", kind.name()), format!("{mounted}/{}", status_file(name)));
    let mut command = vec![kind.name(), "--config", &config, "--status", &status];
    if kind == SystemKind::Cipher {
        command.extend(["--device", WIRE]);
    }
    let labels = [(label::CLUSTER, cluster), (label::SYSTEM, kind.name())];
    let host_config = HostConfig {
        binds: Some(vec![format!("{}:{mounted}", folder.display())]),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::ALWAYS),
            maximum_retry_count: None,
        }),
        cap_drop: Some(one("ALL")),
        security_opt: Some(one("no-new-privileges:true")),
        readonly_rootfs: Some(true),
        ..HostConfig::default()
    };
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(one("/drover")),
        cmd: Some(command.into_iter().map(str::to_owned).collect()),
        labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
        ..ContainerCreateBody::default()
    };
    match kind {
        SystemKind::Discovery => on_network(body, host_config),
        SystemKind::Cipher => on_host(body, host_config),
    }
}

/// On the project's network, with the address that names are asked at beside its own: were it the host's, no container
/// could publish port 80 or 53. Without any right but to listen on low ports.
fn on_network(body: ContainerCreateBody, host_config: HostConfig) -> ContainerCreateBody {
    ContainerCreateBody {
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some([(NETWORK.to_owned(), endpoint())].into()),
        }),
        host_config: Some(HostConfig {
            network_mode: Some(NETWORK.to_owned()),
            cap_add: Some(one("NET_BIND_SERVICE")),
            ..host_config
        }),
        ..body
    }
}

/// In the host's own network, with the right to take hold of a device there.
fn on_host(body: ContainerCreateBody, host_config: HostConfig) -> ContainerCreateBody {
    let device = DeviceMapping {
        path_on_host: Some(TUN.to_owned()),
        path_in_container: Some(TUN.to_owned()),
        cgroup_permissions: Some("rw".to_owned()),
    };
    ContainerCreateBody {
        host_config: Some(HostConfig {
            network_mode: Some("host".to_owned()),
            cap_add: Some(one("NET_ADMIN")),
            devices: Some(vec![device]),
            ..host_config
        }),
        ..body
    }
}

fn one(text: &str) -> Vec<String> {
    vec![text.to_owned()]
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

    fn container(kind: SystemKind) -> serde_json::Value {
        let image = "drover/system:0123456789ab";
        let folder = folder(Path::new("/state"), kind);
        let body = body(kind, "c", image, &folder, &name(kind, image));
        let mut json = serde_json::to_value(body).unwrap();
        json["Labels"].as_object_mut().unwrap().sort_keys();
        json
    }

    #[tokio::test]
    async fn a_failure_ends_the_steps_of_its_own_kind() {
        let start = |ids: &str| ids.split(' ').map(|id| SystemStep::Start(id.into())).collect();
        let steps: SystemSteps =
            [(SystemKind::Discovery, start("a b c")), (SystemKind::Cipher, start("d e"))].into();
        for (bad, want, tried) in [
            ("", ["", ""], "a b c d e"),
            ("b", ["b: no", ""], "a b d e"),
            ("d", ["", "d: no"], "a b c d"),
            ("a d", ["a: no", "d: no"], "a d"),
        ] {
            let attempt = |_, step| async move {
                let SystemStep::Start(id) = step else { panic!("{step:?}") };
                let refused = Trouble::Refused { what: id.clone(), reason: "no".into() };
                let fails = bad.split(' ').any(|bad| bad == id);
                (if fails { Err(refused) } else { Ok(()) }, Some(id))
            };
            let (came, found) = in_turn(steps.clone(), attempt).await;
            assert_eq!(SystemKind::ALL.map(|kind| came[&kind].as_str()), want, "{bad}");
            assert_eq!(found.join(" "), tried, "{bad}");
        }
    }

    #[test]
    fn who_encrypts_may_take_hold_of_a_device_and_no_more() {
        let told = container(SystemKind::Cipher);
        let host = &told["HostConfig"];
        insta::assert_snapshot!(told["Cmd"], @r#"["cipher","--config","/cipher/cipher.json","--status","/cipher/drover-cipher-0123456789ab.status.json","--device","drover-wg"]"#);
        let keys: Vec<&String> = host.as_object().unwrap().keys().collect();
        assert_eq!(keys.len(), 8, "{host}");
        assert_eq!(host["NetworkMode"], "host");
        assert_eq!(
            (&host["CapDrop"][0], &host["CapAdd"]),
            (&serde_json::json!("ALL"), &serde_json::json!(["NET_ADMIN"]))
        );
        assert_eq!(host["Devices"][0]["PathOnHost"], "/dev/net/tun");
        assert_eq!(host["Binds"][0], "/state/cipher:/cipher");
    }

    #[test]
    fn the_name_services_container() {
        let json = container(SystemKind::Discovery);
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
