//! Archives of other programs: what a restore takes is kept, and counts only where it goes home.

use serde_json::Value;

use super::instance::{Instance, sh};

const JOB: &str = "[job.notes]\ntype = \"custom_dir\"\nsource_path = \"../notes\"\nretention = { mode = \"count\", value = 1 }\n";

/// An instance with one archive of its own.
fn saved() -> Instance {
    let instance = Instance::new(JOB);
    instance.source("notes/a.txt", b"alpha");
    instance.ok(&["apply"]);
    instance
}

fn adopt(instance: &Instance, file: &str) -> String {
    instance.ok(&["archive", "adopt", "main", file, "--job", "notes"])
}

fn show(instance: &Instance, name: &str) -> Value {
    instance.json(&["archive", "show", name])
}

/// Adopts three large archives that are none of the job's: packed with a directory's name, packed
/// from within one, and larder's own of another source.
fn with_three_others() -> Instance {
    let instance = saved();
    let other = Instance::new(&JOB.replace("../notes", "../diary"));
    other.source("diary/b.txt", &vec![b'b'; 300_000]);
    other.ok(&["apply"]);
    let exported = other.path(&format!("archives/{}", other.tars()[0]));
    instance.source("old/b.txt", &vec![b'b'; 300_000]);
    instance.source("old/sub/c.txt", b"gamma");
    sh("ln old/b.txt old/again.txt", &instance.path("."));
    sh(
        &format!(
            "tar -cf archives/named.tar old; tar -C old -czf archives/dotted.tar.gz .; cp {} archives/exported.tar",
            exported.display()
        ),
        &instance.path("."),
    );
    for file in ["named.tar", "dotted.tar.gz", "exported.tar"] {
        let said = adopt(&instance, file);
        assert!(said.is_empty() || said.contains("--to DIR"), "{said}");
    }
    instance
}

#[test]
fn what_is_adopted_and_does_not_go_home_displaces_nothing_and_counts_nowhere() {
    let instance = with_three_others();
    let own = instance.archives().into_iter().find(|one| one["how"] != "adopted").unwrap();
    let own = own["name"].as_str().unwrap();
    for name in ["named", "dotted", "exported"] {
        let adopted = show(&instance, name);
        assert_eq!(adopted["good"], false, "{adopted}");
        assert_eq!(adopted["pinned"], true, "{adopted}");
        let why = adopted["reasons"].to_string();
        assert!(why.contains("only elsewhere"), "{why}");
    }
    instance.ok(&["apply"]);
    let plan = instance.json(&["plan"]);
    assert_eq!(plan["blocked"].as_array().unwrap().len(), 0, "{plan}");
    assert_eq!(show(&instance, own)["condition"], "present");
    assert!(!instance.ok(&["why", own]).contains("expired"));
    // It is told, and is no trouble: the job's own archive is the newest that counts.
    assert_eq!(instance.json(&["status"])[0]["verdict"], "protected");
    assert_eq!(show(&instance, "notes@latest")["name"], own);
    // Nor is the next one measured by them.
    instance.ok(&["run", "notes"]);
    let newest = show(&instance, "notes@latest");
    assert_ne!(newest["name"], own);
    assert_eq!(newest["outcome"], "good", "{newest}");
    assert_eq!(instance.archives().len(), 5);
}

#[test]
fn what_is_adopted_and_does_not_go_home_is_laid_elsewhere() {
    let instance = with_three_others();
    let to = |name: &str| {
        let dir = instance.path(&format!("to-{name}"));
        instance.ok(&["restore", name, "--to", dir.to_str().unwrap(), "--yes"]);
        sh("find . -type f | sort", &dir).trim().replace('\n', " ")
    };
    assert_eq!(to("named"), "./old/again.txt ./old/b.txt ./old/sub/c.txt");
    assert_eq!(to("dotted"), "./again.txt ./b.txt ./sub/c.txt");
    assert_eq!(to("exported"), "./b.txt");
    let dir = instance.path("part");
    let part = ["restore", "named", "--to", dir.to_str().unwrap(), "--path", "old/sub", "--yes"];
    instance.ok(&part);
    assert_eq!(sh("find . -type f", &dir).trim(), "./old/sub/c.txt");
    for name in ["named", "dotted", "exported"] {
        let said = instance.fails(1, &["restore", name, "--yes"]);
        assert!(said.contains("belongs on this host") && said.contains("--to DIR"), "{said}");
    }
    assert_eq!(sh("find . -type f", &instance.path("notes")).trim(), "./a.txt");
    // As well after everything is found again from what lies beside the archives.
    sh("rm -r state to-dotted", &instance.path("."));
    assert_eq!(to("dotted"), "./again.txt ./b.txt ./sub/c.txt");
    assert_eq!(show(&instance, "dotted")["pinned"], true);
}

#[test]
fn an_archive_of_the_jobs_own_source_is_adopted_as_one_of_its_archives() {
    let instance = saved();
    sh("cp archives/jerry_notes_*.tar* archives/mine.tar", &instance.path("."));
    adopt(&instance, "mine.tar");
    let adopted = show(&instance, "mine");
    assert_eq!((&adopted["good"], &adopted["pinned"]), (&Value::Bool(true), &Value::Bool(false)));
    instance.source("notes/a.txt", b"changed");
    instance.ok(&["restore", "mine", "--yes"]);
    assert_eq!(sh("cat a.txt", &instance.path("notes")), "alpha");
}

#[test]
fn what_no_restore_would_take_is_not_adopted_and_stays_as_it_is() {
    let instance = saved();
    instance.write("db.toml", "[job.db]\ntype = \"mysql\"\ndatabase = \"shop\"\nenabled = false\n");
    sh(
        "tar -P -cf archives/absolute.tar $PWD/notes
         tar -P --transform 's,^notes,../notes,' -cf archives/above.tar notes
         tar -cf archives/twice.tar notes && ln -s /etc notes-link && tar --transform 's,notes-link,notes,' -rf archives/twice.tar notes-link
         tar -cf archives/plain.tar notes",
        &instance.path("."),
    );
    let refused = |file: &str, job: &str, why: &str| {
        let said = instance.fails(1, &["archive", "adopt", "main", file, "--job", job]);
        assert!(said.contains(why) && said.contains("hint: nothing was changed"), "{said}");
    };
    refused("absolute.tar", "notes", "is absolute");
    refused("above.tar", "notes", "has `..` in its name");
    refused("twice.tar", "notes", "no restore would take it");
    refused("plain.tar", "db", "it holds no dump");
    assert_eq!(instance.archives().len(), 1);
    let listed = instance.ok(&["archive", "list", "--foreign"]);
    for file in ["absolute.tar", "above.tar", "twice.tar", "plain.tar"] {
        assert!(listed.contains(file), "{listed}");
    }
}
