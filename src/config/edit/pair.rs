//! The table that pairing makes of a peer, and how it changes when its holder does.

use std::path::Path;

use serde_json::{Value, json};

use super::{EditError, Fields, judge_peer, own_text, render, replace_peer, secret_of};
use crate::model::desired::Desired;
use crate::model::name::PlaceName;

/// What this instance lets a peer do that it pairs with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// Where its archives go; by default `received`, or the only location there is.
    pub location: Option<String>,
    /// The most it may store.
    pub quota: Option<String>,
    /// The policy for what it sends; by default that of `[defaults]`.
    pub retention: Option<String>,
}

/// Where archives of peers usually go.
const USUAL_LOCATION: &str = "received";

impl Terms {
    /// The location that is meant; `None` where there is none to choose from.
    #[must_use]
    pub fn place(&self, desired: &Desired) -> Option<String> {
        if self.location.is_some() {
            return self.location.clone();
        }
        let mut own = desired.locations.values().filter(|place| place.owner.is_none());
        if own.clone().any(|place| place.name.as_str() == USUAL_LOCATION) {
            return Some(USUAL_LOCATION.to_owned());
        }
        let only = own.next()?.name.to_string();
        own.next().is_none().then_some(only)
    }
}

/// What pairing learns of the other side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Other {
    /// Its base URL; it comes to us without.
    pub url: Option<String>,
    /// SHA-256 of its certificate, where the system's authorities do not vouch for it.
    pub pin: Option<String>,
    /// Whether it gave us a token, which goes into the usual secret.
    pub gives_token: bool,
    /// The hash of the token that we give it; it may do nothing here without.
    pub token_hash: Option<String>,
}

/// The table of a peer that was paired with, judged with the whole configuration.
///
/// # Errors
/// The configuration would not be valid with it.
pub fn paired(
    dir: &Path,
    name: &PlaceName,
    other: &Other,
    terms: &Terms,
    desired: &Desired,
) -> Result<String, EditError> {
    let mut fields = Fields::new();
    let mut put = |key: &str, value: Option<Value>| {
        fields.extend(value.map(|value| (key.to_owned(), value)));
    };
    put("url", other.url.clone().map(Value::from));
    put("pin", other.pin.clone().map(Value::from));
    put("token", other.gives_token.then(|| json!({ "file": format!("../{}", secret_of(name)) })));
    let place = terms.place(desired);
    let accept = |retention: Option<Value>| {
        let hash = other.token_hash.clone()?;
        let mut accept = Fields::new();
        accept.insert("token_hash".to_owned(), hash.into());
        accept.insert("location".to_owned(), place.clone()?.into());
        accept.extend(terms.quota.clone().map(|quota| ("quota".to_owned(), quota.into())));
        accept.extend(retention.map(|policy| ("retention".to_owned(), policy)));
        Some(Value::Object(accept))
    };
    let with = |retention: Option<Value>| {
        let mut fields = fields.clone();
        fields.extend(accept(retention).map(|accept| ("accept".to_owned(), accept)));
        let text = render(name, "instance", &fields)?;
        judge_peer(dir, name, &text).map(|_| text)
    };
    let named = terms.retention.clone().map(Value::from);
    let first = with(named.clone());
    match first {
        // Without `[defaults]` somebody must say how long archives live.
        Err(EditError::Invalid { .. }) if named.is_none() && place.is_some() => {
            let policy = json!({ "mode": "gfs", "daily": 7, "weekly": 4, "monthly": 12 });
            with(Some(policy)).or(first)
        }
        first => first,
    }
}

/// The table of a peer whose place somebody new takes: the old token opens nothing any more, and
/// the new one only reads until that is confirmed.
///
/// # Errors
/// The table was not written by larder.
pub fn replaced(dir: &Path, name: &PlaceName, other: &Other) -> Result<String, EditError> {
    let mut text = own_text(dir, name)?;
    let quoted = |value: &str| Value::from(value).to_string();
    if let Some(hash) = &other.token_hash {
        text = with_key(&text, "accept", "token_hash", Some(&quoted(hash)));
        text = with_key(&text, "accept", "read_only", Some("true"));
    }
    if let Some(url) = &other.url {
        text = with_key(&text, "", "url", Some(&quoted(url)));
        text = with_key(&text, "", "pin", other.pin.as_deref().map(quoted).as_deref());
    }
    if other.gives_token {
        let token = format!("{{ file = {} }}", quoted(&format!("../{}", secret_of(name))));
        text = with_key(&text, "", "token", Some(&token));
    }
    Ok(text)
}

/// Lets the new holder of a name space send again. `false` when nothing had to change.
///
/// # Errors
/// The table was not written by larder, or it cannot be written.
pub fn confirm(dir: &Path, name: &PlaceName) -> Result<bool, EditError> {
    let text = own_text(dir, name)?;
    let confirmed = with_key(&text, "accept", "read_only", None);
    if confirmed == text {
        return Ok(false);
    }
    replace_peer(dir, name, &confirmed, None)?;
    Ok(true)
}

/// A table as it is written here (each key on a line of its own), with another value of one key, or
/// without it. `below` is the table in the peer's, or empty.
fn with_key(text: &str, below: &str, key: &str, value: Option<&str>) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let is_header = |line: &String| line.starts_with('[');
    let is_ours = |line: &String| {
        is_header(line)
            && if below.is_empty() {
                // The peer's own table comes first.
                true
            } else {
                line.ends_with(&format!(".{below}]"))
            }
    };
    let Some(header) = lines.iter().position(is_ours) else { return text.to_owned() };
    let end = lines[header + 1..].iter().position(is_header);
    let end = end.map_or(lines.len(), |end| header + 1 + end);
    let found = lines[header..end]
        .iter()
        .position(|line| line.split_once('=').is_some_and(|(name, _)| name.trim() == key));
    let line = value.map(|value| format!("{key} = {value}"));
    match (found, line) {
        (Some(at), Some(line)) => lines[header + at] = line,
        (Some(at), None) => {
            lines.remove(header + at);
        }
        (None, Some(line)) => lines.insert(header + 1, line),
        (None, None) => {}
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_changes_and_the_rest_stays() {
        let text = "# mark\n[peer.tom]\nkind = \"instance\"\npin = \"1\"\n\n[peer.tom.accept]\n\
                    quota = \"1 GiB\"\ntoken_hash = \"old\"\n";
        let new = with_key(text, "accept", "token_hash", Some("\"new\""));
        let new = with_key(&new, "accept", "read_only", Some("true"));
        let new = with_key(&new, "", "pin", None);
        let new = with_key(&new, "", "url", Some("\"https://tom\""));
        insta::assert_snapshot!(new, @r#"
        # mark
        [peer.tom]
        url = "https://tom"
        kind = "instance"

        [peer.tom.accept]
        read_only = true
        quota = "1 GiB"
        token_hash = "new"
        "#);
        let confirmed = with_key(&new, "accept", "read_only", None);
        assert!(!confirmed.contains("read_only") && confirmed.contains("quota"));
        assert_eq!(with_key(&confirmed, "ssh", "port", Some("1")), confirmed);
    }
}
