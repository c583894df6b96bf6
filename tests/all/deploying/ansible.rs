//! The role in `examples/ansible`, run by the real Ansible against this host.

use std::process::Command;

use serde_json::{Value, json};

use super::{Host, Path, PathBuf, Stdio, binary, example, support, text};
use crate::support::skipped;

/// Where `tests/run` puts it, or wherever it is.
fn playbook_command() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let ours = cache.or(home)?.join("larder-tests/ansible/bin/ansible-playbook");
    let path = std::env::var_os("PATH")?;
    let others = std::env::split_paths(&path).map(|dir| dir.join("ansible-playbook"));
    std::iter::once(ours).chain(others).find(|program| program.is_file())
}

/// A host that the role is applied to.
struct Managed {
    host: Host,
    program: PathBuf,
}

/// What came of a run of the playbook.
struct Played {
    changed: u32,
    failed: u32,
    told: String,
}

impl Managed {
    fn new(program: PathBuf) -> Self {
        let host = Host::new();
        // Instead of the program of a package: small, so that copying it is quick.
        host.script("program", &format!("#!/bin/sh\nexec {} \"$@\"\n", binary()));
        host.script(
            "reload",
            &format!("#!/bin/sh\necho reload >>{}\n", host.path("reloads").display()),
        );
        std::fs::create_dir(host.path("bin")).unwrap();
        Self { host, program }
    }

    /// Applies the role with these drop-ins, and further variables.
    fn play(&self, dropins: &Value, more: &Value, options: &[&str]) -> Played {
        let path = |relative: &str| self.host.path(relative);
        let mut variables = json!({
            "larder_binary": path("bin/larder"), "larder_binary_source": path("program"),
            "larder_config_dir": path("etc"), "larder_manage_service": false,
            "larder_reload_command": [path("reload")], "larder_wait": 60,
            "larder_dropins": dropins, "larder_host_dropins": {}, "larder_secrets": {},
        });
        let more = more.as_object().unwrap().clone();
        variables.as_object_mut().unwrap().extend(more);
        self.host.write("variables.json", &variables.to_string());
        self.run(&["--extra-vars", &format!("@{}", path("variables.json").display())], options)
    }

    /// Runs the sample playbook against this host.
    fn run(&self, variables: &[&str], options: &[&str]) -> Played {
        self.host.write(
            "inventory.ini",
            "[larder]\nhere ansible_connection=local ansible_become=false \
             ansible_python_interpreter={{ansible_playbook_python}}\n",
        );
        let home = self.host.path("home");
        std::fs::create_dir_all(&home).unwrap();
        let output = Command::new(&self.program)
            .current_dir(example("ansible"))
            .arg("--inventory")
            .arg(self.host.path("inventory.ini"))
            .args(variables)
            .args(options)
            .arg("site.yml")
            .env("HOME", &home)
            .env("ANSIBLE_HOME", &home)
            .env("ANSIBLE_PIPELINING", "1")
            .env("ANSIBLE_NOCOLOR", "1")
            .env("ANSIBLE_LOCALHOST_WARNING", "0")
            .env("LC_ALL", "C.UTF-8")
            .env("NO_COLOR", "1")
            .env_remove("LARDER_CONFIG")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let told = text(&output.stdout) + &text(&output.stderr);
        let number = |word: &str| -> u32 {
            let (_, rest) =
                told.rsplit_once(&format!("{word}=")).unwrap_or_else(|| panic!("{told}"));
            rest.split_whitespace().next().unwrap().parse().unwrap()
        };
        Played { changed: number("changed"), failed: number("failed"), told }
    }

    fn reloads(&self) -> usize {
        std::fs::read_to_string(self.host.path("reloads")).unwrap_or_default().lines().count()
    }
}

