//! Waiting for something to be so, with a deadline: the only way in which anything here waits.

use std::time::{Duration, Instant};

/// Wait until something is so, looking often; whether it came to be.
pub fn wait(patience: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if is_so() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
