//! Tar encoding: ustar headers, with PAX records for what they cannot hold.
//!
//! **Invariant:** nothing is rounded, cut or left out of a header without a PAX record that says it
//! exactly, and a record is written only where the header does not say it already.

use std::io::Write as _;

use tar::{EntryType, Header};

use super::lane::{Closed, Filler};
use crate::source::{Extent, Metadata, Time};

const BLOCK: usize = 512;

/// A member's header, as it is to be written.
pub(crate) struct Member<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) kind: EntryType,
    pub(crate) link: &'a [u8],
    pub(crate) device: (u32, u32),
    pub(crate) metadata: &'a Metadata,
    /// Bytes that follow the header.
    pub(crate) stored: u64,
    /// The length of a file with holes.
    pub(crate) sparse_size: Option<u64>,
}

/// Encodes members into a lane.
pub(crate) struct Tarball {
    pub(crate) out: Filler,
    position: u64,
    records: Vec<u8>,
    /// GNU's long names, for those that are not UTF-8 and cannot stand in a PAX record.
    longs: Vec<(u8, Vec<u8>)>,
}

impl Tarball {
    pub(crate) fn new(out: Filler) -> Self {
        Self { out, position: 0, records: Vec::new(), longs: Vec::new() }
    }

    pub(crate) fn header(&mut self, member: &Member<'_>) -> Result<(), Closed> {
        let mut header = Header::new_ustar();
        self.records.clear();
        self.name(&mut header, member);
        self.link(&mut header, member.link);
        header.set_entry_type(member.kind);
        header.set_size(member.stored);
        header.set_mode(member.metadata.mode);
        header.set_uid(u64::from(member.metadata.uid));
        header.set_gid(u64::from(member.metadata.gid));
        self.time(&mut header, member.metadata.modified);
        self.owners(&mut header, member.metadata);
        if let Some(ustar) = header.as_ustar_mut() {
            ustar.set_device_major(member.device.0);
            ustar.set_device_minor(member.device.1);
        }
        self.attributes(member.metadata);
        header.set_cksum();
        self.flush_records()?;
        self.put(header.as_bytes())
    }

    fn name(&mut self, header: &mut Header, member: &Member<'_>) {
        if let Some(size) = member.sparse_size {
            self.record(b"GNU.sparse.major", b"1");
            self.record(b"GNU.sparse.minor", b"0");
            self.record(b"GNU.sparse.realsize", size.to_string().as_bytes());
        }
        let is_text = std::str::from_utf8(member.name).is_ok();
        if member.sparse_size.is_some() && is_text {
            self.record(b"GNU.sparse.name", member.name);
            let base = member.name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            let mut name = b"GNUSparseFile.0/".to_vec();
            name.extend_from_slice(&base[..base.len().min(80)]);
            header.as_old_mut().name[..name.len()].copy_from_slice(&name);
            return;
        }
        let name = member.name;
        if name.len() <= 100 {
            header.as_old_mut().name[..name.len()].copy_from_slice(name);
            return;
        }
        // The last 100 bytes after a slash, with at most 155 before it.
        let split = (name.len() - 101..name.len() - 1).find(|at| name[*at] == b'/');
        match (split, header.as_ustar_mut()) {
            (Some(split), Some(ustar)) if split <= 155 && split > 0 => {
                ustar.prefix[..split].copy_from_slice(&name[..split]);
                ustar.name[..name.len() - split - 1].copy_from_slice(&name[split + 1..]);
            }
            _ => {
                if is_text {
                    self.record(b"path", name);
                } else {
                    self.long(b'L', name);
                }
                header.as_old_mut().name[..100].copy_from_slice(&name[..100]);
            }
        }
    }

    fn link(&mut self, header: &mut Header, link: &[u8]) {
        if link.len() > 100 {
            if std::str::from_utf8(link).is_ok() {
                self.record(b"linkpath", link);
            } else {
                self.long(b'K', link);
            }
        }
        let length = link.len().min(100);
        header.as_old_mut().linkname[..length].copy_from_slice(&link[..length]);
    }

    fn time(&mut self, header: &mut Header, time: Time) {
        let whole = u64::try_from(time.seconds).ok().filter(|seconds| *seconds < 1 << 33);
        header.set_mtime(whole.unwrap_or(0));
        if whole.is_none() || time.nanoseconds != 0 {
            self.record(b"mtime", decimal(time).as_bytes());
        }
    }

    fn owners(&mut self, header: &mut Header, metadata: &Metadata) {
        for (name, key) in [(&metadata.user, b"uname"), (&metadata.group, b"gname")] {
            let Some(name) = name else { continue };
            if name.len() > 31 {
                self.record(key, name.as_bytes());
            } else if let Some(ustar) = header.as_ustar_mut() {
                let field = if key == b"uname" { &mut ustar.uname } else { &mut ustar.gname };
                field[..name.len()].copy_from_slice(name.as_bytes());
            }
        }
    }

