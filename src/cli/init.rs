//! `larder init`: a first configuration for this host, with a comment on every line that matters.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use clap::Args;

use super::context::Context;
use super::failure::Failure;
use crate::model::name::InstanceName;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder init                    into /etc/larder
  larder init ~/backup-config    anywhere, for instance in a git work tree

Nothing that exists is overwritten.")]
pub(super) struct Arguments {
    /// The directory; without, the configuration directory
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// A directory worth keeping, and how it is kept.
struct Suggestion {
    job: &'static str,
    path: &'static str,
    excludes: &'static [&'static str],
    comment: &'static str,
}

const SUGGESTIONS: [Suggestion; 7] = [
    Suggestion {
        job: "etc",
        path: "/etc",
        excludes: &[],
        comment: "the configuration of this host",
    },
    Suggestion {
        job: "home",
        path: "/home",
        excludes: &[".cache/", "node_modules/", "yunohost.backup/"],
        comment: "what people keep here",
    },
    Suggestion {
        job: "root",
        path: "/root",
        excludes: &[".cache/"],
        comment: "the administrator's files",
    },
    Suggestion {
        job: "www",
        path: "/var/www",
        excludes: &["cache/", "*.tmp"],
        comment: "web sites",
    },
    Suggestion {
        job: "opt",
        path: "/opt",
        excludes: &["*.tmp"],
        comment: "programs from outside the distribution, often with their data",
    },
    Suggestion { job: "srv", path: "/srv", excludes: &[], comment: "data that this host serves" },
    Suggestion {
        job: "local",
        path: "/usr/local",
        excludes: &[],
        comment: "scripts and programs that were put here by hand",
    },
];

/// Where a database server keeps its files, and what it is.
const DATABASES: [(&str, &str, &str); 2] = [
    ("/var/lib/mysql", "MariaDB or MySQL", "mysql"),
    ("/var/lib/postgresql", "PostgreSQL", "postgresql"),
];

/// What the files of a host say about it.
#[derive(Debug, Clone)]
struct Host {
    name: String,
    directories: Vec<PathBuf>,
}

impl Host {
    fn of_this_machine() -> Self {
        let known = SUGGESTIONS.iter().map(|s| s.path).chain(DATABASES.iter().map(|d| d.0));
        let known = known.chain(["/etc/yunohost/installed"]).map(PathBuf::from);
        let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self {
            name: name.trim().to_owned(),
            directories: known.filter(|path| is_filled(path)).collect(),
        }
    }

    fn has(&self, path: &str) -> bool {
        self.directories.iter().any(|known| known == Path::new(path))
    }
}

/// Whether something is there that is worth keeping.
fn is_filled(path: &Path) -> bool {
    match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => path.is_file(),
    }
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<u8> {
    let dir = arguments.dir.as_ref().unwrap_or(&context.config_dir);
    let host = Host::of_this_machine();
    let files = [
        ("larder.toml", instance_file(&host)),
        ("jobs.toml", jobs_file(&host)),
        (".gitignore", "# secrets stay on this host\nsecrets/\n".to_owned()),
    ];
    if let Some(taken) = existing_toml(dir)? {
        return Err(Failure::new(format!(
            "there is a configuration already: `{}`",
            taken.display()
        ))
        .hint("`larder check` judges it; `larder init DIR` writes an example elsewhere")
        .into());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o755);
    builder.create(dir).map_err(|error| cannot("create", dir, error))?;
    let mut private = fs::DirBuilder::new();
    private.recursive(true).mode(0o700);
    let secrets = dir.join("secrets");
    private.create(&secrets).map_err(|error| cannot("create", &secrets, error))?;
    for (name, text) in files {
        let path = dir.join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path);
        match file {
            Ok(mut file) => {
                file.write_all(text.as_bytes())
                    .and_then(|()| file.sync_all())
                    .map_err(|error| cannot("write", &path, error))?;
                context.tell(&format!("wrote `{}`", path.display()));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                context.tell(&format!("kept `{}` as it is", path.display()));
            }
            Err(error) => return Err(cannot("create", &path, error)),
        }
    }
    let option = if arguments.dir.is_some() {
        format!(" --config {}", dir.display())
    } else {
        String::new()
    };
    context.tell(&format!(
        "read them, change what is not right, then:\n  larder check{option}\n  larder plan{option}\n  \
         larder apply{option}"
    ));
    Ok(0)
}

fn cannot(verb: &str, path: &Path, error: io::Error) -> anyhow::Error {
    anyhow::Error::new(error).context(format!("cannot {verb} `{}`", path.display()))
}

