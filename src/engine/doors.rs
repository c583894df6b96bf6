//! What only one may do at a location at a time. A location that hangs keeps those who want to do
//! the same at another one from nothing.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::model::name::PlaceName;

/// How long whoever waits at a door waits before it asks whether there is any hope.
const ASK: Duration = Duration::from_millis(500);

/// One door for each location.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    taken: Mutex<BTreeSet<PlaceName>>,
    free: Condvar,
}

/// The right to what is behind a door, until it is dropped.
#[derive(Debug)]
pub(crate) struct Door<'a> {
    doors: &'a Doors,
    of: PlaceName,
}

impl Doors {
    /// Waits for the door of a location, as long as `hope` does not say that it is in vain.
    pub(crate) fn enter<E>(
        &self,
        of: &PlaceName,
        mut hope: impl FnMut() -> Result<(), E>,
    ) -> Result<Door<'_>, E> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while taken.contains(of) {
            let woken = self.free.wait_timeout(taken, ASK).unwrap_or_else(PoisonError::into_inner);
            taken = woken.0;
            if woken.1.timed_out() && taken.contains(of) {
                drop(taken);
                hope()?;
                taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            }
        }
        taken.insert(of.clone());
        Ok(Door { doors: self, of: of.clone() })
    }
}

impl Drop for Door<'_> {
    fn drop(&mut self) {
        let mut taken = self.doors.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.remove(&self.of);
        self.doors.free.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn place(name: &str) -> PlaceName {
        name.parse().unwrap()
    }

    #[test]
    fn whoever_is_at_one_location_keeps_nobody_from_another() {
        let doors = Doors::default();
        let hopeless = || Err("it hangs");
        let _here = doors.enter(&place("main"), hopeless).unwrap();
        assert!(doors.enter(&place("usb"), hopeless).is_ok());
        assert_eq!(doors.enter(&place("main"), hopeless).unwrap_err(), "it hangs");
    }

    #[test]
    fn a_door_is_for_one_at_a_time() {
        let doors = Arc::new(Doors::default());
        let door = doors.enter(&place("main"), || Ok::<_, ()>(())).unwrap();
        let (hopes, told) = std::sync::mpsc::channel();
        let other = Arc::clone(&doors);
        let waits = std::thread::spawn(move || {
            drop(other.enter(&place("main"), || hopes.send(())).unwrap());
        });
        // It asked whether there is any hope: it waits.
        told.recv().unwrap();
        drop(door);
        waits.join().unwrap();
    }
}
