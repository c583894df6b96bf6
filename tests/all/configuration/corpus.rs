//! Mistakes, one by one, as a person is told of them.

use std::path::Path;

use larder::config::{Diagnostic, Files, parse, render};

use super::DIR;

mod jobs;
mod goals;
mod objects;
mod secrets;
mod peers;
mod syntax;

/// What is good and stands beside every mistake.
const BASE: &str = r#"
[defaults]
schedule = "0 2 * * *"
retention = { mode = "count", value = 7 }
location = "main"
[location.main]
path = "/srv/larder"
[location.usb]
path = "/media/usb"
compress = "zstd"
"#;

/// What is told of a file that stands beside [`BASE`].
fn told(text: &str) -> String {
    let base = if text.contains("[instance]") || text.contains("[peer.nas]") {
        BASE.to_owned()
    } else {
        format!("[instance]\nname = \"jerry\"\n{BASE}")
    };
    let files = Files::default().with("base.toml", base).with("it.toml", text);
    let parsed = parse(&files, Path::new(DIR));
    let has_error = parsed.diagnostics.iter().any(Diagnostic::is_error);
    assert_eq!(parsed.desired.is_none(), has_error, "errors and nothing else refuse");
    render(&parsed.diagnostics, false)
}

/// The same of keys in a job that is good without them.
fn told_of_job(keys: &str) -> String {
    told(&format!("[job.web]\ntype = \"custom_dir\"\nsource_path = \"/var/www\"\n{keys}\n"))
}
