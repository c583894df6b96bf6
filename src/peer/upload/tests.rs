//! An upload to a peer that is made up, whose requests fail before or after they reach it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;

use parking_lot::Mutex;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256 as Hasher};

use super::*;
use crate::model::name::PlaceName;

const CHUNK: u64 = 1000;

/// How a request goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It never reaches the peer.
    Before,
    /// The answer is lost.
    After,
    /// The peer starts anew, without anything that it had not acknowledged.
    Restart,
    /// It answers with this status, and does nothing.
    Status(u16),
}

/// What the peer has on its disk.
#[derive(Debug, Default, Clone)]
struct Disk {
    /// What is open: number, offer and chunks.
    open: Option<(u32, u64, BTreeMap<u32, Vec<u8>>)>,
    published: Option<Vec<u8>>,
}

#[derive(Debug, Default)]
struct Peer {
    disk: Mutex<Disk>,
    faults: Mutex<BTreeMap<u32, Fault>>,
    requests: Mutex<u32>,
    uploads: Mutex<u32>,
    /// How often each chunk arrived whole.
    chunks: Mutex<BTreeMap<u32, u32>>,
    interruptions: Mutex<u32>,
    offer: Mutex<Option<Offer>>,
}

fn name() -> PlaceName {
    "tom".parse().unwrap()
}

fn offline() -> PeerError {
    PeerError::Offline { peer: name(), why: "cut".to_owned() }
}

fn refused(status: u16) -> PeerError {
    PeerError::Refused { peer: name(), status, detail: String::new(), hint: None }
}

impl Peer {
    fn failing(faults: impl IntoIterator<Item = (u32, Fault)>) -> Self {
        let peer = Self::default();
        peer.faults.lock().extend(faults);
        peer
    }

    /// One request: what it does to the disk, unless something goes wrong.
    fn request<T>(
        &self,
        act: impl FnOnce(&mut Disk) -> Result<T, PeerError>,
    ) -> Result<T, PeerError> {
        let number = {
            let mut requests = self.requests.lock();
            *requests += 1;
            *requests - 1
        };
        let fault = self.faults.lock().remove(&number);
        if fault.is_some() {
            *self.interruptions.lock() += 1;
        }
        match fault {
            None => act(&mut self.disk.lock()),
            Some(Fault::Before | Fault::Restart) => Err(offline()),
            Some(Fault::Status(status)) => Err(refused(status)),
            Some(Fault::After) => {
                let _ = act(&mut self.disk.lock());
                Err(offline())
            }
        }
    }

    fn standing_of(disk: &Disk, offer: &Offer) -> Result<Standing, PeerError> {
        let (number, chunk_size, chunks) = disk.open.as_ref().ok_or_else(|| refused(404))?;
        Ok(Standing {
            upload_id: number.to_string(),
            filename: offer.file_name.clone(),
            total_size: offer.size,
            chunk_size: *chunk_size,
            chunks_received: chunks.keys().copied().collect(),
            checksum: offer.sha256.to_string(),
        })
    }

    fn offer(&self) -> Offer {
        self.offer.lock().clone().unwrap()
    }
}

impl Far for Peer {
    async fn begin(&self, offer: &Offer) -> Result<Begun, PeerError> {
        *self.offer.lock() = Some(offer.clone());
        self.request(|disk| {
            if disk.published.is_some() {
                let there = InTheWay {
                    archive_id: Some(offer.archive.clone()),
                    name: Some("web".to_owned()),
                    upload_id: None,
                    good: true,
                };
                return Ok(Begun::Taken(there, "it is there".to_owned()));
            }
            if disk.open.is_none() {
                let mut uploads = self.uploads.lock();
                *uploads += 1;
                disk.open = Some((*uploads, offer.chunk_size, BTreeMap::new()));
            }
            Self::standing_of(disk, offer).map(Begun::Upload)
        })
    }

    async fn standing(&self, upload: &str) -> Result<Standing, PeerError> {
        let offer = self.offer();
        self.request(|disk| {
            Self::standing_of(disk, &offer)
                .ok()
                .filter(|s| s.upload_id == upload)
                .ok_or_else(|| refused(404))
        })
    }

    async fn chunk(&self, upload: &str, file: &Arc<File>, chunk: &Chunk) -> Result<(), PeerError> {
        let mut bytes = vec![0; usize::try_from(chunk.length).unwrap()];
        file.read_exact_at(&mut bytes, chunk.from).unwrap();
        self.request(|disk| {
            *self.chunks.lock().entry(chunk.number).or_default() += 1;
            let (number, chunk_size, chunks) = disk.open.as_mut().ok_or_else(|| refused(404))?;
            assert_eq!(number.to_string(), upload);
            assert_eq!(chunk.from, u64::from(chunk.number) * *chunk_size);
            if Hasher::digest(&bytes)[..] != chunk.sha256.0 {
                return Err(refused(422));
            }
            match chunks.insert(chunk.number, bytes.clone()) {
                Some(before) if before != bytes => Err(refused(409)),
                _ => Ok(()),
            }
        })
    }

    async fn finish(&self, _upload: &str) -> Result<Finished, PeerError> {
        let offer = self.offer();
        self.request(|disk| {
            if disk.published.is_none() {
                let (_, chunk_size, chunks) = disk.open.clone().ok_or_else(|| refused(404))?;
                if chunks.len() as u64 != offer.size.div_ceil(chunk_size) {
                    return Err(refused(409));
                }
                let bytes: Vec<u8> = chunks.into_values().flatten().collect();
                disk.open = None;
                if Hasher::digest(&bytes)[..] != offer.sha256.0 {
                    return Err(refused(422));
                }
                disk.published = Some(bytes);
            }
            Ok(Finished { name: "web".to_owned(), sha256: offer.sha256.to_string() })
        })
    }

