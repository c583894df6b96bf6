//! Commands that are given several names: what is refused of one keeps the others from nothing, and
//! what was ordered is waited for.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare itself has failed")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::home::{Home, WEB};

/// Two archives of `web`, one of `notes`; by name.
fn saved() -> (Home, String, String) {
    let home = Home::new(&format!("{WEB}{}", WEB.replace("job.web", "job.notes")));
    home.ok("apply");
    home.ok("run web");
    let name = |of: &str| home.json(&format!("archive show {of}"))["name"].as_str().unwrap().into();
    let (web, notes) = (name("web@latest"), name("notes@latest"));
    (home, web, notes)
}

fn condition(home: &Home, name: &str) -> String {
    home.json(&format!("archive show {name}"))["condition"].as_str().unwrap().to_owned()
}

#[test]
fn of_two_deletions_one_that_is_refused_keeps_the_other_neither_from_happening_nor_from_being_told()
{
    for is_first in [true, false] {
        let (home, web, notes) = saved();
        let both = if is_first { format!("{notes} {web}") } else { format!("{web} {notes}") };
        let (code, out, err) = home.run(&format!("archive delete --yes {both}"));
        assert_eq!(code, 1, "{out}{err}");
        assert!(err.contains("is the last good archive"), "{err}");
        assert!(err.contains("ok: "), "what was deleted is not told: {err}");
        assert_eq!(condition(&home, &web), "trashed");
        assert_eq!(condition(&home, &notes), "present");

        // The same for what is taken back.
        let (code, _, err) = home.run(&format!("archive undelete {both}"));
        assert_eq!(code, 1, "{err}");
        assert!(err.contains("is not in the trash") && err.contains("taken back"), "{err}");
        // It stays for good: whoever takes it back is told so.
        assert!(err.contains(&format!("and pinned: `larder archive unpin {web}`")), "{err}");
        assert_eq!(home.json(&format!("archive show {web}"))["pinned"], true);
        assert_eq!(condition(&home, &web), "present");
    }
}

#[test]
fn a_job_that_is_not_there_keeps_no_other_from_being_backed_up_or_proved() {
    let home = Home::new(WEB);
    for command in ["run", "drill"] {
        let (code, out, err) = home.run(&format!("{command} web wbe"));
        assert_eq!(code, 1, "{out}{err}");
        assert!(err.contains("hint: did you mean `web`?") && err.contains("ok: "), "{err}");
        let kind = if command == "run" { "backup" } else { "drill" };
        let run = home.json(&format!("runs --kind {kind}"))[0].clone();
        assert_eq!(run["status"], "success", "{run}");
    }
}

#[test]
fn nobody_is_asked_whether_to_delete_what_could_be_one_of_two_copies() {
    let home = Home::new(&format!("{WEB}send_to = [\"usb\"]\n"));
    home.write("usb.toml", "[location.usb]\npath = \"../usb\"\nmin_free = \"1 MiB\"\n");
    home.ok("apply");
    let name = home.json("archive show web@latest")["name"].as_str().unwrap().to_owned();
    // Without a terminal nobody can be asked: that would be another refusal.
    let (code, _, err) = home.run(&format!("archive delete {name}"));
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("rests at more than one location"), "{err}");
    assert!(err.contains(&format!("{name} at usb")) && err.contains("`--location`"), "{err}");
    let (code, _, err) = home.run(&format!("archive delete {name} --location usb"));
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("is the last good archive of jerry/web at usb"), "{err}");
}

#[test]
fn nobody_is_asked_about_what_is_refused_anyway() {
    let (home, web, notes) = saved();
    // Without a terminal a question would be what it ends with.
    let (code, _, err) = home.run(&format!("archive delete {notes}"));
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("is the last good archive"), "{err}");
    home.ok(&format!("archive pin {web}"));
    let (code, _, err) = home.run(&format!("archive delete {web} {notes}"));
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("is pinned") && err.contains("is the last good archive"), "{err}");
    home.ok(&format!("archive unpin {web}"));
    let (code, _, err) = home.run(&format!("archive delete {notes} {web}"));
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("nobody is there to confirm"), "{err}");
    assert_eq!(condition(&home, &web), "present");
}

#[test]
fn at_a_terminal_a_y_deletes_what_was_shown() {
    let (home, web, _) = saved();
    let line = format!(
        "{} --config {} archive delete web@latest",
        env!("CARGO_BIN_EXE_larder"),
        home.path("etc").display()
    );
    let mut child = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "y").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains(&format!("{web} at main")) && said.contains("really?"), "{said}");
    assert_eq!(condition(&home, &web), "trashed");
}
