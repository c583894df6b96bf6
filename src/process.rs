//! Child processes: started in a group of their own, watched, and never left behind.
//!
//! Everything the configuration lets run (`before`, `after`, secrets, dump programs) comes through
//! here, so that a time-out, a cancel and the end of the daemon mean the same for all of it.
//! **Invariants:** a call returns soon after its time-out or a request to stop, whatever the child and its
//! children do; when it returns, the group is dead, unless a child left the group on purpose. No shell
//! is involved but for [`Command::Shell`]. Neither errors nor logs hold a command line: it may hold
//! what others must not see.
//!
//! Blocking.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use secrecy::zeroize::Zeroizing;

use crate::model::job::Command;
use crate::stop::{Stop, Stopped};

mod group;
mod lines;
mod pipe;
mod runner;

pub use lines::escape;
pub use pipe::{Pipe, PipeError};
pub use runner::Runner;

use group::{Trouble, supervise};
use lines::{Lines, Tail};

/// Which of a child's outputs a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How a child ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The program, without its arguments.
    pub program: String,
    /// Its exit status.
    pub status: ExitStatus,
    /// The end of its standard output, escaped.
    pub stdout_tail: String,
    /// The end of its standard error, escaped.
    pub stderr_tail: String,
    /// How long it took.
    pub duration: Duration,
}

impl Outcome {
    /// Itself when the child succeeded.
    ///
    /// # Errors
    /// [`ProcessError::Failed`] when it did not.
    pub fn success(self) -> Result<Self, ProcessError> {
        if self.status.success() {
            return Ok(self);
        }
        Err(ProcessError::Failed {
            explanation: explain(self.status),
            program: self.program,
            tail: if self.stderr_tail.is_empty() { self.stdout_tail } else { self.stderr_tail },
        })
    }
}

/// Why a child did not do what it was started for.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is nothing to run.
    #[error("a command cannot be empty")]
    Empty,
    /// The program is not there.
    #[error("`{program}` was not found")]
    NotFound {
        /// The program.
        program: String,
    },
    /// The program could not be started.
    #[error("`{program}` could not be started")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// It ended with a failure.
    #[error("`{program}` {explanation}")]
    Failed {
        /// The program.
        program: String,
        /// How it ended, in words.
        explanation: String,
        /// The end of what it said, escaped.
        tail: String,
    },
    /// It took too long and was ended.
    #[error("`{program}` was ended since it took longer than {} s", after.as_secs_f64())]
    TimedOut {
        /// The program.
        program: String,
        /// The time it had.
        after: Duration,
        /// The end of what it said, escaped.
        tail: String,
    },
    /// Somebody asked to stop, and it was ended.
    #[error("`{program}` was ended: {reason}")]
    Stopped {
        /// The program.
        program: String,
        /// Why.
        reason: Stopped,
    },
    /// It said more than it may.
    #[error("`{program}` wrote more than {cap} bytes")]
    TooMuch {
        /// The program.
        program: String,
        /// What it may write.
        cap: usize,
    },
    /// Its output could not be read, or it could not be waited for.
    #[error("`{program}` could not be watched, and was ended")]
    Lost {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
}

impl ProcessError {
    /// What to do about it, and nothing of what it said: nobody knows what a command of the
    /// configuration prints. See [`hint_of_ours`](Self::hint_of_ours).
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            ProcessError::Empty => Some("write the program first, then its arguments".to_owned()),
            ProcessError::NotFound { program } if program.contains(' ') => Some(
                "an array holds the program and each argument as a string of its own; a plain string runs under `/bin/sh`"
                    .to_owned(),
            ),
            ProcessError::NotFound { program } if program.contains('/') => {
                Some(format!("check the path `{program}`, and the first line if it is a script"))
            }
            ProcessError::NotFound { .. } => {
                Some("install it, or write its full path; the daemon's PATH may be short".to_owned())
            }
            ProcessError::Start { program, source }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                Some(format!("make it executable: `chmod +x {program}`"))
            }
            ProcessError::Start { .. }
            | ProcessError::Failed { .. }
            | ProcessError::TimedOut { .. }
            | ProcessError::Stopped { .. }
            | ProcessError::TooMuch { .. }
            | ProcessError::Lost { .. } => None,
        }
    }

    /// What to do about a failure of a program that larder runs for itself and that holds no secret:
    /// its last words are the best there is.
    #[must_use]
    pub fn hint_of_ours(&self) -> Option<String> {
        let ProcessError::Failed { tail, .. } = self else { return self.hint() };
        tail.lines().last().map(|last| format!("it said last: {last}"))
    }
}

