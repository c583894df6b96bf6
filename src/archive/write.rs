//! Writing: members of a source in, a finished file out.
//!
//! **Invariants:** nothing here keeps anything per member; trouble with a single file is a remark
//! and leaves the archive valid, trouble with the destination always fails the run; the end of the
//! archive is written last, so that whatever was cut short has none.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::identity;
use super::layers::{Destination, Output};
use super::manifest::Spool;
use super::pipeline::{self, Coding};
use super::{Content, Spec, WriteError, Written};
use crate::model::archive::Outcome;
use crate::progress::Progress;
use crate::source::{FileId, Source};
use crate::stop::Stop;

mod stream;

use stream::Stream;

/// Archives a source into a new, empty file, which is on the disk when this returns.
///
/// # Errors
/// See [`WriteError`]. The file then has no end and must be removed by whoever made it.
pub fn write(
    mut source: Box<dyn Source>,
    spec: &Spec,
    file: File,
    stop: &Stop,
    progress: &Progress,
) -> Result<(Written, File), WriteError> {
    let stat = rustix::fs::fstat(&file).map_err(|error| WriteError::Destination(error.into()))?;
    source.leave_out(file_id(&stat));
    let spool = spool_beside(&file).map_err(WriteError::Destination)?;
    let destination = Output::new(file);
    let (written, output) = write_into(source, spec, destination, spool, stop, progress)?;
    Ok((written, output.into_inner()))
}

/// Archives a source into anything that can be written and synced; `spool` is an empty file for
/// the manifest while it grows.
///
/// # Errors
/// See [`WriteError`].
pub fn write_into<D: Destination>(
    source: Box<dyn Source>,
    spec: &Spec,
    destination: D,
    spool: File,
    stop: &Stop,
    progress: &Progress,
) -> Result<(Written, D), WriteError> {
    if let Content::Directory(root) = &spec.content {
        check_source_path(root)?;
    }
    if !spec.recipients.is_empty() {
        identity::encryptor(&spec.recipients)?;
    }
    let spool = Spool::new(spool).map_err(WriteError::Destination)?;
    let coding = Coding { codec: spec.codec, recipients: &spec.recipients, is_plain: true };
    let (made, coded) = pipeline::run(coding, destination, |filler| {
        let made = Stream::new(spec, filler, spool, stop, progress).run(source)?;
        progress.enter("flushing");
        Ok(made)
    })?;
    let Some(stream_sha256) = coded.stream_sha256 else {
        return Err(WriteError::Destination(io::ErrorKind::BrokenPipe.into()));
    };
    let outcome = match (&made.findings.doubt, made.findings.unreadable) {
        (Some(doubt), _) => Outcome::Suspect(doubt.clone()),
        (None, 0) => Outcome::Good,
        (None, _) => Outcome::Partial,
    };
    let written = Written {
        content_size: made.content_size,
        stream_size: made.stream_size,
        file_size: coded.file_size,
        stream_sha256,
        file_sha256: coded.file_sha256,
        counts: made.counts,
        remarks: made.findings.remarks,
        info_json: made.info_json,
        outcome,
    };
    Ok((written, coded.destination))
}

/// Checks the path of a source: it stands in a table that shell scripts read.
///
/// # Errors
/// When it is not absolute, not UTF-8, or has `.`, `..` or a control character.
pub fn check_source_path(path: &Path) -> Result<(), WriteError> {
    let refuse = |reason| Err(WriteError::Path { path: path.to_owned(), reason });
    let bytes = path.as_os_str().as_bytes();
    if !bytes.starts_with(b"/") {
        return refuse("is not absolute");
    }
    if bytes.split(|byte| *byte == b'/').any(|part| part == b".." || part == b".") {
        return refuse("has `.` or `..`");
    }
    match path.to_str() {
        None => refuse("is not UTF-8"),
        Some(text) if text.contains(char::is_control) => refuse("has a control character"),
        Some(_) => Ok(()),
    }
}

/// An empty file without a name, on the file system of `file`: never in a `/tmp` that is memory.
fn spool_beside(file: &File) -> io::Result<File> {
    use std::os::fd::AsRawFd as _;
    let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    let beside = path.parent().filter(|parent| parent.is_dir() && *parent != Path::new("/dev"));
    match beside {
        Some(parent) => tempfile::tempfile_in(parent),
        None => tempfile::tempfile_in("/var/tmp"),
    }
}

fn file_id(stat: &rustix::fs::Stat) -> FileId {
    #[expect(clippy::unnecessary_cast, trivial_numeric_casts, reason = "their widths differ")]
    FileId { device: stat.st_dev as u64, inode: stat.st_ino as u64 }
}
