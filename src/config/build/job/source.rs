//! What a job reads, by type.

use crate::config::context::Context;
use crate::config::table::Reader;
use crate::config::tree::{Node, Value};
use crate::model::job::{CustomDir, Database, JobSource};

pub(super) fn source(r: &Reader<'_>, cx: &mut Context<'_>) -> Option<JobSource> {
    let source = match r.variant? {
        "custom_dir" => {
            let source_path = r.get("source_path", cx);
            let excludes: Option<Vec<String>> = r.get("excludes", cx);
            check_patterns(r, excludes.as_deref().unwrap_or_default(), cx);
            let one_file_system = r.get("one_file_system", cx);
            JobSource::CustomDir(CustomDir {
                source_path: source_path?,
                excludes: excludes?,
                one_file_system: one_file_system?,
            })
        }
        "mysql" => JobSource::Mysql(database(r, cx)?),
        "postgresql" => JobSource::Postgresql(database(r, cx)?),
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

/// gitignore patterns whose mistakes the matcher would pass over in silence.
fn check_patterns(r: &Reader<'_>, patterns: &[String], cx: &mut Context<'_>) {
    let Some(Node { value: Value::Array(items), .. }) = r.entry("excludes").map(|e| &e.node) else {
        return;
    };
    for (pattern, item) in patterns.iter().zip(items) {
        let unescaped = pattern.replace("\\\\", "").replace("\\[", "");
        let opened = unescaped.rfind('[');
        if opened.is_some_and(|at| !unescaped[at + 1..].contains(']')) {
            cx.error_with(
                item.at,
                format!("the pattern `{pattern}` opens `[` and does not close it"),
                "a `[` that is meant as such is written `\\\\[`",
            );
        } else if unescaped.ends_with('\\') {
            cx.error(item.at, format!("the pattern `{pattern}` ends in a lone backslash"));
        } else if pattern == "/" || pattern.starts_with("./") || pattern.starts_with("../") {
            cx.error_with(
                item.at,
                format!("the pattern `{pattern}` matches nothing"),
                "patterns are rooted at the source: `/cache/` is the `cache` directly in it",
            );
        }
    }
}

fn database(r: &Reader<'_>, cx: &mut Context<'_>) -> Option<Database> {
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
