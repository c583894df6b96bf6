//! What tests share: waiting for a condition, saying why they are skipped, disks to ruin, and
//! archives to put on them.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

pub(crate) mod answers;
pub(crate) mod disk;
pub(crate) mod sample;

use std::io::Write;
use std::time::{Duration, Instant};

/// How long a condition may take on a machine that is busy with all other tests.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ends a test that cannot run here, and says why even when its output is captured.
macro_rules! skipped {
    ($($why:tt)*) => {{
        $crate::support::say_skipped(&format!($($why)*));
        return;
    }};
}
pub(crate) use skipped;

pub(crate) fn say_skipped(why: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    // Not `eprintln!`, which the test runner captures.
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {why}");
}

/// `Err` with the reason when this process is not root.
pub(crate) fn root() -> Result<(), String> {
    if rustix::process::geteuid().is_root() { Ok(()) } else { Err("needs root".to_owned()) }
}

/// Ends the test with a remark when it does not run as root.
macro_rules! root_or_skip {
    () => {
        if let Err(why) = $crate::support::root() {
            $crate::support::skipped!("{why}");
        }
    };
}
pub(crate) use root_or_skip;

/// An empty directory, in memory where that is possible: flushes cost nothing there.
pub(crate) fn dir() -> tempfile::TempDir {
    disk::memory_dir()
}

/// Whether the long figures were asked for.
pub(crate) fn full() -> bool {
    std::env::var_os("LARDER_FULL").is_some_and(|value| value == "1")
}

/// How long something may take until a test gives up: the long figures move gigabytes.
pub(crate) fn patience(usual: Duration) -> Duration {
    if full() { usual * 10 } else { usual }
}

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not within half a minute, and five where the long figures were asked for.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < patience(PATIENCE), "waited {:?} for {what}", start.elapsed());
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn waiting_ends_as_soon_as_the_condition_holds() {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(()));
    wait_for("a message", || receiver.try_recv().is_ok());
}
