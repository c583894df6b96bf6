//! Locations and peers.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::text::{Exposition, Value};
use crate::engine::View;
use crate::model::archive::{Archive, Condition};
use crate::model::contact::Presence;
use crate::model::location::Location;
use crate::model::name::PlaceName;
use crate::model::observed::LocationState;
use crate::model::peer::Peer;
use crate::reconcile::forecast::Forecast;
use crate::reconcile::watch;

/// The conditions that are counted from the start.
const CONDITIONS: [&str; 5] = ["present", "unavailable", "corrupt", "lost", "trashed"];

/// What rests at one location.
#[derive(Debug, Default)]
struct Stock {
    /// How many and how many bytes, by condition.
    by_condition: BTreeMap<&'static str, (u64, u64)>,
    /// When the bytes were last compared that nobody looked at for the longest time.
    longest_unread: Option<Timestamp>,
}

/// Those locations that are asked for; what is foreseen of them is for the instance's own.
pub(super) fn locations(
    text: &mut Exposition,
    view: &View,
    foreseen: Option<&BTreeMap<PlaceName, Forecast>>,
    wanted: impl Fn(&PlaceName) -> bool,
) {
    let all = view.desired.locations.values().filter(|location| wanted(&location.name));
    let all: Vec<&Location> = all.collect();
    let stocks = stocks(view);
    let state = |location: &Location| view.observed.locations.get(&location.name);
    let mut each = |name: &str, help: &str, value: &dyn Fn(&Location) -> Option<Value>| {
        text.gauge(name, help, |samples| {
            for location in &all {
                samples.put_some(&[("location", location.name.as_str())], value(location));
            }
        });
    };
    each(
        "larder_location_available",
        "Whether the location can be used now; missing before anybody looked.",
        &|location| {
            let is_there = matches!(state(location)?, LocationState::Available { .. });
            Some(Value::Flag(is_there))
        },
    );
    each(
        "larder_location_free_bytes",
        "Bytes that may still be written there, while it can be used.",
        &|location| match state(location)? {
            LocationState::Available { free, .. } => Some(Value::Number(*free)),
            LocationState::Unavailable(_) | LocationState::Suspect(_) => None,
        },
    );
    each(
        "larder_location_capacity_bytes",
        "Bytes there in all.",
        &|location| match state(location)? {
            LocationState::Available { total, .. } => Some(Value::Number(*total)),
            LocationState::Unavailable(_) | LocationState::Suspect(_) => None,
        },
    );
    each(
        "larder_location_min_free_bytes",
        "Bytes that a run must leave free there.",
        &|location| Some(Value::Number(location.min_free.0)),
    );
    each(
        "larder_location_full_timestamp_seconds",
        "When the next archive will not fit there any more if everything goes on as it does; missing while that is not foreseen.",
        &|location| {
            let day = foreseen?.get(&location.name)?.full_on?;
            let at = day.to_zoned(view.at.time_zone().clone()).ok()?;
            Some(Value::Moment(at.timestamp()))
        },
    );
    each(
        "larder_location_oldest_verification_timestamp_seconds",
        "When that archive was last compared with its hash which nobody looked at for the longest time; when it came, if that never happened.",
        &|location| stocks.get(&location.name)?.longest_unread.map(Value::Moment),
    );
    let foreign = foreign(view);
    each("larder_location_foreign_files", "Files there that larder did not make.", &|location| {
        Some(Value::Number(foreign.get(&location.name).copied().unwrap_or(0)))
    });
    let nothing = Stock::default();
    let mut by_condition = |name: &str, help: &str, value: &dyn Fn((u64, u64)) -> u64| {
        text.gauge(name, help, |samples| {
            for location in &all {
                let stock = stocks.get(&location.name).unwrap_or(&nothing);
                for condition in CONDITIONS {
                    let pair = stock.by_condition.get(condition).copied().unwrap_or_default();
                    let labels = [("location", location.name.as_str()), ("condition", condition)];
                    samples.put(&labels, Value::Number(value(pair)));
                }
            }
        });
    };
    by_condition("larder_location_archives", "Archives there, by their condition.", &|pair| pair.0);
    by_condition(
        "larder_location_archive_bytes",
        "Bytes of the files of archives there, by their condition.",
        &|pair| pair.1,
    );
    text.gauge("larder_location_info", "What the location is; always 1.", |samples| {
        let word = |flag| if flag { "true" } else { "false" };
        for location in &all {
            let labels = [
                ("location", location.name.as_str()),
                ("removable", word(location.removable)),
                ("offsite", word(location.offsite)),
            ];
            samples.put(&labels, Value::Number(1));
        }
    });
}

