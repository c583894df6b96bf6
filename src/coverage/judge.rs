//! Which job keeps what: a pure comparison of what was found with a configuration.

use std::path::{Path, PathBuf};

use super::{App, Cover, Directory, Facts, Item, Server, Thing, What};
use crate::database::Kind;
use crate::model::desired::Desired;
use crate::model::job::{CustomDir, Database, Job, JobSource};
use crate::model::name::JobName;
use crate::source::excludes::Excludes;

/// Where YunoHost keeps mail.
const MAIL: [&str; 2] = ["/var/mail", "/var/vmail"];

/// Everything that was found, and who keeps it. What larder itself writes is nobody's to keep.
#[must_use]
pub fn judge(facts: &Facts, desired: &Desired) -> Vec<Item> {
    let apps = facts.yunohost.as_ref().map_or(&[][..], |yunohost| &yunohost.apps);
    let desk = Desk { desired, apps };
    let mut items = Vec::new();
    for server in &facts.servers {
        desk.server(server, &mut items);
    }
    items.extend(apps.iter().map(|app| desk.app(app)));
    let ours = |directory: &&Directory| {
        let mut locations = desired.locations.values();
        locations.any(|location| directory.path.starts_with(&location.path))
    };
    let directories = facts.directories.iter().filter(|directory| !ours(directory));
    items.extend(directories.map(|directory| desk.directory(directory)));
    items
}

/// What no job covers, in one line; `None` when there is nothing.
#[must_use]
pub fn summary(items: &[Item]) -> Option<String> {
    let things = [Thing::Database, Thing::App, Thing::Directory, Thing::Volume];
    let mut parts: Vec<String> = Vec::new();
    for thing in things {
        let uncovered = items.iter().filter(|item| item.thing == thing);
        let count = uncovered.filter(|item| item.cover == Cover::Uncovered).count();
        match (count, thing) {
            (0, _) => {}
            (1, thing) => parts.push(format!("1 {}", thing.word())),
            (count, Thing::Directory) => parts.push(format!("{count} directories")),
            (count, thing) => parts.push(format!("{count} {}s", thing.word())),
        }
    }
    let last = parts.pop()?;
    let listed = if parts.is_empty() { last } else { format!("{} and {last}", parts.join(", ")) };
    Some(format!("{listed} that no job covers: `larder coverage`"))
}

struct Desk<'a> {
    desired: &'a Desired,
    apps: &'a [App],
}

/// Who keeps something, while it is being found out.
#[derive(Default)]
struct Finding {
    whole: Vec<JobName>,
    parts: Vec<JobName>,
    notes: Vec<String>,
}

impl Finding {
    fn item(self, thing: Thing, name: String, place: String, path: Option<PathBuf>) -> Item {
        let (cover, jobs) = match (self.whole.is_empty(), self.parts.is_empty()) {
            (false, _) => (Cover::Covered, self.whole),
            (true, false) => (Cover::Partly, self.parts),
            (true, true) => (Cover::Uncovered, Vec::new()),
        };
        // Why another job does not keep it matters to nobody when one does.
        let notes = if cover == Cover::Covered { Vec::new() } else { self.notes };
        let note = (!notes.is_empty()).then(|| notes.join("; "));
        Item { thing, name, place, cover, jobs, note, path, size: None }
    }
}

