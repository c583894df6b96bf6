//! The jobs of a first configuration: what was found, and why some of it was left out.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use super::instance_name;
use crate::coverage::{Directory, Facts, Server, What};
use crate::model::name::{ARCHIVE_NAME_MAX, JobName};

/// Most jobs for directories of one place; further ones become one for the place as a whole.
const EACH_MAX: usize = 12;

/// A directory that is kept as a whole.
struct Whole {
    job: &'static str,
    path: &'static str,
    excludes: &'static [&'static str],
    comment: &'static str,
}

const WHOLE: [Whole; 8] = [
    Whole { job: "etc", path: "/etc", excludes: &[], comment: "the configuration of this host" },
    Whole {
        job: "home",
        path: "/home",
        excludes: &[".cache/", "node_modules/", "/yunohost.backup/", "/*/.local/share/containers/"],
        comment: "what people keep here",
    },
    Whole {
        job: "root",
        path: "/root",
        excludes: &[".cache/", "/.local/share/containers/"],
        comment: "the administrator's files",
    },
    Whole { job: "www", path: "/var/www", excludes: &["cache/", "*.tmp"], comment: "web sites" },
    Whole {
        job: "local",
        path: "/usr/local",
        excludes: &[],
        comment: "scripts and programs that were put here by hand",
    },
    Whole { job: "mail", path: "/var/mail", excludes: &[], comment: "mail" },
    Whole { job: "vmail", path: "/var/vmail", excludes: &[], comment: "mail" },
    Whole { job: "cron", path: "/var/spool/cron", excludes: &[], comment: "crontabs" },
];

/// What YunoHost's own backup of its system has.
const OF_THE_SYSTEM: [&str; 2] = ["/var/mail", "/var/vmail"];

/// Places whose directories are kept one by one: each has its own rhythm and its own restore.
const EACH: [(&str, &str, &str); 2] = [
    ("opt", "/opt", "programs from outside the distribution, often with their data"),
    ("srv", "/srv", "data that this host serves"),
];

/// A file of jobs that is being written.
struct Jobs {
    text: String,
    taken: BTreeSet<String>,
    /// Most characters of a job's name: it stands in those of its archives.
    room: usize,
}

pub(super) fn jobs_file(facts: &Facts) -> String {
    let instance = instance_name(&facts.hostname);
    let mut jobs = Jobs {
        text: String::from("# What is kept. One table for each job; the name is yours.\n"),
        taken: BTreeSet::new(),
        room: ARCHIVE_NAME_MAX - instance.len() - "__20260508-99".len(),
    };
    let before = jobs.text.len();
    jobs.yunohost(facts);
    for server in &facts.servers {
        jobs.server(server, facts);
    }
    for whole in &WHOLE {
        jobs.whole(whole, facts);
    }
    for (prefix, base, comment) in EACH {
        jobs.each(prefix, base, comment, facts);
    }
    jobs.volumes(facts);
    if jobs.text.len() == before {
        jobs.text.push_str("\n# Nothing was found that is worth keeping.\n");
        jobs.text
            .push_str("# [job.data]\n# type = \"custom_dir\"\n# source_path = \"/srv/data\"\n");
    }
    jobs.text
}

impl Jobs {
    /// A name for a job that no other has.
    fn name(&mut self, wanted: &str) -> String {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let plain: String = wanted.chars().map(|c| if allowed(c) { c } else { '-' }).collect();
        let plain = plain.trim_matches('-').to_lowercase();
        let plain = if plain.is_empty() { "data".to_owned() } else { plain };
        (1..u32::MAX)
            .map(|number| {
                let ending = if number == 1 { String::new() } else { format!("-{number}") };
                let stem: String =
                    plain.chars().take(self.room.saturating_sub(ending.len())).collect();
                format!("{}{ending}", stem.trim_end_matches('-'))
            })
            .find(|name| name.parse::<JobName>().is_ok() && self.taken.insert(name.clone()))
            .unwrap_or(plain)
    }

    fn comment(&mut self, text: &str) {
        for line in text.lines() {
            // What people call their directories is not part of our file's form.
            let line: String = line.chars().filter(|c| !c.is_control()).collect();
            self.text.push_str("# ");
            self.text.push_str(&line);
            self.text.push('\n');
        }
    }

    fn remark(&mut self, text: &str) {
        self.text.push('\n');
        self.comment(text);
    }

