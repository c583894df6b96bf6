//! The certificate in force, read again when its files change.
//!
//! **Invariant:** one that cannot be used never replaces one that can.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::ServerConfig;

use crate::config::{CertificateError, read_certificate};
use crate::model::desired::Tls;

/// A file as it was when it was read.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

/// The certificate in force.
#[derive(Debug, Default)]
pub(super) struct Certificate {
    current: Arc<ArcSwapOption<ServerConfig>>,
    /// What it was read from; nothing when the last reading failed.
    read: Option<(Tls, [Stamp; 2])>,
}

impl Certificate {
    /// What a client is shown who comes now.
    pub(super) fn current(&self) -> &Arc<ArcSwapOption<ServerConfig>> {
        &self.current
    }

    /// Reads what has changed since it was read last.
    pub(super) async fn renew(&mut self, tls: Option<&Tls>) -> Option<CertificateError> {
        let Some(tls) = tls else {
            self.current.store(None);
            self.read = None;
            return None;
        };
        let (wanted, read) = (tls.clone(), self.read.clone());
        let result = tokio::task::spawn_blocking(move || {
            // Looked at before it is read: what changes in between is noticed the next time.
            let stamps = [stamp(&wanted.cert), stamp(&wanted.key)];
            let now = Some((wanted.clone(), stamps));
            if now == read {
                return Ok(None);
            }
            read_certificate(&wanted).map(|config| Some((config, now)))
        })
        .await;
        match result {
            Ok(Ok(Some((config, now)))) => {
                if self.current.swap(Some(config)).is_some() {
                    tracing::info!(certificate = %tls.cert.display(), "the certificate was renewed");
                }
                self.read = now;
                None
            }
            Ok(Err(error)) => {
                self.read = None;
                Some(error)
            }
            // Nothing changed; or the runtime ends, and nothing matters any more.
            Ok(Ok(None)) | Err(_) => None,
        }
    }
}

fn stamp(path: &Path) -> Stamp {
    let meta = fs::metadata(path).ok()?;
    Some((meta.dev(), meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
}
