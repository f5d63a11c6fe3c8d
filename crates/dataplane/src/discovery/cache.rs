//! What others answered, kept for as long as they allow, within bounds: a name server of a host, not of a city.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};

/// Whom was asked what. Servers of one container may know other names than another's.
pub(super) type Key = (Name, RecordType, Arc<[SocketAddr]>);

/// Answers by question.
#[derive(Default)]
pub(super) struct Cache {
    held: BTreeMap<Key, Held>,
}

struct Held {
    message: Message,
    since: Instant,
    until: Instant,
}

/// Answers held at most, as Rancher has it.
const ROOM: usize = 1_000;

/// An answer that may not be kept still serves those who ask in the same second.
const SHORTEST_S: u32 = 1;

/// Whatever its owner says: a change outside shall be seen while somebody waits for it.
const LONGEST_S: u32 = 60;

impl Cache {
    /// The answer to a question, its times as many seconds shorter as it is old.
    pub(super) fn get(&self, key: &Key, now: Instant) -> Option<Message> {
        let held = self.held.get(key).filter(|held| now < held.until)?;
        let age = now.saturating_duration_since(held.since).as_secs();
        let mut message = held.message.clone();
        let sections = [&mut message.answers, &mut message.authorities, &mut message.additionals];
        for record in sections.into_iter().flatten() {
            record.decrement_ttl(u32::try_from(age).unwrap_or(u32::MAX));
        }
        Some(message)
    }

    /// Keep an answer.
    pub(super) fn put(&mut self, key: Key, message: Message, now: Instant) {
        let seconds = lifetime_s(&message).clamp(SHORTEST_S, LONGEST_S);
        if self.held.len() >= ROOM {
            self.held.retain(|_, held| now < held.until);
        }
        if self.held.len() >= ROOM
            && let Some(first) = self.held.iter().min_by_key(|(_, held)| held.until)
        {
            let first = first.0.clone();
            self.held.remove(&first);
        }
        let until = now + Duration::from_secs(seconds.into());
        self.held.insert(key, Held { message, since: now, until });
    }
}

/// How long an answer is good: its shortest record, and a "no" as long as its zone says.
fn lifetime_s(message: &Message) -> u32 {
    let answers = message.answers.iter().map(|record| record.ttl).min();
    let no = || {
        let mut authorities = message.authorities.iter();
        authorities.find_map(|record| match &record.data {
            RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
            _ => None,
        })
    };
    match message.metadata.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain => answers.or_else(no).unwrap_or_default(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::OpCode;
    use hickory_proto::rr::Record;
    use hickory_proto::rr::rdata::{A, SOA};

    use super::*;

    fn key(n: usize) -> Key {
        (Name::from_ascii(format!("n{n}.example.")).unwrap(), RecordType::A, [].into())
    }

    fn message(ttls: &[u32]) -> Message {
        let mut message = Message::response(1, OpCode::Query);
        let record = |ttl: &u32| Record::from_rdata(key(0).0, *ttl, RData::A(A::new(192, 0, 2, 1)));
        message.answers = ttls.iter().map(record).collect();
        message
    }

    #[test]
    fn answers_are_kept_as_long_as_they_may_be_and_grow_older() {
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        let check = |ttls: &[u32], at: u64, want: Option<&[u32]>| {
            let mut cache = Cache::default();
            cache.put(key(1), message(ttls), begin);
            let got = cache.get(&key(1), after(at));
            let got = got.map(|m| m.answers.iter().map(|r| r.ttl).collect::<Vec<_>>());
            assert_eq!(got.as_deref(), want, "{ttls:?} after {at} s");
        };
        check(&[30, 20], 5, Some(&[25, 15]));
        check(&[30, 20], 20, None);
        check(&[86_400], 59, Some(&[86_341]));
        check(&[86_400], 60, None);
        check(&[0], 0, Some(&[0]));
        check(&[0], 1, None);
        check(&[], 1, None);
    }

    #[test]
    fn a_no_is_kept_as_long_as_its_zone_says() {
        let mut no = Message::response(1, OpCode::Query);
        no.metadata.response_code = ResponseCode::NXDomain;
        let soa = SOA::new(Name::root(), Name::root(), 1, 1, 1, 1, 7);
        no.authorities.push(Record::from_rdata(Name::root(), 900, RData::SOA(soa)));
        assert_eq!(lifetime_s(&no), 7);
    }

    #[test]
    fn what_ends_first_makes_room() {
        let begin = Instant::now();
        let mut cache = Cache::default();
        for n in 0..ROOM {
            let ttl = if n == 500 { 5 } else { 30 };
            cache.put(key(n), message(&[ttl]), begin);
        }
        cache.put(key(ROOM), message(&[30]), begin);
        assert_eq!(cache.held.len(), ROOM);
        assert!(cache.get(&key(500), begin).is_none());
        assert!(cache.get(&key(ROOM), begin).is_some());
    }
}
