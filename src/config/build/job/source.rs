//! What a job reads, by type.

use std::path::{Path, PathBuf};

use crate::archive;
use crate::config::context::Context;
use crate::config::diagnostic::Severity;
use crate::config::exposed;
use crate::config::table::Reader;
use crate::config::tree::{Node, Value};
use crate::database::{self, Kind};
use crate::model::job::{CustomDir, Database, JobSource, JobType};
use crate::source::{check_pattern, leaves_out_everything};

pub(super) fn source(r: &Reader<'_>, cx: &mut Context<'_>) -> Option<JobSource> {
    let source = match r.switch()? {
        JobType::CustomDir => {
            let source_path: Option<PathBuf> = r.get("source_path", cx);
            if let Some(path) = &source_path {
                check_source_path(r, path, cx);
            }
            let excludes: Option<Vec<String>> = r.get("excludes", cx);
            let patterns = excludes.as_deref().unwrap_or_default();
            check_patterns(r, patterns, source_path.as_deref(), cx);
            let one_file_system = r.get("one_file_system", cx);
            let mount = r.get("source_mount", cx);
            JobSource::CustomDir(CustomDir {
                source_path: source_path?,
                excludes: excludes?,
                one_file_system: one_file_system?,
                mount: mount?,
            })
        }
        JobType::Mysql => JobSource::Mysql(server(r, Kind::Mysql, cx)?),
        JobType::Postgresql => JobSource::Postgresql(server(r, Kind::Postgresql, cx)?),
        JobType::YnhApp => {
            let app_id: Option<String> = r.get("app_id", cx);
            let except = except(r, app_id.as_deref(), "app_id", cx);
            let core_only = r.get("core_only", cx);
            JobSource::YnhApp { app_id: app_id?, except: except?, core_only: core_only? }
        }
        JobType::YnhSystem => JobSource::YnhSystem { parts: r.get("parts", cx)? },
    };
    Some(source)
}

/// Every pattern that a run would refuse, and those that hardly mean what they say.
fn check_patterns(
    r: &Reader<'_>,
    patterns: &[String],
    source: Option<&Path>,
    cx: &mut Context<'_>,
) {
    let takes_back = patterns.iter().any(|pattern| pattern.starts_with('!'));
    for (pattern, item) in patterns.iter().zip(items(r, "excludes")) {
        if let Err(error) = check_pattern(pattern) {
            let hint = error.hint.map(str::to_owned);
            cx.report(item.at, Severity::Error, error.to_string(), hint);
        } else if leaves_out_everything(pattern) && !takes_back {
            let hint = "name what is to be left out (`/cache/`, `*.tmp`); what is to stay all the same, behind it with a `!` (`!/keep/`)";
            let message = format!("the pattern `{pattern}` leaves out everything in the source");
            cx.warning(item.at, message, Some(hint.to_owned()));
        } else if let Some(rooted) = source.and_then(|source| rooted(pattern, source)) {
            let message = format!("the pattern `{pattern}` begins with `source_path`");
            let hint = format!("patterns are rooted at the source: {rooted}");
            cx.warning(item.at, message, Some(hint));
        }
    }
}

/// What to write for a pattern that is a path of the host below the source, as other programs have
/// them.
fn rooted(pattern: &str, source: &Path) -> Option<String> {
    let (keeps, path) = match pattern.strip_prefix('!') {
        Some(path) => ("!", path),
        None => ("", pattern),
    };
    // Below `/` the one is the other.
    source.parent()?;
    let below = Path::new(path).strip_prefix(source).ok()?;
    let end = if path.ends_with('/') { "/" } else { "" };
    Some(match below.to_str()? {
        "" => "what is not to be read at all is no job".to_owned(),
        below => format!("write `{keeps}/{below}{end}`"),
    })
}

/// A path that could be read and not be told of in an archive.
fn check_source_path(r: &Reader<'_>, path: &Path, cx: &mut Context<'_>) {
    if let Err(error) = archive::check_source_path(path) {
        cx.report(r.place("source_path"), Severity::Error, error.to_string(), error.hint());
    }
}

/// The arguments of a process, and the options of a job, can be read by many.
fn check_options(r: &Reader<'_>, kind: Kind, cx: &mut Context<'_>) {
    for item in items(r, "options") {
        if let Value::Text { text, .. } = &item.value
            && database::tells_a_password(kind, text)
        {
            exposed::refuse(item.at, "write `password = { file = \"secrets/name\" }`", cx);
        }
    }
}

/// The items of a list as they are written.
fn items<'n>(r: &Reader<'n>, key: &str) -> &'n [Node] {
    match r.entry(key).map(|entry| &entry.node.value) {
        Some(Value::Array(items)) => items,
        _ => &[],
    }
}

fn server(r: &Reader<'_>, kind: Kind, cx: &mut Context<'_>) -> Option<Database> {
    let database: Option<String> = r.get("database", cx);
    let except = except(r, database.as_deref(), "database", cx);
    let host = r.maybe("host", cx);
    let port: Option<u32> = r.maybe("port", cx);
    let socket = r.maybe("socket", cx);
    if r.entry("socket").is_some() && r.entry("host").is_some() {
        cx.error(r.place("socket"), "a server has either a `host` or a `socket`");
    }
    let user = r.maybe("user", cx);
    let password = r.maybe("password", cx);
    let options = r.get("options", cx);
    check_options(r, kind, cx);
    Some(Database {
        database: database?,
        except: except?,
        host,
        port: port.and_then(|port| u16::try_from(port).ok()),
        socket,
        user,
        password,
        options: options?,
    })
}

fn except(
    r: &Reader<'_>,
    of: Option<&str>,
    key: &str,
    cx: &mut Context<'_>,
) -> Option<Vec<String>> {
    let except: Vec<String> = r.get("except", cx)?;
    if !except.is_empty() && of.is_some_and(|of| of != "*") {
        cx.error_with(
            r.place("except"),
            format!("`except` belongs to `{key} = \"*\"`"),
            "one that is named needs no exceptions",
        );
    }
    Some(except)
}
