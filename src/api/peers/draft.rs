//! What would become of a peer that is to be added, with every mistake at its field.

use std::path::Path;

use serde_json::Value;

use super::edit::{own_secrets, secret_of};
use crate::api::dto::{NewPeer, PeerDraft, PeerMistake};
use crate::api::problem::Problem;
use crate::causes::with_causes;
use crate::config;
use crate::config::edit::{self, EditError};
use crate::model::desired::Desired;
use crate::model::name::PlaceName;

/// Why this host cannot have a peer of a kind, and what to do about it.
pub(super) fn lacks(desired: &Desired, kind: &str) -> Option<(String, &'static str)> {
    config::peer_kinds(desired).into_iter().find(|here| here.kind == kind)?.lacks
}

/// Judges a peer that is to be added. Blocks; nothing changes.
pub(super) fn draft(desired: &Desired, dir: &Path, new: &NewPeer) -> PeerDraft {
    let mut draft = PeerDraft {
        valid: false,
        writes: desired.instance.page_edits_peers,
        file: None,
        toml: None,
        secret_file: None,
        mistakes: Vec::new(),
    };
    let mut fields = new.config.clone().unwrap_or_default();
    let name = new.name.parse::<PlaceName>();
    match &name {
        Err(error) => draft.mistakes.push(mistake("name", error, Some("for instance `tom`"))),
        Ok(name) if desired.peers.contains_key(name) => {
            let what = format!("there is a peer `{name}` already");
            draft.mistakes.push(mistake("name", &what, Some("choose another name")));
        }
        Ok(name) if desired.locations.contains_key(name) => {
            let what = format!("`{name}` is the name of a location already");
            let hint = "locations and peers share their names: choose another one";
            draft.mistakes.push(mistake("name", &what, Some(hint)));
        }
        Ok(_) => {}
    }
    if let Some((why, hint)) = lacks(desired, &new.kind) {
        draft.mistakes.push(mistake("kind", &why, Some(hint)));
    }
    for field in edit::missing(&new.kind, &fields) {
        draft.mistakes.push(mistake(&field, &format!("`{field}` is needed"), None));
    }
    if let (Ok(name), Some(secret)) = (&name, new.secret.as_deref()) {
        match secret_of(name, &mut fields, secret) {
            Ok(_) if dir.join(edit::secret_of(name)).exists() => {
                let what = format!("there is a file `{}` already", edit::secret_of(name));
                let hint = "nothing is overwritten: choose another name, or remove it first";
                draft.mistakes.push(mistake("token", &what, Some(hint)));
            }
            Ok(_) => draft.secret_file = Some(edit::secret_of(name)),
            Err(problem) => draft.mistakes.push(told(Some("token"), &problem)),
        }
    }
    if draft.writes
        && let Err(problem) = own_secrets(&fields, dir)
    {
        draft.mistakes.push(told(Some("token"), &problem));
    }
    if draft.mistakes.is_empty()
        && let Ok(name) = &name
    {
        judge(&mut draft, dir, name, (&new.kind, &fields));
    }
    draft.valid = draft.mistakes.is_empty();
    draft
}

/// Judges it with the whole configuration.
fn judge(draft: &mut PeerDraft, dir: &Path, name: &PlaceName, peer: (&str, &edit::Fields)) {
    let (kind, fields) = peer;
    let place = edit::place_of(name);
    let toml = match edit::render(name, kind, fields) {
        Ok(toml) => toml,
        Err(error) => {
            let field = (!is_kind(kind)).then(|| "kind".to_owned());
            draft.mistakes.push(PeerMistake {
                field,
                message: error.to_string(),
                hint: Some(error.hint()),
            });
            return;
        }
    };
    if dir.join(&place).symlink_metadata().is_ok() {
        let what = format!("there is a file `{place}` already");
        let hint = "nothing is overwritten: choose another name, or remove it first";
        draft.mistakes.push(mistake("name", &what, Some(hint)));
    }
    match edit::judge_peer(dir, name, &toml) {
        Ok(_) => {}
        Err(EditError::Invalid { diagnostics, .. }) => {
            draft.mistakes.extend(diagnostics.into_iter().map(|one| {
                let line = usize::try_from(one.line).unwrap_or(usize::MAX);
                let is_here = one.file == place;
                PeerMistake {
                    field: edit::field_at(&toml, line).filter(|_| is_here),
                    message: if is_here {
                        one.message
                    } else {
                        format!("{}:{}: {}", one.file, one.line, one.message)
                    },
                    hint: one.hint,
                }
            }));
        }
        Err(error) => draft.mistakes.push(PeerMistake {
            field: None,
            message: with_causes(&error),
            hint: Some(error.hint()),
        }),
    }
    let names_secret = fields.get("token").and_then(Value::as_object);
    let names_secret = names_secret.and_then(|token| token.get("file")?.as_str());
    if names_secret == Some(&*format!("../{}", edit::secret_of(name))) {
        draft.secret_file = Some(edit::secret_of(name));
    }
    (draft.file, draft.toml) = (Some(place), Some(toml));
}

fn is_kind(kind: &str) -> bool {
    config::edit::fields(kind, []).is_ok()
}

fn mistake(field: &str, what: &impl ToString, hint: Option<&str>) -> PeerMistake {
    PeerMistake {
        field: Some(field.to_owned()),
        message: what.to_string(),
        hint: hint.map(str::to_owned),
    }
}

fn told(field: Option<&str>, problem: &Problem) -> PeerMistake {
    PeerMistake {
        field: field.map(str::to_owned),
        message: problem.detail.to_string(),
        hint: problem.hint.clone(),
    }
}