    fn attributes(&mut self, metadata: &Metadata) {
        for (text, key) in [
            (&metadata.acl_access, b"SCHILY.acl.access".as_slice()),
            (&metadata.acl_default, b"SCHILY.acl.default"),
        ] {
            if let Some(text) = text {
                self.record(key, text.as_bytes());
            }
        }
        for (name, value) in &metadata.attributes {
            let mut key = b"SCHILY.xattr.".to_vec();
            for byte in name {
                match byte {
                    // Tar's own escapes: a key ends at the first `=`.
                    b'=' => key.extend_from_slice(b"%3D"),
                    b'%' => key.extend_from_slice(b"%25"),
                    other => key.push(*other),
                }
            }
            self.record(&key, value);
        }
    }

    /// One PAX record. Its length counts itself.
    fn record(&mut self, key: &[u8], value: &[u8]) {
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while rest + length.to_string().len() != length {
            length = rest + length.to_string().len();
        }
        let records = &mut self.records;
        write!(records, "{length} ").expect("writing to memory");
        records.extend_from_slice(key);
        records.push(b'=');
        records.extend_from_slice(value);
        records.push(b'\n');
    }

    fn long(&mut self, kind: u8, name: &[u8]) {
        let mut name = name.to_vec();
        name.push(0);
        self.longs.push((kind, name));
    }

    fn flush_records(&mut self) -> Result<(), Closed> {
        for (kind, name) in std::mem::take(&mut self.longs) {
            self.before_member(kind, b"@LongLink", &name)?;
        }
        if !self.records.is_empty() {
            let records = std::mem::take(&mut self.records);
            self.before_member(b'x', b"PaxHeaders", &records)?;
            self.records = records;
        }
        Ok(())
    }

    /// A block of information about the member that follows.
    fn before_member(&mut self, kind: u8, name: &[u8], bytes: &[u8]) -> Result<(), Closed> {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(EntryType::new(kind));
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        self.put(header.as_bytes())?;
        self.put(bytes)?;
        self.pad()
    }

    /// Bytes of the member whose header was written last.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), Closed> {
        self.out.put(bytes)?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// Bytes that were put into the lane's room directly.
    pub(crate) fn took(&mut self, bytes: usize) {
        self.out.took(bytes);
        self.position += bytes as u64;
    }

    /// Zeros up to the next block.
    pub(crate) fn pad(&mut self) -> Result<(), Closed> {
        let beyond = usize::try_from(self.position % BLOCK as u64).unwrap_or(0);
        if beyond == 0 { Ok(()) } else { self.put(&[0; BLOCK][beyond..]) }
    }

    /// The end of the archive.
    pub(crate) fn finish(mut self) -> Result<u64, Closed> {
        self.put(&[0; 2 * BLOCK])?;
        self.out.finish()?;
        Ok(self.position)
    }
}

/// The map of a file with holes, which stands before its data.
pub(crate) fn sparse_map(data: &[Extent], size: u64) -> Vec<u8> {
    let ends_in_hole = data.last().is_none_or(|last| last.offset + last.length < size);
    let end = ends_in_hole.then_some(Extent { offset: size, length: 0 });
    let count = data.len() + usize::from(ends_in_hole);
    let mut map = format!("{count}\n").into_bytes();
    for extent in data.iter().chain(end.as_ref()) {
        write!(map, "{}\n{}\n", extent.offset, extent.length).expect("writing to memory");
    }
    map.resize(map.len().next_multiple_of(BLOCK), 0);
    map
}

/// Seconds with nine decimals, also before 1970.
pub(crate) fn decimal(time: Time) -> String {
    if time.seconds < 0 && time.nanoseconds > 0 {
        let seconds = (time.seconds + 1).unsigned_abs();
        return format!("-{seconds}.{:09}", 1_000_000_000 - time.nanoseconds);
    }
    format!("{}.{:09}", time.seconds, time.nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_are_exact() {
        let time = |seconds, nanoseconds| decimal(Time { seconds, nanoseconds });
        assert_eq!(time(-2, 500_000_000), "-1.500000000");
        assert_eq!(time(-1, 1), "-0.999999999");
        assert_eq!(time(-1, 0), "-1.000000000");
        assert_eq!(time(5, 7), "5.000000007");
    }

    #[test]
    fn the_length_of_a_record_counts_its_own_digits() {
        let (filler, _drain) = super::super::lane::lane(1);
        let mut tarball = Tarball::new(filler);
        for length in 0..1200 {
            tarball.records.clear();
            tarball.record(b"k", &vec![b'x'; length]);
            let digits = tarball.records.split(|byte| *byte == b' ').next().unwrap();
            let told: usize = std::str::from_utf8(digits).unwrap().parse().unwrap();
            assert_eq!(told, tarball.records.len());
        }
    }
}
