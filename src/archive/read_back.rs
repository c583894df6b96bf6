//! Proving that the bytes of an archive are still those that were written: by their hash.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::num::NonZeroU64;
use std::os::unix::fs::MetadataExt as _;

use rustix::fs::{Advice, fadvise};
use sha2::{Digest as _, Sha256 as Hasher};

use super::lane::{Ended, lane};
use super::layers::digest;
use super::open::OpenError;
use crate::model::archive::Sha256;
use crate::progress::Progress;
use crate::stop::Stop;

/// Bytes of a file that stay in the page cache behind the reader.
const KEPT_BEHIND: u64 = 8 << 20;
/// The niceness of threads that work when nobody else wants to.
const NICEST: i32 = 19;

/// Whether the whole file has this hash. Reading and hashing overlap.
///
/// # Errors
/// When the file cannot be read, or somebody asked to stop.
pub fn verify(
    file: &File,
    expected: Sha256,
    stop: &Stop,
    progress: &Progress,
) -> Result<bool, OpenError> {
    let begin = Begin { hasher: Hasher::new(), position: 0, quiet: false };
    let read = read_back(file, begin, &mut |_| {}, stop, progress);
    read.result?;
    Ok(read.ended? == Ended::Complete && digest(read.hasher) == expected)
}

/// How far a file was read back before somebody asked to stop, and what came of it so far.
#[derive(Debug, Clone)]
pub struct HalfRead {
    hasher: Hasher,
    position: u64,
    of: Fingerprint,
}

impl HalfRead {
    /// Bytes that need not be read again.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }
}

/// What came of reading a file back aside.
#[derive(Debug)]
pub enum ReadBack {
    /// All of it was read.
    Whole {
        /// Whether it has the hash.
        intact: bool,
    },
    /// Somebody asked to stop: it can go on from here.
    Half(Box<HalfRead>),
}

/// Which file, in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fingerprint {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Fingerprint {
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

/// Verifies like [`verify`], without taking anything from anybody: what was read is dropped from
/// the page cache, so that nothing which somebody works with is pushed out of it, and both threads
/// are as nice as can be. The calling thread reads the file and stays that nice: it should be one
/// that ends soon. `from` is where an earlier reading stopped; that of another file counts for
/// nothing.
///
/// # Errors
/// When the file cannot be read.
pub fn verify_aside(
    file: &File,
    expected: Sha256,
    from: Option<HalfRead>,
    stop: &Stop,
    progress: &Progress,
) -> Result<ReadBack, OpenError> {
    let of = Fingerprint::of(file)?;
    let from = from.filter(|half| half.of == of);
    let (hasher, start) = from.map_or((Hasher::new(), 0), |half| (half.hasher, half.position));
    let begin = Begin { hasher, position: start, quiet: true };
    let (mut position, mut dropped) = (start, start);
    let mut behind = |count: usize| {
        position += count as u64;
        // The end of the file is told by nothing.
        if position - dropped >= KEPT_BEHIND || count == 0 {
            let _ = fadvise(file, dropped, NonZeroU64::new(position - dropped), Advice::DontNeed);
            dropped = position;
        }
    };
    let read = read_back(file, begin, &mut behind, stop, progress);
    match read.result {
        Ok(()) => {
            let intact = read.ended? == Ended::Complete && digest(read.hasher) == expected;
            Ok(ReadBack::Whole { intact })
        }
        Err(OpenError::Stopped(_)) => {
            // Read ahead of the place where it stopped, too.
            let _ = fadvise(file, dropped, None, Advice::DontNeed);
            Ok(ReadBack::Half(Box::new(HalfRead {
                hasher: read.hasher,
                position: read.position,
                of,
            })))
        }
        Err(error) => Err(error),
    }
}

/// Where and how reading begins.
struct Begin {
    hasher: Hasher,
    position: u64,
    /// Whether both threads let everybody else go first.
    quiet: bool,
}

/// What came of it.
struct Read {
    result: Result<(), OpenError>,
    ended: io::Result<Ended>,
    hasher: Hasher,
    /// Bytes of the file that the hash is of.
    position: u64,
}

