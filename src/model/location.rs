//! Locations: the places of this host where archives rest.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use jiff::SignedDuration;

use super::desired::{Place, SecretRef};
use super::name::PlaceName;
use super::size::Bytes;
use super::words::words;

words! {
    /// The type of a location.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum LocationType {
        /// A folder of this host.
        Folder = "folder",
    }
}

/// How the plain tar stream is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// A plain `.tar`.
    None,
    /// `.tar.gz`, level 0 to 9.
    Gzip(u8),
    /// `.tar.zst`, level 1 to 19.
    Zstd(u8),
}

words! {
    impl Codec {
        None = "none",
        Gzip = "gzip",
        Zstd = "zstd",
    }
}

/// Prints `none`, `gzip:LEVEL` or `zstd:LEVEL`.
impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Codec::None => f.write_str(self.word()),
            Codec::Gzip(level) | Codec::Zstd(level) => write!(f, "{}:{level}", self.word()),
        }
    }
}

/// Why a text is not a codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// No codec is called that.
    #[error("no codec is called that")]
    Unknown,
    /// Its level is not a number that fits; with the codec at its usual level.
    #[error("the level of `{}` is not a small number", .0.word())]
    Level(Codec),
}

impl FromStr for Codec {
    type Err = CodecError;
    /// Reads what is printed, and without a level the usual one. Whether a program has the level
    /// is for whoever writes with it.
    fn from_str(text: &str) -> Result<Self, CodecError> {
        let (word, level) = match text.split_once(':') {
            Some((word, level)) => (word, Some(level)),
            None => (text, None),
        };
        let usual = match word {
            "none" if level.is_none() => Codec::None,
            "gzip" => Codec::GZIP,
            "zstd" => Codec::ZSTD,
            _ => return Err(CodecError::Unknown),
        };
        let Some(level) = level else { return Ok(usual) };
        let level = level.parse().map_err(|_| CodecError::Level(usual))?;
        Ok(match usual {
            Codec::None => Codec::None,
            Codec::Gzip(_) => Codec::Gzip(level),
            Codec::Zstd(_) => Codec::Zstd(level),
        })
    }
}

impl Codec {
    /// gzip at its usual level; also where the level cannot be told.
    pub const GZIP: Codec = Codec::Gzip(6);
    /// zstd at its usual level; also where the level cannot be told.
    pub const ZSTD: Codec = Codec::Zstd(3);

    /// What stands behind the archive's name: `.tar`, `.tar.gz` or `.tar.zst`, with `.age`
    /// when `encrypted`.
    #[must_use]
    pub fn extension(self, encrypted: bool) -> &'static str {
        match (self, encrypted) {
            (Codec::None, false) => ".tar",
            (Codec::None, true) => ".tar.age",
            (Codec::Gzip(_), false) => ".tar.gz",
            (Codec::Gzip(_), true) => ".tar.gz.age",
            (Codec::Zstd(_), false) => ".tar.zst",
            (Codec::Zstd(_), true) => ".tar.zst.age",
        }
    }
}

/// `[location.x]`, a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Its name, in one name space with the peers'.
    pub name: PlaceName,
    /// The folder, absolute.
    pub path: PathBuf,
    /// How archives are encoded here.
    pub codec: Codec,
    /// age recipients, `[recovery] recipients` included; empty means not encrypted.
    pub encrypt_to: Vec<String>,
    /// Whether its absence is expected (a disk that is plugged in at times).
    pub removable: bool,
    /// Whether the folder must lie on a mounted file system other than the root's.
    pub require_mount: bool,
    /// Free space that a run must leave.
    pub min_free: Bytes,
    /// Whether it counts as off-site in `protect`.
    pub offsite: bool,
    /// The age identity for unattended drills.
    pub identity: Option<SecretRef>,
    /// How long deleted archives can be taken back.
    pub trash: SignedDuration,
    /// The peer whose name space this is; its archives alone rest here.
    pub owner: Option<PlaceName>,
    /// Where it is written.
    pub place: Place,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_codec_is_read_as_it_prints_and_without_a_level_as_the_usual_one() {
        for codec in [Codec::None, Codec::Gzip(0), Codec::GZIP, Codec::Zstd(19), Codec::Zstd(255)] {
            assert_eq!(codec.to_string().parse(), Ok(codec));
        }
        assert_eq!("zstd:3".parse(), Ok(Codec::ZSTD));
        assert_eq!(["gzip", "zstd"].map(str::parse), [Ok(Codec::GZIP), Ok(Codec::ZSTD)]);
        for unknown in ["", "none:1", "None", "xz", "xz:3", ":3", "zst", " zstd"] {
            assert_eq!(unknown.parse::<Codec>(), Err(CodecError::Unknown), "{unknown:?}");
        }
        for level in ["gzip:", "gzip:x", "gzip:-1", "gzip:256", "gzip:6:2"] {
            assert_eq!(level.parse::<Codec>(), Err(CodecError::Level(Codec::GZIP)), "{level:?}");
        }
    }
}
