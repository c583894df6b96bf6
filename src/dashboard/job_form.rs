//! The form that makes a job: TOML to commit, judged by the check that the files go through.
//! **Invariant:** nothing here writes; the form is filled in by the page, by a job that is in force
//! or by what was found on the host, and what comes of it is text.

use std::collections::BTreeMap;

use axum::extract::Query;
use axum::response::Response;
use serde_json::Value as Json;

use super::ask::with_query;
use super::entry::Visitor;
use super::forms::Order;
use super::frame::{self, Page, Tab};
use crate::api::dto::{
    Checked, Covered, Diagnostic, EffectiveConfig, Location, Peer, Retention, Simulated,
};
use crate::api::problem::Problem;
use crate::model::job::JobType;
use crate::model::schedule::Schedule;

mod fields;
mod filled;
mod lines;
mod start;
mod show;
mod written;

#[cfg(test)]
mod tests;

use filled::{Around, Filled};

/// What the address may say: the job that is changed, the type of a new one, whether to look for
/// what no job keeps, and inputs that are filled in.
type Asked = BTreeMap<String, String>;

/// All that the page shows.
struct Form {
    filled: Filled,
    around: Around,
    /// The job that is changed, and where it is written.
    changed: Option<(String, String)>,
    locations: Vec<Location>,
    peers: Vec<Peer>,
    /// The schedule, the job's or that of `[defaults]`, in words, with the times that come next.
    times: Option<Result<Times, String>>,
    kept: Option<Result<Kept, Problem>>,
    judged: Option<Result<Judged, Problem>>,
}

struct Times {
    in_words: String,
    next: Vec<String>,
}

/// What a policy would keep of one archive a day.
struct Kept {
    policy: Retention,
    days: Vec<Simulated>,
}

/// The TOML, and what was found in it, each with the input that it is about.
struct Judged {
    text: String,
    valid: bool,
    diagnostics: Vec<(String, Diagnostic)>,
}

pub(super) async fn page(visitor: Visitor, Query(asked): Query<Asked>) -> Response {
    frame::answer(&visitor, content(&visitor, asked).await)
}

/// Makes the TOML of what was filled in. Nothing changes, so there is no other page to go to.
pub(super) async fn judge(order: Order) -> Response {
    let visitor = &order.visitor;
    let Some(job_type) = JobType::from_word(order.field("type")) else {
        return frame::problem(visitor, &no_type(order.field("type")));
    };
    let filled = Filled::sent(job_type, order.fields().clone());
    let page = form(visitor, Some(filled), order.field("change"), true).await;
    frame::answer(visitor, page)
}

async fn content(visitor: &Visitor, mut asked: Asked) -> Result<Page, Problem> {
    if let Some(name) = asked.remove("change") {
        return form(visitor, None, &name, true).await;
    }
    let Some(word) = asked.remove("type") else {
        let found = if asked.contains_key("look") {
            Some(visitor.ask().list::<Covered>("/coverage").await?.0)
        } else {
            None
        };
        let words = visitor.words;
        return Ok(Page::new(Tab::Jobs, words.new_job, start::start(words, found.as_deref())));
    };
    let job_type = JobType::from_word(&word).ok_or_else(|| no_type(&word))?;
    let is_begun = !asked.is_empty();
    form(visitor, Some(Filled::fresh(job_type, asked)), "", is_begun).await
}

fn no_type(word: &str) -> Problem {
    Problem::bad_request(format!("`{word}` is not a type of job"))
}

/// The form; without `filled` with the job that is changed.
async fn form(
    visitor: &Visitor,
    filled: Option<Filled>,
    change: &str,
    is_judged: bool,
) -> Result<Page, Problem> {
    let (ask, words) = (visitor.ask(), visitor.words);
    let config: EffectiveConfig = ask.get("/config").await?;
    let around = Around::of(&config.effective);
    let job = &config.effective["job"][change];
    let changed = match job["place"].as_str() {
        Some(place) => Some((change.to_owned(), place.to_owned())),
        None if change.is_empty() => None,
        None => return Err(Problem::not_found(format!("there is no job `{change}`"))),
    };
    let filled = match filled {
        Some(filled) => filled,
        None => Filled::of_job(change, job, &around)
            .ok_or_else(|| Problem::not_found(format!("there is no job `{change}`")))?,
    };
    let (locations, _) = ask.list::<Location>("/locations").await?;
    let (mut peers, _) = ask.list::<Peer>("/peers").await?;
    // Nothing is sent to what only names a host.
    peers.retain(|peer| peer.kind != "backup-channel");
    let judged =
        if is_judged { Some(judged(visitor, &filled, changed.as_ref()).await) } else { None };
    let form = Form {
        times: times(&filled, &around, &config.effective),
        kept: kept(visitor, &filled, &around).await,
        filled,
        around,
        changed,
        locations,
        peers,
        judged,
    };
    let title = match &form.changed {
        Some((name, _)) => format!("{} {name}", words.change_title),
        None => words.new_job.to_owned(),
    };
    Ok(Page::new(Tab::Jobs, title, show::form(visitor, &form)))
}

/// Where a new job would be written.
fn file_of(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let name: String = name.chars().filter(|c| is_plain(*c)).collect();
    let name = name.trim_start_matches('.');
    format!("jobs/{}.toml", if name.is_empty() { "new" } else { name })
}

