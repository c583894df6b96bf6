//! The closed sets of words, and the texts with a form of their own, as the document names them.
//!
//! The structs of this folder hold texts, since a command of an older version must be able to read
//! what a newer daemon says. What may stand in them is said here, from the words of the model
//! wherever it has a list of them. **Invariant:** these types have no values; they are schemas.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use super::health;
use crate::model::archive::{Condition as ModelCondition, How, Outcome};
use crate::model::contact::Presence;
use crate::model::job::{JobState as ModelJobState, JobType as ModelJobType, Via as ModelVia};
use crate::model::location::LocationType as ModelLocationType;
use crate::model::observed::{
    DrillOutcome as ModelDrillOutcome, LocationState as ModelLocationState,
};
use crate::model::peer::PeerType;
use crate::model::restore::Part as ModelPart;
use crate::model::retention::Counting;
use crate::model::run::{Cause, RunStatus as ModelRunStatus, Work};
use crate::reconcile::Weight;
use crate::status::{Verdict, days};
use crate::{archive, config, coverage, restore};

/// What a list of archives can be narrowed to: their conditions, and what is no archive of ours.
pub(crate) const CONDITIONS: [&str; 6] = {
    let [first, second, third, fourth, fifth] = ModelCondition::WORDS;
    [first, second, third, fourth, fifth, "foreign"]
};
/// The state of a location before anybody looked.
pub(super) const UNSEEN: &str = "unknown";

fn closed<T: AsRef<str>>(description: &str, words: impl IntoIterator<Item = T>) -> RefOr<Schema> {
    let words = words.into_iter().map(|word| word.as_ref().to_owned());
    let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words));
    schema.description(Some(description.trim())).into()
}

macro_rules! described {
    ($(#[doc = $doc:literal] $name:ident = $schema:expr;)*) => {$(
        #[doc = $doc]
        #[derive(Debug)]
        pub(in crate::api) enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let schema: fn(&str) -> RefOr<Schema> = $schema;
                schema($doc)
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    )*};
}

