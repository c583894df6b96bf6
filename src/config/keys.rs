//! Every key of the configuration, described once.
//!
//! The reader (`table.rs`), the JSON schema and the documentation are all driven by these
//! descriptions, so a key cannot be read and undocumented, or documented and not read.
//! **Invariant:** nothing else lists keys, but for the page's form of a job, which a test holds to
//! these.

use crate::model::words::words;

mod instance;
mod job;
mod peer;
mod place;

/// What a value looks like.
#[derive(Debug)]
pub(crate) enum Form {
    /// Any text that is not empty.
    Text,
    /// The name of an object: letters, digits, `_`, `-` and `.`.
    Name,
    Bool,
    /// A whole number with its least and its greatest value.
    Integer(i64, i64),
    Size,
    Duration,
    /// A duration or `auto`.
    DurationOrAuto,
    Percent,
    Schedule,
    /// Relative paths are relative to the file that names them.
    Path,
    Url,
    Timezone,
    OctalMode,
    Codec,
    /// An age recipient.
    Recipient,
    /// The hash of a token.
    Hash,
    /// `ADDRESS:PORT` or `unix:PATH`.
    Listen,
    /// One of these words.
    Word(&'static [&'static str]),
    Secret,
    /// A list of arguments, or a line for the shell.
    Command,
    List(&'static Form),
    Table(&'static Table),
    /// A name, or a table in its place.
    NameOr(&'static Table),
}

/// Whether a key must be there, and what holds when it is not.
#[derive(Debug)]
pub(crate) enum Need {
    Required,
    /// The default, as TOML.
    Default(&'static str),
    /// What holds without, in words.
    Optional(&'static str),
}

/// A key of a table.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    pub(crate) need: Need,
    /// The values of the table's switch that this key belongs to; empty for all.
    pub(crate) only: &'static [&'static str],
    /// What it counts, where that is not said by its form.
    pub(crate) unit: &'static str,
    /// A value, as TOML.
    pub(crate) example: &'static str,
    pub(crate) doc: &'static str,
}

impl Key {
    pub(crate) const fn new(
        name: &'static str,
        form: Form,
        need: Need,
        example: &'static str,
        doc: &'static str,
    ) -> Self {
        Self { name, form, need, only: &[], unit: "", example, doc }
    }

    pub(crate) const fn only(mut self, only: &'static [&'static str]) -> Self {
        self.only = only;
        self
    }

    pub(crate) const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    pub(crate) fn belongs_to(&self, variant: &str) -> bool {
        self.only.is_empty() || self.only.contains(&variant)
    }
}

/// A table: its title in the documentation, its keys, and the key that decides which others belong.
#[derive(Debug)]
pub(crate) struct Table {
    /// `job.NAME`, `instance`, `job.NAME.restore`.
    pub(crate) title: &'static str,
    pub(crate) doc: &'static str,
    /// `type`, `kind` or `mode`, where there is one.
    pub(crate) switch: Option<&'static str>,
    pub(crate) keys: &'static [Key],
}

impl Table {
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The values of the switch.
    pub(crate) fn variants(&self) -> &'static [&'static str] {
        match self.switch.and_then(|switch| self.key(switch)).map(|key| &key.form) {
            Some(Form::Word(words)) => words,
            _ => &[],
        }
    }
}

words! {
    /// A kind of object, in the order of the documentation.
    #[derive(
        Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
    )]
    #[serde(rename_all = "lowercase")]
    pub(crate) enum Kind {
        Instance = "instance",
        Recovery = "recovery",
        Defaults = "defaults",
        Retention = "retention",
        Location = "location",
        Job = "job",
        Peer = "peer",
        Token = "token",
        Notify = "notify",
    }
}

impl Kind {
    /// Whether there is one without a name, instead of any number with names.
    pub(crate) fn is_single(self) -> bool {
        match self {
            Kind::Instance | Kind::Recovery | Kind::Defaults => true,
            Kind::Retention
            | Kind::Location
            | Kind::Job
            | Kind::Peer
            | Kind::Token
            | Kind::Notify => false,
        }
    }

    pub(crate) fn table(self) -> &'static Table {
        match self {
            Kind::Instance => &instance::INSTANCE,
            Kind::Recovery => &instance::RECOVERY,
            Kind::Defaults => &instance::DEFAULTS,
            Kind::Retention => &place::RETENTION,
            Kind::Location => &place::LOCATION,
            Kind::Job => &job::JOB,
            Kind::Peer => &peer::PEER,
            Kind::Token => &instance::TOKEN,
            Kind::Notify => &instance::NOTIFY,
        }
    }
}
