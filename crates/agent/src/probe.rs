//! Asking units what decides whether they are ready and healthy: one small task for each question. Often while the answer
//! is no, so that a unit counts as ready the moment it is; now and then after that.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use drover_core::{Checked, HealthCheck, UnitKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::agent::AgentResult;
use crate::reconcile::{Probe, Question, Run};
use crate::surroundings::Surroundings;
use crate::view::Checkup;

/// How long a port may take to accept.
const PATIENCE: Duration = Duration::from_secs(1);
/// The first pause after a no; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The pause after a yes.
const CONTENT_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause between the passes that make a unit healthy for the first time in its run.
const EAGER_PAUSE: Duration = Duration::from_millis(250);
/// A unit that accepted is believed to do so until it failed this often in a row: a full queue is no death.
const TIMES_IN_A_ROW: u32 = 3;
/// More of an answer is not looked at.
const STATUS_LINE: usize = 256;

/// An answer that differs from the last.
#[derive(Debug)]
pub(crate) struct Probed {
    key: Key,
    run: Run,
    answer: Answer,
}

/// Whom, and whether for its health.
type Key = (UnitKey, String, bool);

/// What is known.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    /// Whether all ports accept.
    Accepts(bool),
    /// How it does on its check.
    Health { passed: bool, down: Option<String> },
}

/// The questions being asked.
#[derive(Default)]
pub(crate) struct Probes {
    asked: BTreeMap<Key, Asked>,
}

