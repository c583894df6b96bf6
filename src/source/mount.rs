//! On which mount a source lies, and whether that is still there: without its disk a mount point is
//! an empty directory on the file system above it, or has an old copy of the data.
//!
//! Mounts are told apart by the numbers of their devices, which are the same inside and outside the
//! sandbox of a service. What is bound to another place of its own file system is therefore no mount
//! of its own here.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::model::job::{CustomDir, SourceMount};
use crate::model::observed::SourceSeen;

/// What must be mounted for a source to be read, and is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// Nothing is mounted at this directory, and the source lay on that when it was last archived.
    Unmounted(PathBuf),
    /// It is mounted at this directory, and the source does not lie on it any more.
    Elsewhere(PathBuf),
    /// The source lies on the file system of `/`, and the job says that it never does.
    OnRoot,
}

/// The directory that the file system of a directory is mounted at; `None` where that is `/`.
///
/// # Errors
/// When it, or a directory above it, cannot be looked at.
pub fn point_of(dir: &Path) -> io::Result<Option<PathBuf>> {
    let dir = dir.canonicalize()?;
    let own = device(&dir)?;
    let mut point = dir.as_path();
    while let Some(above) = point.parent() {
        if device(above)? != own {
            return Ok(Some(point.to_owned()));
        }
        point = above;
    }
    Ok(None)
}

/// The mount point of a directory that was opened, and then lay on this device.
pub(super) fn point_of_device(dir: &Path, opened: u64) -> io::Result<Option<PathBuf>> {
    let point = point_of(dir)?;
    if device(dir)? != opened {
        return Err(io::Error::other("something was mounted or unmounted there just now"));
    }
    Ok(point)
}

/// Whether something is mounted at a directory.
#[must_use]
pub fn is_mounted(dir: &Path) -> bool {
    let above = dir.parent().map(device);
    matches!((device(dir), above), (Ok(own), Some(Ok(above))) if own != above)
}

fn device(path: &Path) -> io::Result<u64> {
    fs::metadata(path).map(|metadata| metadata.dev())
}

/// Why a source that lies on the mount `now` must not be read, if it must not: `seen` is where it
/// lay when it was last archived. A source that the job names anew lay nowhere before.
#[must_use]
pub fn missing(
    source: &CustomDir,
    seen: Option<&SourceSeen>,
    now: Option<&Path>,
    is_mounted: impl FnOnce(&Path) -> bool,
) -> Option<Missing> {
    let needs_one = match source.mount {
        SourceMount::Any => return None,
        SourceMount::Required => true,
        SourceMount::Remembered => false,
    };
    let known = seen.filter(|seen| seen.source_path == source.source_path);
    let Some(SourceSeen { mount, .. }) = known else {
        return (needs_one && now.is_none()).then_some(Missing::OnRoot);
    };
    // A mount of its own further down is no disk that went.
    if now.is_some_and(|now| now.starts_with(mount)) {
        return None;
    }
    let mount = mount.clone();
    Some(if is_mounted(&mount) { Missing::Elsewhere(mount) } else { Missing::Unmounted(mount) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of `/srv/data` by a job with this rule that lay on `seen` and lies on `now`,
    /// where these are mounted.
    fn check(rule: SourceMount, seen: &str, now: &str, mounted: &[&str]) -> String {
        let source = CustomDir {
            source_path: "/srv/data".into(),
            excludes: Vec::new(),
            one_file_system: true,
            mount: rule,
        };
        let seen = (!seen.is_empty()).then(|| {
            let (source_path, mount) = seen.split_once(" on ").unwrap_or(("/srv/data", seen));
            SourceSeen { source_path: source_path.into(), mount: mount.into() }
        });
        let now = (!now.is_empty()).then(|| Path::new(now));
        let is_mounted = |dir: &Path| mounted.iter().any(|one| dir == Path::new(one));
        match missing(&source, seen.as_ref(), now, is_mounted) {
            None => "read".to_owned(),
            Some(Missing::Unmounted(at)) => format!("nothing at {}", at.display()),
            Some(Missing::Elsewhere(at)) => format!("not on {}", at.display()),
            Some(Missing::OnRoot) => "on the root".to_owned(),
        }
    }

    #[test]
    fn a_source_whose_disk_went_is_not_read() {
        use SourceMount::{Any, Remembered, Required};
        for (rule, seen, now, mounted, expected) in [
            // Never on a mount, or for the first time.
            (Remembered, "", "", &[][..], "read"),
            (Remembered, "", "/srv", &["/srv"], "read"),
            // As it was.
            (Remembered, "/srv", "/srv", &["/srv"], "read"),
            (Remembered, "/srv/data", "/srv/data", &["/srv/data"], "read"),
            // The disk is not mounted: on `/`, or on what is mounted above it.
            (Remembered, "/srv", "", &[], "nothing at /srv"),
            (Remembered, "/srv/data", "/srv", &["/srv"], "nothing at /srv/data"),
            // Mounted further down now, whatever became of what was above.
            (Remembered, "/srv", "/srv/data", &["/srv/data"], "read"),
            // A link that leads elsewhere now.
            (Remembered, "/mnt/one", "/mnt/two", &["/mnt/one", "/mnt/two"], "not on /mnt/one"),
            (Remembered, "/mnt/one", "", &["/mnt/one"], "not on /mnt/one"),
            (Remembered, "/mnt/one", "/mnt/two", &["/mnt/two"], "nothing at /mnt/one"),
            // The job names another source than the one that was seen.
            (Remembered, "/srv/old on /srv/old", "", &[], "read"),
            (Required, "/srv/old on /srv/old", "", &[], "on the root"),
            // From the first run on.
            (Required, "", "", &[], "on the root"),
            (Required, "", "/srv", &["/srv"], "read"),
            (Required, "/srv/data", "/srv", &["/srv"], "nothing at /srv/data"),
            // It is meant to be so.
            (Any, "/srv", "", &[], "read"),
            (Any, "", "", &[], "read"),
        ] {
            let said = check(rule, seen, now, mounted);
            assert_eq!(said, expected, "{rule:?}: seen on {seen:?}, now on {now:?}");
        }
    }

    #[test]
    fn the_mount_point_of_a_directory_is_where_its_device_begins() {
        // Every Linux has it, and it is never the file system of `/`.
        let proc = PathBuf::from("/proc");
        assert_eq!(point_of(Path::new("/proc/self/fd")).unwrap(), Some(proc.clone()));
        assert_eq!(point_of(&proc).unwrap(), Some(proc.clone()));
        assert_eq!(point_of(Path::new("/")).unwrap(), None);
        assert!(is_mounted(&proc) && !is_mounted(Path::new("/proc/self")));
        assert!(!is_mounted(Path::new("/nowhere/at/all")) && !is_mounted(Path::new("/")));
        let own = device(Path::new("/")).unwrap();
        assert!(point_of_device(&proc, own).is_err());
    }
}
