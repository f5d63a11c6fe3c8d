//! DNS messages: bytes in, what was asked; an answer, bytes out. What is refused is refused here.

use hickory_proto::op::{Edns, Message, MessageType, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, SOA};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder};

use std::net::IpAddr;

use super::answer::Answer;
use super::names::ZONE;

/// A question that can be answered.
pub(super) struct Asked {
    pub(super) request: Message,
    /// Most bytes of the answer.
    limit: u16,
}

/// What bytes turned out to be.
pub(super) enum Read {
    /// A question.
    Asked(Asked),
    /// Something else: this is the answer.
    Refused(Vec<u8>),
    /// Nothing that may be answered.
    Nonsense,
}

/// How an answer came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Udp,
    Tcp,
}

/// Seconds our own answers may be kept: as few as DNS knows.
const TTL_S: u32 = 1;

/// Bytes of an answer by UDP that every client takes.
const SMALL: u16 = 512;

/// Most bytes of an answer by UDP, whatever the client says: it still passes where fragments are dropped seldom.
pub(super) const LARGE: u16 = 4096;

/// Most bytes of an answer by TCP.
const LARGEST: u16 = u16::MAX;

/// Read a question.
pub(super) fn read(bytes: &[u8], way: Way) -> Read {
    let Ok(request) = Message::from_vec(bytes) else { return unreadable(bytes) };
    if request.metadata.message_type != MessageType::Query {
        // Answering answers never ends.
        return Read::Nonsense;
    }
    let edns = request.edns.as_ref();
    let limit = match way {
        Way::Tcp => LARGEST,
        Way::Udp => edns.map_or(SMALL, |edns| edns.max_payload().clamp(SMALL, LARGE)),
    };
    let code = refusal(&request);
    let asked = Asked { request, limit };
    match code {
        None => Read::Asked(asked),
        Some(code) => Read::Refused(asked.say(|message| message.metadata.response_code = code)),
    }
}

impl Asked {
    /// The one question.
    pub(super) fn question(&self) -> &Query {
        &self.request.queries[0]
    }

    /// Answer what we know; others' answers are in `heard`.
    pub(super) fn answer(self, answer: Answer) -> Vec<u8> {
        let owner = self.question().name().clone();
        self.say(|message| {
            message.metadata.authoritative = true;
            match answer {
                Answer::Here { chain, records, extra } => {
                    if records.is_empty() {
                        message.authorities.push(start_of_authority());
                    }
                    let owner = add_chain(message, owner, chain);
                    let record = |data| Record::from_rdata(owner.clone(), TTL_S, data);
                    message.answers.extend(records.into_iter().map(record));
                    let extra = extra.into_iter().map(|(name, address)| {
                        Record::from_rdata(name, TTL_S, address_record(address))
                    });
                    message.additionals.extend(extra);
                }
                Answer::Nowhere => {
                    message.metadata.response_code = ResponseCode::NXDomain;
                    message.authorities.push(start_of_authority());
                }
                Answer::Elsewhere { .. } => {
                    message.metadata.response_code = ResponseCode::ServFail;
                }
            }
        })
    }

    /// Pass on what others answered, after the names of ours that led there; `None` if nobody did.
    pub(super) fn pass_on(self, chain: Vec<Name>, heard: Option<Message>) -> Vec<u8> {
        let owner = self.question().name().clone();
        let wants_v6 = self.question().query_type() == RecordType::AAAA;
        self.say(|message| {
            let Some(heard) = heard else {
                message.metadata.response_code = ResponseCode::ServFail;
                return;
            };
            // Some C libraries take "no such name" for the IPv4 address too.
            let code = match heard.metadata.response_code {
                ResponseCode::NXDomain if wants_v6 || !chain.is_empty() => ResponseCode::NoError,
                code => code,
            };
            message.metadata.response_code = code;
            add_chain(message, owner, chain);
            message.answers.extend(heard.answers);
            message.authorities.extend(heard.authorities);
            message.additionals.extend(heard.additionals);
        })
    }

    fn say(self, fill: impl FnOnce(&mut Message)) -> Vec<u8> {
        let Self { request, limit } = self;
        let mut message = Message::response(request.metadata.id, request.metadata.op_code);
        message.metadata = Metadata::response_from_request(&request.metadata);
        message.metadata.recursion_available = true;
        message.queries = request.queries;
        message.edns = request.edns.map(|_| {
            let mut edns = Edns::new();
            edns.set_max_payload(LARGE);
            edns
        });
        fill(&mut message);
        encode(&message, limit)
    }
}

fn refusal(request: &Message) -> Option<ResponseCode> {
    if request.metadata.op_code != OpCode::Query {
        return Some(ResponseCode::NotImp);
    }
    if request.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
        return Some(ResponseCode::BADVERS);
    }
    let [question] = request.queries.as_slice() else { return Some(ResponseCode::Refused) };
    match (question.query_class(), question.query_type()) {
        (DNSClass::IN, RecordType::ANY | RecordType::AXFR | RecordType::IXFR) => {
            Some(ResponseCode::NotImp)
        }
        (DNSClass::IN, _) => None,
        _ => Some(ResponseCode::NotImp),
    }
}

