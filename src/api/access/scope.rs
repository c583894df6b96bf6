//! What can be allowed.

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Health, verdicts, jobs, runs, peers, events, metrics.
    Status,
    /// The catalogue and its metadata.
    List,
    /// Downloads.
    Fetch,
    /// Uploads.
    Send,
    /// Starts and cancels runs.
    Run,
    /// Deletes archives.
    Delete,
    /// Restores archives.
    Restore,
    /// Everything, the configuration included.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Status,
        Self::List,
        Self::Fetch,
        Self::Send,
        Self::Run,
        Self::Delete,
        Self::Restore,
        Self::Admin,
    ];

    /// The word of the configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::List => "list",
            Self::Fetch => "fetch",
            Self::Send => "send",
            Self::Run => "run",
            Self::Delete => "delete",
            Self::Restore => "restore",
            Self::Admin => "admin",
        }
    }

    /// The scope that a word of the configuration means.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.word() == word)
    }
}
