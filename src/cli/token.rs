//! `larder token new`: a token for the API, shown once, and the table with its hash.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use secrecy::zeroize::Zeroizing;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::check;
use super::context::Context;
use super::failure::Failure;
use crate::durable;
use crate::model::name::ObjectName;
use crate::model::token::Scope;
use crate::model::token::{COST, TokenHash};
use crate::secret;

/// Where `--write` puts the table, below the configuration.
const FOLDER: &str = "tokens";

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  larder token new grafana --scope status --write")]
pub(super) enum Command {
    /// Make a token for the API; it is shown once
    New(Arguments),
}

/// How a token is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Hash {
    /// Slow, as the specification wants it.
    Bcrypt,
    /// Quick, and as safe for a token that was made here.
    Sha256,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder token new grafana                              the token, and the table with its hash
  larder token new script --scope run --scope list      for a script that starts backups
  larder token new grafana --write > grafana.token      the table into tokens/grafana.toml, the token into a file

The token is `larder_` with 64 hex digits (256 random bits). Nobody can show it again: only its hash
is kept. Clients send it in the header `X-BackupManager-Key`, or as `Authorization: Bearer`.
Scopes: status, list, fetch, send, run, delete, restore, admin (everything).
Removing the table takes the token back within two seconds.")]
pub(super) struct Arguments {
    /// The name of its table, `[token.NAME]`
    #[arg(value_name = "NAME", value_parser = name)]
    name: ObjectName,
    /// What it may do; `status` when nothing is said
    #[arg(long, value_name = "SCOPE", value_parser = scope(), hide_possible_values = true)]
    scope: Vec<Scope>,
    /// How it is hashed
    #[arg(long, value_enum, default_value_t = Hash::Bcrypt, value_name = "bcrypt|sha256")]
    #[arg(hide_possible_values = true)]
    hash: Hash,
    /// Write the table to `tokens/NAME.toml`, which must not exist, and print the token alone
    #[arg(long)]
    write: bool,
}

fn name(text: &str) -> Result<ObjectName, String> {
    text.parse().map_err(|error: crate::model::name::NameError| error.to_string())
}

fn scope() -> impl TypedValueParser<Value = Scope> {
    PossibleValuesParser::new(Scope::ALL.map(Scope::word))
        .try_map(|word| Scope::from_word(&word).ok_or("no such scope"))
}

pub(super) fn run(context: &Context, command: &Command) -> anyhow::Result<u8> {
    let Command::New(arguments) = command;
    let mut scopes = arguments.scope.clone();
    if scopes.is_empty() {
        scopes.push(Scope::Status);
    }
    scopes.sort_unstable();
    scopes.dedup();
    let token = new_token()?;
    let hash = hash(&token, arguments.hash)?;
    let toml = table(&arguments.name, &hash, &scopes);
    let place = format!("{FOLDER}/{}.toml", arguments.name);
    if arguments.write {
        // What cannot be written must not be shown: somebody would use it.
        let path = write(context, &place, &toml)?;
        context.tell(&format!("wrote `{}`", path.display()));
    }
    if context.is_json() {
        let scopes: Vec<&str> = scopes.iter().map(|scope| scope.word()).collect();
        let file = arguments.write.then_some(&place);
        context.print_json(&json!({
            "name": arguments.name.as_str(),
            "token": token.as_str(),
            "hash": hash.to_string(),
            "scopes": scopes,
            "toml": toml,
            "file": file,
        }))?;
        return Ok(0);
    }
    if arguments.write {
        context.print(&format!("{}\n", token.as_str()))?;
        context.tell("this is the only time that the token is shown: keep it now");
    } else {
        context.print(&format!("{}\n\n{toml}", token.as_str()))?;
        context.tell(&format!(
            "the first line is the token, shown this once; the table goes into the configuration, \
             for instance as `{place}` (`--write` does that)"
        ));
    }
    Ok(0)
}

fn new_token() -> anyhow::Result<Zeroizing<String>> {
    let made = secret::new_token();
    made.map_err(|error| {
        Failure::new(format!("the system gives no random numbers: {error}")).into()
    })
}

fn hash(token: &str, kind: Hash) -> anyhow::Result<TokenHash> {
    match kind {
        Hash::Sha256 => Ok(TokenHash::Sha256(Sha256::digest(token).into())),
        Hash::Bcrypt => {
            // One that bcrypt would not read whole is an error, not a weaker token.
            let text = bcrypt::non_truncating_hash(token, COST)
                .map_err(|error| Failure::new(format!("the token cannot be hashed: {error}")))?;
            Ok(TokenHash::Bcrypt(text))
        }
    }
}

fn table(name: &ObjectName, hash: &TokenHash, scopes: &[Scope]) -> String {
    let words: Vec<String> = scopes.iter().map(|scope| format!("\"{}\"", scope.word())).collect();
    // A dot would make a table in a table.
    let key = if name.as_str().contains('.') { format!("\"{name}\"") } else { name.to_string() };
    format!("[token.{key}]\nhash = \"{hash}\"\nscopes = [{}]\n", words.join(", "))
}

/// Writes the table into a file of its own, if the whole configuration is valid with it.
fn write(context: &Context, place: &str, toml: &str) -> anyhow::Result<PathBuf> {
    let path = context.config_dir.join(place);
    if fs::symlink_metadata(&path).is_ok() {
        return Err(taken(&path));
    }
    let errors = check::errors_with(&context.config_dir, place, toml)?;
    if !errors.is_empty() {
        context.tell_always(check::render(context, &errors).trim_end());
        return Err(Failure::new(format!("`{}` is not written", path.display()))
            .hint("the configuration must be valid with it: `larder check` shows what is not")
            .into());
    }
    let folder = context.config_dir.join(FOLDER);
    put(&folder, &path, toml).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => taken(&path),
        _ => anyhow::Error::new(error).context(format!("cannot write `{}`", path.display())),
    })?;
    Ok(path)
}

fn taken(path: &Path) -> anyhow::Error {
    Failure::new(format!("there is a file already: `{}`", path.display()))
        .hint("nothing is overwritten: remove it to take its token back, or choose another name")
        .into()
}

/// Complete or not there: the daemon reads the directory at any moment, and no hidden file.
fn put(folder: &Path, path: &Path, toml: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let part = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
    io::Write::write_all(&mut part.as_file(), toml.as_bytes())?;
    part.as_file().sync_all()?;
    part.persist_noclobber(path).map_err(|error| error.error)?;
    durable::sync_dir(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::token::PREFIX;

    #[test]
    fn a_token_has_256_random_bits_and_bcrypt_reads_all_of_it() {
        let (one, other) = (new_token().unwrap(), new_token().unwrap());
        assert_ne!(*one, *other);
        let digits = one.strip_prefix(PREFIX).unwrap();
        assert!(digits.len() == 64 && digits.chars().all(|c| c.is_ascii_hexdigit()), "{digits}");
        let hash = hash(&one, Hash::Bcrypt).unwrap().to_string();
        assert!(hash.starts_with("$2b$12$") && hash.parse::<TokenHash>().is_ok(), "{hash}");
        assert!(bcrypt::verify(one.as_bytes(), &hash).unwrap());
        let mut cut = one.clone();
        cut.pop();
        assert!(!bcrypt::verify(cut.as_bytes(), &hash).unwrap());
    }
}
