//! `larder archive contents`: the members of an archive, one of its directories, or what is found.

use std::io::Read;

use jiff::tz::TimeZone;

use super::super::ask;
use super::super::client::Client;
use super::super::context::Context;
use super::super::failure::Failure;
use super::super::words::{clean, query, segment};
use super::stream::{self, Encoding, plain};
use super::{ContentsArguments, one, path};
use crate::api::dto::{Archive, ContentsEntry, EffectiveConfig};
use crate::archive::{Entry, Own, Reader, Row};
use crate::model::job::JobType;

pub(super) async fn contents(
    context: &Context,
    client: &Client,
    arguments: &ContentsArguments,
) -> anyhow::Result<u8> {
    let archive = one(client, &arguments.one).await?;
    if arguments.directory.is_some() || arguments.search.is_some() {
        return page(context, client, arguments, &archive).await;
    }
    let encoding = Encoding::of(&archive, arguments.identity.is_some())?;
    let identity = ask::read_identity(arguments.identity.as_deref())?;
    let path = path(&archive.id, "/download", Some(&archive.location));
    let file = client.download(&path).await?;
    let context = context.clone();
    let shown = Shown::of(client, &archive).await?;
    let print = move |file: Box<dyn Read + Send>| {
        members(&context, &shown, plain(file, &encoding, identity.as_deref())?)
    };
    stream::blocking(file, print).await?;
    Ok(0)
}

/// One directory, or what is found: whoever has the file looks, so that it need not travel.
async fn page(
    context: &Context,
    client: &Client,
    arguments: &ContentsArguments,
    archive: &Archive,
) -> anyhow::Result<u8> {
    let identity = arguments.identity.as_deref().map(std::path::absolute).transpose()?;
    let identity = identity.as_ref().map(|path| path.to_string_lossy());
    let path = query(
        &format!("/archives/{}/contents", segment(&archive.id)),
        &[
            ("location", Some(archive.location.as_str())),
            ("path", arguments.directory.as_deref()),
            ("search", arguments.search.as_deref()),
            ("identity", identity.as_deref()),
        ],
    );
    let entries: Vec<ContentsEntry> = client.list(&path, usize::MAX).await?;
    if context.is_json() {
        context.print_json(&entries)?;
        return Ok(0);
    }
    for entry in &entries {
        context.print(&line(entry))?;
    }
    Ok(0)
}

fn line(entry: &ContentsEntry) -> String {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let owner = match (&entry.owner, &entry.group) {
        (Some(owner), Some(group)) => clean(&format!("{owner}/{group}")),
        _ => "-".to_owned(),
    };
    let size = entry.size.map_or_else(|| "-".to_owned(), |size| size.to_string());
    let modified = entry.modified_at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let slash = if entry.kind == "directory" { "/" } else { "" };
    let link = entry.link.as_ref().map_or_else(String::new, |to| format!(" -> {to}"));
    let mode = or_dash(&entry.mode);
    format!("{mode:<4} {owner:<17} {size:>12} {modified:<25} {}{slash}{link}\n", entry.name)
}

/// How the members of an archive are shown: as the API shows them.
struct Shown {
    job_type: JobType,
    zone: TimeZone,
}

impl Shown {
    async fn of(client: &Client, archive: &Archive) -> anyhow::Result<Self> {
        let job_type = JobType::from_word(&archive.job_type).ok_or_else(|| {
            Failure::new(format!("this version does not know the type `{}`", archive.job_type))
        })?;
        let config: EffectiveConfig = client.get("/config").await?;
        let zone = config.effective["instance"]["timezone"].as_str();
        let zone = zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
        Ok(Self { job_type, zone })
    }

    fn entry(&self, member: &Entry) -> ContentsEntry {
        let row = Row { name: member.name.clone(), own: Some(Own::from(member)), below: None };
        ContentsEntry::new(&row, b"", self.job_type, &self.zone)
    }
}

/// Prints one line, or one element of a JSON array, for each member, as they come.
fn members(context: &Context, shown: &Shown, tar: Box<dyn Read + Send>) -> anyhow::Result<()> {
    let mut reader = Reader::from_stream(tar);
    let mut first = true;
    while let Some(entry) = reader.next_entry()? {
        let member = shown.entry(&entry);
        if context.is_json() {
            let start = if first { "[\n  " } else { ",\n  " };
            context.print(&format!("{start}{}", serde_json::to_string(&member)?))?;
        } else {
            context.print(&line(&member))?;
        }
        first = false;
    }
    if context.is_json() {
        context.print(if first { "[]\n" } else { "\n]\n" })?;
    }
    Ok(())
}
