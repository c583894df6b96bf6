//! `larder archive contents`: the members of an archive, one of its directories, or what is found.

use std::io::Read;

use jiff::Timestamp;
use serde::Serialize;

use super::super::ask;
use super::super::client::Client;
use super::super::context::Context;
use super::super::words::{clean, query, segment};
use super::export::{Encoding, plain};
use super::{ContentsArguments, one, path};
use crate::api::dto::{Archive, ContentsEntry};
use crate::archive::{Entry, Reader};

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
    let stream = client.download(&path).await?;
    let context = context.clone();
    let print =
        move |file: Box<dyn Read + Send>| members(&context, file, &encoding, identity.as_deref());
    super::export::blocking(stream, print).await?;
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

/// One member, as `--format json` prints it.
#[derive(Debug, Serialize)]
struct Member {
    path: String,
    kind: &'static str,
    size: u64,
    mode: String,
    owner: String,
    group: String,
    modified: String,
    link: Option<String>,
}

impl From<&Entry> for Member {
    fn from(entry: &Entry) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let named = |name: &[u8], id: u64| {
            if name.is_empty() { id.to_string() } else { text(name) }
        };
        let modified = Timestamp::from_second(entry.modified.seconds).unwrap_or_default();
        Self {
            path: text(&entry.name),
            kind: entry.kind.word(),
            size: entry.size,
            mode: format!("{:04o}", entry.mode),
            owner: named(&entry.user, entry.uid),
            group: named(&entry.group, entry.gid),
            modified: modified.to_string(),
            link: Some(text(&entry.link)).filter(|link| !link.is_empty()),
        }
    }
}

impl Member {
    fn line(&self) -> String {
        let link = self.link.as_ref().map_or_else(String::new, |to| format!(" -> {}", clean(to)));
        let slash = if self.kind == "directory" { "/" } else { "" };
        let owner = clean(&format!("{}/{}", self.owner, self.group));
        let (mode, size, modified) = (&self.mode, self.size, &self.modified);
        format!("{mode} {owner:<17} {size:>12} {modified} {}{slash}{link}\n", clean(&self.path))
    }
}

/// Prints one line, or one element of a JSON array, for each member, as they come.
fn members(
    context: &Context,
    file: Box<dyn Read + Send>,
    encoding: &Encoding,
    identity: Option<&str>,
) -> anyhow::Result<()> {
    let mut reader = Reader::from_stream(plain(file, encoding, identity)?);
    let mut first = true;
    while let Some(entry) = reader.next_entry()? {
        let member = Member::from(&entry);
        if context.is_json() {
            let start = if first { "[\n  " } else { ",\n  " };
            context.print(&format!("{start}{}", serde_json::to_string(&member)?))?;
        } else {
            context.print(&member.line())?;
        }
        first = false;
    }
    if context.is_json() {
        context.print(if first { "[]\n" } else { "\n]\n" })?;
    }
    Ok(())
}
