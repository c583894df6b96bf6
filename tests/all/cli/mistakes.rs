//! Slips of the finger: each gets a word that helps, and the exit code that it deserves.

use std::io::Write as _;
use std::process::Stdio;

use super::home::{Home, WEB, told};

#[test]
fn a_file_is_judged_only_at_a_place_where_it_would_be_read() {
    let home = Home::new(WEB);
    let new = home.path("new.toml");
    std::fs::write(&new, "[job.etc]\ntype = \"custom_dir\"\nsource_path = \"/etc\"\n").unwrap();
    let check = |place: &str| home.run(&format!("check --file {} --as {place}", new.display()));
    let inside = home.path("etc/jobs/etc.toml");
    for place in ["etc.toml", "./jobs/etc.toml", inside.to_str().unwrap()] {
        assert_eq!(check(place).0, 0, "{place}");
    }
    for (place, why) in [
        ("../etc.toml", "leads out"),
        ("/srv/etc.toml", "leads out"),
        (".etc.toml", "would not be read"),
        ("etc.toml~", "would not be read"),
        ("etc.conf", "would not be read"),
    ] {
        let (code, _, err) = check(place);
        assert!(code == 1 && err.contains(why), "{place}: {code} {err}");
    }
    let mut command = home.command("check --file - --as etc.toml --format json");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"[job.etc]\ntyp = 1\n").unwrap();
    let (code, out, _) = told(child.wait_with_output().unwrap());
    assert!(code == 1 && out.contains("did you mean `type`?"), "{code} {out}");
}

#[test]
fn what_this_host_lacks_is_told_with_its_line() {
    let home = Home::new("[job.web]\ntype = \"custom_dir\"\nsource_path = \"/no/such\"\n");
    let (code, out, _) = home.run("check --live");
    assert_eq!(code, 3, "{out}");
    assert!(out.contains("1 | [job.web]\n"), "{out}");
}

#[test]
fn a_name_that_is_nearly_right_is_answered_with_the_right_one() {
    let home = Home::new(WEB);
    home.ok("apply");
    for (line, hint) in [
        ("run wbe", "did you mean `web`?"),
        ("why wbe@latest", "did you mean `web@latest`?"),
        ("archive list --job wbe", "did you mean `web`?"),
        ("archive list --location mian", "there are main"),
        ("runs --job wbe", "did you mean `web`?"),
    ] {
        let (_, out, err) = home.run(line);
        assert!(err.contains(hint), "{line}: {out}{err}");
    }
    let (_, _, err) = home.run("why web@2020-01-01");
    assert!(!err.contains("did you mean"), "the job is right, the day has nothing: {err}");
    let (code, _, err) = home.run("archive undelete web@latest");
    assert!(code == 1 && err.contains("is not in the trash"), "{code} {err}");
}

#[test]
fn a_word_that_is_none_of_a_list_is_a_usage_error() {
    let home = Home::new(WEB);
    for line in [
        "runs --kind bakup",
        "runs --status eror",
        "archive list --condition broken",
        "why web@yesterday",
        "plan --days 100000",
        "simulate --policy mode=count,value=1 --days 100000",
        "simulate --policy mode=count,value=1 --days 0",
    ] {
        let (code, out, err) = home.run(line);
        assert_eq!(code, 2, "{line}: {out}{err}");
    }
}

#[test]
fn a_plan_of_what_was_last_good_says_so() {
    let home = Home::new(WEB);
    home.ok("apply");
    home.write("jobs.toml", &WEB.replace("source_path", "source_pth"));
    let (code, _, err) = home.run("plan");
    assert!(code == 0 && err.contains("what was last good"), "{code} {err}");
}

#[test]
fn a_quiet_command_still_says_what_failed() {
    let home = Home::new("[job.web]\ntype = \"custom_dir\"\nsource_path = \"/no/such\"\n");
    let (code, out, err) = home.run("run web -q");
    assert!(code == 1 && out.is_empty() && err.contains("does not exist"), "{code} {out}{err}");
}

