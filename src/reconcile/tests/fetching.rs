use std::sync::Arc;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::{MORNING, check, daily};
use crate::model::archive::{Archive, Condition, How, Sha256};
use crate::model::contact::{Contact, Holdings, Presence, RemoteCopy};
use crate::model::desired::Place;
use crate::model::observed::LocationState;
use crate::model::peer::{Accept, Peer, PeerKind};
use crate::model::retention::{Mode, Policy};
use crate::model::run::{RunStatus, Work};
use crate::model::size::Bytes;
use crate::reconcile::world::{World, place, time};

/// A peer `tom` that answers and may store at `received`, with what we take from it.
fn tom(mut world: World, fetch_from: &[&str]) -> World {
    world = world.location("received", |_| {}).location("received/tom", |space| {
        space.owner = Some(place("tom"));
    });
    let accept = Accept {
        token_hash: String::new(),
        location: place("received"),
        quota: None,
        retention: Policy { mode: Mode::Count(7), min_days: 3 },
        scopes: Vec::new(),
        immutable_for: jiff::SignedDuration::from_hours(30 * 24),
        max_open_uploads: 4,
        trust_restore: false,
        read_only: false,
    };
    let url = Some("https://tom.example.org".to_owned());
    let peer = Peer {
        name: place("tom"),
        kind: PeerKind::Instance { url, token: None, ssh: None, ca: None, pin: None },
        accept: Some(accept),
        rsync_above: Bytes(0),
        bandwidth: None,
        offsite: true,
        fetch_from: fetch_from.iter().map(|name| name.parse().unwrap()).collect(),
        prune: false,
        place: Place { file: "peers/tom.toml".to_owned(), line: 1, column: 1 },
    };
    world.desired.peers.insert(place("tom"), peer);
    contact(world, |contact| contact.presence = Presence::Online)
}

pub(super) fn contact(mut world: World, change: impl FnOnce(&mut Contact)) -> World {
    let known = world.observed.contacts.get(&place("tom"));
    let mut contact = known.map_or_else(
        || Contact { check_at: time("2026-05-08T18:00"), ..Contact::new(time(MORNING)) },
        |known| Contact::clone(known),
    );
    change(&mut contact);
    world.observed.contacts.insert(place("tom"), Arc::new(contact));
    world
}

/// What rests at a peer, made at that time; copies have the identity of the same job and time.
pub(super) fn copy(job: &str, created: &str) -> RemoteCopy {
    let world = World::at(MORNING).archive(job, "main", created, |_| {});
    let archive = &world.observed.archives[0];
    RemoteCopy {
        id: archive.id,
        name: archive.name.to_string(),
        origin: "tom".parse().unwrap(),
        job: archive.job.clone(),
        created_at: archive.created_at,
        file_size: archive.file_size,
        stream_sha256: archive.stream_sha256,
        file_sha256: archive.file_sha256,
        is_good: true,
    }
}

pub(super) fn offering(copies: Vec<RemoteCopy>) -> World {
    contact(tom(daily().ran("nocodb", "2026-05-08T03:00"), &["web"]), |contact| {
        contact.offered = copies;
    })
}

fn three() -> Vec<RemoteCopy> {
    ["06", "07", "08"].map(|day| copy("web", &format!("2026-05-{day}T03:00"))).to_vec()
}

/// An archive of the name space that the peer has, too.
fn here(world: World, created: &str, change: impl FnOnce(&mut Archive)) -> World {
    world.archive("web", "received/tom", created, |archive| {
        archive.origin = "tom".parse().unwrap();
        archive.how = How::Received { from: place("tom") };
        archive.received_at = Some(archive.created_at);
        change(archive);
    })
}

fn fetched(world: &World) -> Vec<String> {
    let plan = world.plan();
    let works = plan.actions.iter().filter(|action| matches!(action.work, Work::Fetch { .. }));
    works.map(|action| action.reasons[0].clone()).collect()
}

