//! Which archive a word means: its id, its name, `ORIGIN/NAME`, `JOB@latest` or `JOB@2026-05-08`.
//!
//! Names are unique at a location only, and one archive may rest at several. Where a word could
//! mean more than one thing, the answer is the list of them, never a guess.
//! **Invariant:** pure; a name is compared whole and never taken apart.

use jiff::civil::Date;

use super::dto::Candidate;
use super::problem::Problem;
use crate::model::archive::{Archive, Condition, How};
use crate::reconcile::expiry::Lineage;

/// How exact the answer must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Any copy of one archive will do: the best one is chosen.
    AnyCopy,
    /// Exactly one copy, since it is going to be changed.
    OneCopy,
    /// Exactly one copy in the trash.
    Trashed,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The word.
    pub text: &'a str,
    /// Only copies at this location.
    pub location: Option<&'a str>,
    /// How exact the answer must be.
    pub need: Need,
    /// Whose jobs `JOB@…` means.
    pub whose: Whose<'a>,
}

/// Whose jobs are asked for by their name alone.
#[derive(Debug, Clone, Copy)]
pub enum Whose<'a> {
    /// This instance's, under earlier names too.
    Ours(&'a Lineage<'a>),
    /// Those of whoever made the archives among which is looked.
    Theirs,
}

impl Whose<'_> {
    fn is_of_job(self, archive: &Archive, job: &str) -> bool {
        match self {
            Whose::Ours(lineage) => lineage.is_of_job(archive, job),
            Whose::Theirs => archive.job.as_str() == job,
        }
    }
}

/// Why a word names no archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// There is none.
    #[error("there is no archive `{text}`")]
    NotFound {
        /// The word.
        text: String,
        /// Names that are near.
        near: Vec<String>,
    },
    /// There is one, and not where it is looked for.
    #[error("`{location}` does not hold `{text}`; it rests at {}", listed(at))]
    Elsewhere {
        /// The word.
        text: String,
        /// Where it is looked for.
        location: String,
        /// Where it rests.
        at: Vec<String>,
    },
    /// There is one, and it is not in the trash.
    #[error("`{text}` is not in the trash")]
    NotTrashed {
        /// The word.
        text: String,
    },
    /// Different archives have this name.
    #[error("`{text}` means more than one archive")]
    SeveralArchives {
        /// The word.
        text: String,
        /// All of them.
        candidates: Vec<Candidate>,
    },
    /// One archive rests at several locations.
    #[error("`{text}` rests at more than one location")]
    SeveralCopies {
        /// The word.
        text: String,
        /// All of them.
        candidates: Vec<Candidate>,
    },
    /// What stands behind the `@` is neither `latest` nor a day.
    #[error("`{when}` in `{text}` is neither `latest` nor a day like `2026-05-08`")]
    When {
        /// The word.
        text: String,
        /// What stands behind the `@`.
        when: String,
    },
}

impl Unresolved {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Unresolved::NotFound { near, .. } if near.is_empty() => {
                Some("`larder archive list` shows every archive".to_owned())
            }
            Unresolved::NotFound { near, .. } => {
                Some(format!("did you mean `{}`?", near.join("` or `")))
            }
            Unresolved::Elsewhere { .. } => {
                Some("name such a place with `--location`, or none".to_owned())
            }
            Unresolved::NotTrashed { .. } => Some(
                "`larder archive list --condition trashed` shows what can be taken back".to_owned(),
            ),
            Unresolved::SeveralArchives { .. } => {
                Some("name it by its id, or as ORIGIN/NAME".to_owned())
            }
            Unresolved::SeveralCopies { .. } => {
                Some("choose a copy with `--location` (`?location=` in the API)".to_owned())
            }
            Unresolved::When { .. } => None,
        }
    }
}

