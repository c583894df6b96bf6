//! Files with several names.

use std::collections::HashMap;

use rustix::fs::Stat;

use super::file::id;
use super::{FileId, Kind, Member};

/// The first names of files with several; a file is forgotten once all its names were met.
#[derive(Debug, Default)]
pub(crate) struct Links(HashMap<FileId, Link>);

#[derive(Debug)]
struct Link {
    first: Vec<u8>,
    /// Names that were not met yet; they may lie outside of the source.
    others: u64,
}

impl Links {
    /// The member itself, or a hard link where its file was yielded under another name.
    pub(crate) fn member(&mut self, stat: &Stat, mut member: Member) -> Member {
        #[expect(clippy::unnecessary_cast, trivial_numeric_casts, reason = "its width differs")]
        let names = stat.st_nlink as u64;
        if names < 2 {
            return member;
        }
        let Some(link) = self.0.get_mut(&id(stat)) else {
            let link = Link { first: member.path.clone(), others: names - 1 };
            self.0.insert(id(stat), link);
            return member;
        };
        link.others = link.others.saturating_sub(1);
        let (target, is_last) = (link.first.clone(), link.others == 0);
        if is_last {
            self.0.remove(&id(stat));
        }
        member.kind = Kind::HardLink { target };
        member
    }
}
