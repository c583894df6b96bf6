//! The configuration of an instance, brought back to where it is looked for.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::look::{Copy, Found};
use super::tables::from_tables;
use super::{RecoverError, io};
use crate::archive;
use crate::causes::with_causes;
use crate::config::{self, Parsed};
use crate::progress::Progress;
use crate::restore::files::{self, Extraction, Owners};
use crate::stop::Stop;

/// Where a configuration comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It is there already.
    Present,
    /// Its own archive.
    Archive(String),
    /// The jobs' tables in the sidecars; with the reason why no archive of it was used.
    Tables(String),
}

/// A configuration that is ready, and not in its place yet.
#[derive(Debug)]
pub struct Configuration {
    /// Where it comes from.
    pub origin: Origin,
    /// What it says, with paths as they are once it is in its place.
    pub parsed: Parsed,
    /// How many files it has.
    pub files: usize,
    /// Where it goes.
    dir: PathBuf,
    /// Where it lies until then; gone with this value.
    scratch: Option<tempfile::TempDir>,
}

/// Gets the configuration of an instance ready for `dir`: the one that is there, else the newest
/// archive of it that can be opened, else what the jobs' tables say. `identity` is the text of an
/// age identity file; `folder` is where the archives lie.
///
/// # Errors
/// When an archive of it is there, encrypted, and no identity opens it; or on I/O.
pub fn take_back(
    found: &Found,
    folder: &Path,
    dir: &Path,
    identity: Option<&str>,
    stop: &Stop,
) -> Result<Configuration, RecoverError> {
    if let Ok((files, diagnostics)) = config::read_dir(dir)
        && !files.files.is_empty()
    {
        let mut parsed = config::parse(&files, dir);
        parsed.diagnostics.extend(diagnostics);
        let files = files.files.len();
        let (origin, dir) = (Origin::Present, dir.to_owned());
        return Ok(Configuration { origin, parsed, files, dir, scratch: None });
    }
    let scratch = scratch_beside(dir)?;
    let tree = scratch.path().join("larder");
    let mut why = "no archive of it was found".to_owned();
    let mut origin = None;
    for copy in found.configurations().rev().filter(|copy| copy.archive.is_good()) {
        match extract(copy, &tree, identity, stop) {
            Ok(()) => {
                origin = Some(Origin::Archive(copy.archive.name.to_string()));
                break;
            }
            Err(error @ RecoverError::Archive { .. }) if needs_identity(copy, identity) => {
                return Err(error);
            }
            Err(RecoverError::Stopped(stopped)) => return Err(stopped.into()),
            // An older one is better than none.
            Err(error) => why = error.to_string(),
        }
    }
    if origin.is_none() {
        let _ = fs::remove_dir_all(&tree);
        fs::DirBuilder::new().mode(0o700).create(&tree).map_err(io("make", &tree))?;
        let file = tree.join("recovered.toml");
        fs::write(&file, from_tables(found, folder)).map_err(io("write", &file))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))
            .map_err(io("write", &file))?;
    }
    let (files, diagnostics) = config::read_dir(&tree).map_err(|error| RecoverError::Archive {
        archive: found.instance.to_string(),
        why: error.to_string(),
        hint: "look at the archive with `larder archive contents`".to_owned(),
    })?;
    let mut parsed = config::parse(&files, dir);
    parsed.diagnostics.extend(diagnostics);
    Ok(Configuration {
        origin: origin.unwrap_or(Origin::Tables(why)),
        parsed,
        files: files.files.len(),
        dir: dir.to_owned(),
        scratch: Some(scratch),
    })
}

