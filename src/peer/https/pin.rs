//! TLS with exactly one certificate, known by its hash.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use sha2::{Digest as _, Sha256 as Hasher};

use crate::model::archive::Sha256;
use crate::model::name::PlaceName;
use crate::peer::PeerError;

/// Takes a server that proves to have the key of the one certificate. Names, dates and authorities
/// say nothing more about it: who has its hash, has it from that server.
#[derive(Debug)]
struct Pinned {
    pin: Sha256,
    algorithms: WebPkiSupportedAlgorithms,
}

/// A configuration of TLS that takes the certificate with this SHA-256 (of its DER form, in hex,
/// with or without colons) and no other.
pub(super) fn only(pin: &str, peer: &PlaceName) -> Result<ClientConfig, PeerError> {
    let unreached = |why: String| PeerError::Unreached { peer: peer.clone(), why };
    let digits: String = pin.chars().filter(|c| *c != ':').collect();
    let pin = digits.to_ascii_lowercase().parse();
    let pin: Sha256 = pin.map_err(|()| unreached("its `pin` is no SHA-256 in hex".to_owned()))?;
    let provider = crypto::ring::default_provider();
    let verifier = Pinned { pin, algorithms: provider.signature_verification_algorithms };
    let builder = ClientConfig::builder_with_provider(Arc::<CryptoProvider>::new(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| unreached(error.to_string()))?;
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = Sha256(Hasher::digest(end_entity).into());
        if shown == self.pin {
            return Ok(ServerCertVerified::assertion());
        }
        tracing::debug!(%shown, pin = %self.pin, "another certificate than the one that is pinned");
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
