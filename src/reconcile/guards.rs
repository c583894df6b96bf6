//! What stands in the way and what is wrong: notes for people, never a deed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp, Zoned};
use sha2::{Digest as _, Sha256};

use super::situation::Situation;
use super::{Note, Part, Weight, show};
use crate::model::archive::{Archive, Condition, How};
use crate::model::hex;
use crate::model::job::Job;
use crate::model::name::{InstanceName, JobName, PlaceName};
use crate::model::observed::{Damage, Freeze, LocationState};

pub(super) fn part(situation: &Situation) -> Part {
    let mut part = Part::default();
    // Whatever had to wait after a failure may go on then.
    part.wakes.extend(situation.observed.not_before.values());
    let problem = |text| Note { weight: Weight::Problem, job: None, text };
    part.notes.extend(situation.observed.freezes.iter().map(|freeze| problem(frozen(freeze))));
    part.notes.extend(situation.observed.given_up.iter().map(|(id, work)| {
        problem(format!(
            "run {id} ({}) was given up and hangs still: a disk or a network file system may not \
             answer (`dmesg`)",
            work.word()
        ))
    }));
    part.notes.extend(situation.observed.after_owed.iter().map(|(id, job)| {
        problem(format!(
            "run {id} of `{job}` was broken off before its commands `after` ran: what `before` \
             stopped may be down; `larder apply` runs them, and so does the daemon when it starts"
        ))
    }));
    let damage = situation.observed.damage.iter();
    part.notes.extend(damage.map(|damage| problem(damaged(damage, situation.now))));
    for (name, location) in &situation.desired.locations {
        // Where the location is gone, so are the name spaces in it: that is told once.
        if name.above().is_some_and(|above| !situation.is_available(&above)) {
            continue;
        }
        if situation.observed.to_be_made.contains(name) && situation.is_available(name) {
            let path = location.path.display();
            part.notes.push(Note {
                weight: Weight::Remark,
                job: None,
                text: format!(
                    "location `{name}` is yet to be made: the first run that writes there makes \
                     and marks `{path}`; mount what belongs there before"
                ),
            });
        }
        let text = match situation.observed.locations.get(name) {
            None | Some(LocationState::Available { .. }) => continue,
            Some(LocationState::Unavailable(reason)) => {
                format!("location `{name}` is not there: {reason}")
            }
            Some(LocationState::Suspect(reason)) => {
                format!("location `{name}` answers with errors: {reason}")
            }
        };
        let expected = situation.absent_removable(name).is_some();
        let weight = if expected && location.removable { Weight::Remark } else { Weight::Problem };
        part.notes.push(Note { weight, job: None, text });
    }
    part.notes.extend(broken_archives(situation));
    part.notes.extend(claimed_names(situation));
    for job in situation.desired.jobs.values().filter(|job| job.enabled && job.ended.is_none()) {
        if job.is_template() {
            continue;
        }
        match overdue(situation, job) {
            Overdue::Since { text } => part.notes.push(Note {
                weight: Weight::Problem,
                job: Some(job.name.clone()),
                text: format!("`{}` is overdue: {text}", job.name),
            }),
            Overdue::NotBefore(at) => part.wakes.push(at),
        }
    }
    part
}

/// A freeze in one line, with the way out.
pub(crate) fn frozen(freeze: &Freeze) -> String {
    match freeze {
        Freeze::Clock(reason) => {
            format!("retention rests until a scheduled run has succeeded: {reason}")
        }
        Freeze::JobsVanished(reason) => format!(
            "retention rests: {reason}; `larder approve {}` says that it is meant",
            freeze_hash(freeze).unwrap_or_default()
        ),
        Freeze::Recovery(reason) => format!(
            "no backup, expiry or copy: {reason}; `larder recover` takes back what is there, \
             `larder recover --done` says that there is nothing to take back"
        ),
    }
}

/// What to give to `larder approve` to end a freeze: 12 hex digits of a SHA-256 over its words.
/// `None` for those that end by themselves, or otherwise.
pub(crate) fn freeze_hash(freeze: &Freeze) -> Option<String> {
    match freeze {
        Freeze::JobsVanished(reason) => Some(hash_of(&format!("jobs-vanished\n{reason}"))),
        Freeze::Clock(_) | Freeze::Recovery(_) => None,
    }
}

/// What became of a damaged state in one line, with what ends the telling.
pub(crate) fn damaged(damage: &Damage, now: &Zoned) -> String {
    let seen = format!("`larder approve {}` says that it is known", damage_hash(damage));
    match damage {
        Damage::SetAside { at, path } => format!(
            "the state was found damaged at {} and set aside as `{}`: its history and its approvals \
             are lost, archives are found again from what lies beside them; {seen}",
            show::moment(*at, now),
            path.display()
        ),
        Damage::RolledBack { at } => format!(
            "the newest changes of the state were found damaged at {} and are lost: what was \
             approved or asked for just before may have to be again; look at the disk; {seen}",
            show::moment(*at, now)
        ),
    }
}

