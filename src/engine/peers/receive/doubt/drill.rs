//! Somebody who has taken over a host pushes what he likes with its token, for sixty days.

use std::collections::HashSet;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp, Zoned};
use proptest::prelude::*;

use super::*;
use crate::model::archive::{ArchiveId, How, MemberCounts, Sha256};
use crate::model::desired::Place;
use crate::model::name::PlaceName;
use crate::model::observed::LocationState;
use crate::model::peer::{Accept, Peer, PeerKind};
use crate::model::retention::{Mode, Policy};
use crate::model::run::Work;
use crate::model::size::Bytes;
use crate::reconcile::expiry::{PassOutcome, expiry};
use crate::reconcile::judge::{Candidate, Class, Keep, judge};
use crate::reconcile::world::World;

/// Honest days before the host is taken over.
const BEFORE: i64 = 20;

/// Something that is pushed.
#[derive(Debug, Clone)]
struct Push {
    /// Minutes after midnight.
    minute: i64,
    /// Hours between its date and now.
    dated: i64,
    size: u64,
    said: u64,
    job: &'static str,
    outcome: Outcome,
    partial_allowed: bool,
    files: u64,
    is_encrypted: bool,
}

fn any_push() -> impl Strategy<Value = Push> {
    let dated = prop_oneof![
        4 => Just(0_i64),
        1 => -2_000..2_000_i64,
        1 => Just(9_000),
    ];
    let size = prop_oneof![3 => 900..1_200_u64, 1 => 0..500_u64, 1 => Just(1 << 40)];
    let outcome = prop_oneof![
        6 => Just(Outcome::Good),
        1 => Just(Outcome::Partial),
        1 => Just(Outcome::Suspect("theirs".to_owned())),
    ];
    let job = prop_oneof![8 => Just("web"), 1 => Just("db"), 1 => Just("uploads")];
    let more = (any::<bool>(), 0..4_u64, prop::bool::weighted(0.1));
    (0..1440_i64, dated, size, any::<u64>(), job, outcome, more).prop_map(
        |(minute, dated, size, said, job, outcome, (partial_allowed, files, is_encrypted))| Push {
            minute,
            dated,
            size,
            said,
            job,
            outcome,
            partial_allowed,
            files,
            is_encrypted,
        },
    )
}

/// One that leaves no trace of what it is.
fn honest() -> Push {
    Push {
        minute: 180,
        dated: 0,
        size: 1000,
        said: 1000,
        job: "web",
        outcome: Outcome::Good,
        partial_allowed: false,
        files: 3,
        is_encrypted: false,
    }
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let mode = prop_oneof![
        (1..9_u32).prop_map(Mode::Count),
        (1..9_u32).prop_map(Mode::Daily),
        (1..8_u32, 0..5_u32, 0..4_u32).prop_map(|(daily, weekly, monthly)| Mode::Gfs {
            daily,
            weekly,
            monthly,
            yearly: 0
        }),
    ];
    mode.prop_map(|mode| Policy { mode, min_days: 3 })
}

struct Drill {
    world: World,
    midnight: Zoned,
    policy: Policy,
    immutable_for: SignedDuration,
    pushed: u128,
    /// What was good before the host was taken over.
    victims: Vec<Archive>,
    gone: HashSet<ArchiveId>,
}

impl Drill {
    fn new(policy: Policy, immutable_days: i64) -> Self {
        let mut world = World::at("2026-03-01T00:00").location("received", |_| {});
        let immutable_for = SignedDuration::from_hours(immutable_days * 24);
        let name: PlaceName = "tom".parse().unwrap();
        let accept = Accept {
            token_hash: String::new(),
            location: "received".parse().unwrap(),
            quota: None,
            retention: policy,
            scopes: Vec::new(),
            immutable_for,
            read_only: false,
            max_open_uploads: 4,
            trust_restore: false,
        };
        let peer = Peer {
            name: name.clone(),
            kind: PeerKind::Instance { url: None, token: None, ssh: None, ca: None, pin: None },
            accept: Some(accept),
            rsync_above: Bytes(0),
            bandwidth: None,
            offsite: true,
            fetch_from: Vec::new(),
            prune: false,
            place: Place { file: PathBuf::new().display().to_string(), line: 1, column: 1 },
        };
        world.desired.peers.insert(name, peer);
        let there = LocationState::Available { free: 1 << 40, total: 1 << 41 };
        world.observed.locations.insert("received/tom".parse().unwrap(), there);
        let midnight = world.now.clone();
        let (victims, gone) = (Vec::new(), HashSet::new());
        Self { world, midnight, policy, immutable_for, pushed: 0, victims, gone }
    }

    /// A day, with what is pushed in it.
    fn day(&mut self, mut pushes: Vec<Push>) -> Result<(), TestCaseError> {
        pushes.sort_by_key(|push| push.minute);
        for push in pushes {
            let at = &self.midnight + SignedDuration::from_mins(push.minute);
            self.world.now = at;
            self.receive(&push);
            self.settle()?;
        }
        self.midnight = self.midnight.tomorrow().unwrap();
        Ok(())
    }

