//! Archives whose dates contradict each other.

use super::*;
use crate::model::archive::Outcome;
use crate::model::observed::Freeze;

/// An archive that a clock made which was a year ahead.
fn ahead() -> (Bench, Archive) {
    let bench = Bench::with_job("");
    bench.look();
    bench.back_up();
    let archive = bench.back_up();
    let created_at = archive.created_at + SignedDuration::from_hours(365 * 24);
    let archive = Archive { created_at, ..archive };
    bench.core().catalogue.put(&bench.core().state, archive.clone()).unwrap();
    (bench, archive)
}

#[test]
fn one_archive_dated_far_ahead_makes_no_later_one_suspect() {
    let (bench, ahead) = ahead();
    assert_eq!(bench.back_up().outcome, Outcome::Good);
    let soon = Archive { created_at: bench.core().now() + SignedDuration::from_mins(5), ..ahead };
    bench.core().catalogue.put(&bench.core().state, soon).unwrap();
    assert!(matches!(bench.back_up().outcome, Outcome::Suspect(_)));
}

#[test]
fn while_the_clock_is_doubted_only_an_archive_that_can_be_believed_ends_that() {
    let (bench, ahead) = ahead();
    bench.core().state.put_freeze(&Freeze::Clock("it went back".to_owned())).unwrap();
    let Outcome::Suspect(reason) = bench.back_up().outcome else { panic!("it is believed") };
    assert!(reason.contains(&format!("`larder archive delete {}`", ahead.name)), "{reason}");
    assert_eq!(bench.core().state.freezes().unwrap().len(), 1);
    let run = bench.queue(expire(&[&ahead])).unwrap();
    assert_eq!(bench.execute(&bench.run(run)).status, RunStatus::Success);
    assert_eq!(bench.back_up().outcome, Outcome::Good);
    assert!(bench.core().state.freezes().unwrap().is_empty());
}
