//! `/archives/{name}/contents`: what is in an archive, one directory at a time.
//!
//! Names of files say a lot: a peer sees those of its own archives, like all that is theirs. What
//! is encrypted is opened for administrators only: with the identity of its location, or with one
//! that they name.

use std::path::PathBuf;

use axum::extract::{Path, Query, RawQuery, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{find, find_from};
use crate::api::access::Caller;
use crate::api::dto::{ContentsEntry, words};
use crate::api::problem::Problem;
use crate::api::resolve::Need;
use crate::api::{App, PAGE_MAX, Page, dto, next_page, page_size};
use crate::archive::{Place, Question, directory_prefix};
use crate::engine::{OpenWith, Reading};
use crate::model::hex;
use crate::model::token::Scope;

/// The longest path and the longest search that make sense.
const LONGEST: usize = 4096;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct ContentsQuery {
    /// Only a copy at this location.
    location: Option<String>,
    /// Only archives of this peer.
    from: Option<String>,
    /// The directory, as members are named (`data/custom/opt/app`); with a `/` before it, as it was
    /// on the host (`/opt/app`). Without, the uppermost.
    path: Option<String>,
    /// The directory in hex, for a name that is not UTF-8.
    #[param(value_type = words::HexText, required = false)]
    path_hex: Option<String>,
    /// Instead of what lies in the directory, everything below it whose name has this in it, in any
    /// case; with a `/` in it, whose path below the directory has.
    search: Option<String>,
    /// A file of this host with the age identity that opens an encrypted archive; for
    /// administrators.
    #[param(value_type = Option<String>)]
    identity: Option<PathBuf>,
    /// The most entries of a page.
    #[param(minimum = 1, maximum = 1000, default = 1000)]
    limit: Option<usize>,
    /// Where a page goes on.
    #[param(value_type = words::HexText, required = false)]
    cursor: Option<String>,
}

impl ContentsQuery {
    /// The directory's name in the archive, without slashes at its ends.
    fn directory(&self) -> Result<Vec<u8>, Problem> {
        let path = self.path.as_deref().unwrap_or_default();
        let below = match &self.path_hex {
            Some(_) if !path.is_empty() => {
                return Err(Problem::bad_request("both `path` and `path_hex` name a directory"));
            }
            Some(hex) => bytes("path_hex", hex)?,
            None if path.starts_with('/') && path.len() > 1 => {
                directory_prefix(std::path::Path::new(path))
            }
            None => path.as_bytes().to_vec(),
        };
        if below.len() > LONGEST {
            return Err(Problem::bad_request(format!("a path of {} bytes is none", below.len())));
        }
        let parts = below.split(|byte| *byte == b'/');
        let parts = parts.filter(|part| !part.is_empty() && *part != b".");
        Ok(parts.collect::<Vec<_>>().join(&b'/'))
    }

    fn question(&self) -> Result<Question, Problem> {
        let search = self.search.clone().filter(|text| !text.is_empty());
        if search.as_ref().is_some_and(|text| text.len() > LONGEST) {
            return Err(Problem::bad_request(format!("`search` has more than {LONGEST} bytes")));
        }
        let after = self.cursor.as_deref().map(|cursor| bytes("cursor", cursor)).transpose()?;
        Ok(Question {
            below: self.directory()?,
            search,
            after: after.unwrap_or_default(),
            limit: page_size(self.limit, PAGE_MAX)?,
        })
    }
}

fn bytes(what: &str, digits: &str) -> Result<Vec<u8>, Problem> {
    hex::decode(digits)
        .ok_or_else(|| Problem::bad_request(format!("`{what}` is `{digits}`, which is not hex")))
}

/// What an encrypted archive is opened with, for this caller.
fn open_with(caller: &Caller, identity: Option<&PathBuf>) -> Result<OpenWith, Problem> {
    match identity {
        Some(_) if !caller.may(Scope::Admin) => {
            let detail = "only administrators name a file of this host as `identity`";
            Err(Problem::new(StatusCode::FORBIDDEN, detail)
                .hint("download the archive, and open it where the identity is"))
        }
        Some(path) if !path.is_absolute() => {
            let detail = format!("`identity` is `{}`, which is not absolute", path.display());
            Err(Problem::bad_request(detail).hint("write the whole path: another process reads it"))
        }
        Some(path) => Ok(OpenWith::File(path.clone())),
        None if caller.may(Scope::Admin) => Ok(OpenWith::Location),
        None => Ok(OpenWith::Nothing),
    }
}

#[utoipa::path(
    get,
    path = "/archives/{name}/contents",
    tag = "archives",
    operation_id = "archives_contents",
    summary = "What is in an archive, one directory at a time.",
    description = "By name, a page at a time; where it goes on stands in the `Link` header. Every page goes through the members anew: of a plain tar only the headers are read, anything else is decoded whole.",
    params(("name" = String, Path, description = "Its id, its name where that is unique, or `ORIGIN/NAME`"), ContentsQuery),
    responses(
        (status = 200, description = "What lies in the directory, or was found below it", body = Vec<dto::ContentsEntry>),
        (status = 404, description = "Nothing of that name, or no such directory in it", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is encrypted, or cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 500, description = "The file cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Its location is not there now; or an archive is being read for a peer already, where a peer asks: `Retry-After` says when to ask again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in crate::api) async fn contents(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<ContentsQuery>,
    RawQuery(asked): RawQuery,
) -> Result<Page<ContentsEntry>, Problem> {
    let view = app.view_to_read(&caller);
    let location = query.location.as_deref();
    let archive = match &query.from {
        Some(peer) => find_from(&view, &name, location, peer)?,
        None => find(&view, &name, location, Need::AnyCopy)?,
    };
    let with = open_with(&caller, query.identity.as_ref())?;
    let question = query.question()?;
    let below = question.below.clone();
    let reading = if caller.peer().is_some() { Reading::Peer } else { Reading::Others };
    let listing = app.handle()?.contents(&archive.key(), question, with, reading).await;
    let listing = listing.map_err(|error| super::download::not_opened(&caller, archive, error))?;
    let shown = dto::readable(&below);
    match listing.place {
        Place::Directory => {}
        Place::Nothing => {
            let detail = format!("`{shown}` is not in `{}`", archive.name);
            return Err(Problem::not_found(detail)
                .hint("begin with what is uppermost, and go down from there"));
        }
        Place::Member(kind) => {
            let detail =
                format!("`{shown}` in `{}` is no directory: {}", archive.name, kind.word());
            return Err(Problem::not_found(detail));
        }
    }
    let last = listing.rows.last().filter(|_| listing.more);
    let next = last.map(|row| next_page(asked.as_deref(), &hex::encode(&row.name)));
    let entry = |row| ContentsEntry::new(row, &below, archive.job_type, view.at.time_zone());
    Ok(Page { items: listing.rows.iter().map(entry).collect(), next })
}
