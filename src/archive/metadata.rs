//! The members that describe an archive: what YunoHost reads, what people read, what we read.
//!
//! **Invariant:** the texts here are an outside contract. YunoHost lists and restores by them, and a
//! restored hook stays installed: it is the same in every archive, names nothing of its own and may
//! run any number of times.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use serde::Serialize;

use super::{Content, Spec};
use crate::model::job::JobType;

mod mysql;
mod postgresql;

/// The member name of the restore hook.
pub const HOOK_MEMBER: &str = "hooks/restore/50-data_custom";

/// The restore hook that YunoHost runs as root: `bash -x HOOK WORKDIR`.
pub const HOOK: &str = include_str!("metadata/restore-hook.sh");

const HOOK_OF_BACKUP: &str = "/usr/share/larder/hooks/backup/50-data_custom";

/// The prefix of the content's member names, without a slash at its end.
pub(crate) fn content_prefix(spec: &Spec) -> Vec<u8> {
    match &spec.content {
        Content::Directory(root) => directory_prefix(root),
        Content::Database(_) => format!("data/{}", spec.job_type.word()).into_bytes(),
    }
}

/// The prefix of the members of the directory at `root` (absolute): `data/custom/opt/app`.
#[must_use]
pub fn directory_prefix(root: &Path) -> Vec<u8> {
    let parts = root.as_os_str().as_bytes().split(|byte| *byte == b'/');
    parts.filter(|part| !part.is_empty()).fold(b"data/custom".to_vec(), |mut prefix, part| {
        prefix.push(b'/');
        prefix.extend_from_slice(part);
        prefix
    })
}

/// Whether an archive has the restore hook.
pub(crate) fn has_hook(spec: &Spec) -> bool {
    matches!(spec.content, Content::Directory(_))
}

#[derive(Serialize)]
struct BackupInfo<'a> {
    instance_name: &'a str,
    instance_url: Option<&'a str>,
    app: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    created_at: String,
    backupmanager_version: &'a str,
    yunohost_version: Option<&'a str>,
    id: String,
    job: &'a str,
    label: &'a str,
    core_only: bool,
    config_generation: u64,
}

/// `backup_info.json`.
pub(crate) fn backup_info(spec: &Spec) -> Vec<u8> {
    json(&BackupInfo {
        instance_name: spec.origin.as_str(),
        instance_url: spec.instance_url.as_deref(),
        app: spec.label.as_str(),
        kind: spec.job_type.word(),
        created_at: created_at(spec),
        backupmanager_version: env!("CARGO_PKG_VERSION"),
        yunohost_version: spec.yunohost_version.as_deref(),
        id: spec.id.to_string(),
        job: spec.job.as_str(),
        label: spec.label.as_str(),
        core_only: false,
        config_generation: spec.config_generation,
    })
}

fn created_at(spec: &Spec) -> String {
    spec.created_at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

#[derive(Serialize)]
struct Info<'a> {
    description: String,
    created_at: i64,
    size: u64,
    size_details: SizeDetails,
    apps: Nothing,
    system: System<'a>,
    from_yunohost_version: String,
}

#[derive(Serialize)]
struct SizeDetails {
    system: SystemSizes,
    apps: Nothing,
}

#[derive(Serialize)]
struct SystemSizes {
    #[serde(skip_serializing_if = "Option::is_none")]
    data_custom: Option<u64>,
}

#[derive(Serialize)]
struct System<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data_custom: Option<[&'a str; 1]>,
}

#[derive(Serialize)]
struct Nothing {}

/// `info.json`, by which YunoHost lists the archive and knows how to restore it.
pub(crate) fn info(spec: &Spec, content_size: u64) -> Vec<u8> {
    // YunoHost takes a size of 0 for a broken archive.
    let size = content_size.max(1);
    let ours = has_hook(spec);
    json(&Info {
        description: format!("larder: {} {} on {}", spec.job_type.word(), spec.job, spec.origin),
        created_at: spec.created_at.timestamp().as_second(),
        size,
        size_details: SizeDetails {
            system: SystemSizes { data_custom: ours.then_some(size) },
            apps: Nothing {},
        },
        apps: Nothing {},
        system: System { data_custom: ours.then_some([HOOK_OF_BACKUP]) },
        from_yunohost_version: restorable_version(spec.yunohost_version.as_deref()),
    })
}

/// YunoHost 12.1 runs migrations after a restore of anything that calls itself older, and one of
/// them crashes: never less than 12.1, never a suffix.
fn restorable_version(installed: Option<&str>) -> String {
    let plain = installed.unwrap_or_default().split('~').next().unwrap_or_default();
    let numbers: Option<Vec<u32>> = plain.split('.').map(|part| part.parse().ok()).collect();
    match numbers {
        Some(numbers) if numbers.as_slice() >= [12, 1].as_slice() => plain.to_owned(),
        Some(_) | None => "12.1.0".to_owned(),
    }
}

/// `backup.csv`: where each member was.
pub(crate) fn backup_csv(spec: &Spec) -> Vec<u8> {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    // A database has no path that a copy could go to.
    let Content::Directory(root) = &spec.content else { return Vec::new() };
    let source = root.to_string_lossy();
    let destination = content_prefix(spec);
    let destination = String::from_utf8_lossy(&destination);
    format!("{},{}\n", quoted(&source), quoted(&destination)).into_bytes()
}