#[test]
fn of_a_job_of_which_nothing_is_here_the_newest_is_fetched_and_then_what_is_newer() {
    assert_snapshot!(fetched(&offering(three())).join("\n"), @"jerry_web_20260508 of `web` is offered by `tom` and not here yet, at peers/tom.toml:1");
    let world = here(offering(three()), "2026-05-06T03:00", |_| {});
    assert_eq!(fetched(&world).len(), 2);
    let world = here(offering(three()), "2026-05-08T03:00", |_| {});
    assert_eq!(fetched(&world).len(), 0);
    // What our policy let go, or somebody deleted, is not fetched again.
    let trashed = Condition::Trashed { until: time("2026-05-09T00:00") };
    let world = here(offering(three()), "2026-05-08T03:00", |one| one.condition = trashed);
    assert_eq!(fetched(&world).len(), 0);
}

#[test]
fn what_nobody_wants_is_broken_or_dated_ahead_is_not_fetched() {
    assert_eq!(fetched(&offering(vec![copy("db", "2026-05-08T03:00")])).len(), 0);
    let series = copy("web/one", "2026-05-08T03:00");
    assert_eq!(fetched(&offering(vec![series])).len(), 1);
    let broken = RemoteCopy { is_good: false, ..copy("web", "2026-05-08T03:00") };
    assert_eq!(fetched(&offering(vec![broken])).len(), 0);
    assert_eq!(fetched(&offering(vec![copy("web", "2026-06-08T03:00")])).len(), 0);
}

#[test]
fn fetches_wait_for_their_peer_and_their_place_and_are_planned_once() {
    let world = contact(offering(three()), |contact| contact.presence = Presence::Offline);
    assert_eq!(fetched(&world).len(), 0);
    assert!(check(&world).contains("1 archive waits to be fetched from peer `tom`"));
    assert_eq!(fetched(&offering(three()).gone("received/tom")).len(), 0);
    // A name space that was never used is made where it belongs.
    let world = offering(three()).with(|observed| {
        observed.locations.remove(&place("received/tom"));
    });
    assert_eq!(fetched(&world).len(), 1);
    let id = copy("web", "2026-05-08T03:00").id;
    let work = Work::Fetch { archive: id, peer: place("tom"), to: place("received/tom") };
    assert_eq!(fetched(&offering(three()).open(work, RunStatus::Running)).len(), 0);
}

/// Our own archive in a condition, and a copy of it in our name space at `tom`.
fn broken(condition: Condition, change: impl FnOnce(&mut RemoteCopy)) -> World {
    let mut held = copy("nocodb", "2026-05-08T03:00");
    held.origin = "jerry".parse().unwrap();
    change(&mut held);
    let world = tom(daily().ran("nocodb", "2026-05-08T03:00"), &[]);
    let mut world = contact(world, |contact| {
        contact.holdings = Some(Holdings { at: time(MORNING), copies: vec![held] });
    });
    world.observed.archives[0].condition = condition;
    world
}

#[test]
fn what_is_damaged_or_lost_is_fetched_from_whoever_has_it_whole() {
    assert_snapshot!(fetched(&broken(Condition::Corrupt, |_| {})).join("\n"), @"jerry_nocodb_20260508 is damaged at `main`, and `tom` has a good copy");
    assert_snapshot!(fetched(&broken(Condition::Lost, |_| {})).join("\n"), @"jerry_nocodb_20260508 is gone from `main`, and `tom` has a good copy");
    assert_eq!(fetched(&broken(Condition::Present, |_| {})).len(), 0);
    let trashed = Condition::Trashed { until: time("2026-05-09T00:00") };
    assert_eq!(fetched(&broken(trashed, |_| {})).len(), 0);
}

