//! `/archives`: the catalogue, whatever the location.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, Query, RawQuery, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::access::Caller;
use super::dto::words::{self, CONDITIONS};
use super::problem::Problem;
use super::resolve::{Need, Question, Unresolved, Whose, resolve};
use super::{App, Page, dto, keep, next_page, page_size};
use crate::engine::View;
use crate::model::archive::{Archive, ArchiveId};
use crate::model::desired::Desired;
use crate::model::peer::Peer;
use crate::reconcile::expiry::Lineage;

pub(super) mod change;
pub(super) mod contents;
pub(super) mod download;
pub(super) mod elsewhere;
pub(super) mod offered;

/// How many archives a page has when nobody says.
const LIMIT: usize = 1000;
/// How many it has at most when the future of each is looked into.
const LEAVES_MAX: usize = 200;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Of this job only.
    job: Option<String>,
    /// At this location only.
    location: Option<String>,
    /// Of this instance only: by its own name, or by that of the peer that it is known as here.
    origin: Option<String>,
    /// Of this peer only: what it stored here, and what bears its name.
    peer: Option<String>,
    /// Only those of which this peer holds a good copy, as far as is known.
    held_by: Option<String>,
    /// Only those whose name has this in it, in any case.
    search: Option<String>,
    /// In this condition only.
    #[param(value_type = words::ListedCondition, required = false)]
    condition: Option<String>,
    /// Whether files that are not ours are listed as well, at the end of the last page.
    #[serde(default)]
    foreign: bool,
    /// Whether the day is told on which each would leave if every coming run succeeds; for a page
    /// of 200 at most.
    #[serde(default)]
    leaves: bool,
    /// The most archives of a page.
    #[param(minimum = 1, maximum = 1000, default = 1000)]
    limit: Option<usize>,
    /// Where a page goes on.
    #[param(value_type = words::ArchivesCursor, required = false)]
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CopyQuery {
    /// Only a copy at this location.
    pub(super) location: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OriginQuery {
    /// Only a copy at this location.
    pub(super) location: Option<String>,
    /// Only archives of this peer.
    pub(super) from: Option<String>,
}

/// The copy that a path names.
pub(super) fn find<'a>(
    view: &'a View,
    text: &str,
    location: Option<&str>,
    need: Need,
) -> Result<&'a Archive, Problem> {
    let lineage = Lineage::of(&view.desired);
    let question = Question { text, location, need, whose: Whose::Ours(&lineage) };
    resolve(question, &view.observed.archives).map_err(|error| {
        let is_unknown = matches!(error, Unresolved::NotFound { .. });
        let problem = Problem::from(error);
        match elsewhere::hint(view, text).filter(|_| is_unknown && need == Need::AnyCopy) {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    })
}

/// The copy that a path names among the archives of a peer: what it sent, and what bears its name.
pub(super) fn find_from<'a>(
    view: &'a View,
    text: &str,
    location: Option<&str>,
    from: &str,
) -> Result<&'a Archive, Problem> {
    let desired = &view.desired;
    let peer = desired.peers.values().find(|peer| peer.name.as_str() == from).ok_or_else(|| {
        Problem::not_found(format!("there is no peer `{from}`"))
            .hint("`larder peer list` shows them; `larder peer add` gives a host name one")
    })?;
    let archives = view.observed.archives.iter().filter(|one| desired.is_of_peer(one, peer));
    let archives: Vec<Archive> = archives.cloned().collect();
    let question = Question { text, location, need: Need::AnyCopy, whose: Whose::Theirs };
    let found = resolve(question, &archives).map(Archive::key);
    let found = found.map_err(|error| {
        let problem = Problem::from(error);
        match elsewhere::hint_from(view, peer, text) {
            Some(hint) if problem.status == StatusCode::NOT_FOUND.as_u16() => problem.hint(hint),
            Some(_) | None => problem,
        }
    })?;
    let same = view.observed.archives.iter().find(|one| one.key() == found);
    same.ok_or_else(|| Problem::not_found(format!("there is no archive `{text}`")))
}

