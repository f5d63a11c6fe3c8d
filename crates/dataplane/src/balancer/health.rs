//! Whether a target should get requests: what connections to it came to, and what the balancer's own checks say.
//!
//! This only ever prefers: a target out of rotation still gets requests when there is no other, and one that joins
//! is as good as any, for it was found ready before it was put into the config.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use drover_core::{Checked, HealthCheck};
use tokio::sync::Notify;

use super::clock::{millis, now_ms};

/// What is known of one target.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Failures in a row.
    failures: AtomicU32,
    /// It rests until then, by [`now_ms`]; 0 if it doesn't.
    rests_until_ms: AtomicU64,
    /// Why, in words; empty if it doesn't.
    reason: Mutex<String>,
    /// What checks say.
    checked: Mutex<Checked>,
    /// Checks say so.
    is_down: AtomicBool,
    /// The last thing known is that it could not be connected to.
    is_unreachable: AtomicBool,
    /// Its host answers nobody here, the agent says.
    host_is_silent: AtomicBool,
    /// That it just went so.
    went_silent: Notify,
}

/// The first rest; each further failure doubles it.
const REST: Duration = Duration::from_millis(250);

/// The longest of a target that says at once that it is not there: finding out that it is back costs nothing.
const REST_MOST: Duration = Duration::from_secs(2);

/// The longest of one that is found out by waiting.
const SILENT_MOST: Duration = Duration::from_secs(30);

/// A host that is silent for so long does not come back in time for its connections.
const GONE: Duration = Duration::from_secs(6);

/// Answers that did not come in time before a target rests: one may be the request's own fault.
const SLOW: u32 = 3;

impl Health {
    /// Whether it can be chosen first. When a rest is over, one request tries, and others follow when it got through.
    pub(super) fn is_fit(&self, probation: Duration) -> bool {
        self.is_fit_at(now_ms, probation)
    }

    /// With a clock that is only asked when it matters.
    fn is_fit_at(&self, now_ms: impl Fn() -> u64, probation: Duration) -> bool {
        let until = self.rests_until_ms.load(Relaxed);
        if self.is_down.load(Relaxed) || self.host_is_silent.load(Relaxed) {
            return false;
        }
        if until == 0 {
            return true;
        }
        let now = now_ms();
        let next = now + millis(probation);
        until <= now && self.rests_until_ms.compare_exchange(until, next, Relaxed, Relaxed).is_ok()
    }

    /// Its host went silent, or answers again.
    pub(super) fn host_silent(&self, is_silent: bool) {
        let before = self.host_is_silent.swap(is_silent, Relaxed);
        if is_silent && !before {
            self.went_silent.notify_waiters();
        }
    }

    /// Until its host goes silent: what is on its way there waits in vain. One that is asked although its host is silent
    /// already may take the time it takes.
    pub(super) async fn until_host_is_silent(&self) {
        self.went_silent.notified().await;
    }

    /// Until its host has been silent for longer than what passes by itself: connections outlive a cable that is put back.
    pub(super) async fn until_host_is_gone(&self) {
        loop {
            let told = self.went_silent.notified();
            if !self.host_is_silent.load(Relaxed) {
                told.await;
            }
            tokio::time::sleep(GONE).await;
            if self.host_is_silent.load(Relaxed) {
                return;
            }
        }
    }

    /// Whether it could not be connected to when that was last tried.
    pub(super) fn is_unreachable(&self) -> bool {
        self.is_unreachable.load(Relaxed)
    }

    /// It could not be connected to; if `is_silent`, for want of any answer.
    pub(super) fn unreachable(&self, why: &str, is_silent: bool) {
        self.is_unreachable.store(true, Relaxed);
        let most = if is_silent { SILENT_MOST } else { REST_MOST };
        self.failed(1, why, most, now_ms());
    }

    /// It was connected to, and did not answer in time.
    pub(super) fn slow(&self, why: &str) {
        self.failed(SLOW, why, SILENT_MOST, now_ms());
    }

    /// It took a connection, whatever comes of it.
    pub(super) fn connected(&self) {
        if self.is_unreachable.load(Relaxed) {
            self.answered();
        }
    }