struct Asked {
    probe: Probe,
    answer: Option<Answer>,
    task: JoinHandle<()>,
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Probes {
    /// Ask these and no others. What is known of a run that is over is forgotten.
    pub(crate) fn ask(
        &mut self,
        probes: Vec<Probe>,
        surroundings: &Surroundings,
        answers: &mpsc::UnboundedSender<AgentResult>,
    ) {
        let wanted: BTreeMap<Key, Probe> = probes.into_iter().map(|p| (key(&p), p)).collect();
        self.asked.retain(|key, asked| {
            wanted.get(key).is_some_and(|new| asks_the_same(new, &asked.probe))
        });
        for (key, probe) in wanted {
            self.asked.entry(key).or_insert_with(|| {
                let task =
                    tokio::spawn(keep_asking(probe.clone(), surroundings.clone(), answers.clone()));
                Asked { probe, answer: None, task }
            });
        }
    }

    /// Take in an answer.
    pub(crate) fn take(&mut self, probed: Probed) {
        if let Some(asked) = self.asked.get_mut(&probed.key)
            && asked.probe.run == probed.run
        {
            asked.answer = Some(probed.answer);
        }
    }

    /// The units whose ports all accept, and in which run.
    pub(crate) fn accepting(&self) -> BTreeMap<UnitKey, Run> {
        let accepting = self.asked.values().filter(|a| a.answer == Some(Answer::Accepts(true)));
        accepting.map(|asked| (asked.probe.unit, asked.probe.run.clone())).collect()
    }

    /// How members do on their health checks.
    pub(crate) fn checked(&self) -> BTreeMap<(UnitKey, String), Checkup> {
        let checked = self.asked.values().filter_map(|asked| {
            let Probe { unit, member, .. } = &asked.probe;
            Some(((*unit, member.clone()), asked.checkup()?))
        });
        checked.collect()
    }

    /// How one member does.
    pub(crate) fn checkup(&self, unit: UnitKey, member: &str) -> Option<Checkup> {
        self.asked.get(&(unit, member.to_owned(), true))?.checkup()
    }
}

impl Asked {
    fn checkup(&self) -> Option<Checkup> {
        match &self.answer {
            Some(Answer::Health { passed, down }) => {
                let run = self.probe.run.clone();
                Some(Checkup { run, passed: *passed, down: down.clone() })
            }
            Some(Answer::Accepts(_)) | None => None,
        }
    }
}

/// Whether the answers to one are those to the other. That it was well is for the beginning only.
fn asks_the_same(one: &Probe, other: &Probe) -> bool {
    (&one.run, &one.address, &one.question) == (&other.run, &other.address, &other.question)
}

fn key(probe: &Probe) -> Key {
    (probe.unit, probe.member.clone(), matches!(probe.question, Question::Health(_)))
}

async fn keep_asking(
    probe: Probe,
    surroundings: Surroundings,
    answers: mpsc::UnboundedSender<AgentResult>,
) {
    let Ok(ip) = probe.address.parse::<IpAddr>() else { return };
    let tell = |answer| {
        let probed = Probed { key: key(&probe), run: probe.run.clone(), answer };
        answers.send(AgentResult::Probed(probed)).is_ok()
    };
    match &probe.question {
        Question::Ports(ports) => ask_ports(&surroundings, ip, ports, tell).await,
        Question::Health(check) => {
            ask_health(&surroundings, ip, check, probe.was_well, tell).await;
        }
    }
}

async fn ask_ports(
    surroundings: &Surroundings,
    ip: IpAddr,
    ports: &[u16],
    tell: impl Fn(Answer) -> bool,
) {
    let (mut accepts, mut failures, mut pause) = (false, 0, FIRST_PAUSE);
    loop {
        let yes = all_accept(surroundings, ip, ports).await;
        failures = if yes { 0 } else { failures + 1 };
        let now_accepts = yes || accepts && failures < TIMES_IN_A_ROW;
        if now_accepts != accepts {
            accepts = now_accepts;
            pause = FIRST_PAUSE;
            if !tell(Answer::Accepts(accepts)) {
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

async fn ask_health(
    surroundings: &Surroundings,
    ip: IpAddr,
    check: &HealthCheck,
    was_well: bool,
    tell: impl Fn(Answer) -> bool,
) {
    let every = Duration::from_millis(check.interval_ms());
    let mut checked = if was_well { Checked::default() } else { Checked::not_yet() };
    let (mut passed, mut pause) = (was_well, FIRST_PAUSE);
    let (mut told, mut failures) = (None, 0);
    loop {
        let result = surroundings.check(ip, check).await;
        let passes = result.is_ok();
        checked = checked.after(result, check);
        passed |= checked.down.is_none();
        let answer = Answer::Health { passed, down: checked.down.clone() };
        failures = if passes { 0 } else { failures + 1 };
        // A first pass that is not enough is no news yet, nor a first failure: it may have run well for days.
        let is_news = passed || failures >= check.fall() || told.is_some();
        if is_news && told.as_ref() != Some(&answer) {
            told = Some(answer.clone());
            if !tell(answer) {
                return;
            }
        }
        if passed {
            sleep(every).await;
        } else if passes {
            sleep(every.min(EAGER_PAUSE)).await;
        } else {
            sleep(pause.min(every)).await;
            pause = (pause * 2).min(every);
        }
    }
}

async fn all_accept(surroundings: &Surroundings, ip: IpAddr, ports: &[u16]) -> bool {
    for &port in ports {
        let accepts = timeout(PATIENCE, surroundings.accepts(ip, port)).await;
        if !accepts.unwrap_or_default() {
            return false;
        }
    }
    true
}

/// One check; why it failed, in words.
pub(crate) async fn once(ip: IpAddr, check: &HealthCheck) -> Result<(), String> {
    let port = check.port;
    let asking = async {
        let mut stream = TcpStream::connect(SocketAddr::new(ip, port))
            .await
            .map_err(|error| format!("its check on port {port} can't connect: {error}"))?;
        let Some(request) = check.request() else { return Ok(()) };
        let broken = |error| format!("its check on port {port} broke: {error}");
        stream.write_all(request.as_bytes()).await.map_err(broken)?;
        let mut head = Vec::new();
        while head.len() < STATUS_LINE && !head.contains(&b'\n') {
            if stream.read_buf(&mut head).await.map_err(broken)? == 0 {
                break;
            }
        }
        check.judge(&head)
    };
    let ms = check.timeout_ms();
    let late = || format!("its check on port {port} took longer than {ms} ms");
    timeout(Duration::from_millis(ms), asking).await.unwrap_or_else(|_| Err(late()))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A server that gives one answer to everybody, and a check of it.
    async fn serve(answer: &'static str) -> (SocketAddr, HealthCheck) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut asked = [0; 512];
                let _ = stream.read(&mut asked).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        let request_line = Some("GET /ping".to_owned());
        (address, HealthCheck { port: address.port(), request_line, ..HealthCheck::default() })
    }

    #[tokio::test]
    async fn an_answer_is_judged_and_silence_ends() {
        let (address, check) = serve("HTTP/1.0 204 No Content\r\n\r\n").await;
        assert_eq!(once(address.ip(), &check).await, Ok(()));
        let (address, check) = serve("HTTP/1.0 503 Busy\r\n\r\n").await;
        let why = "its check `GET /ping` was answered 503";
        assert_eq!(once(address.ip(), &check).await, Err(why.to_owned()));
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let check = HealthCheck {
            port: silent.local_addr().unwrap().port(),
            response_timeout_ms: Some(20),
            ..check
        };
        let why = format!("its check on port {} took longer than 20 ms", check.port);
        assert_eq!(once(address.ip(), &check).await, Err(why));
        drop(silent);
        let why = once(address.ip(), &check).await.unwrap_err();
        assert!(why.contains("can't connect: Connection refused"), "{why}");
    }

    #[tokio::test]
    async fn two_passes_make_it_healthy_and_that_is_told_once() {
        let (address, check) = serve("HTTP/1.0 200 OK\r\n\r\n").await;
        let (say, mut hear) = mpsc::unbounded_channel();
        let asking = tokio::spawn(async move {
            let machine = Surroundings::Machine("/nowhere".into());
            let tell = |answer| say.send(answer).is_ok();
            ask_health(&machine, address.ip(), &check, false, tell).await;
        });
        let well = hear.recv().await.unwrap();
        assert_eq!(well, Answer::Health { passed: true, down: None });
        asking.abort();
    }
}