/// `told` is told how many bytes were read, and 0 at the end.
fn read_back(
    file: &File,
    begin: Begin,
    told: &mut dyn FnMut(usize),
    stop: &Stop,
    progress: &Progress,
) -> Read {
    progress.enter("verifying");
    if let Ok(metadata) = file.metadata() {
        progress.expect_bytes(metadata.len());
    }
    progress.add_bytes(begin.position);
    let _ = fadvise(file, 0, None, Advice::Sequential);
    let Begin { mut hasher, mut position, quiet } = begin;
    if quiet {
        be_nice();
    }
    let start = position;
    let (mut filler, drain) = lane(3);
    std::thread::scope(|scope| {
        let hashing = scope.spawn(move || {
            if quiet {
                be_nice();
            }
            let ended = drain.each(|bytes| {
                hasher.update(bytes);
                position += bytes.len() as u64;
                progress.add_bytes(bytes.len() as u64);
                Ok(())
            });
            (ended, hasher, position)
        });
        let mut file = file;
        let mut read = || -> Result<(), OpenError> {
            file.seek(SeekFrom::Start(start))?;
            loop {
                stop.check()?;
                let room = filler.room().map_err(io::Error::from)?;
                match file.read(room) {
                    Ok(0) => {
                        told(0);
                        return Ok(());
                    }
                    Ok(count) => {
                        told(count);
                        filler.took(count);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error.into()),
                }
            }
        };
        let mut result = read();
        if result.is_ok() {
            result = filler.finish().map_err(|closed| io::Error::from(closed).into());
        } else {
            drop(filler);
        }
        let joined = hashing.join();
        let (ended, hasher, position) =
            joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Read { result, ended, hasher, position }
    })
}

/// Lets everybody else have the processor first: this thread only, which is how Linux has it.
fn be_nice() {
    // Where that is not allowed, it works as everybody does.
    let _ = rustix::process::setpriority_process(None, NICEST);
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::stop::Stopped;

    fn file(content: &[u8]) -> (File, Sha256) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        (file, Sha256(Hasher::digest(content).into()))
    }

    /// Reads until so many bytes are hashed, then is asked to stop, on and on. Returns what came
    /// of it and how often it went on.
    fn in_pieces(file: &File, expected: Sha256, between: impl Fn()) -> (bool, u32) {
        let mut half = None;
        for pieces in 1.. {
            let (stop, progress) = (Stop::new(), Progress::new());
            let from = half.as_ref().map_or(0, HalfRead::position);
            let over = std::sync::atomic::AtomicBool::new(false);
            let read = std::thread::scope(|scope| {
                scope.spawn(|| {
                    while progress.snapshot().bytes <= from
                        && !over.load(std::sync::atomic::Ordering::Relaxed)
                    {
                        std::thread::yield_now();
                    }
                    stop.request(Stopped::Cancelled);
                });
                // A thread of its own, since it stays nice.
                let reader =
                    scope.spawn(|| verify_aside(file, expected, half.clone(), &stop, &progress));
                let read = reader.join().unwrap();
                over.store(true, std::sync::atomic::Ordering::Relaxed);
                read.unwrap()
            });
            match read {
                ReadBack::Whole { intact } => return (intact, pieces),
                ReadBack::Half(next) => {
                    assert!(next.position() >= from, "it went back");
                    half = Some(*next);
                    between();
                }
            }
        }
        unreachable!()
    }

    #[test]
    fn what_is_read_in_pieces_has_the_hash_of_the_whole() {
        let content: Vec<u8> = (0..=255).cycle().take(30 << 20).collect();
        let (file, expected) = file(&content);
        let (intact, pieces) = in_pieces(&file, expected, || {});
        assert!(intact && pieces > 1, "{pieces} pieces");
        let (intact, _) = in_pieces(&file, Sha256([7; 32]), || {});
        assert!(!intact);
    }

    #[test]
    fn a_file_that_was_written_meanwhile_is_read_from_the_beginning() {
        let content = vec![1_u8; 20 << 20];
        let (file, expected) = file(&content);
        let stop = Stop::new();
        stop.request(Stopped::Cancelled);
        let of = Fingerprint { modified: (1, 1), ..Fingerprint::of(&file).unwrap() };
        let half = HalfRead { hasher: Hasher::new(), position: 10 << 20, of };
        let read = std::thread::scope(|scope| {
            let aside =
                || verify_aside(&file, expected, Some(half), &Stop::new(), &Progress::new());
            scope.spawn(aside).join().unwrap().unwrap()
        });
        assert!(matches!(read, ReadBack::Whole { intact: true }), "{read:?}");
    }
}
