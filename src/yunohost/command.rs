//! One call of the command: its words, its variables, its limits, and its last line.

use std::time::Duration;

use super::YunohostError;
use super::answer::Answer;
use crate::model::job;
use crate::process::{ProcessError, Runner, Stream, explain};
use crate::stop::Stop;

/// What YunoHost sets itself where it is started with a shorter one.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The longest that a lock is waited for.
const LONGEST_WAIT: Duration = Duration::from_mins(30);
/// The most that an answer may have: 16 MiB are some fifty thousand archives.
const LONGEST_ANSWER: usize = 16 << 20;
/// The exit status for words that it does not know.
pub(super) const USAGE: i32 = 2;
/// How it says, in English, that its lock is held.
const IS_LOCKED: &str = "already a YunoHost operation running";
/// What stands before the one line that says why, and where to look for more.
const NOISE: [&str; 3] = ["Info:", "Warning:", "The operation"];

/// A call that is to be made.
pub(super) struct Call {
    what: String,
    words: Vec<String>,
    env: Vec<(String, String)>,
    timeout: Duration,
}

impl Call {
    /// `what` completes "could not …".
    pub(super) fn new(what: &str, words: &[&str], timeout: Duration) -> Self {
        Self {
            what: what.to_owned(),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            env: vec![("PATH".to_owned(), path())],
            timeout,
        }
    }

    pub(super) fn variable(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs it. `log` gets every line that is not the answer.
    pub(super) fn run(
        self,
        stop: &Stop,
        log: &mut dyn FnMut(&str),
    ) -> Result<Answer, YunohostError> {
        if !is_there() {
            return Err(YunohostError::Missing);
        }
        let wait = lock_wait(self.timeout);
        // Options for every command go first: what takes any number of words swallows no more.
        let mut argv = ["yunohost", "--output-as", "json", "--timeout"].map(str::to_owned).to_vec();
        argv.push(wait.as_secs().to_string());
        argv.extend(self.words);
        let mut last = LastLine::default();
        // One line is held back: the last one is the answer and belongs into no log.
        let mut held: Option<String> = None;
        let result = Runner::outside_sandbox().run_seen(
            &job::Command::Argv(argv),
            &self.env,
            self.timeout,
            stop,
            &mut |stream, bytes| {
                if stream == Stream::Stdout {
                    last.feed(bytes);
                }
            },
            &mut |stream, line| match stream {
                Stream::Stderr => log(line),
                Stream::Stdout => {
                    if let Some(line) = held.replace(line.to_owned()) {
                        log(&line);
                    }
                }
            },
        );
        if let Some(line) = held.filter(|line| !line.starts_with(['{', '['])) {
            log(&line);
        }
        let what = self.what;
        let outcome = result.map_err(|error| match error {
            ProcessError::Stopped { reason, .. } => YunohostError::Stopped(reason),
            ProcessError::TimedOut { after, .. } => {
                YunohostError::TimedOut { what: what.clone(), after }
            }
            error => YunohostError::Process(error),
        })?;
        if outcome.status.success() {
            return Ok(Answer::new(what, last.line));
        }
        if outcome.stderr_tail.contains(IS_LOCKED) {
            return Err(YunohostError::Locked { what, waited: wait });
        }
        // Where it did not end by itself, the last words may be those of an app's script.
        let ended = outcome.status.code().is_some();
        let said = reason(&outcome.stderr_tail)
            .or_else(|| reason(&outcome.stdout_tail))
            .filter(|_| ended)
            .unwrap_or_else(|| format!("`yunohost` {}", explain(outcome.status)));
        Err(YunohostError::Failed { what, code: outcome.status.code(), said })
    }
}

/// How long the lock is waited for, so that there is time left to do something.
fn lock_wait(timeout: Duration) -> Duration {
    (timeout / 2).clamp(Duration::from_secs(1), LONGEST_WAIT)
}

/// The line that says why: the last one that is no general advice.
fn reason(said: &str) -> Option<String> {
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.rfind(|line| !NOISE.iter().any(|noise| line.starts_with(noise))).map(ToOwned::to_owned)
}

/// Our own path with what YunoHost needs behind it.
fn path() -> String {
    match std::env::var("PATH") {
        Ok(ours) if !ours.is_empty() => format!("{ours}:{PATH}"),
        _ => PATH.to_owned(),
    }
}

pub(super) fn is_there() -> bool {
    let is_program = |file: std::path::PathBuf| {
        file.is_file() && rustix::fs::access(&file, rustix::fs::Access::EXEC_OK).is_ok()
    };
    std::env::split_paths(&path()).any(|dir| is_program(dir.join("yunohost")))
}

/// The last line that has anything, whole.
#[derive(Debug, Default)]
struct LastLine {
    line: Vec<u8>,
    is_over: bool,
}

impl LastLine {
    fn feed(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let content = part.strip_suffix(b"\n").unwrap_or(part);
            if !content.is_empty() {
                if std::mem::take(&mut self.is_over) {
                    self.line.clear();
                }
                let room = LONGEST_ANSWER.saturating_sub(self.line.len());
                self.line.extend_from_slice(&content[..content.len().min(room)]);
            }
            self.is_over |= content.len() < part.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(parts: &[&[u8]]) -> String {
        let mut last = LastLine::default();
        for part in parts {
            last.feed(part);
        }
        String::from_utf8(last.line).unwrap_or_default()
    }

    #[test]
    fn the_last_line_is_the_answer_however_it_arrives() {
        assert_eq!(last(&[b"Info\nmore\n{\"a\":1}\n"]), "{\"a\":1}");
        assert_eq!(last(&[b"Info\n{\"a\"", b":1}", b"\n", b"\n"]), "{\"a\":1}");
        assert_eq!(last(&[b"Info", b"\n{\"a\":1}"]), "{\"a\":1}");
        assert_eq!(last(&[]), "");
        let long = "x".repeat(100_000);
        assert_eq!(last(&[b"log\n", long.as_bytes()]), long);
    }

    #[test]
    fn there_is_time_left_after_the_lock() {
        assert_eq!(lock_wait(Duration::from_hours(6)), LONGEST_WAIT);
        assert_eq!(lock_wait(Duration::from_mins(10)), Duration::from_mins(5));
        assert_eq!(lock_wait(Duration::from_millis(100)), Duration::from_secs(1));
    }

    #[test]
    fn the_reason_is_what_is_no_advice() {
        assert_eq!(
            reason("Warning: slow\nFailed to collect files\nInfo: The operation 'x' has failed!\n")
                .as_deref(),
            Some("Failed to collect files")
        );
        assert_eq!(reason("\n"), None);
    }
}
