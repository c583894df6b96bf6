//! Whether all members together can be a tree: which paths there are, of what kind, in which order.
//!
//! Every path becomes a keyed hash of 128 bits, with where it was met and as what; sorted, all that
//! was said of one path stands together. **Invariant:** memory stays within [`MOST`] records
//! whatever the archive has: more go to a file without a name, in sorted runs.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write as _};
use std::path::Path;

/// Records that are held in memory: 12 MB.
const MOST: usize = 512 * 1024;
const RECORD: usize = 24;

/// As what a path was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A member that is a directory.
    Directory = 0,
    /// A member that is something else.
    Object = 1,
    /// The parent of a member.
    Parent = 2,
    /// What a hard link leads to.
    Link = 3,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Record {
    key: (u64, u64),
    /// The number of the member, with the role in the lowest two bits.
    tail: u64,
}

/// A member that cannot stand beside the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clash {
    pub(super) member: u64,
    pub(super) reason: &'static str,
}

/// All paths of an archive.
pub(super) struct Order {
    keys: (RandomState, RandomState),
    most: usize,
    records: Vec<Record>,
    runs: Option<BufWriter<File>>,
    lengths: Vec<u64>,
}

impl Order {
    pub(super) fn new() -> Self {
        Self::with_room_for(MOST)
    }

    fn with_room_for(most: usize) -> Self {
        let keys = (RandomState::new(), RandomState::new());
        Self { keys, most, records: Vec::new(), runs: None, lengths: Vec::new() }
    }

    /// The hash of a path, the same as long as this lives.
    pub(super) fn key(&self, path: &[u8]) -> u64 {
        self.keys.0.hash_one(path)
    }

    pub(super) fn push(&mut self, path: &[u8], role: Role, member: u64) -> io::Result<()> {
        if self.records.len() == self.most {
            self.spill()?;
        }
        if self.records.capacity() == self.records.len() {
            // Doubling would hold one and a half times as much for a moment.
            self.records.reserve_exact((self.most / 8).max(1));
        }
        let key = (self.key(path), self.keys.1.hash_one(path));
        self.records.push(Record { key, tail: member << 2 | role as u64 });
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        self.records.sort_unstable();
        let runs = match &mut self.runs {
            Some(runs) => runs,
            None => self.runs.insert(BufWriter::new(unnamed()?)),
        };
        for record in &self.records {
            for number in [record.key.0, record.key.1, record.tail] {
                runs.write_all(&number.to_le_bytes())?;
            }
        }
        self.lengths.push(self.records.len() as u64);
        self.records.clear();
        Ok(())
    }

    /// The first clash in the order of the archive, if there is any; and the keyed hashing, by
    /// which [`key`](Self::key) goes on.
    pub(super) fn finish(mut self) -> io::Result<(Option<Clash>, Keys)> {
        let mut judge = Judge::default();
        if self.runs.is_none() {
            self.records.sort_unstable();
            self.records.iter().for_each(|record| judge.take(*record));
            return Ok((judge.finish(), Keys(self.keys.0)));
        }
        self.spill()?;
        self.records = Vec::new();
        let runs = self.runs.take().expect("it was just looked at");
        let file = runs.into_inner().map_err(io::IntoInnerError::into_error)?;
        merge(&file, &self.lengths, &mut judge)?;
        Ok((judge.finish(), Keys(self.keys.0)))
    }
}

/// The hashing of paths, after all paths were seen.
#[derive(Debug)]
pub(super) struct Keys(RandomState);

impl Keys {
    pub(super) fn key(&self, path: &[u8]) -> u64 {
        self.0.hash_one(path)
    }
}

/// An empty file without a name, on a disk.
pub(super) fn unnamed() -> io::Result<File> {
    tempfile::tempfile_in(Path::new("/var/tmp")).or_else(|_| tempfile::tempfile())
}

/// A stretch of a file that others read too.
struct Run {
    file: File,
    position: u64,
    left: u64,
}

