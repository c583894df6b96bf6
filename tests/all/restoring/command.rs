//! `larder restore` as people use it: the plan, the question, the run, the way back.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use crate::support::{root_or_skip, skipped};
use crate::walk::instance::{Instance, sh, text};

const JOB: &str = "[job.web]\ntype = \"custom_dir\"\nsource_path = \"../data\"\n";

/// Everything below a directory, with modes and contents.
fn tree(dir: &Path) -> String {
    sh("find . -printf '%P %y %m %l\\n' | sort; find . -type f | sort | xargs -r sha256sum", dir)
}

/// An instance with one archive of a small tree.
fn saved() -> Instance {
    saved_with(JOB)
}

fn saved_with(toml: &str) -> Instance {
    let instance = Instance::new(toml);
    instance.source("data/index.html", b"hello");
    instance.source("data/etc/app.toml", b"port = 1");
    instance.source("data/etc/empty", b"");
    std::os::unix::fs::symlink("index.html", instance.path("data/link")).unwrap();
    fs::set_permissions(instance.path("data/etc"), fs::Permissions::from_mode(0o750)).unwrap();
    instance.ok(&["run", "web"]);
    instance
}

/// Somebody ruins what was saved.
fn ruin(instance: &Instance) {
    fs::write(instance.path("data/index.html"), "hacked").unwrap();
    fs::remove_file(instance.path("data/etc/app.toml")).unwrap();
    fs::write(instance.path("data/new"), "came later").unwrap();
}

#[test]
fn a_changed_tree_comes_back_and_what_was_changed_is_kept_aside_and_can_come_back_too() {
    let instance = saved();
    let before = tree(&instance.path("data"));
    ruin(&instance);
    let ruined = tree(&instance.path("data"));
    let out = instance.ok(&["restore", "web@latest", "--yes"]);
    assert!(out.contains("done"), "{out}");
    // What came later is nobody's business.
    fs::rename(instance.path("data/new"), instance.path("new")).unwrap();
    assert_eq!(tree(&instance.path("data")), before);
    fs::rename(instance.path("new"), instance.path("data/new")).unwrap();

    let run = &instance.runs()[0];
    assert_eq!((run["kind"].as_str(), run["status"].as_str()), (Some("restore"), Some("success")));
    let id = run["id"].to_string();
    let log = instance.ok(&["log", &id]);
    for part in ["1. files: ", "exists: 3 are there already", "set aside: files of", "--undo"] {
        assert!(log.contains(part), "`{part}` is not in {log}");
    }
    let aside = instance.path(&format!(".larder-aside-{id}"));
    assert!(aside.is_dir(), "what was there is kept beside the target");

    instance.ok(&["restore", "--undo", &id, "--yes"]);
    assert_eq!(tree(&instance.path("data")), ruined);
    let said = instance.fails(1, &["restore", "--undo", &id, "--yes"]);
    assert!(said.contains("was undone already"), "{said}");
}

#[test]
fn what_was_set_aside_before_the_state_was_lost_stands_in_no_restores_way() {
    let instance = saved();
    // Runs are counted anew, and a restore that is refused counts none.
    for run in 1..9 {
        fs::create_dir(instance.path(&format!(".larder-aside-{run}"))).unwrap();
    }
    ruin(&instance);
    let ruined = tree(&instance.path("data"));
    let elsewhere = instance.path("elsewhere");
    instance.ok(&["restore", "web@latest", "--dry-run"]);
    instance.ok(&["restore", "web@latest", "--to", elsewhere.to_str().unwrap(), "--yes"]);
    instance.ok(&["restore", "web@latest", "--yes"]);
    let id = instance.runs()[0]["id"].to_string();
    assert!(instance.path(&format!(".larder-aside-{id}-2")).is_dir());
    instance.ok(&["restore", "--undo", &id, "--yes"]);
    assert_eq!(tree(&instance.path("data")), ruined);
}

