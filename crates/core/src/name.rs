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
}