/// A file that a configuration here would be mixed with.
fn existing_toml(dir: &Path) -> anyhow::Result<Option<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot("read", dir, error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| cannot("read", dir, error))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    Ok(files.into_iter().min())
}

/// The instance's name: the host's without its domain, if it can be one.
fn instance_name(host: &str) -> String {
    let short = host.split('.').next().unwrap_or(host);
    short.parse::<InstanceName>().map_or_else(|_| "myhost".to_owned(), |name| name.to_string())
}

fn instance_file(host: &Host) -> String {
    let name = instance_name(&host.name);
    let yunohost = host.has("/etc/yunohost/installed");
    let path = if yunohost { "/home/yunohost.backup/archives" } else { "/var/backups/larder" };
    let remark = if yunohost {
        "# YunoHost's own folder: its web administration lists these archives too.\n"
    } else {
        "# A disk of its own is better than the disk that it saves.\n"
    };
    format!(
        r#"#:schema /usr/share/larder/larder.schema.json
# The configuration of larder: every *.toml in this directory is read, in any order.
# `larder check` judges it, `larder plan` shows what it would do.

[instance]
# Signs the archives and stands at the beginning of their names.
name = "{name}"
# The one zone of schedules, days and names; the system's without.
# timezone = "Europe/Paris"

[defaults]
# What a job without its own says. Jobs that are due at the same time run one after the other.
schedule = "0 2 * * *"
retention = "standard"
location = "main"

[retention.standard]
# The newest archive of each of the last 7 days, 4 weeks and 3 months that have one.
mode = "gfs"
daily = 7
weekly = 4
monthly = 3

[location.main]
{remark}path = "{path}"
# "none", "gzip" or "zstd"
compress = "none"
# Encryption: `larder identity new` makes a key pair; the secret half stays off this host.
# encrypt_to = ["age1…"]

# A second place. With `send_to = ["usb"]` in a job its archives are copied there as well.
# [location.usb]
# path = "/media/usb/larder"
# removable = true

# Another key that opens whatever is encrypted, kept on paper for the worst day.
# [recovery]
# recipients = ["age1…"]
"#
    )
}

fn jobs_file(host: &Host) -> String {
    let mut text = String::from("# What is kept. One table for each job; the name is yours.\n");
    let mut found = false;
    for suggestion in &SUGGESTIONS {
        if !host.has(suggestion.path) {
            continue;
        }
        found = true;
        let Suggestion { job, path, excludes, comment } = suggestion;
        // Writing to a `String` cannot fail.
        let _ = write!(
            text,
            "\n# {comment}\n[job.{job}]\ntype = \"custom_dir\"\nsource_path = \"{path}\"\n"
        );
        if !excludes.is_empty() {
            let list: Vec<String> = excludes.iter().map(|one| format!("\"{one}\"")).collect();
            let _ = writeln!(text, "excludes = [{}]   # gitignore syntax", list.join(", "));
        }
    }
    if !found {
        text.push_str("\n# [job.data]\n# type = \"custom_dir\"\n# source_path = \"/srv/data\"\n");
    }
    for (path, server, kind) in DATABASES {
        if host.has(path) {
            let _ = write!(
                text,
                "\n# {server} keeps its files in {path}. A copy of those files is no backup while the \
                 server runs:\n# its databases want jobs of their own, one for each or `*` for all.\n\
                 # [job.{kind}]\n# type = \"{kind}\"\n# database = \"*\"\n"
            );
        }
    }
    if host.has("/etc/yunohost/installed") {
        text.push_str(
            "\n# YunoHost is installed. Its applications:\n# [job.apps]\n# type = \"ynh_app\"\n\
             # app_id = \"*\"\n",
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(directories: &[&str]) -> Host {
        Host {
            name: "jerry.example.org".to_owned(),
            directories: directories.iter().map(PathBuf::from).collect(),
        }
    }

    #[test]
    fn what_is_found_becomes_a_job_and_what_is_not_does_not() {
        let text = jobs_file(&host(&["/etc", "/var/www", "/var/lib/mysql"]));
        let table: toml::Table = text.parse().unwrap();
        let jobs: Vec<_> = table["job"].as_table().unwrap().keys().cloned().collect();
        assert_eq!(jobs, ["etc", "www"]);
        assert!(text.contains("# MariaDB or MySQL keeps its files in /var/lib/mysql"), "{text}");
    }

    #[test]
    fn the_name_of_the_instance_is_the_host_without_its_domain() {
        let table: toml::Table = instance_file(&host(&[])).parse().unwrap();
        assert_eq!(table["instance"]["name"].as_str(), Some("jerry"));
        assert_eq!(instance_name("-odd-"), "myhost");
    }
}
