//! Certificate and key of `instance.tls`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use sha2::{Digest as _, Sha256 as Hasher};

use crate::model::archive::Sha256;
use crate::model::desired::Tls;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("`{}` cannot be read", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what it must.
    #[error("`{}` holds no {what} in PEM", path.display())]
    NotThere {
        /// Which.
        path: PathBuf,
        /// What it must hold.
        what: &'static str,
    },
    /// They do not go together, or are of a kind that is not understood.
    #[error("the certificate `{}` cannot be used with the key `{}`", cert.display(), key.display())]
    Unfit {
        /// The certificate.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

impl CertificateError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "look at its owner and its mode, and at `instance.tls`",
            Self::NotThere { .. } => {
                "`cert` names the certificate with its chain, `key` the private key without a password"
            }
            Self::Unfit { .. } => {
                "were both renewed? `openssl x509 -in CERT -noout -text` shows one"
            }
        }
    }
}

/// Reads certificate and key, for TLS 1.2 and later and HTTP/1.1 alone.
///
/// # Errors
/// See [`CertificateError`].
pub fn read_certificate(tls: &Tls) -> Result<Arc<ServerConfig>, CertificateError> {
    let chain = CertificateDer::pem_file_iter(&tls.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(&tls.cert, "certificate", error))?;
    if chain.is_empty() {
        let path = tls.cert.clone();
        return Err(CertificateError::NotThere { path, what: "certificate" });
    }
    let key = PrivateKeyDer::from_pem_file(&tls.key)
        .map_err(|error| unreadable(&tls.key, "private key", error))?;
    let unfit =
        |source| CertificateError::Unfit { cert: tls.cert.clone(), key: tls.key.clone(), source };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unfit)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// SHA-256 of the certificate that is shown, in hex: what a peer may pin.
///
/// # Errors
/// It cannot be read.
pub fn fingerprint(tls: &Tls) -> Result<Sha256, CertificateError> {
    let first = CertificateDer::pem_file_iter(&tls.cert)
        .and_then(|mut chain| chain.next().transpose())
        .map_err(|error| unreadable(&tls.cert, "certificate", error))?;
    let missing = || CertificateError::NotThere { path: tls.cert.clone(), what: "certificate" };
    Ok(Sha256(Hasher::digest(first.ok_or_else(missing)?).into()))
}

fn unreadable(path: &Path, what: &'static str, error: pem::Error) -> CertificateError {
    let path = path.to_owned();
    match error {
        pem::Error::Io(source) => CertificateError::Unreadable { path, source },
        // The rest is a matter of what the file says.
        _ => CertificateError::NotThere { path, what },
    }
}