/// `RESTORE.txt`: how to restore exactly this archive with ordinary programs. It is a shell script
/// of a few lines with its explanation, so that what people type is what the tests run.
pub(crate) fn restore_txt(spec: &Spec) -> Vec<u8> {
    use std::fmt::Write as _;
    let encrypted = !spec.recipients.is_empty();
    let (name, extension) = (&spec.name, spec.codec.extension(encrypted));
    let program = match spec.codec {
        crate::model::location::Codec::None => "",
        crate::model::location::Codec::Gzip(_) => ", gzip",
        crate::model::location::Codec::Zstd(_) => ", zstd",
    };
    let programs = format!("GNU tar{program}{}", if encrypted { ", age" } else { "" });
    let source = match &spec.content {
        Content::Directory(root) => one_line(&root.to_string_lossy()),
        Content::Database(name) => format!("the database {}", one_line(name)),
    };
    let (place, to) = match &spec.content {
        Content::Directory(_) => ("To restore elsewhere than to its place,", "/"),
        Content::Database(_) => ("To take the dumps out elsewhere,", "."),
    };
    let mut text = String::new();
    let _ = writeln!(
        text,
        "# How to restore {name}{extension} without larder.
#
# Made on {} at {} by larder {}: job {} ({}) of {source}.
# Needed: {programs}.
#
# Every line is a comment or a shell command. Type the commands one after the other, as root, in the
# directory of the archive; or run them all with `sh RESTORE.txt`. {place}
# set TO to a directory first: `TO=/tmp/look sh RESTORE.txt`.",
        spec.origin,
        created_at(spec),
        env!("CARGO_PKG_VERSION"),
        spec.job,
        spec.job_type.word(),
    );
    if encrypted {
        text.push_str(
            "# The file named by IDENTITY has the age identity (AGE-SECRET-KEY-1...) of one of:\n",
        );
        for recipient in &spec.recipients {
            let _ = writeln!(text, "#   {}", one_line(recipient));
        }
    }
    let _ = writeln!(
        text,
        "# A copy has the same members, and may have another name or ending: name the file that you have,
# `ARCHIVE=NAME.tar.zst.age IDENTITY=identity.txt sh RESTORE.txt`. .gz needs gzip, .zst zstd, .age age.
ARCHIVE=${{ARCHIVE:-{name}{extension}}}
IDENTITY=${{IDENTITY:-identity.txt}}
TO=${{TO:-{to}}}
NAME=${{ARCHIVE%.age}}; NAME=${{NAME%.zst}}; NAME=${{NAME%.gz}}; NAME=${{NAME%.tar}}
SIDECAR=${{SIDECAR:-$NAME.larder.json}}
failed() {{ echo \"$ARCHIVE was not read to its end\" >&2; kill $$ 2> /dev/null; }}
opened() {{
    {{ case \"$ARCHIVE\" in *.age) age -d -i \"$IDENTITY\" \"$ARCHIVE\" ;; *) cat \"$ARCHIVE\" ;; esac || failed; }} |
        {{ case \"${{ARCHIVE%.age}}\" in *.gz) gzip -dc ;; *.zst) zstd -dc ;; *) cat ;; esac || failed; }}
}}

# 1. Is the file whole? Its SHA-256 stands in the sidecar, the file beside it.
if [ -e \"$SIDECAR\" ]; then
    grep -q \"$(sha256sum < \"$ARCHIVE\" | cut -c 1-64)\" \"$SIDECAR\" || {{ echo \"$ARCHIVE is damaged\" >&2; exit 1; }}
fi

# 2. Which files are in it?
opened | tar -t -f -
"
    );
    match (&spec.content, spec.job_type) {
        (Content::Database(name), JobType::Mysql) => {
            text.push_str(&take_out("mysql"));
            text.push_str(&mysql::restore_steps(name));
        }
        (Content::Database(name), _) => {
            text.push_str(&take_out("postgresql"));
            text.push_str(&postgresql::restore_steps(name));
        }
        (Content::Directory(_), _) => {
            let _ = writeln!(
                text,
                "# 3. Put them back to {source} (below TO). Files that are there are replaced, others stay.
mkdir -p \"$TO\"
opened | tar -x -p --xattrs --xattrs-include='*' --acls -C \"$TO\" --strip-components=2 -f - data/custom"
            );
        }
    }
    text.into_bytes()
}

/// The commands that take the dumps out of the archive; those that load them follow.
fn take_out(directory: &str) -> String {
    format!(
        "# 3. Take the dumps out (below TO).
mkdir -p \"$TO\"
opened | tar -x -C \"$TO\" -f - data/{directory} || exit 1
"
    )
}

/// A text that cannot end its comment.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain structs always serialise")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_yunohost_never_makes_a_newer_one_migrate() {
        for (installed, told) in [
            (None, "12.1.0"),
            (Some("11.3.0.2"), "12.1.0"),
            (Some("12.0.17"), "12.1.0"),
            (Some("12.1.25~alpha+202505"), "12.1.25"),
            (Some("12.1.17"), "12.1.17"),
            (Some("13.0"), "13.0"),
            (Some("unknown"), "12.1.0"),
            (Some(""), "12.1.0"),
        ] {
            assert_eq!(restorable_version(installed), told, "{installed:?}");
        }
    }
}
