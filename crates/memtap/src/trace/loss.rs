//! Reasons why requests are missing from the output.

use memtap_model::LossCause;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    /// The source did not deliver them.
    Source(LossCause),
    /// They arrived, but too many were queued for writing.
    OutputTooSlow,
}

impl Cause {
    /// Name in JSON. Most causes of the source have their API name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Source(LossCause::DamagedRecording) => "damaged parts of the recording",
            Self::Source(LossCause::Undecodable) => "records that memtap cannot decode",
            Self::Source(LossCause::UnknownProcess) => "their process is unknown",
            Self::Source(cause) => cause.name(),
            Self::OutputTooSlow => "output_too_slow",
        }
    }

    /// Description for people.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Source(LossCause::RingFull) => "the kernel's ring buffer was full",
            Self::Source(LossCause::NoAccount) => "more processes than accounts in the kernel",
            Self::Source(LossCause::DamagedLine) => "damaged lines of the script",
            Self::Source(LossCause::UnreadableInput) => "the script's output can no longer be read",
            Self::Source(cause) => cause.name(),
            Self::OutputTooSlow => "the reader of the output is too slow",
        }
    }
}
