//! `larder archive show`.

use std::fmt::Write as _;

use super::super::client::Client;
use super::super::context::Context;
use super::super::words::{clean, size};
use super::list::state;
use super::{OneArguments, one};
use crate::api::dto::Archive;

pub(super) async fn show(
    context: &Context,
    client: &Client,
    arguments: &OneArguments,
) -> anyhow::Result<u8> {
    let archive = one(client, arguments).await?;
    if context.is_json() {
        context.print_json(&archive)?;
    } else {
        context.print(&in_words(&archive))?;
    }
    Ok(0)
}

fn in_words(archive: &Archive) -> String {
    let counts = &archive.counts;
    let members = format!(
        "{} files, {} directories, {} others",
        counts.files, counts.directories, counts.others
    );
    let trouble: Vec<String> = [
        (counts.changed, "changed while read"),
        (counts.vanished, "vanished"),
        (counts.unreadable, "unreadable"),
        (counts.skipped_sockets, "sockets skipped"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, what)| format!("{number} {what}"))
    .collect();
    let moment = |at: &Option<crate::api::dto::Moment>| at.map(|at| at.to_string());
    let kept = archive.retention.as_ref().map(|kept| {
        let verdict = if kept.keep { "stays" } else { "leaves" };
        let day = kept.leaves_on.as_ref().map_or_else(String::new, |day| format!("; until {day}"));
        format!("{verdict}: {}{day}", kept.reasons.join(", "))
    });
    let lines: [(&str, Option<String>); 22] = [
        ("name", Some(archive.name.clone())),
        ("id", Some(archive.id.clone())),
        ("origin", Some(archive.maker())),
        ("job", Some(format!("{} ({})", archive.job, archive.job_type))),
        ("location", Some(archive.location.clone())),
        ("file", Some(archive.file_name.clone())),
        ("made", Some(archive.created_at.to_string())),
        ("day", Some(archive.day.clone())),
        ("received", moment(&archive.received_at)),
        ("from", archive.from.clone()),
        ("state", Some(state(archive))),
        ("because", Some(archive.reasons.join("; ")).filter(|text| !text.is_empty())),
        ("drill failed", archive.refuted.clone()),
        ("trashed until", moment(&archive.trashed_until)),
        ("content", Some(format!("{} ({members})", size(archive.content_size)))),
        ("remarks", Some(trouble.join(", ")).filter(|text| !text.is_empty())),
        ("size", Some(format!("{} ({} bytes)", size(archive.file_size), archive.file_size))),
        ("codec", Some(archive.codec.clone())),
        ("sha256", archive.sha256.clone()),
        ("sha256 (tar)", archive.stream_sha256.clone()),
        ("verified", moment(&archive.verified_at)),
        ("retention", kept),
    ];
    let mut text = String::new();
    for (name, value) in lines {
        if let Some(value) = value {
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{name:<14}{}", clean(&value));
        }
    }
    text
}
