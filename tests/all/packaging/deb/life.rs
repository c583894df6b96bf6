//! The life of a package on one machine: installed, used, upgraded under work, removed, purged.

use serde_json::Value;

use super::machine::Machine;
use super::{NEXT, Packages, packages_or_skip};
use crate::support::{self, skipped};

/// Jobs that write where a host keeps archives, and where nobody should but may: below larder's own
/// directories. `slow` takes as long as a file is missing.
const JOBS: &str = r#"
[location.main]
path = "/var/backups/larder"
[location.beside]
path = "/var/lib/larder/archives"
[location.within]
path = "/var/lib/larder/state/logs/archives"
[defaults]
retention = { mode = "count", value = 5 }
schedule = "0 3 1 1 *"
[job.notes]
type = "custom_dir"
catch_up = "next"
source_path = "/srv/notes"
location = "main"
send_to = ["beside", "within"]
before = ["X=kept; echo \"${X} $((6*7)) ${NOBODY:-none}\" '$$' > /srv/said"]
[job.notes.restore]
system_user = { name = "notes", home = "/srv/notes", shell = "/bin/false" }
permissions = { owner = "notes:notes", mode = "750" }
post_restore_commands = ["cat /proc/self/cgroup > /srv/restored-by; cp /srv/notes/text /srv/restored"]
[job.slow]
type = "custom_dir"
catch_up = "next"
source_path = "/srv/notes"
location = "main"
before = ["touch /srv/slow-begun; while [ ! -e /srv/slow-may-go ]; do sleep 0.1; done"]
[notify.mail]
mail_to = "admin@example.org"
"#;

/// Everything that larder must not lose.
const ARCHIVES: &str = "find /var/backups/larder /var/lib/larder /srv/elsewhere \
    \\( -name '*.tar' -o -name '*.larder.json' -o -name '*.info.json' \\) 2>/dev/null | sort | xargs -r sha256sum";

/// The machine with the package and its service, or its daemon where nothing else starts it.
struct Host {
    machine: Machine,
    daemon: Option<std::process::Child>,
}

impl Host {
    fn install(machine: Machine) -> Self {
        machine.sh("dpkg -i /packages/first.deb");
        let mut host = Self { machine, daemon: None };
        if host.machine.is_booted() {
            host.machine.sh("systemctl is-enabled larder && systemctl is-active larder");
        } else {
            host.start();
        }
        host
    }

    /// What `larder.service` does.
    fn start(&mut self) {
        let script = "sed -n 's/^ExecStart=//p' /usr/lib/systemd/system/larder.service";
        let words = self.machine.sh(script);
        self.machine.sh("mkdir -p -m 755 /run/larder");
        self.daemon = Some(self.machine.start_there(&format!("exec {words}")));
        self.machine.wait_until("[ -S /run/larder/control.sock ] && larder jobs");
    }

    /// The process of the daemon, as the machine numbers it; 0 where none runs.
    fn process(&self) -> String {
        let script = if self.machine.is_booted() {
            "systemctl show --property=MainPID --value larder"
        } else {
            "for exe in /proc/[0-9]*/exe; do case \"$(readlink $exe)\" in /usr/bin/larder*) \
             basename ${exe%/exe}; exit ;; esac; done; echo 0"
        };
        self.machine.sh(script).trim().to_owned()
    }

    /// The newest backup of a job.
    fn run_of(&self, job: &str) -> Value {
        let runs = self.machine.sh(&format!("larder runs --job {job} --format json"));
        let runs: Vec<Value> = serde_json::from_str(&runs).unwrap();
        runs.into_iter().find(|run| run["kind"] == "backup").unwrap_or_default()
    }

    #[track_caller]
    fn wait_for_run(&self, job: &str, status: &str) {
        support::wait_for(&format!("a run of `{job}` that is `{status}`"), || {
            self.run_of(job)["status"] == status
        });
    }

    /// What a fresh installation is, and what it leaves alone.
    fn is_fresh_and_harmless(&self) {
        let machine = &self.machine;
        machine.sh("larder check");
        machine.sh("getent group larder larder-web");
        assert_eq!(machine.sh("stat -c '%a %U:%G' /etc/larder").trim(), "750 root:root");
        assert_eq!(machine.sh("stat -c %a /var/lib/larder/state").trim(), "700");
        // Nobody can reach it over a network.
        assert_eq!(
            machine.sh("cat /proc/net/tcp /proc/net/tcp6 | grep -c ' 0A ' || true").trim(),
            "0"
        );
        machine.sh("[ ! -e /var/backups/larder ]");
        machine.sh("bash -n /usr/share/bash-completion/completions/larder");
    }

