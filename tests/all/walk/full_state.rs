//! A state that takes nothing, as on a full disk: what is said, what is done, and what is recorded.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::instance::{Instance, sh, text};
use crate::support::patience;

const WORDS: &str = "nothing can be begun or recorded: the state `";

/// A job whose run begins with a disk that is full for all but small files.
fn filling() -> Instance {
    let instance = Instance::new(
        "[job.notes]\ntype = \"custom_dir\"\nsource_path = \"../src\"\nenabled = false\n\
         before = [\"prlimit --pid $PPID --fsize=16384:\"]\n",
    );
    instance.source("src/file", b"content");
    instance
}

/// The command, which is not ended by a file that is too large.
fn command(instance: &Instance, arguments: &[&str]) -> Command {
    let plain = instance.command(arguments);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
    command.arg(plain.get_program()).args(plain.get_args()).stdin(Stdio::null());
    command
}

/// Makes room again.
fn make_room(child: &Child) {
    sh(&format!("prlimit --pid {} --fsize=unlimited:", child.id()), "/".as_ref());
}

#[test]
fn a_command_whose_state_takes_nothing_ends_with_the_reason_and_what_it_did() {
    let instance = filling();
    let begun = Instant::now();
    let output = command(&instance, &["run", "notes"]).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(begun.elapsed() < patience(Duration::from_secs(40)), "{:?}", begun.elapsed());
    assert!(said.contains(&format!("error: {WORDS}")), "{said}");
    assert!(said.contains("File too large"), "the cause is not said: {said}");
    assert!(said.contains("done, and not recorded: backup of notes made `jerry_notes_"), "{said}");
    assert!(said.contains("need no state: `RESTORE.txt`"), "{said}");
    assert_eq!(instance.tars().len(), 1);
    assert_eq!(instance.archives()[0]["outcome"], "good");
}

#[test]
fn what_was_published_while_the_state_was_full_is_recorded_as_done_once_there_is_room() {
    let instance = filling();
    let mut command = command(&instance, &["run", "notes"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.starts_with(WORDS)), "it ended without a word");
    make_room(&child);
    let rest: Vec<String> = lines.collect();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{rest:?} {}", text(&output.stdout));
    assert!(rest.iter().any(|line| line.contains("can be written again")), "{rest:?}");
    let runs = instance.runs();
    assert_eq!(runs[0]["status"], "success", "{runs:?}");
    assert_eq!(instance.archives()[0]["outcome"], "good");
}

#[test]
fn a_client_is_told_why_its_daemon_waits() {
    let instance = filling();
    let daemon = instance.daemon_with_limits();
    instance.ok(&["run", "notes"]);
    // What that run left behind keeps the next one from beginning.
    let mut next = instance.command(&["run", "notes"]);
    let mut next = next.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(next.stderr.take().unwrap()).lines().map(Result::unwrap);
    let said: Vec<String> = lines.take_while(|line| !line.starts_with("hint: ")).collect();
    let is_told = said.iter().any(|line| line.starts_with(WORDS) || line.contains("the state `"));
    assert!(is_told, "{said:?}");
    daemon.limit_files("unlimited");
    next.wait().unwrap();
    instance.wait("the run is recorded", || {
        instance.runs().iter().any(|run| run["id"] == 1 && run["status"] == "success")
    });
}
