//! What a job reads, by type.

use std::path::{Path, PathBuf};

use crate::archive;
use crate::config::context::Context;
use crate::config::diagnostic::Severity;
use crate::config::exposed;
use crate::config::table::Reader;
use crate::config::tree::{Node, Value};
use crate::database::{self, Kind};
use crate::model::job::{CustomDir, Database, JobSource, SourceMount};
use crate::source::check_pattern;

pub(super) fn source(r: &Reader<'_>, cx: &mut Context<'_>) -> Option<JobSource> {
    let source = match r.variant? {
        "custom_dir" => {
            let source_path: Option<PathBuf> = r.get("source_path", cx);
            if let Some(path) = &source_path {
                check_source_path(r, path, cx);
            }
            let excludes: Option<Vec<String>> = r.get("excludes", cx);
            check_patterns(r, excludes.as_deref().unwrap_or_default(), cx);
            let one_file_system = r.get("one_file_system", cx);
            let mount: Option<&'static str> = r.get("source_mount", cx);
            JobSource::CustomDir(CustomDir {
                source_path: source_path?,
                excludes: excludes?,
                one_file_system: one_file_system?,
                mount: match mount? {
                    "required" => SourceMount::Required,
                    "any" => SourceMount::Any,
                    _ => SourceMount::Remembered,
                },
            })
        }
        "mysql" => JobSource::Mysql(server(r, Kind::Mysql, cx)?),
        "postgresql" => JobSource::Postgresql(server(r, Kind::Postgresql, cx)?),
        "ynh_app" => {
            let app_id: Option<String> = r.get("app_id", cx);
            let except = except(r, app_id.as_deref(), "app_id", cx);
            let core_only = r.get("core_only", cx);
            JobSource::YnhApp { app_id: app_id?, except: except?, core_only: core_only? }
        }
        _ => JobSource::YnhSystem { parts: r.get("parts", cx)? },
    };
    Some(source)
}

/// Every pattern that a run would refuse.
fn check_patterns(r: &Reader<'_>, patterns: &[String], cx: &mut Context<'_>) {
    for (pattern, item) in patterns.iter().zip(items(r, "excludes")) {
        if let Err(error) = check_pattern(pattern) {
            let hint = error.hint.map(str::to_owned);
            cx.report(item.at, Severity::Error, error.to_string(), hint);
        }
    }
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