    fn directory(&mut self, name: &str, path: &str, excludes: &[String]) {
        let name = self.name(name);
        // Writing to a `String` cannot fail.
        let _ = write!(
            self.text,
            "[job.{name}]\ntype = \"custom_dir\"\nsource_path = {}\n",
            quoted(path)
        );
        if !excludes.is_empty() {
            let list: Vec<String> = excludes.iter().map(|one| quoted(one)).collect();
            let _ = writeln!(self.text, "excludes = [{}]   # gitignore syntax", list.join(", "));
        }
    }

    fn yunohost(&mut self, facts: &Facts) {
        let Some(yunohost) = &facts.yunohost else { return };
        let apps: Vec<&str> = yunohost.apps.iter().map(|app| app.id.as_str()).collect();
        self.taken.extend(["apps".to_owned(), "system".to_owned()]);
        self.text.push('\n');
        if apps.is_empty() {
            self.comment("every app of YunoHost, once there are any");
        } else {
            self.comment(&format!("every app of YunoHost, now: {}", apps.join(", ")));
        }
        self.comment(
            "one that is installed later is kept from then on; with its database and its data",
        );
        self.text.push_str(
            "[job.apps]\ntype = \"ynh_app\"\napp_id = \"*\"\n# except = [\"my_webapp\"]\n",
        );
        self.remark("YunoHost itself: its settings, users, domains and mail");
        self.text.push_str("[job.system]\ntype = \"ynh_system\"\n");
    }

    fn server(&mut self, server: &Server, facts: &Facts) {
        let (kind, word) = (server.kind.name(), server.kind.word());
        let socket = server.socket.display();
        let of_apps = |database: &String| {
            facts.yunohost.as_ref().is_some_and(|yunohost| {
                yunohost.apps.iter().any(|app| app.database.as_ref() == Some(database))
            })
        };
        match &server.databases {
            Err(why) => self.remark(&format!(
                "left out: the databases of {kind} could not be listed: {why}\n\
                 A copy of a server's files is no backup while it runs. Once `larder check --live` is content:\n\
                 [job.{word}]\ntype = \"{word}\"\ndatabase = \"*\""
            )),
            Ok(databases) if databases.is_empty() => self.remark(&format!(
                "left out: {kind} at {socket} has no database of anybody's yet:\n\
                 [job.{word}]\ntype = \"{word}\"\ndatabase = \"*\""
            )),
            Ok(databases) => {
                let (owned, own): (Vec<&String>, Vec<&String>) =
                    databases.iter().partition(|database| of_apps(database));
                if own.is_empty() {
                    self.remark(&format!(
                        "left out: every database of {kind} at {socket} belongs to an app and is kept with it: {}",
                        listed(&owned)
                    ));
                    return;
                }
                self.text.push('\n');
                self.comment(&format!("every database of {kind} at {socket}, now: {}", listed(&own)));
                let name = self.name(word);
                let _ = write!(self.text, "[job.{name}]\ntype = \"{word}\"\ndatabase = \"*\"\n");
                if name != word {
                    let _ = writeln!(self.text, "socket = {}", quoted(&socket_of(server)));
                }
                if !owned.is_empty() {
                    let owned: Vec<String> = owned.iter().map(|name| quoted(name)).collect();
                    self.comment("these belong to apps and are kept with them");
                    let _ = writeln!(self.text, "except = [{}]", owned.join(", "));
                }
            }
        }
    }

    fn whole(&mut self, whole: &Whole, facts: &Facts) {
        let path = Path::new(whole.path);
        let inside: Vec<&Directory> = facts
            .directories
            .iter()
            .filter(|one| one.path.starts_with(path) && !matches!(one.what, What::Volume { .. }))
            .collect();
        if inside.is_empty() {
            return;
        }
        if facts.yunohost.is_some() && OF_THE_SYSTEM.contains(&whole.path) {
            self.remark(&format!("left out: mail in {} is kept with the system", whole.path));
            return;
        }
        let of_apps: Vec<&Directory> =
            inside.iter().copied().filter(|one| app_of(one, facts).is_some()).collect();
        if of_apps.len() == inside.len() {
            self.remark(&format!(
                "left out: all of {} belongs to apps and is kept with them",
                whole.path
            ));
            return;
        }
        let mut excludes: Vec<String> = whole.excludes.iter().map(ToString::to_string).collect();
        self.text.push('\n');
        self.comment(whole.comment);
        for one in of_apps {
            if let Ok(below) = one.path.strip_prefix(path)
                && let Some(below) = below.to_str()
            {
                self.comment(&format!(
                    "{} belongs to an app and is kept with it",
                    one.path.display()
                ));
                excludes.push(format!("/{}/", escaped(below)));
            }
        }
        self.directory(whole.job, whole.path, &excludes);
        let other = inside.iter().filter(|one| one.mount != *path && one.mount.starts_with(path));
        let mut mounts: Vec<&Path> = other.map(|one| one.mount.as_path()).collect();
        mounts.dedup();
        for mount in mounts {
            let Some(text) = readable(mount) else { continue };
            self.remark(&format!("{} is a file system of its own", mount.display()));
            self.directory(text.trim_start_matches('/'), text, &[]);
        }
    }

