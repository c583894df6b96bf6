//! The command line as scripts and people meet it: exit codes, streams, words.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

mod export;
mod home;
mod mistakes;
mod several;

use home::{Home, Running, WEB, interrupt, larder, told, wait_until};

#[test]
fn check_tells_every_mistake_as_json_also_when_it_fails() {
    let home = Home::new(
        "[job.web]\ntype = \"custom_dir\"\nsource_pth = \"/x\"\nschedule = \"0 0 31 2 *\"\n",
    );
    let (code, out, _) = home.run("check --format json");
    assert_eq!(code, 1);
    let list: Value = serde_json::from_str(&out).unwrap();
    let list = list.as_array().unwrap();
    assert!(list.len() >= 2, "{out}");
    for one in list {
        let keys: Vec<_> = one.as_object().unwrap().keys().map(String::as_str).collect();
        let all =
            ["column", "end_column", "file", "hint", "line", "message", "severity", "source_line"];
        assert_eq!(keys, all);
    }
    let (code, out, err) = home.run("check");
    assert_eq!(code, 1);
    assert!(out.contains("jobs.toml:3:1") && err.contains("is invalid"), "{out}{err}");
}

#[test]
fn check_without_a_directory_is_json_too_and_counts_what_is_written() {
    let home = Home::new(WEB);
    let missing = home.path("nowhere");
    let (code, out, _) =
        told(larder("check --format json --config").arg(&missing).output().unwrap());
    assert_eq!(code, 1);
    let list: Value = serde_json::from_str(&out).unwrap();
    assert!(list[0]["message"].as_str().unwrap().contains("does not exist"), "{out}");
    assert!(list[0]["hint"].as_str().unwrap().contains("larder init"), "{out}");

    assert!(home.run("check").2.contains("is valid: 1 job, 1 location"));
    let base = std::fs::read_to_string(home.path("etc/base.toml")).unwrap();
    home.write("base.toml", &base.replace("configuration = false", "configuration = true"));
    let (_, _, err) = home.run("check");
    assert!(err.contains("is valid: 1 job and the configuration itself, 1 location"), "{err}");
}

#[test]
fn the_coming_days_of_a_configuration_alone_have_copies_and_deletions() {
    let home = Home::new(
        "[job.web]\ntype = \"custom_dir\"\nsource_path = \"../src\"\nsend_to = [\"usb\"]\n\
         retention = { mode = \"count\", value = 1, min_days = 0 }\n\
         [location.usb]\npath = \"../usb\"\n",
    );
    let (code, out, err) = home.run("plan --offline --days 4");
    assert_eq!(code, 0, "{err}");
    assert!(out.contains(" to usb") && out.contains(" at usb"), "{out}");
    assert!(out.contains("drilled") && !home.path("state").exists(), "{out}");
}

#[test]
fn check_judges_a_file_as_if_it_stood_in_the_configuration_and_leaves_that_alone() {
    let home = Home::new(WEB);
    let broken = home.path("new.toml");
    std::fs::write(&broken, "[job.web]\ntype = \"custom_dir\"\n").unwrap();
    let line = format!("check --file {} --as jobs.toml", broken.display());
    let (code, out, _) = home.run(&line);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("source_path"), "{out}");
    assert_eq!(home.run("check").0, 0);
}

#[test]
fn what_init_writes_is_valid_and_it_never_overwrites() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("etc");
    let root = dir.path().join("root");
    let init = || told(larder("init --root").args([&root, &config]).output().unwrap());
    let (code, _, err) = init();
    assert_eq!(code, 0, "{err}");
    let (code, out, err) = told(larder("check --config").arg(&config).output().unwrap());
    assert_eq!(code, 0, "{out}{err}");
    assert!(std::fs::read_to_string(config.join(".gitignore")).unwrap().contains("secrets/"));

    // What a package put there is no configuration yet.
    let made = std::fs::read(config.join("larder.toml")).unwrap();
    std::fs::remove_file(config.join("jobs.toml")).unwrap();
    std::fs::write(config.join("larder.toml"), include_str!("../../packaging/debian/larder.toml"))
        .unwrap();
    let (code, out, err) = told(larder("check --config").arg(&config).output().unwrap());
    assert_eq!(code, 0, "{out}{err}");
    let (code, _, err) = init();
    assert_eq!(code, 0, "{err}");
    assert_eq!(std::fs::read(config.join("larder.toml")).unwrap(), made);

    let before = std::fs::read(config.join("larder.toml")).unwrap();
    let (code, _, err) = init();
    assert_eq!(code, 1);
    assert!(err.contains("there is a configuration already"), "{err}");
    assert_eq!(std::fs::read(config.join("larder.toml")).unwrap(), before);
}