    /// A first archive, made as the service may; and an edited conffile.
    fn backs_up(&self) {
        let machine = &self.machine;
        machine.sh("mkdir -p /srv/notes && echo text > /srv/notes/text");
        machine.sh("sed -i 's/^# name = .*/name = \"first\"/' /etc/larder/larder.toml");
        machine.sh(&format!("cat > /etc/larder/jobs.toml <<'E'\n{JOBS}\nE"));
        machine.sh("install -d -m 700 /etc/larder/secrets && echo key > /etc/larder/secrets/key");
        machine.sh("larder check");
        machine.wait_until("larder jobs | grep -q notes");
        machine.sh("larder run notes");
        machine.sh("ls /var/backups/larder/first_notes_*.tar");
        // What the configuration says arrives as it is written.
        assert_eq!(machine.sh("cat /srv/said"), "kept 42 none $$\n");
        for copy in ["/var/lib/larder/archives", "/var/lib/larder/state/logs/archives"] {
            machine.wait_until(&format!("ls {copy}/first_notes_*.tar"));
        }
    }

    /// A failure is mailed: the daemon keeps the letter in a temporary file until it is taken.
    fn tells(&self) {
        let machine = &self.machine;
        machine.sh("printf '#!/bin/sh\\ncat >> /srv/mails\\n' > /usr/sbin/sendmail && chmod 755 /usr/sbin/sendmail");
        machine.sh("mv /srv/notes /srv/gone; ! larder run notes; mv /srv/gone /srv/notes");
        machine.wait_until("grep -q 'X-Larder-Event: failure' /srv/mails");
        machine.sh("larder run notes");
        if machine.is_booted() {
            assert_eq!(machine.sh("stat -c '%a %U' /var/cache/larder").trim(), "711 root");
            let process = self.process();
            machine.sh(&format!("grep -qz TMPDIR=/var/cache/larder /proc/{process}/environ"));
        }
    }

    /// A restore makes a user and writes where the daemon may not.
    fn restores(&self) {
        let machine = &self.machine;
        machine.sh("rm -r /srv/notes");
        machine.sh("larder restore notes@latest --yes --location main");
        assert_eq!(machine.sh("cat /srv/restored").trim(), "text");
        assert_eq!(machine.sh("stat -c %U:%G /srv/notes/text").trim(), "notes:notes");
        if machine.is_booted() {
            let unit = machine.sh("cat /srv/restored-by");
            assert!(unit.contains("/larder-restore-"), "{unit}");
        }
    }

    /// The package is replaced while a backup runs: that goes on, and the new program follows.
    fn is_upgraded_under_work(&mut self) {
        self.machine.sh("rm -f /srv/slow-*; larder run slow --detach");
        self.machine.wait_until("[ -e /srv/slow-begun ]");
        let old = self.process();
        self.machine.sh("dpkg --force-confold -i /packages/next.deb");
        assert!(self.machine.sh("dpkg -s larder").contains(&format!("Version: {NEXT}")));
        let conffile = self.machine.sh("cat /etc/larder/larder.toml");
        assert!(conffile.contains("name = \"first\"") && !conffile.contains("next version"));
        if !self.machine.is_booted() {
            // As the package does where systemd is.
            self.machine.sh(&format!("kill -USR1 {old}"));
        }
        // Nothing new begins, and what runs is not disturbed.
        self.machine.sh("larder run notes --detach");
        assert_eq!(self.process(), old);
        assert!(self.machine.sh(&format!("readlink /proc/{old}/exe")).contains("(deleted)"));
        assert_eq!(self.run_of("slow")["status"], "running");
        assert_eq!(self.run_of("notes")["status"], "queued");
        self.machine.sh("touch /srv/slow-may-go");
        self.machine.wait_until(&format!("[ ! -e /proc/{old} ]"));
        if let Some(mut daemon) = self.daemon.take() {
            assert_eq!(daemon.wait().unwrap().code(), Some(10));
            self.start();
        }
        support::wait_for("the new program", || {
            let new = self.process();
            new != "0"
                && self
                    .machine
                    .is(&format!("[ \"$(readlink /proc/{new}/exe)\" = /usr/bin/larder ]"))
        });
        self.machine.wait_until("larder jobs");
        self.wait_for_run("slow", "success");
        self.wait_for_run("notes", "success");
    }

    /// A plain restart interrupts what runs; it is begun anew by itself.
    fn is_restarted_under_work(&mut self) {
        self.machine.sh("rm -f /srv/slow-*; larder run slow --detach");
        self.machine.wait_until("[ -e /srv/slow-begun ]");
        self.machine.sh("rm -f /srv/slow-begun");
        if self.machine.is_booted() {
            self.machine.sh("systemctl restart larder");
        } else {
            self.machine.sh(&format!("kill -TERM {}", self.process()));
            assert_eq!(self.daemon.take().unwrap().wait().unwrap().code(), Some(0));
            self.start();
        }
        let runs = self.machine.sh("larder runs --job slow --format json");
        assert!(runs.contains("\"interrupted\""), "{runs}");
        assert!(
            self.machine.sh("ls -A /var/backups/larder/.incoming 2>/dev/null || true").is_empty()
        );
    }