    async fn abandon(&self, _upload: &str) -> Result<(), PeerError> {
        self.request(|disk| {
            disk.open = None;
            Ok(())
        })
    }
}

const PATIENCE: Patience =
    Patience { tries: 5, pause: Duration::ZERO, finish: Duration::from_mins(1) };

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|index| u8::try_from(index * 7 % 251).unwrap()).collect()
}

fn file_of(bytes: &[u8]) -> Arc<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Arc::new(file)
}

fn offer_of(bytes: &[u8]) -> Offer {
    Offer {
        file_name: "web.tar".to_owned(),
        size: bytes.len() as u64,
        sha256: Sha256(Hasher::digest(bytes).into()),
        chunk_size: CHUNK,
        info: Value::Null,
        archive: "id".to_owned(),
    }
}

fn send(peer: &Peer, offer: &Offer, bytes: &[u8], patience: Patience) -> Result<Sent, PeerError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(upload(peer, offer, &file_of(bytes), patience, &|_| {}))
}

/// Sends, in as many calls as it takes; how many requests that were.
fn send_whole(peer: &Peer, bytes: &[u8], patience: Patience) {
    let offer = offer_of(bytes);
    for _ in 0..50 {
        match send(peer, &offer, bytes, patience) {
            Ok(sent) => {
                assert!(
                    matches!(&sent, Sent::Arrived(name) | Sent::WasThere(name) if name == "web"),
                    "{sent:?}"
                );
                break;
            }
            Err(error) => assert!(error.is_offline(), "{error}"),
        }
    }
    assert_eq!(peer.disk.lock().published.as_deref(), Some(bytes));
    let again: u32 = peer.chunks.lock().values().map(|count| count - 1).sum();
    assert!(again <= *peer.interruptions.lock(), "{again} chunks came again");
}

#[test]
fn whatever_request_fails_the_file_arrives_and_one_chunk_is_sent_again_at_most() {
    let bytes = content(7300);
    let faultless = Peer::default();
    send_whole(&faultless, &bytes, PATIENCE);
    let requests = *faultless.requests.lock();
    assert_eq!(requests, 1 + 8 + 1);
    let kinds = [
        Fault::Before,
        Fault::After,
        Fault::Status(503),
        Fault::Status(504),
        Fault::Status(408),
        Fault::Status(429),
    ];
    for number in 0..requests {
        for fault in kinds {
            for tries in [0, 5] {
                let peer = Peer::failing([(number, fault)]);
                send_whole(&peer, &bytes, Patience { tries, ..PATIENCE });
                assert_eq!(*peer.uploads.lock(), 1, "{number} {fault:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn however_many_requests_fail_the_file_arrives(
        faults in prop::collection::btree_map(
            0_u32..60,
            prop_oneof![Just(Fault::Before), Just(Fault::After), Just(Fault::Restart), Just(Fault::Status(502))],
            0..25,
        ),
        size in 1_usize..9000,
        tries in 0_u32..4,
    ) {
        let peer = Peer::failing(faults);
        send_whole(&peer, &content(size), Patience { tries, ..PATIENCE });
    }
}

#[test]
fn what_was_received_and_lost_is_sent_anew() {
    let bytes = content(5000);
    let peer = Peer::failing([(3, Fault::Before)]);
    // The record of the upload is gone when it is asked for.
    let offer = offer_of(&bytes);
    let patience = Patience { tries: 0, ..PATIENCE };
    assert!(send(&peer, &offer, &bytes, patience).is_err());
    peer.disk.lock().open = None;
    assert_eq!(send(&peer, &offer, &bytes, patience).unwrap(), Sent::Arrived("web".to_owned()));
    assert_eq!(send(&peer, &offer, &bytes, patience).unwrap(), Sent::WasThere("web".to_owned()));
}

#[test]
fn what_refuses_for_good_is_told_at_once() {
    let bytes = content(3000);
    for status in [401, 403, 507] {
        for number in 0..5 {
            let peer = Peer::failing([(number, Fault::Status(status))]);
            let error = send(&peer, &offer_of(&bytes), &bytes, PATIENCE).unwrap_err();
            assert_eq!(error.status(), Some(status), "at {number}");
            assert_eq!(*peer.requests.lock(), number + 1);
        }
    }
}

#[test]
fn a_file_that_is_another_one_by_now_is_noticed_and_never_published() {
    let bytes = content(3000);
    let other: Vec<u8> = bytes.iter().map(|byte| byte ^ 1).collect();
    let peer = Peer::default();
    assert_eq!(send(&peer, &offer_of(&bytes), &other, PATIENCE).unwrap(), Sent::Differs(None));
    assert!(peer.disk.lock().published.is_none());
}

#[test]
fn a_peer_that_stays_away_is_given_up_after_a_few_tries() {
    let bytes = content(3000);
    let peer = Peer::failing((2..100).map(|number| (number, Fault::Before)));
    assert!(send(&peer, &offer_of(&bytes), &bytes, PATIENCE).unwrap_err().is_offline());
    assert_eq!(*peer.requests.lock(), 2 + 1 + PATIENCE.tries);
}
