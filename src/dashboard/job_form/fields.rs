//! The keys of a job, as a form has them: one table, in the order in which TOML is written.

use crate::model::job::{CatchUp, Ended, JobState, JobType, SourceMount};

/// How a key is filled in, and what it becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    Number,
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Texts, one a line.
    Lines,
    /// Commands, one a line.
    Commands,
    /// `8080/tcp`, one a line.
    Ports,
    /// Where a secret is kept; in two inputs.
    Secret,
    /// These have inputs of their own: see [`super::filled`].
    Retention,
    Location,
    Copies,
}

/// Where in the form a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Source,
    When,
    Keep,
    Where,
    Around,
    Goal,
    Restore,
    More,
}

impl Part {
    pub(super) const ALL: [Self; 8] = [
        Part::Source,
        Part::When,
        Part::Keep,
        Part::Where,
        Part::Around,
        Part::Goal,
        Part::Restore,
        Part::More,
    ];
}

/// A key of `[job.NAME]`; dots lead into the tables below.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) key: &'static str,
    pub(super) shape: Shape,
    pub(super) part: Part,
    /// The types that have it; empty: all.
    only: &'static [JobType],
    /// What holds where it is not written; empty where that is nothing, or not fixed.
    pub(super) default: &'static str,
    /// What the empty input shows.
    pub(super) example: &'static str,
}

impl Field {
    const fn new(key: &'static str, shape: Shape, part: Part) -> Self {
        Self { key, shape, part, only: &[], default: "", example: "" }
    }

    const fn only(self, only: &'static [JobType]) -> Self {
        Self { only, ..self }
    }

    const fn default(self, default: &'static str) -> Self {
        Self { default, ..self }
    }

    const fn example(self, example: &'static str) -> Self {
        Self { example, ..self }
    }

    pub(super) fn belongs_to(&self, job_type: JobType) -> bool {
        self.only.is_empty() || self.only.contains(&job_type)
    }
}

const DIR: &[JobType] = &[JobType::CustomDir];
const DATABASES: &[JobType] = &[JobType::Mysql, JobType::Postgresql];
const APP: &[JobType] = &[JobType::YnhApp];
const MANY: &[JobType] = &[JobType::Mysql, JobType::Postgresql, JobType::YnhApp];
const SYSTEM: &[JobType] = &[JobType::YnhSystem];

/// Those of a type.
pub(super) fn of(job_type: JobType) -> impl Iterator<Item = &'static Field> {
    FIELDS.iter().filter(move |field| field.belongs_to(job_type))
}

/// All of them.
pub(super) const FIELDS: &[Field] = &[
    Field::new("source_path", Shape::Text, Part::Source).only(DIR).example("/opt/hermes-agent"),
    Field::new("excludes", Shape::Lines, Part::Source).only(DIR).example("cache/\n*.tmp"),
    Field::new("one_file_system", Shape::Flag, Part::Source).only(DIR).default("true"),
    Field::new("source_mount", Shape::Word(&SourceMount::WORDS), Part::Source)
        .only(DIR)
        .default("remembered"),
    Field::new("database", Shape::Text, Part::Source).only(DATABASES).example("mabase"),
    Field::new("app_id", Shape::Text, Part::Source).only(APP).example("nextcloud"),
    Field::new("except", Shape::Lines, Part::Source).only(MANY),
    Field::new("core_only", Shape::Flag, Part::Source).only(APP).default("false"),
    Field::new("parts", Shape::Lines, Part::Source).only(SYSTEM).example("conf_ssh\ndata_mail"),
    Field::new("host", Shape::Text, Part::Source).only(DATABASES).example("db.example.org"),
    Field::new("port", Shape::Number, Part::Source).only(DATABASES),
    Field::new("socket", Shape::Text, Part::Source).only(DATABASES),
    Field::new("user", Shape::Text, Part::Source).only(DATABASES),
    Field::new("password", Shape::Secret, Part::Source).only(DATABASES),
    Field::new("options", Shape::Lines, Part::Source).only(DATABASES).example("--hex-blob"),
    Field::new("schedule", Shape::Text, Part::When).example("0 3 * * *"),
    Field::new("retention", Shape::Retention, Part::Keep),
    Field::new("location", Shape::Location, Part::Where),
    Field::new("send_to", Shape::Copies, Part::Where),
    Field::new("before", Shape::Commands, Part::Around)
        .example("[\"systemctl\", \"stop\", \"hermes-agent\"]"),
    Field::new("after", Shape::Commands, Part::Around)
        .example("[\"systemctl\", \"start\", \"hermes-agent\"]"),
    Field::new("enabled", Shape::Flag, Part::When).default("true"),
    Field::new("label", Shape::Text, Part::More),
    Field::new("timeout", Shape::Text, Part::More).default("6h"),
    Field::new("catch_up", Shape::Word(&CatchUp::WORDS), Part::More),
    Field::new("retries", Shape::Number, Part::More).default("3"),
    Field::new("allow_partial", Shape::Flag, Part::More).default("false"),
    Field::new("shrink_alarm", Shape::Text, Part::More).default("50%"),
    Field::new("suspect_keep", Shape::Text, Part::More).default("14d"),
    Field::new("manual_keep", Shape::Text, Part::More).default("30d"),
    Field::new("hold_max", Shape::Text, Part::More).default("7d"),
    Field::new("formerly", Shape::Lines, Part::More),
    Field::new("state", Shape::Word(&JobState::WORDS), Part::More).default("present"),
    Field::new("archives", Shape::Word(&Ended::WORDS), Part::More).default("keep"),
    // A goal that somebody wrote counts even where it says the usual: so nothing is left out.
    Field::new("protect.max_age", Shape::Text, Part::Goal).example("auto"),
    Field::new("protect.copies", Shape::Number, Part::Goal).example("1"),
    Field::new("protect.offsite", Shape::Number, Part::Goal).example("0"),
    Field::new("protect.proven", Shape::Text, Part::Goal).example("30d"),
    Field::new("drill.schedule", Shape::Text, Part::Goal).example("0 5 1 * *"),
    Field::new("drill.assert", Shape::Lines, Part::Goal)
        .only(DATABASES)
        .example("SELECT count(*) > 0 FROM users"),
    Field::new("restore.system_user.name", Shape::Text, Part::Restore),
    Field::new("restore.system_user.home", Shape::Text, Part::Restore),
    Field::new("restore.system_user.shell", Shape::Text, Part::Restore).example("/bin/false"),
    Field::new("restore.systemd_service.name", Shape::Text, Part::Restore),
    Field::new("restore.systemd_service.service_file", Shape::Text, Part::Restore),
    Field::new("restore.permissions.owner", Shape::Text, Part::Restore),
    Field::new("restore.permissions.mode", Shape::Text, Part::Restore).example("750"),
    Field::new("restore.firewall_ports", Shape::Ports, Part::Restore).example("8080/tcp"),
    Field::new("restore.post_restore_commands", Shape::Commands, Part::Restore),
];
