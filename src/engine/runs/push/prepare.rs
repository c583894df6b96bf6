//! What is sent: the archive as it is, or its ciphertext, with what is said about it.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::engine::runs::context::{Context, Failure};
use crate::engine::runs::send;
use crate::location::sidecar;
use crate::model::archive::{Archive, Condition, CopyKey, Sha256};
use crate::model::name::{ArchiveName, PlaceName};
use crate::model::peer::Peer;
use crate::model::upload::INFO_JSON_MAX;

use super::spool;

/// The bytes to send, and the copy that they will be there.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    /// The archive here.
    pub(crate) key: CopyKey,
    /// Where the bytes are: the archive's own file, or its ciphertext in the spool.
    pub(crate) path: PathBuf,
    /// That file, open for reading.
    pub(crate) file: Arc<File>,
    /// The copy as it will be described there: its name, its length, its hashes, its recipients.
    pub(crate) copy: Archive,
    /// The SHA-256 of these bytes.
    pub(crate) sha256: Sha256,
    /// YunoHost's description.
    pub(crate) info_json: Vec<u8>,
    /// The ciphertext, where that is what is sent.
    pub(super) spooled: Option<spool::Spooled>,
}

impl Prepared {
    /// The name of the file there.
    pub(crate) fn file_name(&self) -> String {
        format!("{}{}", self.copy.name, self.copy.codec.extension(!self.copy.recipients.is_empty()))
    }

    /// How many bytes there are.
    pub(crate) fn size(&self) -> u64 {
        self.copy.file_size
    }

    /// The copy under another name.
    pub(crate) fn named(&self, name: ArchiveName) -> Self {
        Self { copy: Archive { name, ..self.copy.clone() }, ..self.clone() }
    }

    /// The text of its description, as it stands beside an archive.
    pub(crate) fn sidecar(&self) -> String {
        sidecar::to_text(&self.copy)
    }

    /// What another instance is told: the description, with YunoHost's in it.
    pub(crate) fn info(&self) -> Value {
        let mut info = serde_json::from_str(&self.sidecar()).unwrap_or(Value::Null);
        let text = std::str::from_utf8(&self.info_json).ok().filter(|text| {
            text.len() <= INFO_JSON_MAX && serde_json::from_str::<Map<String, Value>>(text).is_ok()
        });
        if let (Some(table), Some(text)) = (info.as_object_mut(), text) {
            table.insert("info_json".to_owned(), text.into());
        }
        info
    }
}

/// Opens what is sent of an archive to a peer; encrypts it first where the destination asks for
/// that, once for all attempts.
pub(super) fn prepare(cx: &Context, key: &CopyKey, peer: &Peer) -> Result<Prepared, Failure> {
    let archive = cx.archive(key)?;
    let gone = |why: &str| Failure::new(format!("`{}` at `{}` {why}", archive.name, key.location));
    match archive.condition {
        Condition::Present => {}
        Condition::Corrupt => {
            return Err(
                gone("is corrupt").hint("send another one; a good copy elsewhere can be fetched")
            );
        }
        Condition::Lost | Condition::Unavailable => return Err(gone("is not there")),
        Condition::Trashed { .. } => return Err(gone("is in the trash")),
    }
    let Some(sha256) = archive.file_sha256 else {
        return Err(gone("has no recorded hash").hint("read it back first: `larder verify`"));
    };
    let (source, free) = cx.available(&key.location)?;
    let folder = cx.core.folder(&key.location).ok_or_else(|| not_configured(&key.location))?;
    let info_json = folder.info_json(&archive)?;
    let recipients = send::recipients(cx, &archive, &peer.name, &[]);
    let recode = send::plan_recoding(&archive, archive.codec, &recipients, &peer.name)?;
    let Some(recode) = recode else {
        let file = Arc::new(source.open(&archive)?);
        let path = folder.path_of(&archive);
        let key = key.clone();
        return Ok(Prepared { key, path, file, sha256, info_json, spooled: None, copy: archive });
    };
    let spooled =
        spool::ciphertext(cx, &archive, source.as_ref(), free, &peer.name, &recode.recipients)?;
    let copy = Archive {
        file_size: spooled.size,
        file_sha256: Some(spooled.sha256),
        recipients: recode.recipients,
        ..archive
    };
    Ok(Prepared {
        key: key.clone(),
        path: spooled.path.clone(),
        file: Arc::new(spooled.open()?),
        sha256: spooled.sha256,
        info_json,
        copy,
        spooled: Some(spooled),
    })
}

fn not_configured(location: &PlaceName) -> Failure {
    Failure::new(format!("location `{location}` is not in the configuration any more"))
}
