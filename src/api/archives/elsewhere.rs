//! Archives that rest at peers alone, and how they come here.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::problem::Problem;
use crate::api::{App, accepted, dto};
use crate::engine::View;
use crate::model::archive::{Archive, Condition};
use crate::model::contact::{Contact, Presence, RemoteCopy};
use crate::model::name::PlaceName;
use crate::model::peer::Peer;

/// Where an archive is fetched from, and where it goes.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub(in crate::api) struct Fetching {
    /// The peer that holds it; whoever does, and answers, without.
    #[schema(required = false)]
    from: Option<String>,
    /// The location that it goes to; that of its job without.
    #[schema(required = false)]
    to: Option<String>,
}

#[utoipa::path(
    post,
    path = "/archives/{name}/fetch",
    tag = "archives",
    operation_id = "archives_fetch",
    summary = "Brings an archive of this instance here that peers hold alone.",
    description = "It is compared with the SHA-256 that the peer recorded, published at the location, and pinned: whatever let it go here once would let it go again.",
    params(("name" = String, Path, description = "Its id, its name there, `ORIGIN/NAME`, `JOB@latest` or `JOB@DAY`")),
    request_body = Fetching,
    responses(
        (status = 202, description = "It is queued", body = dto::Accepted),
        (status = 404, description = "No peer is known to hold it", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in crate::api) async fn fetch(
    State(app): State<App>,
    Path(name): Path<String>,
    Json(fetching): Json<Fetching>,
) -> Result<Response, Problem> {
    let view = app.view();
    let (copy, peer) = held(&view, &name, fetching.from.as_deref())?;
    let to = match &fetching.to {
        Some(to) => location(&view, to)?,
        None => home(&view, copy)?,
    };
    let here = |archive: &&Archive| archive.id == copy.id && view.desired.owns(archive);
    for archive in view.observed.archives.iter().filter(here) {
        let Archive { name, location, .. } = archive;
        let (why, hint) = match archive.condition {
            Condition::Present => ("is there already", None),
            Condition::Unavailable => ("rests there", Some("mount it".to_owned())),
            Condition::Trashed { .. } => (
                "is in the trash there",
                Some(format!(
                    "`larder archive undelete {name} --location {location}` takes it back"
                )),
            ),
            Condition::Corrupt | Condition::Lost => continue,
        };
        let problem =
            Problem::new(StatusCode::CONFLICT, format!("`{name}` {why}: at `{location}`"));
        return Err(match hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        });
    }
    Ok(accepted(app.handle()?.fetch(copy.id, &peer.name, &to).await?))
}

fn location(view: &View, name: &str) -> Result<PlaceName, Problem> {
    let known = view.desired.locations.keys().find(|known| known.as_str() == name);
    known.cloned().ok_or_else(|| Problem::not_found(format!("there is no location `{name}`")))
}

/// Where an archive belongs: where it is damaged or lost, else where its job keeps its archives, else
/// the only place that there is.
fn home(view: &View, copy: &RemoteCopy) -> Result<PlaceName, Problem> {
    let desired = &view.desired;
    let broken = view
        .observed
        .archives
        .iter()
        .find(|archive| archive.id == copy.id && desired.owns(archive));
    if let Some(broken) = broken {
        return Ok(broken.location.clone());
    }
    if let Some(job) = desired.job_of(&copy.job) {
        return Ok(job.location.clone());
    }
    let mut own = desired.locations.values().filter(|place| place.owner.is_none());
    match (own.next(), own.next()) {
        (Some(only), None) => Ok(only.name.clone()),
        _ => Err(Problem::new(
            StatusCode::CONFLICT,
            format!(
                "there is no job `{}` any more that says where `{}` belongs",
                copy.job, copy.name
            ),
        )
        .hint("choose a location with `--to` (`to` in the API)")),
    }
}

