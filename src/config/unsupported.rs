//! What this version parses and checks, and does not carry out yet: refused in plain words, since
//! a key that is silently ignored is a backup that does not exist.
//!
//! Whoever carries one out deletes its line here.

use super::context::{Context, Object};
use super::tree::{Node, Span, Value};

/// What is said wherever something is for peers that get archives from here.
const SENDING: &str = "sending to a peer";

/// A path of keys below the top (`*` stands for any key or item), the text or `true` that it must
/// have to be refused, and what is not carried out.
const NOT_YET: &[(&[&str], Option<&str>, &str)] = &[
    (&["instance", "page_edits_peers"], Some("true"), "editing peers on the web page"),
    (&["job", "*", "send_to", "*", "via"], Some("rsync"), "sending by rsync"),
    (&["job", "*", "send_to", "*", "encrypt_to"], None, "encryption of a single copy"),
    (&["peer", "*", "kind"], Some("backup-channel"), "a peer of kind `backup-channel`"),
    (&["peer", "*", "kind"], Some("direct-ssh-direct"), "a peer of kind `direct-ssh-direct`"),
    (&["peer", "*", "kind"], Some("direct-ssh-via-relay"), "a peer of kind `direct-ssh-via-relay`"),
    (&["peer", "*", "token"], None, SENDING),
    (&["peer", "*", "ca"], None, SENDING),
    (&["peer", "*", "pin"], None, SENDING),
    (&["peer", "*", "ssh"], None, SENDING),
    (&["peer", "*", "rsync_above"], None, SENDING),
    (&["peer", "*", "bandwidth"], None, SENDING),
    (&["peer", "*", "fetch_from"], None, "fetching from a peer"),
    (&["peer", "*", "accept", "scopes", "*"], Some("run"), "a peer that starts runs here"),
    (&["peer", "*", "accept", "scopes", "*"], Some("restore"), "a peer that restores here"),
];

/// Reports what this version does not carry out of one object.
pub(super) fn refuse(object: &Object, cx: &mut Context<'_>) {
    for (path, only, what) in NOT_YET {
        let Some((kind, below)) = path.split_first() else { continue };
        if *kind != object.id.kind.word() {
            continue;
        }
        let below = if object.id.kind.is_single() { below } else { &below[1..] };
        for at in matches(&object.node, object.at, below, *only) {
            tell(at, what, cx);
        }
    }
}

/// Reports a copy that is to go to a peer: only here is it known what the name stands for.
pub(super) fn refuse_sending(at: Span, cx: &mut Context<'_>) {
    tell(at, SENDING, cx);
}

fn tell(at: Span, what: &str, cx: &mut Context<'_>) {
    cx.error_with(
        at,
        format!("{what} is not carried out by this version yet"),
        "remove it, or comment it out: nothing that is written here is ignored in silence",
    );
}

fn matches(node: &Node, at: Span, path: &[&str], only: Option<&str>) -> Vec<Span> {
    let Some((key, below)) = path.split_first() else {
        let wanted = match (&node.value, only) {
            (_, None) => true,
            (Value::Text { text, .. }, Some(only)) => text == only,
            (Value::Bool(value), Some(only)) => value.to_string() == only,
            _ => false,
        };
        return if wanted { vec![at] } else { Vec::new() };
    };
    match &node.value {
        Value::Table(entries) => entries
            .iter()
            .filter(|entry| *key == "*" || entry.key == *key)
            .flat_map(|entry| matches(&entry.node, entry.at, below, only))
            .collect(),
        Value::Array(items) if *key == "*" => {
            items.iter().flat_map(|item| matches(item, item.at, below, only)).collect()
        }
        _ => Vec::new(),
    }
}