async fn judged(
    visitor: &Visitor,
    filled: &Filled,
    changed: Option<&(String, String)>,
) -> Result<Judged, Problem> {
    let name = changed.map_or_else(|| filled.name(), |(name, _)| name);
    let text = written::text("job", name, filled.table());
    let file = match changed {
        // Behind it stand line and column.
        Some((_, place)) => place.rsplitn(3, ':').nth(2).unwrap_or_default().to_owned(),
        None => file_of(name),
    };
    let path = match changed {
        // Its table may be one of many in its file.
        Some(_) => with_query("/config/check", &[("as", &file), ("instead", "true")]),
        None => with_query("/config/check", &[("as", &file)]),
    };
    let checked: Checked = visitor.ask().post_text(&path, text.clone()).await?;
    let own = own_file(&file, checked.diagnostics.iter().map(|one| one.file.as_str()));
    // What is wrong elsewhere is not this form's to tell, but for what names the job.
    let about = |one: &Diagnostic| one.file == own || one.message.contains(&format!("`{name}`"));
    let diagnostics: Vec<(String, Diagnostic)> = checked
        .diagnostics
        .into_iter()
        .filter(about)
        .map(|one| {
            if one.file != own {
                return (String::new(), one);
            }
            // Its name is not that of the file where the text will stand.
            (input_of(&text, &one), Diagnostic { file: String::new(), ..one })
        })
        .collect();
    let valid = diagnostics.iter().all(|(_, one)| one.severity != "error");
    Ok(Judged { text, valid, diagnostics })
}

/// What the check called the text: a file of that name may be there already.
fn own_file<'a>(wanted: &str, files: impl Iterator<Item = &'a str>) -> String {
    let (dir, name) = wanted.rsplit_once('/').map_or(("", wanted), |(dir, name)| (dir, name));
    let is_new = |file: &&str| {
        let (of, new) = file.rsplit_once('/').unwrap_or(("", file));
        of == dir && new != name && new.trim_start_matches("new-") == name
    };
    files.into_iter().find(is_new).unwrap_or(wanted).to_owned()
}

/// The name of the input that a mistake is about; empty for the job as a whole.
fn input_of(text: &str, diagnostic: &Diagnostic) -> String {
    let key = written::key_at(text, diagnostic.line, diagnostic.column);
    if key.is_empty() {
        // Of a key that is missing the message begins with its name.
        let named = diagnostic.message.split('`').nth(1).unwrap_or_default();
        let is_known = fields::FIELDS.iter().any(|field| field.key == named);
        let of_name = if diagnostic.message.contains("name") { "name" } else { "" };
        return if is_known { named } else { of_name }.to_owned();
    }
    let known = |key: &str| {
        fields::FIELDS.iter().any(|field| field.key == key) || key.starts_with("retention.")
    };
    let mut key = key.as_str();
    while !known(key) {
        let Some((shorter, _)) = key.rsplit_once('.') else { return String::new() };
        key = shorter;
    }
    key.to_owned()
}

/// How many coming times are shown.
const TIMES: usize = 3;

fn times(filled: &Filled, around: &Around, effective: &Json) -> Option<Result<Times, String>> {
    let own = filled.get("schedule").trim();
    let text = if own.is_empty() { &around.schedule } else { own };
    if text.is_empty() {
        return None;
    }
    let schedule = match Schedule::parse(text) {
        Ok(schedule) => schedule,
        Err(error) => return Some(Err(error.to_string())),
    };
    let zone = effective["instance"]["timezone"].as_str();
    let zone = zone.and_then(|zone| jiff::tz::TimeZone::get(zone).ok());
    let mut at = jiff::Zoned::now().with_time_zone(zone.unwrap_or_else(jiff::tz::TimeZone::system));
    let mut next = Vec::new();
    while next.len() < TIMES
        && let Some(coming) = schedule.next_after(&at)
    {
        next.push(coming.strftime("%Y-%m-%d %H:%M").to_string());
        at = coming;
    }
    Some(Ok(Times { in_words: schedule.in_words(), next }))
}

/// What the policy, the job's or that of `[defaults]`, would keep.
async fn kept(
    visitor: &Visitor,
    filled: &Filled,
    around: &Around,
) -> Option<Result<Kept, Problem>> {
    let policy: Json = match filled.policy("retention") {
        None => around.retention.clone(),
        Some(written::Value::Text(name)) => around.policies.get(&name)?.clone(),
        Some(written) => serde_json::to_value(written).ok()?,
    };
    let keys = policy.as_object()?;
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let pairs: Vec<String> =
        keys.iter().map(|(key, value)| format!("{key}={}", text(value))).collect();
    let path = with_query("/simulate", &[("policy", &pairs.join(",")), ("days", "120")]);
    let days = match visitor.ask().get::<Vec<Simulated>>(&path).await {
        Ok(days) => days,
        Err(problem) => return Some(Err(problem)),
    };
    let mut whole = policy;
    if whole["min_days"].is_null() {
        whole["min_days"] = 3.into();
    }
    let policy = serde_json::from_value(whole).ok()?;
    Some(Ok(Kept { policy, days }))
}
