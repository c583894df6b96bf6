//! What is generated from the code: schema, completions, manual pages.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Cli;
use super::context::Context;

#[derive(Debug, Args)]
#[command(after_help = "Example:
  larder schema > larder.schema.json     editors use it through `#:schema PATH` in a TOML file")]
pub(super) struct SchemaArguments {}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder completions bash > /usr/share/bash-completion/completions/larder
  larder completions zsh > ~/.zfunc/_larder")]
pub(super) struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder man | man -l -                  read it
  larder man --dir /usr/share/man/man1   one page for each command")]
pub(super) struct ManArguments {
    /// Write one page for each command into this directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn schema(context: &Context, arguments: &SchemaArguments) -> anyhow::Result<u8> {
    let SchemaArguments {} = arguments;
    context.print(&crate::config::schema::schema_text())?;
    Ok(0)
}

pub(super) fn completions(
    context: &Context,
    arguments: &CompletionsArguments,
) -> anyhow::Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "larder", &mut script);
    context.print(&String::from_utf8_lossy(&script))?;
    Ok(0)
}

pub(super) fn man(context: &Context, arguments: &ManArguments) -> anyhow::Result<u8> {
    let mut command = Cli::command();
    command.build();
    match &arguments.dir {
        None => context.print(&page(&command)?)?,
        Some(dir) => {
            std::fs::create_dir_all(dir)?;
            clap_mangen::generate_to(without_help(Cli::command()), dir)?;
            context.tell(&format!("the pages are in `{}`", dir.display()));
        }
    }
    Ok(0)
}

fn page(command: &clap::Command) -> anyhow::Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// Pages about `help` would only repeat the others.
fn without_help(command: clap::Command) -> clap::Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help)
}
