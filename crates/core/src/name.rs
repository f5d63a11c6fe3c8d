//! Which names stacks, services and sidekicks may have.
//!
//! Rancher's rule (1–63 letters, digits and dashes; no dash at either end) because the names become DNS
//! labels and parts of container names.

/// Why a name is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadName {
    /// Nothing in it.
    #[error("a name must not be empty")]
    Empty,
    /// More than 63 characters.
    #[error("a name may have at most 63 characters")]
    TooLong,
    /// A character that a DNS label can't hold.
    #[error("a name may hold letters, digits and dashes only, not `{0}`")]
    Character(char),
    /// A dash at the start or the end.
    #[error("a name must not start or end with a dash")]
    Dash,
}

/// Check the name of a stack, service or sidekick.
pub fn check_name(name: &str) -> Result<(), BadName> {
    if name.is_empty() {
        return Err(BadName::Empty);
    }
    if let Some(bad) = name.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
        return Err(BadName::Character(bad));
    }
    if name.len() > 63 {
        return Err(BadName::TooLong);
    }
    if name.starts_with('-') || name.ends_with('-') {
        return Err(BadName::Dash);
    }
    Ok(())
}

/// Longest name that a name service answers for, and longest label of one.
const LONGEST: usize = 253;
const LONGEST_LABEL: usize = 63;

/// Why the name of a link is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadLink {
    /// A character that is in no name anybody asks for.
    #[error("a link's name may hold letters, digits, dashes, underscores and dots only, not `{0}`")]
    Character(char),
    /// Nothing before, after or between dots.
    #[error("a link's name has something before and after each dot")]
    Dot,
    /// Too long to be asked for.
    #[error("a link's name may have {LONGEST} characters, {LONGEST_LABEL} between two dots")]
    TooLong,
}

/// Check the name of a link; empty is the linked service's own. Underscores are fine: compose files have them.
///
/// # Errors
///
/// The name service could not be asked for it.
pub fn check_link(name: &str) -> Result<(), BadLink> {
    let is_good = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if let Some(bad) = name.chars().find(|c| !is_good(c)) {
        return Err(BadLink::Character(bad));
    }
    if name.len() > LONGEST || name.split('.').any(|label| label.len() > LONGEST_LABEL) {
        return Err(BadLink::TooLong);
    }
    if !name.is_empty() && name.split('.').any(str::is_empty) {
        return Err(BadLink::Dot);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let long = "a".repeat(64);
        for (name, want) in [
            ("web", Ok(())),
            ("Web-2", Ok(())),
            ("", Err(BadName::Empty)),
            (long.as_str(), Err(BadName::TooLong)),
            ("a_b", Err(BadName::Character('_'))),
            ("-a", Err(BadName::Dash)),
            ("a-", Err(BadName::Dash)),
        ] {
            assert_eq!(check_name(name), want, "{name}");
        }
    }

    #[test]
    fn names_of_links() {
        let (long, longest) = ("a".repeat(64), ["a"; 127].join("."));
        for (name, want) in [
            ("", Ok(())),
            ("db", Ok(())),
            ("my_db.example-1.org", Ok(())),
            (longest.as_str(), Ok(())),
            ("my db", Err(BadLink::Character(' '))),
            ("a/b", Err(BadLink::Character('/'))),
            ("a..b", Err(BadLink::Dot)),
            (".a", Err(BadLink::Dot)),
            (long.as_str(), Err(BadLink::TooLong)),
            (format!("{longest}.a").as_str(), Err(BadLink::TooLong)),
        ] {
            assert_eq!(check_link(name), want, "{name}");
        }
    }
}