#[utoipa::path(
    get,
    path = "/archives",
    tag = "archives",
    operation_id = "archives_list",
    summary = "The catalogue, newest first.",
    params(ListQuery),
    responses(
        (status = 200, description = "The archives", body = Vec<dto::Entry>),
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ListQuery>,
    RawQuery(asked): RawQuery,
) -> Result<Page<dto::Entry>, Problem> {
    let foreign_only = query.condition.as_deref() == Some("foreign");
    // Peers do not make this host look through its disks.
    if (query.foreign || foreign_only) && caller.peer().is_none() {
        app.look_for_foreign(query.location.as_deref()).await;
    }
    let view = app.view_to_read(&caller);
    let limit = page_size(query.limit, if query.leaves { LEAVES_MAX } else { LIMIT })?;
    if query.leaves && limit > LEAVES_MAX {
        return Err(Problem::bad_request(format!("a page of {limit} with `leaves` is too long"))
            .hint(format!("`limit` is {LEAVES_MAX} at most with it")));
    }
    if let Some(word) = &query.condition
        && !CONDITIONS.contains(&word.as_str())
    {
        return Err(Problem::bad_request(format!("`{word}` is not a condition"))
            .hint(format!("one of {}", CONDITIONS.join(", "))));
    }
    let is = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|w| w == value);
    let search = query.search.as_deref().map(str::to_lowercase).unwrap_or_default();
    let has = |name: &str| search.is_empty() || name.to_lowercase().contains(&search);
    let of_peer = OfPeer::new(&view, &query);
    let lineage = Lineage::of(&view.desired);
    let is_of_job = |archive: &Archive, job: &str| {
        archive.job.as_str() == job || lineage.is_of_job(archive, job)
    };
    let mut archives: Vec<&Archive> = view
        .observed
        .archives
        .iter()
        .filter(|archive| {
            query.job.as_deref().is_none_or(|job| is_of_job(archive, job))
                && is(&query.location, archive.location.as_str())
                && query
                    .origin
                    .as_deref()
                    .is_none_or(|origin| is_of(&view.desired, archive, origin))
                && is(&query.condition, archive.condition.word())
                && of_peer.fits(&view, archive)
                && has(archive.name.as_str())
        })
        .collect();
    if let Some(cursor) = &query.cursor {
        let cursor = Cursor::parse(cursor)?;
        archives.retain(|archive| cursor.order(archive) == Ordering::Less);
    }
    let more = archives.len() > limit;
    if more {
        // Only what is shown is sorted.
        archives.select_nth_unstable_by(limit, |a, b| newest_first(a, b));
        archives.truncate(limit);
    }
    archives.sort_unstable_by(|a, b| newest_first(a, b));
    let next = archives.last().filter(|_| more);
    let next = next.map(|archive| next_page(asked.as_deref(), &Cursor::text(archive)));
    let mut kept = if query.leaves {
        keep::verdicts_with_days(&view, &archives)
    } else {
        keep::verdicts(&view, &archives)
    };
    let mut items: Vec<dto::Entry> = archives
        .into_iter()
        .map(|archive| {
            let retention = kept.remove(&archive.key());
            let retention = retention.filter(|_| is_told(&caller, &view, archive));
            dto::Entry::Archive(Box::new(dto::Archive::new(&view, archive, retention)))
        })
        .collect();
    if (query.foreign || foreign_only) && next.is_none() {
        let foreign = view.observed.foreign.iter();
        let foreign = foreign.filter(|foreign| {
            is(&query.location, foreign.location.as_str())
                && has(&foreign.file_name)
                && query.job.is_none()
                && query.origin.is_none()
                && query.peer.is_none()
                && query.held_by.is_none()
                && (query.condition.is_none() || foreign_only)
        });
        items.extend(foreign.map(|f| dto::Entry::Foreign(dto::Foreign::new(&view, f))));
    }
    Ok(Page { items, next })
}

/// Whether the instance of this name made an archive, as it calls itself or as it is called here.
fn is_of(desired: &Desired, archive: &Archive, name: &str) -> bool {
    let peer = || desired.peer_at(&archive.location, &archive.origin);
    archive.origin.as_str() == name || peer().is_some_and(|peer| peer.name.as_str() == name)
}

/// What a list is narrowed to that has to do with peers.
struct OfPeer<'a> {
    /// Whose archives: nobody's where there is no such peer.
    whose: Option<Vec<&'a Peer>>,
    /// What somebody holds.
    held: Option<BTreeSet<ArchiveId>>,
}

