//! What one restore is to do, with everything that it needs to know.
//!
//! **Invariants:** an order holds no secret, only where secrets are found; users, units, ports and
//! commands in it are those of this host's configuration, whatever the archive says. The form in
//! which it travels to another process is `wire`'s.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::content::Content;
use super::plan::{FileFacts, Refusal};
use crate::model::archive::{Archive, Sha256};
use crate::model::desired::SecretRef;
use crate::model::job::{Database, RestoreSteps};
use crate::model::location::Codec;
use crate::model::name::{ArchiveName, JobName, PlaceName};
use crate::model::restore::Part;
use crate::model::run::RunId;

/// One restore, or its undoing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The run that does it.
    pub run: RunId,
    /// Where records of restores are kept, and dumps while they are loaded: on a real disk, 0700.
    pub work_dir: PathBuf,
    /// The most time that one command may take.
    pub timeout: Duration,
    /// What is to be done.
    pub task: Task,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// An archive is restored.
    Restore(Box<Restore>),
    /// What an earlier restore set aside goes back.
    Undo(Undo),
}

/// An archive to restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restore {
    /// The archive.
    pub archive: ArchiveFile,
    /// What it holds.
    pub content: Content,
    /// Files go below this directory, and nothing else is touched.
    pub to: Option<PathBuf>,
    /// Only these paths: as they were on the host, or relative to the source.
    pub paths: Vec<PathBuf>,
    /// Only these parts; empty means all.
    pub only: Vec<Part>,
    /// Whether what is overwritten is set aside.
    pub safety: bool,
    /// The file with the age identity that somebody named.
    pub identity: Option<PathBuf>,
    /// The identity that the archive's location names.
    pub location_identity: Option<SecretRef>,
    /// Another real disk for dumps, should `work_dir` have no room: the location's.
    pub spare_dir: PathBuf,
    /// What somebody saw of the files a moment ago, so that nobody has to look again.
    pub seen: Option<FileFacts>,
    /// What the job wants beside the files.
    pub steps: RestoreSteps,
    /// Remarks for the plan: why steps are left out, for instance.
    pub notes: Vec<String>,
}

/// The file of an archive, with what proves it and what opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveFile {
    /// The archive's name.
    pub name: ArchiveName,
    /// The job that made it.
    pub job: JobName,
    /// When it was made, by this host's clock; `None` where nobody says so.
    pub made: Option<DateTime>,
    /// Where this copy rests.
    pub place: CopyPlace,
    /// The file itself.
    pub file: PathBuf,
    /// How its stream is encoded. The level matters to writers only.
    pub codec: Codec,
    /// age recipients; empty means not encrypted.
    pub recipients: Vec<String>,
    /// The file's SHA-256.
    pub sha256: Sha256,
    /// Bytes of the file.
    pub file_size: u64,
    /// Bytes of content.
    pub content_size: u64,
    /// Where another copy rests.
    pub other_copies: Vec<CopyPlace>,
}

/// Where a copy rests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyPlace {
    /// A location of the configuration.
    Location(PlaceName),
    /// A folder or a file that no configuration names.
    Path(PathBuf),
}

/// What is put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undo {
    /// The run of the restore that is undone.
    pub of: RunId,
    /// How the server of its database is reached; which database it is stands in the record.
    pub access: Option<Database>,
}

impl Restore {
    /// Whether a part is asked for. Elsewhere there are only files; so it is where somebody picks
    /// single paths, unless they name other parts as well.
    #[must_use]
    pub fn wants(&self, part: Part) -> bool {
        let is_meant = self.only.is_empty() && (self.paths.is_empty() || part == Part::Files);
        (self.only.contains(&part) || is_meant) && (self.to.is_none() || part == Part::Files)
    }
}

impl ArchiveFile {
    /// The copy of an archive that is this file, without a word about other copies. `zone` is that
    /// of this host.
    ///
    /// # Errors
    /// When its hash was never recorded: nothing could prove it.
    pub fn of(
        archive: &Archive,
        file: PathBuf,
        place: CopyPlace,
        zone: &TimeZone,
    ) -> Result<Self, Refusal> {
        let sha256 = archive.file_sha256.ok_or_else(|| {
            Refusal::new(
                format!("no hash of `{}` is known, so it cannot be proved", archive.name),
                "take it into the catalogue again: `larder archive adopt`",
            )
        })?;
        Ok(Self {
            name: archive.name.clone(),
            job: archive.job.clone(),
            made: Some(zone.to_datetime(archive.created_at)),
            place,
            file,
            codec: archive.codec,
            recipients: archive.recipients.clone(),
            sha256,
            file_size: archive.file_size,
            content_size: archive.content_size,
            other_copies: Vec::new(),
        })
    }

    /// Where else to look, for a hint.
    #[must_use]
    pub fn remedy(&self) -> String {
        remedy(&self.other_copies)
    }
}

/// Where else to look when a copy is of no use and these are the others, for a hint.
#[must_use]
pub fn remedy(others: &[CopyPlace]) -> String {
    if others.is_empty() {
        return "there is no other copy in the catalogue; choose another archive (`larder archive list`)".to_owned();
    }
    let named = others.iter().map(|place| match place {
        CopyPlace::Location(name) => format!("`--location {name}`"),
        CopyPlace::Path(path) => format!("`{}`", path.display()),
    });
    format!("another copy: {}", named.collect::<Vec<_>>().join(" or "))
}

impl fmt::Display for CopyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CopyPlace::Location(name) => name.fmt(f),
            CopyPlace::Path(path) => path.display().fmt(f),
        }
    }
}

/// How the moment at which an archive was made is told: `2026-05-08 03:00`.
#[must_use]
pub(super) fn made_in_words(made: DateTime) -> String {
    made.strftime("%F %H:%M").to_string()
}

/// The last part of a path, for a file that goes into another directory.
#[must_use]
pub(super) fn base_name(path: &Path) -> &Path {
    path.file_name().map_or(path, Path::new)
}