    /// Removing keeps everything; purging takes the state, and nothing that could be an archive.
    fn is_removed_and_purged(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            self.machine.sh(&format!("kill -TERM {}", self.process()));
            daemon.wait().unwrap();
        }
        // Removed and installed again, it goes on where it was.
        self.machine.sh("dpkg -r larder && dpkg --force-confold -i /packages/next.deb");
        if self.machine.is_booted() {
            self.machine.sh("systemctl is-active larder && systemctl is-enabled larder");
            assert_eq!(self.run_of("notes")["status"], "success");
            self.machine.sh("systemctl stop larder");
        }
        // An archive where nobody looks for one, beside files of the state.
        self.machine.sh("cp -a /var/lib/larder/archives/first_notes_* /var/lib/larder/public/
             mkdir -p /var/lib/larder/state/drill/7 /var/lib/larder/state/drill/8/in
             echo scratch > /var/lib/larder/state/drill/7/file
             cp -a /var/lib/larder/archives/first_notes_*.tar /var/lib/larder/state/drill/8/in/
             mkdir -p /var/cache/larder/larder-drill-0-1-x/server /var/cache/larder/.tmpdir
             touch /var/cache/larder/larder-drill-0-1-x/server/file /var/cache/larder/.tmpfile");
        let before = self.machine.sh(ARCHIVES);
        assert!(before.lines().count() >= 12, "{before}");
        self.machine.sh("dpkg -r larder");
        assert_eq!(self.process(), "0");
        assert_eq!(self.machine.sh(ARCHIVES), before);
        self.machine
            .sh("[ -e /var/lib/larder/state/state.redb ] && [ -e /etc/larder/larder.toml ]");

        let told = self.machine.sh("dpkg -P larder");
        assert!(told.contains("kept what is in /var/lib/larder"), "{told}");
        assert_eq!(self.machine.sh(ARCHIVES), before);
        let left = self.machine.sh("find /var/lib/larder /etc/larder ! -type d | sort");
        for file in left.lines() {
            let is_archive = file.contains("/first_") || file.contains("/.larder-location");
            let is_kept = file == "/etc/larder/jobs.toml" || file == "/etc/larder/secrets/key";
            assert!(is_archive || is_kept, "{file} is left:\n{left}");
        }
        assert!(left.contains("/etc/larder/secrets/key") && left.contains("/etc/larder/jobs.toml"));
        self.machine.sh("[ ! -e /var/cache/larder ]");
        self.machine.sh("[ ! -e /run/larder/control.sock ] && [ ! -e /usr/bin/larder ]");
        if self.machine.is_booted() {
            self.machine.sh("! systemctl cat larder && ! systemctl is-enabled larder");
        }
    }
}

fn lives(machine: Machine) {
    let mut host = Host::install(machine);
    host.is_fresh_and_harmless();
    if host.machine.is_booted() {
        host.machine.sh("systemd-analyze verify --man=no larder.service");
    }
    host.backs_up();
    host.tells();
    host.restores();
    host.is_upgraded_under_work();
    host.is_restarted_under_work();
    host.is_removed_and_purged();
}

#[test]
fn a_machine_keeps_its_work_through_an_upgrade_and_its_archives_through_a_purge() {
    let packages = packages_or_skip!();
    match Machine::boot(packages.dir.path()) {
        Ok(machine) => lives(machine),
        // Nearly the same can be seen without systemd.
        Err(why) => {
            support::say_skipped(&format!("only in a chroot, since: {why}"));
            live_in_a_chroot(packages);
        }
    }
}

#[test]
fn so_does_a_chroot_without_a_service_manager() {
    let packages = packages_or_skip!();
    if !support::full() {
        skipped!("a machine with systemd shows more (LARDER_FULL=1 runs both)");
    }
    live_in_a_chroot(packages);
}

fn live_in_a_chroot(packages: &Packages) {
    match Machine::bare(packages.dir.path()) {
        Ok(machine) => lives(machine),
        Err(why) => skipped!("{why}"),
    }
}

#[test]
fn what_purging_leaves_on_an_untouched_machine_is_nothing() {
    let packages = packages_or_skip!();
    let machine = match Machine::bare(packages.dir.path()) {
        Ok(machine) => machine,
        Err(why) => skipped!("{why}"),
    };
    machine.sh("dpkg -i /packages/first.deb && dpkg -P larder");
    let left = machine.sh("find / -xdev -path /packages -prune -o -name '*larder*' -print | grep -v '^/var/lib/dpkg\\|^/var/lib/systemd\\|^/var/log' || true");
    assert_eq!(left, "", "{left}");
}
