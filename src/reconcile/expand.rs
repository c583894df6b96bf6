//! What a job with `*` stands for: one job for each database or app that is there.
//!
//! **Invariants:** no two jobs that put archives into one place share a label; what a member is
//! called depends on the configuration and on its own name, not on the members beside it; a member
//! whose name cannot be part of an archive's name gets one that can, and is never dropped.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::situation::Situation;
use super::{Note, Part, Weight, show};
use crate::model::desired::Desired;
use crate::model::hex;
use crate::model::job::{Database, Job, JobSource};
use crate::model::members::{Found, Listing, Members, asked};
use crate::model::name::{ARCHIVE_NAME_MAX, ArchiveName, InstanceName, JobName, Label, PlaceName};

/// Most characters of the part of a job's name behind the `/`.
const ITEM_MAX: usize = 64;
/// Most characters of a label.
const LABEL_MAX: usize = 40;
/// How many hex digits make a name of its own; more where that is not enough.
const DIGITS: [usize; 4] = [6, 10, 16, 32];

/// The configuration with the series of every job with `*` in its place, as far as its members are
/// known. One that stands for nothing, or for what nobody knows yet, stays where it is, so that
/// people see it; it makes no archive.
#[must_use]
pub fn expand(declared: &Desired, members: &Members) -> Desired {
    let mut desired = declared.clone();
    let templates: Vec<&Job> = declared.jobs.values().filter(|job| job.is_template()).collect();
    let mut labels = Labels::of(declared, &templates);
    for template in &templates {
        desired.templates.insert(template.name.clone(), (*template).clone());
        let listed = found(template, members).map(|found| wanted(template, found));
        let Some(listed) = listed.filter(|listed| !listed.is_empty()) else { continue };
        desired.jobs.remove(&template.name);
        for (member, name) in names(&template.name, &listed) {
            let label = labels.take(template, member);
            desired.jobs.insert(name.clone(), series(template, member, name, label));
        }
    }
    desired
}

/// The newest listing of a job's members, where it holds: one of another server does not.
pub(crate) fn found<'a>(template: &Job, members: &'a Members) -> Option<&'a Found> {
    let listing = members.get(&template.name)?;
    listing.found.as_ref().filter(|_| listing.of == asked(&template.source))
}

/// The members that a job wants, of those that are there.
#[must_use]
pub fn wanted<'a>(template: &Job, found: &'a Found) -> BTreeSet<&'a str> {
    let except = template.source.wildcard().unwrap_or_default();
    let members = found.members.iter().map(String::as_str);
    let is_kept = |member: &&str| !except.iter().any(|left_out| left_out == member);
    members.filter(|member| !member.is_empty()).filter(is_kept).collect()
}

/// One job of its own, all but what it reads and what it is called as the template has it.
fn series(template: &Job, member: &str, name: JobName, label: Label) -> Job {
    let one = |database: &Database| Database {
        database: member.to_owned(),
        except: Vec::new(),
        ..database.clone()
    };
    let source = match &template.source {
        JobSource::Mysql(database) => JobSource::Mysql(one(database)),
        JobSource::Postgresql(database) => JobSource::Postgresql(one(database)),
        JobSource::YnhApp { core_only, .. } => JobSource::YnhApp {
            app_id: member.to_owned(),
            except: Vec::new(),
            core_only: *core_only,
        },
        other @ (JobSource::CustomDir(_) | JobSource::YnhSystem { .. }) => other.clone(),
    };
    let item = name.as_str().split_once('/').map_or("", |(_, item)| item);
    let formerly =
        template.formerly.iter().filter_map(|earlier| format!("{earlier}/{item}").parse().ok());
    Job { source, label, formerly: formerly.collect(), name, ..template.clone() }
}

/// What the series of some members are called. Names that can stand as they are come first, so
/// that none of them is ever given to another.
fn names<'a>(template: &JobName, members: &BTreeSet<&'a str>) -> Vec<(&'a str, JobName)> {
    let mut taken: BTreeSet<JobName> = BTreeSet::new();
    let mut odd = Vec::new();
    let mut named = Vec::new();
    for member in members {
        match series_name(template, member) {
            Some(name) => {
                taken.insert(name.clone());
                named.push((*member, name));
            }
            None => odd.push(*member),
        }
    }
    for member in odd {
        let free = DIGITS.iter().find_map(|digits| {
            let item = with_hash(template, member, member, ITEM_MAX, *digits);
            series_name(template, &item).filter(|name| !taken.contains(name))
        });
        if let Some(name) = free {
            taken.insert(name.clone());
            named.push((member, name));
        }
    }
    named.sort();
    named
}

fn series_name(template: &JobName, item: &str) -> Option<JobName> {
    // A second `/` would be another depth, and is refused with every other odd character.
    format!("{template}/{item}").parse().ok()
}

/// A text that can be a name, of at most `max` characters: made of `text` and of a hash of the member.
fn with_hash(template: &JobName, member: &str, text: &str, max: usize, digits: usize) -> String {
    let hash = hex::encode(&Sha256::digest(format!("{template}/{member}")));
    let digits = digits.min(max);
    let room = max.saturating_sub(digits + 1);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut name: String =
        text.chars().map(|c| if allowed(c) { c } else { '_' }).take(room).collect();
    if name.starts_with(['-', '.']) {
        name.replace_range(..1, "_");
    }
    if !name.is_empty() {
        name.push('-');
    }
    name.push_str(&hash[..digits]);
    name
}

/// The labels that are in use, by place.
struct Labels<'a> {
    instance: &'a InstanceName,
    taken: BTreeSet<(PlaceName, Label)>,
    prefixes: BTreeMap<&'a JobName, String>,
}

