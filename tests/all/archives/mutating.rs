//! Files that change while they are read, at exactly the moment that hurts most.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::Path;

use larder::archive::Written;
use larder::model::archive::Outcome;
use larder::source::directory::Directory;
use larder::source::{Content, FileId, Findings, Kind, Member, Source, SourceError, What};

use super::{archive_source, entries, extract, job, scratch, sh, spec};

type Act = Box<dyn FnMut() + Send>;

/// A directory that changes right before the content of one member is read, or right before the
/// member after it is looked at.
struct Mutating {
    inner: Directory,
    at: &'static str,
    while_reading: Option<Act>,
    after: Option<Act>,
}

#[derive(Debug)]
struct Meddled {
    inner: Box<dyn Content>,
    act: Option<Acted>,
}

struct Acted(Act);

impl std::fmt::Debug for Acted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acted")
    }
}

impl Content for Meddled {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if offset > 0
            && let Some(Acted(mut act)) = self.act.take()
        {
            act();
        }
        self.inner.read_at(offset, buffer)
    }

    fn has_changed(&mut self) -> io::Result<bool> {
        self.inner.has_changed()
    }
}

impl Source for Mutating {
    fn next(&mut self) -> Result<Option<Member>, SourceError> {
        let member = self.inner.next()?;
        let Some(mut member) = member else { return Ok(None) };
        if member.path == self.at.as_bytes() {
            if let (Kind::File(body), Some(act)) = (&mut member.kind, self.while_reading.take()) {
                let inner = std::mem::replace(&mut body.content, Box::new(Nothing));
                body.content = Box::new(Meddled { inner, act: Some(Acted(act)) });
            }
            if let Some(mut act) = self.after.take() {
                act();
            }
        }
        Ok(Some(member))
    }

    fn findings(&self) -> &Findings {
        self.inner.findings()
    }

    fn leave_out(&mut self, file: FileId) {
        self.inner.leave_out(file);
    }
}

#[derive(Debug)]
struct Nothing;

impl Content for Nothing {
    fn read_at(&mut self, _: u64, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("a bad sector"))
    }
    fn has_changed(&mut self) -> io::Result<bool> {
        Ok(false)
    }
}

/// Three files: `a`, the middle one of several buffers, and `z`. Whatever happens to the middle
/// one, the others come out whole, and three programs read the same members.
fn check(
    while_reading: Option<fn(&Path)>,
    after: Option<fn(&Path)>,
) -> (Written, Vec<(String, u64)>, Vec<u8>) {
    let scratch = scratch();
    let root = scratch.path().join("tree");
    fs::create_dir(&root).unwrap();
    for name in ["a", "z"] {
        fs::write(root.join(name), format!("content of {name}")).unwrap();
    }
    let middle = root.join("m");
    fs::write(&middle, vec![b'm'; 3_000_000]).unwrap();
    let bind = |act: Option<fn(&Path)>| {
        let middle = middle.clone();
        act.map(|act| Box::new(move || act(&middle)) as Act)
    };
    let source = Mutating {
        inner: Directory::open(&job(&root)).unwrap(),
        at: if while_reading.is_some() { "m" } else { "a" },
        while_reading: bind(while_reading),
        after: bind(after),
    };
    let (written, path) = archive_source(Box::new(source), &spec(&root), scratch.path()).unwrap();
    let ours: Vec<(String, u64)> = entries(&path)
        .into_iter()
        .map(|entry| (String::from_utf8(entry.name).unwrap(), entry.size))
        .collect();
    let python = format!(
        "python3 -c 'import tarfile\nfor m in tarfile.open(\"{}\"): print(m.name, m.size)'",
        path.display()
    );
    let listed: String = ours.iter().map(|(name, size)| format!("{name} {size}\n")).collect();
    assert_eq!(listed, sh(scratch.path(), &python));
    let mut content = Vec::new();
    for program in [super::GNU, "bsdtar"] {
        let out = extract(program, &path, &root, scratch.path());
        for name in ["a", "z"] {
            assert_eq!(fs::read_to_string(out.join(name)).unwrap(), format!("content of {name}"));
        }
        let is_file = out.join("m").symlink_metadata().is_ok_and(|metadata| metadata.is_file());
        content = if is_file { fs::read(out.join("m")).unwrap() } else { Vec::new() };
    }
    let prefix = format!("data/custom{}/", root.display());
    let below = ours
        .into_iter()
        .filter_map(|(name, size)| Some((name.strip_prefix(&prefix)?.to_owned(), size)))
        .collect();
    (written, below, content)
}

