//! `larder archive list`.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::super::client::Client;
use super::super::context::Context;
use super::super::jobs::unknown;
use super::super::table::Table;
use super::super::words::{count, query, relative, size};
use super::ListArguments;
use crate::api::dto::{Archive, Entry, Foreign, Location};

pub(super) async fn list(
    context: &Context,
    client: &Client,
    arguments: &ListArguments,
) -> anyhow::Result<u8> {
    let parameters = [
        ("job", arguments.job.as_deref()),
        ("location", arguments.location.as_deref()),
        ("origin", arguments.origin.as_deref()),
        ("condition", arguments.condition.as_deref()),
        ("foreign", arguments.foreign.then_some("true")),
    ];
    let path = query("/archives", &parameters);
    let entries: Vec<Entry> =
        client.list(&path, arguments.limit.unwrap_or(usize::MAX).max(1)).await?;
    if context.is_json() {
        context.print_json(&entries)?;
        return Ok(0);
    }
    let mut archives = Vec::new();
    let mut foreign = Vec::new();
    for entry in &entries {
        match entry {
            Entry::Archive(archive) => archives.push(archive.as_ref()),
            Entry::Foreign(file) => foreign.push(file),
        }
    }
    if entries.is_empty() {
        let mut text = "there are no such archives".to_owned();
        text.push_str(&unknown(client, arguments.job.as_deref()).await);
        if let Some(location) = &arguments.location {
            let known: Vec<Location> = client.list("/locations", usize::MAX).await?;
            if !known.iter().any(|one| one.name == *location) {
                let names: Vec<_> = known.iter().map(|one| one.name.as_str()).collect();
                // Writing to a `String` cannot fail.
                let _ = write!(
                    text,
                    ": there is no location `{location}`; there are {}",
                    names.join(", ")
                );
            }
        }
        context.tell(&text);
        return Ok(0);
    }
    let now = Timestamp::now();
    if !archives.is_empty() {
        context.print(&table(context, &archives, now))?;
    }
    if !foreign.is_empty() {
        if !archives.is_empty() {
            context.print("\n")?;
        }
        context.print(&foreign_table(context, &foreign, now))?;
    }
    let bytes: u64 = archives.iter().map(|archive| archive.file_size).sum();
    context.tell(&format!("{}, {}", count(archives.len(), "archive"), size(bytes)));
    Ok(0)
}

fn table(context: &Context, archives: &[&Archive], now: Timestamp) -> String {
    let columns = ["archive", "job", "location", "made", "size", "state", "kept for"];
    let mut table = Table::new(&columns, &[4], &[5, 6]);
    for archive in archives {
        let kept = match (&archive.trashed_until, &archive.retention) {
            (Some(until), _) => format!("in the trash until {}", until.short()),
            (None, None) => String::new(),
            (None, Some(kept)) if kept.keep => kept.reasons.join(", "),
            (None, Some(kept)) => format!("leaves: {}", kept.reasons.join(", ")),
        };
        table.row([
            archive.name.clone(),
            archive.shown_job(),
            archive.location.clone(),
            context.when(archive.created_at, now),
            size(archive.file_size),
            state(archive),
            kept,
        ]);
    }
    table.render(context)
}

/// What is worth knowing of an archive in few words.
pub(super) fn state(archive: &Archive) -> String {
    let mut words = Vec::new();
    // How it came out says nothing any more of one that is damaged or gone.
    if !matches!(archive.condition.as_str(), "corrupt" | "lost") {
        words.push(archive.outcome.clone());
    }
    if archive.condition != "present" {
        words.push(archive.condition.clone());
    }
    if archive.refuted.is_some() {
        words.push("refuted".to_owned());
    }
    if archive.pinned {
        words.push("pinned".to_owned());
    }
    if archive.how != "scheduled" {
        words.push(archive.how.clone());
    }
    if archive.encrypted {
        words.push("encrypted".to_owned());
    }
    words.join(", ")
}

fn foreign_table(context: &Context, files: &[&Foreign], now: Timestamp) -> String {
    let mut table =
        Table::new(&["foreign file", "location", "modified", "size", "note"], &[3], &[4]);
    for file in files {
        table.row([
            file.name.clone(),
            file.location.clone(),
            relative(file.modified_at.timestamp(), now),
            size(file.file_size),
            file.note.clone().unwrap_or_default(),
        ]);
    }
    table.render(context)
}
