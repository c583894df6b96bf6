//! What no object can see alone: names that collide, goals that nothing can meet, a location
//! inside a source.

use std::collections::BTreeMap;

use super::job::Claim;
use super::{Book, Terms};
use crate::config::context::{Context, Object};
use crate::config::keys::Kind;
use crate::config::tree::{Node, Span, Value};
use crate::model::desired::Desired;
use crate::model::job::{Job, JobSource, Via};
use crate::model::location::Codec;
use crate::model::name::{ARCHIVE_NAME_MAX, ArchiveName, InstanceName, Label, PlaceName};
use crate::model::peer::PeerKind;
use crate::model::token::TokenHash;
use crate::source::excludes::Excludes;
use crate::yunohost;

/// Checks objects against each other.
pub(super) fn check(
    objects: &[Object],
    desired: &Desired,
    claims: &[Claim],
    terms: Terms<'_>,
    book: &mut Book,
) {
    let mut desk = Desk { objects, terms, book };
    names(desired, &mut desk);
    labels(&desired.instance.name, claims, &mut desk);
    folders(desired, &mut desk);
    name_spaces(desired, &mut desk);
    former_names(desired, &mut desk);
    hashes(desired, &mut desk);
    for job in desired.jobs.values().filter(|job| job.ended.is_none()) {
        desk.about(Kind::Job, job.name.as_str(), |object, cx| {
            yunohost(job, desired, object, cx);
            copies(job, desired, object, cx);
            goals(job, desired, object, cx);
            drills(job, desired, object, cx);
            own_archives(job, desired, object, cx);
        });
    }
}

/// Opens objects again to report on them.
struct Desk<'a> {
    objects: &'a [Object],
    terms: Terms<'a>,
    book: &'a mut Book,
}

impl Desk<'_> {
    fn about(&mut self, kind: Kind, name: &str, report: impl FnOnce(&Object, &mut Context<'_>)) {
        let found = self.objects.iter().find(|o| o.id.kind == kind && o.id.name == name);
        let Some(object) = found else { return };
        let mut cx = Context::new(object, self.terms.dir);
        report(object, &mut cx);
        self.book.close(cx);
    }
}

/// Where a key's value stands, or the object's name without.
fn at(object: &Object, key: &str) -> Span {
    object.node.get(key).map_or(object.at, |entry| entry.node.at)
}

fn names(desired: &Desired, desk: &mut Desk<'_>) {
    for (name, peer) in &desired.peers {
        if let Some(location) = desired.locations.get(name) {
            desk.about(Kind::Peer, name.as_str(), |object, cx| {
                cx.error_with(
                    object.at,
                    format!("`{name}` is also a location, at {}", location.place),
                    "peers and locations share one name space, since `send_to` names either",
                );
            });
        }
        if name.as_str() == desired.instance.name.as_str() {
            desk.about(Kind::Peer, name.as_str(), |object, cx| {
                cx.error(object.at, format!("`{name}` is the name of this instance"));
            });
        }
        let written = desk
            .objects
            .iter()
            .any(|object| object.id.kind == Kind::Instance && object.node.get("name").is_some());
        if !written && desired.peers.values().next().is_some_and(|first| first.name == peer.name) {
            desk.about(Kind::Peer, name.as_str(), |object, cx| {
                cx.error_with(
                    object.at,
                    "with peers, the name of this instance must be written",
                    "write `[instance]` with a `name`: a host name may change",
                );
            });
        }
    }
}

/// Two jobs whose archives could not be told apart by name, and names that are too long.
fn labels(instance: &InstanceName, claims: &[Claim], desk: &mut Desk<'_>) {
    let mut taken: BTreeMap<(&PlaceName, &Label), &Claim> = BTreeMap::new();
    for job in claims {
        let longest = ArchiveName::longest(instance, &job.label);
        if longest > ARCHIVE_NAME_MAX {
            let room = job.label.as_str().len().saturating_sub(longest - ARCHIVE_NAME_MAX);
            desk.about(Kind::Job, job.name.as_str(), |object, cx| {
                let hint = if room == 0 {
                    "give the instance a shorter `name`".to_owned()
                } else {
                    format!("write a `label` of at most {room} characters into this job")
                };
                cx.error_with(
                    at(object, "label"),
                    format!(
                        "archives of `{}` would be called `{instance}_{}_20260508-99`: {longest} characters, {ARCHIVE_NAME_MAX} are allowed",
                        job.name, job.label
                    ),
                    hint,
                );
            });
        }
        if job.is_ended {
            continue;
        }
        // Copies keep their archive's name: what collides there collides as much as here.
        let other = job.places.iter().find_map(|place| {
            let other = *taken.entry((place, &job.label)).or_insert(job);
            (other.name != job.name).then_some((place, other))
        });
        if let Some((place, other)) = other {
            desk.about(Kind::Job, job.name.as_str(), |object, cx| {
                cx.error_with(
                    at(object, "label"),
                    format!(
                        "jobs `{}` and `{}` both put archives `{instance}_{}_…` at `{place}`; the other is at {}",
                        job.name, other.name, job.label, other.place
                    ),
                    "give one of them a `label` of its own",
                );
            });
        }
    }
}