/// Say that it could not be read, if so much could be read that there is somebody to say it to.
fn unreadable(bytes: &[u8]) -> Read {
    /// In the third byte: it is an answer.
    const ANSWER: u8 = 0x80;
    match bytes {
        [high, low, flags, _, ..] if bytes.len() >= 12 && flags & ANSWER == 0 => {
            let id = u16::from_be_bytes([*high, *low]);
            let message = Message::error_msg(id, OpCode::Query, ResponseCode::FormErr);
            Read::Refused(encode(&message, SMALL))
        }
        _ => Read::Nonsense,
    }
}

/// The names that lead on, each owned by the one before it. Returns the last.
fn add_chain(message: &mut Message, first: Name, chain: Vec<Name>) -> Name {
    let mut owner = first;
    for target in chain {
        let data = RData::CNAME(CNAME(target.clone()));
        message.answers.push(Record::from_rdata(owner, TTL_S, data));
        owner = target;
    }
    owner
}

fn address_record(address: IpAddr) -> RData {
    match address {
        IpAddr::V4(address) => RData::A(A(address)),
        IpAddr::V6(address) => RData::AAAA(AAAA(address)),
    }
}

/// Says for how long "no" may be kept.
pub(super) fn start_of_authority() -> Record {
    let zone = Name::from_ascii(ZONE).map_or_else(|_| Name::root(), fully_qualified);
    let contact =
        Name::from_ascii(format!("nobody.{ZONE}")).map_or_else(|_| Name::root(), fully_qualified);
    let soa = SOA::new(zone.clone(), contact, 1, 60, 60, 60, TTL_S);
    Record::from_rdata(zone, TTL_S, RData::SOA(soa))
}

fn fully_qualified(mut name: Name) -> Name {
    name.set_fqdn(true);
    name
}

