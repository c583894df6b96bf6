//! What can be proved of an archive that YunoHost made without letting YunoHost loose on this host:
//! that it unpacks, and that everything is in it that it says of itself.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::Value;

use crate::model::size::Bytes;

use super::{Fault, Shown};

/// What is told with every outcome: less than a restore was tried.
const NOT_PROVED: &str = "YunoHost's own restore was not run";

/// Compares the tree below `root` with the archive's own description.
pub(super) fn prove(root: &Path) -> io::Result<Shown> {
    let failed = |why: String| Ok(Shown::Failed { why, fault: Fault::Archive });
    let info = match fs::read(root.join("info.json")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return failed("it has no `info.json`".to_owned());
        }
        other => other?,
    };
    let Ok(Value::Object(info)) = serde_json::from_slice::<Value>(&info) else {
        return failed("its `info.json` is not what YunoHost reads".to_owned());
    };
    for key in ["apps", "system"] {
        if !info.get(key).is_some_and(Value::is_object) {
            return failed(format!("its `info.json` has no `{key}`"));
        }
    }
    let table = match fs::read_to_string(root.join("backup.csv")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return failed("it has no `backup.csv`".to_owned());
        }
        other => other?,
    };
    let mut missing: Vec<String> = Vec::new();
    let mut count = 0_u64;
    for (_, destination) in rows(&table) {
        count += 1;
        let is_plain = !destination.starts_with('/')
            && destination.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !is_plain || fs::symlink_metadata(root.join(&destination)).is_err() {
            missing.push(destination);
        }
    }
    if let Some(first) = missing.first() {
        return failed(format!(
            "{} of {count} parts that its `backup.csv` names are missing, `{}` the first",
            missing.len(),
            first.escape_debug()
        ));
    }
    if count == 0 {
        return failed("its `backup.csv` names nothing".to_owned());
    }
    let mut apps = info["apps"].as_object().into_iter().flat_map(|apps| apps.keys());
    let lacks = |app: &&String| !root.join("apps").join(app).join("settings").is_dir();
    if let Some(app) = apps.find(lacks) {
        return failed(format!("the app `{}` has no settings in it", app.escape_debug()));
    }
    // YunoHost counts with `du`, whose directories and hard links differ from place to place.
    let (told, found) = (info.get("size").and_then(Value::as_u64).unwrap_or(0), size_of(root)?);
    if found < told / 2 {
        return failed(format!(
            "it says that it has {}, and {} came out",
            Bytes(told),
            Bytes(found)
        ));
    }
    Ok(Shown::Proven {
        what: format!("unpacked, all {count} parts are there ({}); {NOT_PROVED}", Bytes(found)),
        warned: false,
    })
}

/// The rows of YunoHost's table: two quoted fields each, `"` doubled.
fn rows(table: &str) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut fields: Vec<String> = Vec::new();
    let (mut field, mut quoted) = (String::new(), false);
    let mut characters = table.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                fields.push(std::mem::take(&mut field));
                if let [source, destination] = fields.as_slice() {
                    rows.push((source.clone(), destination.clone()));
                }
                fields.clear();
            }
            other => field.push(other),
        }
    }
    fields.push(field);
    if let [source, destination] = fields.as_slice() {
        rows.push((source.clone(), destination.clone()));
    }
    rows
}

/// Bytes of all files below a directory, and 4 KiB for each directory, as `du -b` counts them.
fn size_of(dir: &Path) -> io::Result<u64> {
    let mut sum = 4096;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += if metadata.is_dir() { size_of(&entry.path())? } else { metadata.len() };
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(csv: &str, info: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("apps/my_webapp/settings")).unwrap();
        fs::write(dir.path().join("apps/my_webapp/a \"b\",c"), b"x").unwrap();
        fs::write(dir.path().join("backup.csv"), csv).unwrap();
        fs::write(dir.path().join("info.json"), info).unwrap();
        dir
    }

    fn text(csv: &str, info: &str) -> String {
        match prove(tree(csv, info).path()).unwrap() {
            Shown::Proven { what, .. } => format!("proven: {what}"),
            Shown::Failed { why, .. } => format!("failed: {why}"),
            Shown::Unable { why, .. } => format!("unable: {why}"),
        }
    }

    #[test]
    fn everything_that_the_table_names_must_be_there() {
        let info = r#"{"size":5000,"apps":{"my_webapp":{}},"system":{}}"#;
        let whole = "\"/var/www/x\",\"apps/my_webapp/a \"\"b\"\",c\"\r\n";
        insta::assert_snapshot!(text(whole, info), @"proven: unpacked, all 1 parts are there (16.1 KiB); YunoHost's own restore was not run");
        insta::assert_snapshot!(text("\"/etc\",\"conf/gone\"\r\n", info), @"failed: 1 of 1 parts that its `backup.csv` names are missing, `conf/gone` the first");
        insta::assert_snapshot!(text("\"/etc\",\"../../etc\"\r\n", info), @"failed: 1 of 1 parts that its `backup.csv` names are missing, `../../etc` the first");
        insta::assert_snapshot!(text("", info), @"failed: its `backup.csv` names nothing");
        insta::assert_snapshot!(text(whole, "{}"), @"failed: its `info.json` has no `apps`");
        insta::assert_snapshot!(text(whole, r#"{"size":50000000,"apps":{},"system":{}}"#), @"failed: it says that it has 47.7 MiB, and 16.1 KiB came out");
        insta::assert_snapshot!(text(whole, r#"{"size":5,"apps":{"other":{}},"system":{}}"#), @"failed: the app `other` has no settings in it");
    }
}