/// Two locations in one folder would claim each other's archives.
fn folders(desired: &Desired, desk: &mut Desk<'_>) {
    let mut taken = BTreeMap::new();
    for location in desired.locations.values().filter(|location| location.owner.is_none()) {
        if let Some(other) = taken.insert(&location.path, location) {
            desk.about(Kind::Location, location.name.as_str(), |object, cx| {
                cx.error_with(
                    at(object, "path"),
                    format!(
                        "locations `{}` and `{}` are the same folder",
                        location.name, other.name
                    ),
                    format!("the other is at {}", other.place),
                );
            });
        }
    }
}

/// What a peer stores rests where nothing else does, and where nothing runs what it brings.
fn name_spaces(desired: &Desired, desk: &mut Desk<'_>) {
    let spaces =
        desired.locations.values().filter_map(|place| Some((place, place.owner.as_ref()?)));
    for (space, owner) in spaces {
        let Some(accept) = desired.peers.get(owner).and_then(|peer| peer.accept.as_ref()) else {
            continue;
        };
        let written = |object: &Object| {
            let accept = object.node.get("accept");
            let inner = accept.and_then(|entry| entry.node.get("location"));
            inner.map_or(at(object, "accept"), |entry| entry.node.at)
        };
        let other = desired.locations.values().find(|other| {
            other.name != space.name
                && (other.path == space.path || other.path.starts_with(&space.path))
        });
        if let Some(other) = other {
            desk.about(Kind::Peer, owner.as_str(), |object, cx| {
                cx.error_with(
                    written(object),
                    format!(
                        "the archives of `{owner}` would go to `{}`, where location `{}` is",
                        space.path.display(),
                        other.name
                    ),
                    format!("a peer has its folder for itself; the other is at {}", other.place),
                );
            });
        }
        let is_yunohosts = desired.jobs.values().any(|job| {
            let by_yunohost =
                matches!(job.source, JobSource::YnhApp { .. } | JobSource::YnhSystem { .. });
            by_yunohost && job.location == accept.location
        });
        let below = space.path.starts_with(yunohost::ARCHIVES) || is_yunohosts;
        if below && !accept.trust_restore {
            desk.about(Kind::Peer, owner.as_str(), |object, cx| {
                cx.error_with(
                    written(object),
                    format!("the archives of `{owner}` would rest in YunoHost's folder"),
                    "YunoHost runs what an archive brings, as root: name another location, or write `trust = \"restore\"` if this peer may do anything here",
                );
            });
        }
    }
}

fn former_names(desired: &Desired, desk: &mut Desk<'_>) {
    let mut claimed = BTreeMap::new();
    for job in desired.jobs.values() {
        for former in &job.formerly {
            let problem = if desired.jobs.contains_key(former) {
                Some(format!("`{former}` is a job of its own and cannot be a former name"))
            } else {
                let other = claimed.insert(former, &job.name);
                other.map(|other| format!("`{former}` is already a former name of `{other}`"))
            };
            if let Some(problem) = problem {
                desk.about(Kind::Job, job.name.as_str(), |object, cx| {
                    cx.error_with(
                        at(object, "formerly"),
                        problem,
                        "its archives can follow one job only",
                    );
                });
            }
        }
    }
}

/// One token with two holders would be whoever is looked at first.
fn hashes(desired: &Desired, desk: &mut Desk<'_>) {
    let peers = desired.peers.values().filter_map(|peer| {
        let accept = peer.accept.as_ref()?;
        Some((Kind::Peer, peer.name.as_str(), &accept.token_hash, &peer.place))
    });
    let tokens = desired.tokens.values();
    let tokens = tokens.map(|t| (Kind::Token, t.name.as_str(), &t.hash, &t.place));
    let mut taken: BTreeMap<TokenHash, String> = BTreeMap::new();
    for (kind, name, hash, place) in tokens.chain(peers) {
        let Ok(hash) = hash.parse() else { continue };
        let word = if kind == Kind::Token { "token" } else { "peer" };
        let Some(other) = taken.insert(hash, format!("{word} `{name}`, at {place}")) else {
            continue;
        };
        desk.about(kind, name, |object, cx| {
            let accept = object.node.get("accept").and_then(|entry| entry.node.get("token_hash"));
            let own = object.node.get("hash").or(accept);
            cx.error_with(
                own.map_or(object.at, |entry| entry.node.at),
                format!("this is also the hash of {other}"),
                "give each a token of its own: `larder token new` makes one",
            );
        });
    }
}

