//! Asking units whether they accept connections: one small task for each unit that has to be asked. Often while the
//! answer is no, so that a unit counts as ready the moment it is; now and then after that.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use drover_core::{Time, UnitKey};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::agent::AgentResult;
use crate::reconcile::Probe;

/// How long a port may take to accept.
const PATIENCE: Duration = Duration::from_secs(1);
/// The first pause after a no; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The pause after a yes.
const CONTENT_PAUSE: Duration = Duration::from_secs(5);
/// A unit that accepted is believed to do so until it failed this often in a row: a full queue is no death.
const TIMES_IN_A_ROW: u32 = 3;

/// An answer that differs from the last.
#[derive(Debug)]
pub(crate) struct Probed {
    /// The unit.
    pub(crate) unit: UnitKey,
    /// The run it was asked in.
    pub(crate) run: (String, Time),
    /// Whether all ports accept.
    pub(crate) accepts: bool,
}

/// The questions being asked.
#[derive(Default)]
pub(crate) struct Probes {
    asked: BTreeMap<UnitKey, Asked>,
}

struct Asked {
    probe: Probe,
    accepts: bool,
    task: JoinHandle<()>,
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Probes {
    /// Ask these and no others. What is known of a run that is over is forgotten.
    pub(crate) fn ask(&mut self, probes: Vec<Probe>, answers: &mpsc::UnboundedSender<AgentResult>) {
        let wanted: BTreeSet<UnitKey> = probes.iter().map(|p| p.unit).collect();
        self.asked.retain(|unit, _| wanted.contains(unit));
        for probe in probes {
            if self.asked.get(&probe.unit).is_some_and(|asked| asked.probe == probe) {
                continue;
            }
            let task = tokio::spawn(keep_asking(probe.clone(), answers.clone()));
            self.asked.insert(probe.unit, Asked { probe, accepts: false, task });
        }
    }

    /// Take in an answer.
    pub(crate) fn take(&mut self, probed: &Probed) {
        if let Some(asked) = self.asked.get_mut(&probed.unit)
            && asked.probe.run == probed.run
        {
            asked.accepts = probed.accepts;
        }
    }

    /// The units whose ports all accept.
    pub(crate) fn accepting(&self) -> BTreeSet<UnitKey> {
        self.asked.iter().filter(|(_, asked)| asked.accepts).map(|(unit, _)| *unit).collect()
    }
}

async fn keep_asking(probe: Probe, answers: mpsc::UnboundedSender<AgentResult>) {
    let Ok(ip) = probe.address.parse::<IpAddr>() else { return };
    let (mut accepts, mut failures, mut pause) = (false, 0, FIRST_PAUSE);
    loop {
        let yes = all_accept(ip, &probe.ports).await;
        failures = if yes { 0 } else { failures + 1 };
        let now_accepts = yes || accepts && failures < TIMES_IN_A_ROW;
        if now_accepts != accepts {
            accepts = now_accepts;
            pause = FIRST_PAUSE;
            let answer = Probed { unit: probe.unit, run: probe.run.clone(), accepts };
            if answers.send(AgentResult::Probed(answer)).is_err() {
                return;
            }
        }
        if yes {
            sleep(CONTENT_PAUSE).await;
        } else {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

async fn all_accept(ip: IpAddr, ports: &[u16]) -> bool {
    for &port in ports {
        let connected = timeout(PATIENCE, TcpStream::connect(SocketAddr::new(ip, port))).await;
        if !matches!(connected, Ok(Ok(_))) {
            return false;
        }
    }
    true
}
