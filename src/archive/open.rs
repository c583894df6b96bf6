//! Opening an archive file: decryption and decoding, up to the plain tar stream.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::identity::{self, IdentityError};
use super::reader::{Entry, ReadError, Reader};
use crate::model::location::Codec;

/// Why an archive cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be opened.
    #[error("the archive file cannot be opened")]
    Io(#[from] io::Error),
    /// It is encrypted, and no identity was given.
    #[error("the archive is encrypted, and no identity was given")]
    NoIdentity,
    /// No identity that was given opens it.
    #[error("no identity that was given opens the archive")]
    WrongIdentity,
    /// It is not an age file.
    #[error("the archive is not an age file, or its beginning is damaged")]
    NotEncrypted,
    /// An identity is not one, or this build has no encryption.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Its members cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Somebody asked to stop.
    #[error(transparent)]
    Stopped(#[from] crate::stop::Stopped),
}

impl OpenError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            OpenError::NoIdentity | OpenError::WrongIdentity => {
                Some("name the file with the age identity: `--identity FILE`")
            }
            OpenError::Identity(error) => Some(error.hint()),
            OpenError::NotEncrypted | OpenError::Read(_) => {
                Some("use another copy of this archive")
            }
            OpenError::Io(_) | OpenError::Stopped(_) => None,
        }
    }

    #[cfg(feature = "encrypt")]
    pub(crate) fn age(error: age::DecryptError) -> Self {
        match error {
            age::DecryptError::NoMatchingKeys | age::DecryptError::KeyDecryptionFailed => {
                OpenError::WrongIdentity
            }
            age::DecryptError::Io(error) => OpenError::Io(error),
            _ => OpenError::NotEncrypted,
        }
    }
}

impl Reader {
    /// Opens an archive file. `identity` is the text of an age identity file, for an archive that
    /// is encrypted; `None` for one that is not.
    ///
    /// # Errors
    /// When it cannot be decrypted, or its codec finds nothing of its own.
    pub fn open(file: File, codec: Codec, identity: Option<&str>) -> Result<Self, OpenError> {
        match (codec, identity) {
            (Codec::None, None) => Ok(Reader::from_file(file)),
            (codec, identity) => Ok(Reader::from_stream(plain_stream(file, codec, identity)?)),
        }
    }
}

/// The plain tar stream of an archive file, wherever its bytes come from.
pub(crate) fn plain_stream(
    file: impl io::Read + Send + 'static,
    codec: Codec,
    identity: Option<&str>,
) -> Result<Box<dyn io::Read + Send>, OpenError> {
    let decrypted: Box<dyn io::Read + Send> = match identity {
        Some(identity) => identity::decrypt(file, identity)?,
        None => Box::new(file),
    };
    Ok(match codec {
        Codec::None => decrypted,
        Codec::Gzip(_) => Box::new(flate2::read::MultiGzDecoder::new(decrypted)),
        Codec::Zstd(_) => Box::new(zstd::stream::read::Decoder::new(decrypted)?),
    })
}

/// The members of an archive file, without their content. Ends after the first error.
#[derive(Debug)]
pub struct Contents {
    reader: Reader,
}

impl Iterator for Contents {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.reader.next_entry().transpose()
    }
}

/// Lists the archive file at `path`.
///
/// # Errors
/// See [`Reader::open`].
pub fn contents(path: &Path, codec: Codec, identity: Option<&str>) -> Result<Contents, OpenError> {
    Ok(Contents { reader: Reader::open(open_file(path)?, codec, identity)? })
}

/// The content of one member of the archive file at `path`, if it is there; at most `limit` bytes.
///
/// # Errors
/// When the archive cannot be read as far as that, or the member is longer than `limit`.
pub fn read_member(
    path: &Path,
    codec: Codec,
    identity: Option<&str>,
    name: &str,
    limit: u64,
) -> Result<Option<Vec<u8>>, OpenError> {
    let mut reader = Reader::open(open_file(path)?, codec, identity)?;
    while let Some(entry) = reader.next_entry()? {
        if entry.name == name.as_bytes() {
            if entry.stored > limit {
                return Err(io::Error::from(io::ErrorKind::FileTooLarge).into());
            }
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes)?;
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

fn open_file(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}
