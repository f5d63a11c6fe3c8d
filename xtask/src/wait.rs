//! Waiting for something to be so, with a deadline: the only way in which anything here waits.

use std::time::{Duration, Instant};

/// Between two looks where a look costs next to nothing.
const OFTEN: Duration = Duration::from_millis(10);

/// Wait until something is so, looking often; whether it came to be.
pub fn wait(patience: Duration, is_so: impl FnMut() -> bool) -> bool {
    wait_looking(patience, OFTEN, is_so)
}

/// The same with a pause of one's own between two looks, where each is work for who is looked at.
pub fn wait_looking(patience: Duration, pause: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if is_so() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(pause);
    }
}
