//! The first stage of writing: members of a source become the plain tar stream.
//!
//! **Invariant:** a member is exactly as long as its header says, whatever its file does while it
//! is read; nothing is kept per member but its line in the manifest.

use std::io::Read as _;

use sha2::{Digest as _, Sha256 as Hasher};
use tar::EntryType;

use crate::archive::lane::{Closed, Filler};
use crate::archive::layers;
use crate::archive::manifest::{self, Line, Spool, State};
use crate::archive::metadata;
use crate::archive::pipeline::Failure;
use crate::archive::tarball::{Member as Head, Tarball, decimal, sparse_map};
use crate::archive::{Spec, WriteError};
use crate::model::archive::{MemberCounts, Sha256};
use crate::progress::Progress;
use crate::source::{Extent, FileBody, Findings, Kind, Member, Metadata, Source, Time, What};
use crate::stop::Stop;

/// What the first stage knows at its end.
pub(super) struct Made {
    pub(super) content_size: u64,
    pub(super) stream_size: u64,
    pub(super) counts: MemberCounts,
    pub(super) findings: Findings,
    pub(super) info_json: Vec<u8>,
}

/// The first stage: everything up to the plain tar stream.
pub(super) struct Stream<'a> {
    spec: &'a Spec,
    prefix: Vec<u8>,
    tarball: Tarball,
    spool: Spool,
    stop: &'a Stop,
    progress: &'a Progress,
    content_size: u64,
    counts: MemberCounts,
    findings: Findings,
}

impl<'a> Stream<'a> {
    pub(super) fn new(
        spec: &'a Spec,
        out: Filler,
        spool: Spool,
        stop: &'a Stop,
        progress: &'a Progress,
    ) -> Self {
        Self {
            spec,
            prefix: metadata::content_prefix(spec),
            tarball: Tarball::new(out),
            spool,
            stop,
            progress,
            content_size: 0,
            counts: MemberCounts::default(),
            findings: Findings::default(),
        }
    }

    pub(super) fn run(mut self, mut source: Box<dyn Source>) -> Result<Made, Failure> {
        self.progress.enter("reading");
        self.own(b"backup_info.json", 0o644, &metadata::backup_info(self.spec))?;
        self.own(b"backup.csv", 0o644, &metadata::backup_csv(self.spec))?;
        self.own(b"RESTORE.txt", 0o644, &metadata::restore_txt(self.spec))?;
        if metadata::has_hook(self.spec) {
            self.own(metadata::HOOK_MEMBER.as_bytes(), 0o755, metadata::HOOK.as_bytes())?;
        }
        loop {
            self.stop.check()?;
            let Some(member) = source.next()? else { break };
            self.member(member)?;
            self.progress.add_member();
        }
        let found = source.findings();
        self.findings.sockets = found.sockets;
        self.findings.vanished += found.vanished;
        self.findings.unreadable += found.unreadable;
        self.findings.doubt.clone_from(&found.doubt);
        let room = crate::source::MOST_REMARKS.saturating_sub(self.findings.remarks.len());
        self.findings.remarks.extend(found.remarks.iter().take(room).cloned());
        drop(source);
        self.finish()
    }

    fn finish(self) -> Result<Made, Failure> {
        let Self { spec, mut tarball, spool, stop, content_size, mut counts, findings, .. } = self;
        let (mut manifest, length) = spool.finish().map_err(WriteError::Destination)?;
        header(&mut tarball, spec, manifest::MEMBER.as_bytes(), 0o644, length)?;
        let mut left = length;
        while left > 0 {
            stop.check()?;
            let room = tarball.out.room()?;
            let most = room.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            manifest.read_exact(&mut room[..most]).map_err(WriteError::Destination)?;
            tarball.took(most);
            left -= most as u64;
        }
        tarball.pad()?;
        let info_json = metadata::info(spec, content_size);
        header(&mut tarball, spec, b"info.json", 0o644, info_json.len() as u64)?;
        tarball.put(&info_json)?;
        tarball.pad()?;
        let stream_size = tarball.finish()?;
        counts.skipped_sockets = findings.sockets;
        counts.vanished = findings.vanished;
        counts.unreadable = findings.unreadable;
        Ok(Made { content_size, stream_size, counts, findings, info_json })
    }

    /// A member of our own.
    fn own(&mut self, name: &[u8], mode: u32, bytes: &[u8]) -> Result<(), Closed> {
        header(&mut self.tarball, self.spec, name, mode, bytes.len() as u64)?;
        self.tarball.put(bytes)?;
        self.tarball.pad()
    }

    /// A member of the source.
    fn member(&mut self, member: Member) -> Result<(), Failure> {
        let Member { path, metadata, kind } = member;
        let mut name = join(&self.prefix, &path);
        if matches!(kind, Kind::Directory) {
            name.push(b'/');
        }
        let mut head = Head {
            name: &name,
            kind: EntryType::Regular,
            link: b"",
            device: (0, 0),
            metadata: &metadata,
            stored: 0,
            sparse_size: None,
        };
        let mut facts =
            Facts { kind: "file", size: 0, link: &[], hash: None, sparse: false, state: State::Ok };
        let link;
        match kind {
            Kind::File(body) => {
                self.counts.files += 1;
                (facts.size, facts.sparse) = (body.size, body.data.is_some());
                let (hash, state) = self.file(head, &path, body)?;
                (facts.hash, facts.state) = (Some(hash), state);
                return self.line(&name, &metadata, &facts);
            }
            Kind::HardLink { target } => {
                self.counts.files += 1;
                link = join(&self.prefix, &target);
                (head.kind, head.link, facts.kind) = (EntryType::Link, &link, "hardlink");
            }
            Kind::Directory => {
                self.counts.directories += 1;
                (head.kind, facts.kind) = (EntryType::Directory, "directory");
            }
            Kind::Symlink { target } => {
                self.counts.others += 1;
                link = target;
                (head.kind, head.link, facts.kind) = (EntryType::Symlink, &link, "symlink");
            }
            Kind::Fifo => {
                self.counts.others += 1;
                (head.kind, facts.kind) = (EntryType::Fifo, "fifo");
            }
            Kind::CharDevice { major, minor } => {
                self.counts.others += 1;
                (head.kind, head.device, facts.kind) = (EntryType::Char, (major, minor), "char");
            }
            Kind::BlockDevice { major, minor } => {
                self.counts.others += 1;
                (head.kind, head.device, facts.kind) = (EntryType::Block, (major, minor), "block");
            }
        }
        facts.link = head.link;
        self.tarball.header(&head)?;
        self.line(&name, &metadata, &facts)
    }

