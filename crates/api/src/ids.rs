//! How keys are spelled on the wire: `1`, the letters of the type, the number (`1s5`). Clients treat them as
//! opaque; the letters keep an id of one type from being taken for another's.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// A type of thing that has ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum Kind {
    Container,
    Credential,
    Host,
    Project,
    PullTask,
    Registry,
    Service,
    ServiceConsumeMap,
    ServiceExposeMap,
    ServiceLog,
    Stack,
    VolumeTemplate,
}

impl Kind {
    fn letters(self) -> &'static str {
        match self {
            Self::Container => "i",
            Self::Credential => "c",
            Self::Host => "h",
            Self::Project => "a",
            Self::PullTask => "go",
            Self::Registry => "sp",
            Self::Service => "s",
            Self::ServiceConsumeMap => "scm",
            Self::ServiceExposeMap => "sem",
            Self::ServiceLog => "sl",
            Self::Stack => "st",
            Self::VolumeTemplate => "vt",
        }
    }

    /// The id of number `n`.
    pub fn id(self, n: u64) -> String {
        format!("1{}{n}", self.letters())
    }

    /// The number in an id of this type; `None` for anything else.
    pub fn parse(self, id: &str) -> Option<u64> {
        let digits = id.strip_prefix('1')?.strip_prefix(self.letters())?;
        let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        if plain { digits.parse().ok() } else { None }
    }
}

/// A stable UUID for a resource: no random number is stored for it.
pub(crate) fn uuid(cluster: &str, id: &str) -> String {
    let hash = Sha256::digest(format!("{cluster}/{id}"));
    let mut text = String::with_capacity(36);
    for (i, byte) in hash.iter().take(16).enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Version 8 (made by hashing) and the RFC's variant, so that strict readers accept it.
        let byte = match i {
            6 => byte & 0x0f | 0x80,
            8 => byte & 0x3f | 0x80,
            _ => *byte,
        };
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_and_do_not_mix() {
        assert_eq!(Kind::Stack.id(7), "1st7");
        assert_eq!(Kind::Stack.parse("1st7"), Some(7));
        for (kind, bad) in [
            (Kind::Service, "1st7"),
            (Kind::Service, "1s"),
            (Kind::Service, "1s+7"),
            (Kind::Service, "1s07"),
            (Kind::Service, "s7"),
            (Kind::Service, "web"),
            (Kind::Service, "1s99999999999999999999"),
            (Kind::Stack, "1s7"),
        ] {
            assert_eq!(kind.parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_uuid_is_stable_and_well_formed() {
        let one = uuid("c", "1s5");
        assert_eq!(one, uuid("c", "1s5"));
        assert_ne!(one, uuid("c", "1s6"));
        assert_eq!((one.len(), one.as_bytes()[14]), (36, b'8'));
    }
}