#[test]
fn init_refuses_what_would_not_be_valid_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (config, root) = (dir.path().join("etc"), dir.path().join("root"));
    let init = |more: &str| {
        let mut command = larder(&format!("init {more} --root"));
        told(command.args([&root, &config]).output().unwrap())
    };
    let (code, _, err) = init("--listen 127.0.0.1:8470 --page-user alice");
    assert_eq!(code, 1);
    assert!(err.contains("nothing was written: `page` lets users in over a unix socket"), "{err}");
    let (code, _, err) = init("--url ftp://jerry.example.org");
    assert!(code == 1 && err.contains("nothing was written"), "{err}");
    assert_eq!(init("--page-user alice").0, 2);
    assert!(!config.exists());

    let all = "--url https://jerry.example.org/larder --listen unix:/run/larder/web.sock \
        --page-user alice --user-header Remote-User --data-dir /srv/larder";
    let (code, _, err) = init(all);
    assert_eq!(code, 0, "{err}");
    let (code, out, err) = told(larder("check --config").arg(&config).output().unwrap());
    assert_eq!(code, 0, "{out}{err}");
}

#[test]
fn an_answer_as_of_a_moment_needs_no_state_and_makes_none() {
    let home = Home::new(WEB);
    let jobs = home.json("jobs --at 2026-05-08T01:59:59+02:00");
    assert_eq!(jobs[0]["next_scheduled"], "2026-05-08T02:00:00+02:00");
    let jobs = home.json("jobs --at 2026-05-08T02:00:00+02:00");
    assert_eq!(jobs[0]["next_scheduled"], "2026-05-09T02:00:00+02:00");
    assert!(home.ok("plan --at 2026-05-08T02:00:00+02:00").contains("web"));
    assert_eq!(home.json("status --at 2026-05-08T02:00:00+02:00")[0]["verdict"], "unprotected");
    assert!(!home.path("state").exists(), "a state was made");
    assert!(!home.path("main").exists(), "a location was made");
}

#[test]
fn the_plan_says_with_its_exit_code_whether_there_is_something_to_do() {
    let home = Home::new(WEB);
    assert_eq!(home.run("plan --exit-code").0, 5);
    assert_eq!(home.run("plan").0, 0);
    let out = home.ok("apply");
    assert!(out.contains("jerry_web_") && out.contains("good"), "{out}");
    assert_eq!(home.run("plan --exit-code").0, 0);
    let (code, out, err) = home.run("apply");
    assert_eq!((code, out.as_str()), (0, ""));
    assert!(err.contains("nothing to do"), "{err}");
}

#[test]
fn applying_one_job_leaves_the_others_due_and_is_done_the_second_time() {
    let home = Home::new(&format!("{WEB}{}", WEB.replace("job.web", "job.notes")));
    let (code, out, err) = home.run("apply --job web");
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("jerry_web_") && !out.contains("notes"), "{out}");
    assert_eq!(home.json("archive show web@latest")["how"], "scheduled");
    assert!(home.run("apply --job web").2.contains("nothing to do"));
    assert!(home.ok("plan").contains("notes"));
    assert!(home.run("apply --job wbe").2.contains("did you mean `web`?"));
    assert!(home.ok("apply").contains("jerry_notes_"));
}

#[test]
fn the_json_of_a_command_is_a_plain_array() {
    let home = Home::new(WEB);
    let runs = home.json("apply");
    assert_eq!(runs[0]["kind"], "backup");
    for line in ["jobs", "runs", "status", "archive list", "location list"] {
        let list = home.json(line);
        assert!(list.as_array().is_some_and(|list| !list.is_empty()), "larder {line}: {list}");
    }
    assert_eq!(home.json("jobs")[0]["last_run"]["status"], "success");
}

