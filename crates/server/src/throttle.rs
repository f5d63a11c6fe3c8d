//! How often a wrong key may be tried: a pure rule over a bounded table.
//!
//! Each wrong try is a debt that time pays off; who owes too much waits until enough of it is paid. Debts are kept for an address
//! (many keys tried from there) and for one key tried from one address. Nothing is kept for a key alone: whoever tries it
//! elsewhere must not keep out who has it. A key that was right from an address lately is not held up by others' debts
//! there, so that many can come by one proxy.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;

use drover_core::Time;

use crate::auth::hash;
use crate::lock::lock;

/// A key from an address: so many wrong tries at once, then one in so many milliseconds.
const KEY: Allowance = Allowance { free: 5, each_ms: 60_000 };
/// An address, whatever the keys.
const ADDRESS: Allowance = Allowance { free: 20, each_ms: 5_000 };
/// How long a key that was right from an address is known there, milliseconds.
const KNOWN_MS: u64 = 24 * 3_600_000;
/// A key that is known is noted anew after so long, milliseconds.
const NOTE_MS: u64 = 60_000;
/// Rows at a time; past it those go that matter least.
const MOST: usize = 20_000;

/// Wrong tries that are let pass.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    /// At once.
    free: u64,
    /// What each costs, in milliseconds until it is paid off.
    each_ms: u64,
}

/// Who tried what lately.
#[derive(Default)]
pub(crate) struct Throttle {
    table: Mutex<Table>,
}

/// Rows by address, and by the key that was tried there (its access key's hash; empty for the address itself).
#[derive(Debug, Default)]
struct Table {
    rows: BTreeMap<(IpAddr, String), Row>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    /// When all debt is paid.
    paid_at: Time,
    /// The key was right then.
    right_at: Option<Time>,
}

impl Throttle {
    /// Whether a key may be tried from an address now; else how many seconds to wait.
    pub(crate) fn admit(&self, from: IpAddr, access: &str, now: Time) -> Result<(), u64> {
        lock(&self.table).admit(net(from), &hash(access), now)
    }

    /// It was wrong.
    pub(crate) fn wrong(&self, from: IpAddr, access: &str, now: Time) {
        lock(&self.table).wrong(net(from), &hash(access), now);
    }

    /// It was right.
    pub(crate) fn right(&self, from: IpAddr, access: &str, now: Time) {
        lock(&self.table).right(net(from), &hash(access), now);
    }
}

impl Table {
    fn admit(&self, from: IpAddr, key: &str, now: Time) -> Result<(), u64> {
        let row = |key: &str| self.rows.get(&(from, key.to_owned())).copied().unwrap_or_default();
        let own = row(key);
        KEY.admit(own, now)?;
        if own.is_known(now) { Ok(()) } else { ADDRESS.admit(row(""), now) }
    }

    fn wrong(&mut self, from: IpAddr, key: &str, now: Time) {
        for (key, allowance) in [(key, KEY), ("", ADDRESS)] {
            let row = self.rows.entry((from, key.to_owned())).or_default();
            row.paid_at = row.paid_at.max(now) + allowance.each_ms;
        }
        self.stay_bounded(now);
    }

    /// Its own debts are forgiven; the address's are not, or whoever has one key could try others for ever.
    fn right(&mut self, from: IpAddr, key: &str, now: Time) {
        let row = self.rows.entry((from, key.to_owned())).or_default();
        let is_noted = row.right_at.is_some_and(|at| now - at < NOTE_MS) && row.paid_at <= now;
        if !is_noted {
            *row = Row { paid_at: Time(0), right_at: Some(now) };
            self.stay_bounded(now);
        }
    }

    /// Forget what is over; if that is not enough, the half that is over soonest.
    fn stay_bounded(&mut self, now: Time) {
        if self.rows.len() <= MOST {
            return;
        }
        self.rows.retain(|_, row| row.over_at() > now);
        if self.rows.len() <= MOST {
            return;
        }
        let mut ends: Vec<Time> = self.rows.values().map(|row| row.over_at()).collect();
        let half = ends.len() / 2;
        let (_, median, _) = ends.select_nth_unstable(half);
        let median = *median;
        self.rows.retain(|_, row| row.over_at() > median);
    }
}

impl Row {
    fn is_known(self, now: Time) -> bool {
        self.right_at.is_some_and(|at| now < at + KNOWN_MS)
    }

    /// When nothing of it matters any more.
    fn over_at(self) -> Time {
        let known = self.right_at.map(|at| at + KNOWN_MS);
        known.into_iter().fold(self.paid_at, Time::max)
    }
}

