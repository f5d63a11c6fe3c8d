//! UUIDs that nobody has to store: made by hashing what a thing is called. API, container labels and metadata give
//! the same one for the same thing.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// The UUID of `what` in `cluster`: stable, and unique over clusters. `what` is the id under which API clients know
/// the thing, or any other text that is its own alone.
pub fn uuid(cluster: &str, what: &str) -> String {
    let hash = Sha256::digest(format!("{cluster}/{what}"));
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
    fn a_uuid_is_stable_and_well_formed() {
        // Pinned: clients store them.
        assert_eq!(uuid("c", "1s5"), "78b83b1a-0c6b-854e-8bc5-fe0b4c3065ca");
        assert_ne!(uuid("c", "1s5"), uuid("c", "1s6"));
        assert_ne!(uuid("c", "1s5"), uuid("d", "1s5"));
        let parts: Vec<usize> = uuid("c", "1s5").split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
    }
}