#[test]
fn an_archive_has_many_names_and_is_listed_and_exported() {
    let home = Home::new(WEB);
    home.write(
        "main.toml",
        "[location.main]\npath = \"../main\"\nmin_free = \"1 MiB\"\ncompress = \"zstd\"\n",
    );
    home.ok("apply");
    let archive = home.json("archive show web@latest");
    for name in ["id", "name"].map(|key| archive[key].as_str().unwrap().to_owned()) {
        assert_eq!(home.json(&format!("archive show {name}"))["id"], archive["id"]);
    }
    let day = archive["day"].as_str().unwrap();
    let file = archive["name"].as_str().unwrap();
    assert_eq!(home.json(&format!("archive show web@{day}"))["id"], archive["id"]);
    assert_eq!(home.json(&format!("archive show jerry/{file}"))["id"], archive["id"]);
    assert!(home.ok("why web@latest").contains("newest"));

    let members = home.json("archive contents web@latest");
    let paths: Vec<_> =
        members.as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect();
    assert!(paths.iter().any(|path| path.ends_with("src/file")), "{paths:?}");

    home.ok("archive export web@latest --to copy.tar.zst");
    let original = home.path("main").join(archive["file_name"].as_str().unwrap());
    assert_eq!(std::fs::read(home.path("copy.tar.zst")).unwrap(), std::fs::read(original).unwrap());
    home.ok("archive export web@latest --plain --to copy.tar");
    let listed = Command::new("tar").arg("tf").arg(home.path("copy.tar")).output().unwrap();
    assert!(listed.status.success());
    assert_eq!(String::from_utf8(listed.stdout).unwrap().lines().count(), paths.len());
    let (code, _, err) = home.run("archive export web@latest --to copy.tar");
    assert_eq!(code, 1);
    assert!(err.contains("cannot create"), "{err}");
}

#[test]
fn an_encrypted_archive_opens_with_its_identity_only() {
    let home = Home::new(WEB);
    let key = home.path("key.txt");
    let recipient = home.ok(&format!("identity new --to {}", key.display()));
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&key).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let location = "[location.main]\npath = \"../main\"\nmin_free = \"1 MiB\"\n";
    home.write("main.toml", &format!("{location}encrypt_to = [\"{}\"]\n", recipient.trim()));
    home.ok("apply");
    let (code, _, err) = home.run("archive contents web@latest");
    assert_eq!(code, 1);
    assert!(err.contains("is encrypted") && err.contains("hint: "), "{err}");
    let members = home.ok(&format!("archive contents web@latest --identity {}", key.display()));
    assert!(members.contains("src/file"), "{members}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let home = Home::new(WEB);
    let mut child = home
        .command("completions bash")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Nobody reads: the pipe is closed before anything is written, or while it is.
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn errors_say_what_and_what_to_do_and_have_their_exit_codes() {
    let home = Home::new(WEB);
    for (line, code, words) in [
        ("frobnicate", 2, "unrecognized subcommand"),
        ("log", 2, "required"),
        ("runs --limit x", 2, "invalid value"),
        ("--config /nonexistent/larder jobs", 1, "hint: "),
        ("run wbe", 1, "hint: did you mean `web`?"),
        ("archive show nope", 1, "hint: `larder archive list`"),
        ("log 99", 1, "there is no run 99"),
        ("approve nonsense", 1, "is not a hash"),
        ("location check nope", 1, "there is no location `nope`"),
        ("simulate --policy mode=gfs", 1, "error: `--policy`"),
        ("run web --detach", 1, "no daemon runs"),
        ("archive delete web@latest", 1, "error: "),
    ] {
        let (got, out, err) = home.run(line);
        assert_eq!(got, code, "larder {line}: {out}{err}");
        assert!(err.contains(words), "larder {line}: {err}");
        assert!(!err.contains("panicked"), "larder {line}: {err}");
    }
}

#[test]
fn a_check_that_cannot_look_is_unknown_to_nagios() {
    let (code, out, _) =
        told(larder("status --check --config /nonexistent/larder").output().unwrap());
    assert_eq!(code, 3);
    assert!(out.starts_with("LARDER UNKNOWN - "), "{out}");
    let home = Home::new(WEB);
    let (code, out, _) = home.run("status --check");
    assert_eq!(code, 2);
    assert!(out.starts_with("LARDER CRITICAL - ") && out.contains("unprotected=1"), "{out}");
    home.ok("apply");
    assert_eq!(home.run("status --check").0, 0);
}

#[test]
fn a_simulation_needs_no_configuration() {
    let line = "simulate --policy mode=count,value=2 --archives - --format json \
                --at 2026-05-08T12:00:00Z --timezone Europe/Paris --config /nonexistent";
    let mut command = larder(line);
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("archives.json");
    let archives = r#"[{"id":"a","created_at":"2026-05-05T03:00:00+02:00"},
        {"id":"b","created_at":"2026-05-06T03:00:00+02:00","state":"suspect"},
        {"id":"c","created_at":"2026-05-07T03:00:00+02:00","state":"good"},
        {"id":"d","created_at":"2026-05-08T03:00:00+02:00"}]"#;
    std::fs::write(&input, archives).unwrap();
    command.stdin(std::fs::File::open(&input).unwrap());
    let (code, out, err) = told(command.output().unwrap());
    assert_eq!(code, 0, "{err}");
    let list: Value = serde_json::from_str(&out).unwrap();
    let kept: Vec<_> = list.as_array().unwrap().iter().map(|one| one["keep"].clone()).collect();
    assert_eq!(kept, [false, true, true, true], "{out}");
    for one in list.as_array().unwrap() {
        let keys: Vec<_> = one.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["id", "keep", "reasons"]);
    }
}