fn stocks(view: &View) -> BTreeMap<&PlaceName, Stock> {
    let mut stocks: BTreeMap<&PlaceName, Stock> = BTreeMap::new();
    for archive in &view.observed.archives {
        let stock = stocks.entry(&archive.location).or_default();
        let pair = stock.by_condition.entry(archive.condition.word()).or_default();
        pair.0 += 1;
        pair.1 = pair.1.saturating_add(archive.file_size);
        if archive.condition == Condition::Present {
            let read = read_at(archive);
            stock.longest_unread = Some(stock.longest_unread.map_or(read, |at| at.min(read)));
        }
    }
    stocks
}

/// When its bytes were last compared with their hash; what was just written counts as read.
fn read_at(archive: &Archive) -> Timestamp {
    archive.verified_at.or(archive.received_at).unwrap_or(archive.created_at)
}

fn foreign(view: &View) -> BTreeMap<&PlaceName, u64> {
    let mut found = BTreeMap::new();
    for file in &view.observed.foreign {
        *found.entry(&file.location).or_default() += 1;
    }
    found
}

/// Peers. Whether one answers is told once somebody has asked it.
pub(super) fn peers(text: &mut Exposition, view: &View) {
    let all: Vec<&Peer> = view.desired.peers.values().collect();
    let contact = |peer: &Peer| view.observed.contacts.get(&peer.name);
    text.gauge("larder_peer_info", "What kind of peer it is; always 1.", |samples| {
        for peer in &all {
            let labels = [("peer", peer.name.as_str()), ("kind", peer.kind.word())];
            samples.put(&labels, Value::Number(1));
        }
    });
    text.gauge(
        "larder_peer_up",
        "Whether the peer answered when it was last asked; missing before anybody asked.",
        |samples| {
            for peer in &all {
                let presence = contact(peer).map_or(Presence::Unknown, |one| one.presence);
                let up = (presence != Presence::Unknown).then_some(presence == Presence::Online);
                let labels = [("peer", peer.name.as_str()), ("kind", peer.kind.word())];
                samples.put_some(&labels, up.map(Value::Flag));
            }
        },
    );
    let waiting = watch::waiting(&view.desired, &view.observed, &view.at);
    let late = watch::awaited(&view.desired, &view.observed);
    let now = view.at.timestamp();
    let held = |peer: &Peer| contact(peer).and_then(|one| one.holdings.as_ref());
    let mut each = |name: &str, help: &str, value: &dyn Fn(&Peer) -> Option<Value>| {
        text.gauge(name, help, |samples| {
            for peer in &all {
                samples.put_some(&[("peer", peer.name.as_str())], value(peer));
            }
        });
    };
    each(
        "larder_peer_last_seen_timestamp_seconds",
        "When the peer last answered, or came to this instance.",
        &|peer| contact(peer)?.last_seen.map(Value::Moment),
    );
    each(
        "larder_peer_known_since_timestamp_seconds",
        "When this instance first knew the peer.",
        &|peer| Some(Value::Moment(contact(peer)?.created_at)),
    );
    each(
        "larder_peer_copies",
        "Good copies of this instance's archives at the peer, as it last said.",
        &|peer| {
            let good = held(peer)?.copies.iter().filter(|copy| copy.is_good).count();
            Some(Value::Number(good as u64))
        },
    );
    each(
        "larder_peer_copy_bytes",
        "Bytes of the files of all copies at the peer, as it last said.",
        &|peer| {
            let sizes = held(peer)?.copies.iter().map(|copy| copy.file_size);
            Some(Value::Number(sizes.fold(0, u64::saturating_add)))
        },
    );
    each(
        "larder_peer_copies_known_timestamp_seconds",
        "When the peer last said which copies it holds.",
        &|peer| Some(Value::Moment(held(peer)?.at)),
    );
    each(
        "larder_peer_copies_waiting",
        "Archives that are to go to the peer and are not there yet.",
        &|peer| Some(Value::Number(waiting.get(&peer.name).copied().unwrap_or(0))),
    );
    each(
        "larder_peer_jobs_overdue",
        "Jobs of the peer whose next archive is overdue, as far as it is known here.",
        &|peer| {
            let mine = late.iter().filter(|one| one.peer == peer.name);
            Some(Value::Number(mine.filter(|one| one.is_overdue(now)).count() as u64))
        },
    );
}