#[test]
fn a_copy_that_is_another_one_or_broken_itself_repairs_nothing() {
    let other = |copy: &mut RemoteCopy| {
        (copy.stream_sha256, copy.file_sha256) = (Some(Sha256([9; 32])), None);
    };
    assert_eq!(fetched(&broken(Condition::Corrupt, other)).len(), 0);
    assert_eq!(fetched(&broken(Condition::Corrupt, |copy| copy.is_good = false)).len(), 0);
    // Encoded otherwise, it is the same.
    let recoded = |copy: &mut RemoteCopy| copy.file_sha256 = Some(Sha256([9; 32]));
    assert_eq!(fetched(&broken(Condition::Corrupt, recoded)).len(), 1);
    let offline = contact(broken(Condition::Corrupt, |_| {}), |contact| {
        contact.presence = Presence::Offline;
    });
    assert_eq!(fetched(&offline).len(), 0);
    assert_eq!(fetched(&broken(Condition::Corrupt, |_| {}).gone("main")).len(), 0);
    // Nobody can ask one that comes to us.
    let mut comes = broken(Condition::Corrupt, |_| {});
    let kind = PeerKind::Instance { url: None, token: None, ssh: None, ca: None, pin: None };
    comes.desired.peers.get_mut(&place("tom")).unwrap().kind = kind;
    assert_eq!(fetched(&comes).len(), 0);
}

#[test]
fn a_received_archive_that_is_damaged_comes_again_from_its_sender() {
    let world = here(offering(three()), "2026-05-08T03:00", |one| {
        one.condition = Condition::Corrupt;
    });
    assert_snapshot!(fetched(&world).join("\n"), @"jerry_web_20260508 is damaged at `received/tom`, and `tom` has a good copy");
}

#[test]
fn an_instance_name_that_two_peers_claim_is_a_problem() {
    let world = daily().ran("nocodb", "2026-05-08T03:00").location("received/bob", |_| {});
    let world = tom(world, &[]);
    let received = |world: World, peer: &str, origin: &str, day: &str| {
        world.archive("web", &format!("received/{peer}"), day, |archive| {
            archive.origin = origin.parse().unwrap();
            archive.how = How::Received { from: place(peer) };
            archive.received_at = Some(archive.created_at);
        })
    };
    let world = received(world, "tom", "spike", "2026-05-07T03:00");
    let notes = |world: &World| {
        let notes = world.plan().notes;
        let claims: Vec<String> = notes
            .into_iter()
            .map(|note| note.text)
            .filter(|text| text.contains("rest apart") || text.contains("rests apart"))
            .collect();
        claims.join("\n")
    };
    assert_eq!(notes(&world), "");
    let world = received(world, "bob", "spike", "2026-05-08T03:00");
    assert_snapshot!(notes(&world), @"archives of `spike` come from peers `bob` and `tom`: more than one instance claims that name, and what each sent rests apart");
    let world = received(world, "bob", "jerry", "2026-05-08T04:00");
    assert!(notes(&world).contains("came from `bob` say that `jerry` made them"));
}

#[test]
fn a_place_that_cannot_be_used_gets_nothing() {
    let suspect = LocationState::Suspect("EIO".to_owned());
    assert_eq!(fetched(&offering(three()).state("received/tom", suspect)).len(), 0);
}

proptest! {
    /// Fetching ends: once everything that is planned is here, nothing more is planned, and nothing
    /// is fetched twice or from before what is here.
    #[test]
    fn what_is_fetched_once_is_not_planned_again(days in prop::collection::btree_set(1_u8..8, 1..7)) {
        let copies: Vec<RemoteCopy> =
            days.iter().map(|day| copy("web", &format!("2026-05-0{day}T03:00"))).collect();
        let mut world = offering(copies.clone());
        let mut taken = Vec::new();
        for _ in 0..3 {
            for action in world.plan().actions {
                let Work::Fetch { archive, .. } = action.work else { continue };
                prop_assert!(!taken.contains(&archive));
                taken.push(archive);
                let day = days.iter().zip(&copies).find(|(_, copy)| copy.id == archive).unwrap().0;
                world = here(world, &format!("2026-05-0{day}T03:00"), |_| {});
            }
        }
        prop_assert_eq!(taken, vec![copies.last().unwrap().id]);
    }
}

#[test]
fn the_coming_days_show_what_is_fetched_once() {
    let world = offering(three());
    let days = crate::reconcile::simulate_days(&world.desired, &world.observed, &world.now, 2);
    let fetched = days.iter().flat_map(|day| &day.copied);
    let fetched: Vec<String> = fetched.map(|(name, to)| format!("{name} to {to}")).collect();
    assert_eq!(fetched, ["jerry_web_20260508 to received/tom"]);
}
