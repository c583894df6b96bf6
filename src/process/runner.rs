//! Where a command of the configuration runs: as our child, or in a unit of its own.
//!
//! The daemon's unit is closed up: most of the system is read-only to it and to its children. What
//! `before` and `after` do (stop a service, write a dump) must not be, so there they run as
//! transient units.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Outcome, ProcessError, Stream, argv_of, output, prepare, program_of, run_prepared};
use crate::model::job::Command;
use crate::stop::Stop;

/// Where a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runner {
    /// As our child, with what we may do.
    Direct,
    /// In a transient unit of systemd, outside our sandbox.
    SystemdRun,
}

/// How long systemd may take to stop a unit that we no longer want.
const STOPPING: Duration = Duration::from_secs(10);

impl Runner {
    /// The runner for what must not be held by our sandbox: a unit of its own when we are a
    /// service of systemd and root, else a child.
    #[must_use]
    pub fn outside_sandbox() -> Self {
        Self::choose(
            std::env::var_os("INVOCATION_ID").is_some(),
            Path::new("/run/systemd/system").is_dir(),
            rustix::process::geteuid().is_root(),
        )
    }

    fn choose(is_service: bool, has_systemd: bool, is_root: bool) -> Self {
        if is_service && has_systemd && is_root { Self::SystemdRun } else { Self::Direct }
    }

    /// The words that run a program there, for those who feed its input ([`Pipe`](super::Pipe)).
    #[must_use]
    pub(crate) fn words(self, argv: &[String], timeout: Duration) -> Vec<String> {
        match self {
            Runner::Direct => argv.to_vec(),
            Runner::SystemdRun => unit_argv(&unit_name(Unit::Command), argv, &[], timeout),
        }
    }

    /// Runs a command to its end: see [`run`](super::run). In a unit of its own it gets the
    /// environment of a system service and `env`.
    ///
    /// # Errors
    /// See [`run`](super::run).
    pub fn run(
        self,
        command: &Command,
        env: &[(String, String)],
        timeout: Duration,
        stop: &Stop,
        on_line: &mut dyn FnMut(Stream, &str),
    ) -> Result<Outcome, ProcessError> {
        self.run_seen(command, env, timeout, stop, &mut |_, _| {}, on_line)
    }

    /// Runs a command of a restore like [`run`](Self::run), in a unit that is named after the
    /// restore.
    ///
    /// # Errors
    /// See [`run`](super::run).
    pub fn run_restore(
        self,
        command: &Command,
        run: u64,
        timeout: Duration,
        stop: &Stop,
        on_line: &mut dyn FnMut(Stream, &str),
    ) -> Result<Outcome, ProcessError> {
        let unit = Unit::Restore { run };
        self.run_as(unit, command, &[], timeout, stop, &mut |_, _| {}, on_line)
    }

    /// Runs a command like [`run`](Self::run) whose output is also an answer: `on_bytes` gets it as
    /// it comes, neither escaped nor cut.
    ///
    /// # Errors
    /// See [`run`](super::run).
    pub fn run_seen(
        self,
        command: &Command,
        env: &[(String, String)],
        timeout: Duration,
        stop: &Stop,
        on_bytes: &mut dyn FnMut(Stream, &[u8]),
        on_line: &mut dyn FnMut(Stream, &str),
    ) -> Result<Outcome, ProcessError> {
        self.run_as(Unit::Command, command, env, timeout, stop, on_bytes, on_line)
    }

    #[expect(clippy::too_many_arguments, reason = "what a process needs, and its name")]
    fn run_as(
        self,
        unit: Unit,
        command: &Command,
        env: &[(String, String)],
        timeout: Duration,
        stop: &Stop,
        on_bytes: &mut dyn FnMut(Stream, &[u8]),
        on_line: &mut dyn FnMut(Stream, &str),
    ) -> Result<Outcome, ProcessError> {
        let argv = argv_of(command);
        // Also refuses what is empty before systemd is asked for it.
        let direct = prepare(&argv, env)?;
        match self {
            Runner::Direct => {
                run_prepared(program_of(&argv), direct, timeout, stop, on_bytes, on_line)
            }
            Runner::SystemdRun => {
                let unit = unit_name(unit);
                let wrapped = prepare(&unit_argv(&unit, &argv, env, timeout), env)?;
                let program = program_of(&argv);
                let result = run_prepared(program, wrapped, timeout, stop, on_bytes, on_line);
                if result.is_err() {
                    // The unit is nobody's child: ending what waits for it does not end it.
                    let argv = ["systemctl", "stop", &unit].map(str::to_owned);
                    let _ = output(&argv, STOPPING, 4096, &Stop::new());
                }
                result
            }
        }
    }
}