fn names(members: &[(String, u64)]) -> Vec<&str> {
    members.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn a_file_that_grows_while_read_keeps_the_archive_valid() {
    let grow = |path: &Path| {
        let file = File::options().write(true).open(path).unwrap();
        file.write_all_at(&[b'G'; 5000], 3_000_000).unwrap();
    };
    let (written, members, content) = check(Some(grow), None);
    assert_eq!(written.remarks.len(), 1);
    assert_eq!(written.remarks[0].what, What::Grew);
    assert_eq!((written.counts.changed, written.outcome), (1, Outcome::Good));
    assert_eq!(members[1], ("m".to_owned(), 3_000_000));
    assert_eq!(content, vec![b'm'; 3_000_000]);
}

#[test]
fn a_file_that_shrinks_while_read_is_padded_with_zeros() {
    let shrink =
        |path: &Path| File::options().write(true).open(path).unwrap().set_len(1_500_000).unwrap();
    let (written, members, content) = check(Some(shrink), None);
    assert_eq!(written.remarks[0].what, What::Shrank);
    assert_eq!((written.counts.changed, written.outcome), (1, Outcome::Good));
    assert_eq!(members[1], ("m".to_owned(), 3_000_000));
    assert!(content[..1_500_000].iter().all(|byte| *byte == b'm'));
    assert!(content[1_500_000..].iter().all(|byte| *byte == 0));
}

#[test]
fn a_file_that_is_rewritten_while_read_is_told() {
    let rewrite = |path: &Path| {
        File::options().write(true).open(path).unwrap().write_all_at(b"other", 2_999_990).unwrap();
    };
    let (written, _, content) = check(Some(rewrite), None);
    assert_eq!(written.remarks[0].what, What::Changed);
    assert_eq!(content.len(), 3_000_000);
}

#[test]
fn a_file_that_is_replaced_or_removed_while_read_is_kept_as_it_was() {
    let replace = |path: &Path| {
        fs::write(path.with_extension("new"), "new").unwrap();
        fs::rename(path.with_extension("new"), path).unwrap();
    };
    let remove = |path: &Path| fs::remove_file(path).unwrap();
    for act in [replace as fn(&Path), remove] {
        let (written, _, content) = check(Some(act), None);
        assert_eq!(written.remarks, []);
        assert_eq!(content, vec![b'm'; 3_000_000]);
    }
}

#[test]
fn a_file_that_vanishes_before_it_is_read_is_told() {
    let (written, members, _) = check(None, Some(|path| fs::remove_file(path).unwrap()));
    assert_eq!(written.remarks[0].what, What::Vanished);
    assert_eq!((written.counts.vanished, written.outcome), (1, Outcome::Good));
    assert_eq!(names(&members), ["a", "z"]);
}

#[test]
fn a_file_that_becomes_something_else_is_taken_for_what_it_is() {
    let to_link = |path: &Path| {
        fs::remove_file(path).unwrap();
        symlink("/etc/passwd", path).unwrap();
    };
    let to_pipe = |path: &Path| {
        fs::remove_file(path).unwrap();
        sh(path.parent().unwrap(), "mkfifo m");
    };
    let to_directory = |path: &Path| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
        fs::write(path.join("inside"), "x").unwrap();
    };
    for (act, expected) in [
        (to_link as fn(&Path), vec!["a", "m", "z"]),
        (to_pipe, vec!["a", "m", "z"]),
        (to_directory, vec!["a", "m", "m/inside", "z"]),
    ] {
        let (written, members, content) = check(None, Some(act));
        assert_eq!(names(&members), expected);
        assert_eq!(members[1].1, 0, "a link's target was read");
        assert_eq!((content.len(), written.remarks.len()), (0, 0));
    }
}

#[test]
fn a_directory_that_becomes_a_link_is_not_followed() {
    let scratch = scratch();
    let root = scratch.path().join("tree");
    fs::create_dir_all(root.join("d")).unwrap();
    fs::create_dir(scratch.path().join("outside")).unwrap();
    fs::write(scratch.path().join("outside/secret"), "x").unwrap();
    fs::write(root.join("a"), "x").unwrap();
    let directory = root.join("d");
    let swap = move || {
        fs::remove_dir(&directory).unwrap();
        symlink("../outside", &directory).unwrap();
    };
    let source = Mutating {
        inner: Directory::open(&job(&root)).unwrap(),
        at: "a",
        while_reading: None,
        after: Some(Box::new(swap)),
    };
    let (_, path) = archive_source(Box::new(source), &spec(&root), scratch.path()).unwrap();
    assert_eq!(super::names_below(&path, &root), ["", "a", "d"]);
}

#[test]
fn a_file_that_cannot_be_read_to_its_end_makes_the_archive_partial() {
    struct Unreadable(Directory);
    impl Source for Unreadable {
        fn next(&mut self) -> Result<Option<Member>, SourceError> {
            let mut member = self.0.next()?;
            if let Some(Member { kind: Kind::File(body), .. }) = &mut member {
                body.content = Box::new(Nothing);
            }
            Ok(member)
        }
        fn findings(&self) -> &Findings {
            self.0.findings()
        }
    }
    let scratch = scratch();
    let root = scratch.path().join("tree");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("f"), "12345").unwrap();
    let source = Unreadable(Directory::open(&job(&root)).unwrap());
    let (written, path) = archive_source(Box::new(source), &spec(&root), scratch.path()).unwrap();
    assert_eq!((written.outcome, written.counts.unreadable), (Outcome::Partial, 1));
    assert_eq!(written.remarks[0].to_string(), "`f`: could not be read: a bad sector");
    let out = extract(super::GNU, &path, &root, scratch.path());
    assert_eq!(fs::read(out.join("f")).unwrap(), [0; 5]);
}
