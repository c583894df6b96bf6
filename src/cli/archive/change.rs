//! Commands that change archives: verify, send, pin, delete, undelete, adopt.

use super::super::ask;
use super::super::client::{Client, run_id};
use super::super::context::Context;
use super::super::failure::{FAILED, Failure, Refusals};
use super::super::run::{follow_these, order};
use super::super::words::{query, segment, size};
use super::{
    AdoptArguments, DeleteArguments, FetchArguments, SendArguments, UndeleteArguments,
    VerifyArguments, path,
};
use crate::api::dto::{Archive, Entry};

/// Waits for runs and says how they ended; then, what could not be ordered.
async fn wait(
    context: &Context,
    client: &Client,
    runs: Vec<u64>,
    refusals: Refusals,
) -> anyhow::Result<u8> {
    if runs.is_empty() {
        return refusals.end(FAILED);
    }
    let followed = follow_these(context, client, runs).await?;
    if context.is_json() {
        context.print_json(&followed.runs)?;
    }
    refusals.end(followed.code())
}

/// The copies of an archive that `is_meant` wants.
async fn copies_of(
    client: &Client,
    named: &Archive,
    is_meant: impl Fn(&Archive) -> bool,
) -> anyhow::Result<Vec<Archive>> {
    let list = query("/archives", &[("job", Some(named.job.as_str()))]);
    let entries: Vec<Entry> = client.list(&list, usize::MAX).await?;
    let copy = |entry| match entry {
        Entry::Archive(copy) if copy.id == named.id && is_meant(&copy) => Some(*copy),
        Entry::Archive(_) | Entry::Foreign(_) => None,
    };
    let mut found: Vec<Archive> = entries.into_iter().filter_map(copy).collect();
    found.sort_by(|a, b| a.location.cmp(&b.location));
    Ok(found)
}

/// The copies that a command without `--location` is about, each as its id and its location. Of
/// an archive that rests at one place only, the word itself says enough.
async fn copies(
    client: &Client,
    word: &str,
    location: Option<&str>,
    is_meant: impl Fn(&Archive) -> bool,
) -> anyhow::Result<Vec<(String, Option<String>)>> {
    let alone = || vec![(word.to_owned(), location.map(str::to_owned))];
    if location.is_some() {
        return Ok(alone());
    }
    let named: Archive = client.get(&path(word, "/info", None)).await?;
    let found = copies_of(client, &named, is_meant).await?;
    let found: Vec<_> = found.into_iter().map(|copy| (copy.id, Some(copy.location))).collect();
    Ok(if found.len() > 1 { found } else { alone() })
}

/// The one copy that a word means. Where it could mean several, that is said before anybody is
/// asked whether it shall be done.
async fn one_copy(client: &Client, word: &str, location: Option<&str>) -> anyhow::Result<Archive> {
    let named: Archive = client.get(&path(word, "/info", location)).await?;
    if location.is_some() {
        return Ok(named);
    }
    let copies = copies_of(client, &named, |copy| copy.condition != "trashed").await?;
    if copies.len() < 2 {
        return Ok(named);
    }
    let lines = copies.iter().map(|copy| format!("{} at {}", copy.name, copy.location));
    let failure = Failure::new(format!("`{word}` rests at more than one location"));
    Err(Failure { details: lines.collect(), ..failure }
        .hint("choose a copy with `--location`")
        .into())
}

pub(super) async fn verify(
    context: &Context,
    client: &Client,
    arguments: &VerifyArguments,
) -> anyhow::Result<u8> {
    let location = arguments.location.as_deref();
    if let Some(peer) = &arguments.peer {
        let mut refusals = Refusals::default();
        for name in &arguments.archives {
            let path = format!("/peers/{}/archives/{}/verify", segment(peer), segment(name));
            let path = query(&path, &[("location", location)]);
            let what = format!("verification of {name}");
            refusals.take(context, order(context, client, peer, &path, None, &what).await);
        }
        return refusals.end(0);
    }
    let mut wanted: Vec<(String, Option<String>)> = Vec::new();
    if arguments.all {
        let list = query("/archives", &[("condition", Some("present")), ("location", location)]);
        let entries: Vec<Entry> = client.list(&list, usize::MAX).await?;
        for entry in entries {
            if let Entry::Archive(archive) = entry {
                wanted.push((archive.id, Some(archive.location)));
            }
        }
    } else {
        for name in &arguments.archives {
            let is_meant = |copy: &Archive| copy.condition == "present";
            wanted.extend(copies(client, name, location, is_meant).await?);
        }
    }
    if wanted.is_empty() {
        context.tell("there is nothing to verify");
        return Ok(0);
    }
    let mut runs = Vec::new();
    let mut refusals = Refusals::default();
    for (name, location) in &wanted {
        let answer = client.post(&path(name, "/verify", location.as_deref()), None).await;
        let run = answer.and_then(|answer| run_id(&answer)).or_else(|error| {
            // It is being verified already: that run is as good.
            let busy = error.downcast_ref::<Failure>().and_then(|failure| failure.run_id);
            busy.ok_or(error)
        });
        runs.extend(refusals.take(context, run));
    }
    wait(context, client, runs, refusals).await
}

pub(super) async fn send(
    context: &Context,
    client: &Client,
    arguments: &SendArguments,
) -> anyhow::Result<u8> {
    let body = match &arguments.via {
        Some(via) => serde_json::json!({ "peer": arguments.to, "via": via }),
        None => serde_json::json!({ "peer": arguments.to }),
    };
    let path = path(&arguments.one.archive, "/transfer", arguments.one.location.as_deref());
    let run = run_id(&client.post(&path, Some(&body)).await?)?;
    wait(context, client, vec![run], Refusals::default()).await
}

