//! Files of unix sockets. **Invariant:** one that something answers on is never replaced.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::unistd::{Group, Uid};
use tokio::net::{UnixListener, UnixStream};

/// The file of a socket that is listened on; removed with this, if it is still ours.
#[derive(Debug)]
pub(in crate::api) struct SocketFile {
    path: PathBuf,
    inode: Option<(u64, u64)>,
}

impl SocketFile {
    /// Makes a socket, in place of a stale one, for its owner and for the first of these groups
    /// that is there; without one it has the mode `alone`.
    ///
    /// # Errors
    /// `AddrInUse` when something answers on it, `AlreadyExists` when it is something else than a
    /// socket; otherwise what the system says.
    pub(in crate::api) async fn bind(
        path: &Path,
        groups: &[&str],
        alone: u32,
    ) -> io::Result<(UnixListener, Self)> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.file_type().is_socket() => {
                if UnixStream::connect(path).await.is_ok() {
                    return Err(io::ErrorKind::AddrInUse.into());
                }
                fs::remove_file(path)?;
            }
            Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // The umask leaves it to its owner until group and mode are set.
        let listener = UnixListener::bind(path)?;
        let file = Self::of(path);
        let group = groups.iter().find_map(|name| Group::from_name(name).ok().flatten());
        if let Some(group) = group.filter(|_| Uid::effective().is_root()) {
            std::os::unix::fs::chown(path, None, Some(group.gid.as_raw()))?;
            fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
        } else {
            fs::set_permissions(path, fs::Permissions::from_mode(alone))?;
        }
        Ok((listener, file))
    }

    /// The file as it is now.
    pub(in crate::api) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), inode: inode(path) }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.inode.is_some() && self.inode == inode(&self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}
