//! The steps beside the files, for real: users and units in a mount namespace with an `/etc` and a
//! `/run` of its own, over which nothing of this host changes; systemd and YunoHost are stand-ins
//! that write down what they are told.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Output};

use crate::support::{root_or_skip, skipped};
use crate::walk::instance::{Instance, binary, text};

/// Ends the test where there can be no namespace.
macro_rules! namespace_or_skip {
    () => {
        root_or_skip!();
        let probe = "mount -t tmpfs tmpfs /run && mkdir /run/u /run/w && \
                     mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/u,workdir=/run/w /etc";
        let probe = Command::new("unshare").args(["-m", "sh", "-c", probe]).output();
        if !probe.as_ref().is_ok_and(|output| output.status.success()) {
            skipped!("no mount namespace with an overlay here: {probe:?}");
        }
    };
}

const SETUP: &str = r#"
set -e
mount -t tmpfs tmpfs "$DIR/etc-over"
mkdir "$DIR/etc-over/u" "$DIR/etc-over/w"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$DIR/etc-over/u,workdir=$DIR/etc-over/w" /etc
mount -t tmpfs tmpfs /run
"#;

/// A job with everything that a restore can do beside the files.
fn everything(instance: &Instance) -> String {
    let data = instance.path("opt/app");
    let (data, ran) = (data.display(), instance.path("ran"));
    format!(
        "[job.web]\ntype = \"custom_dir\"\nsource_path = \"{data}\"\n\
         [job.web.restore]\n\
         system_user = {{ name = \"larder-it\", home = \"{data}\", shell = \"/bin/false\" }}\n\
         systemd_service = {{ name = \"larder-it\", service_file = \"{data}/it.service\" }}\n\
         permissions = {{ owner = \"larder-it:larder-it\", mode = \"750\" }}\n\
         firewall_ports = [{{ port = 8080 }}, {{ port = 53, protocol = \"udp\" }}]\n\
         post_restore_commands = [\"echo done > {}\"]\n",
        ran.display()
    )
}

/// An instance with an archive of an app, and stand-ins for systemd and YunoHost.
fn app() -> Instance {
    let instance = Instance::new("");
    instance.write("jobs.toml", &everything(&instance));
    instance.source("opt/app/it.service", b"[Service]\nExecStart=/bin/true\n");
    instance.source("opt/app/data/file", b"1");
    instance.ok(&["run", "web"]);
    for dir in ["bin", "etc-over", "ynh"] {
        fs::create_dir(instance.path(dir)).unwrap();
    }
    stand_in(&instance.path("bin/systemctl"), "echo \"$@\" >> \"$DIR/systemctl.calls\"");
    stand_in(&instance.path("ynh/yunohost"), "echo \"$@\" >> \"$DIR/yunohost.calls\"; echo '{}'");
    program(&instance.path("bin/systemd-run"), SYSTEMD_RUN);
    instance
}

/// Runs what stands behind `--`, as a child with nothing of the sandbox, and replaces variables
/// in its arguments as systemd does: `$NAME` where it is the whole word, `${NAME}`, and `$$`.
const SYSTEMD_RUN: &str = r#"#!/usr/bin/python3
import os, re, sys

with open(os.environ["DIR"] + "/systemd-run.calls", "a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\n")
program, *arguments = sys.argv[sys.argv.index("--") + 1:]
value = lambda name: os.environ.get(name, "")
words = [program]
for word in arguments:
    if re.fullmatch(r"\$[A-Za-z_]\w*", word):
        words += value(word[1:]).split()
    else:
        found = r"\$(?:(\$)|\{([A-Za-z_]\w*)\})"
        words.append(re.sub(found, lambda match: match[1] or value(match[2]), word))
os.environ["INVOCATION_ID"] = "theirs"
os.execvp(program, words)
"#;

fn stand_in(path: &Path, body: &str) {
    program(path, &format!("#!/bin/sh\n{body}\n"));
}

fn program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs a script in a namespace of its own; `larder` in it is the program on this instance.
fn inside(instance: &Instance, script: &str) -> Output {
    let prelude = format!(
        "larder() {{ {} --config {} \"$@\"; }}\n",
        binary(),
        instance.path("etc").display()
    );
    let path = format!("{}:{}", instance.path("bin").display(), std::env::var("PATH").unwrap());
    Command::new("unshare")
        .args(["-m", "--propagation", "private", "sh", "-c"])
        .arg(format!("{SETUP}{prelude}{script}"))
        .env("DIR", instance.path(""))
        .env("PATH", path)
        .env("LC_ALL", "C.UTF-8")
        .env_remove("INVOCATION_ID")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap()
}

