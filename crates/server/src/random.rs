//! Random text: keys, tokens, ids. From the operating system, once per text; nothing is derived from anything.

use std::fmt::Write;

use drover_api::Fresh;

const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Everything one API request may need.
pub(crate) fn fresh() -> Fresh {
    Fresh { uuid: uuid(), public: access_key(), secret: secret_key() }
}

/// The public half of a key pair: 20 characters, upper case.
pub(crate) fn access_key() -> String {
    letters(UPPER, 20)
}

/// The secret half: 40 characters, 238 bits.
pub(crate) fn secret_key() -> String {
    letters(LETTERS, 40)
}

/// A random UUID.
pub(crate) fn uuid() -> String {
    let mut bytes = bytes::<16>();
    // Version 4 and the RFC's variant.
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn letters(alphabet: &[u8], length: usize) -> String {
    // A byte beyond the last whole multiple would make the first letters likelier.
    let fair = 256 / alphabet.len() * alphabet.len();
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let random = bytes::<64>();
        let fair_ones = random.iter().map(|b| usize::from(*b)).filter(|b| *b < fair);
        let missing = length - text.len();
        text.extend(fair_ones.take(missing).map(|b| char::from(alphabet[b % alphabet.len()])));
    }
    text
}

fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("an operating system without randomness can't run a server");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_their_shape_and_differ() {
        let (one, two) = (fresh(), fresh());
        assert_eq!((one.public.len(), one.secret.len(), one.uuid.len()), (20, 40, 36));
        assert!(one.public.bytes().all(|b| UPPER.contains(&b)));
        assert_eq!(one.uuid.as_bytes()[14], b'4');
        assert!(one.public != two.public && one.secret != two.secret && one.uuid != two.uuid);
    }
}
