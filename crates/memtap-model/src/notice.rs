//! A notice for the user.

/// A problem that the user should know about, and how to fix it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What is missing, or what went wrong.
    pub what: String,
    /// How to fix it.
    pub fix: String,
}