    fn receive(&mut self, push: &Push) {
        let now = self.world.now.clone();
        let moment = now.timestamp();
        self.pushed += 1;
        let template =
            World::at("2026-05-08T12:00").archive("web", "main", "2026-05-08T03:00", |_| {});
        let mut archive = Archive {
            id: ArchiveId(uuid::Uuid::from_u128(self.pushed)),
            name: format!("tom_{}", self.pushed).parse().unwrap(),
            origin: "tom".parse().unwrap(),
            job: push.job.parse().unwrap(),
            location: "received/tom".parse().unwrap(),
            created_at: moment + SignedDuration::from_hours(push.dated),
            day: now.date(),
            content_size: push.said,
            stream_size: push.size,
            file_size: push.size,
            file_sha256: Some(Sha256([1; 32])),
            recipients: push.is_encrypted.then(|| "age1x".to_owned()).into_iter().collect(),
            outcome: push.outcome.clone(),
            partial_allowed: push.partial_allowed,
            how: How::Received { from: "tom".parse().unwrap() },
            received_at: Some(moment),
            counts: MemberCounts { files: push.files, ..MemberCounts::default() },
            ..template.observed.archives[0].clone()
        };
        let series = archive.written_series();
        let all = &self.world.observed.archives;
        let before: Vec<Archive> =
            all.iter().filter(|other| other.written_series() == series).cloned().collect();
        archive.outcome = outcome(&archive, &before, &moment.to_zoned(jiff::tz::TimeZone::UTC));
        self.world.observed.archives.push(archive);
    }

    /// Carries out what retention asks for; nobody approves anything.
    fn settle(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..9 {
            let World { desired, observed, now } = &mut self.world;
            let mut busy = false;
            for pass in expiry(desired, observed, now) {
                let facts = observed.series.entry(pass.series.clone()).or_default();
                if let Some(record) = pass.record {
                    facts.judged = Some(record);
                    busy = true;
                }
                let PassOutcome::Expire(action) = pass.outcome else { continue };
                let Work::Expire { series, archives } = action.work else { unreachable!() };
                let leaves =
                    |one: &Archive| one.written_series() == series && archives.contains(&one.id);
                let left = observed.archives.iter().filter(|one| leaves(one) && one.is_good());
                let left = u32::try_from(left.count()).unwrap();
                facts.recent_deletions.push((now.timestamp(), left));
                observed.archives.retain(|one| !leaves(one));
                self.gone.extend(archives);
                busy = true;
            }
            if !busy {
                break;
            }
        }
        self.check()
    }

    /// Nothing good left that the policy would keep even if an honest archive had come every day.
    fn check(&self) -> Result<(), TestCaseError> {
        let now = &self.world.now;
        let left: Vec<&Archive> =
            self.victims.iter().filter(|one| self.gone.contains(&one.id)).collect();
        if left.is_empty() {
            return Ok(());
        }
        let candidate = |id, at: Timestamp| Candidate {
            id,
            created_at: at,
            arrived: at,
            day: at.to_zoned(now.time_zone().clone()).date(),
            class: Class::Good,
            pinned: false,
            received: true,
            holds: Vec::new(),
        };
        let mut row: Vec<Candidate> =
            self.victims.iter().map(|one| candidate(one.id, one.created_at)).collect();
        let zone = now.time_zone();
        let last = self.victims.last().unwrap().created_at.to_zoned(zone.clone()).date();
        let days = last.series(jiff::ToSpan::days(1)).skip(1);
        for (number, day) in (1_u128..).zip(days.take_while(|day| *day <= now.date())) {
            let at = day.to_zoned(zone.clone()).unwrap().timestamp();
            row.push(candidate(ArchiveId(uuid::Uuid::from_u128(u128::MAX - number)), at));
        }
        let verdicts = judge(&self.policy, &Keep::default(), &row, now);
        for archive in left {
            let kept = verdicts.iter().any(|one| one.id == archive.id && one.keep);
            prop_assert!(!kept, "{} left before its time, at {now}", archive.name);
            let until = archive.received_at.unwrap() + self.immutable_for;
            prop_assert!(until <= now.timestamp(), "{} left while immutable", archive.name);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn who_holds_the_token_displaces_nothing_good_before_its_time(
        policy in any_policy(),
        immutable_days in prop_oneof![Just(0_i64), Just(7), Just(30)],
        attack in prop::collection::vec(prop::collection::vec(any_push(), 0..6), 60),
    ) {
        let mut drill = Drill::new(policy, immutable_days);
        for _ in 0..BEFORE {
            drill.day(vec![honest()])?;
        }
        drill.victims = drill.world.observed.archives.clone();
        prop_assert!(drill.victims.iter().all(Archive::is_good));
        for pushes in attack {
            drill.day(pushes)?;
        }
    }
}

#[test]
fn a_hundred_pieces_of_garbage_a_day_displace_nothing_at_all() {
    // None of these can pass for an archive of this series.
    let garbage = |number: i64| {
        let dull = Push { minute: 200 + number, ..honest() };
        match number % 4 {
            0 => Push { size: 10, said: u64::MAX, ..dull },
            1 => Push { dated: 9_000, ..dull },
            2 => Push { dated: -2_000, ..dull },
            _ => Push { outcome: Outcome::Partial, ..dull },
        }
    };
    let policy = Policy { mode: Mode::Daily(7), min_days: 3 };
    let mut drill = Drill::new(policy, 0);
    for _ in 0..BEFORE {
        drill.day(vec![honest()]).unwrap();
    }
    let good = |drill: &Drill| -> Vec<ArchiveId> {
        drill.world.observed.archives.iter().filter(|one| one.is_good()).map(|one| one.id).collect()
    };
    let before = good(&drill);
    assert_eq!(before.len(), 8);
    for _ in 0..10 {
        drill.day((0..100).map(garbage).collect()).unwrap();
    }
    assert_eq!(good(&drill), before);
}

#[test]
fn what_rests_without_a_word_about_it_stays_whatever_the_policy() {
    let mut drill = Drill::new(Policy { mode: Mode::Count(1), min_days: 0 }, 0);
    for _ in 0..BEFORE {
        drill.day(vec![Push { job: "uploads", ..honest() }]).unwrap();
    }
    assert_eq!(drill.world.observed.archives.len(), 20);
    assert!(drill.gone.is_empty());
}