impl<'a> Desk<'a> {
    /// The jobs that make archives.
    fn jobs(&self) -> impl Iterator<Item = &'a Job> {
        self.desired.jobs.values().filter(|job| job.enabled && job.ended.is_none())
    }

    fn server(&self, server: &Server, items: &mut Vec<Item>) {
        let place = format!("{} at {}", server.kind.name(), server.socket.display());
        match &server.databases {
            Ok(databases) => items.extend(databases.iter().map(|name| {
                self.database(server, name).item(Thing::Database, name.clone(), place.clone(), None)
            })),
            Err(why) => {
                let known: Vec<JobName> = self
                    .jobs()
                    .filter(|job| server_of(job, server).is_some())
                    .map(|job| job.name.clone())
                    .collect();
                items.push(Item {
                    thing: Thing::Database,
                    name: "*".to_owned(),
                    place,
                    cover: Cover::Unknown,
                    jobs: known,
                    note: Some(why.clone()),
                    path: None,
                    size: None,
                });
            }
        }
    }

    fn database(&self, server: &Server, name: &str) -> Finding {
        let mut finding = Finding::default();
        for job in self.jobs() {
            let Some(database) = server_of(job, server) else { continue };
            let is_all = database.database == "*";
            if is_all && database.except.iter().any(|left_out| left_out == name) {
                finding.notes.push(format!("`{}` leaves it out", job.name));
            } else if is_all || database.database == name {
                finding.whole.push(job.name.clone());
            }
        }
        let owner = self.apps.iter().find(|app| app.database.as_deref() == Some(name));
        finding
            .whole
            .extend(owner.into_iter().flat_map(|app| self.app_jobs(app)).map(|(job, _)| job));
        finding
    }

    /// The jobs that keep an app, and whether each leaves its large data out.
    fn app_jobs(&self, app: &App) -> Vec<(JobName, bool)> {
        let jobs = self.jobs().filter_map(|job| match &job.source {
            JobSource::YnhApp { app_id, except, core_only } => {
                let is_named = *app_id == app.id || (app_id == "*" && !except.contains(&app.id));
                is_named.then(|| (job.name.clone(), *core_only))
            }
            JobSource::CustomDir(_)
            | JobSource::Mysql(_)
            | JobSource::Postgresql(_)
            | JobSource::YnhSystem { .. } => None,
        });
        jobs.collect()
    }

    fn app(&self, app: &App) -> Item {
        let mut finding = Finding::default();
        for (job, core_only) in self.app_jobs(app) {
            let left_out = app.data_dir.as_ref().filter(|_| core_only).filter(|dir| {
                let facts = Directory {
                    path: (*dir).clone(),
                    what: What::Data,
                    mount: PathBuf::from("/"),
                    files_of: None,
                };
                self.by_directories(&facts).whole.is_empty()
            });
            match left_out {
                Some(dir) => {
                    finding.parts.push(job);
                    finding.notes.push(format!("`core_only` leaves {} out", dir.display()));
                }
                None => finding.whole.push(job),
            }
        }
        let place = app.install_dir.as_ref().map(|dir| dir.display().to_string());
        finding.item(Thing::App, app.id.clone(), place.unwrap_or_else(|| "-".to_owned()), None)
    }

    fn directory(&self, directory: &Directory) -> Item {
        let mut finding = self.by_directories(directory);
        for app in self.apps {
            let is = |dir: &Option<PathBuf>| {
                dir.as_ref().is_some_and(|dir| directory.path.starts_with(dir))
            };
            let is_data = is(&app.data_dir);
            if is_data || is(&app.install_dir) {
                let jobs = self.app_jobs(app);
                let jobs = jobs.into_iter().filter(|(_, core_only)| !is_data || !core_only);
                finding.whole.extend(jobs.map(|(job, _)| job));
            }
        }
        if MAIL.iter().any(|mail| directory.path.starts_with(mail)) {
            finding
                .whole
                .extend(self.jobs().filter(|job| has_mail(job)).map(|job| job.name.clone()));
        }
        if let Some(kind) = directory.files_of {
            finding.notes.push(format!(
                "files of a {} server: while it runs a dump of it is worth more than a copy of them",
                kind.name()
            ));
        }
        let place = directory.path.display().to_string();
        let path = Some(directory.path.clone());
        match &directory.what {
            What::Data => finding.item(Thing::Directory, place, "-".to_owned(), path),
            What::Compose => {
                finding.item(Thing::Directory, place, "a project of containers".to_owned(), path)
            }
            What::Volume { engine, name } => {
                finding.item(Thing::Volume, name.clone(), format!("{engine}, {place}"), path)
            }
        }
    }

    fn by_directories(&self, directory: &Directory) -> Finding {
        let mut finding = Finding::default();
        for job in self.jobs() {
            let JobSource::CustomDir(source) = &job.source else { continue };
            let name = &job.name;
            if directory.path.starts_with(&source.source_path) {
                if let Some(pattern_of) = left_out(source, &directory.path) {
                    finding
                        .notes
                        .push(format!("`excludes` of `{name}` leave {} out", pattern_of.display()));
                } else if is_beyond(source, &directory.mount) {
                    finding.notes.push(format!(
                        "it is another file system, and `{name}` stays on its own (`one_file_system`)"
                    ));
                } else {
                    finding.whole.push(name.clone());
                }
            } else if source.source_path.starts_with(&directory.path) {
                finding.parts.push(name.clone());
            }
        }
        finding
    }
}

