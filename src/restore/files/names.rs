//! What the name of a member means, and whether it is one.
//!
//! **Invariant:** a name that leaves this module consists of components that are neither empty nor
//! `.` nor `..`, each as long as a file system takes.

use crate::archive::{Entry, EntryKind, HOOK_MEMBER};

/// Longest component that Linux has.
const LONGEST_COMPONENT: usize = 255;
/// Longest name, which is far beyond what any program makes.
const LONGEST_NAME: usize = 64 * 1024;
/// Most levels of directories.
const MOST_LEVELS: usize = 4096;

/// Members beside the content, as our archives have them.
const OWN: [&str; 6] = [
    "backup_info.json",
    "backup.csv",
    "RESTORE.txt",
    HOOK_MEMBER,
    "manifest.jsonl.zst",
    "info.json",
];

/// What a member is to an extraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Belongs<'a> {
    /// To the content, at this path below the prefix; empty for the prefix itself.
    Content(&'a [u8]),
    /// To the archive itself.
    Archive,
}

/// Where a member belongs, or why it is refused.
pub(super) fn belongs<'a>(entry: &'a Entry, prefix: &[u8]) -> Result<Belongs<'a>, &'static str> {
    if prefix.is_empty() {
        return relative(&entry.name).map(Belongs::Content);
    }
    check(&entry.name)?;
    if let Some(path) = below(&entry.name, prefix) {
        return Ok(Belongs::Content(path));
    }
    let is_own = OWN.iter().any(|own| own.as_bytes() == entry.name);
    let is_above = entry.kind == EntryKind::Directory && below(prefix, &entry.name).is_some();
    if (is_own && entry.kind == EntryKind::File) || is_above {
        return Ok(Belongs::Archive);
    }
    Err("lies outside of what is restored")
}

/// The path of a hard link's target below the prefix.
pub(super) fn link<'a>(link: &'a [u8], prefix: &[u8]) -> Result<&'a [u8], &'static str> {
    let reason = "is a hard link to something outside of what is restored";
    if prefix.is_empty() {
        return relative(link).map_err(|_| reason);
    }
    check(link).map_err(|_| reason)?;
    below(link, prefix).ok_or(reason)
}

/// The path of a member of another program's archive, where `./a` and `a` are one; empty for the
/// directory that all of them are in.
fn relative(name: &[u8]) -> Result<&[u8], &'static str> {
    let mut name = name;
    while let Some(rest) = name.strip_prefix(b"./") {
        name = rest;
    }
    if name == b"." {
        return Ok(b"");
    }
    check(name).map(|()| name)
}

/// Whether a path is one below a target.
pub(super) fn check(name: &[u8]) -> Result<(), &'static str> {
    if name.starts_with(b"/") {
        return Err("is absolute");
    }
    if name.contains(&0) {
        return Err("has a NUL in its name");
    }
    if name.len() > LONGEST_NAME {
        return Err("has a name that is too long");
    }
    let mut levels = 0;
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" => return Err("has an empty component in its name"),
            b"." => return Err("has `.` in its name"),
            b".." => return Err("has `..` in its name"),
            _ if part.len() > LONGEST_COMPONENT => {
                return Err("has a name that is too long for any file system");
            }
            _ => levels += 1,
        }
    }
    if levels > MOST_LEVELS { Err("lies too many directories deep") } else { Ok(()) }
}

/// What is left of `name` behind `prefix`; empty when they are equal.
pub(super) fn below<'a>(name: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    if prefix.is_empty() {
        return Some(name);
    }
    let rest = name.strip_prefix(prefix)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"/") }
}

/// The directory of a path and its name there. `None` for the empty path.
pub(super) fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.is_empty() {
        return None;
    }
    Some(match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&path[..0], path),
    })
}

/// Two paths in one.
pub(super) fn join(one: &[u8], other: &[u8]) -> Vec<u8> {
    match (one.is_empty(), other.is_empty()) {
        (true, _) => other.to_vec(),
        (_, true) => one.to_vec(),
        _ => [one, b"/", other].concat(),
    }
}

/// Whether something was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// It was.
    Yes,
    /// It is a directory on the way to what was.
    OnTheWay,
    /// It was not.
    No,
}

/// Which members were asked for.
#[derive(Debug)]
pub(super) struct Selection<'a> {
    paths: &'a [Vec<u8>],
    found: Vec<bool>,
}

impl<'a> Selection<'a> {
    pub(super) fn new(paths: &'a [Vec<u8>]) -> Self {
        Self { paths, found: vec![false; paths.len()] }
    }

    pub(super) fn wants(&mut self, path: &[u8], kind: EntryKind) -> Wanted {
        if self.paths.is_empty() {
            return Wanted::Yes;
        }
        let mut wanted = Wanted::No;
        for (asked, found) in self.paths.iter().zip(&mut self.found) {
            if below(path, asked).is_some() {
                *found = true;
                wanted = Wanted::Yes;
            } else if wanted == Wanted::No
                && kind == EntryKind::Directory
                && below(asked, path).is_some()
            {
                wanted = Wanted::OnTheWay;
            }
        }
        wanted
    }

    /// The first path that no member had.
    pub(super) fn missing(&self) -> Option<&'a [u8]> {
        let at = self.found.iter().position(|found| !found)?;
        self.paths.get(at).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_names_are_names() {
        for good in [&b"a"[..], b"a/b", b"...", b"a/..b/c..", b"\xff/\n", &[b'x'; 255]] {
            assert_eq!(check(good), Ok(()), "{good:?}");
        }
        for bad in [
            &b"/a"[..],
            b"",
            b".",
            b"..",
            b"a//b",
            b"a/./b",
            b"a/../b",
            b"a/..",
            b"a/",
            b"a\0b",
            &[b'x'; 256],
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        assert!(check(&b"a/".repeat(5000)[..9999]).is_err());
        assert!(check(&[&b"a/".repeat(4000)[..], b"b"].concat()).is_ok());
    }

    #[test]
    fn without_a_prefix_a_name_is_what_stands_behind_its_dots() {
        for (name, path) in
            [(&b"./a/b"[..], &b"a/b"[..]), (b"a", b"a"), (b".", b""), (b"././a", b"a")]
        {
            assert_eq!(relative(name), Ok(path), "{name:?}");
        }
        for bad in [&b"/a"[..], b"./../a", b"..", b"./", b".//a", b"a/./b", b""] {
            assert!(relative(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_look_alike_is_not_below() {
        assert_eq!(below(b"data/custom/opt/app2", b"data/custom/opt/app"), None);
        assert_eq!(below(b"data/custom/opt/app", b"data/custom/opt/app"), Some(&b""[..]));
        assert_eq!(below(b"data/custom/opt/app/x", b"data/custom/opt/app"), Some(&b"x"[..]));
    }
}
