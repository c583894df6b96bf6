//! From objects as they were written to [`Desired`]: every object is read, whatever is wrong with
//! the others, and says itself whether it can be used.
//!
//! **Invariant:** a [`Desired`] comes out exactly when no object failed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::context::{Context, Finding, Object, ObjectId};
use super::keys::Kind;
use crate::model::desired::{Desired, Place};
use crate::model::location::Location;
use crate::model::name::PlaceName;
use crate::model::retention::Policy;

mod across;
mod instance;
mod job;
mod own;
mod peer;
mod place;
mod reference;

/// What came of reading objects.
#[derive(Debug)]
pub(crate) struct Built {
    /// Without its hash.
    pub(crate) desired: Option<Desired>,
    pub(crate) findings: Vec<Finding>,
    /// Objects that cannot be used.
    pub(crate) failed: BTreeMap<ObjectId, Failure>,
}

/// Why an object cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) reason: String,
    pub(crate) place: Place,
    /// Whether nothing is wrong with the object itself: what it uses is broken.
    pub(crate) is_inherited: bool,
}

/// What holds for the whole reading.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// The configuration directory, absolute.
    pub(crate) dir: &'a Path,
    /// Files that may define more than could be read of them.
    pub(crate) torn: &'a [String],
}

/// What objects may refer to.
struct World<'a> {
    torn: &'a [String],
    declared: BTreeSet<ObjectId>,
    policies: BTreeMap<String, Policy>,
    places: BTreeMap<PlaceName, Location>,
    peers: BTreeSet<PlaceName>,
    /// Those at which we expire our archives ourselves.
    pruned: BTreeSet<PlaceName>,
    defaults: instance::Defaults,
    recovery: Vec<String>,
}

/// Findings and failures, as objects are closed one after the other.
#[derive(Default)]
struct Book {
    findings: Vec<Finding>,
    failed: BTreeMap<ObjectId, Failure>,
}

impl Book {
    fn close(&mut self, cx: Context<'_>) {
        let first = cx.findings.iter().find(|finding| finding.is_error());
        let failure = first.map(|finding| Failure {
            reason: finding.message.clone(),
            place: super::context::place(&finding.file, finding.at),
            is_inherited: false,
        });
        let failure = failure.or_else(|| {
            cx.lacks.map(|reason| Failure { reason, place: cx.object.place(), is_inherited: true })
        });
        if let Some(failure) = failure {
            self.failed.entry(cx.object.id.clone()).or_insert(failure);
        }
        self.findings.extend(cx.findings);
    }
}

