//! Which other hosts answer: each is asked for an ICMP echo a few times a second. Its kernel answers, whatever its agent
//! and its containers do, so that silence means that the machine or the way to it is gone.
//!
//! What it means for the cluster is the planner's to say; balancers and names of this host avoid who is silent at once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use drover_core::{HearingNow, HostId};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::agent::AgentResult;
use crate::echo::{Came, EchoSocket, Level, Mark, SMALLEST, read, request};

/// Between two rounds of asking.
const ROUND: Duration = Duration::from_millis(250);
/// A host that has not answered for so long is silent.
const SILENT: Duration = Duration::from_secs(1);
/// Before it is tried again to open a socket.
const AGAIN: Duration = Duration::from_secs(10);
/// The largest packet there is.
const PACKET: usize = 1 << 16;

/// Who asks, and who is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Circle {
    /// This host.
    pub(crate) own: u64,
    /// The others, and where each is reached.
    pub(crate) others: BTreeMap<HostId, Ipv4Addr>,
}

/// What is heard of the others. Those that never answered are in neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Those that answer.
    pub(crate) present: BTreeSet<HostId>,
    /// Those that did, and when they did last.
    pub(crate) silent: BTreeMap<HostId, Instant>,
}

impl Heard {
    /// Whom balancers and names avoid: the only other host, too. If it is this one that is cut off, what runs here is the
    /// better choice, and avoiding only prefers.
    pub(crate) fn avoided(&self) -> BTreeSet<HostId> {
        self.silent.keys().copied().collect()
    }

    /// As it is told the server.
    pub(crate) fn now(&self, now: Instant) -> HearingNow {
        let ms = |since: &Instant| {
            u64::try_from(now.saturating_duration_since(*since).as_millis()).unwrap_or(u64::MAX)
        };
        HearingNow {
            heard: self.present.clone(),
            silent_ms: self.silent.iter().map(|(host, since)| (*host, ms(since))).collect(),
        }
    }
}

/// Ask for ever; tell when somebody goes silent or answers again.
pub(crate) async fn listen(
    mut circle: watch::Receiver<Circle>,
    results: mpsc::UnboundedSender<AgentResult>,
) {
    let mut ears = Ears::default();
    loop {
        let now = circle.borrow_and_update().clone();
        ears.keep_only(&now);
        if results.send(AgentResult::Heard(ears.heard())).is_err() {
            return;
        }
        let over = if now.others.is_empty() {
            circle.changed().await.is_err()
        } else {
            match EchoSocket::open() {
                Ok(socket) => {
                    let asking = ask(&socket, &now, &mut ears, &results);
                    tokio::select! {
                        // Whatever ends it is tried again.
                        () = asking => false,
                        changed = circle.changed() => changed.is_err(),
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "other hosts can't be listened to: this one won't tell when they are gone");
                    sleep(AGAIN).await;
                    false
                }
            }
        };
        if over {
            return;
        }
    }
}

/// Ask all, round after round.
async fn ask(
    socket: &EchoSocket,
    circle: &Circle,
    ears: &mut Ears,
    results: &mpsc::UnboundedSender<AgentResult>,
) {
    let order: Vec<HostId> = circle.others.keys().copied().collect();
    // Answers to an earlier circle, whose order was another, are not ours.
    let mut random = [0; 8];
    if getrandom::fill(&mut random).is_err() {
        return sleep(AGAIN).await;
    }
    let mark = Mark { run: u64::from_be_bytes(random), host: circle.own, level: Level::Presence };
    let mut buffer = vec![0; PACKET];
    let mut due = Instant::now();
    loop {
        tokio::select! {
            // What has come is heard before anybody is taken for silent.
            biased;
            received = socket.receive(&mut buffer) => {
                let length = received.unwrap_or_default();
                if let Some(Came::Reply(run, number)) = read(&buffer[..length])
                    && run == mark.run
                    && let Some(host) = order.get(usize::from(number))
                {
                    ears.answered(*host, Instant::now());
                }
            }
            () = sleep_until(due) => {
                let now = Instant::now();
                if ears.round(now, due) && results.send(AgentResult::Heard(ears.heard())).is_err() {
                    return;
                }
                for (number, address) in (0..=u16::MAX).zip(circle.others.values()) {
                    // One that can't be sent is like one that isn't answered.
                    let _ = socket.send(*address, &request(mark, number, SMALLEST)).await;
                }
                due = now + ROUND;
            }
        }
    }
}

