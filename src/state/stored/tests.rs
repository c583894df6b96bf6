use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::{option, sample};

use super::archive::StoredArchive;
use super::drill::StoredDrillFacts;
use super::facts::{
    StoredConfig, StoredFreeze, StoredJobFacts, StoredSeriesFacts, StoredTombstone,
};
use super::{Part, PathBuf, RestoreRequest, StoredRun};
use crate::model::archive::{
    Archive, ArchiveId, Condition, How, MemberCounts, Outcome, Series, Sha256,
};
use crate::model::job::{JobType, Via};
use crate::model::location::Codec;
use crate::model::name::{InstanceName, JobName, PlaceName};
use crate::model::observed::{
    Attempt, DrillFacts, DrillOutcome, Freeze, JobFacts, JobTable, LastDrill, SeriesFacts,
    SourceSeen,
};
use crate::model::retention::{Mode, Policy};
use crate::model::run::{Cause, Run, RunId, RunStatus, Work};
use crate::state::{ConfigRecord, Tombstone};

fn name<T>() -> impl Strategy<Value = T>
where
    T: std::str::FromStr + std::fmt::Debug,
    T::Err: std::fmt::Debug,
{
    "[a-z0-9_][a-z0-9_-]{0,9}".prop_map(|text| text.parse().unwrap())
}

fn job() -> impl Strategy<Value = JobName> {
    "[a-z]{1,8}(/[a-z0-9]{1,8})?".prop_map(|text| text.parse().unwrap())
}

fn time() -> impl Strategy<Value = Timestamp> {
    (0_i64..4_000_000_000, 0_i32..1_000_000_000)
        .prop_map(|(second, nanosecond)| Timestamp::new(second, nanosecond).unwrap())
}

fn archive_id() -> impl Strategy<Value = ArchiveId> {
    any::<u128>().prop_map(|number| ArchiveId(uuid::Uuid::from_u128(number)))
}

fn series() -> impl Strategy<Value = Series> {
    (name::<InstanceName>(), job(), name::<PlaceName>())
        .prop_map(|(origin, job, location)| Series { origin, job, location })
}

fn request() -> impl Strategy<Value = RestoreRequest> {
    let path = || "/[a-z]{1,9}".prop_map(PathBuf::from);
    let parts = prop::collection::vec(prop::sample::select(&Part::ALL[..]), 0..3);
    (
        prop::option::of(path()),
        prop::collection::vec(path(), 0..3),
        parts,
        any::<bool>(),
        prop::option::of(path()),
        prop::option::of(
            prop::sample::select(vec!["tom", "nas"]).prop_map(|name| name.parse().unwrap()),
        ),
        prop::option::of(any::<u64>().prop_map(RunId)),
    )
        .prop_map(|(to, paths, only, safety, identity, from, undo)| RestoreRequest {
            to,
            paths,
            only,
            safety,
            identity,
            from,
            undo,
        })
}

fn work() -> impl Strategy<Value = Work> {
    let ids = || prop::collection::vec(archive_id(), 0..4);
    prop_oneof![
        job().prop_map(|job| Work::Backup { job }),
        (series(), ids()).prop_map(|(series, archives)| Work::Expire { series, archives }),
        (name(), ids()).prop_map(|(location, archives)| Work::EmptyTrash { location, archives }),
        (archive_id(), name()).prop_map(|(archive, location)| Work::Verify { archive, location }),
        (archive_id(), name(), name(), prop::sample::select(Via::ALL.to_vec()))
            .prop_map(|(archive, from, to, via)| Work::Send { archive, from, to, via }),
        (name(), ".{0,20}", name()).prop_map(|(location, file_name, job)| Work::Adopt {
            location,
            file_name,
            job
        }),
        (archive_id(), name(), request()).prop_map(|(archive, location, request)| {
            Work::Restore { archive, location, request: Box::new(request) }
        }),
        (job(), archive_id(), name()).prop_map(|(job, archive, location)| Work::Drill {
            job,
            archive,
            location
        }),
        (archive_id(), name(), name()).prop_map(|(archive, peer, to)| Work::Fetch {
            archive,
            peer,
            to
        }),
        (name(), ids()).prop_map(|(peer, archives)| Work::Prune { peer, archives }),
    ]
}

fn cause() -> impl Strategy<Value = Cause> {
    prop_oneof![
        (time(), 0_u32..4).prop_map(|(due, attempt)| Cause::Due { due, attempt }),
        Just(Cause::First),
        Just(Cause::Manual),
        Just(Cause::Reconcile),
    ]
}

