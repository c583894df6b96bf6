//! `larder config show`: the configuration as it is understood.

use clap::{Args, Subcommand};

use super::check::read_desired;
use super::context::Context;
use crate::api::{self, dto};

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  larder config show           every default filled in, secrets as references")]
pub(super) enum Command {
    /// Print the effective configuration: defaults filled in, secrets as references, with places
    Show(Arguments),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder config show                    as TOML, with the place of every object
  larder config show --format json      the same for programs")]
pub(super) struct Arguments {}

pub(super) async fn run(context: &Context, command: &Command) -> anyhow::Result<u8> {
    let Command::Show(Arguments {}) = command;
    // What is in force is the daemon's to say; without one it is what the files say.
    let daemon = super::start::daemon(context).await?;
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