/// How a process ended, to stand behind its name: `ended with exit status 3`.
#[must_use]
pub fn explain(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(126), _) => {
            "ended with exit status 126: a command in it is not executable".to_owned()
        }
        (Some(127), _) => "ended with exit status 127: a command in it was not found".to_owned(),
        (Some(code), _) => format!("ended with exit status {code}"),
        (None, Some(signal)) => {
            let name = match signal {
                1 => " (SIGHUP)",
                2 => " (SIGINT)",
                6 => " (SIGABRT: it found a fault in itself)",
                9 => " (SIGKILL: somebody or the kernel, out of memory, ended it)",
                11 => " (SIGSEGV: it crashed)",
                13 => " (SIGPIPE: nobody read its output)",
                15 => " (SIGTERM: somebody ended it)",
                25 => " (SIGXFSZ: a file got too large)",
                _ => "",
            };
            format!("was killed by signal {signal}{name}")
        }
        (None, None) => "ended in an unknown way".to_owned(),
    }
}

/// Variables that no child inherits.
static WITHHELD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Keeps a variable of our environment from every child from now on: it holds a secret.
pub fn withhold(variable: &str) {
    let mut withheld = WITHHELD.lock();
    withheld.insert(variable.to_owned());
}

/// Runs a command to its end; each line of its output goes to `on_line`, escaped, without its end.
///
/// It gets our environment without what systemd and secrets put there, `LC_ALL=C.UTF-8` and `env`;
/// nothing on its standard input; `/` as its directory.
///
/// On time-out and when somebody asks to stop, its group gets SIGTERM, and SIGKILL 5 seconds later.
/// A child of the command that keeps an output open is killed 1 second after the command's end.
///
/// # Errors
/// It could not be started, or was ended. A failure of its own is an [`Outcome`]:
/// see [`Outcome::success`].
pub fn run(
    command: &Command,
    env: &[(String, String)],
    timeout: Duration,
    stop: &Stop,
    on_line: &mut dyn FnMut(Stream, &str),
) -> Result<Outcome, ProcessError> {
    Runner::Direct.run(command, env, timeout, stop, on_line)
}

/// Runs a program for the sake of its output, which is returned as it is.
///
/// # Errors
/// It could not be started, was ended, failed, or wrote more than `cap` bytes.
pub fn output(
    argv: &[String],
    timeout: Duration,
    cap: usize,
    stop: &Stop,
) -> Result<Zeroizing<Vec<u8>>, ProcessError> {
    let mut kept = Zeroizing::new(Vec::with_capacity(cap));
    let mut errors = (Lines::default(), Tail::default());
    let ended = supervise(prepare(argv, &[])?, timeout, stop, &mut |stream, bytes| match stream {
        Stream::Stdout => {
            let fits = kept.len() + bytes.len() <= cap;
            if fits {
                kept.extend_from_slice(bytes);
            }
            fits
        }
        Stream::Stderr => {
            errors.0.feed(bytes, &mut |line| errors.1.push(line));
            true
        }
    });
    errors.0.finish(&mut |line| errors.1.push(line));
    let program = program_of(argv);
    let status = ended.map_err(|trouble| trouble_of(program, timeout, cap, &errors.1, trouble))?;
    if status.success() {
        return Ok(kept);
    }
    let (program, tail) = (program.to_owned(), errors.1.text());
    Err(ProcessError::Failed { program, explanation: explain(status), tail })
}

