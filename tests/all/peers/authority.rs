//! A certificate authority of a test's own.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::{ClientConfig, RootCertStore};

/// It signs the certificates of one world, and nobody else trusts it.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    client: Arc<ClientConfig>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(rcgen::DnType::CommonName, "larder's tests");
        let key = KeyPair::generate().unwrap();
        let own = params.self_signed(&key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(own.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { issuer: Issuer::new(params, key), pem: own.pem(), client: Arc::new(client) }
    }

    /// Its own certificate, for `ca`.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// What trusts it alone.
    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.client)
    }

    /// Signs a new certificate for an address, as `cert.pem` and `key.pem` in `dir`; SHA-256 of the
    /// certificate in hex, for `pin`.
    pub(crate) fn certify(&self, ip: IpAddr, dir: &Path) -> String {
        let mut params = CertificateParams::new(vec![ip.to_string()]).unwrap();
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        super::member::write_secret(&dir.join("key.pem"), &key.serialize_pem());
        std::fs::write(dir.join("cert.pem"), cert.pem()).unwrap();
        crate::support::sample::sha256(cert.der()).to_string()
    }
}
