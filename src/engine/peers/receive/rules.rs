//! Whether a peer may begin an upload: pure.

use super::ReceiveError;
use crate::model::size::Bytes;
use crate::model::upload::ARCHIVES_MAX;

/// What is there already, and what may be.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Room {
    /// Uploads of the peer that are open.
    pub(super) open: usize,
    /// How many may be.
    pub(super) open_max: u32,
    /// Archives in the name space.
    pub(super) archives: usize,
    /// Bytes of these archives, and of open uploads when they are whole.
    pub(super) used: u64,
    /// How many may be.
    pub(super) quota: Option<Bytes>,
    /// Bytes that are free on the disk.
    pub(super) free: u64,
    /// Bytes that open uploads of all peers there have still to bring.
    pub(super) expected: u64,
    /// Bytes that must stay free.
    pub(super) min_free: Bytes,
}

/// Whether so many bytes more may come.
pub(super) fn may_begin(total: u64, room: &Room) -> Result<(), ReceiveError> {
    let none =
        |why: String, hint: &str| Err(ReceiveError::NoRoom { why, hint: Some(hint.to_owned()) });
    if room.open >= usize::try_from(room.open_max).unwrap_or(usize::MAX) {
        return none(
            format!("{} uploads are open, and no more may be", room.open),
            "finish or abandon one of them; one that nobody goes on with is dropped after 48 hours",
        );
    }
    if room.archives + room.open >= ARCHIVES_MAX {
        return none(
            format!("{} archives are here, and no more may be", room.archives),
            "somebody at the receiving side must delete some",
        );
    }
    if let Some(quota) = room.quota
        && room.used.saturating_add(total) > quota.0
    {
        return none(
            format!(
                "the quota of {quota} is used up: {} are here or on their way, {} more would come",
                Bytes(room.used),
                Bytes(total)
            ),
            "`quota` in the peer's `accept` says how much it may store",
        );
    }
    let needed = total.saturating_add(room.expected).saturating_add(room.min_free.0);
    if needed > room.free {
        return none(
            format!(
                "not enough space: needs {}, open uploads {}, and {} are to stay free; there are {}",
                Bytes(total),
                Bytes(room.expected),
                room.min_free,
                Bytes(room.free)
            ),
            "make room there; no archive was deleted",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_refuses_by_itself_and_the_last_byte_fits() {
        let room = Room {
            open: 1,
            open_max: 2,
            archives: 3,
            used: 600,
            quota: Some(Bytes(1000)),
            free: 1000,
            expected: 100,
            min_free: Bytes(500),
        };
        assert_eq!(may_begin(400, &room), Ok(()));
        let refused = |total, room: Room| may_begin(total, &room).unwrap_err().to_string();
        assert!(refused(401, room).contains("quota"));
        assert!(refused(401, Room { quota: None, ..room }).contains("not enough space"));
        assert!(refused(1, Room { open: 2, ..room }).contains("uploads are open"));
        assert!(refused(1, Room { archives: ARCHIVES_MAX - 1, ..room }).contains("archives"));
        for total in [u64::MAX, u64::MAX - 1, 1 << 63] {
            assert!(refused(total, room).contains("quota"));
            assert!(refused(total, Room { quota: None, ..room }).contains("not enough space"));
        }
    }
}