#[track_caller]
fn ok(output: &Output) -> String {
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}: {said}", output.status);
    said
}

fn calls(instance: &Instance, of: &str) -> String {
    fs::read_to_string(instance.path(&format!("{of}.calls"))).unwrap_or_default()
}

const LOOK: &str = r#"
getent passwd larder-it
id -gn larder-it
stat -c 'owner %U:%G mode %a %n' "$DIR/opt/app" "$DIR/opt/app/data/file"
cat /etc/systemd/system/larder-it.service
"#;

#[test]
fn user_permissions_unit_and_commands_come_back_on_an_empty_host() {
    namespace_or_skip!();
    let instance = app();
    fs::remove_dir_all(instance.path("opt")).unwrap();
    let script = format!("mkdir -p /run/systemd/system\nlarder restore web@latest --yes\n{LOOK}");
    let said = ok(&inside(&instance, &script));
    let app = instance.path("opt/app").display().to_string();
    for part in [
        "1. user: create the system user `larder-it`",
        "2. files: ",
        "3. permissions: owner larder-it:larder-it",
        "4. service: install `/etc/systemd/system/larder-it.service`, enable and start `larder-it`",
        "5. firewall: 8080/tcp, 53/udp are to be open",
        "warning: there is no YunoHost here to open them: open 8080/tcp, 53/udp",
        "6. commands: run `echo`",
        &format!(":{app}:/bin/false"),
        "owner larder-it:larder-it mode 750",
        "ExecStart=/bin/true",
    ] {
        assert!(said.contains(part), "`{part}` is not in {said}");
    }
    assert_eq!(
        calls(&instance, "systemctl"),
        "daemon-reload\nenable larder-it.service\nrestart larder-it.service\n"
    );
    assert!(instance.path("ran").exists());
    let file = instance.path("opt/app/data/file").metadata().unwrap();
    assert_ne!(file.uid(), 0, "the owner is that of the whole tree");
    assert_eq!(instance.runs()[0]["status"], "warning", "of the firewall");
    // Nothing of it happened to this host.
    let user = Command::new("getent").args(["passwd", "larder-it"]).output().unwrap();
    assert!(!user.status.success());
    assert!(!Path::new("/etc/systemd/system/larder-it.service").exists());
}

#[test]
fn a_second_restore_finds_everything_there_and_changes_nothing_twice() {
    namespace_or_skip!();
    let instance = app();
    let script = format!(
        "mkdir -p /run/systemd/system\nlarder restore web@latest --yes >/dev/null 2>&1\n\
         larder restore web@latest --yes\n{LOOK}"
    );
    let said = ok(&inside(&instance, &script));
    for part in
        ["keep the user `larder-it`", "the unit is there, and is the same", "installed already"]
    {
        assert!(said.contains(part), "`{part}` is not in {said}");
    }
}

#[test]
fn another_unit_that_is_there_is_set_aside_and_comes_back_with_the_undoing() {
    namespace_or_skip!();
    let instance = app();
    let script = r#"
mkdir -p /run/systemd/system /etc/systemd/system
echo old > /etc/systemd/system/larder-it.service
larder restore web@latest --yes
cat /etc/systemd/system/larder-it.service
run=$(larder runs --format json | sed -n 's/.*"id": \([0-9]*\).*/\1/p' | head -1)
larder restore --undo $run --yes
echo "now: $(cat /etc/systemd/system/larder-it.service)"
"#;
    let said = ok(&inside(&instance, script));
    for part in ["set aside where it differs", "ExecStart=/bin/true", "set aside: unit", "now: old"]
    {
        assert!(said.contains(part), "`{part}` is not in {said}");
    }
    let restarts = "daemon-reload\nrestart larder-it.service\n";
    let calls = calls(&instance, "systemctl");
    assert!(calls.ends_with(restarts), "the undoing reloads and restarts: {calls}");
    assert_eq!(calls.matches("daemon-reload").count(), 2, "{calls}");
}