impl From<Unresolved> for Problem {
    fn from(error: Unresolved) -> Self {
        use axum::http::StatusCode;
        let hint = error.hint();
        let detail = error.to_string();
        let (status, candidates) = match error {
            Unresolved::NotFound { .. }
            | Unresolved::Elsewhere { .. }
            | Unresolved::NotTrashed { .. } => (StatusCode::NOT_FOUND, Vec::new()),
            Unresolved::SeveralArchives { candidates, .. }
            | Unresolved::SeveralCopies { candidates, .. } => (StatusCode::CONFLICT, candidates),
            Unresolved::When { .. } => (StatusCode::BAD_REQUEST, Vec::new()),
        };
        let mut problem = Problem::new(status, detail);
        problem.hint = hint;
        problem.candidates = candidates;
        problem
    }
}

/// Finds the copy that a word means.
///
/// # Errors
/// See [`Unresolved`].
pub fn resolve<'a>(
    question: Question<'_>,
    archives: &'a [Archive],
) -> Result<&'a Archive, Unresolved> {
    let text = question.text;
    let at_location = |archive: &&Archive| {
        question.location.is_none_or(|location| archive.location.as_str() == location)
    };
    let usable = |archive: &&Archive| question.need != Need::Trashed || is_trashed(archive);
    let pool: Vec<&Archive> = archives.iter().filter(at_location).filter(usable).collect();

    let found = named(question, &pool)?;
    let Some(first) = found.first() else {
        let text = text.to_owned();
        if let Some(location) = question.location {
            let everywhere: Vec<&Archive> = archives.iter().filter(usable).collect();
            let mut at: Vec<String> =
                named(question, &everywhere)?.iter().map(|one| one.location.to_string()).collect();
            at.sort_unstable();
            at.dedup();
            if !at.is_empty() {
                return Err(Unresolved::Elsewhere { text, location: location.to_owned(), at });
            }
        }
        let anywhere = Question { need: Need::AnyCopy, ..question };
        if question.need == Need::Trashed && resolve(anywhere, archives).is_ok() {
            return Err(Unresolved::NotTrashed { text });
        }
        return Err(Unresolved::NotFound { near: near(&text, &pool), text });
    };
    if found.iter().any(|archive| archive.id != first.id) {
        let candidates = candidates(&found);
        return Err(Unresolved::SeveralArchives { text: text.to_owned(), candidates });
    }
    if found.len() > 1 && question.need != Need::AnyCopy {
        let candidates = candidates(&found);
        return Err(Unresolved::SeveralCopies { text: text.to_owned(), candidates });
    }
    let best = found.iter().min_by_key(|archive| copy_rank(archive));
    Ok(best.copied().unwrap_or(first))
}

/// Every copy of the pool that the word means.
fn named<'a>(question: Question<'_>, pool: &[&'a Archive]) -> Result<Vec<&'a Archive>, Unresolved> {
    let text = question.text;
    let mut found = by_name(text, pool);
    if found.is_empty()
        && let Some((job, when)) = text.rsplit_once('@')
    {
        found = by_time(text, job, when, question.whose, pool)?;
    }
    // What is in the trash is named only when nothing else has the name, or when it is asked for.
    if found.iter().any(|archive| !is_trashed(archive)) {
        found.retain(|archive| !is_trashed(archive));
    }
    Ok(found)
}

/// Places in a sentence.
fn listed(places: &[String]) -> String {
    let quoted: Vec<String> = places.iter().map(|place| format!("`{place}`")).collect();
    quoted.join(" and ")
}

fn candidates(found: &[&Archive]) -> Vec<Candidate> {
    let mut candidates: Vec<_> = found.iter().map(|archive| Candidate::from(*archive)).collect();
    candidates
        .sort_by(|a, b| (&a.origin, &a.id, &a.location).cmp(&(&b.origin, &b.id, &b.location)));
    candidates
}

fn is_trashed(archive: &Archive) -> bool {
    matches!(archive.condition, Condition::Trashed { .. })
}

/// The best copy to read comes first: there and sound, the original before copies.
fn copy_rank(archive: &Archive) -> (u8, u8, &str) {
    let condition = match archive.condition {
        Condition::Present => 0,
        Condition::Unavailable => 1,
        Condition::Trashed { .. } => 2,
        Condition::Corrupt => 3,
        Condition::Lost => 4,
    };
    let how = match archive.how {
        How::Scheduled | How::Manual | How::Received { .. } | How::Adopted => 0,
        How::Copied { .. } => 1,
    };
    (condition, how, archive.location.as_str())
}

/// By id, by name, or by `ORIGIN/NAME`.
fn by_name<'a>(text: &str, pool: &[&'a Archive]) -> Vec<&'a Archive> {
    if let Ok(id) = text.parse::<uuid::Uuid>() {
        return pool.iter().copied().filter(|archive| archive.id.0 == id).collect();
    }
    let plain: Vec<_> =
        pool.iter().copied().filter(|archive| archive.name.as_str() == text).collect();
    if !plain.is_empty() {
        return plain;
    }
    let Some((origin, name)) = text.split_once('/') else {
        return Vec::new();
    };
    let named =
        |archive: &&Archive| archive.origin.as_str() == origin && archive.name.as_str() == name;
    pool.iter().copied().filter(named).collect()
}

