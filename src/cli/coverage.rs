//! `larder coverage`: what of this host no job keeps.

use std::path::PathBuf;

use clap::Args;

use super::check::read_desired;
use super::context::Context;
use super::start;
use super::table::Table;
use super::words::{count, size};
use crate::api::{self, dto};
use crate::engine::Autonomy;
use crate::stop::Stop;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder coverage                databases, apps, directories and volumes, and who keeps them
  larder coverage --missing      only what no job covers
  larder coverage --format json

Looked at: database servers by their local sockets, YunoHost's apps, /etc, /home, /opt, /root, /srv,
/usr/local, mail and crontabs, projects and volumes of docker and podman. Nothing is changed.")]
pub(super) struct Arguments {
    /// Only what is not covered as a whole
    #[arg(long)]
    missing: bool,
    /// Look at the host whose files are below this directory
    #[arg(long, value_name = "DIR", hide = true)]
    root: Option<PathBuf>,
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<u8> {
    let mut items: Vec<dto::Covered> = match &arguments.root {
        Some(root) => {
            let (root, desired) = (root.clone(), read_desired(&context.config_dir)?);
            tokio::task::spawn_blocking(move || api::covered(&root, &desired, &Stop::new())).await?
        }
        None => {
            start::with(context, Autonomy::OnRequest, async |client| {
                client.list("/coverage", usize::MAX).await
            })
            .await?
        }
    };
    if arguments.missing {
        items.retain(|item| item.covered != "yes");
    }
    if context.is_json() {
        context.print_json(&items)?;
        return Ok(0);
    }
    if items.is_empty() {
        context.tell(if arguments.missing {
            "everything that was found is covered"
        } else {
            "nothing was found that is worth keeping"
        });
        return Ok(0);
    }
    // What nobody keeps comes first.
    let rank = |item: &dto::Covered| match item.covered.as_str() {
        "no" => 0,
        "partly" => 1,
        "unknown" => 2,
        _ => 3,
    };
    items.sort_by_key(rank);
    let mut table =
        Table::new(&["covered", "what", "name", "where", "size", "by"], &[4], &[2, 3, 5]);
    for item in &items {
        let mut by = item.jobs.join(", ");
        if let Some(note) = &item.note {
            by = if by.is_empty() { note.clone() } else { format!("{by} ({note})") };
        }
        table.row([
            item.covered.clone(),
            item.kind.clone(),
            item.name.clone(),
            item.place.clone(),
            item.size_bytes.map_or_else(|| "-".to_owned(), size),
            if by.is_empty() { "-".to_owned() } else { by },
        ]);
    }
    context.print(&table.render(context))?;
    let missing = items.iter().filter(|item| item.covered == "no").count();
    if missing > 0 {
        context.tell(&format!("{} that no job covers", count(missing, "thing")));
    }
    Ok(0)
}
