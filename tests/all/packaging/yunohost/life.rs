//! The life of the app: install, backup, removal, restore, upgrade. Its scripts are the real ones.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::build;
use super::stage::Stage;
use crate::support::{skipped, wait_for};
use crate::walk::instance::binary;

const ARCHIVES: &str = "/home/yunohost.backup/archives";
/// Where the stage downloads from.
const RELEASE: &str = "http://127.0.0.1:8000";

/// This program without what only a debugger wants: it is packed and unpacked several times.
fn stripped(dir: &Path) -> PathBuf {
    let program = dir.join("larder");
    let strip = Command::new("strip").arg("-o").arg(&program).arg(binary()).status();
    if !strip.is_ok_and(|status| status.success()) {
        std::fs::copy(binary(), &program).unwrap();
    }
    program
}

/// A stage with the package, and the address that it downloads from.
fn stage(dir: &Path, program: &Path) -> Result<Stage, String> {
    crate::support::root()?;
    let release = dir.join("release");
    let said = build(program, &release, &["--release-url", RELEASE]);
    assert!(said.contains(&format!("downloaded from {RELEASE}/larder-")), "{said}");
    let stage = Stage::new(&[&release])?;
    stage.start("python3 -m http.server --bind 127.0.0.1 --directory /stage/release 8000");
    wait_for("the release page", || {
        stage.shell(&format!("curl --silent --fail {RELEASE}/")).status.success()
    });
    // What the host has: a directory, and an app of somebody else's.
    stage.ok("mkdir -p /srv/notes && echo remember > /srv/notes/a.txt");
    Ok(stage)
}

/// What the scripts did wrong and what they warned of since last asked.
fn complaints(stage: &Stage) -> String {
    stage
        .ok("cd /stage; cat misused warnings stderr.* 2>/dev/null; rm -f misused warnings stderr.*")
}

fn json(stage: &Stage, line: &str) -> Value {
    let said = stage.ok(line);
    serde_json::from_str(said.lines().last().unwrap_or("null")).unwrap_or_else(|_| {
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{line}: {error}\n{said}"))
    })
}

fn pid(stage: &Stage) -> String {
    stage.ok("cat /run/stage/larder.pid")
}