prop_compose! {
    fn run()(
        id in any::<u64>(), work in work(), cause in cause(),
        status in sample::select(RunStatus::ALL.to_vec()), queued_at in time(),
        started_at in option::of(time()), finished_at in option::of(time()), summary in ".{0,20}",
        hint in option::of(".{0,20}"), archive in option::of(name()),
        size_bytes in option::of(any::<u64>())
    ) -> Run {
        Run {
            id: RunId(id), work, cause, status, queued_at, started_at, finished_at, summary,
            config_hash: hint.clone(), hint, archive, size_bytes,
        }
    }
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![Just(Outcome::Good), Just(Outcome::Partial), ".{0,9}".prop_map(Outcome::Suspect)]
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        Just(How::Scheduled),
        Just(How::Manual),
        name().prop_map(|from| How::Received { from }),
        (name(), any::<bool>()).prop_map(|(from, manual)| How::Copied { from, manual }),
        Just(How::Adopted),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        Just(Condition::Present),
        Just(Condition::Corrupt),
        Just(Condition::Lost),
        Just(Condition::Unavailable),
        time().prop_map(|until| Condition::Trashed { until }),
    ]
}

fn codec() -> impl Strategy<Value = Codec> {
    prop_oneof![
        Just(Codec::None),
        (0_u8..10).prop_map(Codec::Gzip),
        (1_u8..20).prop_map(Codec::Zstd)
    ]
}

prop_compose! {
    fn archive()(
        (id, name, origin, label, location) in (archive_id(), name(), name(), name(), name()),
        job in job(), job_type in sample::select(JobType::ALL.to_vec()), created_at in time(),
        sizes in any::<[u64; 3]>(), hashes in any::<[Option<[u8; 32]>; 2]>(), codec in codec(),
        (outcome, how, condition) in (outcome(), how(), condition()),
        times in (option::of(time()), option::of(time())), flags in any::<[bool; 2]>(),
        numbers in any::<[u64; 7]>(), text in option::of(".{0,20}")
    ) -> Archive {
        let [files, directories, others, skipped_sockets, changed, vanished, unreadable] = numbers;
        Archive {
            id, name, origin, job, job_type, label, location, created_at,
            day: created_at.to_zoned(jiff::tz::TimeZone::UTC).date(), zone: "UTC".to_owned(),
            content_size: sizes[0], stream_size: sizes[1], file_size: sizes[2],
            stream_sha256: hashes[0].map(Sha256), file_sha256: hashes[1].map(Sha256), codec,
            recipients: text.iter().cloned().collect(), outcome, partial_allowed: flags[0], how,
            received_at: times.0, pinned: flags[1], condition, verified_at: times.1,
            refuted: text.clone(),
            counts: MemberCounts {
                files, directories, others, skipped_sockets, changed, vanished, unreadable,
            },
            config_hash: text.clone(), config_commit: text.clone(), job_json: text,
        }
    }
}

fn policy() -> impl Strategy<Value = Policy> {
    let mode = prop_oneof![
        (1_u32..99).prop_map(Mode::Count),
        (1_u32..99).prop_map(Mode::Daily),
        any::<[u32; 4]>().prop_map(|[daily, weekly, monthly, yearly]| Mode::Gfs {
            daily,
            weekly,
            monthly,
            yearly
        }),
    ];
    (mode, 0_u32..9).prop_map(|(mode, min_days)| Policy { mode, min_days })
}

prop_compose! {
    fn job_facts()(
        first_seen in time(), times in (option::of(time()), option::of(time())),
        last_attempt in option::of(
            (0_u32..4, sample::select(RunStatus::ALL.to_vec()), time()).prop_map(
                |(number, status, finished_at)| Attempt { number, status, finished_at })),
        last_failure in option::of(".{0,20}"),
        table in option::of(
            ("[0-9a-f]{64}", time()).prop_map(|(hash, since)| JobTable { hash, since })),
        source in option::of(("(/[a-zé]{1,5}){2}", "(/[a-zé]{1,5}){1,2}").prop_map(
            |(source_path, mount)| SourceSeen {
                source_path: source_path.into(), mount: mount.into() }))
    ) -> JobFacts {
        let (last_due, last_success) = times;
        JobFacts { first_seen, last_due, last_attempt, last_success, last_failure, table, source }
    }
}

fn drill_outcome() -> impl Strategy<Value = DrillOutcome> {
    prop_oneof![
        ".{0,20}".prop_map(DrillOutcome::Proven),
        ".{0,20}".prop_map(DrillOutcome::Failed),
        ".{0,20}".prop_map(DrillOutcome::Unable),
    ]
}

prop_compose! {
    fn drill_facts()(
        times in (option::of(time()), option::of(time()), option::of(time()), option::of(time())),
        interrupted in 0_u32..4,
        last in option::of((any::<u64>(), name(), name(), time(), 0_i64..99_999, drill_outcome()))
    ) -> DrillFacts {
        let (known_since, last_due, rest_until, proven_at) = times;
        let last = last.map(|(run, archive, location, at, took, outcome)| LastDrill {
            run: RunId(run), archive, location, at, took: SignedDuration::from_millis(took), outcome,
        });
        DrillFacts { known_since, last_due, interrupted, rest_until, last, proven_at }
    }
}

