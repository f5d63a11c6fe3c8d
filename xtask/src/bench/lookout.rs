//! Someone who looks again and again, on a thread of its own, while a benchmark does something else: what is there for a
//! moment only is seen by nobody who compares before and after.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A lookout at work; it ends when this is dropped. `T` is what it has noted.
pub(super) struct Lookout<T> {
    shared: Arc<Shared<T>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared<T> {
    stop: AtomicBool,
    notes: Mutex<(T, Pace)>,
}

/// How closely it looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pace {
    /// Looks that showed something.
    pub(super) looks: u64,
    /// The longest time from the beginning of one of those to that of the next.
    pub(super) apart: Duration,
}

impl<T: Default + Send + 'static> Lookout<T> {
    /// Begin. A look that shows nothing, because something did not answer, is none.
    pub(super) fn start<L>(
        every: Duration,
        mut look: impl FnMut() -> Option<L> + Send + 'static,
        note: impl Fn(&mut T, L) + Send + 'static,
    ) -> Self {
        let notes = Mutex::default();
        let shared = Arc::new(Shared { stop: AtomicBool::new(false), notes });
        let own = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let mut last: Option<Instant> = None;
            while !own.stop.load(Ordering::Relaxed) {
                let began = Instant::now();
                if let Some(found) = look() {
                    let (seen, pace) = &mut *own.notes();
                    note(seen, found);
                    pace.looks += 1;
                    pace.apart = pace.apart.max(last.map_or(Duration::ZERO, |last| began - last));
                    last = Some(began);
                }
                std::thread::sleep(every.saturating_sub(began.elapsed()));
            }
        });
        Self { shared, thread: Some(thread) }
    }

    /// What it has noted so far.
    pub(super) fn ask<A>(&self, question: impl FnOnce(&T) -> A) -> A {
        question(&self.shared.notes().0)
    }

    /// What it has noted since this was called last.
    pub(super) fn take(&self) -> T {
        std::mem::take(&mut self.shared.notes().0)
    }

    /// How closely it looked so far.
    pub(super) fn pace(&self) -> Pace {
        self.shared.notes().1
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} times, {:.2} s apart at most", self.looks, self.apart.as_secs_f64())
    }
}

impl<T> Shared<T> {
    fn notes(&self) -> MutexGuard<'_, (T, Pace)> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for Lookout<T> {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::wait;

    #[test]
    fn what_was_there_for_a_moment_is_noted_and_an_empty_look_is_none() {
        let mut number = 0;
        let look = move || {
            number += 1;
            (number % 2 == 0).then_some(number)
        };
        let every = Duration::from_millis(1);
        let lookout = Lookout::start(every, look, |seen: &mut Vec<i32>, found| seen.push(found));
        assert!(wait(Duration::from_secs(20), || lookout.ask(Vec::len) >= 3));
        assert_eq!(lookout.take()[..3], [2, 4, 6]);
        let pace = lookout.pace();
        assert!(pace.looks >= 3 && pace.apart >= Duration::from_millis(2), "{pace:?}");
    }
}
