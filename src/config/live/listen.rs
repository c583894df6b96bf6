//! Where the API is to be served: whether these addresses are ours, and what TLS shows.

use std::error::Error as _;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use super::Host;
use crate::config::certificate::read_certificate;
use crate::config::diagnostic::Severity;
use crate::model::desired::{Instance, Listen, Place, Tls};

/// Below it a port takes a right of its own.
const FIRST_FREE_PORT: u16 = 1024;

pub(super) fn check(host: &mut Host, instance: &Instance) {
    for listen in &instance.listen {
        match listen {
            Listen::Tcp(address) => check_address(host, *address),
            Listen::Unix(path) => check_socket(host, path),
        }
    }
    if let Some(tls) = &instance.tls {
        check_certificate(host, tls);
    }
}

fn check_address(host: &mut Host, address: SocketAddr) {
    let nowhere = Place::default();
    // Any port: the one that is meant may be the daemon's already.
    if let Err(error) = TcpListener::bind(SocketAddr::new(address.ip(), 0)) {
        let message = format!("cannot listen on `{}`: {error}", address.ip());
        host.error(&nowhere, message, "`ip address` shows the addresses of this host");
    } else if (1..FIRST_FREE_PORT).contains(&address.port()) {
        host.warning(
            &nowhere,
            format!("`{address}` takes the right to use ports below {FIRST_FREE_PORT}"),
            "add `CapabilityBoundingSet=CAP_NET_BIND_SERVICE` in a drop-in of larder.service",
        );
    }
}

fn check_socket(host: &mut Host, path: &Path) {
    let nowhere = Place::default();
    if fs::symlink_metadata(path).is_ok_and(|meta| !meta.file_type().is_socket()) {
        let message = format!("`{}` is there and is no socket", path.display());
        host.error(&nowhere, message, "move it away, or name another path in `listen`");
    } else if let Some(dir) = path.parent() {
        host.can_be_made(dir, &nowhere, Severity::Error);
    }
}

fn check_certificate(host: &mut Host, tls: &Tls) {
    let nowhere = Place::default();
    if let Err(error) = read_certificate(tls) {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        let message = format!("{error}{cause}");
        host.error(&nowhere, message, error.hint());
    }
    match fs::metadata(&tls.key) {
        Ok(meta) if meta.mode() & 0o007 != 0 => {
            let message = format!(
                "the key `{}` has mode {:03o}: everybody here can read or write it",
                tls.key.display(),
                meta.mode() & 0o777
            );
            host.warning(&nowhere, message, "`chmod 600` it, or 640 where a group needs it");
        }
        // What cannot be read was told with the certificate.
        Ok(_) | Err(_) => {}
    }
}
