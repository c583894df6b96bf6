//! Whatever a source can yield comes back from the reader as it was.

use std::io::{self, Read as _};
use std::path::Path;

use larder::archive::{Destination, Entry, EntryKind, Reader, write_into};
use larder::progress::Progress;
use larder::source::{
    Content, Extent, FileBody, Findings, Kind, Member, Metadata, Source, SourceError, Time,
};
use larder::stop::Stop;
use proptest::collection::vec;
use proptest::prelude::*;

use super::spec;

#[derive(Debug)]
struct Bytes(Vec<u8>);

impl Content for Bytes {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.0.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        // Short reads are reads too.
        let count = rest.len().min(buffer.len()).min(1000);
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
    fn has_changed(&mut self) -> io::Result<bool> {
        Ok(false)
    }
}

struct Listed(std::vec::IntoIter<Member>, Findings);

impl Source for Listed {
    fn next(&mut self) -> Result<Option<Member>, SourceError> {
        Ok(self.0.next())
    }
    fn findings(&self) -> &Findings {
        &self.1
    }
}

struct Memory(Vec<u8>);

impl io::Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Destination for Memory {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A member as plain data, since members can be read only once.
#[derive(Debug, Clone)]
struct Wanted {
    name: Vec<u8>,
    what: What,
    metadata: Metadata,
}

#[derive(Debug, Clone)]
enum What {
    File(Vec<u8>),
    Holes(Vec<(u64, Vec<u8>)>, u64),
    Link(Vec<u8>),
    Symlink(Vec<u8>),
    Char(u32, u32),
    Directory,
    Fifo,
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let byte = any::<u8>().prop_filter("neither NUL nor slash", |byte| !matches!(byte, 0 | b'/'));
    let part = vec(byte, 1..130).prop_filter("not a dot", |part| part != b"." && part != b"..");
    vec(part, 1..4).prop_map(|parts| parts.join(&b'/'))
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let text = proptest::option::of("[a-z]{1,60}");
    let attribute = ("user\\.[a-z%=]{1,9}", vec(any::<u8>(), 1..40));
    let times = (-1_i64 << 40..1 << 40, 0..1_000_000_000_u32);
    (
        0..=0o7777_u32,
        any::<u32>(),
        any::<u32>(),
        text.clone(),
        text.clone(),
        times,
        vec(attribute, 0..3),
        text,
    )
        .prop_map(|(mode, uid, gid, user, group, (seconds, nanoseconds), attributes, acl)| {
            let mut attributes: Vec<_> =
                attributes.into_iter().map(|(name, value)| (name.into_bytes(), value)).collect();
            attributes.sort();
            attributes.dedup_by(|a, b| a.0 == b.0);
            Metadata {
                mode,
                uid,
                gid,
                user: user.map(Into::into),
                group: group.map(Into::into),
                modified: Time { seconds, nanoseconds },
                attributes,
                acl_access: acl,
                acl_default: None,
            }
        })
}

fn what() -> impl Strategy<Value = What> {
    let stretch = (1_u64..1 << 33, vec(any::<u8>(), 1..2000));
    prop_oneof![
        vec(any::<u8>(), 0..3000).prop_map(What::File),
        (vec(stretch, 0..20), 1_u64..1 << 30).prop_map(|(parts, more)| {
            let mut offset = 0;
            let mut placed = Vec::new();
            for (gap, bytes) in parts {
                offset += gap;
                let length = bytes.len() as u64;
                placed.push((offset, bytes));
                offset += length;
            }
            What::Holes(placed, offset + more)
        }),
        name().prop_map(What::Link),
        name().prop_map(What::Symlink),
        (0_u32..4096, 0_u32..1 << 20).prop_map(|(major, minor)| What::Char(major, minor)),
        Just(What::Directory),
        Just(What::Fifo),
    ]
}

fn member(wanted: &Wanted) -> Member {
    let kind = match &wanted.what {
        What::File(bytes) => Kind::File(FileBody {
            size: bytes.len() as u64,
            data: None,
            content: Box::new(Bytes(bytes.clone())),
        }),
        What::Holes(parts, size) => Kind::File(FileBody {
            size: *size,
            data: Some(
                parts
                    .iter()
                    .map(|(offset, bytes)| Extent { offset: *offset, length: bytes.len() as u64 })
                    .collect(),
            ),
            content: Box::new(Parts(parts.clone())),
        }),
        What::Link(target) => Kind::HardLink { target: target.clone() },
        What::Symlink(target) => Kind::Symlink { target: target.clone() },
        What::Char(major, minor) => Kind::CharDevice { major: *major, minor: *minor },
        What::Directory => Kind::Directory,
        What::Fifo => Kind::Fifo,
    };
    Member { path: wanted.name.clone(), metadata: wanted.metadata.clone(), kind }
}

#[derive(Debug)]
struct Parts(Vec<(u64, Vec<u8>)>);

impl Content for Parts {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let (start, bytes) =
            self.0.iter().rfind(|(start, _)| *start <= offset).expect("only data is read");
        Bytes(bytes.clone()).read_at(offset - start, buffer)
    }
    fn has_changed(&mut self) -> io::Result<bool> {
        Ok(false)
    }
}

