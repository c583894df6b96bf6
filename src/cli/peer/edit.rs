//! `larder peer add`, `remove` and `confirm`: files of the configuration that are larder's own.

use clap::Args;
use serde_json::json;

use crate::causes::with_causes;
use crate::cli::check;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, USAGE};
use crate::config;
use crate::config::edit::{self, EditError};
use crate::model::name::PlaceName;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder peer add nas backup-channel hostname=nas location=main
  larder peer add tom instance url=https://tom.example.org/larder token.file=/etc/larder/secrets/tom
  larder peer add vps direct-ssh-direct ssh.host=vps.example.org ssh.user=backup ssh.path=/srv/backup/jerry

The keys are those of `[peer.NAME]`; one with dots stands in a table, a list is written with commas.
The table is written to peers/NAME.toml, which must not exist, if the whole configuration is valid
with it.")]
pub(in crate::cli) struct AddArguments {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    /// `instance`, `backup-channel`, `direct-ssh-direct` or `direct-ssh-via-relay`
    #[arg(value_name = "KIND")]
    kind: String,
    /// What its table holds
    #[arg(value_name = "KEY=VALUE")]
    fields: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  larder peer remove nas

Only a file that `peer add`, `invite` or `accept` wrote is removed; of any other the lines are named.")]
pub(in crate::cli) struct RemoveArguments {
    /// The peer
    #[arg(value_name = "NAME")]
    name: String,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  larder peer confirm tom      whoever came with `invite tom --replace` is tom, and may send again")]
pub(in crate::cli) struct ConfirmArguments {
    /// The peer
    #[arg(value_name = "NAME")]
    name: String,
}

/// An error of the configuration's files, with every mistake before it.
pub(super) fn told(context: &Context, error: &EditError) -> anyhow::Error {
    let hint = match error {
        EditError::Invalid { diagnostics, .. } => {
            context.tell_always(check::render(context, diagnostics).trim_end());
            "nothing was changed: the configuration must be valid afterwards".to_owned()
        }
        error => error.hint(),
    };
    let failure = Failure::new(with_causes(error)).hint(hint);
    match error {
        EditError::Name(_) | EditError::Fields { .. } => Failure { code: USAGE, ..failure }.into(),
        _ => failure.into(),
    }
}

/// A peer's name.
pub(super) fn name(context: &Context, text: &str) -> anyhow::Result<PlaceName> {
    text.parse().map_err(|error| told(context, &EditError::Name(error)))
}

pub(super) fn add(context: &Context, arguments: &AddArguments) -> anyhow::Result<u8> {
    let name = name(context, &arguments.name)?;
    let fields = arguments.fields.iter().map(String::as_str);
    let toml = edit::fields(&arguments.kind, fields)
        .and_then(|fields| edit::render(&name, &arguments.kind, &fields))
        .map_err(|error| told(context, &error))?;
    let path = edit::add_peer(&context.config_dir, &name, &toml, None)
        .map_err(|error| told(context, &error))?;
    if context.is_json() {
        let file = path.display().to_string();
        context.print_json(&json!({ "name": name.as_str(), "file": file, "toml": toml }))?;
    } else {
        context.tell(&format!("wrote `{}`", path.display()));
    }
    // The file may be for another host, so this is no reason not to write it.
    let here = config::peer_kinds(&check::read_desired(&context.config_dir)?);
    let lacks = here.into_iter().find(|here| here.kind == arguments.kind);
    if let Some((why, hint)) = lacks.and_then(|here| here.lacks) {
        context.warn(&format!("{why}: {hint}"));
    }
    Ok(0)
}

pub(super) fn remove(context: &Context, arguments: &RemoveArguments) -> anyhow::Result<u8> {
    let name = name(context, &arguments.name)?;
    let removed =
        edit::remove_peer(&context.config_dir, &name).map_err(|error| told(context, &error))?;
    for path in std::iter::once(&removed.file).chain(&removed.secret) {
        context.tell(&format!("removed `{}`", path.display()));
    }
    Ok(0)
}

pub(super) fn confirm(context: &Context, arguments: &ConfirmArguments) -> anyhow::Result<u8> {
    let name = name(context, &arguments.name)?;
    let changed = match edit::confirm(&context.config_dir, &name) {
        Err(EditError::Foreign { place, .. }) => {
            return Err(Failure::new(format!(
                "`[peer.{name}]` stands at {place}, which larder did not write"
            ))
            .hint(format!("remove `read_only` from `[peer.{name}.accept]` there"))
            .into());
        }
        other => other.map_err(|error| told(context, &error))?,
    };
    context.tell(&if changed {
        format!("peer `{name}` is confirmed: it may do again what its table says")
    } else {
        format!("peer `{name}` waits for no confirmation")
    });
    Ok(0)
}
