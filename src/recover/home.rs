//! An archive of YunoHost's goes back to YunoHost's folder, as the plain tar file that it was.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256 as Hasher};

use super::look::Copy;
use super::{RecoverError, io};
use crate::archive;
use crate::location::sidecar;
use crate::model::archive::{Archive, Sha256};
use crate::model::location::Codec;
use crate::stop::Stop;

/// How much is copied between two looks at the stop.
const PIECE: usize = 256 << 10;

/// Lays a copy into `folder`, decrypted and decoded, with what YunoHost and larder want beside it,
/// and returns the copy that it is there. A file of this name with the same content is taken as it is;
/// another one is never replaced.
///
/// # Errors
/// When it cannot be opened or written, or is not what was recorded.
pub fn bring_home(
    copy: &Copy,
    folder: &Path,
    identity: Option<&str>,
    stop: &Stop,
) -> Result<Copy, RecoverError> {
    let archive = &copy.archive;
    let wrong = |why: &str| RecoverError::Archive {
        archive: archive.name.to_string(),
        why: why.to_owned(),
        hint: "use another copy of this archive".to_owned(),
    };
    let expected = archive.stream_sha256.ok_or_else(|| wrong("its hash was not recorded"))?;
    fs::create_dir_all(folder).map_err(io("make", folder))?;
    let tar = folder.join(format!("{}.tar", archive.name));
    let plain = Archive {
        codec: Codec::None,
        recipients: Vec::new(),
        file_size: archive.stream_size,
        file_sha256: Some(expected),
        ..archive.clone()
    };
    if !tar.exists() {
        let file = File::open(&copy.file).map_err(io("open", &copy.file))?;
        let identity = identity.filter(|_| !archive.recipients.is_empty());
        let mut stream = archive::plain_stream(file, archive.codec, identity)
            .map_err(|error| wrong(&error.to_string()))?;
        let mut part = tempfile::Builder::new()
            .prefix(".larder-recover-")
            .tempfile_in(folder)
            .map_err(io("write to", folder))?;
        let mut hasher = Hasher::new();
        let mut buffer = vec![0_u8; PIECE];
        loop {
            stop.check()?;
            let count = match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(wrong(&error.to_string())),
            };
            hasher.update(&buffer[..count]);
            part.write_all(&buffer[..count]).map_err(io("write to", folder))?;
        }
        if Sha256(hasher.finalize().into()) != expected {
            return Err(wrong("what was read is not what was written"));
        }
        part.as_file().sync_all().map_err(io("write to", folder))?;
        beside(copy, folder, &plain)?;
        part.persist_noclobber(&tar).map_err(|error| RecoverError::Io {
            what: "name",
            path: tar.clone(),
            source: error.error,
        })?;
    }
    let size = fs::metadata(&tar).map_err(io("look at", &tar))?.len();
    Ok(Copy { archive: Archive { file_size: size, ..plain }, file: tar })
}

/// What lies beside it: YunoHost's description, as it was, and ours, of what the file is now.
fn beside(copy: &Copy, folder: &Path, plain: &Archive) -> Result<(), RecoverError> {
    let from = copy.file.parent().unwrap_or(Path::new("/"));
    let info = format!("{}.info.json", plain.name);
    if from.join(&info).exists() {
        fs::copy(from.join(&info), folder.join(&info)).map_err(io("write", folder))?;
    }
    let ours: PathBuf = folder.join(format!("{}.larder.json", plain.name));
    fs::write(&ours, sidecar::to_text(plain)).map_err(io("write", &ours))
}
