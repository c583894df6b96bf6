//! Commands that change archives: verify, send, pin, delete, undelete, adopt.

use super::super::ask;
use super::super::client::{Client, run_id};
use super::super::context::Context;
use super::super::failure::{FAILED, Failure};
use super::super::run::{follow_these, order};
use super::super::words::{query, segment, size};
use super::{
    AdoptArguments, DeleteArguments, SendArguments, UndeleteArguments, VerifyArguments, path,
};
use crate::api::dto::{Archive, Entry};

/// Waits for runs and says how they ended.
async fn wait(context: &Context, client: &Client, runs: Vec<u64>) -> anyhow::Result<u8> {
    let followed = follow_these(context, client, runs).await?;
    if context.is_json() {
        context.print_json(&followed.runs)?;
    }
    Ok(if followed.has_failed() { FAILED } else { 0 })
}

/// The copies of an archive that `is_meant` wants, each as its id and its location: what a command
/// without `--location` is about. Of one that rests at one place only, the word itself says enough.
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
    let list = query("/archives", &[("job", Some(named.job.as_str()))]);
    let entries: Vec<Entry> = client.list(&list, usize::MAX).await?;
    let mut found = Vec::new();
    for entry in entries {
        if let Entry::Archive(copy) = entry
            && copy.id == named.id
            && is_meant(&copy)
        {
            found.push((copy.id, Some(copy.location)));
        }
    }
    found.sort();
    Ok(if found.len() > 1 { found } else { alone() })
}

pub(super) async fn verify(
    context: &Context,
    client: &Client,
    arguments: &VerifyArguments,
) -> anyhow::Result<u8> {
    let location = arguments.location.as_deref();
    if let Some(peer) = &arguments.peer {
        for name in &arguments.archives {
            let path = format!("/peers/{}/archives/{}/verify", segment(peer), segment(name));
            let path = query(&path, &[("location", location)]);
            order(context, client, peer, &path, None, &format!("verification of {name}")).await?;
        }
        return Ok(0);
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
    let mut runs = Vec::new();
    for (name, location) in &wanted {
        let answer = client.post(&path(name, "/verify", location.as_deref()), None).await;
        match answer {
            Ok(answer) => runs.push(run_id(&answer)?),
            // It is being verified already: that run is as good.
            Err(error) => match error.downcast_ref::<Failure>().and_then(|f| f.run_id) {
                Some(run) => runs.push(run),
                None => return Err(error),
            },
        }
    }
    if runs.is_empty() {
        context.tell("there is nothing to verify");
        return Ok(0);
    }
    wait(context, client, runs).await
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
    wait(context, client, vec![run]).await
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
    for (name, location) in &wanted {
        let path = path(name, &format!("/{verb}"), location.as_deref());
        let answer = client.post(&path, None).await?;
        if context.is_json() {
            context.print_json(&answer)?;
        } else {
            let archive: Archive = serde_json::from_value(answer)?;
            let state = if archive.pinned { "pinned" } else { "no longer pinned" };
            context.tell(&format!("{} at {}: {state}", archive.name, archive.location));
        }
    }
    Ok(0)
}

pub(super) async fn delete(
    context: &Context,
    client: &Client,
    arguments: &DeleteArguments,
) -> anyhow::Result<u8> {
    let location = arguments.many.location.as_deref();
    let mut lines = Vec::new();
    for name in &arguments.many.archives {
        let archive: Archive = client.get(&path(name, "/info", location)).await?;
        lines.push(format!(
            "  {} at {}, made {}, {}{}",
            archive.name,
            location.unwrap_or(&archive.location),
            archive.created_at.short(),
            size(archive.file_size),
            if is_yunohosts(&archive) { NO_WAY_BACK } else { "" }
        ));
    }
    if arguments.yes && lines.iter().any(|line| line.ends_with(NO_WAY_BACK)) {
        context.tell(&lines.join("\n"));
    }
    if !arguments.yes {
        let question = format!("to delete:\n{}\nreally? [y/N] ", lines.join("\n"));
        ask::confirm(&question, &["y", "Y", "yes"])?;
    }
    let mut runs = Vec::new();
    for name in &arguments.many.archives {
        runs.push(run_id(&client.delete(&path(name, "", location)).await?)?);
    }
    wait(context, client, runs).await
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
    for name in &arguments.many.archives {
        client.post(&path(name, "/undelete", arguments.many.location.as_deref()), None).await?;
        context.tell(&format!("{name}: taken back from the trash"));
    }
    Ok(0)
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
    wait(context, client, vec![run]).await
}
