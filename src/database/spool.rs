//! A dump on its way into an archive: tar wants a length before the content, and a dump has none
//! before its end.
//!
//! **Invariant:** the file of a dump for an archive has no name, so that nothing is left of it
//! whatever happens; it lies on a real disk, never in memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use crate::source::{Content, FileBody, Kind, Member, Metadata, Time};

/// Written in pieces of this size.
const PIECE: usize = 256 << 10;
/// So much of the end is kept in memory, for a look at how the dump ends.
const TAIL: usize = 1024;

/// A file that a dump is written into.
#[derive(Debug)]
pub(super) struct Spool {
    file: File,
    length: u64,
    pending: Vec<u8>,
    tail: Vec<u8>,
}

impl Spool {
    /// An empty one in `dir`.
    pub(super) fn new(dir: &Path) -> io::Result<Self> {
        let file = tempfile::tempfile_in(dir)?;
        Ok(Self { file, length: 0, pending: Vec::with_capacity(PIECE), tail: Vec::new() })
    }

    /// An empty one that keeps its name: what is set aside must be found again.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut options = std::fs::OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(path)?;
        Ok(Self { file, length: 0, pending: Vec::with_capacity(PIECE), tail: Vec::new() })
    }

    /// Everything that was written is on the disk.
    pub(super) fn into_synced(mut self) -> io::Result<()> {
        self.flush()?;
        self.file.sync_all()
    }

    /// Takes the next bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.pending.extend_from_slice(bytes);
        let last = &bytes[bytes.len().saturating_sub(TAIL)..];
        let keep = (TAIL - last.len()).min(self.tail.len());
        self.tail.drain(..self.tail.len() - keep);
        self.tail.extend_from_slice(last);
        if self.pending.len() >= PIECE { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.pending, self.length)?;
        self.length += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// The last bytes that were written, at most a kilobyte.
    pub(super) fn tail(&self) -> &[u8] {
        &self.tail
    }

    /// The file, whole, standing at its beginning.
    pub(super) fn into_file(mut self) -> io::Result<(File, u64)> {
        self.flush()?;
        Ok((self.file, self.length))
    }

    /// What was written, as a member at `path` of that time.
    pub(super) fn into_member(self, path: String, modified: jiff::Timestamp) -> io::Result<Member> {
        let (file, size) = self.into_file()?;
        Ok(Member {
            path: path.into_bytes(),
            metadata: metadata(modified),
            kind: Kind::File(FileBody { size, data: None, content: Box::new(Spooled(file)) }),
        })
    }
}

/// Who may read a dump once it is unpacked: its owner, for it holds everything.
fn metadata(modified: jiff::Timestamp) -> Metadata {
    let root: Arc<str> = "root".into();
    Metadata {
        mode: 0o600,
        user: Some(Arc::clone(&root)),
        group: Some(root),
        modified: Time { seconds: modified.as_second(), nanoseconds: 0 },
        ..Metadata::default()
    }
}

#[derive(Debug)]
struct Spooled(File);

impl Content for Spooled {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn has_changed(&mut self) -> io::Result<bool> {
        // Nobody else can reach it.
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_comes_out_as_it_went_in_and_shows_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(dir.path()).unwrap();
        let mut whole = Vec::new();
        for (number, length) in [1, 700, 0, 900, PIECE * 2, 3].into_iter().enumerate() {
            let bytes = vec![u8::try_from(number).unwrap(); length];
            spool.write(&bytes).unwrap();
            whole.extend_from_slice(&bytes);
            assert!(whole.ends_with(spool.tail()));
            assert_eq!(spool.tail().len(), whole.len().min(TAIL));
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let time = jiff::Timestamp::UNIX_EPOCH;
        let member = spool.into_member("x.sql".to_owned(), time).unwrap();
        let Kind::File(mut body) = member.kind else { panic!("a file") };
        assert_eq!(body.size, whole.len() as u64);
        let mut read = vec![0; whole.len()];
        assert_eq!(body.content.read_at(0, &mut read).unwrap(), whole.len());
        assert_eq!(read, whole);
    }
}