/// YunoHost makes and reads these archives itself: plain, and in its own folder.
fn yunohost(job: &Job, desired: &Desired, object: &Object, cx: &mut Context<'_>) {
    match &job.source {
        JobSource::YnhApp { .. } | JobSource::YnhSystem { .. } => {}
        JobSource::CustomDir(_) | JobSource::Mysql(_) | JobSource::Postgresql(_) => return,
    }
    let Some(location) = desired.locations.get(&job.location) else { return };
    if location.codec != Codec::None || !location.encrypt_to.is_empty() {
        cx.error_with(
            at(object, "location"),
            format!("`{}` compresses or encrypts, and YunoHost's own archives are plain", location.name),
            "use a location without `compress` and `encrypt_to`; copies sent elsewhere may be encrypted",
        );
    }
}

/// A copy that would never leave, or not the way that is written.
fn copies(job: &Job, desired: &Desired, object: &Object, cx: &mut Context<'_>) {
    for copy in &job.send_to {
        let Some(peer) = desired.peers.get(&copy.to) else { continue };
        let Some((why, hint)) = peer.refusal(copy.via) else { continue };
        let (to, via) = copy_at(object, copy.to.as_str());
        match (copy.via, peer.fetches(), &peer.kind) {
            (Via::Auto, true, _) => {}
            (Via::Auto, false, PeerKind::Instance { .. }) => cx.error_with(
                to,
                format!("{why}, and may not fetch here: this copy would never leave"),
                "write its `url`, or an `accept` whose `scopes` have `fetch`",
            ),
            (_, true, _) => cx.error_with(via, why, "leave `via` out: it chooses the way itself"),
            (_, _, PeerKind::BackupChannel { .. }) | (Via::Auto, ..) => {
                cx.error_with(to, why, hint);
            }
            (Via::Http | Via::Rsync, ..) => cx.error_with(via, why, hint),
        }
    }
}

/// Where a copy of `send_to` names its place, and where its way.
fn copy_at(object: &Object, to: &str) -> (Span, Span) {
    let listed = at(object, "send_to");
    let items = match object.node.get("send_to").map(|entry| &entry.node.value) {
        Some(Value::Array(items)) => items.as_slice(),
        _ => &[],
    };
    let is = |node: &Node| matches!(&node.value, Value::Text { text, .. } if text == to);
    let found = items.iter().find_map(|item| match item.get("to") {
        None => is(item).then_some((item.at, item.at)),
        Some(named) => {
            let via = item.get("via").map_or(named.node.at, |via| via.node.at);
            is(&named.node).then_some((named.node.at, via))
        }
    });
    found.unwrap_or((listed, listed))
}

fn goals(job: &Job, desired: &Desired, object: &Object, cx: &mut Context<'_>) {
    let places = 1 + job.send_to.len();
    let place = object.node.get("protect").map_or(object.at, |entry| entry.at);
    if job.protect.copies as usize > places {
        cx.warning(
            place,
            format!(
                "`copies = {}` cannot be met: this job has {places} {}",
                job.protect.copies,
                if places == 1 { "place" } else { "places" }
            ),
            Some("name more of them in `send_to`".to_owned()),
        );
    }
    let is_offsite = |name| {
        desired.locations.get(name).is_some_and(|location| location.offsite)
            || desired.peers.get(name).is_some_and(|peer| peer.offsite)
    };
    let all = std::iter::once(&job.location).chain(job.send_to.iter().map(|copy| &copy.to));
    let offsite = all.filter(|name| is_offsite(name)).count();
    if job.protect.offsite as usize > offsite {
        cx.warning(
            place,
            format!(
                "`offsite = {}` cannot be met: {offsite} of this job's places are off-site",
                job.protect.offsite
            ),
            Some("send copies to a peer, or to a location with `offsite = true`".to_owned()),
        );
    }
}

/// What is encrypted here cannot be opened here without an identity.
fn drills(job: &Job, desired: &Desired, object: &Object, cx: &mut Context<'_>) {
    let key = match (&job.drill, job.protect.proven) {
        (Some(_), _) => "drill",
        (None, Some(_)) => "protect",
        (None, None) => return,
    };
    let Some(location) = desired.locations.get(&job.location) else { return };
    let encrypts = !location.encrypt_to.is_empty() || !job.encrypt_to.is_empty();
    if encrypts && location.identity.is_none() {
        cx.warning(
            at(object, key),
            format!("drills cannot open what is encrypted at `{}`", location.name),
            Some(format!(
                "name an `identity` in `[location.{}]`, or prove restores where the identity is kept (`larder restore --to DIR --identity FILE`)",
                location.name
            )),
        );
    }
}

/// A job that reads its own archives grows without end.
fn own_archives(job: &Job, desired: &Desired, object: &Object, cx: &mut Context<'_>) {
    let JobSource::CustomDir(source) = &job.source else { return };
    let Some(location) = desired.locations.get(&job.location) else { return };
    let Ok(inside) = location.path.strip_prefix(&source.source_path) else { return };
    let excluded =
        Excludes::new(&source.excludes).is_ok_and(|excludes| excludes.on_the_way(inside).is_some());
    if !excluded && source.source_path.parent().is_some() {
        cx.warning(
            at(object, "source_path"),
            format!("the archives at `{}` lie inside what this job reads", location.name),
            Some(format!("add `\"/{}/\"` to `excludes`", inside.display())),
        );
    }
}