/// What a unit is for. Settings for all of a kind stand in a directory of systemd's that is named
/// after what their names have in common: `larder-restore-.service.d`.
#[derive(Debug, Clone, Copy)]
enum Unit {
    Command,
    Restore { run: u64 },
}

fn unit_name(unit: Unit) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    match unit {
        Unit::Command => format!("larder-command-{process}-{number}.service"),
        // Two instances may have a run of one number.
        Unit::Restore { run } => format!("larder-restore-{run}-{process}-{number}.service"),
    }
}

/// The words for `systemd-run`. Values of variables stay out of them: everybody may read those.
fn unit_argv(
    unit: &str,
    argv: &[String],
    env: &[(String, String)],
    timeout: Duration,
) -> Vec<String> {
    let mut words: Vec<String> =
        ["systemd-run", "--pipe", "--wait", "--collect", "--quiet"].map(str::to_owned).into();
    words.push(format!("--unit={unit}"));
    words.push("--property=TimeoutStopSec=5s".to_owned());
    // Should we be killed, it does not go on for ever.
    let limit = timeout.as_secs().saturating_add(30);
    words.push(format!("--property=RuntimeMaxSec={limit}s"));
    words.push("--setenv=LC_ALL".to_owned());
    words.extend(env.iter().map(|(name, _)| format!("--setenv={name}")));
    words.push("--".to_owned());
    // Systemd replaces variables in all words but the path of the program; `$$` is a `$` to it.
    // It leaves `%`, `;` and backslashes alone here.
    let (program, arguments) = argv.split_at(argv.len().min(1));
    words.extend_from_slice(program);
    words.extend(arguments.iter().map(|word| word.replace('$', "$$")));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_root_service_needs_to_leave_its_sandbox() {
        assert_eq!(Runner::choose(true, true, true), Runner::SystemdRun);
        assert_eq!(Runner::choose(false, true, true), Runner::Direct);
        assert_eq!(Runner::choose(true, false, true), Runner::Direct);
        assert_eq!(Runner::choose(true, true, false), Runner::Direct);
    }

    #[test]
    fn a_unit_gets_its_variables_by_name_and_ends_by_itself() {
        let argv = ["pg_dump".to_owned(), "-v".to_owned()];
        let env = [("LARDER_JOB".to_owned(), "web".to_owned())];
        let words = unit_argv("larder-command-1-0.service", &argv, &env, Duration::from_mins(1));
        assert_eq!(
            words.join(" "),
            "systemd-run --pipe --wait --collect --quiet --unit=larder-command-1-0.service \
             --property=TimeoutStopSec=5s --property=RuntimeMaxSec=90s --setenv=LC_ALL \
             --setenv=LARDER_JOB -- pg_dump -v"
        );
    }

    #[test]
    fn a_command_of_a_unit_arrives_as_it_was_written() {
        let argv = ["/bin/sh", "-c", r#"D=$(mktemp -d); rm -rf "${D}"/*; echo $$ 100% \; "#];
        let argv = argv.map(str::to_owned);
        let words = unit_argv("larder-command-1-0.service", &argv, &[], Duration::from_mins(1));
        assert_eq!(
            words[words.len() - 3..],
            ["/bin/sh", "-c", r#"D=$$(mktemp -d); rm -rf "$${D}"/*; echo $$$$ 100% \; "#]
        );
        // The path of the program is taken as it is.
        let words = unit_argv("x.service", &["/a$b".to_owned()], &[], Duration::from_mins(1));
        assert_eq!(words.last().map(String::as_str), Some("/a$b"));
    }

    #[test]
    fn no_two_units_have_one_name() {
        assert_ne!(unit_name(Unit::Command), unit_name(Unit::Command));
        let restore = unit_name(Unit::Restore { run: 42 });
        assert!(restore.starts_with("larder-restore-42-"), "{restore}");
    }
}
