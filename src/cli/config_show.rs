//! `larder config`: the configuration as it is understood, and whether it is in force.

use clap::{Args, Subcommand};

use super::check::read_desired;
use super::context::Context;
use crate::api::{self, dto};

mod applied;

#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  larder config show               every default filled in, secrets as references
  larder config applied --wait 30  has the daemon taken up what the files say?")]
pub(super) enum Command {
    /// Print the effective configuration: defaults filled in, secrets as references, with places
    Show(Arguments),
    /// Say whether the daemon has taken up what the files say
    Applied(applied::Arguments),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder config show                    as TOML, with the place of every object
  larder config show --format json      the same for programs
  larder config show --offline          what the files say, whatever is in force")]
pub(super) struct Arguments {
    /// What the files say: ask no daemon
    #[arg(long)]
    offline: bool,
}

pub(super) async fn run(context: &Context, command: &Command) -> anyhow::Result<u8> {
    match command {
        Command::Show(arguments) => show(context, arguments).await,
        Command::Applied(arguments) => applied::run(context, arguments).await,
    }
}

async fn show(context: &Context, arguments: &Arguments) -> anyhow::Result<u8> {
    // What is in force is the daemon's to say; without one it is what the files say.
    let daemon = if arguments.offline { None } else { super::start::daemon(context).await? };
    let shown: dto::EffectiveConfig = if let Some(client) = daemon {
        client.get("/config").await?
    } else {
        let desired = read_desired(&context.config_dir)?;
        api::effective_config(&api::view_of_configuration(&context.config_dir, desired))
    };
    if context.is_json() {
        context.print_json(&shown.effective)?;
    } else {
        context.print(&shown.toml)?;
    }
    for line in &shown.health.stale {
        context.warn(line);
    }
    Ok(0)
}