#[test]
fn with_a_daemon_it_is_the_same() {
    let instance = saved();
    let before = tree(&instance.path("data"));
    fs::write(instance.path("data/index.html"), "hacked").unwrap();
    let daemon = instance.daemon();
    instance.ok(&["restore", "web@latest", "--yes"]);
    assert_eq!(tree(&instance.path("data")), before);
    let id = instance.runs()[0]["id"].to_string();
    instance.ok(&["restore", "--undo", &id, "--yes"]);
    assert_eq!(fs::read(instance.path("data/index.html")).unwrap(), b"hacked");
    daemon.terminate();
}

#[test]
fn a_dry_run_says_everything_and_changes_nothing() {
    let instance = saved();
    ruin(&instance);
    let ruined = tree(&instance.path("data"));
    let runs = instance.runs().len();
    let plan = instance.ok(&["restore", "web@latest", "--dry-run"]);
    for part in
        ["restore jerry_web_", " at main to ", "1. files: ", "exists: ", "set aside: ", "needs: "]
    {
        assert!(plan.contains(part), "`{part}` is not in {plan}");
    }
    let plan = instance.json(&["restore", "web@latest", "--dry-run"]);
    assert_eq!(plan["steps"][0]["part"], "files");
    assert_eq!(plan["in_place"], true);
    assert_eq!(tree(&instance.path("data")), ruined);
    assert_eq!(instance.runs().len(), runs, "nothing was queued");
}

#[test]
fn without_a_terminal_somebody_must_have_said_yes() {
    let instance = saved();
    ruin(&instance);
    let ruined = tree(&instance.path("data"));
    let said = instance.fails(2, &["restore", "web@latest"]);
    assert!(said.contains("hint: give `--yes`"), "{said}");
    let to = instance.path("elsewhere").display().to_string();
    instance.fails(2, &["restore", "web@latest", "--to", &to]);
    assert_eq!(tree(&instance.path("data")), ruined);
    assert!(!instance.path("elsewhere").exists());
}

#[test]
fn at_a_terminal_only_yes_or_the_name_is_a_yes() {
    let instance = saved();
    let name = instance.archives()[0]["name"].as_str().unwrap().to_owned();
    for (answer, code) in [("y", 1), ("", 1), ("yes", 0), (name.as_str(), 0)] {
        fs::write(instance.path("data/index.html"), "hacked").unwrap();
        let line = format!(
            "{} --config {} restore web@latest",
            crate::walk::instance::binary(),
            instance.path("etc").display()
        );
        let mut child = std::process::Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(child.stdin.take().unwrap(), "{answer}").unwrap();
        let output = child.wait_with_output().unwrap();
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{answer:?}: {said}");
        assert!(said.contains("overwrite what is there?"), "{said}");
        let now = fs::read(instance.path("data/index.html")).unwrap();
        assert_eq!(now == b"hello", code == 0, "{answer:?}: {said}");
    }
}

#[test]
fn elsewhere_only_files_are_laid_and_nothing_else_is_touched() {
    let instance = saved_with(&format!(
        "{JOB}[job.web.restore]\npost_restore_commands = [\"touch {}\"]\n",
        "../ran"
    ));
    let before = tree(&instance.path("data"));
    ruin(&instance);
    let ruined = tree(&instance.path("data"));
    let to = instance.path("elsewhere").display().to_string();
    let out = instance.ok(&["restore", "web@latest", "--to", &to, "--yes"]);
    assert!(!out.contains("commands"), "{out}");
    assert_eq!(tree(&instance.path("elsewhere")), before);
    assert_eq!(tree(&instance.path("data")), ruined);
    // Again, over what is there by now: that is set aside first.
    fs::write(instance.path("elsewhere/index.html"), "mine").unwrap();
    instance.ok(&["restore", "web@latest", "--to", &to, "--yes"]);
    assert_eq!(tree(&instance.path("elsewhere")), before);
    let id = instance.runs()[0]["id"].to_string();
    instance.ok(&["restore", "--undo", &id, "--yes"]);
    assert_eq!(fs::read(instance.path("elsewhere/index.html")).unwrap(), b"mine");
}