impl<'a> Labels<'a> {
    fn of(declared: &'a Desired, templates: &[&'a Job]) -> Self {
        let mut taken = BTreeSet::new();
        for job in declared.jobs.values().filter(|job| !job.is_template() && job.ended.is_none()) {
            taken.extend(places(job).map(|place| (place.clone(), job.label.clone())));
        }
        let mut prefixes: BTreeMap<&JobName, String> = BTreeMap::new();
        for (nth, template) in templates.iter().enumerate() {
            let mut prefix = prefix(template);
            let is_used = templates[..nth].iter().any(|earlier| {
                prefixes.get(&earlier.name) == Some(&prefix)
                    && places(earlier).any(|place| places(template).any(|other| other == place))
            });
            if is_used {
                prefix = format!("{}_", template.name);
            }
            prefixes.insert(&template.name, prefix);
        }
        Self { instance: &declared.instance.name, taken, prefixes }
    }

    /// The label of a member: its plain one where that can be, else one with a hash.
    fn take(&mut self, template: &Job, member: &str) -> Label {
        let prefix = self.prefixes.get(&template.name).map_or("", String::as_str);
        let plain = format!("{prefix}{member}");
        let room = room(self.instance);
        let is_free = |label: &Label| {
            label.as_str().len() <= room
                && !places(template).any(|at| self.taken.contains(&(at.clone(), label.clone())))
        };
        let hashed = |digits: &usize| {
            let text = with_hash(&template.name, member, &plain, room, *digits);
            text.parse::<Label>().ok().filter(is_free)
        };
        let label = plain.parse().ok().filter(is_free);
        let label = label.or_else(|| DIGITS.iter().find_map(hashed));
        // 32 digits of a hash, or as many as there is room for, name nobody else.
        let label = label.unwrap_or_else(|| template.label.clone());
        self.taken.extend(places(template).map(|place| (place.clone(), label.clone())));
        label
    }
}

/// What stands before the members in their labels: the job's own label where it has one.
fn prefix(template: &Job) -> String {
    if template.label.as_str() != template.name.as_str() {
        return format!("{}_", template.label);
    }
    match &template.source {
        JobSource::Mysql(_) => "mysql_".to_owned(),
        JobSource::Postgresql(_) => "postgresql_".to_owned(),
        JobSource::CustomDir(_) | JobSource::YnhApp { .. } | JobSource::YnhSystem { .. } => {
            String::new()
        }
    }
}

/// Where archives of a job rest: copies keep their name.
fn places(job: &Job) -> impl Iterator<Item = &PlaceName> {
    std::iter::once(&job.location).chain(job.send_to.iter().map(|copy| &copy.to))
}

/// Most characters of a label of this instance.
fn room(instance: &InstanceName) -> usize {
    let one: Label = "x".parse().expect("a letter is a label");
    let others = ArchiveName::longest(instance, &one) - 1;
    ARCHIVE_NAME_MAX.saturating_sub(others).min(LABEL_MAX)
}

/// Members whose label is not the plain one, each with the label that it has instead.
#[must_use]
pub fn renamed(expanded: &Desired, template: &Job) -> Vec<(String, Label)> {
    let prefix = prefix(template);
    let series = expanded.series_of(&template.name).filter_map(|job| {
        let member = member_of(&job.source)?;
        let is_plain = job.label.as_str() == format!("{prefix}{member}");
        (!is_plain).then(|| (member.to_owned(), job.label.clone()))
    });
    series.collect()
}

/// The database or app that a source names.
fn member_of(source: &JobSource) -> Option<&str> {
    match source {
        JobSource::Mysql(database) | JobSource::Postgresql(database) => Some(&database.database),
        JobSource::YnhApp { app_id, .. } => Some(app_id),
        JobSource::CustomDir(_) | JobSource::YnhSystem { .. } => None,
    }
}

/// What there is to say of jobs with `*`.
pub(super) fn part(situation: &Situation) -> Part {
    let mut part = Part::default();
    let nothing = Listing::default();
    // Before they were replaced, as without a state, they stand among the other jobs.
    let written = situation.desired.jobs.values().filter(|job| job.is_template());
    let replaced = situation.desired.templates.values();
    let replaced = replaced.filter(|job| !situation.desired.jobs.contains_key(&job.name));
    for template in written.chain(replaced).filter(|job| job.enabled) {
        part.wakes.extend(super::backups::next_scheduled(situation, template));
        let name = &template.name;
        let listing = situation.observed.members.get(name).unwrap_or(&nothing);
        let mut note =
            |weight, text| part.notes.push(Note { weight, job: Some(name.clone()), text });
        let found = found(template, &situation.observed.members);
        match (listing.failure(), found) {
            (Some(failure), Some(found)) => note(
                Weight::Problem,
                format!(
                    "what `{name}` stands for cannot be listed: {failure}; what was there at {} stays in force",
                    show::moment(found.at, situation.now)
                ),
            ),
            (Some(failure), None) => note(
                Weight::Problem,
                format!(
                    "what `{name}` stands for cannot be listed, nothing of it is archived: {failure}"
                ),
            ),
            (None, None) => {
                note(Weight::Remark, format!("what `{name}` stands for has not been listed yet"));
            }
            (None, Some(_)) => {}
        }
        let Some(found) = found else { continue };
        if wanted(template, found).is_empty() {
            note(Weight::Remark, format!("`{name}` stands for nothing that is there now"));
        }
        let except = template.source.wildcard().unwrap_or_default();
        for left_out in except.iter().filter(|left_out| !found.members.contains(*left_out)) {
            note(
                Weight::Remark,
                format!("`{name}` leaves `{}` out, which is not there", left_out.escape_default()),
            );
        }
    }
    part
}
