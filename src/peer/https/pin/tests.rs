//! A server with one certificate, and clients that pin one.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::peer::https::Https;

/// A server that answers `{}` to everything; its address, and the hash of its certificate.
async fn server() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["somebody.example".to_owned()]).unwrap();
    let pin = Sha256(Hasher::digest(made.cert.der()).into()).to_string();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await;
                let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    (url, pin)
}

#[tokio::test]
async fn the_pinned_certificate_is_taken_whatever_its_name_and_no_other() {
    let tom: PlaceName = "tom".parse().unwrap();
    let ((url, pin), (_, other)) = (server().await, server().await);
    let https = Https::pinned(&tom, &url, &pin).unwrap();
    assert!(https.about().await.is_ok());
    let colons: Vec<&str> =
        pin.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect();
    let https = Https::pinned(&tom, &url, &colons.join(":").to_uppercase()).unwrap();
    assert!(https.about().await.is_ok());
    let https = Https::pinned(&tom, &url, &other).unwrap();
    let refused = https.about().await.unwrap_err();
    assert!(matches!(refused, PeerError::Certificate { .. }) && !refused.is_offline(), "{refused}");
    assert!(Https::pinned(&tom, &url, "abc").is_err());
}
