//! How much room there was at locations, day by day.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::name::PlaceName;

/// The last that was seen of a location on one day on which it was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceSample {
    /// The day, in the instance's zone.
    pub day: Date,
    /// Bytes of its archives, without those in the trash.
    pub archives: u64,
    /// Bytes of its trash.
    pub trash: u64,
    /// Bytes that could still be written.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

/// What was seen of each location, oldest first.
pub type SpaceHistory = BTreeMap<PlaceName, Vec<SpaceSample>>;