#[test]
fn a_user_with_another_number_is_kept_and_nothing_is_started_without_systemd() {
    namespace_or_skip!();
    let instance = app();
    let script = format!(
        "useradd --system --user-group --home-dir /srv --shell /bin/sh --uid 987 larder-it\n\
         larder restore web@latest --yes\n{LOOK}"
    );
    let said = ok(&inside(&instance, &script));
    for part in [
        "keep the user `larder-it`",
        "it is there, with the id 987",
        "its home is `/srv`, and is left so",
        "its shell is `/bin/sh`, and is left so",
        "systemd does not run here: nothing is reloaded or started",
        "owner larder-it:larder-it mode 750",
    ] {
        assert!(said.contains(part), "`{part}` is not in {said}");
    }
    assert_eq!(calls(&instance, "systemctl"), "");
}

#[test]
fn yunohost_opens_the_ports_where_it_is_there() {
    namespace_or_skip!();
    let instance = app();
    let script = "export PATH=\"$DIR/ynh:$PATH\"\nlarder restore web@latest --only firewall --yes";
    let said = ok(&inside(&instance, script));
    assert!(said.contains("YunoHost opens 8080/tcp, 53/udp"), "{said}");
    let calls = calls(&instance, "yunohost");
    assert!(calls.contains("8080") && calls.contains("53"), "{calls}");
}

#[test]
fn a_user_that_cannot_be_made_stops_everything_that_would_belong_to_it() {
    namespace_or_skip!();
    let instance = app();
    fs::write(instance.path("opt/app/data/file"), "mine").unwrap();
    stand_in(&instance.path("bin/useradd"), "echo 'useradd: no' >&2; exit 1");
    let output = inside(&instance, "larder restore web@latest --yes");
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("user failed") && said.contains("useradd: no"), "{said}");
    assert!(said.contains("not done: files, permissions, service, commands"), "{said}");
    assert_eq!(fs::read(instance.path("opt/app/data/file")).unwrap(), b"mine");
}

#[test]
fn a_corrupt_archive_makes_no_user() {
    namespace_or_skip!();
    let instance = app();
    let tar = instance.path("archives").join(&instance.tars()[0]);
    let mut bytes = fs::read(&tar).unwrap();
    let at = bytes.windows(9).position(|window| window == b"/bin/true").unwrap();
    bytes[at] = b'x';
    fs::write(&tar, &bytes).unwrap();
    let output = inside(&instance, "larder restore web@latest --yes || ! getent passwd larder-it");
    let said = ok(&output);
    assert!(said.contains("is corrupt"), "{said}");
}

