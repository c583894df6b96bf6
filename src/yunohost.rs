//! The `yunohost` command: what makes, lists, restores and deletes its archives.
//!
//! **Invariants:** every call has a time limit and passes one on, since the command waits for ever
//! on its lock; the last line of its output is the JSON, whatever stands before it; an archive was
//! made only when every target that was wanted says so, whatever the exit status.
//!
//! The command must be run by root. It runs outside our sandbox: its hooks and the scripts of apps
//! touch the whole system. Blocking.

use std::path::PathBuf;
use std::time::Duration;

use crate::process::ProcessError;
use crate::stop::{Stop, Stopped};

mod answer;
mod command;

pub use answer::Level;

use command::Call;

/// Where YunoHost keeps its archives; it may be a link to a directory elsewhere.
pub const ARCHIVES: &str = "/home/yunohost.backup/archives";

/// How long a question may take: YunoHost is written in Python, and starts slowly on small boards.
const QUESTION: Duration = Duration::from_mins(1);
/// How long a deletion may take; what waits for it holds others up.
const DELETION: Duration = Duration::from_secs(90);
/// How long opening a port may take.
const OPENING: Duration = Duration::from_mins(2);

/// An installed app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Its id: `nextcloud`, and `nextcloud__2` for a second one.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What is saved or restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One app.
    App {
        /// Its id.
        id: String,
        /// Without the data that its scripts call large.
        core_only: bool,
    },
    /// Parts of the system.
    System {
        /// Which; none means all.
        parts: Vec<String>,
    },
}

/// An archive that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its name.
    pub name: String,
    /// Bytes of content, as YunoHost counts them.
    pub size: u64,
    /// What YunoHost warns of, one line for each target.
    pub warnings: Vec<String>,
}

/// An archive that YunoHost lists with what it knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// What somebody called it.
    pub description: String,
    /// Bytes of content.
    pub size: u64,
}

/// What could not be done through YunoHost.
#[derive(Debug, thiserror::Error)]
pub enum YunohostError {
    /// It is not installed.
    #[error("YunoHost is not there: no command `yunohost`")]
    Missing,
    /// Another command of YunoHost holds its lock.
    #[error("could not {what}: another command of YunoHost was still running after {} s", waited.as_secs())]
    Locked {
        /// What was to be done.
        what: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// It took too long and was ended.
    #[error("could not {what}: `yunohost` was ended since it took longer than {} s", after.as_secs_f64())]
    TimedOut {
        /// What was to be done.
        what: String,
        /// The time it had.
        after: Duration,
    },
    /// It said no.
    #[error("could not {what}: {said}")]
    Failed {
        /// What was to be done.
        what: String,
        /// Its exit status.
        code: Option<i32>,
        /// What it said last on its standard error, or how it ended.
        said: String,
    },
    /// It ended well, and did not do it.
    #[error("could not {what}: YunoHost says {}", targets.join(", "))]
    NotDone {
        /// What was to be done.
        what: String,
        /// Each target that is not done, with what YunoHost says of it.
        targets: Vec<String>,
    },
    /// Its answer is not what it answers.
    #[error("could not {what}: the answer of `yunohost` cannot be read: {why}")]
    Unreadable {
        /// What was to be done.
        what: String,
        /// What is odd.
        why: String,
    },
    /// It could not be run.
    #[error(transparent)]
    Process(ProcessError),
    /// Somebody asked to stop.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl YunohostError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            YunohostError::Missing => {
                "jobs of the types `ynh_app` and `ynh_system` run on a YunoHost server only"
            }
            YunohostError::Locked { .. } => {
                "look for an upgrade or a backup that hangs (`ps aux | grep yunohost`); it is tried again"
            }
            YunohostError::TimedOut { .. } => {
                "give the job a longer `timeout` if it needs one; `yunohost log list` shows how far it came"
            }
            YunohostError::Failed { .. } | YunohostError::NotDone { .. } => {
                "`yunohost log list` and /var/log/yunohost/yunohost-cli.log tell more"
            }
            YunohostError::Unreadable { .. } => {
                "run the same by hand with `--output-as json`: the last line must be JSON"
            }
            YunohostError::Process(error) => {
                return error.hint().unwrap_or_else(|| "try it by hand".to_owned());
            }
            YunohostError::Stopped(_) => "it runs again when it is due",
        }
        .to_owned()
    }
}

/// Whether the command is there. It is not run.
#[must_use]
pub fn is_there() -> bool {
    command::is_there()
}

/// The installed version, without any `~…`.
///
/// # Errors
/// When YunoHost is not there or does not answer.
pub fn version(stop: &Stop) -> Result<String, YunohostError> {
    let answer = Call::new("ask YunoHost for its version", &["tools", "versions"], QUESTION)
        .run(stop, &mut |_| {})?;
    answer.version()
}

/// The installed apps.
///
/// # Errors
/// When YunoHost is not there or does not answer.
pub fn apps(stop: &Stop) -> Result<Vec<App>, YunohostError> {
    Call::new("list YunoHost's apps", &["app", "list"], QUESTION).run(stop, &mut |_| {})?.apps()
}

/// The installed apps, for those whom nobody asks to stop.
///
/// # Errors
/// See [`apps`].
pub fn apps_now() -> Result<Vec<App>, YunohostError> {
    apps(&Stop::new())
}

