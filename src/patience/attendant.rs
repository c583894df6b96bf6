//! Longer work at a place that may come to hang: it is waited for as long as it moves on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

/// Has work done at one place, one piece after the other.
#[derive(Debug, Default)]
pub struct Attendant {
    moved: AtomicU64,
    work: Mutex<Work>,
}

#[derive(Debug, Default)]
struct Work {
    is_open: bool,
    is_left_behind: bool,
}

/// Why nothing came of a piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silent {
    /// It was begun, and left behind: it may come to its end yet.
    LeftBehind,
    /// It was never begun: another one is open.
    NotBegun,
}

impl Attendant {
    /// To be called by the work whenever something of it is done.
    pub fn moves(&self) {
        self.moved.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether a piece of work was left behind that has not come back.
    #[must_use]
    pub fn is_left_behind(&self) -> bool {
        self.work().is_left_behind
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock()
    }

    /// Does a piece of work on a thread of its own and returns what came of it. Where nothing of it
    /// moves for `limit` it is left behind. Each time that it was seen to move, `moving` is called.
    ///
    /// # Errors
    /// It was left behind, or another one is open.
    ///
    /// # Panics
    /// Where the work does.
    pub fn attend<T: Send + 'static>(
        self: &Arc<Self>,
        limit: Duration,
        mut moving: impl FnMut(),
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Silent> {
        {
            let mut work = self.work();
            if work.is_open {
                return Err(Silent::NotBegun);
            }
            work.is_open = true;
        }
        let back = Back(Arc::clone(self));
        let (sender, done) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("an attendant".to_owned());
        let thread = thread.spawn(move || {
            let back = back;
            let result = work();
            // Before it counts as back; whoever left it behind does not look any more.
            let _ = sender.send(result);
            drop(back);
        });
        let thread = thread.map_err(|_| Silent::NotBegun)?;
        let mut seen = self.moved.load(Ordering::Relaxed);
        loop {
            match done.recv_timeout(limit) {
                Ok(result) => {
                    // What it held is free by then.
                    let _ = thread.join();
                    return Ok(result);
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return match thread.join() {
                        Err(panic) => std::panic::resume_unwind(panic),
                        Ok(()) => Err(Silent::LeftBehind),
                    };
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = self.moved.load(Ordering::Relaxed);
            if now != seen {
                seen = now;
                moving();
                continue;
            }
            let mut work = self.work();
            // At this very moment it may have come back: then its result is there.
            if work.is_open {
                work.is_left_behind = true;
                return Err(Silent::LeftBehind);
            }
        }
    }
}

/// A piece of work; dropped once it has come back, whatever came of it.
struct Back(Arc<Attendant>);

impl Drop for Back {
    fn drop(&mut self) {
        *self.0.work() = Work::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn work_that_moves_is_waited_for_however_long_it_takes() {
        let attendant = Arc::new(Attendant::default());
        let (seen, told) = mpsc::sync_channel(1);
        let worker = Arc::clone(&attendant);
        let result = attendant.attend(
            SHORT,
            move || seen.try_send(()).unwrap_or_default(),
            move || {
                // Moves until it was seen to do so after the limit was over.
                while told.try_recv().is_err() {
                    worker.moves();
                    std::thread::yield_now();
                }
                7
            },
        );
        assert_eq!(result, Ok(7));
        assert!(!attendant.is_left_behind());
    }

    #[test]
    fn work_that_hangs_is_left_behind_until_it_comes_back() {
        let attendant = Arc::new(Attendant::default());
        let (release, held) = mpsc::channel::<()>();
        let hangs = move || held.recv();
        assert_eq!(attendant.attend(SHORT, || (), hangs), Err(Silent::LeftBehind));
        assert!(attendant.is_left_behind());
        let beside = attendant.attend(LONG, || (), || 1);
        assert_eq!(beside, Err(Silent::NotBegun), "nothing is begun beside it");
        drop(release);
        while attendant.is_left_behind() {
            std::thread::yield_now();
        }
        assert_eq!(attendant.attend(LONG, || (), || 1), Ok(1));
    }

    #[test]
    fn work_that_panics_is_no_work_that_hangs() {
        let attendant = Arc::new(Attendant::default());
        let panics =
            std::panic::AssertUnwindSafe(|| attendant.attend(LONG, || (), || panic!("by a test")));
        let panicked: Result<Result<(), Silent>, _> = std::panic::catch_unwind(panics);
        assert!(panicked.is_err() && !attendant.is_left_behind());
    }
}
