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