/// What to give to `larder approve` once a damage of the state is known.
pub(crate) fn damage_hash(damage: &Damage) -> String {
    match damage {
        Damage::SetAside { at, .. } => hash_of(&format!("set-aside\n{at}")),
        Damage::RolledBack { at } => hash_of(&format!("rolled-back\n{at}")),
    }
}

fn hash_of(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..6])
}

/// Whether the newest good archive of a job is too old.
pub(crate) enum Overdue {
    /// It is; in words.
    Since { text: String },
    /// It is not, and will be at the given time if nothing is made.
    NotBefore(Timestamp),
}

pub(crate) fn overdue(situation: &Situation, job: &Job) -> Overdue {
    let max_age = situation.max_age(job);
    let newest = situation.newest_good(&situation.archives(job));
    let since = match newest {
        Some(archive) => archive.created_at,
        // Without an archive the job has as long as it would have to make the next one.
        None => situation.facts(job).map_or(situation.moment, |facts| facts.first_seen),
    };
    let limit = since.saturating_add(max_age).unwrap_or(Timestamp::MAX);
    if situation.moment <= limit {
        let just_after = limit.saturating_add(SignedDuration::from_secs(1));
        return Overdue::NotBefore(just_after.unwrap_or(Timestamp::MAX));
    }
    let age = show::duration(situation.moment.duration_since(since));
    let most = show::duration(max_age);
    let text = match newest {
        Some(_) => format!("its newest good archive is {age} old, {most} is the most"),
        None => format!("it has been known for {age} and has no good archive"),
    };
    Overdue::Since { text }
}

/// One line for each instance whose archives come from more than one peer, or bear our own name:
/// somebody is not who it says. They rest apart whatever it means.
fn claimed_names(situation: &Situation) -> Vec<Note> {
    let mut claims: BTreeMap<&InstanceName, BTreeSet<&PlaceName>> = BTreeMap::new();
    for archive in &situation.observed.archives {
        if let How::Received { from } = &archive.how {
            claims.entry(&archive.origin).or_default().insert(from);
        }
    }
    let own = &situation.desired.instance;
    let problem = |text| Note { weight: Weight::Problem, job: None, text };
    claims
        .into_iter()
        .filter_map(|(name, peers)| {
            let listed: Vec<String> = peers.iter().map(|peer| format!("`{peer}`")).collect();
            let listed = listed.join(" and ");
            if own.is_or_was(name) {
                return Some(problem(format!(
                    "archives that came from {listed} say that `{name}` made them, which is this \
                     instance: they rest apart from ours"
                )));
            }
            (peers.len() > 1).then(|| {
                problem(format!(
                    "archives of `{name}` come from peers {listed}: more than one instance claims \
                     that name, and what each sent rests apart"
                ))
            })
        })
        .collect()
}

/// One line for each job and place with archives that are damaged, lost or did not stand a drill.
fn broken_archives(situation: &Situation) -> Vec<Note> {
    // What is said of one, and what of many.
    type Words = (&'static str, &'static str);
    let mut found: BTreeMap<(&JobName, &PlaceName, Words), Vec<&Archive>> = BTreeMap::new();
    for archive in &situation.observed.archives {
        let what = match archive.condition {
            Condition::Corrupt => ("is damaged", "are damaged"),
            Condition::Lost => ("is gone from its place", "are gone from their place"),
            Condition::Present | Condition::Unavailable if archive.refuted.is_some() => {
                ("did not stand its drill", "did not stand their drills")
            }
            Condition::Present | Condition::Unavailable | Condition::Trashed { .. } => continue,
        };
        found.entry((&archive.job, &archive.location, what)).or_default().push(archive);
    }
    let note = |((job, location, (one, many)), archives): (
        (&JobName, &PlaceName, Words),
        Vec<&Archive>,
    )| {
        let newest = archives.iter().max_by_key(|archive| archive.created_at);
        let name = newest.map(|archive| archive.name.to_string()).unwrap_or_default();
        let why = newest.and_then(|archive| archive.refuted.as_deref());
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        let text = match archives.len() {
            1 => format!("{name} of `{job}` at `{location}` {one}{why}"),
            count => {
                format!(
                    "{count} archives of `{job}` at `{location}` {many}, {name} the newest{why}"
                )
            }
        };
        Note { weight: Weight::Problem, job: Some(JobName::clone(job)), text }
    };
    found.into_iter().map(note).collect()
}
