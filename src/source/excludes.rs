//! Excludes: gitignore patterns, rooted at the source.
//!
//! **Invariant:** this is the only module that knows the `ignore` crate. The crate takes an unclosed
//! `[` for a letter and a `#` for a comment; a backup that silently keeps or leaves out the wrong
//! files is worse than a refused pattern, so both are refused here.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// Why a pattern is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the pattern `{pattern}` {reason}")]
pub struct PatternError {
    /// Which of the patterns, from 0.
    pub index: usize,
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Checks patterns, for whoever reads them first.
///
/// # Errors
/// With the first pattern that means nothing, or not what it seems to.
pub fn check_patterns(patterns: &[String]) -> Result<(), PatternError> {
    Excludes::new(patterns).map(|_| ())
}

/// Compiled patterns.
#[derive(Debug)]
pub(crate) struct Excludes {
    patterns: Option<Gitignore>,
}

impl Excludes {
    pub(crate) fn new(patterns: &[String]) -> Result<Self, PatternError> {
        if patterns.is_empty() {
            return Ok(Self { patterns: None });
        }
        let mut builder = GitignoreBuilder::new("");
        builder.allow_unclosed_class(false);
        for (index, pattern) in patterns.iter().enumerate() {
            let refuse = |reason: String| PatternError { index, pattern: pattern.clone(), reason };
            if let Some(reason) = obvious_mistake(pattern) {
                return Err(refuse(reason.to_owned()));
            }
            if let Err(error) = builder.add_line(None, pattern) {
                let reason = match error {
                    ignore::Error::Glob { err, .. } => err,
                    other => other.to_string(),
                };
                return Err(refuse(format!("is not one: {reason}")));
            }
        }
        let whole = |error: ignore::Error| PatternError {
            index: 0,
            pattern: patterns.join(" "),
            reason: format!("cannot be compiled: {error}"),
        };
        Ok(Self { patterns: Some(builder.build().map_err(whole)?) })
    }

    /// Whether a path below the root is left out. Its directories are taken to have been asked
    /// about before: nothing in an excluded directory is ever asked for.
    pub(crate) fn leave_out(&self, path: &[u8], is_directory: bool) -> bool {
        self.patterns.as_ref().is_some_and(|patterns| {
            patterns.matched(Path::new(OsStr::from_bytes(path)), is_directory).is_ignore()
        })
    }
}

fn obvious_mistake(pattern: &str) -> Option<&'static str> {
    if pattern.trim().is_empty() {
        return Some("is empty");
    }
    if pattern.starts_with('#') {
        return Some("is a comment; write `\\#` for a name that begins with `#`");
    }
    if pattern.contains(['\n', '\0']) {
        return Some("has a line break or a NUL");
    }
    let body = pattern.trim_start_matches('!');
    if body.trim_matches('/').is_empty() {
        return Some("names the source itself");
    }
    if body.split('/').any(|part| part == ".." || part == ".") {
        return Some("has `.` or `..`, which never match; patterns are relative to the source");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(patterns: &[&str], path: &str, is_directory: bool) -> bool {
        let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        Excludes::new(&patterns).expect("valid").leave_out(path.as_bytes(), is_directory)
    }

    #[test]
    fn patterns_mean_what_they_mean_in_a_gitignore() {
        assert!(check(&["cache/"], "a/cache", true));
        assert!(!check(&["cache/"], "a/cache", false));
        assert!(check(&["/cache"], "cache", false));
        assert!(!check(&["/cache"], "a/cache", false));
        assert!(check(&["*.tmp"], "a/b.tmp", false));
        assert!(!check(&["*.tmp", "!keep.tmp"], "a/keep.tmp", false));
        assert!(check(&["a/**/z"], "a/b/c/z", false));
        assert!(check(&["[ab].x"], "b.x", false));
        assert!(!check(&[], "anything", true));
    }

    #[test]
    fn patterns_that_only_look_like_patterns_are_refused() {
        for pattern in ["[x", "a[", "", "  ", "# note", "/", "!", "../x", "./x", "a\nb", "{a,b"] {
            let error = check_patterns(&["ok".to_owned(), pattern.to_owned()]);
            assert!(error.as_ref().is_err_and(|e| e.index == 1), "{pattern:?}: {error:?}");
        }
    }
}