fn same(wanted: &Wanted, entry: &Entry, content: &[u8]) {
    let below = |name: &[u8]| [b"data/custom/srv/", name].concat();
    assert_eq!(entry.name, below(&wanted.name));
    let (kind, link, size, bytes) = match &wanted.what {
        What::File(bytes) => (EntryKind::File, Vec::new(), bytes.len() as u64, bytes.clone()),
        What::Holes(parts, size) => {
            let bytes = parts.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
            (EntryKind::File, Vec::new(), *size, bytes)
        }
        What::Link(target) => (EntryKind::HardLink, below(target), 0, Vec::new()),
        What::Symlink(target) => (EntryKind::Symlink, target.clone(), 0, Vec::new()),
        What::Char(major, minor) => {
            assert_eq!(entry.device, (*major, *minor));
            (EntryKind::CharDevice, Vec::new(), 0, Vec::new())
        }
        What::Directory => (EntryKind::Directory, Vec::new(), 0, Vec::new()),
        What::Fifo => (EntryKind::Fifo, Vec::new(), 0, Vec::new()),
    };
    assert_eq!((entry.kind, &entry.link, entry.size), (kind, &link, size));
    assert_eq!(content, bytes);
    let Metadata { mode, uid, gid, user, group, modified, attributes, acl_access, .. } =
        &wanted.metadata;
    assert_eq!((entry.mode, entry.uid, entry.gid), (*mode, u64::from(*uid), u64::from(*gid)));
    assert_eq!(entry.user, user.as_deref().unwrap_or_default().as_bytes());
    assert_eq!(entry.group, group.as_deref().unwrap_or_default().as_bytes());
    assert_eq!(entry.modified, *modified);
    assert_eq!(&entry.attributes, attributes);
    assert_eq!(entry.acl_access.as_deref(), acl_access.as_deref().map(str::as_bytes));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_member_comes_back_as_it_was(
        wanted in vec((name(), what(), metadata()), 0..12)
    ) {
        let wanted: Vec<Wanted> = wanted
            .into_iter()
            .map(|(name, what, metadata)| Wanted { name, what, metadata })
            .collect();
        let members: Vec<Member> = wanted.iter().map(member).collect();
        let source = Box::new(Listed(members.into_iter(), Findings::default()));
        let spool = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let spec = spec(Path::new("/srv"));
        let (written, memory) =
            write_into(source, &spec, Memory(Vec::new()), spool, &Stop::new(), &Progress::new()).unwrap();
        prop_assert_eq!(written.stream_size, memory.0.len() as u64);
        prop_assert_eq!(written.stream_sha256, written.file_sha256);
        let mut reader = Reader::from_stream(io::Cursor::new(memory.0));
        let mut left = wanted.iter();
        while let Some(entry) = reader.next_entry().unwrap() {
            if entry.name.starts_with(b"data/custom/") {
                let mut content = Vec::new();
                reader.read_to_end(&mut content).unwrap();
                same(left.next().expect("no more than was given"), &entry, &content);
            }
        }
        prop_assert!(left.next().is_none());
    }
}
