//! The archive's file, opened, with what opens it; and the paths that are wanted of it.

use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::content::Content;
use super::order::{ArchiveFile, Restore};
use super::{Trouble, files};
use crate::archive::{self, OpenError};
use crate::model::archive::Sha256;
use crate::model::location::Codec;
use crate::process::escape;
use crate::secret;
use crate::stop::Stop;

/// The largest file that can be an identity.
const LARGEST_IDENTITY: u64 = 1 << 20;
/// Near names that are told.
const NEAR: usize = 3;

/// An archive's file with everything that is needed to read it.
pub(super) struct Opened {
    file: File,
    codec: Codec,
    identity: Option<SecretString>,
    sha256: Sha256,
    size: u64,
    content_size: Option<u64>,
}

impl Opened {
    /// Opens it. An encrypted one needs an identity: the one that somebody named, else that of its
    /// location.
    pub(super) fn open(restore: &Restore) -> Result<Self, Trouble> {
        let archive = &restore.archive;
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let file = File::options()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(&archive.file)
            .map_err(|error| {
                Trouble::new(format!("cannot open `{}`: {error}", archive.file.display()))
                    .hint(archive.remedy())
            })?;
        let identity = identity(restore)?;
        // What YunoHost counts is not what its archives hold.
        let recorded = match restore.content {
            Content::CustomDir { .. } | Content::Mysql(_) | Content::Postgresql(_) => {
                Some(archive.content_size)
            }
            Content::YnhApp { .. } | Content::YnhSystem { .. } => None,
        };
        Ok(Self {
            file,
            codec: archive.codec,
            identity,
            sha256: archive.sha256,
            size: archive.file_size,
            content_size: recorded,
        })
    }

    pub(super) fn as_original(&self) -> files::Original<'_> {
        files::Original {
            file: &self.file,
            codec: self.codec,
            identity: self.text(),
            sha256: self.sha256,
            size: self.size,
            content_size: self.content_size,
        }
    }

    fn text(&self) -> Option<&str> {
        self.identity.as_ref().map(ExposeSecret::expose_secret)
    }

    /// Proves the whole file by its hash.
    pub(super) fn prove(
        &self,
        archive: &ArchiveFile,
        watch: &super::Watch<'_>,
    ) -> Result<(), Trouble> {
        use std::io::Seek as _;
        let rewound = (&self.file).rewind();
        rewound.map_err(|error| Trouble::io("read", &archive.file, &error))?;
        let intact = archive::verify(&self.file, self.sha256, watch.stop, watch.progress);
        if intact.map_err(|error| of_open(error, archive))? {
            Ok(())
        } else {
            Err(corrupt(archive))
        }
    }
}

/// The archive is not what was written.
pub(super) fn corrupt(archive: &ArchiveFile) -> Trouble {
    Trouble {
        corrupt: true,
        ..Trouble::new(format!(
            "`{}` at `{}` is corrupt: its bytes are not those that were written; nothing was changed",
            archive.name, archive.place
        ))
        .hint(archive.remedy())
    }
}

/// What an archive that cannot be opened means.
pub(super) fn of_open(error: OpenError, archive: &ArchiveFile) -> Trouble {
    match error {
        OpenError::Stopped(stopped) => stopped.into(),
        OpenError::NoIdentity | OpenError::WrongIdentity => {
            let why = match error {
                OpenError::NoIdentity => "no identity was given",
                _ => "the identity that was given does not open it",
            };
            Trouble::new(format!("`{}` is encrypted, and {why}", archive.name)).hint(format!(
                "name the file with the identity of one of its recipients, `--identity FILE`: {}",
                archive.recipients.join(", ")
            ))
        }
        error => {
            let hint = error.hint().map(str::to_owned);
            let trouble = Trouble::of(&error);
            Trouble { why: format!("`{}`: {}", archive.name, trouble.why), hint, ..trouble }
        }
    }
}

