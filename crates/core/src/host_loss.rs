//! What users want of a unit whose host is lost, and the lease by which two of a kind never run at once.
//!
//! A host that is cut off goes on by itself. Where two must never write at the same time, its agent stops its own unit when
//! no server has acknowledged it for [`LEASE_MS`], and the planner waits for longer than that before it makes another:
//! neither needs to know the other's clock, only that both run at one speed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How long an agent that no server acknowledges keeps units that are leased to it, in milliseconds. It is longer than what
/// moves nothing anyway.
pub const LEASE_MS: u64 = 8_000;

/// Seconds that a unit gets to end when its lease is over.
pub const LEASE_GRACE_S: u32 = 1;

/// From when on such a unit has surely ended, counted from when its host was heard last: its lease, the second it gets,
/// what an agent that just started waits for its server, and some to spare. In milliseconds.
pub const FENCED_AFTER_MS: u64 = LEASE_MS + 3_500;

/// What becomes of a unit whose host is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum OnHostLoss {
    /// Another is made as soon as the host is given up.
    #[default]
    Move,
    /// Another is made when the host has been away for so many milliseconds.
    MoveAfter(u64),
    /// It is waited for the host.
    Wait,
    /// Another is made when the first has surely ended.
    Fence,
}

/// Not a word that says what becomes of a unit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is none of `move`, `wait`, `fence`, or how long to wait before it is moved, like `90s`"
)]
pub struct BadOnHostLoss(String);

const UNITS_MS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

impl FromStr for OnHostLoss {
    type Err = BadOnHostLoss;

    fn from_str(text: &str) -> Result<Self, BadOnHostLoss> {
        let after = || {
            let end = text.find(|c: char| !c.is_ascii_digit())?;
            let unit = UNITS_MS.iter().find(|(name, _)| *name == &text[end..])?.1;
            text[..end].parse::<u64>().ok()?.checked_mul(unit)
        };
        match text {
            "move" => Ok(Self::Move),
            "wait" => Ok(Self::Wait),
            "fence" => Ok(Self::Fence),
            _ => after().map(Self::MoveAfter).ok_or_else(|| BadOnHostLoss(text.to_owned())),
        }
    }
}

impl fmt::Display for OnHostLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Move => f.write_str("move"),
            Self::Wait => f.write_str("wait"),
            Self::Fence => f.write_str("fence"),
            Self::MoveAfter(ms) => {
                let fits = UNITS_MS.iter().rfind(|(_, unit)| ms.is_multiple_of(*unit));
                let (name, unit) = fits.copied().unwrap_or(UNITS_MS[0]);
                write!(f, "{}{name}", ms / unit)
            }
        }
    }
}

impl TryFrom<String> for OnHostLoss {
    type Error = BadOnHostLoss;

    fn try_from(text: String) -> Result<Self, BadOnHostLoss> {
        text.parse()
    }
}

impl From<OnHostLoss> for String {
    fn from(what: OnHostLoss) -> Self {
        what.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_what_they_mean() {
        let check = |text: &str, want: Option<OnHostLoss>| {
            assert_eq!(text.parse().ok(), want, "{text}");
            if let Some(what) = want {
                assert_eq!(what.to_string(), text);
            }
        };
        check("move", Some(OnHostLoss::Move));
        check("wait", Some(OnHostLoss::Wait));
        check("fence", Some(OnHostLoss::Fence));
        check("90s", Some(OnHostLoss::MoveAfter(90_000)));
        check("2h", Some(OnHostLoss::MoveAfter(7_200_000)));
        check("1500ms", Some(OnHostLoss::MoveAfter(1_500)));
        for bad in ["", "s", "90", "90d", "Move", "-1s", "99999999999999999999s"] {
            check(bad, None);
        }
    }
}