/// Reads all objects.
pub(crate) fn build(objects: &[Object], terms: Terms<'_>) -> Built {
    let mut book = Book::default();
    twice(objects, terms, &mut book);
    let mut world = World {
        torn: terms.torn,
        declared: objects.iter().map(|object| object.id.clone()).collect(),
        policies: BTreeMap::new(),
        places: BTreeMap::new(),
        peers: BTreeSet::new(),
        pruned: BTreeSet::new(),
        defaults: instance::Defaults::default(),
        recovery: Vec::new(),
    };
    world.policies = read(objects, Kind::Retention, terms, &mut book, |object, cx| {
        Some((object.id.name.clone(), place::retention(object, cx)?))
    });
    let instance = single(objects, Kind::Instance, terms, &mut book, instance::instance);
    let recovery = single(objects, Kind::Recovery, terms, &mut book, instance::recovery);
    let keeps_configuration = recovery.as_ref().is_none_or(|recovery| recovery.configuration);
    world.recovery = recovery.map(|recovery| recovery.recipients).unwrap_or_default();
    if declared(objects, Kind::Defaults) {
        let defaults = single(objects, Kind::Defaults, terms, &mut book, |object, cx| {
            instance::defaults(object, &world, cx)
        });
        world.defaults = defaults.unwrap_or_else(instance::Defaults::broken);
    }
    world.places = read(objects, Kind::Location, terms, &mut book, |object, cx| {
        let location = place::location(object, &world, cx)?;
        Some((location.name.clone(), location))
    });
    let peers = read(objects, Kind::Peer, terms, &mut book, |object, cx| {
        let peer = peer::peer(object, &world, cx)?;
        Some((peer.name.clone(), peer))
    });
    world.peers = peers.keys().cloned().collect();
    let pruned = peers.values().filter(|peer| peer.prune);
    world.pruned = pruned.map(|peer| peer.name.clone()).collect();
    let tokens = read(objects, Kind::Token, terms, &mut book, |object, cx| {
        let token = instance::token(object, cx)?;
        Some((token.name.clone(), token))
    });
    let notify = read(objects, Kind::Notify, terms, &mut book, |object, cx| {
        let notify = instance::notify(object, cx)?;
        Some((notify.name.clone(), notify))
    });
    let mut claims = Vec::new();
    let jobs = read(objects, Kind::Job, terms, &mut book, |object, cx| {
        let job = job::job(object, &world, &mut claims, cx)?;
        Some((job.name.clone(), job))
    });
    let instance = instance.or_else(|| {
        // Without `[instance]` everything in it has its default.
        let object = instance::nothing_written();
        let mut cx = Context::new(&object, terms.dir);
        let instance = instance::instance(&object, &mut cx);
        if !declared(objects, Kind::Instance) {
            book.close(cx);
        }
        instance
    });
    let mut locations = world.places.clone();
    locations
        .extend(peer::name_spaces(&peers, &world.places).map(|space| (space.name.clone(), space)));
    let desired = instance.map(|instance| Desired {
        instance,
        defaults: world.defaults.to_model(),
        policies: world.policies.clone(),
        recovery_recipients: world.recovery.clone(),
        keeps_configuration,
        jobs,
        templates: BTreeMap::new(),
        locations,
        peers,
        tokens,
        notify,
        hash: String::new(),
    });
    claims.sort_by(|a, b| a.name.cmp(&b.name));
    let desired =
        desired.inspect(|desired| across::check(objects, desired, &claims, terms, &mut book));
    let desired = desired.map(|desired| own::add(desired, terms.dir));
    Built {
        desired: desired.filter(|_| book.failed.is_empty()),
        findings: book.findings,
        failed: book.failed,
    }
}

fn declared(objects: &[Object], kind: Kind) -> bool {
    objects.iter().any(|object| object.id.kind == kind)
}

/// Reads every object of a kind; of one written twice the first counts, both are checked.
fn read<K: Ord, T>(
    objects: &[Object],
    kind: Kind,
    terms: Terms<'_>,
    book: &mut Book,
    mut read: impl FnMut(&Object, &mut Context<'_>) -> Option<(K, T)>,
) -> BTreeMap<K, T> {
    let mut found = BTreeMap::new();
    for object in objects.iter().filter(|object| object.id.kind == kind) {
        let mut cx = Context::new(object, terms.dir);
        if let Some((name, value)) = read(object, &mut cx) {
            found.entry(name).or_insert(value);
        }
        book.close(cx);
    }
    found
}

fn single<T>(
    objects: &[Object],
    kind: Kind,
    terms: Terms<'_>,
    book: &mut Book,
    mut of: impl FnMut(&Object, &mut Context<'_>) -> Option<T>,
) -> Option<T> {
    let found = read(objects, kind, terms, book, |object, cx| Some(((), of(object, cx)?)));
    found.into_values().next()
}

/// Reports each object that is there twice: an error that names both places.
fn twice(objects: &[Object], terms: Terms<'_>, book: &mut Book) {
    let mut first: BTreeMap<&ObjectId, &Object> = BTreeMap::new();
    for object in objects {
        match first.entry(&object.id) {
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(object);
            }
            std::collections::btree_map::Entry::Occupied(taken) => {
                let mut cx = Context::new(object, terms.dir);
                cx.error_with(
                    object.at,
                    format!("`{}` is defined twice, first at {}", object.id, taken.get().place()),
                    "keep one of them, or give one another name",
                );
                book.close(cx);
            }
        }
    }
}

impl Finding {
    pub(crate) fn is_error(&self) -> bool {
        self.severity == super::diagnostic::Severity::Error
    }
}
