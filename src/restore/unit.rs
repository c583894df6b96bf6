//! A restore in a process of its own, outside the daemon's sandbox.
//!
//! The daemon may write its locations and its state, and nothing else. So it writes the order to a
//! file that only root reads, and starts `larder restore-unit FILE` as a transient unit: [`serve`]
//! carries out the order there and says line by line, as JSON, what happens; [`relay`] hands that on
//! as if it had been done here. The record of the restore is where both can read it.

use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::content::Content;
use super::execute::make_work_dir;
use super::order::{Order, Task};
use super::record::Record;
use super::{Trouble, Watch, carry_out, steps};
use crate::durable;
use crate::model::desired::SecretRef;
use crate::model::job::Command;
use crate::process::{Runner, Stream, escape};
use crate::progress::{Progress, Snapshot};
use crate::secret;
use crate::stop::{Stop, Stopped};

mod wire;

/// How often progress is told.
const TELL_PROGRESS: Duration = Duration::from_millis(250);
/// The longest line of a log that is told, in bytes: longer ones would be cut into no JSON at all.
const LONGEST_LINE: usize = 3000;
/// A whole restore may take so long, like every run without a time-out of its own.
const LONGEST: Duration = Duration::from_hours(24);

/// What the process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    Log(String),
    Progress { bytes: u64, expected: u64, members: u64, phase: String },
    End(Option<End>),
}

/// Why nothing came of it.
#[derive(Debug, Serialize, Deserialize)]
struct End {
    why: String,
    hint: Option<String>,
    stopped: bool,
    corrupt: bool,
}

/// Carries out the order in a file, for [`relay`]. Returns whether all went well.
///
/// # Errors
/// When there is no order, or a value of it is none.
pub fn serve(file: &Path, output: impl Write + Send, stop: &Stop) -> io::Result<bool> {
    let order: wire::Order = serde_json::from_slice(&std::fs::read(file)?)?;
    let order = Order::try_from(order)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let output = Mutex::new(output);
    let progress = Progress::new();
    let say = |event: &Event| {
        let mut output = output.lock();
        let line = serde_json::to_string(event).map_err(io::Error::from);
        let told = line.and_then(|line| writeln!(output, "{line}")).and_then(|()| output.flush());
        // Whoever asked for this is gone: nobody could cancel it any more.
        if told.is_err() {
            stop.request(Stopped::Shutdown);
        }
    };
    let (over, ended) = mpsc::channel::<()>();
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            // Moved in: the channel ends with the work.
            let ended = ended;
            while let Err(mpsc::RecvTimeoutError::Timeout) = ended.recv_timeout(TELL_PROGRESS) {
                say(&told(progress.snapshot()));
            }
        });
        let mut log = |line: &str| say(&Event::Log(short(line)));
        let mut watch = Watch { stop, progress: &progress, log: &mut log };
        let result = carry_out(&order, &mut watch);
        drop(over);
        result
    });
    say(&told(progress.snapshot()));
    let is_complete = result.as_ref().is_ok_and(Record::is_complete);
    say(&Event::End(result.err().map(|trouble| End {
        why: trouble.why,
        hint: trouble.hint,
        stopped: trouble.stopped.is_some(),
        corrupt: trouble.corrupt,
    })));
    Ok(is_complete)
}

fn told(snapshot: Snapshot) -> Event {
    Event::Progress {
        bytes: snapshot.bytes,
        expected: snapshot.expected_bytes,
        members: snapshot.members,
        phase: snapshot.phase.to_owned(),
    }
}

