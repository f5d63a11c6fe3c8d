//! Keys as text: 32 bytes, base64, as WireGuard's own tools write them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use boringtun::x25519::PublicKey;

/// The bytes of a key; `None` if the text is none.
pub(super) fn bytes(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// A public key as text.
pub(super) fn text(key: &PublicKey) -> String {
    STANDARD.encode(key.as_bytes())
}
