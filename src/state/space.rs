//! What the state remembers of the room at locations: one sample for each day.

use jiff::civil::Date;
use redb::ReadableTable as _;
use serde::{Deserialize, Serialize};

use super::tables::{SPACE, decode, encode};
use super::{State, StateError, Transaction};
use crate::model::name::PlaceName;
use crate::model::space::{SpaceHistory, SpaceSample};

/// A sample as it is stored; its location and its day are its key.
#[derive(Debug, Serialize, Deserialize)]
struct StoredSpace {
    archives: u64,
    #[serde(default)]
    trash: u64,
    free: u64,
    total: u64,
}

impl Transaction<'_> {
    /// Remembers a sample, in place of the one of its day.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_space(&mut self, at: &PlaceName, sample: &SpaceSample) -> Result<(), StateError> {
        let SpaceSample { day, archives, trash, free, total } = *sample;
        let stored = encode("space", &StoredSpace { archives, trash, free, total })?;
        let mut table = self.txn.open_table(SPACE)?;
        table.insert((at.as_str(), day.to_string().as_str()), stored.as_slice())?;
        Ok(())
    }

    /// Forgets the samples of days before this one, of every location.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn drop_space_before(&mut self, oldest: Date) -> Result<(), StateError> {
        let oldest = oldest.to_string();
        let mut table = self.txn.open_table(SPACE)?;
        table.retain(|(_, day), _| day >= oldest.as_str())?;
        Ok(())
    }
}

impl State {
    /// Every sample there is.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn space(&self) -> Result<SpaceHistory, StateError> {
        self.store.read(|txn| {
            let table = txn.open_table(SPACE)?;
            let mut history = SpaceHistory::new();
            for entry in table.iter()? {
                let (key, value) = entry?;
                let (location, day) = key.value();
                let StoredSpace { archives, trash, free, total } = decode("space", value.value())?;
                // A name that is none any more belongs to nothing that there could be.
                if let (Ok(location), Ok(day)) = (location.parse::<PlaceName>(), day.parse()) {
                    let sample = SpaceSample { day, archives, trash, free, total };
                    history.entry(location).or_default().push(sample);
                }
            }
            Ok(history)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sample_a_day_stays_until_its_time_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let (state, _) = State::open(dir.path()).unwrap();
        let (main, usb): (PlaceName, PlaceName) = ("main".parse().unwrap(), "usb".parse().unwrap());
        let sample = |day: &str, archives| SpaceSample {
            day: day.parse().unwrap(),
            archives,
            trash: 1,
            free: 5,
            total: 10,
        };
        let put = |place: &PlaceName, one: SpaceSample| {
            state.commit(|txn| txn.put_space(place, &one)).unwrap();
        };
        put(&main, sample("2026-05-08", 1));
        put(&usb, sample("2026-05-07", 7));
        put(&main, sample("2026-05-07", 3));
        put(&main, sample("2026-05-08", 2));
        let found = state.space().unwrap();
        assert_eq!(found[&main], [sample("2026-05-07", 3), sample("2026-05-08", 2)]);
        state.commit(|txn| txn.drop_space_before("2026-05-08".parse().unwrap())).unwrap();
        let found = state.space().unwrap();
        assert_eq!(found.get(&usb), None);
        assert_eq!(found[&main], [sample("2026-05-08", 2)]);
    }
}
