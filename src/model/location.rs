//! Locations: the places of this host where archives rest.

use std::path::PathBuf;

use jiff::SignedDuration;

use super::desired::{Place, SecretRef};
use super::name::PlaceName;
use super::size::Bytes;

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

impl Codec {
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
