//! Archives, judged by the programs that people have: GNU tar, bsdtar, Python, age, zstd, sh.
#![expect(
    clippy::unwrap_used,
    clippy::format_collect,
    clippy::format_push_string,
    reason = "a test that cannot be set up has failed, and texts here are short"
)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use larder::archive::{Entry, Spec, WriteError, Written, contents, write};
use larder::model::archive::ArchiveId;
use larder::model::job::{CustomDir, JobType, SourceMount};
use larder::model::location::Codec;
use larder::progress::Progress;
use larder::source::Source;
use larder::source::directory::Directory;
use larder::stop::Stop;

mod contract;
mod faults;
mod mutating;
pub(crate) mod nasty;
mod restoring;
mod round_trip;

/// A directory of its own, on a real disk.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory")
}

pub(crate) fn job(source_path: &Path) -> CustomDir {
    CustomDir {
        source_path: source_path.to_owned(),
        excludes: Vec::new(),
        one_file_system: true,
        mount: SourceMount::Any,
    }
}

pub(crate) fn spec(source_root: &Path) -> Spec {
    Spec {
        id: ArchiveId(uuid::Uuid::from_u128(7)),
        name: "jerry_hermes-agent_20260508".parse().expect("a name"),
        origin: "jerry".parse().expect("a name"),
        instance_url: Some("https://jerry.example.org".to_owned()),
        job: "hermes-agent".parse().expect("a name"),
        job_type: JobType::CustomDir,
        label: "hermes-agent".parse().expect("a label"),
        created_at: "2026-05-08T03:00:00[Europe/Paris]".parse().expect("a time"),
        yunohost_version: Some("12.1.25~alpha".to_owned()),
        config_generation: 3,
        codec: Codec::None,
        recipients: Vec::new(),
        content: larder::archive::Content::Directory(source_root.to_owned()),
    }
}

/// Archives a source to `NAME.EXTENSION` in a directory.
pub(crate) fn archive_source(
    source: Box<dyn Source>,
    spec: &Spec,
    directory: &Path,
) -> Result<(Written, PathBuf), WriteError> {
    let extension = spec.codec.extension(!spec.recipients.is_empty());
    let path = directory.join(format!("{}{extension}", spec.name));
    let file = File::create_new(&path).expect("a new file");
    let (written, file) = write(source, spec, file, &Stop::new(), &Progress::new())?;
    assert_eq!(file.metadata().expect("metadata").len(), written.file_size);
    Ok((written, path))
}

/// Archives a directory plainly.
fn archive(root: &Path, directory: &Path) -> (Written, PathBuf) {
    let source = Directory::open(&job(root)).expect("a source");
    archive_source(Box::new(source), &spec(root), directory).expect("an archive")
}

pub(crate) fn entries(path: &Path) -> Vec<Entry> {
    contents(path, Codec::None, None).expect("opens").collect::<Result<_, _>>().expect("a list")
}

/// The names of the content below the source's root.
fn names_below(path: &Path, root: &Path) -> Vec<String> {
    let prefix = format!("data/custom{}", root.display());
    let names = entries(path).into_iter().map(|entry| String::from_utf8(entry.name).expect("text"));
    names
        .filter_map(|name| {
            name.strip_prefix(&prefix).map(|rest| rest.trim_start_matches('/').to_owned())
        })
        .collect()
}

/// Runs a shell script in a directory; its standard output. It must succeed and complain of nothing.
pub(crate) fn sh(directory: &Path, script: &str) -> String {
    let output = Command::new("sh")
        .args(["-e", "-c", script])
        .current_dir(directory)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("sh runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{script}\n{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Takes the content out with a tar program: what was the root is `directory/out` then.
fn extract(program: &str, archive: &Path, root: &Path, directory: &Path) -> PathBuf {
    let out = directory.join(format!("out-{}", program.split(' ').next().unwrap_or_default()));
    fs::create_dir(&out).expect("a new directory");
    let depth = 2 + root.components().count() - 1;
    sh(
        &out,
        &format!("{program} -xpf '{}' --strip-components={depth} data/custom", archive.display()),
    );
    out
}

const GNU: &str = "tar --warning=no-timestamp --xattrs --xattrs-include=* --acls";

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
