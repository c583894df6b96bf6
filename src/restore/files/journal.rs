//! The undo journal: one line of JSON for each thing that a restore is about to change.
//!
//! **Invariant:** a line is written before what it tells is done, so that the journal of a restore
//! that was killed knows at least what happened, and what did not happen is seen to be undone. What
//! lies in a directory that the restore made needs no line.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;

use rustix::fs::Stat;
use serde::{Deserialize, Serialize};

use crate::model::hex;

/// Its name in the directory of what was set aside.
pub(super) const NAME: &str = ".larder-undo.jsonl";

/// Longest line that is read: a directory with the most attributes that a kernel takes.
const LONGEST: usize = 16 << 20;

/// Bytes that may be any, in a form that people can read where they are text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Bytes {
    /// They are UTF-8.
    Text(String),
    /// They are not.
    Raw {
        /// In hex.
        hex: String,
    },
}

impl Bytes {
    pub(super) fn new(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Bytes::Text(text.to_owned()),
            Err(_) => Bytes::Raw { hex: hex::encode(bytes) },
        }
    }

    /// The bytes; `None` where what stands there is not hex.
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        match self {
            Bytes::Text(text) => Some(text.as_bytes().to_vec()),
            Bytes::Raw { hex } => hex::decode(hex),
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    /// The first line: the directory that all paths are below.
    Base(Bytes),
    /// This is made, with all that will be in it, where nothing was.
    New(Bytes),
    /// The line before about this path does not hold: somebody else was faster.
    Void(Bytes),
    /// This is moved to `tree/` with the same path.
    Aside(Bytes),
    /// A directory that stays, as it was before anything in it changed.
    Was(Was),
}

/// A directory's metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Was {
    pub(super) path: Bytes,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Seconds and nanoseconds.
    pub(super) accessed: (i64, i64),
    pub(super) modified: (i64, i64),
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) attributes: Vec<(Bytes, Bytes)>,
}

impl Was {
    #[expect(
        clippy::unnecessary_cast,
        clippy::cast_possible_wrap,
        trivial_numeric_casts,
        reason = "the widths of these fields differ between architectures"
    )]
    pub(super) fn new(path: &[u8], stat: &Stat, attributes: &[(Vec<u8>, Vec<u8>)]) -> Self {
        Self {
            path: Bytes::new(path),
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            accessed: (stat.st_atime as i64, stat.st_atime_nsec as i64),
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            attributes: attributes
                .iter()
                .map(|(name, value)| (Bytes::new(name), Bytes::new(value)))
                .collect(),
        }
    }
}

/// The journal while it grows.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    line: Vec<u8>,
}

impl Journal {
    pub(super) fn new(file: File) -> Self {
        Self { file, line: Vec::new() }
    }

    /// Writes a line. It is with the kernel when this returns: a killed process loses none.
    pub(super) fn write(&mut self, step: &Step) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, step)?;
        self.line.push(b'\n');
        self.file.write_all(&self.line)
    }
}

/// The lines of a journal, the last first. What stands behind the last line break was never
/// finished, and what it tells was never done.
pub(super) struct Backward {
    file: File,
    position: u64,
    /// The beginning of the stretch that was read last, without a whole line.
    carry: Vec<u8>,
    /// Whole lines of it, the last at the end.
    lines: Vec<Vec<u8>>,
    is_at_end: bool,
}

impl Backward {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let position = file.metadata()?.len();
        Ok(Self { file, position, carry: Vec::new(), lines: Vec::new(), is_at_end: true })
    }

    fn fill(&mut self) -> io::Result<()> {
        let length = self.position.min(64 * 1024);
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.position -= length;
        self.file.read_exact_at(&mut bytes, self.position)?;
        bytes.append(&mut self.carry);
        if self.is_at_end {
            let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
                // Nothing but a line that was never finished, so far.
                return Ok(());
            };
            bytes.truncate(end);
            self.is_at_end = false;
        }
        let mut lines: Vec<Vec<u8>> =
            bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        if self.position > 0 {
            self.carry = lines.remove(0);
            if self.carry.len() > LONGEST {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        self.lines = lines;
        Ok(())
    }
}

impl Iterator for Backward {
    type Item = io::Result<Step>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(line) = self.lines.pop() {
                return Some(serde_json::from_slice(&line).map_err(io::Error::from));
            }
            if self.position == 0 {
                return None;
            }
            if let Err(error) = self.fill() {
                self.position = 0;
                return Some(Err(error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_is_read_backward_and_its_torn_end_is_left_out() {
        for count in [0, 1, 5, 20_000] {
            let mut file = tempfile::tempfile().unwrap();
            let mut journal = Journal::new(file.try_clone().unwrap());
            let steps: Vec<Step> = (0..count)
                .map(|number| match number % 3 {
                    0 => Step::New(Bytes::new(format!("a/\"{number}\n").as_bytes())),
                    1 => Step::Aside(Bytes::new(b"not\xff text")),
                    _ => Step::Void(Bytes::new(b"")),
                })
                .collect();
            for step in &steps {
                journal.write(step).unwrap();
            }
            file.write_all(b"{\"new\":\"never fin").unwrap();
            let mut read: Vec<Step> = Backward::new(file).unwrap().map(Result::unwrap).collect();
            read.reverse();
            assert!(read == steps, "{count}");
        }
        assert_eq!(Bytes::new(b"not\xff").bytes().unwrap(), b"not\xff");
        for odd in ["6e6f7", "+e", "zz"] {
            assert_eq!(Bytes::Raw { hex: odd.to_owned() }.bytes(), None, "{odd}");
        }
    }
}
