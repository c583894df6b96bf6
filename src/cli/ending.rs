//! The signals that end a command: Ctrl-C, SIGTERM of a service manager or of `timeout`, and SIGHUP
//! of a terminal or a connection that went.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::failure::FAILED;
use crate::stop::{Stop, Stopped};

/// What the numbers of signals are added to in the exit codes of shells.
const BY_SIGNAL: u8 = 128;

/// Who asked a command to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Somebody at the terminal.
    CtrlC,
    /// Whoever looks after processes here.
    Terminated,
    /// The terminal, or the connection, is gone.
    HungUp,
}

impl Ending {
    /// Its name.
    pub(super) fn word(self) -> &'static str {
        match self {
            Ending::CtrlC => "Ctrl-C",
            Ending::Terminated => "SIGTERM",
            Ending::HungUp => "SIGHUP",
        }
    }

    /// The exit code of a command that it ended: of the signals that end any other program, what a
    /// shell says of them.
    pub(super) fn code(self) -> u8 {
        match self {
            Ending::CtrlC => FAILED,
            Ending::Terminated => BY_SIGNAL + 15,
            Ending::HungUp => BY_SIGNAL + 1,
        }
    }
}

/// Waits for such signals. **Invariant:** once there was one of these, they end this process through
/// [`Endings::next`] only: it is made where work begins that must end cleanly, and never while
/// somebody is asked something.
pub(super) struct Endings {
    ctrl_c: Signal,
    terminate: Signal,
    /// `nohup` has it ignored, and so it stays.
    hangup: Option<Signal>,
}

impl Endings {
    /// Begins to listen. A signal that comes while nobody waits is kept.
    pub(super) fn listen() -> io::Result<Self> {
        let hears = !is_ignored(SignalKind::hangup());
        Ok(Self {
            ctrl_c: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: hears.then(|| signal(SignalKind::hangup())).transpose()?,
        })
    }

    /// Has each of them ask for this stop from now on.
    pub(super) fn ask_for(mut self, stop: &Stop) {
        let asked = stop.clone();
        tokio::spawn(async move {
            loop {
                self.next().await;
                asked.request(Stopped::Cancelled);
            }
        });
    }

    /// The next one that comes. May be dropped: what came meanwhile is kept.
    pub(super) async fn next(&mut self) -> Ending {
        let hung_up = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        // A signal that comes while another is told is kept by its stream.
        tokio::select! {
            _ = self.ctrl_c.recv() => Ending::CtrlC,
            _ = self.terminate.recv() => Ending::Terminated,
            _ = hung_up => Ending::HungUp,
        }
    }
}

/// Whether whoever started this process had a signal ignored.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = line.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0);
    ignored >> (kind.as_raw_value() - 1) & 1 == 1
}