/// Runs the job of the directory, and answers the names of its archives.
fn archives_of_notes(stage: &Stage) -> Vec<String> {
    let listed = json(stage, "larder archive list --format json");
    let mut names: Vec<String> = listed
        .as_array()
        .unwrap()
        .iter()
        .filter(|archive| archive["job"] == "srv-notes")
        .map(|archive| archive["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

fn installed_as_promised(stage: &Stage) {
    // The daemon runs, and answers where NGINX asks, and on loopback.
    let healthy = "curl --silent --fail --unix-socket /run/larder/web.sock http://larder/healthz";
    assert_eq!(stage.ok(healthy), "ok");
    assert_eq!(stage.ok("curl --silent --fail http://127.0.0.1:8470/healthz"), "ok");
    assert_eq!(stage.ok("stat -c '%U:%G %a' /run/larder/web.sock"), "root:larder-web 660");
    assert_eq!(stage.ok("stat -c '%U:%G %a' /run/larder/control.sock"), "root:larder 660");
    let groups = stage.ok("id --name --groups www-data");
    assert_eq!(groups.split(' ').collect::<Vec<_>>(), ["www-data", "larder-web"]);
    // What root runs is root's, and what names commands for root as well.
    let foreign = "find /var/www/larder /etc/larder /home/yunohost.app/larder \\( -not -user root -o -perm /o+w \\)";
    assert_eq!(stage.ok(foreign), "");
    let group_writes = "find /var/www/larder /etc/larder -perm /g+w -not -type l";
    assert_eq!(stage.ok(group_writes), "");
    assert_eq!(stage.ok("stat -c %a /etc/larder /etc/larder/secrets"), "750\n700");
    assert_eq!(stage.ok("larder --version | cut -d ' ' -f 1"), "larder");
    assert!(stage.ok("yunohost service status larder").is_empty());
    stage.ok("test -e /usr/share/larder/larder.schema.json && systemctl is-active larder");
    // NGINX was told after its group and its file were there.
    let calls = stage.ok("cat /stage/systemctl.calls");
    assert!(calls.contains("reload-or-restart nginx"), "{calls}");
    let nginx = stage.ok("cat /etc/nginx/conf.d/jerry.example.org.d/larder.conf");
    assert!(nginx.contains("location /larder/api/ {"), "{nginx}");
    assert!(nginx.starts_with(" rewrite ^/larder$ /larder/ permanent;"), "{nginx}");
    assert!(!nginx.contains("__"), "{nginx}");
}

fn configured_for_the_host(stage: &Stage) {
    stage.ok("larder check");
    let shown = json(stage, "larder config show --format json");
    let instance = &shown["instance"];
    assert_eq!(instance["name"], "jerry");
    assert_eq!(instance["url"], "https://jerry.example.org/larder");
    let text = stage.ok("cat /etc/larder/larder.toml");
    for line in [
        r#"listen = ["127.0.0.1:8470", "unix:/run/larder/web.sock"]"#,
        r#"page = { user_header = "YNH_USER", users = ["alice", "bob"] }"#,
        r#"state_dir = "/home/yunohost.app/larder/state""#,
        r#"path = "/home/yunohost.backup/archives""#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let jobs = stage.ok("cat /etc/larder/jobs.toml");
    for line in ["[job.apps]", "[job.system]", "[job.srv-notes]"] {
        assert!(jobs.contains(line), "{line} is not in\n{jobs}");
    }
}

/// Runs one job to its end.
fn run(stage: &Stage, job: &str) {
    stage.ok(&format!("larder run {job}"));
}

/// Waits until nothing runs and nothing waits.
fn rest(stage: &Stage) {
    wait_for("rest", || {
        let runs = json(stage, "larder runs --format json");
        let busy = |run: &Value| run["status"] == "queued" || run["status"] == "running";
        let runs = runs.as_array().unwrap();
        !runs.is_empty() && !runs.iter().any(busy)
    });
}

#[test]
fn an_app_is_installed_backed_up_removed_restored_and_upgraded() {
    let dir = tempfile::tempdir().unwrap();
    let stage = match stage(dir.path(), &stripped(dir.path())) {
        Ok(stage) => stage,
        Err(why) => skipped!("{why}"),
    };

    stage.ok("yunohost app install /stage/release/larder_ynh -a domain=jerry.example.org");
    assert_eq!(complaints(&stage), "");
    installed_as_promised(&stage);
    configured_for_the_host(&stage);

    // A real directory becomes an archive in YunoHost's folder by itself, and YunoHost lists it.
    wait_for("the first archive", || archives_of_notes(&stage).len() == 1);
    let first = archives_of_notes(&stage);
    let content = format!("tar -xOf {ARCHIVES}/{}.tar data/custom/srv/notes/a.txt", first[0]);
    assert_eq!(stage.ok(&content), "remember");
    assert!(stage.ok("yunohost backup list --output-as json").contains(&first[0]));

    // The app itself, as larder has it made and as an administrator does.
    stage.ok("echo hush > /etc/larder/secrets/hook && chmod 600 /etc/larder/secrets/hook");
    stage.ok("mkdir /etc/larder/peers && echo '# none yet' > /etc/larder/peers/tom.toml");
    run(&stage, "apps/larder");
    stage.ok("yunohost backup create --name own --apps larder");
    assert_eq!(complaints(&stage), "");
    let members = stage.ok(&format!("tar -tf {ARCHIVES}/own.tar"));
    assert!(members.contains("apps/larder/backup/etc/larder/peers/tom.toml"), "{members}");
    assert!(members.contains("apps/larder/backup/var/www/larder/larder"), "{members}");
    assert!(!members.contains("secrets"), "{members}");

    // Gone, but for what is the user's.
    rest(&stage);
    let before = stage.ok(&format!("cd {ARCHIVES} && sha256sum * | sort"));
    let configuration = stage.ok("cd /etc/larder && find -type f | sort | xargs sha256sum");
    let daemon = pid(&stage);
    stage.ok("yunohost app remove larder");
    assert_eq!(complaints(&stage), "");
    assert_eq!(stage.ok(&format!("cd {ARCHIVES} && sha256sum * | sort")), before);
    assert_eq!(stage.ok("cd /etc/larder && find -type f | sort | xargs sha256sum"), configuration);
    let left = "for one in /proc/PID /var/www/larder /usr/local/bin/larder /usr/share/larder \
        /etc/systemd/system/larder.service /etc/systemd/system/multi-user.target.wants/larder.service \
        /etc/nginx/conf.d/jerry.example.org.d/larder.conf /etc/bash_completion.d/larder; \
        do [ ! -e $one ] || echo $one; done; getent passwd larder; getent group larder larder-web; true";
    assert_eq!(stage.ok(&left.replace("PID", &daemon)), "");

    // Back, with the configuration of then; what was written meanwhile is aside.
    stage.ok("echo '[job.srv-notes]' > /etc/larder/meanwhile.toml");
    stage.ok("yunohost backup restore own --apps larder --force");
    assert_eq!(complaints(&stage), "");
    installed_as_promised(&stage);
    configured_for_the_host(&stage);
    assert_eq!(stage.ok("cd /etc/larder && find -type f | sort | xargs sha256sum"), configuration);
    stage.ok("ls /home/yunohost.app/larder/configuration-*/meanwhile.toml");
    assert_eq!(archives_of_notes(&stage), first);
    stage.ok("echo more > /srv/notes/b.txt");
    run(&stage, "srv-notes");
    assert_eq!(archives_of_notes(&stage).len(), 2);

    // An upgrade changes the program and nothing of the administrator's.
    let toml = "/stage/release/larder_ynh/manifest.toml";
    stage.ok(&format!("sed -i 's/~ynh1\"/~ynh2\"/' {toml}"));
    stage.ok("echo '# mine' >> /etc/larder/larder.toml");
    let configuration = stage.ok("cd /etc/larder && find -type f | sort | xargs sha256sum");
    let daemon = pid(&stage);
    stage.ok("yunohost app upgrade larder -u /stage/release/larder_ynh");
    assert_eq!(complaints(&stage), "");
    installed_as_promised(&stage);
    assert_ne!(pid(&stage), daemon);
    assert_eq!(stage.ok("cd /etc/larder && find -type f | sort | xargs sha256sum"), configuration);
    assert_eq!(archives_of_notes(&stage).len(), 2);

    moves_and_is_purged(&stage);
}

/// Another address, and the end: even what is purged leaves every archive.
fn moves_and_is_purged(stage: &Stage) {
    stage.ok("yunohost app change-url larder -d tom.example.org -p /backups");
    assert_eq!(complaints(stage), "");
    stage.ok("test ! -e /etc/nginx/conf.d/jerry.example.org.d/larder.conf");
    let nginx = stage.ok("cat /etc/nginx/conf.d/tom.example.org.d/larder.conf");
    assert!(nginx.contains("location /backups/api/ {"), "{nginx}");
    wait_for("the new address", || {
        let shown = json(stage, "larder config show --format json");
        shown["instance"]["url"] == "https://tom.example.org/backups"
    });
    rest(stage);
    let before = stage.ok(&format!("ls {ARCHIVES}"));
    stage.ok("yunohost app remove larder --purge");
    assert_eq!(complaints(stage), "");
    assert_eq!(stage.ok(&format!("ls {ARCHIVES}")), before);
    stage.ok("test -e /etc/larder/jobs.toml && test ! -e /home/yunohost.app/larder");

    // What is left of it is what the next installation goes on with.
    stage.ok("yunohost app install /stage/release/larder_ynh -a 'domain=tom.example.org&path=/'");
    assert_eq!(complaints(stage), "");
    let nginx = stage.ok("cat /etc/nginx/conf.d/tom.example.org.d/larder.conf");
    assert!(nginx.contains("location / {") && nginx.contains("location /api/ {"), "{nginx}");
    assert!(nginx.contains(r#""^/(?<larder_path>.*)$""#), "{nginx}");
    assert_eq!(archives_of_notes(stage).len(), 2);
}

#[test]
fn what_cannot_be_installed_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    // It does not come to running it.
    let stage = match stage(dir.path(), Path::new("/bin/true")) {
        Ok(stage) => stage,
        Err(why) => skipped!("{why}"),
    };
    let install = "yunohost app install /stage/release/larder_ynh -a domain=jerry.example.org";
    let left = "ls -d /var/www/larder /usr/local/bin/larder /etc/systemd/system/larder.service /etc/larder/*.toml \
        2>/dev/null; true";

    // The Debian package is there.
    stage.ok("install -m 755 /bin/true /usr/bin/larder");
    assert!(!stage.shell(install).status.success());
    assert!(complaints(&stage).contains("apt remove larder"));
    assert_eq!(stage.ok(left), "");
    stage.ok("rm /usr/bin/larder");

    // The archive is another one than the package was made for.
    stage.ok("echo x >> /stage/release/larder-*-linux-*.tar.gz");
    let refused = stage.shell(install);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("corrupt"));
    assert_eq!(stage.ok(left), "");
}
