//! What answers in the place of another instance, and says what a test wants it to say.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use super::address::Address;
use super::authority::Authority;

/// The status and the body of what is answered to `METHOD /path` (without the query) and a body.
type Answers = dyn FnMut(&str, &[u8]) -> (u16, Vec<u8>) + Send;

/// It answers over TLS until it is dropped.
pub(crate) struct Impostor {
    address: SocketAddr,
    shared: Arc<Shared>,
    _home: Address,
}

struct Shared {
    answers: Mutex<Box<Answers>>,
    asked: Mutex<Vec<String>>,
    is_over: std::sync::atomic::AtomicBool,
}

impl Impostor {
    /// One that has a good certificate of this authority, and answers so.
    pub(crate) fn new(
        authority: &Authority,
        answers: impl FnMut(&str, &[u8]) -> (u16, Vec<u8>) + Send + 'static,
    ) -> Self {
        let home = Address::claim();
        let dir = crate::support::dir();
        authority.certify(home.ip().into(), dir.path());
        let certificate = CertificateDer::from_pem_file(dir.path().join("cert.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(dir.path().join("key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let listener = TcpListener::bind(home.with_port()).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            answers: Mutex::new(Box::new(answers)),
            asked: Mutex::default(),
            is_over: false.into(),
        });
        let (own, tls) = (Arc::clone(&shared), Arc::new(tls));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if own.is_over.load(std::sync::atomic::Ordering::SeqCst) {
                    return;
                }
                let (own, tls) = (Arc::clone(&own), Arc::clone(&tls));
                // A caller that goes away amid a request is no mistake of the test.
                std::thread::spawn(move || own.serve(stream.ok()?, tls).ok());
            }
        });
        Self { address, shared, _home: home }
    }

    /// One with an answer of JSON for each of these lines; anything else is not there.
    pub(crate) fn telling(authority: &Authority, answers: Vec<(&'static str, Value)>) -> Self {
        Self::new(authority, move |line, _| {
            let known = answers.iter().find(|(known, _)| *known == line);
            known.map_or((404, b"{}".to_vec()), |(_, json)| (200, json.to_string().into_bytes()))
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// What was asked so far, as `METHOD /path`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap().clone()
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.shared.is_over.store(true, std::sync::atomic::Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream, tls: Arc<ServerConfig>) -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_mins(1)))?;
        let session = ServerConnection::new(tls).unwrap();
        let mut stream = BufReader::new(StreamOwned::new(session, stream));
        loop {
            let (mut line, mut length) = (String::new(), 0);
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            loop {
                let mut header = String::new();
                stream.read_line(&mut header)?;
                let Some((name, value)) = header.trim().split_once(':') else { break };
                if name.eq_ignore_ascii_case("content-length") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body)?;
            let mut words = line.split([' ', '?']);
            let line = format!("{} {}", words.next().unwrap(), words.next().unwrap_or_default());
            self.asked.lock().unwrap().push(line.clone());
            let (status, answer) = {
                let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
                answers(&line, &body)
            };
            let head = format!(
                "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                answer.len()
            );
            stream.get_mut().write_all(head.as_bytes())?;
            stream.get_mut().write_all(&answer)?;
            stream.get_mut().flush()?;
        }
    }
}
