//! Commands `before` and `after` that do not behave: what they leave behind, say too much of, or
//! say to trick whoever reads the log.

use std::fs;
use std::time::{Duration, Instant};

use crate::walk::instance::{Instance, text};

/// A job with these commands; `$OUT` is a directory of the test.
fn instance(commands: &str) -> Instance {
    let instance = Instance::new("");
    fs::create_dir(instance.path("out")).unwrap();
    instance.source("src/file", b"content");
    let commands = commands.replace("$OUT", instance.path("out").to_str().unwrap());
    instance.write(
        "jobs.toml",
        &format!(
            "[job.one]\ntype = \"custom_dir\"\nsource_path = \"../src\"\nretries = 0\n{commands}"
        ),
    );
    instance
}

fn log(instance: &Instance) -> String {
    let runs = instance.runs();
    let run = runs.iter().find(|run| run["kind"] == "backup").unwrap();
    instance.ok(&["log", &run["id"].to_string()])
}

/// Whether the process whose number a file holds is there.
fn is_alive(instance: &Instance, file: &str) -> bool {
    let pid = fs::read_to_string(instance.path(file)).unwrap();
    let status = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    // A zombie that nobody has reaped yet does nothing any more.
    !status.is_empty() && !status.contains(") Z ")
}

const LONG: Duration = Duration::from_mins(1);

#[test]
fn a_child_that_a_command_leaves_behind_with_its_pipe_holds_nobody_up() {
    let instance = instance(
        "before = [\"sleep 600 & echo $! > $OUT/pid; echo started\"]\n\
         after = [\"echo over > $OUT/after\"]\n",
    );
    let start = Instant::now();
    instance.ok(&["run", "one"]);
    println!("a run with a child left behind took {:?}", start.elapsed());
    assert!(start.elapsed() < LONG);
    assert_eq!(instance.tars().len(), 1);
    assert!(instance.path("out/after").exists());
    instance.wait("the child is gone", || !is_alive(&instance, "out/pid"));
}

#[test]
fn a_child_that_left_the_group_with_the_pipe_holds_nobody_up() {
    let instance = instance(
        "before = [\"setsid sh -c 'echo $$ > $OUT/pid; exec sleep 600' & \
         while ! test -s $OUT/pid; do :; done; echo started\"]\n",
    );
    let start = Instant::now();
    let output = instance.larder(&["run", "one"]);
    println!("a run with a child that left took {:?}", start.elapsed());
    let pid = fs::read_to_string(instance.path("out/pid")).unwrap();
    let killed = std::process::Command::new("kill").args(["-KILL", pid.trim()]).status().unwrap();
    assert!(killed.success(), "what left the group on purpose is somebody else's");
    assert!(start.elapsed() < LONG);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(instance.tars().len(), 1);
}

#[test]
fn a_hundred_megabytes_of_output_neither_fill_the_disk_nor_the_memory() {
    let instance = instance(
        "before = [\"yes 'what a chatty command' | head -c 50000000\", \
         \"head -c 50000000 /dev/zero | tr '\\\\0' x\"]\n",
    );
    let start = Instant::now();
    let output = instance.larder(&["run", "one"]);
    println!("a run with 100 MB of output took {:?}", start.elapsed());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(output.stderr.len() < 100_000);
    assert_eq!(instance.tars().len(), 1);
    let logs = fs::read_dir(instance.path("state/logs")).unwrap();
    let bytes: u64 = logs.map(|log| log.unwrap().metadata().unwrap().len()).sum();
    println!("its log has {bytes} bytes");
    assert!(bytes < 3 << 20, "{bytes}");
    let log = log(&instance);
    assert!(log.contains("what a chatty command"));
    assert!(log.contains("cut"), "nobody said that the log is not all of it");
}

#[test]
fn escape_sequences_of_commands_reach_no_log_and_no_terminal() {
    let nasty =
        r"printf '\033[31mred\033[0m \033]0;title\007 \r over \302\233 \342\200\256 \377\n'";
    let quoted = format!("'''{nasty}'''");
    let loud = instance(&format!("before = [{quoted}]\n"));
    let failing = instance(&format!("before = ['''{nasty} >&2; exit 3''']\n"));
    let output = loud.larder(&["run", "one"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let refused = failing.larder(&["run", "one"]);
    assert_eq!(refused.status.code(), Some(1));
    // Its words are for its log alone.
    assert!(!text(&refused.stderr).contains("red"), "{}", text(&refused.stderr));
    assert!(log(&failing).contains("red"), "{}", log(&failing));
    let jsons = failing.ok(&["runs", "--format", "json"]);
    let tables = failing.ok(&["runs"]);
    for (what, seen) in [
        ("the log", log(&loud)),
        ("the log of a failure", log(&failing)),
        ("standard error", text(&output.stderr) + &text(&refused.stderr)),
        ("JSON", jsons),
        ("a table", tables),
    ] {
        let raw = |letter: char| letter.is_control() && letter != '\n' && letter != '\t';
        let unseen = seen.chars().find(|letter| raw(*letter) || *letter == '\u{202e}');
        assert_eq!(unseen, None, "{what}: {seen:?}");
    }
    assert!(log(&loud).contains(r"\x1b[31mred"), "{}", log(&loud));
}