impl Read for Run {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        use std::os::unix::fs::FileExt as _;
        let most = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.file.read_at(&mut bytes[..most], self.position)?;
        self.position += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

fn merge(file: &File, lengths: &[u64], judge: &mut Judge) -> io::Result<()> {
    let mut file = file.try_clone()?;
    file.seek(SeekFrom::Start(0))?;
    let mut runs = Vec::new();
    let mut position = 0;
    for length in lengths {
        let left = length * RECORD as u64;
        let run = Run { file: file.try_clone()?, position, left };
        runs.push(BufReader::with_capacity(16 * 1024, run));
        position += left;
    }
    let mut heap = BinaryHeap::new();
    for (number, run) in runs.iter_mut().enumerate() {
        heap.extend(next(run)?.map(|record| Reverse((record, number))));
    }
    while let Some(Reverse((record, number))) = heap.pop() {
        judge.take(record);
        heap.extend(next(&mut runs[number])?.map(|record| Reverse((record, number))));
    }
    Ok(())
}

fn next(run: &mut BufReader<Run>) -> io::Result<Option<Record>> {
    if run.get_ref().left == 0 && run.buffer().is_empty() {
        return Ok(None);
    }
    let mut number = || -> io::Result<u64> {
        let mut bytes = [0; 8];
        run.read_exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    };
    let key = (number()?, number()?);
    Ok(Some(Record { key, tail: number()? }))
}

/// Looks at what was said of each path, in the order of the members.
#[derive(Default)]
struct Judge {
    current: Option<(u64, u64)>,
    /// Whether it is a directory, and the number of the member that says so.
    met: Option<(bool, u64)>,
    /// A member below it, met before itself.
    parent_of: Option<u64>,
    first: Option<Clash>,
}

impl Judge {
    fn take(&mut self, record: Record) {
        if self.current != Some(record.key) {
            (self.current, self.met, self.parent_of) = (Some(record.key), None, None);
        }
        let member = record.tail >> 2;
        match record.tail & 3 {
            0 | 1 if self.met.is_some() => {
                self.clash(member, "stands twice in the archive");
            }
            kind @ (0 | 1) => {
                self.met = Some((kind == 0, member));
                if kind == 1 && self.parent_of.is_some() {
                    self.clash(member, "is no directory, and other members lie below it");
                }
            }
            2 => {
                self.parent_of = Some(member);
                if self.met.is_some_and(|(is_directory, _)| !is_directory) {
                    self.clash(member, "lies below a member that is no directory");
                }
            }
            _ => match self.met {
                Some((false, earlier)) if earlier < member => {}
                Some((true, _)) => self.clash(member, "is a hard link to a directory"),
                Some((false, _)) | None => {
                    self.clash(
                        member,
                        "is a hard link to what is no earlier member of the archive",
                    );
                }
            },
        }
    }

    fn clash(&mut self, member: u64, reason: &'static str) {
        if self.first.is_none_or(|first| member < first.member) {
            self.first = Some(Clash { member, reason });
        }
    }

    fn finish(self) -> Option<Clash> {
        self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(room: usize, paths: &[(&str, Role)]) -> Option<u64> {
        let mut order = Order::with_room_for(room);
        for (member, (path, role)) in (0..).zip(paths) {
            order.push(path.as_bytes(), *role, member).unwrap();
        }
        order.finish().unwrap().0.map(|clash| clash.member)
    }

    #[test]
    fn clashes_are_found_in_memory_and_in_sorted_runs_alike() {
        use Role::{Directory, Link, Object, Parent};
        let many: Vec<String> = (0..1000).map(|number| format!("d/{number}")).collect();
        for room in [1, 3, 7, 10_000] {
            assert_eq!(check(room, &[("a", Directory), ("a", Parent), ("a/b", Object)]), None);
            assert_eq!(check(room, &[("a", Directory), ("b", Object), ("a", Directory)]), Some(2));
            assert_eq!(check(room, &[("a", Object), ("b", Object), ("a", Parent)]), Some(2));
            assert_eq!(check(room, &[("a", Parent), ("b", Object), ("a", Object)]), Some(2));
            assert_eq!(check(room, &[("a", Object), ("a", Link), ("a", Link)]), None);
            assert_eq!(check(room, &[("a", Link), ("a", Object)]), Some(0));
            assert_eq!(check(room, &[("a", Directory), ("a", Link)]), Some(1));
            let mut all: Vec<(&str, Role)> = many.iter().map(|p| (p.as_str(), Object)).collect();
            assert_eq!(check(room.max(20), &all), None);
            all.push(("d/500", Object));
            assert_eq!(check(room.max(20), &all), Some(1000));
        }
    }
}