impl<'a> OfPeer<'a> {
    fn new(view: &'a View, query: &ListQuery) -> Self {
        let find = |name: &String| name.parse().ok().and_then(|name| view.desired.peers.get(&name));
        let held = |name: &String| {
            let contact = find(name).and_then(|peer| view.observed.contacts.get(&peer.name));
            let copies = contact.iter().flat_map(|contact| &contact.holdings);
            let copies = copies.flat_map(|holdings| &holdings.copies);
            copies.filter(|copy| copy.is_good).map(|copy| copy.id).collect()
        };
        let whose = query.peer.as_ref().map(|name| find(name).into_iter().collect());
        Self { whose, held: query.held_by.as_ref().map(held) }
    }

    fn fits(&self, view: &View, archive: &Archive) -> bool {
        let is_of = |peer: &&Peer| view.desired.is_of_peer(archive, peer);
        self.whose.as_ref().is_none_or(|whose| whose.iter().any(is_of))
            && self.held.as_ref().is_none_or(|held| held.contains(&archive.id))
    }
}

/// The order of the list: newest first; the location settles the order of copies.
fn newest_first(a: &Archive, b: &Archive) -> Ordering {
    (b.created_at, b.id, &a.location).cmp(&(a.created_at, a.id, &b.location))
}

/// Where a page ended: a place in the order, whether or not that archive is still there.
struct Cursor<'a> {
    created_ns: i128,
    id: ArchiveId,
    location: &'a str,
}

impl<'a> Cursor<'a> {
    fn text(archive: &Archive) -> String {
        format!("{}.{}.{}", archive.created_at.as_nanosecond(), archive.id, archive.location)
    }

    fn parse(text: &'a str) -> Result<Self, Problem> {
        let parsed = || {
            let mut parts = text.splitn(3, '.');
            let created_ns = parts.next()?.parse().ok()?;
            let id = ArchiveId(parts.next()?.parse().ok()?);
            Some(Self { created_ns, id, location: parts.next()? })
        };
        parsed().ok_or_else(|| {
            Problem::bad_request(format!("`{text}` is not a cursor of this list"))
                .hint("follow the `Link` header of the page before")
        })
    }

    /// `Less` for what comes behind it.
    fn order(&self, archive: &Archive) -> Ordering {
        let other = (archive.created_at.as_nanosecond(), archive.id);
        let by_time = other.cmp(&(self.created_ns, self.id));
        by_time.then_with(|| self.location.cmp(archive.location.as_str()))
    }
}

#[utoipa::path(
    get,
    path = "/archives/{name}/info",
    tag = "archives",
    operation_id = "archives_info",
    summary = "What is known of an archive.",
    params(("name" = String, Path, description = "Its id, its name where that is unique, or `ORIGIN/NAME`"), OriginQuery),
    responses(
        (status = 200, description = "The archive", body = dto::Archive),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn info(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<OriginQuery>,
) -> Result<Json<dto::Archive>, Problem> {
    let view = app.view_to_read(&caller);
    let location = query.location.as_deref();
    let archive = match &query.from {
        Some(peer) => find_from(&view, &name, location, peer)?,
        None => find(&view, &name, location, Need::AnyCopy)?,
    };
    let retention = keep::why(&view, archive).filter(|_| is_told(&caller, &view, archive));
    Ok(Json(dto::Archive::new(&view, archive, retention)))
}

/// Whether somebody is told what keeps an archive: what rules our own is no business of a peer.
fn is_told(caller: &Caller, view: &View, archive: &Archive) -> bool {
    caller.peer().is_none() || view.desired.locations.contains_key(&archive.location)
}

/// The archive with what keeps it and when it would leave.
#[utoipa::path(
    get,
    path = "/archives/{name}/why",
    tag = "archives",
    operation_id = "archives_why",
    summary = "What keeps an archive, and when it would leave.",
    params(("name" = String, Path, description = "Its id, its name where that is unique, or `ORIGIN/NAME`"), OriginQuery),
    responses(
        (status = 200, description = "The archive", body = dto::Archive),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn why(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<OriginQuery>,
) -> Result<Json<dto::Archive>, Problem> {
    info(State(app), caller, Path(name), Query(query)).await
}
