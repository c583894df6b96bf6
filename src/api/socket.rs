//! The control socket: the API for this host's administrators, by peer credentials.
//!
//! The file is `0660 root:larder` (where that group exists), and every connection's credentials are
//! looked at as well: root, our own user, or a member of the group. Anybody else is cut off before
//! a byte is read. **Invariant:** a socket file that something answers on is never replaced.

use std::io;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use nix::unistd::{Gid, Group, Uid, User};
use tokio::net::unix::UCred;
use tokio::net::{UnixListener, UnixStream};

use super::serve::{Door, Limits, Site, SocketFile, accept};
use crate::stop::Stop;

/// The group whose members may give orders.
const GROUP: &str = "larder";

/// A control socket that nobody is served on yet.
#[derive(Debug)]
pub struct Bound {
    listener: UnixListener,
    file: SocketFile,
}

/// Makes the socket, in place of a stale one.
///
/// # Errors
/// `AddrInUse` when something answers on it; otherwise what the system says.
pub async fn bind(path: &Path) -> io::Result<Bound> {
    let (listener, file) = SocketFile::bind(path, &[GROUP], 0o600).await?;
    Ok(Bound { listener, file })
}

/// Serves until asked to stop, then removes the socket and lets open requests end for a moment.
pub async fn serve(bound: Bound, router: Router, stop: Stop) {
    let site = Arc::new(Site::new(router, Limits::local()));
    let door = Door::Unix { listener: bound.listener, admits, remote: None };
    accept(door, Arc::clone(&site), stop).await;
    drop(bound.file);
    // What is still open after this, for instance somebody who waits, is cut off.
    site.drain().await;
}

fn admits(stream: &UnixStream) -> bool {
    match stream.peer_cred() {
        Ok(cred) if is_allowed(&cred) => true,
        Ok(cred) => {
            tracing::warn!(uid = cred.uid(), "a user without the right knocked");
            false
        }
        Err(error) => {
            tracing::warn!(%error, "a connection without credentials");
            false
        }
    }
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
