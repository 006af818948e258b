//! The kernel's name of a task: up to 15 bytes that the program chooses.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A task's `comm`: at most 15 bytes of any value but NUL. The bytes are untrusted and not text;
/// [`Comm::to_text`] converts them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Comm([u8; 16]);

impl Comm {
    /// Creates a name from the bytes before the first NUL, at most 15.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        let mut comm = [0; 16];
        let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        let length = name.len().min(15);
        comm[..length].copy_from_slice(&name[..length]);
        Self(comm)
    }

    /// Returns the bytes without padding.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        &self.0[..end]
    }

    /// Returns the name as text, converted by [`to_text`].
    #[must_use]
    pub fn to_text(&self) -> String {
        to_text(self.bytes())
    }
}

/// Converts untrusted bytes to text. Valid UTF-8 stays as it is, including control characters,
/// which the caller must escape for display. Every other byte becomes `\xNN`.
#[must_use]
pub fn to_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

impl fmt::Debug for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untrusted_bytes_become_text_without_loss() {
        assert_eq!(Comm::new(b"a,\"b\"\n\0rest").to_text(), "a,\"b\"\n");
        assert_eq!(Comm::new(b"\xff\xfeok").to_text(), "\\xff\\xfeok");
        assert_eq!(Comm::new("<img src=x onerror=alert(1)>".as_bytes()).bytes().len(), 15);
        assert_eq!(Comm::new("ñandú".as_bytes()).to_text(), "ñandú");
    }
}