#[test]
fn a_service_restores_in_a_unit_of_its_own_and_tells_the_same() {
    namespace_or_skip!();
    let instance = app();
    fs::remove_dir_all(instance.path("opt")).unwrap();
    // What the daemon is: a service of systemd, and root.
    let script = format!(
        "mkdir -p /run/systemd/system\nexport INVOCATION_ID=ours\n\
         larder restore web@latest --yes\n{LOOK}"
    );
    let said = ok(&inside(&instance, &script));
    assert!(said.contains("owner larder-it:larder-it mode 750"), "{said}");
    let started = calls(&instance, "systemd-run");
    assert!(started.contains("restore-unit"), "{started}");
    assert!(!started.contains("larder-it"), "an order is no argument: {started}");
    let id = instance.runs()[0]["id"].to_string();
    let log = instance.ok(&["log", &id]);
    for part in ["1. user: create", "files: done", "service: done", "commands: done"] {
        assert!(log.contains(part), "`{part}` is not in {log}");
    }
    let left: Vec<_> = fs::read_dir(instance.path("state/restores"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(left, [format!("{id}.json")], "orders are gone with the run");
}

#[test]
fn commands_of_a_service_arrive_as_they_were_written() {
    namespace_or_skip!();
    let instance = app();
    let before = r#"X=kept; echo "${X} $X $((6*7)) 100%% \$\$ [${NOBODY:-none}]" > "$DIR/said"; \
        [ $$ -gt 1 ] && kill -0 $$ && echo $(basename /a/b) >> "$DIR/said""#;
    let jobs = everything(&instance);
    let before = format!("[job.web]\nbefore = ['{}']\n", before.replace("\\\n", ""));
    instance.write("jobs.toml", &jobs.replace("[job.web]\n", &before));
    let script = "mkdir -p /run/systemd/system\nexport INVOCATION_ID=ours\nlarder run web";
    ok(&inside(&instance, script));
    assert!(calls(&instance, "systemd-run").contains("kept"), "it is a unit that says it");
    let said = fs::read_to_string(instance.path("said")).unwrap();
    assert_eq!(said, "kept kept 42 100%% $$ [none]\nb\n");
}

#[test]
fn a_unit_of_its_own_fails_and_is_cancelled_like_any_other_run() {
    namespace_or_skip!();
    let instance = app();
    let jobs = everything(&instance).replace("echo done", "touch $DIR/slow; sleep 60; echo done");
    instance.write("jobs.toml", &jobs);
    let script = r#"
mkdir -p /run/systemd/system
export INVOCATION_ID=ours
larder restore web@latest --yes &
while [ ! -e "$DIR/slow" ]; do sleep 0.05; done
kill -INT $!
wait $! && exit 9
larder runs --limit 1 --format json
"#;
    // The larder of a shell function runs below a shell; the signal is for the program itself.
    let script = script.replace(
        "larder restore web@latest --yes &",
        &format!(
            "{} --config {} restore web@latest --yes &",
            binary(),
            instance.path("etc").display()
        ),
    );
    // A shell without job control starts what is behind `&` deaf to SIGINT; the program listens
    // for it all the same.
    let said = ok(&inside(&instance, &script));
    assert!(said.contains("\"status\": \"cancelled\""), "{said}");
    assert!(said.contains("commands is unfinished"), "{said}");
    stand_in(&instance.path("bin/systemd-run"), "echo 'Failed to start' >&2; exit 1");
    let script =
        "mkdir -p /run/systemd/system\nexport INVOCATION_ID=ours\nlarder restore web@latest --yes";
    let output = inside(&instance, script);
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("Failed to start"), "{said}");
}

#[test]
fn an_order_is_carried_out_and_told_as_lines_of_json() {
    let instance = Instance::new("[job.web]\ntype = \"custom_dir\"\nsource_path = \"../data\"\n");
    instance.source("data/file", b"1");
    instance.ok(&["run", "web"]);
    let archive = &instance.archives()[0];
    let tar = instance.path("archives").join(&instance.tars()[0]);
    let data = instance.path("data");
    fs::write(data.join("file"), "2").unwrap();
    let order = serde_json::json!({
        "run": 77, "work_dir": instance.path("work"), "timeout": 60,
        "task": { "restore": {
            "archive": {
                "name": archive["name"], "job": "web", "location": "main", "file": tar,
                "codec": "none", "sha256": archive["sha256"], "file_size": archive["file_size"],
                "content_size": archive["content_size"],
            },
            "content": { "type": "custom_dir", "archived": data, "root": data, "is_file": false },
            "safety": true, "spare_dir": instance.path("archives"),
        } },
    });
    fs::write(instance.path("order"), order.to_string()).unwrap();
    let order = instance.path("order").display().to_string();
    let said = instance.ok(&["restore-unit", &order]);
    let lines: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(
        lines.iter().any(|line| line["log"].as_str().is_some_and(|l| l.starts_with("files: done")))
    );
    assert!(
        lines.iter().any(|line| line["progress"]["members"].as_u64().unwrap_or(0) > 0),
        "{said}"
    );
    assert_eq!(lines.last().unwrap(), &serde_json::json!({ "end": null }));
    assert_eq!(fs::read(data.join("file")).unwrap(), b"1");
    let record = fs::read_to_string(instance.path("work/77.json")).unwrap();
    assert!(record.contains(".larder-aside-77"), "{record}");
    let said = instance.fails(1, &["restore-unit", "/nowhere"]);
    assert!(said.contains("`larder restore` is the command"), "{said}");
}

#[test]
fn files_of_a_user_with_another_number_here_are_mapped_by_name_and_that_is_told() {
    namespace_or_skip!();
    let instance = app();
    let script = "useradd --system --user-group --uid 987 larder-it\nchown -R larder-it:larder-it \"$DIR/opt/app\"\n\
        larder run web\nuserdel larder-it\nuseradd --system --user-group --uid 986 larder-it\n\
        larder restore web@latest --only files --yes\n\
        echo now $(stat -c '%u:%U' \"$DIR/opt/app/data/file\")\n\
        larder log $(larder runs --format json | sed -n 's/.*\"id\": \\([0-9]*\\).*/\\1/p' | head -1)";
    let said = ok(&inside(&instance, script));
    let told = "`larder-it` had the id 987 in the archive and has 986 here: mapped by name";
    assert!(said.matches(told).count() >= 2, "in the plan and in the log: {said}");
    assert!(said.contains("now 986:larder-it"), "{said}");
}
