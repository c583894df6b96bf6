//! Proving the files: the whole archive is restored, and what lies there compared with the manifest.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use crate::archive::{self, Comparison, OpenError, ReadError, Reader, Tree};
use crate::model::archive::{Archive, How};
use crate::model::size::Bytes;
use crate::restore::files::{self, Extraction, FilesError, Original, Owners};

use super::{Ended, Fault, Shown, is_root};
use crate::engine::runs::context::{Context, with_causes};

/// Restores the whole archive below `root`. Returns whether something is worth a look.
pub(super) fn extract(
    cx: &Context,
    archive: &Archive,
    file: &File,
    identity: Option<&str>,
    root: &Path,
) -> Result<bool, Ended> {
    let Some(sha256) = archive.file_sha256 else {
        return Err(Shown::unable("its hash was never recorded").into());
    };
    let original = Original {
        file,
        codec: archive.codec,
        identity,
        sha256,
        size: archive.file_size,
        content_size: None,
    };
    let extraction = Extraction {
        prefix: b"",
        target: root,
        paths: &[],
        owners: if is_root() { Owners::Numeric } else { Owners::Caller },
        devices: false,
        aside: None,
    };
    cx.progress.enter("restoring");
    let extracted =
        files::extract(&original, &extraction, &cx.stop, &cx.progress, &mut |line| cx.log(line))
            .map_err(after_extraction)?;
    for remark in &extracted.remarks {
        cx.log(&format!("restoring: {remark}"));
    }
    Ok(extracted.remark_count > extracted.devices_left_out)
}

/// Compares what was restored with the manifest. Says what was compared.
pub(super) fn compare(
    cx: &Context,
    archive: &Archive,
    file: &File,
    identity: Option<&str>,
    root: &Path,
) -> Result<String, Ended> {
    let reopen = || Reader::open(reopen(file)?, archive.codec, identity);
    let tree = Tree { root, owners: is_root(), archive: &reopen };
    match archive::compare_tree(&tree, &cx.stop, &cx.progress) {
        Ok(Some(comparison)) => {
            tell(cx, &comparison).map_err(|why| Shown::Failed { why, fault: Fault::Archive }.into())
        }
        Ok(None) if archive.how == How::Adopted => {
            Ok("it has no manifest to compare with".to_owned())
        }
        Ok(None) => {
            Err(Shown::Failed { why: "it has no manifest".to_owned(), fault: Fault::Archive }
                .into())
        }
        Err(OpenError::Stopped(stopped)) => Err(stopped.into()),
        Err(error) => {
            let why = format!("what was restored cannot be compared: {}", with_causes(&error));
            Err(Shown::unable(why).into())
        }
    }
}

/// Opens a file once more, with an offset of its own.
fn reopen(file: &File) -> io::Result<File> {
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// What a failed extraction shows.
fn after_extraction(error: FilesError) -> Ended {
    let why = with_causes(&error);
    let shown = match error {
        FilesError::Stopped(stopped) | FilesError::Original(OpenError::Stopped(stopped)) => {
            return stopped.into();
        }
        FilesError::Hash { .. } | FilesError::Size { .. } => {
            Shown::Failed { why, fault: Fault::Copy }
        }
        // The hash is that of the file that was written: it never was a whole archive.
        FilesError::Original(
            OpenError::Read(ReadError::Truncated { .. } | ReadError::Malformed { .. })
            | OpenError::NotEncrypted,
        )
        | FilesError::Refused { .. } => Shown::Failed { why, fault: Fault::Archive },
        FilesError::Original(OpenError::NoIdentity | OpenError::WrongIdentity) => {
            Shown::unable(format!("{why}: see the location's `identity`"))
        }
        other => Shown::Unable { why, hint: other.hint().map(str::to_owned) },
    };
    shown.into()
}

/// Writes the differences into the log; says what was compared, or what differs.
fn tell(cx: &Context, comparison: &Comparison) -> Result<String, String> {
    let Comparison { members, bytes, devices, not_ok, different, differences } = comparison;
    for difference in differences {
        cx.log(&format!("differs: `{}` {}", difference.name, difference.what));
    }
    if let Some(first) = differences.first() {
        let count = if *different == 1 { "1 member" } else { &format!("{different} members") };
        return Err(format!("{count} differ from the manifest: `{}` {}", first.name, first.what));
    }
    if *members == 0 {
        return Err("it has no content at all".to_owned());
    }
    // Writing to a `String` cannot fail.
    let mut what = format!("all {members} members ({}) are as they were", Bytes(*bytes));
    if *not_ok > 0 {
        let _ = write!(what, "; {not_ok} of them changed while they were archived");
    }
    if *devices > 0 {
        let _ = write!(what, "; {devices} device nodes were not made");
    }
    if !is_root() {
        what.push_str("; owners were not compared, which needs root");
    }
    Ok(what)
}