pub(super) async fn fetch(
    context: &Context,
    client: &Client,
    arguments: &FetchArguments,
) -> anyhow::Result<u8> {
    let body = serde_json::json!({ "from": arguments.from, "to": arguments.to });
    let run = run_id(&client.post(&path(&arguments.archive, "/fetch", None), Some(&body)).await?)?;
    let code = wait(context, client, vec![run], Refusals::default()).await?;
    if code == 0 {
        context.tell("it is pinned: `larder archive unpin` lets its retention judge it again");
    }
    Ok(code)
}

pub(super) async fn pin(
    context: &Context,
    client: &Client,
    archives: &[String],
    location: Option<&str>,
    verb: &str,
) -> anyhow::Result<u8> {
    let is_meant = |copy: &Archive| !matches!(copy.condition.as_str(), "trashed" | "lost");
    let mut wanted = Vec::new();
    for name in archives {
        wanted.extend(copies(client, name, location, is_meant).await?);
    }
    let mut refusals = Refusals::default();
    for (name, location) in &wanted {
        let before = client.get::<Archive>(&path(name, "/info", location.as_deref())).await;
        let was = before.ok().map(|archive| archive.pinned);
        let path = path(name, &format!("/{verb}"), location.as_deref());
        let answer = refusals.take(context, client.post(&path, None).await);
        let Some(answer) = answer else { continue };
        if context.is_json() {
            context.print_json(&answer)?;
        } else {
            let archive: Archive = serde_json::from_value(answer)?;
            let state = match (was, archive.pinned) {
                (Some(true), true) => "pinned already",
                (_, true) => "pinned",
                (Some(false), false) => "not pinned, as before",
                (_, false) => "no longer pinned",
            };
            context.tell(&format!("{} at {}: {state}", archive.name, archive.location));
        }
    }
    refusals.end(0)
}

pub(super) async fn delete(
    context: &Context,
    client: &Client,
    arguments: &DeleteArguments,
) -> anyhow::Result<u8> {
    let location = arguments.many.location.as_deref();
    // What is shown is what goes, also when a word like `web@latest` means another one by then.
    let mut wanted: Vec<Archive> = Vec::new();
    for word in &arguments.many.archives {
        let copy = one_copy(client, word, location).await?;
        if !wanted.iter().any(|other| (&other.id, &other.location) == (&copy.id, &copy.location)) {
            wanted.push(copy);
        }
    }
    let mut refusals = Refusals::default();
    // Nobody is asked about what stays anyway.
    if !arguments.yes {
        let mut may_go = Vec::new();
        for archive in wanted {
            let path = path(&archive.id, "/deletion", Some(&archive.location));
            if refusals.take(context, client.get_text(&path).await).is_some() {
                may_go.push(archive);
            }
        }
        wanted = may_go;
        if wanted.is_empty() {
            return refusals.end(0);
        }
    }
    let line = |archive: &Archive| {
        format!(
            "  {} at {}, made {}, {}{}",
            archive.name,
            archive.location,
            archive.created_at.short(),
            size(archive.file_size),
            if is_yunohosts(archive) { NO_WAY_BACK } else { "" }
        )
    };
    let lines: Vec<String> = wanted.iter().map(line).collect();
    if arguments.yes && wanted.iter().any(is_yunohosts) {
        context.tell(&lines.join("\n"));
    }
    if !arguments.yes {
        let question = format!("to delete:\n{}\nreally? [y/N] ", lines.join("\n"));
        ask::confirm(&question, &["y", "Y", "yes"])?;
    }
    let mut runs = Vec::new();
    for archive in &wanted {
        let answer = client.delete(&path(&archive.id, "", Some(&archive.location))).await;
        runs.extend(refusals.take(context, answer.and_then(|answer| run_id(&answer))));
    }
    wait(context, client, runs, refusals).await
}

/// What stands behind an archive that YunoHost made in its own folder.
const NO_WAY_BACK: &str = ": YunoHost deletes it, and there is no undelete";

/// Whether YunoHost made an archive where it is; copies elsewhere are ordinary files.
fn is_yunohosts(archive: &Archive) -> bool {
    matches!(archive.job_type.as_str(), "ynh_app" | "ynh_system")
        && !matches!(archive.how.as_str(), "received" | "copied")
}

pub(super) async fn undelete(
    context: &Context,
    client: &Client,
    arguments: &UndeleteArguments,
) -> anyhow::Result<u8> {
    let mut refusals = Refusals::default();
    for name in &arguments.many.archives {
        let path = path(name, "/undelete", arguments.many.location.as_deref());
        if refusals.take(context, client.post(&path, None).await).is_some() {
            context.tell(&format!(
                "{name}: taken back from the trash, and pinned: `larder archive unpin {name}` lets retention judge it again"
            ));
        }
    }
    refusals.end(0)
}

pub(super) async fn adopt(
    context: &Context,
    client: &Client,
    arguments: &AdoptArguments,
) -> anyhow::Result<u8> {
    let body = serde_json::json!({
        "location": arguments.location,
        "file_name": arguments.file,
        "job": arguments.job,
    });
    let run = run_id(&client.post("/archives/adopt", Some(&body)).await?)?;
    wait(context, client, vec![run], Refusals::default()).await
}