/// The program's words for [`prepare`].
fn argv_of(command: &Command) -> Vec<String> {
    match command {
        Command::Argv(argv) => argv.clone(),
        Command::Shell(line) => vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()],
    }
}

/// Words before a program that is to be killed when we are, whatever kills us. Nothing where the
/// system cannot do that.
///
/// The kernel takes the end of the thread that starts it for ours: that thread has to wait for it.
#[must_use]
pub(crate) fn with_us() -> Vec<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&path).any(|dir| dir.join("setpriv").is_file());
    let words: &[&str] = if is_there { &["setpriv", "--pdeathsig=KILL", "--"] } else { &[] };
    words.iter().map(|&word| word.to_owned()).collect()
}

fn program_of(argv: &[String]) -> &str {
    argv.first().map_or("", String::as_str)
}

fn prepare(
    argv: &[String],
    env: &[(String, String)],
) -> Result<std::process::Command, ProcessError> {
    let (program, arguments) = argv.split_first().ok_or(ProcessError::Empty)?;
    if program.is_empty() {
        return Err(ProcessError::Empty);
    }
    let mut command = std::process::Command::new(program);
    command.args(arguments).current_dir("/").stdin(std::process::Stdio::null());
    for variable in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID"] {
        command.env_remove(variable);
    }
    command.env_remove("CREDENTIALS_DIRECTORY");
    for variable in WITHHELD.lock().iter() {
        command.env_remove(variable);
    }
    command.env("LC_ALL", "C.UTF-8");
    command.envs(env.iter().map(|(name, value)| (name, value)));
    Ok(command)
}

fn trouble_of(
    program: &str,
    after: Duration,
    cap: usize,
    tail: &Tail,
    trouble: Trouble,
) -> ProcessError {
    let program = program.to_owned();
    match trouble {
        Trouble::Start(error) if error.kind() == io::ErrorKind::NotFound => {
            ProcessError::NotFound { program }
        }
        Trouble::Start(source) => ProcessError::Start { program, source },
        Trouble::TimedOut => ProcessError::TimedOut { program, after, tail: tail.text() },
        Trouble::Stopped(reason) => ProcessError::Stopped { program, reason },
        Trouble::Refused => ProcessError::TooMuch { program, cap },
        Trouble::Lost(source) => ProcessError::Lost { program, source },
    }
}

/// Runs what was prepared, line by line; `on_bytes` gets the output as it comes.
fn run_prepared(
    program: &str,
    command: std::process::Command,
    timeout: Duration,
    stop: &Stop,
    on_bytes: &mut dyn FnMut(Stream, &[u8]),
    on_line: &mut dyn FnMut(Stream, &str),
) -> Result<Outcome, ProcessError> {
    let began = Instant::now();
    let mut outputs = [
        (Stream::Stdout, Lines::default(), Tail::default()),
        (Stream::Stderr, Lines::default(), Tail::default()),
    ];
    let ended = supervise(command, timeout, stop, &mut |from, bytes| {
        on_bytes(from, bytes);
        for (stream, lines, tail) in outputs.iter_mut().filter(|output| output.0 == from) {
            lines.feed(bytes, &mut |line| {
                tail.push(line);
                on_line(*stream, line);
            });
        }
        true
    });
    for (stream, lines, tail) in &mut outputs {
        lines.finish(&mut |line| {
            tail.push(line);
            on_line(*stream, line);
        });
    }
    let [(_, _, stdout), (_, _, stderr)] = outputs;
    let status = ended.map_err(|trouble| trouble_of(program, timeout, 0, &stderr, trouble))?;
    Ok(Outcome {
        program: program.to_owned(),
        status,
        stdout_tail: stdout.text(),
        stderr_tail: stderr.text(),
        duration: began.elapsed(),
    })
}

#[cfg(test)]
mod tests;