#[test]
fn what_cannot_be_written_is_an_error_that_names_standard_output() {
    let home = Home::new(WEB);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (code, _, err) = told(home.command("schema").stdout(full).output().unwrap());
    assert!(code == 1 && err.contains("cannot write to standard output"), "{code} {err}");
}

#[test]
fn a_usage_names_what_must_be_written_and_lists_what_is_for_people() {
    let home = Home::new(WEB);
    for line in ["restore", "approve", "token new", "simulate"] {
        let (code, _, err) = home.run(line);
        assert!(code == 2 && err.contains(&format!("Usage: larder {line} ")), "{err}");
        assert!(!err.contains("--config"), "{err}");
    }
    let (code, _, err) = home.run("");
    assert!(code == 2 && err.contains("restore, "), "{err}");
    assert!(!err.contains("restore-unit") && !err.contains("receive"), "{err}");
}

#[test]
fn a_run_that_is_no_restore_is_not_asked_to_be_undone() {
    let home = Home::new(WEB);
    home.ok("run web");
    let (code, _, err) = home.run("restore --undo 1");
    assert!(code == 1 && err.contains("run 1 (backup of web) is no restore to undo"), "{err}");
}

#[test]
fn what_was_not_pinned_is_not_said_to_be_unpinned() {
    let home = Home::new(WEB);
    home.ok("run web");
    for (verb, said) in [
        ("unpin", ": not pinned, as before"),
        ("pin", ": pinned\n"),
        ("pin", ": pinned already"),
        ("unpin", ": no longer pinned"),
    ] {
        let (code, _, err) = home.run(&format!("archive {verb} web@latest"));
        assert!(code == 0 && err.contains(said), "{verb}: {err}");
    }
}

#[test]
fn an_archive_that_rests_elsewhere_is_said_to() {
    let home = Home::new(WEB);
    home.write("usb.toml", "[location.usb]\npath = \"../usb\"\nmin_free = \"1 MiB\"\n");
    home.ok("run web");
    for line in ["archive contents web@latest", "archive delete web@latest --yes"] {
        let (code, _, err) = home.run(&format!("{line} --location usb"));
        assert!(
            code == 1 && err.contains("`usb` does not hold `web@latest`; it rests at `main`"),
            "{err}"
        );
    }
}

#[test]
fn a_new_job_that_waits_for_its_time_is_told_by_the_plan_and_by_apply() {
    let home = Home::new(&format!("{WEB}before = [\"true\"]\n"));
    let (_, out, err) = home.run("plan");
    let note = "`web` never ran; it waits for ";
    assert!(out.contains(note) && out.contains("`larder run web` does it now"), "{out}{err}");
    assert!(out.contains("(it has `before`)"), "{out}");
    let (code, _, err) = home.run("apply");
    assert!(code == 0 && err.contains(note), "{code} {err}");
    home.ok("run web");
    assert!(!home.run("apply").2.contains(note));
}

#[test]
fn a_daemon_whose_directory_was_emptied_or_went_is_found_by_its_socket_and_no_other_is() {
    let home = Home::new(WEB);
    let other = Home::new(WEB);
    let socket = home.path("control.sock");
    let daemon = home.command("daemon -q").stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let _daemon = super::home::Running(daemon.unwrap());
    super::home::wait_until("the first archive", || {
        std::os::unix::net::UnixStream::connect(&socket).is_ok()
            && home.run("archive list").1.contains("jerry_web")
    });
    let empty = |home: &Home| {
        for file in ["base.toml", "main.toml", "jobs.toml"] {
            std::fs::remove_file(home.path("etc").join(file)).unwrap();
        }
    };
    let status =
        |home: &Home| told(home.command("status").env("LARDER_SOCKET", &socket).output().unwrap());
    empty(&home);
    let (code, out, err) = status(&home);
    assert!(code == 0 && out.contains("protected  web"), "{out}{err}");
    std::fs::remove_dir(home.path("etc")).unwrap();
    let (code, out, err) = status(&home);
    assert!(code == 0 && out.contains("protected  web"), "{out}{err}");
    // One that somebody else's files are in force in is not ours, wherever it listens.
    empty(&other);
    let (code, out, err) = status(&other);
    assert!(code == 1 && err.contains("LARDER_SOCKET"), "{out}{err}");
}
