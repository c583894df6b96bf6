//! Uploads as the store holds them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Text;
use super::archive::StoredArchive;
use crate::model::archive::{Archive, Sha256};
use crate::model::name::PlaceName;
use crate::model::upload::{Upload, UploadId};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::state) struct StoredUpload {
    id: uuid::Uuid,
    peer: Text<PlaceName>,
    archive: StoredArchive,
    info_json: String,
    checksum: Text<Sha256>,
    chunk_size: u64,
    begun_at: Timestamp,
    touched_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    published_at: Option<Timestamp>,
}

impl From<&Upload> for StoredUpload {
    fn from(upload: &Upload) -> Self {
        Self {
            id: upload.id.0,
            peer: Text(upload.peer.clone()),
            archive: StoredArchive::from(&upload.archive),
            info_json: upload.info_json.clone(),
            checksum: Text(upload.checksum),
            chunk_size: upload.chunk_size,
            begun_at: upload.begun_at,
            touched_at: upload.touched_at,
            published_at: upload.published_at,
        }
    }
}

impl From<StoredUpload> for Upload {
    fn from(stored: StoredUpload) -> Self {
        Self {
            id: UploadId(stored.id),
            peer: stored.peer.0,
            archive: Archive::from(stored.archive),
            info_json: stored.info_json,
            checksum: stored.checksum.0,
            chunk_size: stored.chunk_size,
            begun_at: stored.begun_at,
            touched_at: stored.touched_at,
            published_at: stored.published_at,
        }
    }
}
