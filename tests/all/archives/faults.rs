//! Destinations that fail, at every moment they can.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use larder::archive::{Destination, Reader, WriteError, write, write_into};
use larder::model::location::Codec;
use larder::progress::Progress;
use larder::source::directory::Directory;
use larder::stop::{Stop, Stopped};

use super::{job, scratch, sh, spec};

/// A destination in memory that fails at its n-th call, once or for ever, and writes little at once.
struct Failing {
    bytes: Vec<u8>,
    calls: usize,
    fail_at: usize,
    once: bool,
    kind: io::ErrorKind,
    synced: u32,
}

impl Failing {
    fn new(fail_at: usize, once: bool, kind: io::ErrorKind) -> Self {
        Self { bytes: Vec::new(), calls: 0, fail_at, once, kind, synced: 0 }
    }

    fn call(&mut self) -> io::Result<()> {
        self.calls += 1;
        let fails = if self.once { self.calls == self.fail_at } else { self.calls >= self.fail_at };
        if fails { Err(self.kind.into()) } else { Ok(()) }
    }
}

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.call()?;
        let most = bytes.len().min(100_000);
        self.bytes.extend_from_slice(&bytes[..most]);
        Ok(most)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Destination for Failing {
    fn sync(&mut self) -> io::Result<()> {
        self.synced += 1;
        assert_eq!(self.synced, 1, "a sync is never tried again");
        self.call()
    }
}

fn attempt(root: &Path, codec: Codec, destination: Failing) -> Result<Failing, WriteError> {
    let source = Box::new(Directory::open(&job(root)).unwrap());
    let mut spec = spec(root);
    spec.codec = codec;
    let spool = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    write_into(source, &spec, destination, spool, &Stop::new(), &Progress::new())
        .map(|(_, destination)| destination)
}

#[test]
fn an_error_at_any_call_of_the_destination_is_never_a_success() {
    let scratch = scratch();
    let root = scratch.path().join("tree");
    fs::create_dir(&root).unwrap();
    sh(&root, "head -c 2500000 /dev/urandom > big; printf x > small");
    for codec in [Codec::None, Codec::Gzip(1), Codec::Zstd(1)] {
        let whole = attempt(&root, codec, Failing::new(usize::MAX, false, io::ErrorKind::Other));
        let whole = whole.expect("nothing fails");
        for fail_at in 1..=whole.calls {
            for (once, kind) in [(false, io::ErrorKind::StorageFull), (true, io::ErrorKind::Other)]
            {
                let result = attempt(&root, codec, Failing::new(fail_at, once, kind));
                match result {
                    Err(WriteError::Destination(error)) => assert_eq!(error.kind(), kind),
                    Err(other) => panic!("{other}"),
                    Ok(_) => panic!("a failure at call {fail_at} of {} was a success", whole.calls),
                }
            }
            if fail_at < whole.calls {
                // An interrupted call is nothing.
                let again = Failing::new(fail_at, true, io::ErrorKind::Interrupted);
                assert!(attempt(&root, codec, again).unwrap().bytes == whole.bytes);
            }
        }
    }
}

#[test]
fn a_full_disk_is_told_as_one() {
    let scratch = scratch();
    fs::write(scratch.path().join("f"), vec![1; 100_000]).unwrap();
    let file = File::options().write(true).open("/dev/full").unwrap();
    let source = Box::new(Directory::open(&job(scratch.path())).unwrap());
    let spec = spec(scratch.path());
    let error = write(source, &spec, file, &Stop::new(), &Progress::new()).unwrap_err();
    assert!(error.is_no_space(), "{error:?}");
    assert!(error.hint().unwrap().contains("room"));
}

#[test]
fn a_run_that_is_stopped_leaves_no_archive_that_seems_complete() {
    let scratch = scratch();
    let root = scratch.path().join("tree");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("f"), "x").unwrap();
    let stop = Stop::new();
    stop.request(Stopped::Cancelled);
    let path = scratch.path().join("part");
    let file = File::create_new(&path).unwrap();
    let source = Box::new(Directory::open(&job(&root)).unwrap());
    let error = write(source, &spec(&root), file, &stop, &Progress::new()).unwrap_err();
    assert!(matches!(error, WriteError::Stopped(Stopped::Cancelled)));
    let mut reader = Reader::from_file(File::open(&path).unwrap());
    let end = loop {
        match reader.next_entry() {
            Ok(Some(_)) => {}
            other => break other,
        }
    };
    assert!(end.is_err(), "it has an end");
}

#[test]
fn progress_tells_bytes_and_members() {
    let scratch = scratch();
    let root = scratch.path().join("tree");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("f"), vec![0; 12345]).unwrap();
    let file = File::create_new(scratch.path().join("part")).unwrap();
    let source = Box::new(Directory::open(&job(&root)).unwrap());
    let progress = Progress::new();
    write(source, &spec(&root), file, &Stop::new(), &progress).unwrap();
    let seen = progress.snapshot();
    assert_eq!((seen.bytes, seen.members, seen.phase), (12345, 2, "flushing"));
}

#[test]
fn a_source_path_that_cannot_stand_in_the_table_is_refused() {
    let scratch = scratch();
    for path in ["relative", "/a/../b", "/new\nline"] {
        let file = File::create(scratch.path().join("part")).unwrap();
        let source = Box::new(Directory::open(&job(scratch.path())).unwrap());
        let error = write(source, &spec(Path::new(path)), file, &Stop::new(), &Progress::new());
        assert!(matches!(error, Err(WriteError::Path { .. })), "{path}");
    }
}