/// When each host answered last, and who is taken for silent.
#[derive(Default)]
struct Ears {
    answered: BTreeMap<HostId, Instant>,
    silent: BTreeSet<HostId>,
    /// Somebody answered for the first time.
    is_new: bool,
}

impl Ears {
    fn keep_only(&mut self, circle: &Circle) {
        self.answered.retain(|host, _| circle.others.contains_key(host));
        self.silent.retain(|host| circle.others.contains_key(host));
    }

    fn answered(&mut self, host: HostId, now: Instant) {
        self.is_new |= self.answered.insert(host, now).is_none();
    }

    /// A round that was due at `due` begins. Whether anything else is heard than before.
    fn round(&mut self, now: Instant, due: Instant) -> bool {
        // Who slept was this process, or its machine: nobody could have been heard meanwhile.
        let slept = now.saturating_duration_since(due);
        if slept > ROUND {
            for at in self.answered.values_mut() {
                *at = (*at + slept).min(now);
            }
        }
        let silent = self.answered.iter();
        let silent = silent.filter(|(_, at)| now.saturating_duration_since(**at) >= SILENT);
        let silent: BTreeSet<HostId> = silent.map(|(host, _)| *host).collect();
        let news = std::mem::take(&mut self.is_new) || silent != self.silent;
        self.silent = silent;
        news
    }

    fn heard(&self) -> Heard {
        let is_silent = |host: &HostId| self.silent.contains(host);
        let all = || self.answered.iter();
        Heard {
            present: all().map(|(host, _)| *host).filter(|host| !is_silent(host)).collect(),
            silent: all().filter(|(host, _)| is_silent(host)).map(|(h, at)| (*h, *at)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: HostId = HostId(1);
    const TWO: HostId = HostId(2);

    /// Rounds on time, in which these answer; what each said was new.
    fn rounds(ears: &mut Ears, now: &mut Instant, count: u32, answer: &[HostId]) -> Vec<bool> {
        let mut news = Vec::new();
        for _ in 0..count {
            *now += ROUND;
            news.push(ears.round(*now, *now));
            for host in answer {
                ears.answered(*host, *now);
            }
        }
        news
    }

    #[test]
    fn a_host_is_silent_after_a_second_and_heard_with_its_next_answer() {
        let (mut ears, mut now) = (Ears::default(), Instant::now());
        assert_eq!(rounds(&mut ears, &mut now, 3, &[ONE]), [false, true, false]);
        assert_eq!(rounds(&mut ears, &mut now, 5, &[]), [false, false, false, true, false]);
        let told = ears.heard().now(now);
        assert_eq!((told.heard.len(), told.silent_ms), (0, [(ONE, 1_250)].into()));
        assert_eq!(rounds(&mut ears, &mut now, 2, &[ONE]), [false, true]);
        assert_eq!(ears.heard().present, [ONE].into());
    }

    #[test]
    fn of_two_hosts_the_other_one_is_avoided_when_it_is_silent() {
        let (mut ears, mut now) = (Ears::default(), Instant::now());
        rounds(&mut ears, &mut now, 3, &[ONE]);
        assert_eq!(ears.heard().avoided(), BTreeSet::new());
        rounds(&mut ears, &mut now, 5, &[]);
        assert_eq!(ears.heard().avoided(), [ONE].into());
    }

    #[test]
    fn one_that_never_answered_is_not_silent() {
        let (mut ears, mut now) = (Ears::default(), Instant::now());
        rounds(&mut ears, &mut now, 20, &[TWO]);
        let told = ears.heard().now(now);
        assert_eq!((told.heard, told.silent_ms.len()), ([TWO].into(), 0));
    }

    #[test]
    fn a_process_that_was_frozen_takes_nobody_for_silent() {
        let (mut ears, mut now) = (Ears::default(), Instant::now());
        rounds(&mut ears, &mut now, 3, &[ONE]);
        let due = now + ROUND;
        now = due + Duration::from_mins(1);
        assert!(!ears.round(now, due));
        assert_eq!(rounds(&mut ears, &mut now, 4, &[]), [false, false, true, false]);
    }

    #[test]
    fn who_leaves_the_circle_is_forgotten() {
        let (mut ears, mut now) = (Ears::default(), Instant::now());
        rounds(&mut ears, &mut now, 3, &[ONE, TWO]);
        let others = [(TWO, Ipv4Addr::LOCALHOST)].into();
        ears.keep_only(&Circle { own: 9, others });
        assert_eq!(ears.heard().present, [TWO].into());
    }
}
