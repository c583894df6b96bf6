//! A YunoHost server of an instance: the stand-in, its apps and its parts.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::walk::instance::{Instance, text};

/// A server whose archive folder is the location `main` of an instance, through a link.
pub(crate) struct Host {
    root: PathBuf,
    command: PathBuf,
}

/// What an app keeps beside its code: left out with `core_only`.
pub(crate) const LARGE: &str = "home/yunohost.app";

const BACKUP: &str = r#"set -e
app=$YNH_APP_INSTANCE_NAME
row() { printf '"%s","%s"\n' "$YUNOHOST_ROOT/$1" "apps/$app/backup/$1" >> "$YNH_BACKUP_CSV"; }
row "var/www/$app"
if [ "$BACKUP_CORE_ONLY" != 1 ]; then row "home/yunohost.app/$app"; fi
echo "create table of_$app (id int);" > db.sql
"#;

const RESTORE: &str = r#"set -e
app=$YNH_APP_INSTANCE_NAME
for dir in var/www home/yunohost.app; do
    [ -e "$dir/$app" ] || continue
    mkdir -p "$YUNOHOST_ROOT/$dir"
    cp -a "$dir/$app" "$YUNOHOST_ROOT/$dir/"
done
cp db.sql "$YUNOHOST_ROOT/var/www/$app.restored.sql"
"#;

impl Host {
    /// A server with the app `nextcloud` and the parts `conf_ldap` and `data_home`.
    pub(crate) fn new(instance: &Instance) -> Self {
        let root = instance.path("server");
        std::fs::create_dir_all(root.join("home/yunohost.backup")).unwrap();
        std::fs::create_dir_all(root.join("switch")).unwrap();
        std::fs::create_dir_all(instance.path("archives")).unwrap();
        std::os::unix::fs::symlink(
            instance.path("archives"),
            root.join("home/yunohost.backup/archives"),
        )
        .unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/yunohost/stand_in.py");
        let host = Self { root, command: instance.path("bin/yunohost") };
        program(
            &host.command,
            &format!(
                "#!/bin/sh\nexport YUNOHOST_ROOT='{}'\nexec python3 '{}' \"$@\"\n",
                host.root.display(),
                script.display()
            ),
        );
        host.install("nextcloud");
        host.part("conf_ldap", b"dn: dc=yunohost,dc=org\n");
        host.part("data_home", b"holiday");
        host
    }

    /// A path below the server's root.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Installs an app.
    pub(crate) fn install(&self, id: &str) {
        let file = |relative: &str, content: &[u8]| write(&self.path(relative), content);
        let manifest = serde_json::json!({
            "name": format!("The {id}"), "version": "28.0.4~ynh1", "description": "keeps files",
        });
        file(&format!("etc/apps/{id}/manifest.json"), manifest.to_string().as_bytes());
        file(&format!("etc/apps/{id}/settings.yml"), b"domain: example.org\n");
        file(&format!("etc/apps/{id}/scripts/backup"), BACKUP.as_bytes());
        file(&format!("etc/apps/{id}/scripts/restore"), RESTORE.as_bytes());
        file(&format!("var/www/{id}/index.php"), b"<?php echo 1;\n");
        file(&format!("{LARGE}/{id}/photo.raw"), &vec![b'p'; 300_000]);
    }

    /// Removes an app with all that it keeps.
    pub(crate) fn remove(&self, id: &str) {
        for dir in ["etc/apps", "var/www", LARGE] {
            std::fs::remove_dir_all(self.path(dir).join(id)).unwrap();
        }
    }

    /// Adds a part of the system: one file, which its hooks save and bring back.
    pub(crate) fn part(&self, name: &str, content: &[u8]) {
        let (kind, rest) = name.split_once('_').unwrap();
        let source = self.path(&format!("etc/{rest}/it"));
        write(&source, content);
        let dest = format!("{kind}/{rest}/it");
        let (source, hook) = (source.display(), format!("20-{name}"));
        write(
            &self.path("hooks/backup").join(&hook),
            format!("printf '\"{source}\",\"{dest}\"\\n' >> \"$YNH_BACKUP_CSV\"\n").as_bytes(),
        );
        write(
            &self.path("hooks/restore").join(&hook),
            format!("cp -a \"$1/{dest}\" '{source}'\n").as_bytes(),
        );
    }

    /// Sets a switch of the stand-in.
    pub(crate) fn switch(&self, name: &str, content: &str) {
        write(&self.path("switch").join(name), content.as_bytes());
    }

    /// Sets it back.
    pub(crate) fn off(&self, name: &str) {
        std::fs::remove_file(self.path("switch").join(name)).unwrap();
    }

    /// Runs the command as an administrator does.
    pub(crate) fn yunohost(&self, words: &[&str]) -> Output {
        Command::new(&self.command).args(words).output().unwrap()
    }

    /// The same for a command that must succeed: its answer.
    pub(crate) fn ok(&self, words: &[&str]) -> Value {
        let mut all = words.to_vec();
        all.extend(["--output-as", "json"]);
        let output = self.yunohost(&all);
        let (said, errors) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "yunohost {words:?}\n{said}\n{errors}");
        serde_json::from_str(said.lines().last().unwrap_or("null")).unwrap_or_default()
    }

    /// The names that YunoHost lists.
    pub(crate) fn archives(&self) -> Vec<String> {
        let mut names: Vec<String> =
            serde_json::from_value(self.ok(&["backup", "list"])["archives"].clone()).unwrap();
        names.sort();
        names
    }

    /// What was called, by whomever, as one line each.
    pub(crate) fn calls(&self) -> Vec<Value> {
        let calls = std::fs::read_to_string(self.path("calls")).unwrap_or_default();
        calls.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The calls that have these two words behind each other.
    pub(crate) fn calls_of(&self, category: &str, action: &str) -> Vec<Value> {
        let mut calls = self.calls();
        calls.retain(|call| {
            let words = call["argv"].as_array().unwrap();
            words.windows(2).any(|pair| pair[0] == category && pair[1] == action)
        });
        calls
    }

    /// How many processes of this server are there.
    pub(crate) fn running(&self) -> usize {
        let mine = format!("YUNOHOST_ROOT={}", self.root.display());
        let is_mine = |environment: Vec<u8>| {
            environment.split(|byte| *byte == 0).any(|one| one == mine.as_bytes())
        };
        std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| std::fs::read(entry.ok()?.path().join("environ")).ok())
            .filter(|environment| is_mine(environment.clone()))
            .count()
    }
}

/// An instance on a server, with this configuration.
pub(crate) fn server(toml: &str) -> (Instance, Host) {
    let instance = Instance::new(toml);
    let host = Host::new(&instance);
    (instance, host)
}

/// What larder lists as foreign.
pub(crate) fn foreign(instance: &Instance) -> Vec<Value> {
    let listed = instance.json(&["archive", "list", "--foreign"]);
    listed.as_array().unwrap().iter().filter(|entry| entry["foreign"] == true).cloned().collect()
}

fn write(path: &Path, content: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn program(path: &Path, content: &str) {
    write(path, content.as_bytes());
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
