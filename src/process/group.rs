//! One child with its process group and its two pipes, from start to end.
//!
//! The pipes are read without blocking and in turns with everything else that has to be watched:
//! no thread waits for a pipe that somebody keeps open for ever. **Invariant:** the child is not
//! reaped before its group got its last signal, so that the group's number can mean nobody else.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::Stream;
use crate::stop::{Stop, Stopped};

/// Between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// How long pipes may stay open after the child's end.
const LINGER: Duration = Duration::from_secs(1);
/// How long a killed child may take to be gone: longer only in uninterruptible sleep.
const DYING: Duration = Duration::from_secs(5);
/// The pauses between two looks.
const SHORTEST_PAUSE: Duration = Duration::from_micros(500);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);
/// Reads between two looks at everything else.
const READS: usize = 64;

/// Why there is no exit status.
#[derive(Debug)]
pub(super) enum Trouble {
    Start(io::Error),
    Lost(io::Error),
    TimedOut,
    Stopped(Stopped),
    /// The taker of the output wants no more.
    Refused,
}

/// Takes output; `false` when it wants no more.
pub(super) type Taker<'a> = dyn FnMut(Stream, &[u8]) -> bool + 'a;

struct Group {
    child: Option<Child>,
    id: Pid,
    pipes: [(Stream, Option<File>); 2],
}

impl Group {
    fn start(mut command: Command) -> io::Result<Self> {
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let id = Pid::from_child(&child);
        let stdout = child.stdout.take().map(|pipe| File::from(OwnedFd::from(pipe)));
        let stderr = child.stderr.take().map(|pipe| File::from(OwnedFd::from(pipe)));
        let pipes = [(Stream::Stdout, stdout), (Stream::Stderr, stderr)];
        let group = Self { child: Some(child), id, pipes };
        for pipe in group.pipes.iter().filter_map(|(_, pipe)| pipe.as_ref()) {
            fcntl_setfl(pipe, OFlags::NONBLOCK)?;
        }
        Ok(group)
    }

    fn signal(&self, signal: Signal) {
        // It fails only when nobody is left.
        let _ = kill_process_group(self.id, signal);
    }

    /// Whether the child ended; it stays a zombie, so that its number stays taken.
    fn is_over(&self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(self.id), options)?.is_some())
    }

    fn is_silent(&self) -> bool {
        self.pipes.iter().all(|(_, pipe)| pipe.is_none())
    }

    /// Reads what is there; tells whether there was anything, and `None` when nobody wants it.
    fn drain(&mut self, take: &mut Taker<'_>) -> io::Result<Option<bool>> {
        let mut any = false;
        let mut buffer = [0_u8; 8192];
        for (stream, slot) in &mut self.pipes {
            for _ in 0..READS {
                let Some(pipe) = slot else { break };
                match pipe.read(&mut buffer) {
                    Ok(0) => *slot = None,
                    Ok(length) => {
                        any = true;
                        if !take(*stream, &buffer[..length]) {
                            return Ok(None);
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(Some(any))
    }

    /// Reaps the child and leaves its group alone.
    fn leave(mut self) -> io::Result<ExitStatus> {
        self.child.take().expect("taken once, at the end").wait()
    }

    /// Kills whoever is left and reaps the child.
    fn finish(mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::KILL);
        self.child.take().expect("taken once, at the end").wait()
    }

    /// Ends the group: politely, then not. Output goes on meanwhile.
    fn end(mut self, take: &mut Taker<'_>) {
        self.signal(Signal::TERM);
        self.signal(Signal::CONT);
        let deadline = Instant::now() + GRACE;
        let mut pause = Pause::new();
        while Instant::now() < deadline {
            if self.is_over().unwrap_or(true) && self.is_silent() {
                break;
            }
            let any = self.drain(take).ok().flatten().unwrap_or(false);
            pause.rest(any);
        }
        // `Drop` does the rest.
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        self.signal(Signal::KILL);
        let deadline = Instant::now() + DYING;
        let mut pause = Pause::new();
        while Instant::now() < deadline {
            if self.is_over().unwrap_or(true) {
                let _ = child.wait();
                return;
            }
            pause.rest(false);
        }
        // Stuck in the kernel: it must not hold up anybody, and is reaped whenever it ends.
        thread::spawn(move || child.wait());
    }
}

/// A pause that grows while nothing happens.
struct Pause(Duration);

impl Pause {
    fn new() -> Self {
        Self(SHORTEST_PAUSE)
    }

    fn rest(&mut self, something_happened: bool) {
        self.0 = if something_happened { SHORTEST_PAUSE } else { (self.0 * 2).min(LONGEST_PAUSE) };
        thread::sleep(self.0);
    }
}

/// Runs `command` to its end, and gives its output to `take`.
pub(super) fn supervise(
    command: Command,
    timeout: Duration,
    stop: &Stop,
    take: &mut Taker<'_>,
) -> Result<ExitStatus, Trouble> {
    stop.check().map_err(Trouble::Stopped)?;
    let deadline = Instant::now().checked_add(timeout);
    let mut group = Group::start(command).map_err(Trouble::Start)?;
    let mut pause = Pause::new();
    let mut over_since = None;
    loop {
        // Asked first and drained after: what a child said before its end is there by then.
        let over = group.is_over().map_err(Trouble::Lost)?;
        let Some(any) = group.drain(take).map_err(Trouble::Lost)? else {
            return Err(Trouble::Refused);
        };
        if over {
            let since = *over_since.get_or_insert_with(Instant::now);
            if group.is_silent() {
                // Nobody holds a pipe. What the command left running on purpose may go on.
                return group.leave().map_err(Trouble::Lost);
            }
            if since.elapsed() >= LINGER {
                return group.finish().map_err(Trouble::Lost);
            }
        } else if let Some(reason) = stop.reason() {
            group.end(take);
            return Err(Trouble::Stopped(reason));
        } else if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            group.end(take);
            return Err(Trouble::TimedOut);
        }
        pause.rest(any);
    }
}