#[test]
fn the_role_changes_what_differs_and_nothing_else_and_no_mistake_gets_into_place() {
    let Some(program) = playbook_command() else {
        skipped!("no ansible-playbook; tests/run installs it");
    };
    support::root_or_skip!();
    let managed = Managed::new(program);
    let host = &managed.host;
    let none = json!({});
    let both = json!({"larder.toml": host.base(), "jobs/web.toml": host.job("web")});

    // The first run, on a host without anything.
    let first = managed.play(&both, &json!({"larder_wait": 0}), &[]);
    assert!(first.failed == 0 && first.changed > 0, "{}", first.told);
    assert_eq!(managed.reloads(), 1, "{}", first.told);
    assert_eq!(host.larder(&["check"]).status.code(), Some(0));
    let _daemon = host.daemon();
    let generation = || host.applied()["generation"].as_u64().unwrap();
    let before = generation();

    // The second.
    let second = managed.play(&both, &none, &[]);
    assert!(second.failed == 0 && second.changed == 0, "{}", second.told);
    assert_eq!((managed.reloads(), generation()), (1, before));

    let changed =
        json!({"larder.toml": host.base(), "jobs/all.toml": host.job("web") + &host.job("mail")});
    host.write("etc/by-hand.toml", &host.job("by-hand"));
    let before = generation();

    // A job moves into another file, one comes beside it; what somebody else wrote stays.
    let third = managed.play(&changed, &none, &[]);
    assert!(third.failed == 0 && third.changed > 0, "{}", third.told);
    assert_eq!(managed.reloads(), 2);
    assert!(!host.path("etc/jobs/web.toml").exists() && host.path("etc/by-hand.toml").exists());
    // It came back when that was in force.
    assert!(generation() > before);
    assert_eq!(host.jobs(), ["by-hand", "mail", "web"]);

    // A mistake gets no further than a temporary file, whatever else is right.
    let before = generation();
    let text_before = host.read("etc/jobs/all.toml");
    let broken = host.job("mail") + "scheduel = \"daily\"\n";
    let broken = json!({"larder.toml": host.base() + "# other\n", "jobs/all.toml": broken});
    let refused = managed.play(&broken, &none, &[]);
    assert!(refused.failed == 1 && refused.changed == 0, "{}", refused.told);
    assert!(refused.told.contains("did you mean `schedule`"), "{}", refused.told);
    assert_eq!(host.read("etc/jobs/all.toml"), text_before);
    assert_eq!((managed.reloads(), generation()), (2, before));

    // Somebody else's file is not replaced unless that is said.
    let foreign = json!({"larder.toml": host.base(), "jobs/all.toml": host.job("web"),
        "by-hand.toml": host.job("mail")});
    let refused = managed.play(&foreign, &none, &["--check"]);
    assert!(refused.failed == 1, "{}", refused.told);
    assert!(refused.told.contains("by-hand.toml in"), "{}", refused.told);
}

#[test]
fn the_sample_inventory_is_accepted_and_a_trial_run_shows_it_and_writes_nothing() {
    let Some(program) = playbook_command() else {
        skipped!("no ansible-playbook; tests/run installs it");
    };
    support::root_or_skip!();
    let managed = Managed::new(program);
    let inventory = example("ansible/inventory");
    std::fs::create_dir(managed.host.path("etc")).unwrap();
    managed.host.script("bin/larder", &managed.host.read("program"));
    let set = |name: &str, value: &str| format!("{name}={value}");
    let path = |relative: &str| managed.host.path(relative).display().to_string();
    let variables = [
        set("larder_binary", &path("bin/larder")),
        set("larder_config_dir", &path("etc")),
        set("ansible_connection", "local"),
        set("ansible_become", "false"),
        set("ansible_python_interpreter", "{{ansible_playbook_python}}"),
    ];
    let inventory = inventory.display().to_string();
    let mut arguments = vec!["--inventory", &inventory];
    for variable in &variables {
        arguments.extend(["--extra-vars", variable]);
    }
    arguments.extend(["--extra-vars", "{\"larder_manage_service\": false}"]);
    // Nothing is written; the whole is judged all the same, and what would change is shown.
    let options = ["--check", "--diff", "--limit", "jerry.example.org"];
    let played = managed.run(&arguments, &options);
    assert!(played.failed == 0 && played.changed > 0, "{}", played.told);
    let judged = played.told.split("Judge the configuration as it will be").nth(1);
    assert!(judged.unwrap().split("TASK").next().unwrap().contains("ok: ["), "{}", played.told);
    assert!(played.told.contains("+[job.wiki-db]"), "{}", played.told);
    assert_eq!(std::fs::read_dir(managed.host.path("etc")).unwrap().count(), 0);
}
