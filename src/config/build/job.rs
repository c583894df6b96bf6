//! Reads `[job.*]`.

use jiff::SignedDuration;

use super::World;
use super::place::with_recovery;
use super::reference::own_name;
use crate::config::context::{Context, Object};
use crate::config::keys::{Form, Kind};
use crate::config::table::Reader;
use crate::config::tree::Value;
use crate::config::value::{FromNode, wrong_type};
use crate::model::desired::Place;
use crate::model::job::{
    CONFIGURATION_JOB, CatchUp, Command, Database, Ended, Job, JobSource, JobState, RestoreSteps,
    SendTo, Via,
};
use crate::model::name::{JobName, Label, PlaceName};
use crate::model::protect::Protect;
use crate::model::retention::Policy;
use crate::model::schedule::Schedule;

mod goals;
mod source;

use goals::{read_drill, read_protect, read_restore};
use source::source;

/// The names that a job would give to archives at its places: known as soon as that much of it can
/// be read, whatever else is wrong with it.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) name: JobName,
    pub(super) label: Label,
    /// Where its archives are made, and where copies of them go.
    pub(super) places: Vec<PlaceName>,
    pub(super) is_ended: bool,
    pub(super) place: Place,
}

/// Reads a job. What it claims is noted, unless it stands for others (`*`), whose names come later.
pub(super) fn job(
    object: &Object,
    world: &World<'_>,
    claims: &mut Vec<Claim>,
    cx: &mut Context<'_>,
) -> Option<Job> {
    let name: Option<JobName> = own_name(object, cx);
    if object.id.name == CONFIGURATION_JOB {
        cx.error_with(
            object.at,
            format!(
                "`{CONFIGURATION_JOB}` is the job that larder makes itself, for this directory"
            ),
            "give it another name; `[recovery] configuration = false` ends larder's own",
        );
    }
    let r = Reader::open(Kind::Job.table(), &object.node, object.at, cx)?;
    let source = source(&r, cx);
    let label = label(&r, name.as_ref(), source.as_ref(), cx);
    let schedule = schedule(&r, world, cx);
    let retention = match r.entry("retention") {
        Some(_) => world.policy(&r, "retention", cx),
        None => world.default_policy(&r, cx),
    };
    let location = location(&r, world, cx);
    let send_to = copies(&r, world, location.as_ref(), cx);
    let ended = ended(&r, cx);
    if let (Some(name), Some(source), Some(label), Some(location)) =
        (&name, &source, &label, &location)
        && (ended.is_some() || source.wildcard().is_none())
    {
        let copies = send_to.iter().map(|copy| copy.to.clone());
        claims.push(Claim {
            name: name.clone(),
            label: label.clone(),
            places: std::iter::once(location.clone()).chain(copies).collect(),
            is_ended: ended.is_some(),
            place: object.place(),
        });
    }
    let before: Vec<Command> = r.value("before", cx);
    let protect = match r.table("protect", cx) {
        Some(protect) => read_protect(protect, cx),
        None => Some(Protect::default()),
    };
    let restore = match r.table("restore", cx) {
        Some(restore) => read_restore(restore, cx),
        None => Some(RestoreSteps::default()),
    };
    let mut job = Job {
        send_to,
        encrypt_to: Vec::new(),
        after: r.value("after", cx),
        enabled: r.value("enabled", cx),
        timeout: timeout(&r, cx),
        catch_up: r.maybe("catch_up", cx).unwrap_or_else(|| usual_catch_up(&before)),
        before,
        retries: r.value("retries", cx),
        allow_partial: r.value("allow_partial", cx),
        shrink_alarm: r.value("shrink_alarm", cx),
        suspect_keep: r.value("suspect_keep", cx),
        manual_keep: r.value("manual_keep", cx),
        hold_max: r.value("hold_max", cx),
        formerly: r.value("formerly", cx),
        ended,
        drill: r.table("drill", cx).and_then(|drill| read_drill(drill, source.as_ref(), cx)),
        place: object.place(),
        effective_json: String::new(),
        // What may be missing comes last, so that every mistake was found before one ends it here.
        name: name?,
        source: source?,
        label: label?,
        schedule: schedule?,
        retention: retention?,
        location: location?,
        protect: protect?,
        restore: restore?,
    };
    r.finish(cx)?;
    job.effective_json = crate::config::show::job_json(&job).to_string();
    Some(job)
}

fn timeout(r: &Reader<'_>, cx: &mut Context<'_>) -> SignedDuration {
    let timeout: SignedDuration = r.value("timeout", cx);
    if timeout.is_zero() {
        cx.error_with(
            r.place("timeout"),
            "a time-out of 0 ends every run at once",
            "for instance `\"6h\"`",
        );
    }
    timeout
}

/// A job that stops something while it runs must not do so in the middle of the day.
fn usual_catch_up(before: &[Command]) -> CatchUp {
    if before.is_empty() { CatchUp::Now } else { CatchUp::Next }
}

fn label(
    r: &Reader<'_>,
    name: Option<&JobName>,
    source: Option<&JobSource>,
    cx: &mut Context<'_>,
) -> Option<Label> {
    if r.entry("label").is_some() {
        return r.maybe("label", cx);
    }
    let name = name?.to_string();
    let of_database = |program: &str, database: &Database| match database.database.as_str() {
        "*" => name.clone(),
        database => format!("{program}_{database}"),
    };
    let text = match source? {
        JobSource::CustomDir(_) | JobSource::YnhApp { .. } => name,
        JobSource::Mysql(database) => of_database("mysql", database),
        JobSource::Postgresql(database) => of_database("postgresql", database),
        JobSource::YnhSystem { .. } => "system".to_owned(),
    };
    match text.parse() {
        Ok(label) => Some(label),
        Err(error) => {
            cx.error_with(
                r.at,
                format!("the label cannot be made of the name: {error}"),
                "write `label = \"…\"` into this job",
            );
            None
        }
    }
}