    /// It answered. Costs one read while all is well.
    pub(super) fn answered(&self) {
        if self.failures.load(Relaxed) != 0 || self.rests_until_ms.load(Relaxed) != 0 {
            self.is_unreachable.store(false, Relaxed);
            self.failures.store(0, Relaxed);
            self.rests_until_ms.store(0, Relaxed);
            self.reason.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// A check's result. Returns whether that changed anything.
    pub(super) fn checked(&self, result: Result<(), String>, check: &HealthCheck) -> bool {
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = checked.down.is_some();
        *checked = checked.clone().after(result, check);
        let is_down = checked.down.is_some();
        self.is_down.store(is_down, Relaxed);
        before != is_down
    }

    /// Nothing checks it any more.
    pub(super) fn unchecked(&self) {
        *self.checked.lock().unwrap_or_else(PoisonError::into_inner) = Checked::default();
        self.is_down.store(false, Relaxed);
    }

    /// Why it gets nothing for now; `None` while it does.
    pub(super) fn ejected(&self) -> Option<String> {
        if self.host_is_silent.load(Relaxed) {
            return Some("its host does not answer this one".to_owned());
        }
        let down = self.checked.lock().unwrap_or_else(PoisonError::into_inner).down.clone();
        let rests = self.rests_until_ms.load(Relaxed) > now_ms();
        let reason = || self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone();
        down.or_else(|| rests.then(reason))
    }

    fn failed(&self, enough: u32, why: &str, most: Duration, now_ms: u64) {
        let failures = self.failures.fetch_add(1, Relaxed) + 1;
        if failures < enough {
            return;
        }
        let rest = REST.saturating_mul(1 << (failures - enough).min(10)).min(most);
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) =
            format!("{why}, {failures} in a row");
        self.rests_until_ms.store(now_ms + millis(rest), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_grows_and_ends_with_one_try() {
        let health = Health::default();
        let is_fit = |ms| health.is_fit_at(|| ms, Duration::from_secs(5));
        assert!(is_fit(1));
        health.failed(1, "refused", REST_MOST, 1_000);
        assert_eq!(*health.reason.lock().unwrap(), "refused, 1 in a row");
        assert!(!is_fit(1_249));
        assert!(is_fit(1_250), "one tries");
        assert!(!is_fit(1_250), "and others wait for it");
        health.failed(1, "refused", REST_MOST, 2_000);
        assert!(!is_fit(2_499), "twice as long");
        assert!(is_fit(2_500));
        health.answered();
        assert!(is_fit(2_501) && is_fit(2_501) && health.ejected().is_none());
        health.failed(SLOW, "silent", SILENT_MOST, 3_000);
        health.failed(SLOW, "silent", SILENT_MOST, 3_000);
        assert!(is_fit(3_000), "a slow answer may be the request's fault");
        health.failed(SLOW, "silent", SILENT_MOST, 3_000);
        assert!(!is_fit(3_000));
        for _ in 0..20 {
            health.failed(1, "refused", SILENT_MOST, 10_000);
        }
        assert!(!is_fit(39_999) && is_fit(40_000), "half a minute at most");
    }

    #[test]
    fn a_target_on_a_silent_host_waits_for_its_host() {
        let health = Health::default();
        let is_fit = || health.is_fit(Duration::from_secs(5));
        health.host_silent(true);
        assert!(!is_fit());
        assert_eq!(health.ejected().as_deref(), Some("its host does not answer this one"));
        health.host_silent(false);
        assert!(is_fit() && health.ejected().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn connections_outlive_a_host_that_is_silent_for_a_moment() {
        let health = Health::default();
        let gone_within = |time| tokio::time::timeout(time, health.until_host_is_gone());
        health.host_silent(true);
        let blip = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            health.host_silent(false);
        };
        let (gone, ()) = tokio::join!(gone_within(Duration::from_mins(1)), blip);
        assert!(gone.is_err(), "it came back");
        health.host_silent(true);
        assert!(gone_within(Duration::from_millis(5_999)).await.is_err());
        assert!(gone_within(Duration::from_secs(7)).await.is_ok());
    }

    #[test]
    fn a_target_that_takes_connections_again_is_reachable() {
        let health = Health::default();
        health.unreachable("refused", false);
        assert_eq!(health.ejected().as_deref(), Some("refused, 1 in a row"));
        assert!(health.is_unreachable());
        health.connected();
        assert!(!health.is_unreachable() && health.ejected().is_none());
    }
}
