use std::sync::Arc;

use super::daily;
use crate::model::archive::{ArchiveId, Sha256};
use crate::model::contact::{Contact, Holdings, Presence, RemoteCopy};
use crate::model::desired::Place;
use crate::model::observed::Freeze;
use crate::model::peer::{Peer, PeerKind, Ssh};
use crate::model::retention::{Mode, Policy};
use crate::model::run::Work;
use crate::model::size::Bytes;
use crate::reconcile::Plan;
use crate::reconcile::world::{World, place, time, to};

/// A copy of `web` of one day, counted from 2026-04-01.
pub(super) fn copy(number: u32) -> RemoteCopy {
    let at = time("2026-04-01T03:00") + jiff::SignedDuration::from_hours(24 * i64::from(number));
    RemoteCopy {
        id: ArchiveId(uuid::Uuid::from_u128(u128::from(number) + 1)),
        name: format!("jerry_web_{}", at.strftime("%Y%m%d")),
        origin: "jerry".parse().unwrap(),
        job: "web".parse().unwrap(),
        created_at: at,
        file_size: 1 << 20,
        stream_sha256: None,
        file_sha256: Some(Sha256([7; 32])),
        is_good: true,
    }
}

/// So many copies at a host where we expire them, or not, by a policy of so many newest.
pub(super) fn held(prune: bool, keeps: u32, copies: Vec<RemoteCopy>) -> World {
    let mut world = daily().job("web", "0 3 1 1 *", |job| {
        let policy = Policy { mode: Mode::Count(keeps), min_days: 0 };
        job.send_to = vec![crate::model::job::SendTo { retention: Some(policy), ..to("vps") }];
    });
    let ssh = Ssh {
        host: "vps".to_owned(),
        port: 22,
        user: "backup".to_owned(),
        path: Some("/srv".into()),
        identity: None,
        known_hosts: None,
        relay: None,
    };
    let peer = Peer {
        name: place("vps"),
        kind: PeerKind::SshDirect(ssh),
        accept: None,
        rsync_above: Bytes(0),
        bandwidth: None,
        offsite: true,
        fetch_from: Vec::new(),
        prune,
        place: Place::built_in(),
    };
    world.desired.peers.insert(place("vps"), peer);
    let now = world.now.timestamp();
    let holdings = Some(Holdings { at: now, copies });
    let contact = Contact { presence: Presence::Online, holdings, ..Contact::new(now) };
    world.observed.contacts.insert(place("vps"), Arc::new(contact));
    world
}

/// The days of what leaves, as far as it may.
fn pruned(plan: &Plan) -> Vec<u128> {
    let actions = plan.actions.iter().filter_map(|action| match &action.work {
        Work::Prune { archives, .. } => Some(archives),
        _ => None,
    });
    actions.flatten().map(|id| id.0.as_u128() - 1).collect()
}

#[test]
fn copies_at_a_host_leave_by_our_policy_and_only_where_we_prune() {
    let copies: Vec<_> = (0..6).map(copy).collect();
    assert!(pruned(&held(false, 4, copies.clone()).plan()).is_empty());
    let plan = held(true, 4, copies.clone()).plan();
    assert_eq!(pruned(&plan), [0, 1]);
    let action = plan.actions.iter().find(|action| action.frees > 0).unwrap();
    assert!(action.reasons[0].starts_with("jerry_web_20260401 "), "{:?}", action.reasons);
    assert_eq!((action.reasons.len(), action.frees), (2, 2 << 20));
    // What is bad fills no slot; the newest good one stays whatever the policy says.
    let mut bad = copies.clone();
    bad.iter_mut().skip(1).for_each(|copy| copy.is_good = false);
    assert!(!pruned(&held(true, 1, bad).plan()).contains(&0));
    // What nobody knows the hash of stays.
    let mut unknown = copies;
    unknown[0].file_sha256 = None;
    assert_eq!(pruned(&held(true, 4, unknown).plan()), [1]);
}

#[test]
fn many_at_once_wait_for_approval_of_exactly_these() {
    let world = held(true, 1, (0..6).map(copy).collect());
    let plan = world.plan();
    assert!(pruned(&plan).is_empty());
    let [blocked] = plan.blocked.as_slice() else { panic!("{:?}", plan.blocked) };
    assert_eq!(blocked.archives.len(), 5);
    assert_eq!(blocked.series.location, place("vps"));
    let hash = blocked.hash.clone();
    let approved = world.with(|observed| {
        observed.approvals.insert(hash.clone());
    });
    assert_eq!(pruned(&approved.plan()), [0, 1, 2, 3, 4]);
    // One more is another deletion.
    let more = held(true, 1, (0..7).map(copy).collect());
    let more = more.with(|observed| {
        observed.approvals.insert(hash);
    });
    assert!(pruned(&more.plan()).is_empty());
}

#[test]
fn nothing_leaves_while_anything_is_odd_or_unknown() {
    let copies = || (0..6).map(copy).collect();
    let frozen = held(true, 4, copies())
        .with(|observed| observed.freezes = vec![Freeze::Clock("it jumped".to_owned())]);
    assert!(pruned(&frozen.plan()).is_empty());
    let offline = held(true, 4, copies()).with(|observed| {
        let contact = observed.contacts.values_mut().next().unwrap();
        Arc::make_mut(contact).presence = Presence::Offline;
    });
    assert!(pruned(&offline.plan()).is_empty());
    let foreign =
        (0..6).map(|number| RemoteCopy { origin: "tom".parse().unwrap(), ..copy(number) });
    assert!(pruned(&held(true, 4, foreign.collect()).plan()).is_empty());
    let twice = (0..6).chain([0]).map(copy).collect();
    assert!(pruned(&held(true, 4, twice).plan()).is_empty());
    let gone = {
        let mut world = held(true, 4, copies());
        world.desired.jobs.retain(|name, _| name.as_str() != "web");
        world
    };
    assert!(pruned(&gone.plan()).is_empty());
}

#[test]
fn the_coming_days_show_what_leaves_and_what_comes_and_end() {
    let world = held(true, 2, (0..4).map(copy).collect());
    let days = crate::reconcile::simulate_days(&world.desired, &world.observed, &world.now, 2);
    let gone: Vec<String> = days[0].expired.iter().map(|(name, _)| name.to_string()).collect();
    // Two are too many as it is, and the first backup of the day is sent as well.
    assert_eq!(gone, ["jerry_web_20260401", "jerry_web_20260402", "jerry_web_20260403"]);
    assert!(days[1].expired.is_empty() && days[1].date > days[0].date);
}
