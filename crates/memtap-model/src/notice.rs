//! A notice for the user.

/// A problem that the user should know about, and how to fix it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The problem.
    pub what: String,
    /// The fix.
    pub fix: String,
}
