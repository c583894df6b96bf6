//! `larder peer key`: this host's SSH key, and the line that lets it in at a peer.

use clap::Args;

use crate::cli::check::read_desired;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::model::desired::Desired;
use crate::model::peer::{Peer, PeerKind, Ssh};
use crate::peer::ssh::keys::{self, KeyError, Let};
use crate::stop::Stop;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder peer key              the public key of this instance; made where there is none
  larder peer key vps          the whole line for ~/.ssh/authorized_keys of the user at `vps`

The line lets the key do nothing but what larder needs there. At a host without a larder that is to
add archives; it can neither delete nor replace any, unless the peer has `prune = true`. At another
instance it is to hand over uploads that were announced over HTTPS.")]
pub(in crate::cli) struct Arguments {
    /// The peer that is to let the key in
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

#[expect(clippy::unused_async, reason = "commands are asked in one way")]
pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<u8> {
    let desired = read_desired(&context.config_dir)?;
    let default = Ssh::default_key(&desired.instance.state_dir);
    let Some(name) = &arguments.name else {
        let public = key(context, &desired, &default)?;
        context.print(&format!("{public}\n"))?;
        context.tell("`larder peer key NAME` prints the whole line for a peer");
        return Ok(0);
    };
    let peer = desired.peers.values().find(|peer| peer.name.as_str() == name.as_str());
    let peer = peer.ok_or_else(|| {
        Failure::new(format!("there is no peer `{name}`")).hint("`larder peer list` shows them")
    })?;
    let ssh = ssh_of(peer)?;
    let path = ssh.identity.clone().unwrap_or(default);
    let public = key(context, &desired, &path)?;
    let allowed = match (&peer.kind, &ssh.path) {
        (PeerKind::Instance { .. }, _) => Let::Receive(desired.instance.name.as_str()),
        (_, Some(folder)) if peer.prune => Let::Prune(folder),
        (_, Some(folder)) => Let::Hold(folder),
        (_, None) => {
            return Err(Failure::new(format!("peer `{name}` has no `ssh.path`")).into());
        }
    };
    context.print(&format!("{}\n", keys::authorized_line(&public, allowed)))?;
    context.tell(&format!(
        "one line for `~/.ssh/authorized_keys` of `{}` at `{}`; then `larder peer check {name}`",
        ssh.user, ssh.host
    ));
    if ssh.known_hosts.is_none() {
        context.warn(&format!(
            "`[peer.{name}.ssh]` has no `known_hosts`: write the line of the host's own \
             `/etc/ssh/ssh_host_ed25519_key.pub` there, behind its name"
        ));
    }
    if matches!(allowed, Let::Receive(_)) {
        context.tell(&format!(
            "there, `{}` has to be the name of this instance's `[peer.…]`, and the user the one \
             that its daemon runs as",
            desired.instance.name
        ));
    }
    Ok(0)
}

fn ssh_of(peer: &Peer) -> anyhow::Result<&Ssh> {
    let none = || {
        Failure::new(format!("peer `{}` is not reached over SSH", peer.name))
            .hint(format!("give it an `ssh = {{ host = …, user = … }}` in `[peer.{}]`", peer.name))
    };
    Ok(match &peer.kind {
        PeerKind::SshDirect(ssh) | PeerKind::SshViaRelay(ssh) => ssh,
        PeerKind::Instance { ssh, .. } => ssh.as_ref().ok_or_else(none)?,
        PeerKind::BackupChannel { .. } => return Err(none().into()),
    })
}

/// The public half of a key that is made where there is none.
fn key(context: &Context, desired: &Desired, path: &std::path::Path) -> anyhow::Result<String> {
    let failed = |error: KeyError| {
        let failure = Failure::new(crate::causes::with_causes(&error));
        match error {
            KeyError::File { .. } => failure.hint("be root, or the user that owns `state_dir`"),
            KeyError::Process(_) => failure.hint("install `openssh-client`"),
            KeyError::NoKey(_) => failure.hint("it must be a private key without a passphrase"),
        }
    };
    let stop = Stop::new();
    let comment = format!("larder@{}", desired.instance.name);
    if keys::make(path, &comment, &stop).map_err(failed)? {
        context.tell(&format!("made the key `{}`", path.display()));
    }
    Ok(keys::public(path, &stop).map_err(failed)?)
}