#[test]
fn single_paths_come_back_by_their_path_on_the_host_or_below_the_source() {
    let instance =
        saved_with(&format!("{JOB}[job.web.restore]\npost_restore_commands = [\"false\"]\n"));
    let absolute = instance.path("data/etc").display().to_string();
    for path in ["etc/app.toml", "./etc/app.toml", "etc", "etc/", absolute.as_str()] {
        ruin(&instance);
        instance.ok(&["restore", "web@latest", "--path", path, "--yes"]);
        assert_eq!(fs::read(instance.path("data/etc/app.toml")).unwrap(), b"port = 1", "{path}");
        assert_eq!(fs::read(instance.path("data/index.html")).unwrap(), b"hacked", "{path}");
    }
}

#[test]
fn a_path_that_is_not_in_the_archive_is_told_before_anything_is_written() {
    let instance = saved();
    ruin(&instance);
    let ruined = tree(&instance.path("data"));
    for (path, hint) in [
        ("etc/app.tmol", "did you mean `etc/app.toml`?"),
        ("app.toml", "did you mean `etc/app.toml`?"),
        ("nothing/like/it", "`larder archive contents` lists"),
        ("/somewhere/else", "`larder archive contents` lists"),
    ] {
        let said = instance.fails(1, &["restore", "web@latest", "--path", path, "--yes"]);
        assert!(said.contains(hint), "{path}: {said}");
    }
    assert_eq!(tree(&instance.path("data")), ruined);
}

#[test]
fn only_some_steps_are_taken_when_they_are_named() {
    let instance = Instance::new(JOB);
    let ran = instance.path("ran").display().to_string();
    instance.write(
        "jobs.toml",
        &format!("{JOB}[job.web.restore]\npermissions = {{ mode = \"711\" }}\npost_restore_commands = [[\"touch\", \"{ran}\"]]\n"),
    );
    instance.source("data/file", b"1");
    instance.ok(&["run", "web"]);
    fs::write(instance.path("data/file"), "2").unwrap();
    instance.ok(&["restore", "web@latest", "--only", "commands", "--yes"]);
    assert!(instance.path("ran").exists());
    assert_eq!(fs::read(instance.path("data/file")).unwrap(), b"2");
    fs::remove_file(instance.path("ran")).unwrap();
    instance.ok(&["restore", "web@latest", "--only", "files,permissions", "--yes"]);
    assert!(!instance.path("ran").exists());
    assert_eq!(fs::read(instance.path("data/file")).unwrap(), b"1");
    let mode = instance.path("data").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o711);
    let said = instance.fails(2, &["restore", "web@latest", "--only", "data", "--yes"]);
    assert!(said.contains("one of user, files, permissions"), "{said}");
    let said = instance.fails(1, &["restore", "web@latest", "--only", "database", "--yes"]);
    assert!(said.contains("is left to restore"), "{said}");
}

#[test]
fn a_step_that_fails_stops_what_needs_it_and_the_run_says_what_was_done() {
    let instance = Instance::new(JOB);
    let ran = instance.path("ran").display().to_string();
    instance.write(
        "jobs.toml",
        &format!(
            "{JOB}[job.web.restore]\npermissions = {{ owner = \"nobody-of-this-name\" }}\n\
             firewall_ports = [{{ port = 8080 }}]\npost_restore_commands = [[\"touch\", \"{ran}\"]]\n"
        ),
    );
    instance.source("data/file", b"1");
    instance.ok(&["run", "web"]);
    let said = instance.fails(1, &["restore", "web@latest", "--yes"]);
    assert!(said.contains("nobody is called `nobody-of-this-name` here"), "{said}");
    assert!(said.contains("permissions failed"), "{said}");
    assert!(said.contains("not done: commands"), "{said}");
    assert!(!instance.path("ran").exists());
    let run = &instance.runs()[0];
    assert_eq!(run["status"], "error");
    assert!(run["summary"].as_str().unwrap().contains("restored: files, firewall"), "{run}");
}

