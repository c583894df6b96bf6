//! Where what is overwritten is kept, and what is free there.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The place beside a target, on the same file system, so that setting aside is renaming: in its
/// parent, or in itself when it is the top of a file system. A name that is taken is that of an
/// earlier run with this number, whose state was lost: then it is the next that is free.
pub(super) fn beside(target: &Path, run: u64) -> PathBuf {
    let dir = directory(target);
    let plain = dir.join(format!(".larder-aside-{run}"));
    let further = (2_u64..).map(|number| dir.join(format!(".larder-aside-{run}-{number}")));
    let mut names = std::iter::once(plain.clone()).chain(further);
    names.find(|path| path.symlink_metadata().is_err()).unwrap_or(plain)
}

fn directory(target: &Path) -> &Path {
    let there = nearest(target);
    if there != target {
        return there;
    }
    let Some(parent) = target.parent() else { return target };
    let device = |path: &Path| path.symlink_metadata().map(|metadata| metadata.dev());
    match (device(target), device(parent)) {
        (Ok(own), Ok(parents)) if own != parents => target,
        _ => parent,
    }
}

/// A path, or the nearest of its parents that is there.
fn nearest(path: &Path) -> &Path {
    path.ancestors().find(|path| path.symlink_metadata().is_ok()).unwrap_or(Path::new("/"))
}

/// What is free where a path is or will be.
pub(super) fn free(path: &Path) -> io::Result<u64> {
    let space = rustix::fs::statvfs(nearest(path))?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_on_the_file_system_of_the_target() {
        let dir = tempfile::tempdir().unwrap();
        let app = dir.path().join("app");
        assert_eq!(beside(&app, 7), dir.path().join(".larder-aside-7"), "a target to come");
        assert_eq!(beside(&app.join("deeper"), 7), dir.path().join(".larder-aside-7"));
        std::fs::create_dir(&app).unwrap();
        assert_eq!(beside(&app, 7), dir.path().join(".larder-aside-7"));
        std::fs::create_dir(dir.path().join(".larder-aside-7")).unwrap();
        assert_eq!(beside(&app, 7), dir.path().join(".larder-aside-7-2"), "of a state before");
        std::fs::write(dir.path().join(".larder-aside-7-2"), "").unwrap();
        assert_eq!(beside(&app, 7), dir.path().join(".larder-aside-7-3"));
        assert_eq!(beside(Path::new("/proc"), 7), Path::new("/proc/.larder-aside-7"));
        assert_eq!(beside(Path::new("/"), 7), Path::new("/.larder-aside-7"));
    }
}
