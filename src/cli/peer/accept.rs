//! `larder peer accept`: the other side of an invitation.

use clap::Args;
use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest as _, Sha256 as Hasher};

use super::edit::told;
use crate::causes::with_causes;
use crate::cli::check::read_desired;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, USAGE};
use crate::config;
use crate::config::edit::{self, Other, Terms};
use crate::model::desired::Desired;
use crate::model::name::PlaceName;
use crate::model::pairing::Code;
use crate::model::token::TokenHash;
use crate::peer::PeerError;
use crate::peer::https::pairing::{self, Offer};
use crate::peer::ssh::keys;
use crate::secret;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder peer accept larder1.… --write        writes peers/NAME.toml and secrets/peer-NAME
  larder peer accept larder1.… --as jerry     prints what to commit

The code is from `larder peer invite` on the other side. Each side gets a token of the other and
keeps its archives; without `url` in `[instance]` this one is never asked, and sends.")]
pub(in crate::cli) struct Arguments {
    /// What `larder peer invite` printed
    #[arg(value_name = "CODE")]
    code: String,
    /// What the other instance is called here; its own name when nothing is said
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    /// Write peers/NAME.toml and secrets/peer-NAME, which must not exist
    #[arg(long)]
    write: bool,
    /// Where its archives go: `received`, or the only location there is
    #[arg(long, value_name = "LOCATION")]
    location: Option<String>,
    /// The most it may store
    #[arg(long, value_name = "SIZE")]
    quota: Option<String>,
    /// The policy for what it sends
    #[arg(long, value_name = "RETENTION")]
    retention: Option<String>,
}

/// Reads a code that is still good.
pub(in crate::cli) fn read(text: &str) -> anyhow::Result<Code> {
    let code = Code::decode(text).map_err(|error| {
        anyhow::Error::from(
            Failure { code: USAGE, ..Failure::new(error.to_string()) }.hint(error.hint()),
        )
    })?;
    if code.expires_at <= Timestamp::now() {
        return Err(Failure::new(format!("the code of `{}` has expired", code.instance))
            .hint("ask for another one; is the clock of this host right?")
            .into());
    }
    Ok(code)
}

/// Why the other side did not take it.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(in crate::cli) fn not_taken(error: PeerError) -> anyhow::Error {
    let failure = Failure::new(with_causes(&error));
    let hint = match &error {
        PeerError::Refused { status: 401, .. } => Some(
            "the code was used already, taken back, or has expired: ask for another one".to_owned(),
        ),
        PeerError::Certificate { .. } => Some(
            "it is not the certificate that the code names: somebody may stand between you, and \
             nothing was sent to them"
                .to_owned(),
        ),
        PeerError::Offline { .. } => {
            Some("is its daemon reachable from here? nothing was sent".to_owned())
        }
        error => error.hint(),
    };
    match hint {
        Some(hint) => failure.hint(hint).into(),
        None => failure.into(),
    }
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<u8> {
    let code = read(&arguments.code)?;
    let dir = &context.config_dir;
    let desired = read_desired(dir)?;
    let name = arguments.name.as_deref().unwrap_or(code.instance.as_str());
    let name = super::edit::name(context, name)?;
    if desired.peers.contains_key(&name) {
        return Err(Failure::new(format!("there is a peer `{name}` already"))
            .hint("call it otherwise with `--as`, or remove it first")
            .into());
    }
    let terms = Terms {
        location: arguments.location.clone(),
        quota: arguments.quota.clone(),
        retention: arguments.retention.clone(),
    };
    let no_random = |error| Failure::new(format!("the system gives no random numbers: {error}"));
    let token = secret::new_token().map_err(no_random)?;
    let stores = terms.place(&desired).is_some();
    let mut other = Other {
        url: Some(code.url.clone()),
        pin: code.pin.map(|pin| pin.to_string()),
        gives_token: true,
        token_hash: stores.then(|| TokenHash::Sha256(Hasher::digest(&*token).into()).to_string()),
    };
    // What cannot be written must not use up the code.
    let table = |other: &Other| edit::paired(dir, &name, other, &terms, &desired);
    table(&other).map_err(|error| told(context, &error))?;
    if arguments.write {
        for place in [edit::place_of(&name), edit::secret_of(&name)] {
            if std::fs::symlink_metadata(dir.join(&place)).is_ok() {
                return Err(told(context, &edit::EditError::Exists(dir.join(&place))));
            }
        }
    }
    let offer = Offer {
        secret: code.secret.hex(),
        token: stores.then(|| token.to_string()),
        ..ourselves(&desired).await?
    };
    let welcome = pairing::pair(&code, name.clone(), &offer).await.map_err(not_taken)?;
    if pairing::is_vouched_for(&code.url).await {
        other.pin = None;
    }
    other.gives_token = welcome.token.is_some();
    let theirs = welcome.token.as_deref();
    if theirs.is_some_and(|token| token.is_empty() || token.chars().any(char::is_control)) {
        return Err(Failure::new(format!("the token of `{name}` is none")).into());
    }
    let toml = table(&other).map_err(|error| told(context, &error))?;
    let written = arguments.write.then(|| edit::add_peer(dir, &name, &toml, theirs));
    let failed = match &written {
        Some(Err(error)) => {
            context.warn(&format!("{}: {}", with_causes(error), error.hint()));
            true
        }
        Some(Ok(_)) | None => false,
    };
    let is_written = arguments.write && !failed;
    if context.is_json() {
        context.print_json(&json!({
            "name": name.as_str(),
            "instance": welcome.instance,
            "toml": toml,
            "token": if is_written { None } else { theirs },
            "written": is_written,
            "ssh_keys": welcome.ssh_keys,
        }))?;
    } else if is_written {
        context.tell(&format!("wrote `{}`", dir.join(edit::place_of(&name)).display()));
    } else {
        print(context, &name, &toml, theirs)?;
    }
    let called = crate::cli::words::clean(&welcome.peer);
    context.tell(&format!("paired with `{}`, which calls this instance `{called}`", code.instance));
    tell_keys(context, &welcome.ssh_keys);
    tell_places(context, &name, stores, theirs.is_some());
    Ok(u8::from(failed))
}

