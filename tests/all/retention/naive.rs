//! The rules once more, written as they are spoken and without regard to speed: what the judge is
//! compared with. Shares no code with it, not even the calendar.

use std::collections::BTreeSet;

use jiff::Zoned;
use jiff::civil::{Date, Weekday};
use larder::model::archive::ArchiveId;
use larder::model::retention::{Mode, Policy};
use larder::reconcile::judge::{Candidate, Class, Keep};

/// Which archives stay.
pub(crate) fn keeps(
    policy: &Policy,
    keep: &Keep,
    all: &[Candidate],
    now: &Zoned,
) -> BTreeSet<ArchiveId> {
    let series = Naive { policy, keep, all, now };
    all.iter().filter(|archive| series.stays(archive)).map(|archive| archive.id).collect()
}

struct Naive<'a> {
    policy: &'a Policy,
    keep: &'a Keep,
    all: &'a [Candidate],
    now: &'a Zoned,
}

fn newer(a: &Candidate, b: &Candidate) -> bool {
    a.created_at > b.created_at || (a.created_at == b.created_at && a.id > b.id)
}

impl Naive<'_> {
    fn stays(&self, archive: &Candidate) -> bool {
        archive.pinned
            || !archive.holds.is_empty()
            || self.future(archive)
            || match archive.class {
                Class::Good => self.newest_good(archive) || self.in_a_rule(archive),
                Class::Partial => {
                    !self.all.iter().any(|other| self.good(other) && newer(other, archive))
                        && self.count(|other| {
                            other.class == Class::Partial
                                && !self.future(other)
                                && !other.pinned
                                && other.holds.is_empty()
                                && newer(other, archive)
                        }) < 3
                }
                Class::Suspect => self.younger(archive, self.keep.suspect_keep),
                Class::Manual => {
                    self.younger(archive, self.keep.manual_keep)
                        || self.count(|other| {
                            other.class == Class::Manual
                                && !self.future(other)
                                && newer(other, archive)
                        }) == 0
                }
                Class::Damaged => {
                    !self.all.iter().any(|other| self.good(other) && newer(other, archive))
                        || self.all.iter().any(|other| {
                            newer(archive, other)
                                && (self.newest_good(other) || self.in_a_rule(other))
                        })
                }
                Class::Unrecorded | Class::Lost => true,
            }
    }

    fn future(&self, archive: &Candidate) -> bool {
        archive.created_at.as_second() * 1000 + i64::from(archive.created_at.subsec_millisecond())
            > self.now.timestamp().as_millisecond() + 600_000
    }

    fn younger(&self, archive: &Candidate, keep: jiff::SignedDuration) -> bool {
        self.now.timestamp().duration_since(archive.arrived) < keep
    }

    fn good(&self, archive: &Candidate) -> bool {
        archive.class == Class::Good && !self.future(archive)
    }

    fn newest_good(&self, archive: &Candidate) -> bool {
        self.good(archive) && self.count(|other| self.good(other) && newer(other, archive)) == 0
    }

    fn candidate(&self, archive: &Candidate) -> bool {
        let eligible =
            |other: &Candidate| self.good(other) && !other.pinned && other.holds.is_empty();
        eligible(archive)
            && !(archive.received
                && self.all.iter().any(|other| {
                    eligible(other) && other.day == archive.day && newer(other, archive)
                }))
    }

    fn in_a_rule(&self, archive: &Candidate) -> bool {
        if !self.candidate(archive) {
            return false;
        }
        let floor = self.is_among(archive, self.policy.min_days, |day| day.to_string());
        match self.policy.mode {
            Mode::Count(most) => {
                self.count(|other| self.candidate(other) && newer(other, archive)) < most as usize
            }
            Mode::Daily(most) => {
                let anchor = self.all.iter().find(|other| self.newest_good(other)).unwrap().day;
                let in_window = day_number(anchor) - day_number(archive.day) <= i64::from(most);
                floor || (in_window && self.newest_of(archive, |day| day.to_string()))
            }
            Mode::Gfs { daily, weekly, monthly, yearly } => {
                floor
                    || self.is_among(archive, daily, |day| day.to_string())
                    || self.is_among(archive, weekly, iso_week)
                    || self.is_among(archive, monthly, |day| day.to_string()[..7].to_owned())
                    || self.is_among(archive, yearly, |day| day.to_string()[..4].to_owned())
            }
        }
    }

    /// Whether it is the newest of one of the last so many periods that have a candidate.
    fn is_among(&self, archive: &Candidate, most: u32, period: fn(Date) -> String) -> bool {
        let mine = period(archive.day);
        let later: BTreeSet<String> = self
            .all
            .iter()
            .filter(|other| self.candidate(other))
            .map(|other| period(other.day))
            .filter(|other| *other > mine)
            .collect();
        later.len() < most as usize && self.newest_of(archive, period)
    }

    fn newest_of(&self, archive: &Candidate, period: fn(Date) -> String) -> bool {
        self.count(|other| {
            self.candidate(other)
                && period(other.day) == period(archive.day)
                && newer(other, archive)
        }) == 0
    }

    fn count(&self, which: impl Fn(&Candidate) -> bool) -> usize {
        self.all.iter().filter(|archive| which(archive)).count()
    }
}

/// Days since 1 March of the year 0, by the well-known formula for the Gregorian calendar.
fn day_number(day: Date) -> i64 {
    let (year, month) = (i64::from(day.year()), i64::from(day.month()));
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + i64::from(day.day())
}

/// The ISO week, as the week of its Thursday.
fn iso_week(day: Date) -> String {
    let mut thursday = day;
    let forward = match day.weekday() {
        Weekday::Monday | Weekday::Tuesday | Weekday::Wednesday | Weekday::Thursday => true,
        Weekday::Friday | Weekday::Saturday | Weekday::Sunday => false,
    };
    while thursday.weekday() != Weekday::Thursday {
        thursday = if forward { thursday.tomorrow() } else { thursday.yesterday() }.unwrap();
    }
    format!("{}-{:02}", thursday.year(), (thursday.day_of_year() - 1) / 7 + 1)
}
