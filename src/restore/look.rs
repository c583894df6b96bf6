//! Gathers what a plan is made of: the thin adapter between a restore and the host. Reads only.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::content::Content;
use super::order::{Order, Restore, base_name};
use super::original::{Opened, archived_root, choose, not_there};
use super::plan::{Account, DatabaseFacts, Facts, FileFacts, OwnerFacts, UnitFacts, UnitFile};
use super::{Trouble, aside, files, steps};
use crate::archive::directory_prefix;
use crate::database;
use crate::model::restore::Part;
use crate::process;
use crate::progress::Progress;
use crate::stop::Stop;

/// How long a question to the system may take.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn look(
    order: &Order,
    restore: &Restore,
    stop: &Stop,
    progress: &Progress,
) -> Result<Facts, Trouble> {
    let mut facts = Facts::default();
    let is_ynh = matches!(restore.content, Content::YnhApp { .. } | Content::YnhSystem { .. });
    if !is_ynh || restore.to.is_some() {
        facts.files = files_facts(order, restore, stop, progress)?;
    }
    if restore.to.is_some() {
        return Ok(facts);
    }
    facts.yunohost =
        (is_ynh || !restore.steps.firewall_ports.is_empty()) && steps::yunohost::is_there();
    if let Content::YnhApp { app, .. } = &restore.content
        && facts.yunohost
    {
        facts.app_installed = steps::yunohost::is_installed(app, stop)?;
    }
    if facts.yunohost && is_ynh {
        facts.at_home = steps::yunohost::finds(&restore.archive, stop)?;
    }
    if let Some(user) = &restore.steps.system_user {
        facts.user = account(&user.name, stop)?;
    }
    if let Some(owner) = &restore.steps.owner {
        facts.owner = owner_facts(owner, stop)?;
    }
    if let Some(service) = &restore.steps.systemd_service {
        facts.unit = UnitFacts {
            systemd: systemd_runs(),
            installed: installed(&UnitFacts::path(&service.name), service.service_file.as_deref()),
        };
    }
    if restore.wants(Part::Database) {
        facts.database = database_facts(order, restore, stop)?;
    }
    Ok(facts)
}

/// What the archive would write, and over what.
fn files_facts(
    order: &Order,
    restore: &Restore,
    stop: &Stop,
    progress: &Progress,
) -> Result<Option<FileFacts>, Trouble> {
    let is_dump = restore.content.database().is_some();
    if is_dump && restore.to.is_none() {
        // A dump goes through its server.
        return if restore.paths.is_empty() { Ok(None) } else { Err(no_paths()) };
    }
    // Also without the files themselves: permissions are those of their place.
    let opened = Opened::open(restore)?;
    let (prefix, target, roots) = place(restore, &opened, stop)?;
    let roots: Vec<&Path> = roots.iter().map(PathBuf::as_path).collect();
    let paths = choose(restore, &roots)?;
    let place = aside::beside(&target, order.run.0);
    let extraction = files::Extraction {
        prefix: &prefix,
        target: &target,
        paths: &paths,
        owners: steps::files::owners(),
        devices: false,
        aside: Some(&place),
    };
    let mut facts = FileFacts {
        free: aside::free(&target).map_err(|error| Trouble::io("look at", &target, &error))?,
        ..FileFacts::default()
    };
    if let Some(seen) = restore.seen.as_ref().filter(|_| restore.wants(Part::Files)) {
        // Somebody looked a moment ago; the extraction proves the archive again before it writes.
        facts = FileFacts { free: facts.free, ..seen.clone() };
    } else if restore.wants(Part::Files) {
        progress.enter("looking");
        let seen = match files::preview(&opened.as_original(), &extraction, stop, progress) {
            Err(files::FilesError::NotThere { path }) => {
                let below = path.strip_prefix(&process::escape(&prefix));
                let wanted = below.and_then(|below| below.strip_prefix('/')).unwrap_or(&path);
                return Err(not_there(wanted, restore, &opened, &prefix, stop)?);
            }
            seen => seen.map_err(|error| steps::files::trouble(error, &restore.archive))?,
        };
        let first = seen.overwritten_first.iter().map(|path| path.display().to_string());
        facts.members = seen.members;
        facts.bytes = seen.bytes;
        facts.overwritten = seen.overwritten;
        facts.overwritten_first = first.collect();
        // A group that is called like its user is told once.
        let known = seen.groups_unknown.into_iter();
        let groups: Vec<_> = known.filter(|name| !seen.owners_unknown.contains(name)).collect();
        facts.owners_unknown = seen.owners_unknown.into_iter().chain(groups).collect();
        let is_told = |name: &str| seen.owners_moved.iter().any(|(told, _, _)| told == name);
        let groups: Vec<_> =
            seen.groups_moved.into_iter().filter(|(name, _, _)| !is_told(name)).collect();
        facts.owners_moved = seen.owners_moved.into_iter().chain(groups).collect();
    }
    // Where nothing can be in the way, nothing has to be kept.
    let is_kept = restore.safety && !is_empty(&target);
    facts.aside = is_kept.then_some(place);
    facts.is_occupied = target.is_dir() && !is_empty(&target);
    (facts.prefix, facts.target, facts.paths) = (prefix, target, paths);
    Ok(Some(facts))
}