/// What is said of this instance.
async fn ourselves(desired: &Desired) -> anyhow::Result<Offer> {
    let instance = &desired.instance;
    let url = instance.url.clone().filter(|url| url.starts_with("https://"));
    let pin = match (&instance.tls, &url) {
        (Some(tls), Some(url)) if !pairing::is_vouched_for(url).await => {
            let pin = config::fingerprint(tls).map_err(|error| {
                anyhow::Error::from(Failure::new(with_causes(&error)).hint(error.hint()))
            })?;
            Some(pin.to_string())
        }
        _ => None,
    };
    Ok(Offer {
        instance: instance.name.to_string(),
        url,
        pin,
        ssh_keys: keys::public_keys(&instance.state_dir),
        ..Offer::default()
    })
}

/// Prints a table to commit, and the token that it names.
pub(super) fn print(
    context: &Context,
    name: &PlaceName,
    toml: &str,
    token: Option<&str>,
) -> anyhow::Result<()> {
    context.print(toml)?;
    context.tell(&format!("the table is for `{}`", edit::place_of(name)));
    if let Some(token) = token {
        context.print(&format!(
            "\n# {}, for nobody else to read:\n# {token}\n",
            edit::secret_of(name)
        ))?;
        context.tell(&format!(
            "the token is for `{}` (mode 0600), shown this once: `--write` would have put it there",
            edit::secret_of(name)
        ));
    }
    Ok(())
}

/// Who may store where now: the other side here, and this one there, where it gave a token.
pub(super) fn tell_places(context: &Context, name: &PlaceName, stores: bool, sends: bool) {
    let missing = format!("`location` in `[peer.{name}.accept]` is missing");
    let how = "define a `[location.received]`, or name one with `--location`, and pair anew";
    if sends {
        context.tell(&format!("`send_to = [\"{name}\"]` in a job sends its archives there"));
    } else if stores {
        context.tell(&format!("`{name}` gave no place for archives of this instance"));
    }
    if !stores && sends {
        context.tell(&format!("`{name}` may not store here: {missing}; {how} for that"));
    } else if !stores {
        context.warn(&format!(
            "neither side keeps archives of the other: {missing}, and so it is there; {how}"
        ));
    }
}

/// What the other side's SSH keys are for.
pub(super) fn tell_keys(context: &Context, keys: &[String]) {
    for key in keys {
        context.tell(&format!("its SSH key: {}", crate::cli::words::clean(key)));
    }
}