/// What does not fit is left out, and the answer says so.
fn encode(message: &Message, limit: u16) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(usize::from(SMALL));
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_max_size(limit);
    match message.emit(&mut encoder) {
        Ok(()) => bytes,
        Err(error) => {
            // Only a question that can't be repeated.
            tracing::debug!(%error, "an answer could not be written");
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::answer;
    use super::super::facts::facts;
    use super::super::names::Names;
    use super::*;

    fn query(name: &str, kind: RecordType) -> Message {
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        message.queries.push(Query::query(Name::from_ascii(name).unwrap(), kind));
        message
    }

    fn reply(names: &Names, request: &Message, way: Way) -> Message {
        let bytes = match read(&request.to_vec().unwrap(), way) {
            Read::Nonsense => panic!("no reply to {request}"),
            Read::Refused(bytes) => bytes,
            Read::Asked(asked) => {
                let found = answer(names, [10, 9, 9, 9].into(), asked.question(), 0);
                asked.answer(found)
            }
        };
        let reply = Message::from_vec(&bytes).unwrap();
        assert_eq!(reply.metadata.id, request.metadata.id);
        assert_eq!(reply.metadata.message_type, MessageType::Response);
        reply
    }

    fn names() -> Names {
        let many: Vec<String> = (1..=60).map(|n| format!("10.0.1.{n}")).collect();
        let many = format!("service shop/many {}", many.join(" "));
        let web = "service shop/web port=80 10.0.0.1 10.0.0.2";
        Names::new(&facts(&[web, &many]), "127.0.0.1:53".parse().unwrap())
    }

    #[test]
    fn answers_carry_what_clients_look_at() {
        let names = names();
        let ask = |name, kind| reply(&names, &query(name, kind), Way::Udp);
        let web = ask("Web.Shop.rancher.internal.", RecordType::A);
        assert!(web.metadata.authoritative && web.metadata.recursion_available);
        assert!(web.metadata.recursion_desired && web.edns.is_none());
        let owners: Vec<String> = web.answers.iter().map(|r| r.name.to_string()).collect();
        assert_eq!(owners, ["Web.Shop.rancher.internal."; 2], "the name as it was asked");
        assert_eq!(web.answers[0].ttl, 1);

        let none = ask("web.shop.rancher.internal.", RecordType::AAAA);
        assert_eq!(none.metadata.response_code, ResponseCode::NoError);
        assert_eq!((none.answers.len(), none.authorities.len()), (0, 1));

        let unknown = ask("x.rancher.internal.", RecordType::A);
        assert_eq!(unknown.metadata.response_code, ResponseCode::NXDomain);
        let RData::SOA(soa) = &unknown.authorities[0].data else { panic!("{unknown}") };
        assert_eq!((soa.minimum, unknown.authorities[0].ttl), (1, 1));
        assert!(unknown.metadata.authoritative);

        let ports = ask("_80._tcp.web.shop.rancher.internal.", RecordType::SRV);
        assert_eq!(ports.additionals.len(), 2);
        assert_eq!(ports.additionals[0].name.to_string(), "shop-web-1.rancher.internal.");
    }

    #[test]
    fn what_is_not_answered_is_refused() {
        let names = names();
        let check = |change: &dyn Fn(&mut Message), want: ResponseCode| {
            let mut request = query("web.shop.rancher.internal.", RecordType::A);
            change(&mut request);
            let reply = reply(&names, &request, Way::Udp);
            // As numbers: 16 has two names.
            let code = u16::from(reply.metadata.response_code);
            assert_eq!(code, u16::from(want), "{request}");
            assert!(reply.answers.is_empty());
        };
        let kind = |kind| {
            move |m: &mut Message| {
                m.queries[0].set_query_type(kind);
            }
        };
        let other_class = |m: &mut Message| {
            m.queries[0].set_query_class(DNSClass::CH);
        };
        check(&kind(RecordType::ANY), ResponseCode::NotImp);
        check(&kind(RecordType::AXFR), ResponseCode::NotImp);
        check(&other_class, ResponseCode::NotImp);
        check(&|m| m.metadata.op_code = OpCode::Notify, ResponseCode::NotImp);
        check(&|m| m.queries.push(m.queries[0].clone()), ResponseCode::Refused);
        check(&|m| m.queries.clear(), ResponseCode::Refused);
        let old = |m: &mut Message| {
            let mut edns = Edns::new();
            edns.set_version(1);
            m.edns = Some(edns);
        };
        check(&old, ResponseCode::BADVERS);
    }

    #[test]
    fn nonsense_is_told_so_and_answers_are_not_answered() {
        let mut broken = query("web.shop.rancher.internal.", RecordType::A).to_vec().unwrap();
        broken.truncate(broken.len() - 3);
        let Read::Refused(bytes) = read(&broken, Way::Udp) else { panic!() };
        let reply = Message::from_vec(&bytes).unwrap();
        assert_eq!(reply.metadata.response_code, ResponseCode::FormErr);
        assert_eq!(bytes[..2], broken[..2]);
        assert!(matches!(read(&broken[..9], Way::Udp), Read::Nonsense));
        assert!(matches!(read(&bytes, Way::Udp), Read::Nonsense));
    }

    #[test]
    fn what_does_not_fit_is_cut_off_and_says_so() {
        let names = names();
        let check = |payload: Option<u16>, way: Way, whole: bool| {
            let mut request = query("many.shop.rancher.internal.", RecordType::A);
            request.edns = payload.map(|payload| {
                let mut edns = Edns::new();
                edns.set_max_payload(payload);
                edns
            });
            let reply = reply(&names, &request, way);
            assert_eq!(reply.metadata.truncation, !whole, "{payload:?}");
            assert_eq!(reply.answers.len() == 60, whole, "{payload:?}");
            let limit = payload.unwrap_or(512);
            assert!(way == Way::Tcp || reply.to_vec().unwrap().len() <= usize::from(limit));
        };
        check(None, Way::Udp, false);
        check(Some(512), Way::Udp, false);
        check(Some(4096), Way::Udp, true);
        check(None, Way::Tcp, true);
    }

    #[test]
    fn others_answers_are_passed_on_after_our_names() {
        use ResponseCode::{NXDomain, NoError, ServFail};

        let names = |list: &[&str]| -> Vec<Name> {
            list.iter().map(|name| Name::from_ascii(name).unwrap()).collect()
        };
        let check = |kind, chain: &[&str], heard: Option<ResponseCode>, want, answers: usize| {
            let request = query("out.shop.rancher.internal.", kind);
            let Read::Asked(asked) = read(&request.to_vec().unwrap(), Way::Udp) else { panic!() };
            let heard = heard.map(|code| {
                let mut heard = Message::response(9, OpCode::Query);
                heard.metadata.response_code = code;
                if code == ResponseCode::NoError {
                    let name = Name::from_ascii("example.com.").unwrap();
                    let data = address_record([192, 0, 2, 1].into());
                    heard.answers.push(Record::from_rdata(name, 30, data));
                }
                heard
            });
            let reply = Message::from_vec(&asked.pass_on(names(chain), heard)).unwrap();
            assert_eq!(reply.metadata.response_code, want);
            assert_eq!(reply.answers.len(), answers);
            assert!(!reply.metadata.authoritative);
        };
        check(RecordType::A, &["example.com."], Some(NoError), NoError, 2);
        check(RecordType::A, &["example.com."], Some(NXDomain), NoError, 1);
        check(RecordType::A, &[], Some(NXDomain), NXDomain, 0);
        check(RecordType::AAAA, &[], Some(NXDomain), NoError, 0);
        check(RecordType::A, &[], None, ServFail, 0);
        check(RecordType::A, &["example.com."], None, ServFail, 0);
    }
}