#[test]
fn a_corrupt_archive_is_refused_before_the_first_write_and_another_copy_is_named() {
    let instance = Instance::new(&format!(
        "{JOB}send_to = [\"usb\"]\n[location.usb]\npath = \"../usb\"\nmin_free = \"1 MiB\"\n"
    ));
    instance.source("data/index.html", b"hello");
    instance.ok(&["apply"]);
    let tar = instance.path("archives").join(&instance.tars()[0]);
    let mut bytes = fs::read(&tar).unwrap();
    let at = bytes.windows(5).position(|window| window == b"hello").unwrap();
    bytes[at] = b'j';
    fs::write(&tar, &bytes).unwrap();
    fs::write(instance.path("data/index.html"), "mine").unwrap();
    let said = instance.fails(1, &["restore", "web@latest", "--location", "main", "--yes"]);
    assert!(said.contains("is corrupt"), "{said}");
    assert!(said.contains("another copy: `--location usb`"), "{said}");
    assert_eq!(fs::read(instance.path("data/index.html")).unwrap(), b"mine");
    instance.ok(&["restore", "web@latest", "--location", "usb", "--yes"]);
    assert_eq!(fs::read(instance.path("data/index.html")).unwrap(), b"hello");
}

#[cfg(feature = "encrypt")]
#[test]
fn an_encrypted_archive_wants_the_identity_of_one_of_its_recipients() {
    let instance = Instance::new("");
    let identity = instance.ok(&["identity", "new"]);
    let recipient = identity.lines().find_map(|line| line.split("age1").nth(1)).unwrap();
    let recipient = format!("age1{}", recipient.split(['"', ' ', '\'']).next().unwrap().trim());
    fs::write(instance.path("key.txt"), identity).unwrap();
    fs::write(instance.path("other.txt"), instance.ok(&["identity", "new"])).unwrap();
    instance.write(
        "jobs.toml",
        &format!(
            "{JOB}location = \"safe\"\n[location.safe]\npath = \"../safe\"\nmin_free = \"1 MiB\"\n\
             encrypt_to = [\"{recipient}\"]\ncompress = \"zstd\"\n"
        ),
    );
    instance.source("data/index.html", b"hello");
    instance.ok(&["run", "web"]);
    fs::write(instance.path("data/index.html"), "mine").unwrap();
    let said = instance.fails(1, &["restore", "web@latest", "--yes"]);
    assert!(said.contains("encrypted") && said.contains(&recipient), "{said}");
    let other = instance.path("other.txt").display().to_string();
    let said = instance.fails(1, &["restore", "web@latest", "--yes", "--identity", &other]);
    assert!(said.contains("does not open it") && said.contains(&recipient), "{said}");
    let said = instance.fails(1, &["restore", "web@latest", "--yes", "--identity", "/nowhere"]);
    assert!(said.contains("cannot read the identity"), "{said}");
    assert_eq!(fs::read(instance.path("data/index.html")).unwrap(), b"mine");
    let key = instance.path("key.txt").display().to_string();
    instance.ok(&["restore", "web@latest", "--yes", "--identity", &key]);
    assert_eq!(fs::read(instance.path("data/index.html")).unwrap(), b"hello");
}

#[test]
fn an_archive_of_a_job_that_is_gone_brings_its_files_and_no_steps() {
    let instance =
        Instance::new(&format!("{JOB}[job.web.restore]\npost_restore_commands = [\"false\"]\n"));
    instance.source("data/index.html", b"hello");
    instance.ok(&["run", "web"]);
    instance.write("jobs.toml", "");
    fs::write(instance.path("data/index.html"), "mine").unwrap();
    let plan = instance.ok(&["restore", "web@latest", "--dry-run"]);
    assert!(plan.contains("note: job `web` is not in the configuration"), "{plan}");
    assert!(!plan.contains("commands"), "{plan}");
    instance.ok(&["restore", "web@latest", "--yes"]);
    assert_eq!(fs::read(instance.path("data/index.html")).unwrap(), b"hello");
}