impl Allowance {
    fn admit(self, row: Row, now: Time) -> Result<(), u64> {
        let owed = row.paid_at - now;
        let let_pass = (self.free - 1) * self.each_ms;
        if owed <= let_pass { Ok(()) } else { Err((owed - let_pass).div_ceil(1000)) }
    }
}

/// Who has one address of IPv6 has all of its /64.
fn net(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Seconds since the beginning, from where, which key, whether it is right; and whether it may be tried.
    type Try<'a> = (u64, &'a str, &'a str, bool, Result<(), u64>);

    /// What is tried, one after the other.
    fn check(tries: &[Try<'_>]) {
        let mut table = Table::default();
        for (number, (at, from, key, is_right, want)) in tries.iter().enumerate() {
            let (from, now) = (net(ip(from)), Time(at * 1000));
            let got = table.admit(from, key, now);
            assert_eq!(got, *want, "try {number}: {key} from {from} after {at} s");
            match (got, is_right) {
                (Ok(()), true) => table.right(from, key, now),
                (Ok(()), false) => table.wrong(from, key, now),
                (Err(_), _) => {}
            }
        }
    }

    #[test]
    fn one_key_is_tried_five_times_and_then_once_a_minute() {
        let wrong = |at, want| (at, "192.0.2.1", "K", false, want);
        check(&[
            wrong(0, Ok(())),
            wrong(0, Ok(())),
            wrong(0, Ok(())),
            wrong(0, Ok(())),
            wrong(0, Ok(())),
            wrong(0, Err(60)),
            // Trying while one has to wait makes it no longer.
            wrong(59, Err(1)),
            (59, "192.0.2.1", "K", true, Err(1)),
            wrong(60, Ok(())),
            wrong(60, Err(60)),
            (120, "192.0.2.1", "K", true, Ok(())),
            // Once it was right, all is forgiven.
            wrong(121, Ok(())),
            wrong(121, Ok(())),
        ]);
    }

    #[test]
    fn who_tries_it_elsewhere_keeps_nobody_out() {
        let mut tries: Vec<_> = (0..5).map(|_| (0, "192.0.2.1", "K", false, Ok(()))).collect();
        tries.push((0, "192.0.2.1", "K", true, Err(60)));
        tries.push((0, "192.0.2.2", "K", true, Ok(())));
        check(&tries);
    }

    #[test]
    fn an_address_tries_twenty_keys_and_then_one_in_five_seconds() {
        let keys: Vec<String> = (0..22).map(|n| format!("K{n}")).collect();
        let mut tries = vec![(0, "192.0.2.1", "OLD", true, Ok(()))];
        tries.extend(keys[..20].iter().map(|key| (1, "192.0.2.1", key.as_str(), false, Ok(()))));
        tries.extend([
            (1, "192.0.2.1", keys[20].as_str(), false, Err(5)),
            (1, "192.0.2.1", "NEW", true, Err(5)),
            // What was right from there is not held up by what others try.
            (1, "192.0.2.1", "OLD", true, Ok(())),
            (1, "192.0.2.9", "NEW", true, Ok(())),
            (6, "192.0.2.1", "NEW", true, Ok(())),
            (6, "192.0.2.1", keys[20].as_str(), false, Ok(())),
            (6, "192.0.2.1", keys[21].as_str(), false, Err(5)),
        ]);
        check(&tries);
    }

    #[test]
    fn a_key_that_goes_on_being_wrong_does_not_use_up_its_address() {
        // A monitor with an old key, once a second, for ten minutes.
        let mut table = Table::default();
        let from = ip("192.0.2.1");
        for second in 0..600 {
            let now = Time(second * 1000);
            if table.admit(from, "OLD", now).is_ok() {
                table.wrong(from, "OLD", now);
            }
            assert_eq!(table.admit(from, "NEW", now), Ok(()), "after {second} s");
        }
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let mut tries: Vec<_> = (0..5).map(|_| (0, "2001:db8::1", "K", false, Ok(()))).collect();
        tries.push((0, "2001:db8::ffff", "K", false, Err(60)));
        tries.push((0, "2001:db8:0:1::1", "K", false, Ok(())));
        check(&tries);
        assert_eq!(net(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
    }

    #[test]
    fn the_table_is_bounded_and_keeps_what_matters() {
        let mut table = Table::default();
        let known = ip("198.51.100.1");
        table.right(known, "K", Time(0));
        for n in 0..u32::try_from(MOST).unwrap() {
            let from = IpAddr::from(n.to_be_bytes());
            table.wrong(from, "guess", Time(u64::from(n)));
            assert!(table.rows.len() <= MOST, "{}", table.rows.len());
        }
        assert!(table.rows[&(known, "K".to_owned())].is_known(Time(1)));
        // What is over goes first.
        table.wrong(known, "other", Time(KNOWN_MS * 2));
        assert!(table.rows.len() <= MOST);
    }
}
