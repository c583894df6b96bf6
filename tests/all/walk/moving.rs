//! Archives that move to another location, and that come back from one; what is known of them goes
//! along.

use std::collections::BTreeMap;

use serde_json::Value;

use super::instance::{Instance, sh};
use super::keeping::with_old_archives;

const BIGGER: &str =
    "[location.bigger]\npath = \"../bigger\"\nmin_free = \"1 MiB\"\ncompress = \"zstd\"\n";

/// What is at a location, by id.
fn at(instance: &Instance, location: &str) -> BTreeMap<String, Value> {
    let listed = instance.json(&["archive", "list", "--location", location, "--job", "notes"]);
    let archives = listed.as_array().unwrap().clone();
    archives.into_iter().map(|one| (one["id"].as_str().unwrap().to_owned(), one)).collect()
}

/// What retention says of it.
fn verdicts(instance: &Instance, location: &str) -> BTreeMap<String, String> {
    let verdict = |one: Value| {
        let kept = &one["retention"];
        format!("{} {} {}", one["pinned"], kept["keep"], kept["reasons"])
    };
    at(instance, location).into_iter().map(|(id, one)| (id, verdict(one))).collect()
}

#[test]
fn what_was_pinned_and_what_was_made_by_hand_is_so_still_after_a_move() {
    let instance = with_old_archives(5);
    instance.ok(&["recover", "--done"]);
    instance.write("bigger.toml", BIGGER);
    instance.write("recovery.toml", "");
    instance.ok(&["run", "notes"]);
    let oldest = at(&instance, "main").into_values().min_by_key(|one| one["day"].to_string());
    instance.ok(&["archive", "pin", oldest.unwrap()["name"].as_str().unwrap()]);
    let before = verdicts(&instance, "main");
    let all = before.values().cloned().collect::<String>();
    assert!(all.contains("pinned") && all.contains("manual"), "{before:?}");
    assert_eq!(before.values().filter(|verdict| verdict.contains("false false")).count(), 2);

    let said = instance.ok(&["location", "move", "main", "bigger"]);
    assert!(said.contains("[job.notes]  location = \"bigger\""), "{said}");
    assert!(!said.contains("larder-config"), "{said}");
    // Given again, it does nothing that was done.
    let again = instance.ok(&["location", "move", "main", "bigger"]);
    assert!(again.contains("[job.notes]"), "{again}");

    // The switch; the old disk leaves and the state is lost.
    let base = std::fs::read_to_string(instance.path("etc/base.toml")).unwrap();
    let (base, _) = base.split_once("[location.main]").unwrap();
    instance.write("base.toml", &base.replace("location = \"main\"", "location = \"bigger\""));
    sh("rm -r state archives", &instance.path("."));
    assert_eq!(verdicts(&instance, "bigger"), before);
    instance.ok(&["recover", "--done"]);
    assert_eq!(verdicts(&instance, "bigger"), before);
}

#[test]
fn what_is_lost_or_damaged_comes_back_from_the_good_copy_at_another_location() {
    let instance = Instance::new(&format!(
        "{BIGGER}[job.notes]\ntype = \"custom_dir\"\nsource_path = \"../notes\"\nsend_to = [\"bigger\"]\n"
    ));
    instance.source("notes/a.txt", &b"alpha".repeat(1000));
    instance.ok(&["apply"]);
    let one = |location: &str| at(&instance, location).into_values().next().unwrap();
    let file = |location: &str, dir: &str| {
        instance.path(dir).join(one(location)["file_name"].as_str().unwrap())
    };
    instance.ok(&["archive", "pin", one("main")["name"].as_str().unwrap(), "--location", "main"]);
    let (here, there) = (file("main", "archives"), file("bigger", "bigger"));
    let (content, encoded) = (std::fs::read(&here).unwrap(), std::fs::read(&there).unwrap());

    std::fs::remove_file(&here).unwrap();
    let planned = instance.ok(&["plan"]);
    assert!(planned.contains("is gone from `main`"), "{planned}");
    instance.ok(&["apply"]);
    assert!(std::fs::read(&here).unwrap() == content);
    let back = one("main");
    assert_eq!((&back["condition"], &back["good"]), (&"present".into(), &true.into()));
    assert_eq!((&back["pinned"], &back["how"]), (&true.into(), &"scheduled".into()));

    let mut damaged = encoded.clone();
    *damaged.last_mut().unwrap() ^= 1;
    std::fs::write(&there, damaged).unwrap();
    let name = one("bigger")["name"].as_str().unwrap().to_owned();
    instance.larder(&["archive", "verify", &name, "--location", "bigger"]);
    assert_eq!(one("bigger")["condition"], "corrupt");
    instance.ok(&["apply"]);
    assert_eq!(one("bigger")["condition"], "present");
    assert_eq!(one("bigger")["how"], "copied");
    assert!(instance.ok(&["plan"]).contains("nothing to do"));
}