impl Configuration {
    /// Puts it into its place, which must not hold a configuration. Nothing to do for one that is
    /// there already.
    ///
    /// # Errors
    /// When the directory is not empty, or cannot be written.
    pub fn put(&self) -> Result<(), RecoverError> {
        let Some(scratch) = &self.scratch else { return Ok(()) };
        if self.dir.exists() {
            // An empty directory gives way; one with anything in it does not.
            fs::remove_dir(&self.dir).map_err(io("make room at", &self.dir))?;
        }
        let tree = scratch.path().join("larder");
        fs::rename(&tree, &self.dir).map_err(io("put the configuration to", &self.dir))?;
        let parent = self.dir.parent().unwrap_or(Path::new("/"));
        let synced = File::open(parent).and_then(|parent| parent.sync_all());
        synced.map_err(io("write", parent))
    }

    /// Where it goes.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

/// A private directory on the file system of the configuration's place, so that it gets there in
/// one step.
fn scratch_beside(dir: &Path) -> Result<tempfile::TempDir, RecoverError> {
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(io("make", parent))?;
    tempfile::Builder::new()
        .prefix(".larder-recovered-")
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .map_err(io("make a directory in", parent))
}

fn needs_identity(copy: &Copy, identity: Option<&str>) -> bool {
    !copy.archive.recipients.is_empty() && identity.is_none()
}

/// Lays the configuration of an archive to `tree`.
fn extract(
    copy: &Copy,
    tree: &Path,
    identity: Option<&str>,
    stop: &Stop,
) -> Result<(), RecoverError> {
    let archive = &copy.archive;
    let failed = |why: String, hint: &str| RecoverError::Archive {
        archive: archive.name.to_string(),
        why,
        hint: hint.to_owned(),
    };
    let is_encrypted = !archive.recipients.is_empty();
    if is_encrypted && identity.is_none() {
        return Err(failed(
            format!("it is encrypted to {}", archive.recipients.join(", ")),
            "name the file with the age identity that was kept off the server: `--identity FILE`",
        ));
    }
    let Some(sha256) = archive.file_sha256 else {
        return Err(failed("its hash was not recorded".to_owned(), "use another archive"));
    };
    let identity = identity.filter(|_| is_encrypted);
    let file = File::open(&copy.file).map_err(io("open", &copy.file))?;
    let progress = Progress::new();
    let prefix = source_prefix(&copy.file, archive, identity)
        .ok_or_else(|| failed("it names no source".to_owned(), "use another archive"))?;
    let original = files::Original {
        file: &file,
        codec: archive.codec,
        identity,
        sha256,
        size: archive.file_size,
        content_size: Some(archive.content_size),
    };
    let is_root = rustix::process::geteuid().is_root();
    let extraction = Extraction {
        prefix: &prefix,
        target: tree,
        paths: &[],
        owners: if is_root { Owners::ByName } else { Owners::Caller },
        devices: false,
        aside: None,
    };
    let result = files::extract(&original, &extraction, stop, &progress, &mut |_| {});
    match result {
        Ok(_) => Ok(()),
        Err(files::FilesError::Stopped(stopped)) => Err(stopped.into()),
        Err(error) => {
            let hint = error.hint().unwrap_or("use another archive").to_owned();
            Err(failed(with_causes(&error), &hint))
        }
    }
}

/// The prefix of the members: where the directory was on the machine that burned, as the table of
/// the job or the archive itself says.
fn source_prefix(
    file: &Path,
    archive: &crate::model::archive::Archive,
    identity: Option<&str>,
) -> Option<Vec<u8>> {
    let table: Option<serde_json::Value> =
        archive.job_json.as_deref().and_then(|json| serde_json::from_str(json).ok());
    let named = table.as_ref().and_then(|table| table.get("source_path")?.as_str());
    if let Some(path) = named {
        return Some(archive::directory_prefix(Path::new(path)));
    }
    let contents = archive::contents(file, archive.codec, identity).ok()?;
    let mut entries = contents.filter_map(Result::ok);
    let first = entries.find(|entry| entry.name.starts_with(b"data/custom/"))?;
    let path = PathBuf::from(std::ffi::OsStr::from_bytes(&first.name));
    Some(path.as_os_str().as_bytes().to_vec())
}