/// The text of a file with an identity, which somebody named.
///
/// # Errors
/// When it cannot be read, or is too long to be one.
pub fn read_identity(path: &Path) -> Result<SecretString, Trouble> {
    // It may lie on a disk without modes, kept elsewhere until today: whoever named it vouches.
    let failed = |why: String| {
        Trouble::new(format!("cannot read the identity `{}`: {why}", path.display()))
            .hint("name the file with the age identity: `--identity FILE`")
    };
    let metadata = path.metadata().map_err(|error| failed(error.to_string()))?;
    if !metadata.is_file() || metadata.len() > LARGEST_IDENTITY {
        return Err(failed("it is not a file with a key".to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    Ok(SecretString::from(text))
}

fn identity(restore: &Restore) -> Result<Option<SecretString>, Trouble> {
    if restore.archive.recipients.is_empty() {
        return Ok(None);
    }
    if let Some(path) = &restore.identity {
        return read_identity(path).map(Some);
    }
    match &restore.location_identity {
        Some(place) => secret::read(place).map(Some).map_err(|error| {
            let hint = error.hint();
            Trouble { hint, ..Trouble::of(&error) }
        }),
        None => Err(of_open(OpenError::NoIdentity, &restore.archive)),
    }
}

/// Where the files of an archive were, for one that came without a word about it.
pub(super) fn archived_root(
    opened: &Opened,
    archive: &ArchiveFile,
    root: Option<&Path>,
    stop: &Stop,
) -> Result<Option<PathBuf>, Trouble> {
    whereabouts(&archive.file, opened.codec, opened.text(), root, stop)
        .map_err(|error| of_open(error, archive))
}

/// Where the files of the archive at `path` were: as its own list says, or at `root` where its
/// members are called so. `None` for one that another program made.
pub(super) fn whereabouts(
    path: &Path,
    codec: Codec,
    identity: Option<&str>,
    root: Option<&Path>,
    stop: &Stop,
) -> Result<Option<PathBuf>, OpenError> {
    let list = archive::read_member(path, codec, identity, "backup.csv", 1 << 20)?;
    if let Some(listed) = list.and_then(listed) {
        return Ok(Some(listed));
    }
    let Some(root) = root else { return Ok(None) };
    let prefix = archive::directory_prefix(root);
    for entry in archive::contents(path, codec, identity)? {
        stop.check()?;
        if let Some(is_content) = files::is_content(&entry?, &prefix) {
            return Ok(is_content.then(|| root.to_owned()));
        }
    }
    Ok(None)
}

/// The source in the text of an archive's own list.
fn listed(bytes: Vec<u8>) -> Option<PathBuf> {
    let text = String::from_utf8(bytes).ok()?;
    let row = text.lines().find(|row| row.contains("\",\"data/custom/"))?;
    let source = row.strip_prefix('"')?.split("\",\"").next()?;
    Some(PathBuf::from(source.replace("\"\"", "\""))).filter(|path| path.is_absolute())
}

/// The wanted paths, relative to the content; empty when all of it is wanted.
pub(super) fn choose(restore: &Restore, roots: &[&Path]) -> Result<Vec<Vec<u8>>, Trouble> {
    let mut wanted = Vec::new();
    for path in &restore.paths {
        let relative = if path.is_absolute() {
            if roots.is_empty() {
                return Err(Trouble::new(format!(
                    "`{}` is absolute, and nobody knows where what is in `{}` was",
                    path.display(),
                    restore.archive.name
                ))
                .hint("name it as `larder archive contents` lists it"));
            }
            roots.iter().find_map(|root| path.strip_prefix(root).ok()).ok_or_else(|| {
                let roots: Vec<_> = roots.iter().map(|root| root.display().to_string()).collect();
                Trouble::new(format!(
                    "`{}` is not below `{}`",
                    path.display(),
                    roots.join("` or `")
                ))
                .hint("`larder archive contents` lists what is in the archive")
            })?
        } else {
            path.strip_prefix(".").unwrap_or(path)
        };
        let relative = relative.as_os_str().as_bytes();
        wanted.push(relative.strip_suffix(b"/").unwrap_or(relative).to_vec());
    }
    if wanted.iter().any(Vec::is_empty) {
        wanted.clear();
    }
    Ok(wanted)
}

/// What to say of a path that is not in the archive: names that are near to it.
pub(super) fn not_there(
    path: &str,
    restore: &Restore,
    opened: &Opened,
    prefix: &[u8],
    stop: &Stop,
) -> Result<Trouble, Trouble> {
    let name = &restore.archive.name;
    let trouble = Trouble::new(format!("`{path}` is not in `{name}`; nothing was changed"));
    let contents = archive::contents(&restore.archive.file, opened.codec, opened.text())
        .map_err(|error| of_open(error, &restore.archive))?;
    let slips = (path.chars().count() / 3).clamp(1, 3);
    let mut near: Vec<(usize, String)> = Vec::new();
    for entry in contents {
        stop.check()?;
        let entry = entry.map_err(|error| of_open(error.into(), &restore.archive))?;
        let rest = entry.name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix(b"/"));
        let Some(member) = rest.map(escape) else { continue };
        let has_same_name = Path::new(path).file_name() == Path::new(&member).file_name();
        let distance = if has_same_name { 1 } else { strsim::damerau_levenshtein(path, &member) };
        if distance <= slips {
            near.push((distance, member));
            near.sort();
            near.truncate(NEAR);
        }
    }
    let near: Vec<&str> = near.iter().map(|(_, name)| name.as_str()).collect();
    Ok(if near.is_empty() {
        trouble.hint("`larder archive contents` lists what is in it; paths are as they were on the host, or relative to the source")
    } else {
        trouble.hint(format!("did you mean `{}`?", near.join("` or `")))
    })
}
