//! Excludes: gitignore patterns, rooted at the source.
//!
//! A backup that silently keeps or leaves out the wrong files is worse than a refused pattern, so
//! whatever git takes in silence and nobody can mean is refused.
//!
//! **Invariant:** [`check_pattern`] is the only judge of a pattern, for the configuration and for a
//! run: what the one accepts never fails the other.

use std::path::Path;

mod pattern;
mod wild;

use pattern::Pattern;

/// Why a pattern is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the pattern `{pattern}` {reason}")]
pub struct PatternError {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: &'static str,
    /// What to write instead, where that is known.
    pub hint: Option<&'static str>,
}

/// Checks a pattern, for whoever reads it first.
///
/// # Errors
/// When it means nothing, or not what it seems to.
pub fn check_pattern(pattern: &str) -> Result<(), PatternError> {
    parse(pattern).map(drop)
}

/// Whether a pattern by itself leaves out whatever lies in the source.
#[must_use]
pub fn leaves_out_everything(pattern: &str) -> bool {
    // Names that nobody can mean by anything but a wildcard alone, hidden ones among them.
    let strange = ["\u{7f}\u{1}", ".\u{1}\u{7f}", "\u{1}.\u{7f}.\u{1}"];
    parse(pattern).is_ok_and(|pattern| {
        let matches = |name: &&str| {
            let parts = [name.as_bytes()];
            pattern.matches(&parts, false) && pattern.matches(&parts, true)
        };
        !pattern.keeps && strange.iter().all(matches)
    })
}

fn parse(pattern: &str) -> Result<Pattern, PatternError> {
    Pattern::parse(pattern).map_err(|mistake| PatternError {
        pattern: pattern.to_owned(),
        reason: mistake.reason,
        hint: mistake.hint,
    })
}

/// The patterns of a source, ready for use.
#[derive(Debug)]
pub(crate) struct Excludes {
    patterns: Vec<Pattern>,
}

impl Excludes {
    pub(crate) fn new(patterns: &[String]) -> Result<Self, PatternError> {
        let patterns = patterns.iter().map(|pattern| parse(pattern));
        Ok(Self { patterns: patterns.collect::<Result<_, _>>()? })
    }

    /// Whether a path below the root is left out. Its directories are taken to have been asked
    /// about before: nothing in an excluded directory is ever asked for.
    pub(crate) fn leave_out(&self, path: &[u8], is_directory: bool) -> bool {
        if self.patterns.is_empty() {
            return false;
        }
        let parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        let mut last_first = self.patterns.iter().rev();
        last_first
            .find(|pattern| pattern.matches(&parts, is_directory))
            .is_some_and(|pattern| !pattern.keeps)
    }

    /// The first directory on the way to a directory below the root, itself included, that is left
    /// out.
    pub(crate) fn on_the_way<'p>(&self, below: &'p Path) -> Option<&'p Path> {
        use std::os::unix::ffi::OsStrExt as _;
        let mut on_the_way: Vec<&Path> =
            below.ancestors().filter(|part| !part.as_os_str().is_empty()).collect();
        on_the_way.reverse();
        on_the_way.into_iter().find(|part| self.leave_out(part.as_os_str().as_bytes(), true))
    }
}

#[cfg(test)]
mod tests;