/// The names of all archives in YunoHost's folder, ours included. Those without a description too.
///
/// # Errors
/// When YunoHost is not there or does not answer.
pub fn archives(stop: &Stop) -> Result<Vec<String>, YunohostError> {
    Call::new("list YunoHost's archives", &["backup", "list"], QUESTION)
        .run(stop, &mut |_| {})?
        .archives()
}

/// The archives that YunoHost can describe. Those that it cannot are left out, by YunoHost.
///
/// # Errors
/// When YunoHost is not there or does not answer.
pub fn archives_with_info(stop: &Stop) -> Result<Vec<Listed>, YunohostError> {
    Call::new("list YunoHost's archives", &["backup", "list", "--with-info"], QUESTION)
        .run(stop, &mut |_| {})?
        .archives_with_info()
}

/// The file of an archive of YunoHost's folder, as YunoHost names it.
///
/// # Errors
/// `Failed` when there is no such archive, or its description cannot be read.
pub fn path_of(name: &str, stop: &Stop) -> Result<PathBuf, YunohostError> {
    Call::new(&format!("look for `{name}`"), &["backup", "info", name], QUESTION)
        .run(stop, &mut |_| {})?
        .path()
}

/// Makes an archive in YunoHost's folder. `log` gets what YunoHost says meanwhile.
///
/// YunoHost writes under the final name from the start: whatever the error, something of this
/// name may be there.
///
/// # Errors
/// `NotDone` when a target was skipped or failed, although YunoHost ended well.
pub fn create(
    name: &str,
    description: &str,
    target: &Target,
    timeout: Duration,
    stop: &Stop,
    log: &mut dyn FnMut(&str),
) -> Result<Made, YunohostError> {
    let (name_is, description_is) =
        (format!("--name={name}"), format!("--description={description}"));
    let mut words = vec!["backup", "create", &name_is, &description_is];
    words.extend(target.words());
    let mut call = Call::new(&format!("save {}", target.in_words()), &words, timeout);
    if matches!(target, Target::App { core_only: true, .. }) {
        call = call.variable("BACKUP_CORE_ONLY", "1");
    }
    let answer = call.run(stop, log)?;
    let (made, size, results) = answer.made()?;
    let warnings = answer.judge(&results, target)?;
    Ok(Made { name: made, size, warnings })
}

/// Deletes an archive of YunoHost's folder. YunoHost has no way back. It also ends well when a
/// file could not be removed: look whether it is gone.
///
/// # Errors
/// `Failed` when there is no such archive.
pub fn delete(name: &str, stop: &Stop, log: &mut dyn FnMut(&str)) -> Result<(), YunohostError> {
    Call::new(&format!("delete `{name}` through YunoHost"), &["backup", "delete", name], DELETION)
        .run(stop, log)
        .map(drop)
}

/// Restores from an archive of YunoHost's folder. An app must not be installed: see [`apps`].
/// `log` gets what YunoHost says meanwhile.
///
/// # Errors
/// `NotDone` when a target was skipped or failed, although YunoHost ended well.
pub fn restore(
    name: &str,
    target: &Target,
    timeout: Duration,
    stop: &Stop,
    log: &mut dyn FnMut(&str),
) -> Result<(), YunohostError> {
    // `--force` stands before what takes any number of words.
    let mut words = vec!["backup", "restore", name, "--force"];
    words.extend(target.words());
    let what = format!("restore {} from `{name}`", target.in_words());
    let answer = Call::new(&what, &words, timeout).run(stop, log)?;
    let results = answer.results()?;
    for warning in answer.judge(&results, target)? {
        log(&warning);
    }
    Ok(())
}

/// Opens a port of the firewall: `tcp`, `udp` or `both`.
///
/// # Errors
/// When YunoHost is not there or refuses.
pub fn open_port(port: u16, protocol: &str, stop: &Stop) -> Result<(), YunohostError> {
    let protocols: &[(&str, &str)] = match protocol {
        "both" => &[("tcp", "TCP"), ("udp", "UDP")],
        "udp" => &[("udp", "UDP")],
        _ => &[("tcp", "TCP")],
    };
    let port = port.to_string();
    for (new, old) in protocols {
        let what = format!("open the port {port}/{new}");
        let words = ["firewall", "open", &port, "larder", "--protocol", new];
        match Call::new(&what, &words, OPENING).run(stop, &mut |_| {}) {
            // Releases before 12.1 do not know these words.
            Err(YunohostError::Failed { code: Some(command::USAGE), .. }) => {
                let words = ["firewall", "allow", old, &port];
                Call::new(&what, &words, OPENING).run(stop, &mut |_| {})?;
            }
            other => drop(other?),
        }
    }
    Ok(())
}

impl Target {
    /// The options that name it.
    fn words(&self) -> Vec<&str> {
        match self {
            Target::App { id, .. } => vec!["--apps", id],
            Target::System { parts } => {
                std::iter::once("--system").chain(parts.iter().map(String::as_str)).collect()
            }
        }
    }

    fn in_words(&self) -> String {
        match self {
            Target::App { id, .. } => format!("the app `{id}`"),
            Target::System { parts } if parts.is_empty() => "the system".to_owned(),
            Target::System { parts } => format!("the system's parts {}", parts.join(", ")),
        }
    }
}
