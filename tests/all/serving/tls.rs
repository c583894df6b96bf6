//! TLS: which versions, which certificate, and a renewed one.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use larder::api::serve::{ListenError, Server};
use larder::model::desired::{Listen, Tls};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned};

use super::site::{Client, Site, impatient, patient};
use crate::support::skipped;

/// A certificate for `localhost` and its key, as files.
struct Pair {
    cert: String,
    key: String,
    der: CertificateDer<'static>,
}

fn pair() -> Pair {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    Pair {
        cert: made.cert.pem(),
        key: made.signing_key.serialize_pem(),
        der: made.cert.der().clone(),
    }
}

fn write(dir: &Path, pair: &Pair) -> Tls {
    let tls = Tls { cert: dir.join("crt.pem"), key: dir.join("key.pem") };
    // As renewing programs do it: one after the other.
    replace(&tls.cert, &pair.cert);
    replace(&tls.key, &pair.key);
    tls
}

fn replace(path: &PathBuf, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, path).unwrap();
}

/// Connects with trust in `pair` alone.
fn connect(
    site: &Site,
    pair: &Pair,
    protocols: &[&[u8]],
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Result<StreamOwned<ClientConnection, TcpStream>, std::io::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(pair.der.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let mut session =
        ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut stream = Client::new(TcpStream::connect(site.address).unwrap()).stream;
    while session.is_handshaking() {
        session.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(session, stream))
}

fn asks_well(site: &Site, pair: &Pair) -> bool {
    let Ok(mut stream) = connect(site, pair, &[], rustls::ALL_VERSIONS) else { return false };
    stream.write_all(b"GET /quick HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("ok")
}

#[test]
fn tls_1_2_and_1_3_and_http_1_1_are_spoken_and_nothing_else() {
    let (dir, pair) = (crate::support::dir(), pair());
    let tls = write(dir.path(), &pair);
    let site = Site::with(patient(), Some(&tls));
    assert!(asks_well(&site, &pair));
    for (version, name) in [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let stream = connect(&site, &pair, &[b"h2", b"http/1.1"], &[version]).unwrap();
        assert_eq!(stream.conn.protocol_version(), Some(name));
        assert_eq!(stream.conn.alpn_protocol(), Some(b"http/1.1".as_slice()));
    }
    let only_h2 = connect(&site, &pair, &[b"h2"], rustls::ALL_VERSIONS);
    assert!(only_h2.is_err(), "HTTP/2 was agreed on");
    let mut plain = site.client();
    plain.send("GET /quick HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(!plain.rest().contains("HTTP"), "plain text was answered");
}

#[test]
fn a_renewed_certificate_is_shown_and_a_broken_one_is_not() {
    let (dir, old, new) = (crate::support::dir(), pair(), pair());
    let tls = write(dir.path(), &old);
    let mut site = Site::with(patient(), Some(&tls));
    assert!(asks_well(&site, &old) && !asks_well(&site, &new));

    // Half way through: a certificate and the key of another.
    replace(&tls.cert, &new.cert);
    assert_eq!(site.reload(Some(&tls)), 1);
    assert!(asks_well(&site, &old), "the old certificate is gone");
    replace(&tls.key, &new.key);
    assert_eq!(site.reload(Some(&tls)), 0);
    assert!(asks_well(&site, &new) && !asks_well(&site, &old));

    for broken in ["", "garbage", &new.key] {
        replace(&tls.cert, broken);
        assert_eq!(site.reload(Some(&tls)), 1, "{broken:?} is a certificate");
        assert!(asks_well(&site, &new));
    }
    fs::remove_file(&tls.cert).unwrap();
    assert_eq!(site.reload(Some(&tls)), 1);
    assert!(asks_well(&site, &new));
    replace(&tls.cert, &new.cert);
    assert_eq!(site.reload(Some(&tls)), 0);
}

#[test]
fn a_handshake_that_does_not_come_is_not_waited_for() {
    let (dir, pair) = (crate::support::dir(), pair());
    let tls = write(dir.path(), &pair);
    let site = Site::with(impatient(), Some(&tls));
    for words in ["", "\x16", "\x16\x03\x01\x02\0\x01"] {
        let mut client = site.client();
        client.send(words);
        client.rest();
    }
}

#[test]
fn all_addresses_of_both_kinds_are_asked_for_together_or_by_one() {
    let (dir, pair) = (crate::support::dir(), pair());
    let tls = write(dir.path(), &pair);
    let Ok(free) = TcpListener::bind("[::]:0") else {
        skipped!("there is no IPv6 here");
    };
    let port = free.local_addr().unwrap().port();
    drop(free);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut server = Server::new(axum::Router::new(), patient());
    let all_v6 = Listen::Tcp((Ipv6Addr::UNSPECIFIED, port).into());
    let all_v4 = Listen::Tcp((Ipv4Addr::UNSPECIFIED, port).into());
    for wanted in [vec![all_v6.clone()], vec![all_v6, all_v4], vec![]] {
        let troubles = runtime.block_on(server.listen(&wanted, Some(&tls)));
        assert!(troubles.is_empty(), "{troubles:?}");
        for address in ["127.0.0.1", "::1"] {
            let is_open = TcpStream::connect((address, port)).is_ok();
            assert_eq!(is_open, !wanted.is_empty(), "{address} with {wanted:?}");
        }
    }
}

#[test]
fn plain_text_beyond_loopback_is_not_served_whoever_asks_for_it() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut server = Server::new(axum::Router::new(), patient());
    let everywhere = Listen::Tcp((Ipv4Addr::UNSPECIFIED, 0).into());
    let troubles = runtime.block_on(server.listen(&[everywhere], None));
    assert!(matches!(troubles.as_slice(), [ListenError::Plain(_)]), "{troubles:?}");
    assert!(server.listening().is_empty());
}
