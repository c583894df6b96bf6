use super::*;

const LONG: Duration = Duration::from_mins(1);

fn sh(line: &str) -> Command {
    Command::Shell(line.to_owned())
}

fn argv(words: &[&str]) -> Command {
    Command::Argv(words.iter().map(|word| (*word).to_owned()).collect())
}

/// Runs a command; what it said, by line.
fn check(
    command: &Command,
    timeout: Duration,
    stop: &Stop,
) -> (Result<Outcome, ProcessError>, Vec<String>) {
    let mut said = Vec::new();
    let env = [("LARDER_JOB".to_owned(), "web".to_owned())];
    let outcome = run(command, &env, timeout, stop, &mut |stream, line| {
        let mark = match stream {
            Stream::Stdout => "out",
            Stream::Stderr => "err",
        };
        said.push(format!("{mark}: {line}"));
    });
    (outcome, said)
}

fn is_alive(pid: &str) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    !stat.contains(") Z ")
}

/// Waits until a process is gone: the kernel needs a moment to carry out a kill.
fn assert_gone(pid: &str) {
    let began = Instant::now();
    while is_alive(pid) {
        assert!(began.elapsed() < Duration::from_secs(5), "{pid} is still alive");
        std::thread::yield_now();
    }
}

#[test]
fn output_arrives_by_line_and_the_tails_hold_its_end() {
    let (outcome, said) = check(
        &sh("echo one; echo \"job $LARDER_JOB $LC_ALL $PWD\"; printf 'no end' >&2"),
        LONG,
        &Stop::new(),
    );
    let outcome = outcome.unwrap().success().unwrap();
    assert_eq!(said, ["out: one", "out: job web C.UTF-8 /", "err: no end"]);
    assert_eq!(outcome.stdout_tail, "one\njob web C.UTF-8 /");
    assert_eq!(outcome.stderr_tail, "no end");
    assert_eq!(outcome.program, "/bin/sh");
}

#[test]
fn an_argument_is_never_read_by_a_shell() {
    let (outcome, said) = check(&argv(&["printf", "%s\n", "$(id) `id`; id"]), LONG, &Stop::new());
    outcome.unwrap().success().unwrap();
    assert_eq!(said, ["out: $(id) `id`; id"]);
}

#[test]
fn a_child_finds_nothing_on_its_standard_input() {
    let (outcome, said) = check(&argv(&["cat"]), LONG, &Stop::new());
    outcome.unwrap().success().unwrap();
    assert_eq!(said, [""; 0]);
}

#[test]
fn a_failure_is_told_with_its_status_or_signal_and_of_our_own_programs_the_last_words() {
    let explained = |line: &str| {
        let error = check(&sh(line), LONG, &Stop::new()).0.unwrap().success().unwrap_err();
        // What a command of the configuration prints may be anything.
        assert_eq!(error.hint(), None, "{error}");
        format!("{error}; {}", error.hint_of_ours().unwrap_or_default())
    };
    assert_eq!(
        explained("echo why >&2; exit 3"),
        "`/bin/sh` ended with exit status 3; it said last: why"
    );
    assert_eq!(
        explained("kill -KILL $$"),
        "`/bin/sh` was killed by signal 9 (SIGKILL: somebody or the kernel, out of memory, ended it); "
    );
    assert!(explained("no-such-program").starts_with(
        "`/bin/sh` ended with exit status 127: a command in it was not found; it said last: "
    ));
}

