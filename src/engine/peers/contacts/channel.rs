//! `backup-channel`: whether archives of a host name are to be seen at a location.

use crate::model::archive::{Archive, Condition};
use crate::model::name::PlaceName;
use crate::model::observed::Foreign;

/// How many archives of a host are there, at one location or at any: those whose origin it is, and
/// the files beside them whose name begins with its name (`nas_web_20260508.tar`).
pub(crate) fn visible(
    archives: &[Archive],
    foreign: &[Foreign],
    hostname: &str,
    location: Option<&PlaceName>,
) -> usize {
    let is_at = |place: &PlaceName| location.is_none_or(|wanted| wanted == place);
    let is_there = |archive: &&Archive| match archive.condition {
        Condition::Present | Condition::Corrupt => true,
        Condition::Lost | Condition::Unavailable | Condition::Trashed { .. } => false,
    };
    let known = archives
        .iter()
        .filter(is_there)
        .filter(|archive| archive.origin.as_str().eq_ignore_ascii_case(hostname))
        .filter(|archive| is_at(&archive.location));
    let files = foreign.iter().filter(|file| is_at(&file.location));
    known.count() + files.filter(|file| is_of(&file.file_name, hostname)).count()
}

/// Whether a file's name says that it is an archive of a host.
fn is_of(file_name: &str, hostname: &str) -> bool {
    let name = file_name.split_at_checked(hostname.len());
    name.is_some_and(|(head, rest)| {
        head.eq_ignore_ascii_case(hostname) && rest.starts_with('_') && rest.contains(".tar")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(location: &str, name: &str) -> Foreign {
        Foreign {
            location: location.parse().unwrap(),
            file_name: name.to_owned(),
            size: 1,
            modified: jiff::Timestamp::UNIX_EPOCH,
            note: None,
        }
    }

    #[test]
    fn a_file_is_seen_by_its_name_at_its_location() {
        let files =
            [foreign("main", "nas_web_20260508.tar"), foreign("usb", "NAS_db_20260508.tar.gz")];
        let main: PlaceName = "main".parse().unwrap();
        assert_eq!(visible(&[], &files, "nas", None), 2);
        assert_eq!(visible(&[], &files, "nas", Some(&main)), 1);
        assert_eq!(visible(&[], &files, "na", None), 0);
        assert_eq!(visible(&[], &files, "nas_web_20260508.tar.and.longer", None), 0);
        assert_eq!(visible(&[], &[foreign("main", "nas_notes.txt")], "nas", None), 0);
    }
}