prop_compose! {
    fn series_facts()(
        judged in option::of((archive_id(), policy())), adopted in any::<bool>(),
        recent_deletions in prop::collection::vec((time(), any::<u32>()), 0..4),
        waiting in prop::collection::vec((archive_id(), time()), 0..4)
    ) -> SeriesFacts {
        SeriesFacts {
            judged, recent_deletions, adopted,
            waiting_for_copies: waiting.into_iter().collect::<BTreeMap<_, _>>(),
        }
    }
}

/// Through the stored form, its bytes and back.
fn through<M, S>(stored: &S) -> M
where
    S: serde::Serialize + serde::de::DeserializeOwned + Into<M>,
{
    let bytes = serde_json::to_vec(stored).unwrap();
    serde_json::from_slice::<S>(&bytes).unwrap().into()
}

proptest! {
    #[test]
    fn a_run_comes_back_as_it_was(run in run()) {
        prop_assert!(Work::WORDS.contains(&run.work.word()));
        prop_assert_eq!(through::<Run, _>(&StoredRun::from(&run)), run);
    }

    #[test]
    fn an_archive_comes_back_as_it_was(archive in archive()) {
        prop_assert_eq!(through::<Archive, _>(&StoredArchive::from(&archive)), archive);
    }

    #[test]
    fn facts_come_back_as_they_were(
        job in job(), facts in job_facts(), series in series(), judged in series_facts(),
        text in ".{0,20}", generation in any::<u64>(), archive in archive_id(), name in name(),
        to_trash in option::of(time()), at in time(), kind in 0..3, drilled in drill_facts()
    ) {
        prop_assert_eq!(through::<DrillFacts, _>(&StoredDrillFacts::from((&job, &drilled))), drilled);
        prop_assert_eq!(through::<JobFacts, _>(&StoredJobFacts::from((&job, &facts))), facts);
        prop_assert_eq!(
            through::<SeriesFacts, _>(&StoredSeriesFacts::from((&series, &judged))), judged);
        let freeze = match kind {
            0 => Freeze::Clock(text.clone()),
            1 => Freeze::JobsVanished(text.clone()),
            _ => Freeze::Recovery(text.clone()),
        };
        prop_assert_eq!(through::<Freeze, _>(&StoredFreeze::from(&freeze)), freeze);
        let config = ConfigRecord { last_good: text.clone(), hash: text, generation };
        prop_assert_eq!(through::<ConfigRecord, _>(&StoredConfig::from(&config)), config);
        let tombstone = Tombstone { archive, location: series.location, name, to_trash, at };
        prop_assert_eq!(through::<Tombstone, _>(&StoredTombstone::from(&tombstone)), tombstone);
    }
}

#[test]
fn what_an_earlier_version_wrote_without_the_later_fields_still_loads() {
    let run: StoredRun = serde_json::from_str(
        r#"{"id":7,"work":{"kind":"backup","job":"web"},"cause":{"why":"due","due":"2026-05-08T03:00:00Z"},
            "status":"queued","queued_at":"2026-05-08T03:00:00Z","of_a_later_version":[1]}"#,
    )
    .unwrap();
    let run = Run::from(run);
    assert_eq!((run.id, run.summary.as_str(), run.size_bytes), (RunId(7), "", None));

    let archive: StoredArchive = serde_json::from_str(
        r#"{"id":"67e55044-10b1-426f-9247-bb680e5fe0c8","name":"jerry_web_20260508","origin":"jerry",
            "job":"web","job_type":"custom_dir","label":"web","location":"main",
            "created_at":"2026-05-08T03:00:00Z","day":"2026-05-08","codec":{"zstd":3},
            "outcome":"good","how":"scheduled","condition":"present"}"#,
    )
    .unwrap();
    let archive = Archive::from(archive);
    assert_eq!(archive.codec, Codec::Zstd(3));
    assert!(!archive.pinned && archive.file_sha256.is_none() && archive.verified_at.is_none());

    let facts: StoredJobFacts =
        serde_json::from_str(r#"{"job":"web","first_seen":"2026-05-08T03:00:00Z"}"#).unwrap();
    assert_eq!(JobFacts::from(facts).last_success, None);

    let facts: StoredSeriesFacts = serde_json::from_str(
        r#"{"series":{"origin":"jerry","job":"web","location":"main"},
            "judged":{"newest":"67e55044-10b1-426f-9247-bb680e5fe0c8","policy":{"mode":"gfs","daily":7}}}"#,
    )
    .unwrap();
    let policy =
        Policy { mode: Mode::Gfs { daily: 7, weekly: 0, monthly: 0, yearly: 0 }, min_days: 0 };
    assert_eq!(SeriesFacts::from(facts).judged.unwrap().1, policy);
}

#[test]
fn a_record_whose_names_cannot_be_is_refused() {
    let refused = serde_json::from_str::<StoredJobFacts>(
        r#"{"job":"../web","first_seen":"2026-05-08T03:00:00Z"}"#,
    );
    assert!(refused.unwrap_err().to_string().contains("`../web` is not a valid"));
}
