//! Decides once, when an archive is made or received, whether it is suspect.
//!
//! A source that was emptied, encrypted or unmounted yields complete archives; they must not push
//! out the ones made before.

use jiff::Timestamp;

use crate::model::size::Percent;

/// How many good archives make up what is usual.
const COMPARED: usize = 5;

/// What is known of an archive that was just made or received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newcomer {
    /// Bytes of content.
    pub content_size: u64,
    /// Members that hold data: files, or objects of a dump.
    pub files: u64,
    /// The date it bears.
    pub created_at: Timestamp,
    /// Whether a dump in it lacks its end marker.
    pub cut_off: bool,
}

/// What is known of a good archive of the same series that was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Predecessor {
    /// Bytes of content.
    pub content_size: u64,
    /// The date it bears.
    pub created_at: Timestamp,
}

/// Why an archive is suspect, if it is; `before` are the good archives of its series in the order
/// in which they arrived.
#[must_use]
pub fn suspicion(
    newcomer: &Newcomer,
    before: &[Predecessor],
    shrink_alarm: Percent,
) -> Option<String> {
    if newcomer.cut_off {
        return Some("a dump in it ends before its end marker".to_owned());
    }
    if newcomer.files == 0 {
        return Some("it has no files".to_owned());
    }
    let latest = before.iter().map(|archive| archive.created_at).max();
    if let Some(latest) = latest.filter(|latest| *latest > newcomer.created_at) {
        let created_at = newcomer.created_at;
        return Some(format!("it is dated {created_at}, before one that came earlier ({latest})"));
    }
    let last = &before[before.len().saturating_sub(COMPARED)..];
    let mut usual: Vec<u64> = last.iter().map(|archive| archive.content_size).collect();
    usual.sort_unstable();
    // The upper one of two middles: in doubt it alarms.
    let median = *usual.get(usual.len() / 2)?;
    let share = u128::from(newcomer.content_size) * 100;
    (share < u128::from(median) * u128::from(shrink_alarm.0)).then(|| {
        let count = usual.len();
        format!(
            "its content has {} bytes, under {shrink_alarm} of the {median} that are usual (median of the last {count})",
            newcomer.content_size
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn check(size: u64, files: u64, second: i64, before: &[u64]) -> Option<String> {
        let newcomer =
            Newcomer { content_size: size, files, created_at: at(second), cut_off: false };
        let before: Vec<Predecessor> = (1..)
            .zip(before)
            .map(|(second, size)| Predecessor { content_size: *size, created_at: at(second) })
            .collect();
        suspicion(&newcomer, &before, Percent(50))
    }

    #[test]
    fn content_under_half_of_the_median_of_the_last_five_is_suspect() {
        assert!(check(49, 1, 9, &[9_000, 100, 100, 100, 1, 1_000]).is_some());
        assert_eq!(check(50, 1, 9, &[9_000, 100, 100, 100, 1, 1_000]), None);
        assert_eq!(check(1, 1, 9, &[]), None);
    }

    #[test]
    fn an_archive_without_files_or_dated_before_its_predecessor_is_suspect() {
        assert_eq!(check(100, 0, 9, &[100]).unwrap(), "it has no files");
        assert!(check(100, 1, 0, &[100]).unwrap().contains("before one that came earlier"));
        assert_eq!(check(100, 1, 1, &[100]), None);
    }

    #[test]
    fn a_dump_that_was_cut_off_is_suspect() {
        let newcomer = Newcomer { content_size: 1, files: 1, created_at: at(1), cut_off: true };
        assert!(suspicion(&newcomer, &[], Percent(50)).is_some());
    }
}
