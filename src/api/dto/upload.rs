//! Uploads: what is said at their start, how far they are, and what became of them.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::Moment;
use crate::engine::Standing;

/// What a sender says before the first byte.
#[derive(Debug, Deserialize, ToSchema)]
pub struct UploadStart {
    /// `NAME.tar`, `NAME.tar.gz` or `NAME.tar.zst`, each with or without `.age`.
    pub filename: String,
    /// Bytes of the whole file.
    #[schema(minimum = 1)]
    pub total_size: u64,
    /// Bytes of every chunk but the last; 50 MiB without.
    #[schema(minimum = 65536, maximum = 67_108_864)]
    pub chunk_size: Option<u64>,
    /// SHA-256 of the whole file, in hex.
    #[schema(pattern = "^[0-9A-Fa-f]{64}$")]
    pub checksum: String,
    /// What stands in `NAME.larder.json`, with `info_json` in it for the text of `NAME.info.json`;
    /// or what stands in the latter. Without it the archive forms a series of its own.
    #[schema(value_type = Option<Object>)]
    pub info: Option<Value>,
}

/// How far an upload is.
#[derive(Debug, Serialize, ToSchema)]
pub struct UploadState {
    /// Its number.
    pub upload_id: String,
    /// The name of the file.
    pub filename: String,
    /// Bytes of the whole file.
    pub total_size: u64,
    /// Bytes of every chunk but the last.
    pub chunk_size: u64,
    /// How many chunks it has.
    pub chunks_total: u32,
    /// The chunks that are on the disk, in their order.
    pub chunks_received: Vec<u32>,
    /// The SHA-256 that was announced.
    pub checksum: String,
    /// `in_progress` or `complete`.
    pub status: &'static str,
    /// Who sends it.
    pub peer: String,
    /// When it began.
    pub started_at: Moment,
    /// When it is dropped if nobody goes on with it.
    pub expires_at: Moment,
}

/// A chunk that is on the disk.
#[derive(Debug, Serialize, ToSchema)]
pub struct UploadedChunk {
    /// The upload's number.
    pub upload_id: String,
    /// Which chunk.
    pub chunk: u32,
    /// How many chunks are on the disk.
    pub chunks_done: u32,
    /// How many there are.
    pub chunks_total: u32,
}

/// An upload that is an archive now.
#[derive(Debug, Serialize, ToSchema)]
pub struct UploadFinished {
    /// The upload's number.
    pub upload_id: String,
    /// The archive's name.
    pub archive: String,
    /// Its id.
    pub id: String,
    /// Where it rests.
    pub location: String,
    /// Its bytes.
    pub size: u64,
    /// The SHA-256 of its file.
    pub sha256: String,
    /// When it was received.
    pub received_at: Option<Moment>,
}

/// Where a file may be put.
#[derive(Debug, Serialize, ToSchema)]
pub struct UploadLanding {
    /// The upload's number.
    pub upload_id: String,
    /// The directory, on this host.
    pub directory: String,
    /// The bytes that were announced.
    pub size: u64,
}

impl UploadState {
    /// As it stands now.
    #[must_use]
    pub fn new(standing: Standing, zone: &TimeZone) -> Self {
        let Standing { upload, received } = standing;
        Self {
            upload_id: upload.id.to_string(),
            filename: upload.file_name(),
            total_size: upload.total_size(),
            chunk_size: upload.chunk_size,
            chunks_total: upload.chunks(),
            chunks_received: received,
            checksum: upload.checksum.to_string(),
            status: if upload.published_at.is_some() { "complete" } else { "in_progress" },
            peer: upload.peer.to_string(),
            started_at: Moment::new(upload.begun_at, zone),
            expires_at: Moment::new(upload.expires_at(), zone),
        }
    }
}
