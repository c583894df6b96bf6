//! Decides once, when an archive is made or received, whether what it holds is suspect.
//!
//! A source that was emptied, encrypted or unmounted yields complete archives; they must not push
//! out the ones made before. Whether its date can be believed is decided where it comes from: one
//! clock is asked for our own archives, another for those that are received.

use crate::model::size::{Bytes, Percent};

/// How many good archives make up what is usual.
const COMPARED: usize = 5;

/// How much an archive holds that was just made or received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newcomer {
    /// Bytes of content.
    pub content_size: u64,
    /// Members that hold data: files, or objects of a dump.
    pub files: u64,
}

/// Why the content of an archive is suspect, if it is; `before` are the bytes of content of the
/// good archives of its series, the latest last.
#[must_use]
pub fn suspicion(newcomer: &Newcomer, before: &[u64], shrink_alarm: Percent) -> Option<String> {
    if newcomer.files == 0 {
        return Some("it has no files at all".to_owned());
    }
    let mut usual = before[before.len().saturating_sub(COMPARED)..].to_vec();
    usual.sort_unstable();
    // The upper one of two middles: in doubt it alarms.
    let median = *usual.get(usual.len() / 2)?;
    let share = u128::from(newcomer.content_size) * 100;
    (share < u128::from(median) * u128::from(shrink_alarm.0)).then(|| {
        format!(
            "{} of content, under {shrink_alarm} of the usual {} (median of the last {})",
            Bytes(newcomer.content_size),
            Bytes(median),
            usual.len()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content_size: u64, files: u64, before: &[u64]) -> Option<String> {
        suspicion(&Newcomer { content_size, files }, before, Percent(50))
    }

    #[test]
    fn content_under_half_of_the_median_of_the_last_five_is_suspect() {
        assert!(check(49, 1, &[9_000, 100, 100, 100, 1, 1_000]).is_some());
        assert_eq!(check(50, 1, &[9_000, 100, 100, 100, 1, 1_000]), None);
        assert_eq!(check(1, 1, &[]), None);
    }

    #[test]
    fn the_alarm_is_the_one_that_is_asked_for() {
        let newcomer = Newcomer { content_size: 30, files: 1 };
        assert_eq!(suspicion(&newcomer, &[100], Percent(30)), None);
        insta::assert_snapshot!(suspicion(&newcomer, &[100], Percent(31)).unwrap(),
            @"30 B of content, under 31% of the usual 100 B (median of the last 1)");
        assert_eq!(suspicion(&Newcomer { content_size: 0, files: 1 }, &[100], Percent(0)), None);
    }

    #[test]
    fn an_archive_without_files_is_suspect() {
        assert_eq!(check(100, 0, &[100]).unwrap(), "it has no files at all");
    }
}