fn schedule(r: &Reader<'_>, world: &World<'_>, cx: &mut Context<'_>) -> Option<Schedule> {
    if r.entry("schedule").is_some() {
        return r.maybe("schedule", cx);
    }
    if world.defaults.schedule.is_none() {
        world.no_default(r, "schedule", "schedule = \"0 3 * * *\"", cx);
    }
    world.defaults.schedule.clone()
}

fn location(r: &Reader<'_>, world: &World<'_>, cx: &mut Context<'_>) -> Option<PlaceName> {
    if r.entry("location").is_some() {
        return world.location(r, "location", cx);
    }
    let Some(location) = &world.defaults.location else {
        let declared = world.declared.iter().find(|id| id.kind == Kind::Location);
        let name = declared.map_or("main", |id| id.name.as_str());
        world.no_default(r, "location", &format!("location = \"{name}\""), cx);
        return None;
    };
    world.place(location, r.at, &[Kind::Location], cx).then(|| location.clone())
}

impl World<'_> {
    /// Reports a key that neither a job nor `[defaults]` has.
    fn no_default(&self, r: &Reader<'_>, key: &str, example: &str, cx: &mut Context<'_>) {
        if self.defaults.is_broken {
            cx.lacks.get_or_insert_with(|| "it uses `[defaults]`, which is broken".to_owned());
        } else if cx.object.torn || !self.torn.is_empty() {
            cx.lacks.get_or_insert_with(|| "a file with syntax errors may say more".to_owned());
        } else {
            cx.error_with(
                r.at,
                format!("`{key}` is missing, and `[defaults]` has none"),
                format!("write `{example}` here or into `[defaults]`"),
            );
        }
    }

    pub(super) fn default_policy(&self, r: &Reader<'_>, cx: &mut Context<'_>) -> Option<Policy> {
        if self.defaults.retention.is_none() {
            self.no_default(r, "retention", "retention = { mode = \"count\", value = 7 }", cx);
        }
        self.defaults.retention
    }
}

fn copies(
    r: &Reader<'_>,
    world: &World<'_>,
    own: Option<&PlaceName>,
    cx: &mut Context<'_>,
) -> Vec<SendTo> {
    let (items, form) = r.items("send_to", cx);
    let mut copies: Vec<SendTo> = Vec::new();
    for item in items {
        let copy = match (&item.value, form) {
            (Value::Text { .. }, _) => PlaceName::from_node(item, &Form::Name, cx).and_then(|to| {
                let kinds = [Kind::Peer, Kind::Location];
                let usable = world.place(&to, item.at, &kinds, cx);
                let plain = SendTo { to, via: Via::Auto, retention: None, encrypt_to: Vec::new() };
                usable.then_some((plain, item.at))
            }),
            (Value::Table(_), Form::NameOr(table)) => Reader::open(table, item, item.at, cx)
                .and_then(|r| {
                    let at = r.place("to");
                    Some((copy(&r, world, cx)?, at))
                }),
            _ => wrong_type(item, form, cx),
        };
        let Some((copy, at)) = copy else { continue };
        if Some(&copy.to) == own {
            cx.error_with(
                at,
                format!("`{}` is where this job's archives are made", copy.to),
                "remove it from `send_to`",
            );
        }
        if copies.iter().any(|other| other.to == copy.to) {
            cx.error_with(
                at,
                format!("`{}` stands in `send_to` twice", copy.to),
                "remove one of them",
            );
        }
        copies.push(copy);
    }
    copies
}

fn copy(r: &Reader<'_>, world: &World<'_>, cx: &mut Context<'_>) -> Option<SendTo> {
    let to: Option<PlaceName> = r.get("to", cx);
    let usable = to
        .as_ref()
        .is_some_and(|to| world.place(to, r.place("to"), &[Kind::Peer, Kind::Location], cx));
    let via = r.get("via", cx);
    let retention = world.policy(r, "retention", cx);
    let encrypt_to = r.get("encrypt_to", cx);
    let to = to?;
    if world.places.contains_key(&to) && r.entry("via").is_some() {
        cx.error_with(
            r.place("via"),
            format!("`via` belongs to peers; `{to}` is a location"),
            "remove it",
        );
    }
    let is_kept_there = world.peers.contains(&to) && !world.pruned.contains(&to);
    if is_kept_there && r.entry("retention").is_some() {
        cx.error_with(
            r.place("retention"),
            format!("`retention` belongs to locations; `{to}` is a peer"),
            "a peer keeps by a policy of its own; an SSH one with `prune = true` by ours",
        );
    }
    let via = via?;
    let encrypt_to = with_recovery(encrypt_to?, &world.recovery);
    usable.then_some(SendTo { to, via, retention, encrypt_to })
}

/// How the job was ended; `None` for a living one, and after a report.
fn ended(r: &Reader<'_>, cx: &mut Context<'_>) -> Option<Ended> {
    let state: Option<JobState> = r.get("state", cx);
    let archives: Option<Ended> = r.get("archives", cx);
    match (state?, archives?) {
        (JobState::Present, Ended::KeepArchives) => None,
        (JobState::Present, Ended::ExpireArchives) => {
            cx.error_with(
                r.place("archives"),
                "`archives = \"expire\"` belongs to `state = \"absent\"`",
                "a living job's archives expire by its `retention`",
            );
            None
        }
        (JobState::Absent, archives) => Some(archives),
    }
}