described! {
    /// Where a run stands.
    RunStatus = |doc| closed(doc, ModelRunStatus::WORDS);
    /// What a run does.
    RunKind = |doc| closed(doc, Work::WORDS);
    /// How a copy travels to a peer.
    Via = |doc| closed(doc, ModelVia::WORDS);
    /// Why a run was queued.
    RunCause = |doc| closed(doc, Cause::WORDS);
    /// The type of a job.
    JobType = |doc| closed(doc, ModelJobType::WORDS);
    /// Whether a job is there, or was ended.
    JobState = |doc| closed(doc, ModelJobState::WORDS);
    /// How a policy counts.
    RetentionMode = |doc| closed(doc, Counting::WORDS);
    /// How well a job is protected.
    VerdictWord = |doc| closed(doc, Verdict::WORDS);
    /// What a drill found: `unable` when it cannot be found out on this host as it is.
    DrillOutcome = |doc| closed(doc, ModelDrillOutcome::WORDS);
    /// How a day of a job went.
    DayState = |doc| closed(doc, days::DayState::WORDS);
    /// In what state a copy is.
    Condition = |doc| closed(doc, ModelCondition::WORDS);
    /// What a list of archives can be narrowed to.
    ListedCondition = |doc| closed(doc, CONDITIONS);
    /// How well an archive was made.
    ArchiveOutcome = |doc| closed(doc, Outcome::WORDS);
    /// How a copy came to be.
    ArchiveHow = |doc| closed(doc, How::WORDS);
    /// The type of a location.
    LocationType = |doc| closed(doc, ModelLocationType::WORDS);
    /// Whether a location can be used; `unknown` before anybody looked.
    LocationState = |doc| closed(doc, ModelLocationState::WORDS.into_iter().chain([UNSEEN]));
    /// Whether somebody must act on a note.
    NoteWeight = |doc| closed(doc, Weight::WORDS);
    /// How bad a finding in the configuration is.
    Severity = |doc| closed(doc, config::Severity::WORDS);
    /// Whether somebody should look at an instance.
    HealthStatus = |doc| closed(doc, health::HealthStatus::WORDS);
    /// A step of a restore.
    Part = |doc| closed(doc, ModelPart::WORDS);
    /// What came of a step.
    StepOutcome = |doc| closed(doc, STEPS.map(restore::Outcome::word));
    /// What a member of an archive is.
    MemberKind = |doc| closed(doc, archive::EntryKind::WORDS);
    /// What there is on a host.
    CoveredKind = |doc| closed(doc, coverage::Thing::WORDS);
    /// Whether a job keeps it.
    Coverage = |doc| closed(doc, coverage::Cover::WORDS);
    /// How a peer is reached.
    PeerKind = |doc| closed(doc, PeerType::WORDS);
    /// What is known of a peer's presence.
    PeerStatus = |doc| closed(doc, Presence::WORDS);
    /// A SHA-256, in hex.
    Sha256Hex = |doc| text(doc).pattern(Some("^[0-9a-f]{64}$")).into();
    /// The name of a job, or of one series of a job with `*`.
    JobNameText = |doc| text(doc).pattern(Some(JOB_NAME)).into();
    /// Where a list of archives goes on: from the `Link` header of the page before.
    ArchivesCursor = |doc| text(doc).pattern(Some(ARCHIVES_CURSOR)).into();
    /// Bytes as hex digits.
    HexText = |doc| text(doc).pattern(Some("^([0-9A-Fa-f]{2})*$")).into();
    /// A file of the configuration, relative to its directory.
    ConfigFile = |doc| text(doc).pattern(Some(CONFIG_FILE)).into();
    /// The identity of an archive, the same in every copy.
    ArchiveId = |doc| text(doc).format(Some(SchemaFormat::Custom("uuid".to_owned()))).into();
    /// A civil day in the instance's zone.
    CivilDay = |doc| text(doc).format(Some(SchemaFormat::KnownFormat(KnownFormat::Date))).into();
    /// How a location or a file is compressed: `none`, `gzip:LEVEL` or `zstd:LEVEL`.
    CodecWord = |doc| text(doc).pattern(Some("^(none|gzip:[0-9]+|zstd:[0-9]+)$")).into();
}

/// What came of a step, in the order in which people are told.
const STEPS: [restore::Outcome; 4] = [
    restore::Outcome::Done,
    restore::Outcome::Failed,
    restore::Outcome::Begun,
    restore::Outcome::NotDone,
];
/// What a name may be made of; the model has the last word.
const JOB_NAME: &str = "^[A-Za-z0-9_][A-Za-z0-9._-]{0,49}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,63})?$";
/// `CREATED.ID.LOCATION`.
const ARCHIVES_CURSOR: &str =
    "^-?[0-9]{1,30}\\.[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\\..+$";
/// A file below the configuration's directory that would be read there.
const CONFIG_FILE: &str = "^([^./][^/]*/)*[^./][^/]*\\.toml$";

fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description.trim()))
}

/// The words that people are shown: those of the closed sets that stand on the page.
#[cfg(test)]
pub(crate) fn shown_words() -> Vec<String> {
    let sets = [
        RunStatus::schema(),
        RunKind::schema(),
        RunCause::schema(),
        JobType::schema(),
        VerdictWord::schema(),
        DrillOutcome::schema(),
        ListedCondition::schema(),
        ArchiveOutcome::schema(),
        ArchiveHow::schema(),
        LocationState::schema(),
        StepOutcome::schema(),
        MemberKind::schema(),
        CoveredKind::schema(),
        Coverage::schema(),
        PeerKind::schema(),
        PeerStatus::schema(),
    ];
    let words = sets.into_iter().filter_map(|set| match set {
        RefOr::T(Schema::Object(object)) => object.enum_values,
        RefOr::T(_) | RefOr::Ref(_) => None,
    });
    words.flatten().filter_map(|word| Some(word.as_str()?.to_owned())).collect()
}
