//! What another instance tells when it is asked: who it is, what it holds of ours, how it fares.

use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, Response, header};
use serde::Deserialize;
use serde_json::Value;

use super::{Https, told};
use crate::model::archive::ArchiveId;
use crate::model::contact::{Expected, RemoteCopy};
use crate::model::name::{JobName, PlaceName};
use crate::peer::PeerError;

/// The API that this program speaks.
const API: u32 = 1;
/// How many archives are asked for at once: an entry is a kilobyte or two.
const PAGE: usize = 250;
/// How many pages are read at most.
const PAGES_MAX: usize = 100;
/// The most characters of a text that a peer tells about itself.
const TEXT_MAX: usize = 500;
/// The most entries of a list that a peer tells about itself.
const ENTRIES_MAX: usize = 2000;
/// The most characters of a cursor.
const CURSOR_MAX: usize = 200;

/// Who a peer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The name that it gives itself.
    pub instance: String,
    /// Its program's version.
    pub version: String,
    /// What its clock shows.
    pub at: Option<Timestamp>,
}

/// What a peer says that it has, as our token sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// What rests in our name space there.
    pub held: Vec<RemoteCopy>,
    /// What it has of its own and lets us take.
    pub offered: Vec<RemoteCopy>,
}

/// What a peer tells about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Its own entry of `/network`, its texts bounded and on one line each.
    pub member_json: String,
    /// When each of its jobs is to have made its next archive at the latest.
    pub expected: Vec<Expected>,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct Health {
    instance: String,
    version: String,
    api_min: u32,
    api_max: u32,
    at: String,
}

impl Default for Health {
    fn default() -> Self {
        let nothing = String::new;
        Self { instance: nothing(), version: nothing(), api_min: API, api_max: API, at: nothing() }
    }
}

/// An entry of `/archives`; a foreign file has no `id`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    id: Option<String>,
    name: String,
    origin: String,
    job: String,
    location: String,
    created_at: String,
    file_size: u64,
    stream_sha256: Option<String>,
    sha256: Option<String>,
    good: bool,
    condition: String,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct Job {
    name: String,
    enabled: bool,
    expected_by: Option<String>,
    max_age_s: Option<i64>,
}

impl Default for Job {
    fn default() -> Self {
        Self { name: String::new(), enabled: true, expected_by: None, max_age_s: None }
    }
}

impl Https {
    /// Asks who it is, and whether it speaks what this program speaks.
    ///
    /// # Errors
    /// It does not answer, refuses, or speaks something else.
    pub async fn about(&self) -> Result<About, PeerError> {
        let health: Health = self.json(self.request(Method::GET, &["health"])).await?;
        let version = told(&health.version, "unknown");
        if !(health.api_min..=health.api_max).contains(&API) {
            let (min, max) = (health.api_min, health.api_max);
            let speaks =
                if min == max { format!("API {min}") } else { format!("API {min} to {max}") };
            let which = if max < API { "older" } else { "newer" };
            return Err(self.unintelligible(format!(
                "its version {version} is too much {which}: it speaks {speaks}, this one API {API}"
            )));
        }
        Ok(About { instance: told(&health.instance, ""), version, at: health.at.parse().ok() })
    }

    /// Asks for every archive that our token sees there.
    ///
    /// # Errors
    /// It does not answer, refuses, or has no end of them.
    pub async fn archives(&self) -> Result<Listed, PeerError> {
        let mut listed = Listed::default();
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let limit = PAGE.to_string();
            let mut query = vec![("limit", limit.as_str())];
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let request = self.with_query(self.request(Method::GET, &["archives"]), &query)?;
            let (entries, next) = self.json_page::<Vec<Entry>>(request).await?;
            for entry in entries {
                listed.take(entry);
            }
            if next.is_none() || next == cursor {
                return Ok(listed);
            }
            cursor = next;
        }
        Err(self.unintelligible(format!("it lists more than {} archives", PAGE * PAGES_MAX)))
    }

    /// Asks how it fares: its own entry of `/network`.
    ///
    /// # Errors
    /// It does not answer, refuses, or says nothing of itself.
    pub async fn itself(&self) -> Result<Known, PeerError> {
        let members: Vec<Value> = self.json(self.request(Method::GET, &["network"])).await?;
        let is_self = |member: &Value| member.get("self") == Some(&Value::Bool(true));
        let mut member = members
            .into_iter()
            .find(is_self)
            .ok_or_else(|| self.unintelligible("its `/network` does not say which entry it is"))?;
        clean(&mut member);
        let jobs: Vec<Job> = match member.get("jobs").cloned() {
            None | Some(Value::Null) => Vec::new(),
            Some(jobs) => serde_json::from_value(jobs)
                .map_err(|error| self.unintelligible(error.to_string()))?,
        };
        let expected = jobs.into_iter().filter(|job| job.enabled).filter_map(expected).collect();
        Ok(Known { member_json: member.to_string(), expected })
    }
}

/// Where the next page begins: only that is taken from what it says, never an address.
pub(super) fn next_page(answer: &Response) -> Option<String> {
    let link = answer.headers().get(header::LINK)?.to_str().ok()?;
    let (_, rest) = link.split_once('<')?;
    let (target, _) = rest.split_once('>')?;
    let next = answer.url().join(target).ok()?;
    let cursor = next.query_pairs().find(|(key, _)| key == "cursor")?.1.into_owned();
    (!cursor.is_empty() && cursor.len() <= CURSOR_MAX).then_some(cursor)
}

impl Listed {
    /// Takes an entry; what has no name that could be ours is nothing to us.
    fn take(&mut self, entry: Entry) {
        // What is gone or about to go does not rest there.
        if matches!(entry.condition.as_str(), "lost" | "trashed") {
            return;
        }
        let is_held = entry.location.parse().is_ok_and(|place: PlaceName| place.is_name_space());
        if let Some(copy) = copy(entry) {
            if is_held { &mut self.held } else { &mut self.offered }.push(copy);
        }
    }
}

fn copy(entry: Entry) -> Option<RemoteCopy> {
    Some(RemoteCopy {
        id: ArchiveId(entry.id?.parse().ok()?),
        name: told(&entry.name, "-"),
        origin: entry.origin.parse().ok()?,
        job: entry.job.parse().ok()?,
        created_at: entry.created_at.parse().ok()?,
        file_size: entry.file_size,
        stream_sha256: entry.stream_sha256.and_then(|hash| hash.parse().ok()),
        file_sha256: entry.sha256.and_then(|hash| hash.parse().ok()),
        is_good: entry.good && matches!(entry.condition.as_str(), "present" | "unavailable"),
    })
}

fn expected(job: Job) -> Option<Expected> {
    let name: JobName = job.name.parse().ok()?;
    let by: Timestamp = job.expected_by?.parse().ok()?;
    let max_age = job.max_age_s.filter(|seconds| *seconds > 0).map(SignedDuration::from_secs);
    Some(Expected { job: name, by, max_age })
}

/// Bounds what a peer tells of itself, and leaves no character in it that a terminal obeys.
fn clean(value: &mut Value) {
    match value {
        Value::String(text) => *text = bounded(text),
        Value::Array(entries) => {
            entries.truncate(ENTRIES_MAX);
            entries.iter_mut().for_each(clean);
        }
        Value::Object(fields) => fields.values_mut().for_each(clean),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn bounded(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT_MAX).collect()
}

#[cfg(test)]
mod tests;
