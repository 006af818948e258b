//! Findings: rules that read evidence and tell what a user should know.
