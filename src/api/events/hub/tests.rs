//! Rings, queues and who hears what, without an engine.

use super::*;
use crate::api::events::message::{Reach, Subject};
use crate::model::name::PlaceName;

fn everything() -> Wants {
    Wants { job: None, kind: None, is_local: true, reach: Reach::Everything }
}

fn events() -> Events {
    let hub = Hub::new();
    Arc::into_inner(hub.0).unwrap().into_inner()
}

fn run(number: u64, job: &str, kind: &'static str, within: Option<&str>) -> Message {
    let within = within.map(|name| {
        let (location, peer) = name.split_once('/').unwrap();
        PlaceName::name_space(&location.parse().unwrap(), &peer.parse().unwrap())
    });
    let about = About::Run(Subject { job: Some(job.to_owned()), kind, within });
    Message::new(about, "queued", &number)
}

fn plain(number: u64) -> Message {
    run(number, "web", "backup", None)
}

/// The data and the ids of everything that waits for a client.
fn read(subscription: &mut Subscription) -> (Vec<String>, Option<String>) {
    let mut frames: Vec<Bytes> = subscription.missed.drain(..).collect();
    while let Ok(frame) = subscription.queue.try_recv() {
        frames.push(frame);
    }
    let (mut data, mut last) = (Vec::new(), None);
    for frame in frames {
        let text = String::from_utf8(frame.to_vec()).unwrap();
        assert!(text.ends_with("\n\n"), "{text:?}");
        let line = |name: &str| {
            text.lines().find_map(|line| line.strip_prefix(name)).map(ToOwned::to_owned)
        };
        last = line("id: ").or(last);
        if let Some(event) = line("event: ") {
            data.push(match event.as_str() {
                "reset" => "reset".to_owned(),
                _ => line("data: ").unwrap(),
            });
        }
    }
    (data, last)
}

#[test]
fn who_comes_back_gets_what_it_missed_once_and_in_order() {
    let mut events = events();
    let mut first = events.subscribe(everything(), None).unwrap();
    let (data, start) = read(&mut first);
    assert!(data.is_empty());
    events.tell(&plain(1));
    events.tell(&plain(2));
    let (data, last) = read(&mut first);
    assert_eq!(data, ["1", "2"]);
    drop(first);
    events.tell(&plain(3));
    events.tell(&Message { is_kept: false, ..plain(4) });
    events.tell(&plain(5));
    let mut again = events.subscribe(everything(), last.as_deref()).unwrap();
    events.tell(&plain(6));
    assert_eq!(read(&mut again).0, ["3", "5", "6"]);
    let mut from_start = events.subscribe(everything(), start.as_deref()).unwrap();
    assert_eq!(read(&mut from_start).0, ["1", "2", "3", "5", "6"]);
}

#[test]
fn what_is_forgotten_or_of_another_process_is_a_reset() {
    let mut events = events();
    let (_, start) = read(&mut events.subscribe(everything(), None).unwrap());
    for number in 1..=KEPT as u64 {
        events.tell(&plain(number));
    }
    let mut whole = events.subscribe(everything(), start.as_deref()).unwrap();
    assert_eq!(read(&mut whole).0.len(), KEPT);
    events.tell(&plain(0));
    let process = events.process.clone();
    let wrong = [
        start.unwrap(),
        format!("{process}-{}", 2 * KEPT),
        format!("{process}-99999999999999999999999"),
        format!("{process}--1"),
        "000000000000-1001".to_owned(),
        "odd".to_owned(),
        String::new(),
    ];
    for id in wrong {
        let mut late = events.subscribe(everything(), Some(&id)).unwrap();
        events.tell(&plain(7));
        let (data, last) = read(&mut late);
        assert_eq!(data, ["reset", "7"], "{id}");
        assert!(last.is_some_and(|last| last.starts_with(&process)), "{id}");
    }
    assert_eq!(events.kept.len(), KEPT);
}

#[test]
fn who_does_not_read_is_dropped_and_finds_the_rest_when_it_comes_back() {
    let mut events = events();
    let mut slow = events.subscribe(everything(), None).unwrap();
    let mut quick = events.subscribe(everything(), None).unwrap();
    for number in 0..2 * QUEUE as u64 {
        events.tell(&plain(number));
        assert_eq!(read(&mut quick).0, [number.to_string()]);
    }
    assert_eq!(events.listeners.len(), 1);
    let (data, last) = read(&mut slow);
    assert_eq!(data.len(), QUEUE);
    assert_eq!(slow.queue.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    let mut again = events.subscribe(everything(), last.as_deref()).unwrap();
    assert_eq!(read(&mut again).0.len(), QUEUE);
}

#[test]
fn progress_drops_nobody() {
    let mut events = events();
    let mut slow = events.subscribe(everything(), None).unwrap();
    for number in 0..2 * QUEUE as u64 {
        events.tell(&Message { is_kept: false, ..plain(number) });
    }
    assert_eq!((read(&mut slow).0.len(), events.listeners.len()), (QUEUE, 1));
}

#[test]
fn there_is_room_for_so_many_and_again_when_one_leaves() {
    let mut events = events();
    let mut all: Vec<_> =
        (0..LISTENERS).map(|_| events.subscribe(everything(), None).unwrap()).collect();
    assert_eq!(events.subscribe(everything(), None).unwrap_err(), Refused::Full);
    all.pop();
    events.subscribe(everything(), None).unwrap();
    events.end();
    assert_eq!(events.subscribe(everything(), None).unwrap_err(), Refused::Ended);
    let mut first = all.remove(0);
    read(&mut first);
    assert_eq!(first.queue.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
}

#[test]
fn a_filter_is_for_runs_and_a_peer_hears_of_its_own_name_space_only() {
    let all = [
        run(1, "web", "backup", None),
        run(2, "apps/nextcloud", "backup", None),
        run(3, "web", "verify", Some("received/tom")),
        run(4, "web", "verify", Some("received/tommy")),
        Message::new(About::Instance, "view", &5),
        Message::new(About::Gap, "reset", &6),
    ];
    let check = |wants: Wants| {
        let mut events = events();
        let mut client = events.subscribe(wants, None).unwrap();
        for message in &all {
            events.tell(message);
        }
        read(&mut client).0.join(" ")
    };
    let job = |name: &str| Wants { job: Some(name.parse().unwrap()), ..everything() };
    let peer = |reach| Wants { is_local: false, reach, ..everything() };
    let tom = PlaceName::name_space(&"received".parse().unwrap(), &"tom".parse().unwrap());
    assert_eq!(check(everything()), "1 2 3 4 5 reset");
    assert_eq!(check(job("web")), "1 3 4 reset");
    assert_eq!(check(job("apps")), "2 reset");
    assert_eq!(check(job("apps/nextcloud")), "2 reset");
    assert_eq!(check(Wants { kind: Some("verify".to_owned()), ..job("web") }), "3 4 reset");
    assert_eq!(check(peer(Reach::NameSpace(tom))), "3 reset");
    assert_eq!(check(peer(Reach::Nothing)), "reset");
}

#[test]
fn when_rights_may_have_changed_everybody_but_administrators_comes_anew() {
    let mut events = events();
    let _local = events.subscribe(everything(), None).unwrap();
    let guest = Wants { is_local: false, ..everything() };
    let mut guest = events.subscribe(guest, None).unwrap();
    events.part_from_guests();
    read(&mut guest);
    assert_eq!(guest.queue.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    assert_eq!(events.listeners.len(), 1);
}
