//! A program between files and us: its input is a file, its output is taken as it comes.
//!
//! Dumps and loads of databases come through here: they may have any size, and their bytes are
//! neither text nor ours to interpret.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use super::group::{Trouble, supervise};
use super::lines::{Lines, Tail};
use super::{Outcome, ProcessError, Stream, explain, prepare, program_of, trouble_of};
use crate::stop::Stop;

/// A program to be run with bytes going in and out.
#[derive(Debug)]
pub struct Pipe<'a> {
    /// The program and its arguments. Never a secret: others can read it.
    pub argv: &'a [String],
    /// Further variables of its environment. Never a secret.
    pub env: &'a [(String, String)],
    /// Its standard input, from where the file stands; nothing without.
    pub input: Option<File>,
    /// The most time it may take.
    pub timeout: Duration,
}

/// Why a piped program did not do what it was started for.
#[derive(Debug, thiserror::Error)]
pub enum PipeError {
    /// The program.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Whoever took its output could not go on; the program was ended.
    #[error("its output could not be kept")]
    Taker(#[source] io::Error),
}

impl Pipe<'_> {
    /// Runs the program to its end; `take` gets its standard output piece by piece, `on_line` its
    /// standard error line by line, escaped. Time-out and stop as in [`run`](super::run).
    ///
    /// # Errors
    /// It could not be started, was ended, or `take` failed. An exit status other than 0 is an
    /// [`Outcome`]: see [`Outcome::success`].
    pub fn run(
        self,
        stop: &Stop,
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
        on_line: &mut dyn FnMut(&str),
    ) -> Result<Outcome, PipeError> {
        let began = Instant::now();
        let mut command = prepare(self.argv, self.env)?;
        if let Some(input) = self.input {
            command.stdin(input);
        }
        let mut trouble = None;
        let mut errors = (Lines::default(), Tail::default());
        let ended = supervise(command, self.timeout, stop, &mut |stream, bytes| match stream {
            Stream::Stdout => match take(bytes) {
                Ok(()) => true,
                Err(error) => {
                    trouble = Some(error);
                    false
                }
            },
            Stream::Stderr => {
                errors.0.feed(bytes, &mut |line| {
                    errors.1.push(line);
                    on_line(line);
                });
                true
            }
        });
        errors.0.finish(&mut |line| {
            errors.1.push(line);
            on_line(line);
        });
        let program = program_of(self.argv);
        match (ended, trouble) {
            (Err(Trouble::Refused), Some(error)) => Err(PipeError::Taker(error)),
            (Err(trouble), _) => {
                Err(trouble_of(program, self.timeout, 0, &errors.1, trouble).into())
            }
            (Ok(status), _) => Ok(Outcome {
                program: program.to_owned(),
                status,
                stdout_tail: String::new(),
                stderr_tail: errors.1.text(),
                duration: began.elapsed(),
            }),
        }
    }

    /// Runs a program that must succeed and whose output is small: returned as it is.
    ///
    /// # Errors
    /// As [`run`](Self::run), and [`ProcessError::Failed`], and [`ProcessError::TooMuch`] beyond
    /// `cap` bytes.
    pub fn output(self, cap: usize, stop: &Stop) -> Result<Vec<u8>, ProcessError> {
        let program = program_of(self.argv).to_owned();
        let mut kept = Vec::new();
        let outcome = self.run(
            stop,
            &mut |bytes| {
                if kept.len() + bytes.len() > cap {
                    return Err(io::ErrorKind::FileTooLarge.into());
                }
                kept.extend_from_slice(bytes);
                Ok(())
            },
            &mut |_| {},
        );
        match outcome {
            Err(PipeError::Process(error)) => Err(error),
            Err(PipeError::Taker(_)) => Err(ProcessError::TooMuch { program, cap }),
            Ok(outcome) if outcome.status.success() => Ok(kept),
            Ok(outcome) => Err(ProcessError::Failed {
                program,
                explanation: explain(outcome.status),
                tail: outcome.stderr_tail,
            }),
        }
    }
}
