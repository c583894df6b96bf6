//! `larder location`: the places where archives rest.

use clap::{Args, Subcommand};

use super::client::{Client, run_id};
use super::context::Context;
use super::failure::{FAILED, Failure};
use super::run::follow_these;
use super::start;
use super::table::Table;
use super::words::{count, query, segment, size};
use crate::api::dto::{self, Entry};
use crate::engine::Autonomy;
use crate::model::desired::Place;

#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  larder location list
  larder location check usb
  larder location move main bigger")]
pub(super) enum Command {
    /// List the locations with their free space
    List(ListArguments),
    /// Say whether a location can be used; exit code 1 when it cannot
    Check(CheckArguments),
    /// Copy everything to another location, verify it, and say what to change in the configuration
    Move(MoveArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  larder location list --format json")]
pub(super) struct ListArguments {}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder location check             all of them
  larder location check usb")]
pub(super) struct CheckArguments {
    /// Only these
    #[arg(value_name = "LOCATION")]
    names: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  larder location move main bigger     both stand in the configuration; nothing at `main` changes")]
pub(super) struct MoveArguments {
    /// Where the archives rest
    old: String,
    /// Where they are to rest
    new: String,
}

pub(super) async fn run(context: &Context, command: &Command) -> anyhow::Result<u8> {
    start::with(context, Autonomy::OnRequest, async |client| match command {
        Command::List(ListArguments {}) => {
            let locations = locations(client).await?;
            show(context, &locations)?;
            Ok(0)
        }
        Command::Check(arguments) => check(context, client, arguments).await,
        Command::Move(arguments) => relocate(context, client, arguments).await,
    })
    .await
}

async fn locations(client: &Client) -> anyhow::Result<Vec<dto::Location>> {
    client.list("/locations", usize::MAX).await
}

fn show(context: &Context, locations: &[dto::Location]) -> anyhow::Result<()> {
    if context.is_json() {
        return context.print_json(locations);
    }
    let columns = ["state", "location", "path", "archives", "size", "free", "total", "remarks"];
    let mut table = Table::new(&columns, &[3, 4, 5, 6], &[2, 7]);
    for location in locations {
        let mut remarks: Vec<String> = location.reason.iter().cloned().collect();
        let facts = [
            (location.removable, "removable"),
            (location.offsite, "off-site"),
            (location.encrypted, "encrypted"),
            (location.compress != "none", location.compress.as_str()),
        ];
        remarks.extend(facts.iter().filter(|(is, _)| *is).map(|(_, word)| (*word).to_owned()));
        for held in location.held.iter().filter(|held| !held.own) {
            remarks.push(format!("{} of {}", held.count, held.maker()));
        }
        let forecast = location.forecast.iter().filter(|one| one.is_fed);
        remarks.extend(forecast.map(|forecast| forecast.text.clone()));
        if location.trashed > 0 {
            remarks.push(format!("{} in the trash", location.trashed));
        }
        if location.foreign > 0 {
            remarks.push(format!("{} foreign", location.foreign));
        }
        table.row([
            location.state.clone(),
            location.name.clone(),
            location.path.clone(),
            location.archives.to_string(),
            size(location.size),
            location.free.map_or_else(String::new, size),
            location.total.map_or_else(String::new, size),
            remarks.join(", "),
        ]);
    }
    context.print(&table.render(context))
}

fn named<'a>(locations: &'a [dto::Location], name: &str) -> anyhow::Result<&'a dto::Location> {
    let found = locations.iter().find(|location| location.name == name);
    found.ok_or_else(|| {
        Failure::new(format!("there is no location `{name}`"))
            .hint("`larder location list` shows them")
            .into()
    })
}

async fn check(
    context: &Context,
    client: &Client,
    arguments: &CheckArguments,
) -> anyhow::Result<u8> {
    // Whoever asks has them looked at: what others put there a moment ago is there, too.
    let _: Vec<dto::Entry> = client.list("/archives?condition=foreign", 1).await?;
    let mut locations = locations(client).await?;
    for name in &arguments.names {
        named(&locations, name)?;
    }
    if !arguments.names.is_empty() {
        locations.retain(|location| arguments.names.contains(&location.name));
    }
    show(context, &locations)?;
    let asked = |location: &dto::Location| arguments.names.contains(&location.name);
    // A disk that is expected to be away is no failure unless somebody asks for it by name.
    let fails = |l: &dto::Location| l.state != "available" && (!l.removable || asked(l));
    Ok(if locations.iter().any(fails) { FAILED } else { 0 })
}

/// Copies and verifies; never edits the configuration and never deletes.
async fn relocate(
    context: &Context,
    client: &Client,
    arguments: &MoveArguments,
) -> anyhow::Result<u8> {
    let MoveArguments { old, new } = arguments;
    let all = locations(client).await?;
    named(&all, old)?;
    let target = named(&all, new)?;
    if old == new {
        return Err(Failure::new("both locations are the same").into());
    }
    if target.state != "available" {
        let reason = target.reason.clone().unwrap_or_else(|| target.state.clone());
        return Err(Failure::new(format!("location `{new}` cannot be used: {reason}")).into());
    }
    let at = |location: &str| {
        query("/archives", &[("location", Some(location)), ("condition", Some("present"))])
    };
    let source = archives(client, &at(old)).await?;
    let there = archives(client, &at(new)).await?;
    let missing: Vec<_> =
        source.iter().filter(|a| !there.iter().any(|copy| copy.id == a.id)).collect();
    let bytes: u64 = missing.iter().map(|archive| archive.file_size).sum();
    context.tell(&format!(
        "{} at `{old}`, {} to copy to `{new}` ({})",
        count(source.len(), "archive"),
        missing.len(),
        size(bytes)
    ));

    let mut failed = false;
    let mut sends = Vec::new();
    for archive in &missing {
        let path = format!("/archives/{}/transfer", segment(&archive.id));
        let path = query(&path, &[("location", Some(old.as_str()))]);
        let body = serde_json::json!({ "peer": new });
        sends.push(run_id(&client.post(&path, Some(&body)).await?)?);
    }
    if !sends.is_empty() {
        let followed = follow_these(context, client, sends).await?;
        failed |= followed.has_failed();
    }
    let mut checks = Vec::new();
    for archive in archives(client, &at(new)).await? {
        if let Some(original) = source.iter().find(|original| original.id == archive.id) {
            if original.pinned && !archive.pinned {
                pin(client, &archive).await?;
            }
            let path = format!("/archives/{}/verify", segment(&archive.id));
            let path = query(&path, &[("location", Some(new.as_str()))]);
            checks.push(run_id(&client.post(&path, None).await?)?);
        }
    }
    if !checks.is_empty() && !failed {
        let followed = follow_these(context, client, checks).await?;
        failed |= followed.has_failed();
    }
    if failed {
        return Err(Failure::new(format!("not everything of `{old}` is whole at `{new}`"))
            .hint("nothing was deleted; see to the cause and give the command again")
            .into());
    }
    advise(context, client, old, new).await
}

/// What somebody wants to keep for good stays for good where it moves to.
async fn pin(client: &Client, copy: &dto::Archive) -> anyhow::Result<()> {
    let path = format!("/archives/{}/pin", segment(&copy.id));
    client.post(&query(&path, &[("location", Some(copy.location.as_str()))]), None).await?;
    Ok(())
}

/// The catalogue's entries of a list.
async fn archives(client: &Client, path: &str) -> anyhow::Result<Vec<dto::Archive>> {
    let entries: Vec<Entry> = client.list(path, usize::MAX).await?;
    let archives = entries.into_iter().filter_map(|entry| match entry {
        Entry::Archive(archive) => Some(*archive),
        Entry::Foreign(_) => None,
    });
    Ok(archives.collect())
}

async fn advise(context: &Context, client: &Client, old: &str, new: &str) -> anyhow::Result<u8> {
    let jobs: Vec<dto::Job> = client.list("/jobs", usize::MAX).await?;
    let built_in = Place::built_in().to_string();
    let mut lines = vec![format!("everything of `{old}` is at `{new}` too, and verified.")];
    let concerned: Vec<_> = jobs
        .iter()
        // Nobody writes the table of a built-in job.
        .filter(|job| job.place != built_in)
        .filter(|job| job.location == old || job.send_to.iter().any(|place| place == old))
        .collect();
    if !concerned.is_empty() {
        lines.push("To switch, change in the configuration:".to_owned());
        for job in concerned {
            if job.location == old {
                let name = &job.name;
                lines.push(format!("  [job.{name}]  location = \"{new}\"   # {}", job.place));
                if job.send_to.iter().any(|place| place == new) {
                    lines.push(format!("  [job.{name}]  send_to: without \"{new}\""));
                }
            }
            if job.send_to.iter().any(|place| place == old) {
                lines.push(format!(
                    "  [job.{}]  send_to: \"{new}\" for \"{old}\"   # {}",
                    job.name, job.place
                ));
            }
        }
        lines.push("(or `location` in [defaults], where the jobs take it from there)".to_owned());
    }
    lines.push(format!("What is at `{old}` stays until you delete it."));
    lines.push(String::new());
    context.print(&lines.join("\n"))?;
    Ok(0)
}
