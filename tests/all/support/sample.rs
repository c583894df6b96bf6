//! Archives and locations to test with.

use std::fs;
use std::io::Write;
use std::path::Path;

use jiff::Timestamp;
use larder::location::{ArchiveStore, LocationError};
use larder::model::archive::{Archive, ArchiveId, Condition, How, MemberCounts, Outcome, Sha256};
use larder::model::desired::Place;
use larder::model::job::JobType;
use larder::model::location::{Codec, Location};
use larder::model::run::RunId;
use larder::model::size::Bytes;
use sha2::Digest;

/// A folder location of this path.
pub(crate) fn location(path: &Path) -> Location {
    Location {
        name: "main".parse().unwrap(),
        path: path.to_owned(),
        codec: Codec::None,
        encrypt_to: Vec::new(),
        removable: false,
        require_mount: false,
        min_free: Bytes(0),
        offsite: false,
        identity: None,
        trash: jiff::SignedDuration::from_hours(24),
        owner: None,
        place: Place::default(),
    }
}

/// A good archive of `label` whose file has this content. Its id follows from its name.
pub(crate) fn archive(name: &str, content: &[u8]) -> Archive {
    let hash = sha256(content);
    let length = content.len() as u64;
    let id = sha256(name.as_bytes()).0[..16].try_into().unwrap();
    Archive {
        id: ArchiveId(uuid::Uuid::from_bytes(id)),
        name: name.parse().unwrap(),
        origin: "jerry".parse().unwrap(),
        job: "nocodb".parse().unwrap(),
        job_type: JobType::CustomDir,
        label: "nocodb".parse().unwrap(),
        location: "main".parse().unwrap(),
        created_at: "2026-05-08T01:00:00Z".parse::<Timestamp>().unwrap(),
        day: jiff::civil::date(2026, 5, 8),
        zone: "Europe/Paris".to_owned(),
        content_size: length,
        stream_size: length,
        file_size: length,
        stream_sha256: Some(hash),
        file_sha256: Some(hash),
        codec: Codec::None,
        recipients: Vec::new(),
        outcome: Outcome::Good,
        partial_allowed: false,
        how: How::Scheduled,
        received_at: None,
        pinned: false,
        condition: Condition::Present,
        verified_at: None,
        refuted: None,
        counts: MemberCounts { files: 3, directories: 1, ..MemberCounts::default() },
        config_hash: Some("c0ffee".to_owned()),
        config_commit: None,
        job_json: Some(r#"{"source_path":"/opt/nocodb","type":"custom_dir"}"#.to_owned()),
    }
}

/// Text that differs for each seed, so many bytes long.
pub(crate) fn content(seed: u8, length: usize) -> Vec<u8> {
    (0..=250).cycle().map(|at: u8| seed.wrapping_mul(31).wrapping_add(at)).take(length).collect()
}

pub(crate) fn sha256(bytes: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(bytes).into())
}

/// YunoHost's description of a sample.
pub(crate) const INFO: &[u8] = b"{\"description\":\"larder: sample\",\"created_at\":1778209200}";

/// What a backup does: begin, write, publish.
pub(crate) fn publish(
    store: &dyn ArchiveStore,
    run: u64,
    archive: &Archive,
    content: &[u8],
) -> Result<(), LocationError> {
    let mut incoming = store.begin(RunId(run))?;
    if let Err(error) = incoming.file.write_all(content) {
        let error = store.failed("write", &incoming.path, error);
        store.discard(RunId(run))?;
        return Err(error);
    }
    store.publish(incoming, archive, INFO)
}

/// All files below a directory with their content, directories ending in `/`, by path.
pub(crate) fn tree(dir: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    fn walk(base: &Path, dir: &Path, found: &mut std::collections::BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(base).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() && !path.is_symlink() {
                found.insert(format!("{name}/"), Vec::new());
                walk(base, &path, found);
            } else {
                found.insert(name, fs::read(&path).unwrap_or_default());
            }
        }
    }
    let mut found = std::collections::BTreeMap::new();
    walk(dir, dir, &mut found);
    found
}