    fn each(&mut self, prefix: &str, base: &str, comment: &str, facts: &Facts) {
        let inside: Vec<&Directory> = facts
            .directories
            .iter()
            .filter(|one| one.path.parent() == Some(Path::new(base)))
            .filter(|one| !matches!(one.what, What::Volume { .. }))
            .collect();
        if inside.len() > EACH_MAX {
            self.text.push('\n');
            self.comment(comment);
            self.comment(&format!(
                "{} directories; each may as well have a job of its own",
                inside.len()
            ));
            self.directory(prefix, base, &["*.tmp".to_owned()]);
            return;
        }
        for one in inside {
            let (Some(path), Some(name)) = (readable(&one.path), one.path.file_name()) else {
                self.remark(&format!(
                    "left out: {} is no text that can stand here",
                    one.path.display()
                ));
                continue;
            };
            if let Some(app) = app_of(one, facts) {
                self.remark(&format!(
                    "left out: {path} belongs to the app {app} and is kept with it"
                ));
                continue;
            }
            if let Some(kind) = one.files_of {
                self.remark(&format!(
                    "left out: {path} holds the files of a {} server; a copy of them is no backup while it runs: dump it",
                    kind.name()
                ));
                continue;
            }
            self.text.push('\n');
            self.comment(comment);
            let name = format!("{prefix}-{}", name.to_string_lossy());
            self.directory(&name, path, &["*.tmp".to_owned()]);
            if one.what == What::Compose {
                self.comment("a project of containers, which go on writing while it is read; to stop them meanwhile:");
                for (key, verb) in [("before", "stop"), ("after", "start")] {
                    self.comment(&format!(
                        "{key} = [[\"docker\", \"compose\", \"--project-directory\", {}, \"{verb}\"]]",
                        quoted(path)
                    ));
                }
            }
        }
    }

    fn volumes(&mut self, facts: &Facts) {
        for one in &facts.directories {
            let What::Volume { engine, name } = &one.what else { continue };
            let Some(path) = readable(&one.path) else { continue };
            if let Some(kind) = one.files_of {
                self.remark(&format!(
                    "left out: the {engine} volume {name} holds the files of a {} server;\n\
                     a copy of them is no backup while it runs: dump it, or stop it with `before` and `after`:\n\
                     [job.volume]\ntype = \"custom_dir\"\nsource_path = {}",
                    kind.name(),
                    quoted(path)
                ));
            } else if name.len() == 64 && name.chars().all(|c| c.is_ascii_hexdigit()) {
                self.remark(&format!(
                    "left out: the {engine} volume {name} has no name; such ones go with their container"
                ));
            } else {
                self.remark(&format!("a volume of {engine}"));
                self.directory(&format!("volume-{name}"), path, &[]);
            }
        }
    }
}

/// A path that can be read by a job: one that stands in a line of text.
fn readable(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| !text.contains(char::is_control))
}

/// The app that a directory belongs to.
fn app_of<'a>(directory: &Directory, facts: &'a Facts) -> Option<&'a str> {
    let yunohost = facts.yunohost.as_ref()?;
    let owner = yunohost.apps.iter().find(|app| {
        let mut dirs = app.install_dir.iter().chain(&app.data_dir);
        dirs.any(|dir| directory.path.starts_with(dir))
    })?;
    Some(&owner.id)
}

fn socket_of(server: &Server) -> String {
    server.socket.display().to_string()
}

fn listed(names: &[&String]) -> String {
    names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
}

/// A name in a pattern that means only itself.
fn escaped(text: &str) -> String {
    let mut pattern = String::new();
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\' | '!' | '#' | ' ') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// A string of TOML.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