#[test]
fn a_source_that_moved_gets_its_files_where_it_is_today() {
    let instance = saved();
    instance.write("jobs.toml", &JOB.replace("../data", "../moved"));
    let plan = instance.ok(&["restore", "web@latest", "--dry-run"]);
    assert!(plan.contains("note: it was `"), "{plan}");
    instance.ok(&["restore", "web@latest", "--yes"]);
    assert_eq!(tree(&instance.path("moved")), tree(&instance.path("data")));
}

#[test]
fn another_instances_archive_is_only_laid_elsewhere() {
    let instance = saved();
    let base = fs::read_to_string(instance.path("etc/base.toml")).unwrap();
    instance.write("base.toml", &base.replace("\"jerry\"", "\"tom\""));
    let name = instance.archives()[0]["name"].as_str().unwrap().to_owned();
    let said = instance.fails(1, &["restore", &name, "--yes"]);
    assert!(said.contains("was made by `jerry`"), "{said}");
    let to = instance.path("elsewhere").display().to_string();
    instance.ok(&["restore", &name, "--to", &to, "--yes"]);
    assert_eq!(tree(&instance.path("elsewhere")), tree(&instance.path("data")));
}

#[test]
fn two_restores_of_one_target_are_undone_in_the_reverse_order() {
    let instance = saved();
    let mut ids = Vec::new();
    for content in ["first", "second"] {
        fs::write(instance.path("data/index.html"), content).unwrap();
        instance.ok(&["restore", "web@latest", "--yes"]);
        ids.push(instance.runs()[0]["id"].to_string());
    }
    let said = instance.fails(1, &["restore", "--undo", &ids[0], "--yes"]);
    assert!(said.contains(&format!("larder restore --undo {}", ids[1])), "{said}");
    instance.ok(&["restore", "--undo", &ids[1], "--yes"]);
    assert_eq!(fs::read(instance.path("data/index.html")).unwrap(), b"second");
    instance.ok(&["restore", "--undo", &ids[0], "--yes"]);
    assert_eq!(fs::read(instance.path("data/index.html")).unwrap(), b"first");
    let said = instance.fails(1, &["restore", "--undo", "999", "--yes"]);
    assert!(said.contains("there is no run 999"), "{said}");
}

