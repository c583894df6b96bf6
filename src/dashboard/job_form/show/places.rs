//! Where archives of a job are made and go, and for how long they stay there.

use maud::{Markup, html};

use super::super::Form;
use super::super::filled::{SPANS, TICKED};
use super::{below, id, input};
use crate::dashboard::words::Words;

/// The inputs of a policy: the job's, or that of one copy. Which of them count follows from the
/// first; the others are out of sight.
pub(super) fn policy(words: &Words, form: &Form, prefix: &str) -> Markup {
    let filled = &form.filled;
    let value = |key: &str| filled.get(&format!("{prefix}:{key}"));
    let how = value("how");
    let is_own = prefix == "retention";
    let (nothing, label) =
        if is_own { (words.as_defaults, words.keeps) } else { (words.as_job, words.own_policy) };
    let modes =
        [("count", words.policy_count), ("daily", words.policy_daily), ("gfs", words.policy_gfs)];
    let number = |key: &str, class: &str, name: &str, usual: &str| {
        let id = format!("f-{}-{key}", id(prefix));
        html! {
            div class=(format!("number {class}")) {
                label for=(id) { (name) }
                input id=(id) type="text" inputmode="numeric" size="5" autocomplete="off"
                    name=(format!("{prefix}:{key}")) value=(value(key)) placeholder=(usual);
            }
        }
    };
    let field = |key: &str| words.field(&format!("retention.{key}")).0;
    html! {
        div.field.policy {
            label for=(format!("f-{}-how", id(prefix))) { (label) }
            select id=(format!("f-{}-how", id(prefix))) name=(format!("{prefix}:how")) {
                option value="" {
                    (nothing) @if is_own && form.around.retention.is_null() { " (" (words.no_default) ")" }
                }
                @for name in form.around.policies.keys() {
                    option value=(format!("policy:{name}")) selected[how.strip_prefix("policy:") == Some(name)] {
                        (name)
                    }
                }
                @for (mode, text) in modes { option value=(mode) selected[mode == how] { (text) } }
            }
            div.numbers-in {
                (number("value", "for-one", field("value"), "7"))
                @for key in SPANS { (number(key, "for-gfs", field(key), "0")) }
                (number("min_days", "for-one for-gfs", field("min_days"), "3"))
            }
            @if is_own {
                @for key in ["retention", "retention.mode", "retention.value", "retention.daily",
                             "retention.weekly", "retention.monthly", "retention.yearly",
                             "retention.min_days"] {
                    (below(words, form, key, &id(key), ""))
                }
            }
        }
    }
}

pub(super) fn location(words: &Words, form: &Form) -> Markup {
    let chosen = form.filled.get("location");
    let usual = form.around.location.as_str();
    let is_known = form.locations.iter().any(|one| one.name == chosen);
    input(words, form, "location", |id, about| {
        html! {
            select id=(id) name="location" aria-describedby=(about) {
                option value="" {
                    (words.as_defaults) " ("
                    @if usual.is_empty() { (words.no_default) } @else { (usual) } ")"
                }
                @for one in &form.locations {
                    option value=(one.name) selected[one.name == chosen] {
                        (one.name) @if one.encrypted { " – " (words.is_encrypted) }
                    }
                }
                @if !is_known && !chosen.is_empty() {
                    option value=(chosen) selected { (chosen) }
                }
            }
        }
    })
}

pub(super) fn copies(words: &Words, form: &Form) -> Markup {
    let (label, _) = words.field("send_to");
    let locations = form.locations.iter().map(|one| (one.name.as_str(), one.encrypted, false));
    let peers = form.peers.iter().map(|one| (one.name.as_str(), false, true));
    let mut places: Vec<(&str, bool, bool)> = locations.chain(peers).collect();
    for name in form.filled.chosen() {
        if places.iter().all(|(known, ..)| *known != name) {
            places.push((name, false, false));
        }
    }
    html! {
        fieldset.copies {
            legend { (label) }
            @if places.is_empty() { p.faint { (words.nothing) } }
            @for (name, is_encrypted, is_peer) in places {
                (copy(words, form, name, is_encrypted, is_peer))
            }
            (below(words, form, "send_to", "send_to", ""))
        }
    }
}

fn copy(words: &Words, form: &Form, name: &str, is_encrypted: bool, is_peer: bool) -> Markup {
    let prefix = format!("send_to:{name}");
    let value = |key: &str| form.filled.get(&format!("{prefix}:{key}"));
    let has_own = ["via", "how", "encrypt_to"].iter().any(|key| !value(key).is_empty());
    let (via, _) = words.field("send_to.via");
    let (recipients, remark) = words.field("send_to.encrypt_to");
    let id = id(&prefix);
    html! {
        div.copy {
            label.tick {
                input type="checkbox" name=(prefix) value=(TICKED)
                    checked[form.filled.get(&prefix) == TICKED];
                " " (name)
                @if is_peer { " " span.faint { (words.peers_word) } }
                @if is_encrypted { " " span.faint { (words.is_encrypted) } }
            }
            details open[has_own] {
                summary aria-label=(format!("{}: {name}", words.own_keys)) { (words.own_keys) }
                div.fields {
                    @if is_peer {
                        div.field {
                            label for=(format!("f-{id}-via")) { (via) }
                            select id=(format!("f-{id}-via")) name=(format!("{prefix}:via")) {
                                option value="" { (words.usual) " (auto)" }
                                @for one in ["http", "rsync"] {
                                    option selected[one == value("via")] { (one) }
                                }
                            }
                        }
                    }
                    (policy(words, form, &prefix))
                    div.field {
                        label for=(format!("f-{id}-for")) { (recipients) }
                        textarea id=(format!("f-{id}-for")) rows="2" spellcheck="false"
                            name=(format!("{prefix}:encrypt_to")) placeholder="age1…"
                            autocapitalize="none" { "\n" (value("encrypt_to")) }
                        div.faint { (remark) }
                    }
                }
            }
        }
    }
}
