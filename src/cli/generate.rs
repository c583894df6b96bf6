//! What is generated from the code: schema, completions, manual pages.

use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Cli;
use super::context::Context;

mod man;

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
    let mut command = without_help(Cli::command());
    command.build();
    match &arguments.dir {
        None => context.print(&man::page(&command)?)?,
        Some(dir) => {
            std::fs::create_dir_all(dir)?;
            write_pages(&command, dir)?;
            context.tell(&format!("the pages are in `{}`", dir.display()));
        }
    }
    Ok(0)
}

/// Writes the page of a command, and those of all below it.
fn write_pages(command: &clap::Command, dir: &Path) -> anyhow::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    std::fs::write(dir.join(format!("{name}.1")), man::page(command)?)?;
    let mut shown = command.get_subcommands().filter(|below| !below.is_hide_set());
    shown.try_for_each(|below| write_pages(below, dir))
}

/// Pages about `help` would only repeat the others.
fn without_help(command: clap::Command) -> clap::Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_of(path: &[&str]) -> String {
        let mut command = without_help(Cli::command());
        command.build();
        let below = path
            .iter()
            .fold(&command, |command, name| command.find_subcommand(name).expect("a command"));
        man::page(below).unwrap()
    }

    #[test]
    fn examples_stay_as_they_are_written_and_options_show_their_values() {
        let page = page_of(&["plan"]);
        assert!(page.contains(".SH EXAMPLES\n.nf\nlarder plan "), "{page}");
        assert!(page.contains("\n.fi\n.SH NOTES\nExit codes"), "{page}");
        assert!(page.contains("[\\fB\\-\\-at\\fR \\fITIME\\fR]"), "{page}");
        assert!(!page.contains("EXTRA"), "{page}");
        assert_eq!(page.matches(".ie ").count(), 1, "{page}");
    }

    #[test]
    fn no_page_names_one_that_is_not_made() {
        let page = page_of(&[]);
        assert!(page.contains("larder\\-plan(1)") && !page.contains("larder\\-help"), "{page}");
    }

    #[test]
    fn every_command_that_changes_archives_has_its_own_examples() {
        for name in ["pin", "unpin", "delete", "undelete"] {
            let page = page_of(&["archive", name]);
            let example = format!("larder archive {name} ");
            assert!(page.replace("\\-", "-").contains(&example), "{page}");
            let others = ["pin", "unpin", "delete"].into_iter().filter(|other| *other != name);
            for other in others {
                assert!(!page.contains(&format!("larder archive {other} ")), "{name}: {page}");
            }
        }
    }
}
