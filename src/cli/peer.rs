//! `larder peer`: other instances, and hosts that hold copies.

use clap::{Args, Subcommand};

use super::client::Client;
use super::context::Context;
use super::failure::{FAILED, Failure};
use super::start;
use super::table::Table;
use super::words::{query, segment};
use crate::api::dto;
use crate::engine::Autonomy;

mod edit;
mod invite;
pub(in crate::cli) mod accept;
mod key;

#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  larder peer list
  larder peer add nas backup-channel hostname=nas location=main
  larder peer invite tom --ttl 15m        on one side
  larder peer accept CODE                 on the other")]
pub(super) enum Command {
    /// List the peers and how they are
    List(ListArguments),
    /// Show one peer
    Get(GetArguments),
    /// Add a peer to the configuration
    Add(edit::AddArguments),
    /// Remove a peer that was added
    Remove(edit::RemoveArguments),
    /// Look now whether peers are there; exit code 1 when one is not
    Check(CheckArguments),
    /// Say which peer a host name means
    ForHost(ForHostArguments),
    /// Make a code that lets another instance in once
    Invite(invite::Arguments),
    /// Pair with the instance that made a code
    Accept(accept::Arguments),
    /// Let a peer that came back with a new server send again
    Confirm(edit::ConfirmArguments),
    /// Make this host's SSH key, and print the line for the peer to allow
    Key(key::Arguments),
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  larder peer list --format json")]
pub(super) struct ListArguments {}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  larder peer get tom --format json")]
pub(super) struct GetArguments {
    /// The peer
    #[arg(value_name = "NAME")]
    name: String,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder peer check          all of them
  larder peer check tom")]
pub(super) struct CheckArguments {
    /// Only this one
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  larder peer for-host nas.example.org     prints the peer's name; exit code 1 when there is none")]
pub(super) struct ForHostArguments {
    /// The host name, as it stands in archives
    #[arg(value_name = "HOST")]
    host: String,
}

pub(super) async fn run(context: &Context, command: &Command) -> anyhow::Result<u8> {
    match command {
        Command::List(ListArguments {}) => {
            start::with(context, Autonomy::OnRequest, async |client| {
                show(context, &peers(client).await?)?;
                Ok(0)
            })
            .await
        }
        Command::Get(arguments) => {
            start::with(context, Autonomy::OnRequest, async |client| {
                get(context, client, &arguments.name).await
            })
            .await
        }
        Command::Check(arguments) => {
            start::with(context, Autonomy::OnRequest, async |client| {
                check(context, client, arguments).await
            })
            .await
        }
        Command::Add(arguments) => edit::add(context, arguments),
        Command::Remove(arguments) => edit::remove(context, arguments),
        Command::Confirm(arguments) => edit::confirm(context, arguments),
        Command::Invite(arguments) => invite::run(context, arguments).await,
        Command::Accept(arguments) => accept::run(context, arguments).await,
        Command::ForHost(arguments) => {
            start::with(context, Autonomy::OnRequest, async |client| {
                for_host(context, client, &arguments.host).await
            })
            .await
        }
        Command::Key(arguments) => key::run(context, arguments).await,
    }
}

async fn peers(client: &Client) -> anyhow::Result<Vec<dto::Peer>> {
    client.list("/peers", usize::MAX).await
}

fn show(context: &Context, peers: &[dto::Peer]) -> anyhow::Result<()> {
    if context.is_json() {
        return context.print_json(peers);
    }
    let now = jiff::Timestamp::now();
    let mut table = Table::new(&["status", "peer", "kind", "seen", "remarks"], &[], &[4]);
    for peer in peers {
        let mut remarks = Vec::new();
        if let Some(place) = &peer.stores_at {
            remarks.push(format!("stores at `{place}`"));
        }
        if peer.offsite {
            remarks.push("off-site".to_owned());
        }
        table.row([
            peer.status.clone(),
            peer.name.clone(),
            peer.kind.clone(),
            peer.last_seen.map_or_else(|| "never".to_owned(), |at| context.when(at, now)),
            remarks.join(", "),
        ]);
    }
    context.print(&table.render(context))
}

async fn get(context: &Context, client: &Client, name: &str) -> anyhow::Result<u8> {
    let peer: dto::Peer = client.get(&format!("/peers/{}", segment(name))).await?;
    if context.is_json() {
        context.print_json(&peer)?;
    } else {
        show(context, std::slice::from_ref(&peer))?;
    }
    Ok(0)
}

async fn for_host(context: &Context, client: &Client, host: &str) -> anyhow::Result<u8> {
    let found: Vec<dto::Peer> = client.list(&query("/peers", &[("host", Some(host))]), 1).await?;
    let Some(peer) = found.first() else {
        return Err(Failure::new(format!("no peer is known as host `{host}`"))
            .hint("`larder peer add NAME backup-channel hostname=HOST` gives it a name")
            .into());
    };
    if context.is_json() {
        context.print_json(peer)?;
    } else {
        context.print(&format!("{}\n", peer.name))?;
    }
    Ok(0)
}

async fn check(
    context: &Context,
    client: &Client,
    arguments: &CheckArguments,
) -> anyhow::Result<u8> {
    let names: Vec<String> = match &arguments.name {
        Some(name) => vec![name.clone()],
        None => peers(client).await?.into_iter().map(|peer| peer.name).collect(),
    };
    let mut checked = Vec::new();
    for name in &names {
        let answer = client.post(&format!("/peers/{}/check", segment(name)), None).await?;
        let peer: dto::Peer = serde_json::from_value(answer)
            .map_err(|_| Failure::new(format!("the answer about peer `{name}` names no peer")))?;
        checked.push(peer);
    }
    show(context, &checked)?;
    let is_there = |peer: &dto::Peer| matches!(peer.status.as_str(), "online" | "unknown");
    Ok(if checked.iter().all(is_there) { 0 } else { FAILED })
}
