//! The git commit of the configuration directory, read from `.git` without running git.

use std::fs;
use std::path::{Path, PathBuf};

/// The commit that `HEAD` names, in hex; `None` where the directory is in no repository.
#[must_use]
pub fn commit_of(dir: &Path) -> Option<String> {
    let git = git_dir(&fs::canonicalize(dir).ok()?)?;
    let head = fs::read_to_string(git.join("HEAD")).ok()?;
    let head = head.trim();
    let Some(reference) = head.strip_prefix("ref: ") else { return hash(head) };
    // A work tree of its own keeps its branches with the main one.
    let common = fs::read_to_string(git.join("commondir"))
        .map_or_else(|_| git.clone(), |common| git.join(common.trim()));
    [&git, &common].into_iter().find_map(|base| {
        let loose = fs::read_to_string(base.join(reference)).ok();
        loose.as_deref().and_then(hash).or_else(|| packed(base, reference))
    })
}

fn packed(git: &Path, reference: &str) -> Option<String> {
    let packed = fs::read_to_string(git.join("packed-refs")).ok()?;
    let mut lines = packed.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(_, name)| *name == reference).and_then(|(commit, _)| hash(commit))
}

fn hash(text: &str) -> Option<String> {
    let text = text.trim();
    let is_hash = matches!(text.len(), 40 | 64) && text.chars().all(|c| c.is_ascii_hexdigit());
    is_hash.then(|| text.to_owned())
}

/// The `.git` of the directory or of one above it.
pub(super) fn git_dir(dir: &Path) -> Option<PathBuf> {
    let found = dir.ancestors().map(|above| above.join(".git")).find(|git| git.exists())?;
    if found.is_dir() {
        return Some(found);
    }
    let text = fs::read_to_string(&found).ok()?;
    let linked = PathBuf::from(text.strip_prefix("gitdir:")?.trim());
    Some(found.parent()?.join(linked))
}
