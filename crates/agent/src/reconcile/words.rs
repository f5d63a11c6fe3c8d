//! What happened, in words people understand. No decisions.

use drover_core::ContainerSpec;

use super::attempt::Attempt;
use crate::view::SeenContainer;

/// Why a unit that must never run twice does not run.
pub(super) const LEASE_OVER: &str =
    "stopped, for no server acknowledges this host, and another may run it instead";

/// Why a container ended: "exited with code 137 (killed by SIGKILL)".
pub(super) fn why_ended(seen: &SeenContainer, spec: &ContainerSpec) -> String {
    let code = seen.exit_code;
    if seen.oom_killed {
        let limit = spec.memory.map_or(String::new(), |m| format!(" (limit {})", size(m)));
        return format!("was killed for want of memory{limit}");
    }
    let meaning = match code {
        126 => " (its command can't be executed)",
        127 => " (its command was not found)",
        129 => " (ended by SIGHUP)",
        130 => " (ended by SIGINT)",
        134 => " (crashed: SIGABRT)",
        135 => " (crashed: SIGBUS)",
        136 => " (crashed: SIGFPE)",
        137 => " (killed by SIGKILL)",
        139 => " (crashed: SIGSEGV)",
        143 => " (ended by SIGTERM)",
        _ => "",
    };
    format!("exited with code {code}{meaning}")
}

/// What a unit that backs off says: "exited with code 1; next attempt in 4 s (5th)".
pub(super) fn waiting(member: &str, attempt: &Attempt) -> String {
    format!("{}{}; {}", who(member), attempt.reason, next_attempt(attempt))
}

/// What is told of a step that failed.
pub fn failure_event(name: &str, attempt: &Attempt) -> String {
    format!("{name}: {}; {}", attempt.reason, next_attempt(attempt))
}

/// What is told of a container that ended and has to wait.
pub(super) fn ended(name: &str, attempt: &Attempt) -> String {
    format!("{name} {}; {}", attempt.reason, next_attempt(attempt))
}

/// What is told of one that runs again.
pub(super) fn started_again(name: &str, attempt: &Attempt, after_ms: u64) -> String {
    let (s, tenths) = (after_ms / 1000, after_ms % 1000 / 100);
    format!("{name} {}; started again after {s}.{tenths} s", attempt.reason)
}

/// Whom a message about a member is about; nothing for the primary, whose unit's name stands before it.
pub(super) fn who(member: &str) -> String {
    if member.is_empty() { String::new() } else { format!("sidekick {member}: ") }
}

fn next_attempt(attempt: &Attempt) -> String {
    let which = nth(attempt.failures.saturating_add(1));
    format!("next attempt in {} s ({which})", attempt.delay_ms / 1000)
}

fn nth(n: u32) -> String {
    let suffix = match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{n}{suffix}")
}

fn size(bytes: i64) -> String {
    const MIB: i64 = 1 << 20;
    if bytes >= MIB && bytes % MIB == 0 {
        format!("{} MiB", bytes / MIB)
    } else {
        format!("{bytes} bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_explained() {
        let check = |code, oom, memory, want: &str| {
            let seen = SeenContainer { exit_code: code, oom_killed: oom, ..Default::default() };
            let spec = ContainerSpec { memory, ..Default::default() };
            assert_eq!(why_ended(&seen, &spec), want);
        };
        check(0, false, None, "exited with code 0");
        check(137, false, None, "exited with code 137 (killed by SIGKILL)");
        check(137, true, Some(64 << 20), "was killed for want of memory (limit 64 MiB)");
        check(137, true, None, "was killed for want of memory");
        check(127, false, None, "exited with code 127 (its command was not found)");
    }

    #[test]
    fn ordinals() {
        let all = [1, 2, 3, 4, 11, 12, 13, 21, 22, 103, 111].map(nth).join(" ");
        assert_eq!(all, "1st 2nd 3rd 4th 11th 12th 13th 21st 22nd 103rd 111th");
    }
}