#[test]
fn an_interrupted_run_is_cancelled_cleanly_and_its_commands_are_gone() {
    let home = Home::new("");
    let pid_file = home.path("pid");
    home.write(
        "jobs.toml",
        &format!(
            "{WEB}before = [[\"/bin/sh\", \"-c\", \"echo $$ > {}; exec sleep 600\"]]\n",
            pid_file.display()
        ),
    );
    let mut child = Running(
        home.command("run web").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap(),
    );
    let mut lines = BufReader::new(child.0.stderr.take().unwrap());
    let pid = || std::fs::read_to_string(&pid_file).unwrap_or_default().trim().to_owned();
    wait_until("the command before the backup", || !pid().is_empty());
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    assert!(first.contains("backup of web"), "{first}");

    interrupt(&child.0);
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert_eq!(child.0.wait().unwrap().code(), Some(1), "{rest}");
    assert!(rest.contains("cancelled: backup of web"), "{rest}");
    assert!(!rest.contains("0 runs") && !rest.contains("goes on"), "nothing waits: {rest}");
    assert!(!Path::new("/proc").join(pid()).exists(), "the command is still there");
    assert_eq!(home.json("runs")[0]["status"], "cancelled");
}

#[test]
fn commands_talk_to_the_daemon_of_their_own_configuration_only() {
    let ours = Home::new(WEB);
    let theirs = Home::new("[job.notes]\ntype = \"custom_dir\"\nsource_path = \"../src\"\n");
    let socket = ours.path("control.sock");
    let base = std::fs::read_to_string(theirs.path("etc/base.toml")).unwrap();
    theirs.write("base.toml", &base.replace("../control.sock", socket.to_str().unwrap()));

    let daemon = ours.command("daemon -q").stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut daemon = Running(daemon.unwrap());
    wait_until("the control socket", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    wait_until("the first archive", || {
        ours.json("archive list").as_array().is_some_and(|list| !list.is_empty())
    });
    // Without the daemon the state would be in use.
    assert_eq!(ours.json("jobs")[0]["id"], "web");
    assert_eq!(theirs.json("jobs")[0]["id"], "notes");
    theirs.ok("run notes");
    assert!(theirs.path("main").exists());

    let second = ours.run("daemon");
    assert_eq!(second.0, 75, "{}", second.2);
    let pid = rustix::process::Pid::from_child(&daemon.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(daemon.0.wait().unwrap().code(), Some(0));
    assert!(!socket.exists(), "the socket is left behind");
}

#[test]
fn a_log_that_is_followed_ends_with_its_run() {
    let home = Home::new(WEB);
    home.ok("apply");
    let log = home.ok("log 1 -f");
    assert!(log.contains("queued") && log.contains("success"), "{log}");
}

#[test]
fn generated_things_are_what_they_should_be() {
    let schema: Value = serde_json::from_slice(&larder("schema").output().unwrap().stdout).unwrap();
    assert!(schema["properties"]["job"].is_object());
    for shell in ["bash", "zsh", "fish"] {
        let output = larder(&format!("completions {shell}")).output().unwrap();
        assert!(String::from_utf8(output.stdout).unwrap().contains("simulate"), "{shell}");
    }
    let dir = tempfile::tempdir().unwrap();
    assert!(larder("man --dir").arg(dir.path()).output().unwrap().status.success());
    for page in ["larder.1", "larder-plan.1", "larder-archive-list.1"] {
        assert!(dir.path().join(page).exists(), "{page} is missing");
    }
}
