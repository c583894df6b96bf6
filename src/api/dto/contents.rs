//! What is in an archive.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Moment, words};
use crate::archive::{EntryKind, Row};
use crate::model::hex;
use crate::model::job::JobType;

/// Something in an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContentsEntry {
    /// Its name, or its path below the directory in a search, as people can read it: control
    /// characters, and what turns the direction of text, are written out.
    pub name: String,
    /// Its whole name in the archive; where that is not UTF-8, only nearly.
    pub path: String,
    /// Its whole name in hex, where it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<String>,
    /// What it is.
    #[schema(value_type = words::MemberKind)]
    pub kind: String,
    /// Its length in bytes, holes included; of a directory that of all files below it, which a
    /// search does not tell.
    #[schema(required)]
    pub size: Option<u64>,
    /// How many members lie below, where it is a directory; not told by a search.
    #[schema(required)]
    pub members: Option<u64>,
    /// Octal permission bits. This and what follows is missing for directories that have members
    /// and are none themselves.
    #[schema(required)]
    pub mode: Option<String>,
    /// The owner's name, or number.
    #[schema(required)]
    pub owner: Option<String>,
    /// The group's name, or number.
    #[schema(required)]
    pub group: Option<String>,
    /// When its content changed last.
    #[schema(required)]
    pub modified_at: Option<Moment>,
    /// The text of a symlink, or the name of a hard link's target in the archive, as people can
    /// read it.
    #[schema(required)]
    pub link: Option<String>,
    /// The first directory below it, as `path`, that has more in it than one other directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leads_to: Option<String>,
    /// How a restore names it in `paths`; missing where it cannot be restored alone.
    #[schema(required)]
    pub restore_path: Option<String>,
}

impl ContentsEntry {
    /// What a row says, as it is shown below a directory of an archive of a job of this type.
    #[must_use]
    pub fn new(row: &Row, directory: &[u8], job_type: JobType, zone: &TimeZone) -> Self {
        let name = &row.name;
        let own = row.own.as_ref();
        let kind = own.map_or(EntryKind::Directory, |own| own.kind);
        let link = own.map(|own| own.link.as_slice()).filter(|link| !link.is_empty());
        let time = own.and_then(|own| {
            let nanoseconds = i32::try_from(own.modified.nanoseconds).ok()?;
            Timestamp::new(own.modified.seconds, nanoseconds).ok()
        });
        let way = row.below.as_ref().map(|below| &below.way).filter(|way| *way != name);
        let is_directory = kind == EntryKind::Directory;
        let length = own.filter(|_| !is_directory).map(|own| own.size);
        let rest = &name[directory.len()..];
        Self {
            name: readable(rest.strip_prefix(b"/").unwrap_or(rest)),
            path: String::from_utf8_lossy(name).into_owned(),
            path_hex: std::str::from_utf8(name).is_err().then(|| hex::encode(name)),
            kind: kind.word().to_owned(),
            size: length.or_else(|| row.below.as_ref().map(|below| below.bytes)),
            members: row.below.as_ref().map(|below| below.members),
            mode: own.map(|own| format!("{:04o}", own.mode)),
            owner: own.map(|own| own.owner.clone()),
            group: own.map(|own| own.group.clone()),
            modified_at: time.map(|time| Moment::new(time, zone)),
            link: link.map(readable),
            leads_to: way.and_then(|way| String::from_utf8(way.clone()).ok()),
            restore_path: restore_path(job_type, name),
        }
    }
}

/// How a restore names a member: by where it was on the host, or relative to what is restored.
fn restore_path(job_type: JobType, name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    if name.split('/').any(|part| part == "..") {
        return None;
    }
    match job_type {
        JobType::CustomDir => Some(format!("/{}", name.strip_prefix("data/custom/")?)),
        JobType::Mysql => name.strip_prefix("data/mysql/").map(str::to_owned),
        JobType::Postgresql => name.strip_prefix("data/postgresql/").map(str::to_owned),
        JobType::YnhApp => name.strip_prefix("apps/").map(str::to_owned),
        JobType::YnhSystem => name.strip_prefix("data/").map(str::to_owned),
    }
}

/// A name as people can read it, whatever is in it: what is not text, does something else than to
/// be seen, or turns the direction of what stands around it, is written out.
#[must_use]
pub fn readable(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            let turns = matches!(character, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if character.is_control() || turns {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_name_does_is_written_out() {
        assert_eq!(readable("été <b>".as_bytes()), "été <b>");
        assert_eq!(readable(b"a\n\x1b[2J\xff"), "a\\n\\u{1b}[2J\\xff");
        assert_eq!(readable("a\u{202e}gpj.exe".as_bytes()), "a\\u{202e}gpj.exe");
    }

    #[test]
    fn a_restore_names_what_it_can_bring_back_alone() {
        let custom = |name: &str| restore_path(JobType::CustomDir, name.as_bytes());
        assert_eq!(custom("data/custom/opt/app/a").as_deref(), Some("/opt/app/a"));
        assert_eq!(custom("info.json"), None);
        assert_eq!(custom("data/custom/../etc/passwd"), None);
        assert_eq!(restore_path(JobType::CustomDir, b"data/custom/\xff"), None);
        let app = restore_path(JobType::YnhApp, b"apps/wiki/backup/db.sql");
        assert_eq!(app.as_deref(), Some("wiki/backup/db.sql"));
    }
}