#[test]
fn a_restore_that_was_killed_is_given_again_and_both_can_be_undone() {
    let instance = Instance::new(JOB);
    instance.source("data/index.html", b"hello");
    let slow = instance.path("slow").display().to_string();
    instance.write(
        "jobs.toml",
        &format!(
            "{JOB}[job.web.restore]\npost_restore_commands = [\"touch {slow}; exec sleep 60\"]\n"
        ),
    );
    instance.ok(&["run", "web"]);
    fs::write(instance.path("data/index.html"), "mine").unwrap();
    let daemon = instance.daemon();
    let mut asked = instance
        .command(&["restore", "web@latest", "--yes"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    instance.wait("the last step is under way", || instance.path("slow").exists());
    daemon.kill();
    assert!(!asked.wait().unwrap().success());
    instance.write("jobs.toml", JOB);
    let runs = instance.runs();
    assert_eq!(runs[0]["status"], "interrupted");
    let killed = runs[0]["id"].to_string();
    instance.ok(&["restore", "web@latest", "--yes"]);
    assert_eq!(fs::read(instance.path("data/index.html")).unwrap(), b"hello");
    let second = instance.runs()[0]["id"].to_string();
    instance.ok(&["restore", "--undo", &second, "--yes"]);
    instance.ok(&["restore", "--undo", &killed, "--yes"]);
    assert_eq!(fs::read(instance.path("data/index.html")).unwrap(), b"mine");
}

#[test]
fn a_restore_can_be_cancelled_and_says_what_it_did() {
    let instance = Instance::new(JOB);
    instance.source("data/index.html", b"hello");
    let slow = instance.path("slow").display().to_string();
    instance.write(
        "jobs.toml",
        &format!(
            "{JOB}[job.web.restore]\npost_restore_commands = [\"touch {slow}; exec sleep 60\"]\n"
        ),
    );
    instance.ok(&["run", "web"]);
    let daemon = instance.daemon();
    let asked = instance
        .command(&["restore", "web@latest", "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    instance.wait("the last step is under way", || instance.path("slow").exists());
    // While somebody wants it back, nobody deletes it.
    let name = instance.archives()[0]["name"].as_str().unwrap().to_owned();
    let said = instance.fails(1, &["archive", "delete", &name, "--yes"]);
    assert!(said.contains("in use by run"), "{said}");
    let id = instance.runs()[0]["id"].to_string();
    instance.ok(&["cancel", &id]);
    let output = asked.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let run = &instance.runs()[0];
    assert_eq!(run["status"], "cancelled", "{run}");
    let summary = run["summary"].as_str().unwrap();
    assert!(
        summary.contains("restored: files") && summary.contains("commands is unfinished"),
        "{summary}"
    );
    daemon.terminate();
}

#[test]
fn the_api_wants_the_name_before_it_overwrites_and_tells_every_step() {
    let instance = saved();
    let daemon = instance.daemon();
    let socket = instance.path("control.sock");
    let curl = |method: &str, path: &str, body: &str| {
        let output = std::process::Command::new("curl")
            .args(["-s", "-X", method, "-H", "content-type: application/json", "-d", body])
            .args(["-w", "\n%{http_code} %{content_type}", "--unix-socket"])
            .arg(&socket)
            .arg(format!("http://larder/api/v1{path}"))
            .output();
        output.ok().map(|output| text(&output.stdout))
    };
    let Some(said) = curl("POST", "/archives/web@latest/restore", "{}") else {
        skipped!("there is no `curl`");
    };
    assert!(
        said.contains("400 application/problem+json") && said.contains("confirmation"),
        "{said}"
    );
    let said = curl("POST", "/archives/web@latest/restore", "{\"target\":\"here\"}").unwrap();
    assert!(
        said.contains("400 application/problem+json") && said.contains("not absolute"),
        "{said}"
    );
    let said = curl("POST", "/archives/web@latest/restore", "{\"steps\":[\"all\"]}").unwrap();
    assert!(said.contains("400 ") && said.contains("one of user, files"), "{said}");
    let said = curl("GET", "/archives/web@latest/restore/status", "").unwrap();
    assert!(said.contains("404 application/problem+json"), "{said}");
    let said = curl("POST", "/archives/web@latest/restore/plan", "{}").unwrap();
    assert!(said.contains("200 application/json") && said.contains("\"part\":\"files\""), "{said}");
    let name = instance.archives()[0]["name"].as_str().unwrap().to_owned();
    let body = format!("{{\"confirmation\":\"{name}\"}}");
    let said = curl("POST", &format!("/archives/{name}/restore"), &body).unwrap();
    assert!(said.contains("202 application/json") && said.contains("run_id"), "{said}");
    let path = format!("/archives/{name}/restore/status");
    instance
        .wait("it is done", || curl("GET", &path, "").unwrap().contains("\"outcome\":\"done\""));
    let said = curl("POST", "/runs/1/undo", "").unwrap();
    assert!(said.contains("409 application/problem+json"), "run 1 was a backup: {said}");
    daemon.terminate();
}

#[test]
fn a_single_file_goes_back_and_elsewhere() {
    root_or_skip!();
    let instance =
        Instance::new("[job.web]\ntype = \"custom_dir\"\nsource_path = \"../one.conf\"\n");
    instance.source("one.conf", b"1");
    instance.ok(&["run", "web"]);
    fs::write(instance.path("one.conf"), "2").unwrap();
    let to = instance.path("elsewhere").display().to_string();
    instance.ok(&["restore", "web@latest", "--to", &to, "--yes"]);
    assert_eq!(fs::read(instance.path("elsewhere/one.conf")).unwrap(), b"1");
    instance.ok(&["restore", "web@latest", "--yes"]);
    assert_eq!(fs::read(instance.path("one.conf")).unwrap(), b"1");
}
