//! The SHA-256 of a part of a file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use sha2::{Digest as _, Sha256 as Hasher};

use crate::model::archive::Sha256;

/// How much is read at once.
const PIECE: usize = 256 << 10;

/// Hashes `length` bytes from `from` on; fewer are an error.
pub(super) fn of_range(file: &File, from: u64, length: u64) -> io::Result<Sha256> {
    let mut hasher = Hasher::new();
    let mut piece = vec![0; PIECE];
    let mut done = 0;
    while done < length {
        let room = usize::try_from(length - done).map_or(PIECE, |left| left.min(PIECE));
        file.read_exact_at(&mut piece[..room], from + done)?;
        hasher.update(&piece[..room]);
        done += room as u64;
    }
    Ok(Sha256(hasher.finalize().into()))
}