/// `JOB@latest`, `JOB@DAY`, or the same behind `ORIGIN/`: every copy of the newest good archive.
fn by_time<'a>(
    text: &str,
    job: &str,
    when: &str,
    whose: Whose<'_>,
    pool: &[&'a Archive],
) -> Result<Vec<&'a Archive>, Unresolved> {
    let day = if when == "latest" {
        None
    } else {
        let day: Date = when
            .parse()
            .map_err(|_| Unresolved::When { text: text.to_owned(), when: when.to_owned() })?;
        Some(day)
    };
    let is_of_job = |archive: &&Archive| whose.is_of_job(archive, job);
    let mut of_job: Vec<&Archive> = pool.iter().copied().filter(is_of_job).collect();
    if of_job.is_empty()
        && let Some((origin, job)) = job.split_once('/')
    {
        let theirs = |a: &&Archive| a.origin.as_str() == origin && a.job.as_str() == job;
        of_job = pool.iter().copied().filter(theirs).collect();
    }
    of_job.retain(|archive| day.is_none_or(|day| archive.day == day));
    if of_job.iter().any(|archive| !is_trashed(archive)) {
        of_job.retain(|archive| !is_trashed(archive));
    }
    let newest = |archives: &mut dyn Iterator<Item = &&'a Archive>| {
        archives.max_by_key(|archive| (archive.created_at, archive.id)).map(|archive| archive.id)
    };
    let id = newest(&mut of_job.iter().filter(|archive| archive.is_good()))
        .or_else(|| newest(&mut of_job.iter()));
    of_job.retain(|archive| Some(archive.id) == id);
    Ok(of_job)
}

/// Up to three names that are nearest to the word.
fn near(text: &str, pool: &[&Archive]) -> Vec<String> {
    if let Some((job, when)) = text.rsplit_once('@') {
        let mut jobs: Vec<&str> = pool.iter().map(|archive| archive.job.as_str()).collect();
        jobs.sort_unstable();
        jobs.dedup();
        // Of a job that is known, it is the day that has no archive.
        let near = nearest(job, jobs.into_iter().filter(|known| *known != job)).into_iter();
        let is_known = pool.iter().any(|archive| archive.job.as_str() == job);
        return near.filter(|_| !is_known).take(3).map(|job| format!("{job}@{when}")).collect();
    }
    let mut names: Vec<&str> = pool.iter().map(|archive| archive.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    nearest(text, names.into_iter()).into_iter().take(3).map(ToOwned::to_owned).collect()
}

/// Those names that a slip of the finger could have meant, the nearest first.
pub(super) fn nearest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    // One slip in three letters, three at most.
    let slips = (text.chars().count() / 3).clamp(1, 3);
    let distance = |name: &'a str| (strsim::damerau_levenshtein(text, name), name);
    let mut near: Vec<(usize, &str)> =
        names.map(distance).filter(|(distance, _)| *distance <= slips).collect();
    near.sort_unstable();
    near.into_iter().map(|(_, name)| name).collect()
}
