//! The control socket: the API for this host's administrators, by peer credentials.
//!
//! The file is `0660 root:larder` (where that group exists), and every connection's credentials are
//! looked at as well: root, our own user, or a member of the group. Anybody else is cut off before
//! a byte is read. **Invariant:** a socket file that something answers on is never replaced.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use nix::unistd::{Gid, Group, Uid, User};
use tokio::net::unix::UCred;
use tokio::net::{UnixListener, UnixStream};

use crate::stop::Stop;

/// The group whose members may give orders.
const GROUP: &str = "larder";
/// How long a client may take for its headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long open requests may take at the end.
const GRACE: Duration = Duration::from_secs(3);
/// How long to wait when no connection can be accepted (no descriptors left).
const BACK_OFF: Duration = Duration::from_millis(200);

/// Makes the socket, in place of a stale one.
///
/// # Errors
/// `AddrInUse` when something answers on it; otherwise what the system says.
pub async fn bind(path: &Path) -> io::Result<UnixListener> {
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
    let group = Group::from_name(GROUP).ok().flatten();
    if let Some(group) = group.filter(|_| Uid::effective().is_root()) {
        std::os::unix::fs::chown(path, None, Some(group.gid.as_raw()))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    } else {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    }
    Ok(listener)
}

/// Serves until asked to stop, then lets open requests end for a moment and removes the socket.
pub async fn serve(listener: UnixListener, path: &Path, router: Router, stop: Stop) {
    let own = inode(path);
    let graceful = GracefulShutdown::new();
    loop {
        // Dropping `accept` loses nothing: a connection stays in the backlog until it is taken.
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.requested() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the control socket cannot accept a connection");
                tokio::time::sleep(BACK_OFF).await;
                continue;
            }
        };
        match stream.peer_cred() {
            Ok(cred) if is_allowed(&cred) => {}
            Ok(cred) => {
                tracing::warn!(uid = cred.uid(), "a user without the right knocked");
                continue;
            }
            Err(error) => {
                tracing::warn!(%error, "a connection without credentials");
                continue;
            }
        }
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
        let service = TowerToHyperService::new(router.clone());
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection of the control socket ended early");
            }
        });
    }
    drop(listener);
    if own.is_some() && own == inode(path) {
        let _ = fs::remove_file(path);
    }
    // What is still open after this, for instance somebody who waits, is cut off.
    let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
}

/// Which file this is, so that only our own is removed.
fn inode(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Root, our own user, and members of the group.
fn is_allowed(cred: &UCred) -> bool {
    if cred.uid() == 0 || cred.uid() == Uid::effective().as_raw() {
        return true;
    }
    let Ok(Some(group)) = Group::from_name(GROUP) else {
        return false;
    };
    if group.gid == Gid::from_raw(cred.gid()) {
        return true;
    }
    let user = User::from_uid(Uid::from_raw(cred.uid())).ok().flatten();
    user.is_some_and(|user| user.gid == group.gid || group.mem.contains(&user.name))
}