/// The copy that a word means among those of this instance that peers hold, and the peer to ask.
fn held<'a>(
    view: &'a View,
    text: &str,
    from: Option<&str>,
) -> Result<(&'a RemoteCopy, &'a Peer), Problem> {
    let desired = &view.desired;
    if let Some(from) = from
        && !desired.peers.keys().any(|peer| peer.as_str() == from)
    {
        return Err(Problem::not_found(format!("there is no peer `{from}`"))
            .hint("`larder peer list` shows them"));
    }
    let peers =
        desired.peers.values().filter(|peer| from.is_none_or(|from| peer.name.as_str() == from));
    let mut found: Vec<(&RemoteCopy, &Peer, &Contact)> = Vec::new();
    for peer in peers {
        let Some(contact) = view.observed.contacts.get(&peer.name) else { continue };
        let copies = contact.holdings.iter().flat_map(|held| &held.copies);
        let meant = copies.filter(|copy| is_meant(copy, text, view));
        found.extend(meant.map(|copy| (copy, peer, contact.as_ref())));
    }
    let newest = found.iter().max_by_key(|(copy, ..)| (copy.is_good, copy.created_at, copy.id));
    let Some(&(newest, ..)) = newest else {
        let who = from.map_or_else(|| "no peer".to_owned(), |from| format!("`{from}` not"));
        return Err(Problem::not_found(format!(
            "{who} is known to hold an archive `{text}` of ours"
        ))
        .hint("`larder peer check` asks them anew; `larder archive list` shows what is here"));
    };
    if text.contains('@') {
        found.retain(|(copy, ..)| copy.id == newest.id);
    } else if found.iter().any(|(copy, ..)| copy.id != newest.id) {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            format!("`{text}` means more than one archive that peers hold"),
        )
        .hint("name it by its id"));
    }
    let asked = found.iter().filter(|(_, peer, _)| peer.can_be_asked());
    let best = asked.min_by_key(|(copy, peer, contact)| {
        (!copy.is_good, contact.presence != Presence::Online, &peer.name)
    });
    let (copy, peer, _) = best.copied().ok_or_else(|| {
        let holders: Vec<&str> = found.iter().map(|(_, peer, _)| peer.name.as_str()).collect();
        let holders = holders.join("` and `");
        Problem::new(StatusCode::CONFLICT, format!("`{}` rests at `{holders}`, which nobody here can ask", newest.name))
            .hint(format!(
                "there, `larder archive export {} --to FILE` writes it; put the file into a location here, and `larder archive adopt LOCATION FILE --job {}` takes it up",
                newest.name, newest.job
            ))
    })?;
    Ok((copy, peer))
}

/// What to do about an archive of ours that is not here; `None` when no peer is known to hold it.
pub(super) fn hint(view: &View, text: &str) -> Option<String> {
    let (copy, peer) = held(view, text, None).ok()?;
    let (name, there) = (&copy.name, &peer.name);
    Some(format!(
        "`{name}` rests at `{there}` alone: `larder archive fetch {name}` brings it here; give this \
         command again then"
    ))
}

/// What to do about an archive of a peer's own that is not here.
pub(super) fn hint_from(view: &View, peer: &Peer, text: &str) -> Option<String> {
    let contact = view.observed.contacts.get(&peer.name)?;
    let offered = contact.offered.iter().filter(|copy| is_meant(copy, text, view));
    let Some(copy) = offered.max_by_key(|copy| (copy.created_at, copy.id)) else {
        return hint(view, text);
    };
    let (RemoteCopy { name, job, .. }, there) = (copy, &peer.name);
    let is_taken = peer.fetch_from.iter().any(|taken| taken.as_str() == job.as_str());
    let first = if is_taken {
        String::new()
    } else {
        format!("write `fetch_from = [\"{job}\"]` into `[peer.{there}]` ({}), then ", peer.place)
    };
    Some(format!(
        "`{name}` rests at `{there}` alone: {first}`larder peer check {there}` has it fetched; \
         give this command again once it is here"
    ))
}

/// Whether a copy is what somebody names: by name, id, `ORIGIN/NAME`, `JOB@latest` or `JOB@DAY`.
fn is_meant(copy: &RemoteCopy, text: &str, view: &View) -> bool {
    if let Some((job, when)) = text.split_once('@') {
        let zone = view.desired.instance.timezone.clone();
        let day = copy.created_at.to_zoned(zone).date();
        return copy.job.as_str() == job && (when == "latest" || when == day.to_string());
    }
    let name = text.strip_prefix(copy.origin.as_str()).and_then(|rest| rest.strip_prefix('/'));
    copy.name == name.unwrap_or(text) || copy.id.to_string() == text
}