/// The directory on the way to `path` that a source leaves out.
fn left_out(source: &CustomDir, path: &Path) -> Option<PathBuf> {
    // Patterns that cannot be understood keep the job from running at all.
    let excludes = Excludes::new(&source.excludes).ok()?;
    let below = path.strip_prefix(&source.source_path).ok()?;
    excludes.on_the_way(below).map(|part| source.source_path.join(part))
}

/// Whether a file system begins below a source that does not enter others.
fn is_beyond(source: &CustomDir, mount: &Path) -> bool {
    source.one_file_system && mount.starts_with(&source.source_path) && mount != source.source_path
}

/// Whether a job keeps the mail of a YunoHost server.
fn has_mail(job: &Job) -> bool {
    match &job.source {
        JobSource::YnhSystem { parts } => {
            parts.is_empty() || parts.iter().any(|part| part == "data_mail")
        }
        JobSource::CustomDir(_)
        | JobSource::Mysql(_)
        | JobSource::Postgresql(_)
        | JobSource::YnhApp { .. } => false,
    }
}

/// What a job asks of this server, if it is the one.
fn server_of<'a>(job: &'a Job, server: &Server) -> Option<&'a Database> {
    let ((JobSource::Mysql(database), Kind::Mysql)
    | (JobSource::Postgresql(database), Kind::Postgresql)) = (&job.source, server.kind)
    else {
        return None;
    };
    let local = ["localhost", "127.0.0.1", "::1"];
    let is_here = database.host.as_deref().is_none_or(|host| local.contains(&host));
    let usual = match server.kind {
        Kind::Mysql => 3306,
        Kind::Postgresql => 5432,
    };
    let number =
        server.socket.to_string_lossy().rsplit('.').next().and_then(|end| end.parse().ok());
    let is_port = match server.kind {
        Kind::Mysql => true,
        Kind::Postgresql => number.unwrap_or(usual) == database.port.unwrap_or(usual),
    };
    let socket = database.socket.as_ref();
    let is_socket = socket
        .is_none_or(|socket| server.socket == *socket || server.socket.parent() == Some(socket));
    (is_here && is_port && is_socket).then_some(database)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(thing: Thing, cover: Cover) -> Item {
        let (name, place) = (String::new(), String::new());
        Item { thing, name, place, cover, jobs: vec![], note: None, path: None, size: None }
    }

    #[test]
    fn the_summary_counts_what_no_job_covers() {
        let of = |list: &[(Thing, Cover)]| {
            let items: Vec<Item> = list.iter().map(|(thing, cover)| item(*thing, *cover)).collect();
            summary(&items)
        };
        let (none, some) = (Cover::Uncovered, Cover::Partly);
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[(Thing::App, Cover::Covered), (Thing::Volume, some)]), None);
        let database = (Thing::Database, none);
        insta::assert_snapshot!(of(&[database, database, database, (Thing::App, none)]).unwrap(),
            @"3 databases and 1 app that no job covers: `larder coverage`");
        insta::assert_snapshot!(of(&[(Thing::Directory, none), (Thing::Volume, none), (Thing::Directory, none), database]).unwrap(),
            @"1 database, 2 directories and 1 volume that no job covers: `larder coverage`");
    }
}
