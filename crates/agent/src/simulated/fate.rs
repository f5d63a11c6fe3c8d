//! What a simulated container does after its start, by its labels and those of Rancher's that mean an end. Pure.

use std::collections::HashMap;
use std::time::Duration;

use drover_core::label;

/// Label: `never-starts`, `never-healthy` or `crash`.
pub const FAIL: &str = "io.drover.simulate.fail";
/// Label: how long it runs until it crashes, `5s`, `500ms`, `2m`.
pub const CRASH_AFTER: &str = "io.drover.simulate.crash-after";

/// What becomes of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fate {
    /// It runs, accepts connections and is healthy, until it is stopped.
    #[default]
    Lives,
    /// It has a job to do, and ends well with it.
    Completes,
    /// The engine refuses to start it.
    NeverStarts,
    /// It ends with 1 after that long.
    Crashes(Duration),
    /// It runs, and nothing it is asked is answered well.
    NeverHealthy,
}

impl Fate {
    /// By a container's labels; in words if they make no sense.
    pub(super) fn of(labels: &HashMap<String, String>) -> Result<Self, String> {
        let text = |name: &str| labels.get(name).map(|value| value.trim());
        let after = match text(CRASH_AFTER) {
            None => None,
            Some(after) => Some(duration(after).ok_or_else(|| {
                format!("label {CRASH_AFTER}: `{after}` is no time; write 500ms, 5s or 2m")
            })?),
        };
        match text(FAIL) {
            Some("never-starts") => Ok(Self::NeverStarts),
            Some("never-healthy") => Ok(Self::NeverHealthy),
            Some("crash") => Ok(Self::Crashes(after.unwrap_or_default())),
            Some(other) => Err(format!(
                "label {FAIL}: `{other}` is none of never-starts, never-healthy, crash"
            )),
            None if after.is_some() => Ok(Self::Crashes(after.unwrap_or_default())),
            None if text(label::START_ONCE) == Some("true") => Ok(Self::Completes),
            None => Ok(Self::Lives),
        }
    }
}

fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(ms)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_decide() {
        let of = |labels: &[(&str, &str)]| {
            Fate::of(&labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
        };
        assert_eq!(of(&[]), Ok(Fate::Lives));
        assert_eq!(of(&[(label::START_ONCE, "true")]), Ok(Fate::Completes));
        assert_eq!(of(&[(FAIL, "never-starts")]), Ok(Fate::NeverStarts));
        assert_eq!(of(&[(FAIL, "crash")]), Ok(Fate::Crashes(Duration::ZERO)));
        let two = Ok(Fate::Crashes(Duration::from_mins(2)));
        assert_eq!(of(&[(CRASH_AFTER, "2m"), (FAIL, "crash")]), two);
        assert_eq!(of(&[(CRASH_AFTER, "120s"), (label::START_ONCE, "true")]), two);
        let why = of(&[(FAIL, "sometimes")]).unwrap_err();
        assert!(why.contains("`sometimes` is none of"), "{why}");
        for bad in ["5", "s", "5 h", "", "99999999999999999999s"] {
            assert!(of(&[(CRASH_AFTER, bad)]).is_err(), "{bad}");
        }
    }
}