/// Whether nothing is at a path, or nothing in it.
fn is_empty(path: &Path) -> bool {
    match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

fn no_paths() -> Trouble {
    Trouble::new("a database is restored as a whole")
        .hint("leave `--path` away, or lay the dump's files elsewhere with `--to DIR`")
}

/// Which members are meant, where they go, and what absolute paths may begin with.
type Placed = (Vec<u8>, PathBuf, Vec<PathBuf>);

fn place(restore: &Restore, opened: &Opened, stop: &Stop) -> Result<Placed, Trouble> {
    let elsewhere = |what: &str| {
        restore.to.clone().ok_or_else(|| {
            Trouble::new(format!("nobody knows where {what} belongs on this host"))
                .hint("lay it elsewhere with `--to DIR`")
        })
    };
    match &restore.content {
        Content::CustomDir { archived, root, is_file } => {
            let is_described = archived.is_some();
            let archived = match archived {
                Some(path) => Some(path.clone()),
                None => archived_root(opened, &restore.archive, root.as_deref(), stop)?,
            };
            let Some(archived) = archived else {
                // Another program made it: its members go by their own names.
                let what = format!("what is in `{}`", restore.archive.name);
                return Ok((Vec::new(), elsewhere(&what)?, Vec::new()));
            };
            let target = match (&restore.to, root) {
                (Some(to), _) if *is_file => to.join(base_name(&archived)),
                (Some(to), _) => to.clone(),
                // What nobody described goes only where it says itself that it was.
                (None, Some(root)) if is_described || *root == archived => root.clone(),
                (None, _) => elsewhere(&format!("`{}`", archived.display()))?,
            };
            let prefix = directory_prefix(&archived);
            let roots = std::iter::once(archived).chain(root.clone()).collect();
            Ok((prefix, target, roots))
        }
        Content::Mysql(database) => {
            Ok((b"data/mysql".to_vec(), elsewhere(&database.database)?, Vec::new()))
        }
        Content::Postgresql(database) => {
            Ok((b"data/postgresql".to_vec(), elsewhere(&database.database)?, Vec::new()))
        }
        Content::YnhApp { app, .. } => Ok((b"apps".to_vec(), elsewhere(app)?, Vec::new())),
        Content::YnhSystem { .. } => Ok((b"data".to_vec(), elsewhere("it")?, Vec::new())),
    }
}

fn database_facts(
    order: &Order,
    restore: &Restore,
    stop: &Stop,
) -> Result<Option<DatabaseFacts>, Trouble> {
    let Some((kind, wanted)) = restore.content.database() else { return Ok(None) };
    // The archive must be readable before anything else is asked.
    let opened = Opened::open(restore)?;
    drop(opened);
    let (size, trouble) = match database::size(kind, wanted, &wanted.database, stop) {
        Ok(size) => (size, None),
        Err(database::DatabaseError::Stopped(stopped)) => return Err(stopped.into()),
        Err(error) => {
            let why = Trouble::of(&error).why;
            (None, Some(format!("the server could not be asked: {why}; {}", error.hint())))
        }
    };
    let needed = restore.archive.content_size;
    let fits = |dir: &&PathBuf| aside::free(dir).is_ok_and(|free| free >= needed);
    let scratch = [&order.work_dir, &restore.spare_dir].into_iter().find(fits);
    Ok(Some(DatabaseFacts {
        size,
        scratch: scratch.map(|dir| dir.join(format!(".larder-restore-{}", order.run))),
        aside: restore.safety.then(|| order.work_dir.join(format!("aside-{}", order.run))),
        trouble,
    }))
}

/// The account of a name, wherever accounts are kept.
pub(super) fn account(name: &str, stop: &Stop) -> Result<Option<Account>, Trouble> {
    let Some(line) = getent("passwd", name, stop)? else { return Ok(None) };
    let fields: Vec<&str> = line.trim_end().split(':').collect();
    let [_, _, uid, _, _, home, shell] = fields.as_slice() else { return Ok(None) };
    Ok(uid.parse().ok().map(|uid| Account {
        uid,
        home: PathBuf::from(home),
        shell: PathBuf::from(shell),
    }))
}

/// One entry of the system's data bases.
fn getent(database: &str, name: &str, stop: &Stop) -> Result<Option<String>, Trouble> {
    // A number or an option is no name.
    if name.is_empty() || name.starts_with('-') || name.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(None);
    }
    let argv = ["getent", database, name].map(str::to_owned);
    match process::output(&argv, PATIENCE, 64 << 10, stop) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(process::ProcessError::Failed { .. }) => Ok(None),
        Err(error) => Err(steps::of_process(error)),
    }
}

fn owner_facts(owner: &str, stop: &Stop) -> Result<OwnerFacts, Trouble> {
    let (user, group) = steps::permissions::split(owner);
    let mut unknown = Vec::new();
    for (database, name) in [("passwd", user), ("group", group)] {
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number
            && getent(database, name, stop)?.is_none()
            && !unknown.contains(&name.to_owned())
        {
            unknown.push(name.to_owned());
        }
    }
    Ok(OwnerFacts { unknown })
}

/// Whether systemd is what started this host.
pub(super) fn systemd_runs() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// What is installed as a unit, compared with the file that the job names.
fn installed(unit: &Path, file: Option<&Path>) -> UnitFile {
    let Ok(installed) = fs::read(unit) else {
        return if unit.symlink_metadata().is_ok() { UnitFile::Differs } else { UnitFile::Absent };
    };
    match file.map(fs::read) {
        Some(Ok(wanted)) if wanted == installed => UnitFile::Same,
        Some(Ok(_) | Err(_)) | None => UnitFile::Differs,
    }
}