#[test]
fn a_program_that_is_not_there_is_named_with_what_to_do() {
    let error = check(&argv(&["no-such-program", "x"]), LONG, &Stop::new()).0.unwrap_err();
    assert_eq!(error.to_string(), "`no-such-program` was not found");
    assert!(error.hint().unwrap().contains("install it"));
    let error = check(&argv(&["systemctl stop web"]), LONG, &Stop::new()).0.unwrap_err();
    assert!(error.hint().unwrap().contains("a string of its own"));
    for empty in [&[][..], &[""]] {
        let error = check(&argv(empty), LONG, &Stop::new()).0.unwrap_err();
        assert!(matches!(error, ProcessError::Empty));
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let error = check(&argv(&[path]), LONG, &Stop::new()).0.unwrap_err();
    assert_eq!(error.hint().unwrap(), format!("make it executable: `chmod +x {path}`"));
}

#[test]
fn a_time_out_ends_the_whole_group() {
    let began = Instant::now();
    let (outcome, said) =
        check(&sh("sleep 600 & echo $!; wait"), Duration::from_millis(200), &Stop::new());
    assert!(matches!(outcome.unwrap_err(), ProcessError::TimedOut { .. }));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_gone(said[0].strip_prefix("out: ").unwrap());
}

#[test]
fn a_child_that_ignores_sigterm_is_killed_and_may_say_its_last_words() {
    let began = Instant::now();
    let line = "trap 'echo not yet' TERM; echo $$; while :; do sleep 0.05; done";
    let (outcome, said) = check(&sh(line), Duration::from_millis(300), &Stop::new());
    assert!(matches!(outcome.unwrap_err(), ProcessError::TimedOut { .. }));
    assert!((5..9).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert!(said.contains(&"out: not yet".to_owned()), "{said:?}");
    assert_gone(said[0].strip_prefix("out: ").unwrap());
}

#[test]
fn a_request_to_stop_ends_the_child_and_keeps_its_reason() {
    let stop = Stop::new();
    let mut pid = String::new();
    let outcome = run(&sh("echo $$; exec sleep 600"), &[], LONG, &stop, &mut |_, line| {
        line.clone_into(&mut pid);
        stop.request(Stopped::Cancelled);
    });
    let error = outcome.unwrap_err();
    assert_eq!(error.to_string(), "`/bin/sh` was ended: cancelled");
    assert_gone(&pid);
    let error = run(&sh("true"), &[], LONG, &stop, &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, ProcessError::Stopped { reason: Stopped::Cancelled, .. }));
}

#[test]
fn a_grandchild_that_keeps_the_pipe_is_killed_soon_after_the_child() {
    let began = Instant::now();
    let (outcome, said) = check(&sh("sleep 600 & echo $!"), LONG, &Stop::new());
    outcome.unwrap().success().unwrap();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_gone(said[0].strip_prefix("out: ").unwrap());
}

#[test]
fn a_grandchild_that_left_the_group_with_the_pipe_does_not_hang_the_call() {
    let began = Instant::now();
    // It is told to end by the file that goes away with the test.
    let dir = tempfile::tempdir().unwrap();
    let flag = dir.path().join("flag");
    std::fs::write(&flag, "").unwrap();
    let line =
        format!("setsid sh -c 'while [ -e {0} ]; do sleep 0.1; done' & echo left", flag.display());
    let (outcome, said) = check(&sh(&line), LONG, &Stop::new());
    outcome.unwrap().success().unwrap();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(said, ["out: left"]);
}

#[test]
fn what_a_command_leaves_running_without_our_pipes_goes_on() {
    let (outcome, said) = check(&sh("sleep 30 >/dev/null 2>&1 & echo $!"), LONG, &Stop::new());
    outcome.unwrap().success().unwrap();
    let pid = said[0].strip_prefix("out: ").unwrap();
    assert!(is_alive(pid));
    let killed = check(&argv(&["kill", pid]), LONG, &Stop::new()).0.unwrap();
    assert!(killed.status.success());
}

#[test]
fn a_child_that_never_ends_its_line_fills_no_memory_and_can_be_stopped() {
    let mut longest = 0;
    let outcome =
        run(&sh("exec head -c 100000000 /dev/zero"), &[], LONG, &Stop::new(), &mut |_, line| {
            longest = longest.max(line.len());
        });
    outcome.unwrap().success().unwrap();
    assert!(longest < 20_000, "{longest}");
    let error = check(&argv(&["yes"]), Duration::from_millis(100), &Stop::new()).0.unwrap_err();
    assert!(matches!(error, ProcessError::TimedOut { .. }));
}

#[test]
fn output_is_returned_as_it_is_or_not_at_all() {
    let words = |line: &str| ["/bin/sh".to_owned(), "-c".to_owned(), line.to_owned()];
    let stop = Stop::new();
    let bytes = output(&words("printf 'a\\n\\377'"), LONG, 16, &stop).unwrap();
    assert_eq!(bytes.as_slice(), b"a\n\xff");
    let error = output(&words("echo 12345678901234567"), LONG, 16, &stop).unwrap_err();
    assert!(matches!(error, ProcessError::TooMuch { cap: 16, .. }));
    let error = output(&words("echo secret; exit 1"), LONG, 16, &stop).unwrap_err();
    assert!(!format!("{error:?}").contains("secret"));
}

#[test]
fn a_variable_that_holds_a_secret_reaches_no_child() {
    // `PATH` of the test stays; a variable that every test process has serves as the secret.
    withhold("CARGO_PKG_NAME");
    let (_, said) = check(&sh("echo \"[$CARGO_PKG_NAME]\""), LONG, &Stop::new());
    assert_eq!(said, ["out: []"]);
}