/// A line that survives its way through a pipe of lines.
fn short(line: &str) -> String {
    let mut text = escape(line.as_bytes());
    if text.len() > LONGEST_LINE {
        let mut end = LONGEST_LINE;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Lets a process of its own carry out an order; what it says arrives at `watch`.
///
/// # Errors
/// See [`carry_out`]; or the process could not be started, or ended without a word.
pub fn relay(mut order: Order, runner: Runner, watch: &mut Watch<'_>) -> Result<Record, Trouble> {
    make_work_dir(&order)?;
    let program = this_program()
        .map_err(|error| Trouble::new(format!("cannot find this program: {error}")))?;
    let mut files = Files::default();
    files.take_secrets(&mut order)?;
    let path = order.work_dir.join(format!("order-{}", order.run));
    let text = serde_json::to_vec(&wire::Order::from(&order))
        .map_err(|error| Trouble::new(format!("the order cannot be written: {error}")))?;
    files.write(&path, &text)?;
    let argv =
        [program.display().to_string(), "restore-unit".to_owned(), path.display().to_string()];
    let mut end = None;
    let mut before = Snapshot::default();
    let Watch { stop, progress, log } = watch;
    let outcome = runner.run_restore(
        &Command::Argv(argv.into()),
        order.run.0,
        LONGEST,
        stop,
        &mut |stream, line| {
            let event = match stream {
                Stream::Stdout => serde_json::from_str(line).ok(),
                Stream::Stderr => None,
            };
            match event {
                Some(Event::Log(line)) => log(&line),
                Some(Event::Progress { bytes, expected, members, phase }) => {
                    progress.add_bytes(bytes.saturating_sub(before.bytes));
                    for _ in before.members..members {
                        progress.add_member();
                    }
                    progress.expect_bytes(expected);
                    progress.enter(phase_of(&phase));
                    (before.bytes, before.members) = (bytes, members);
                }
                Some(Event::End(trouble)) => end = Some(trouble),
                None => log(line),
            }
        },
    );
    drop(files);
    let record = || {
        Record::read(&order.work_dir, order.run.0).map_err(|error| {
            Trouble::io("read", &Record::path(&order.work_dir, order.run.0), &error)
        })
    };
    let outcome = outcome.map_err(|error| match steps::of_process(error) {
        Trouble { stopped: Some(stopped), .. } => match record() {
            Ok(Some(record)) => {
                Trouble { why: format!("{stopped}; {}", record.summary()), ..stopped.into() }
            }
            Ok(None) | Err(_) => stopped.into(),
        },
        trouble => trouble,
    })?;
    match end {
        Some(None) => record()?.ok_or_else(|| Trouble::new("the restore left no record")),
        Some(Some(end)) => {
            let stopped =
                if end.stopped { stop.reason().or(Some(Stopped::Shutdown)) } else { None };
            Err(Trouble { why: end.why, hint: end.hint, stopped, corrupt: end.corrupt })
        }
        None => {
            // Ours or systemd's: what commands print comes as events, on the other one.
            let last = outcome.stderr_tail.lines().last();
            let last = last.map(|line| format!("it said last: {line}"));
            let why = match outcome.success() {
                Ok(_) => Trouble::new("the process that restores ended without a word"),
                Err(error) => steps::of_process(error),
            };
            let journal = "its unit's journal may say more: `journalctl -u 'larder-restore-*'`";
            Err(Trouble { hint: last.or_else(|| Some(journal.to_owned())), ..why })
        }
    }
}

/// The program of this process. After an upgrade another one has its place, which need not
/// understand the same orders; then it is the one that this process still holds.
fn this_program() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let held = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
    let is_the_same = |(here, held): (std::fs::Metadata, std::fs::Metadata)| {
        (here.dev(), here.ino()) == (held.dev(), held.ino())
    };
    let both = program.metadata().and_then(|here| Ok((here, held.metadata()?)));
    Ok(if both.is_ok_and(is_the_same) { program } else { held })
}

/// The words that this program itself uses.
fn phase_of(word: &str) -> &'static str {
    ["verifying", "looking", "loading", "YunoHost restores", ""]
        .into_iter()
        .find(|known| *known == word)
        .unwrap_or("restoring")
}

/// Files for the other process, which are gone with this value.
#[derive(Default)]
struct Files(Vec<PathBuf>);

impl Files {
    fn write(&mut self, path: &Path, bytes: &[u8]) -> Result<(), Trouble> {
        self.0.push(path.to_owned());
        durable::write_atomic(path, bytes, 0o600)
            .map_err(|error| Trouble::io("write", path, &error))
    }

    /// What only this process can read (its credentials, its variables) becomes a file.
    fn take_secrets(&mut self, order: &mut Order) -> Result<(), Trouble> {
        use secrecy::ExposeSecret as _;
        let mut secrets: Vec<&mut SecretRef> = Vec::new();
        match &mut order.task {
            Task::Restore(restore) => {
                secrets.extend(restore.location_identity.as_mut());
                if let Content::Mysql(database) | Content::Postgresql(database) =
                    &mut restore.content
                {
                    secrets.extend(database.password.as_mut());
                }
            }
            Task::Undo(undo) => {
                secrets.extend(undo.access.as_mut().and_then(|access| access.password.as_mut()));
            }
        }
        for (number, place) in secrets.into_iter().enumerate() {
            match place {
                SecretRef::Credential(_) | SecretRef::Env(_) => {}
                SecretRef::File(_) | SecretRef::Command(_) => continue,
            }
            let text = secret::read(place).map_err(|error| {
                let hint = error.hint();
                Trouble { hint, ..Trouble::of(&error) }
            })?;
            let path = order.work_dir.join(format!("secret-{}-{number}", order.run));
            self.write(&path, text.expose_secret().as_bytes())?;
            *place = SecretRef::File(path);
        }
        Ok(())
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}