    fn line(&mut self, name: &[u8], metadata: &Metadata, facts: &Facts<'_>) -> Result<(), Failure> {
        let (path, path_hex) = Line::path_of(name.strip_suffix(b"/").unwrap_or(name));
        let (target, target_hex) = match facts.link {
            [] => (None, None),
            target => {
                let (text, hex) = Line::path_of(target);
                (Some(text), hex)
            }
        };
        let hash = facts.hash.map(|hash| hash.to_string());
        let (data_sha256, sha256) = if facts.sparse { (hash, None) } else { (None, hash) };
        let line = Line {
            path,
            path_hex,
            kind: facts.kind.to_owned(),
            size: facts.size,
            mode: format!("{:04o}", metadata.mode),
            uid: metadata.uid,
            gid: metadata.gid,
            user: metadata.user.as_deref().map(str::to_owned),
            group: metadata.group.as_deref().map(str::to_owned),
            mtime: decimal(metadata.modified),
            link: target,
            link_hex: target_hex,
            sha256,
            data_sha256,
            state: facts.state,
        };
        self.spool.push(&line).map_err(WriteError::Destination)?;
        Ok(())
    }

    /// A regular file: exactly as many bytes as its header says.
    fn file(
        &mut self,
        mut head: Head<'_>,
        path: &[u8],
        mut body: FileBody,
    ) -> Result<(Sha256, State), Failure> {
        let whole = [Extent { offset: 0, length: body.size }];
        let data = body.data.as_deref().unwrap_or(&whole);
        let stored: u64 = data.iter().map(|extent| extent.length).sum();
        if let Some(data) = &body.data {
            let map = sparse_map(data, body.size);
            head.sparse_size = Some(body.size);
            head.stored = stored + map.len() as u64;
            self.tarball.header(&head)?;
            self.tarball.put(&map)?;
        } else {
            head.stored = stored;
            self.tarball.header(&head)?;
        }
        let mut hasher = Hasher::new();
        let mut trouble = None;
        for extent in data {
            let (mut offset, end) = (extent.offset, extent.offset + extent.length);
            while offset < end {
                self.stop.check()?;
                let room = self.tarball.out.room()?;
                let most = room.len().min(usize::try_from(end - offset).unwrap_or(usize::MAX));
                let room = &mut room[..most];
                let read = match trouble {
                    None => body.content.read_at(offset, room),
                    Some(_) => Ok(0),
                };
                let count = match read {
                    Ok(0) => {
                        trouble.get_or_insert(What::Shrank);
                        room.fill(0);
                        most
                    }
                    Ok(count) => count,
                    Err(error) => {
                        trouble = Some(What::Unreadable(error.to_string()));
                        room.fill(0);
                        most
                    }
                };
                hasher.update(&room[..count]);
                self.tarball.took(count);
                self.progress.add_bytes(count as u64);
                offset += count as u64;
            }
        }
        self.tarball.pad()?;
        self.content_size += stored;
        let state = self.judge(path, body, trouble);
        Ok((layers::digest(hasher), state))
    }

    /// What to say of a file after it was read.
    fn judge(&mut self, path: &[u8], mut body: FileBody, trouble: Option<What>) -> State {
        let (state, what) = match trouble {
            Some(what) => (State::Padded, what),
            None if !body.content.has_changed().unwrap_or(true) => return State::Ok,
            None => {
                let more = body.content.read_at(body.size, &mut [0]).is_ok_and(|count| count > 0);
                (State::Changed, if more { What::Grew } else { What::Changed })
            }
        };
        if !matches!(what, What::Unreadable(_)) {
            self.counts.changed += 1;
        }
        self.findings.record(path, what);
        state
    }
}

/// What the manifest says of a member beside its metadata.
struct Facts<'a> {
    kind: &'static str,
    size: u64,
    /// The text or target of a link.
    link: &'a [u8],
    hash: Option<Sha256>,
    sparse: bool,
    state: State,
}

/// The header of a member of our own.
fn header(
    tarball: &mut Tarball,
    spec: &Spec,
    name: &[u8],
    mode: u32,
    length: u64,
) -> Result<(), Closed> {
    let root = Some("root".into());
    let seconds = spec.created_at.timestamp().as_second();
    let metadata = Metadata {
        mode,
        user: root.clone(),
        group: root,
        modified: Time { seconds, nanoseconds: 0 },
        ..Metadata::default()
    };
    tarball.header(&Head {
        name,
        kind: EntryType::Regular,
        link: b"",
        device: (0, 0),
        metadata: &metadata,
        stored: length,
        sparse_size: None,
    })
}

fn join(prefix: &[u8], path: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(prefix.len() + path.len() + 2);
    name.extend_from_slice(prefix);
    if !path.is_empty() {
        name.push(b'/');
        name.extend_from_slice(path);
    }
    name
}
