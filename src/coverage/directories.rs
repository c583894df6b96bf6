//! The usual directories of data, projects of containers, and their volumes.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{Directory, What, names};
use crate::database::Kind;
use crate::stop::Stop;

/// Kept as a whole.
const WHOLE: [&str; 6] = ["etc", "root", "usr/local", "var/mail", "var/vmail", "var/spool/cron"];
/// Each directory in them is a thing of its own.
const EACH: [&str; 5] = ["home", "home/yunohost.app", "opt", "srv", "var/www"];
/// What lies there and is nobody's data, or is asked about elsewhere.
const NOT_DATA: [&str; 3] = ["lost+found", "yunohost.backup", "yunohost.app"];
/// Files that make a directory a project of containers.
const COMPOSE: [&str; 4] =
    ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
/// Where engines keep their volumes.
const VOLUMES: [(&str, &str); 2] =
    [("docker", "var/lib/docker/volumes"), ("podman", "var/lib/containers/storage/volumes")];
/// Where engines keep the volumes of a person who runs one, below the home directory.
const OWN_VOLUMES: [(&str, &str); 2] = [
    ("podman", ".local/share/containers/storage/volumes"),
    ("docker", ".local/share/docker/volumes"),
];
/// How many entries are looked at before a directory counts as filled anyway.
const LOOK_AT: usize = 2000;
/// The most directories that are reported of one place.
const AT_MOST: usize = 500;

pub(super) fn look(root: &Path, stop: &Stop) -> Vec<Directory> {
    let host = Host { root };
    let mut found = Vec::new();
    for path in WHOLE {
        found.extend(host.directory(Path::new(path), What::Data));
    }
    for base in EACH {
        for name in names(&root.join(base)).into_iter().take(AT_MOST) {
            if stop.reason().is_some() {
                return found;
            }
            if name.starts_with('.') || NOT_DATA.contains(&name.as_str()) {
                continue;
            }
            let path = Path::new(base).join(name);
            let what = if host.is_compose(&path) { What::Compose } else { What::Data };
            found.extend(host.directory(&path, what));
            if base == "home" {
                host.projects(&path, &mut found);
                host.volumes(
                    &OWN_VOLUMES.map(|(engine, below)| (engine, path.join(below))),
                    &mut found,
                );
            }
        }
    }
    host.projects(Path::new("root"), &mut found);
    host.volumes(&VOLUMES.map(|(engine, path)| (engine, PathBuf::from(path))), &mut found);
    let own = OWN_VOLUMES.map(|(engine, below)| (engine, Path::new("root").join(below)));
    host.volumes(&own, &mut found);
    found.sort_by(|one, other| (&one.what, &one.path).cmp(&(&other.what, &other.path)));
    found
}

struct Host<'a> {
    root: &'a Path,
}

impl Host<'_> {
    /// A directory, if it is there and there is a file in it.
    fn directory(&self, path: &Path, what: What) -> Option<Directory> {
        let real = self.root.join(path);
        let metadata = std::fs::symlink_metadata(&real).ok()?;
        if !metadata.is_dir() || !has_files(&real) {
            return None;
        }
        let files_of = [
            (Kind::Mysql, "ibdata1"),
            (Kind::Postgresql, "PG_VERSION"),
            (Kind::Postgresql, "pgdata/PG_VERSION"),
        ];
        let files_of = files_of.iter().find(|(_, file)| real.join(file).exists());
        Some(Directory {
            path: Path::new("/").join(path),
            what,
            mount: self.mount(path, metadata.dev()),
            files_of: files_of.map(|(kind, _)| *kind),
        })
    }

    /// Where the file system of a directory is mounted, as seen from the root.
    fn mount(&self, path: &Path, device: u64) -> PathBuf {
        let above = path.ancestors().take_while(|above| {
            std::fs::metadata(self.root.join(above)).is_ok_and(|metadata| metadata.dev() == device)
        });
        Path::new("/").join(above.last().unwrap_or(path))
    }

    fn is_compose(&self, path: &Path) -> bool {
        COMPOSE.iter().any(|file| self.root.join(path).join(file).is_file())
    }

    /// Projects directly in somebody's home.
    fn projects(&self, home: &Path, found: &mut Vec<Directory>) {
        for name in names(&self.root.join(home)).into_iter().take(AT_MOST) {
            let path = home.join(name);
            if self.is_compose(&path) {
                found.extend(self.directory(&path, What::Compose));
            }
        }
    }

    fn volumes(&self, engines: &[(&'static str, PathBuf)], found: &mut Vec<Directory>) {
        for (engine, base) in engines {
            for name in names(&self.root.join(base)).into_iter().take(AT_MOST) {
                let path = base.join(&name).join("_data");
                found.extend(self.directory(&path, What::Volume { engine, name }));
            }
        }
    }
}

/// Whether there is a file in it; directories alone are a skeleton.
fn has_files(path: &Path) -> bool {
    let mut left = LOOK_AT;
    let mut waiting = vec![path.to_owned()];
    while let Some(dir) = waiting.pop() {
        let Ok(entries) = std::fs::read_dir(&dir) else { return true };
        for entry in entries.flatten() {
            left = left.saturating_sub(1);
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => waiting.push(entry.path()),
                Ok(kind) if kind.is_file() => return true,
                Ok(_) | Err(_) => {}
            }
            if left == 0 {
                return true;
            }
        }
    }
    false
}
